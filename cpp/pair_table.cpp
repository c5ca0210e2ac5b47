#include "pair_table.hpp"

#include <limits>
#include <stdexcept>

namespace miniff {

void group_by_centre(std::int64_t n_atoms, std::int64_t n_pairs, const std::uint64_t* pairs,
                     const std::int32_t* shifts, std::int64_t* start, std::int32_t* other,
                     std::int32_t* grouped_shifts) {
    if (n_atoms > std::numeric_limits<std::int32_t>::max())
        throw std::invalid_argument("more atoms than 32-bit indices can name");
    const auto n = static_cast<std::uint64_t>(n_atoms);
    for (std::int64_t i = 0; i <= n_atoms; ++i) start[i] = 0;
    for (std::int64_t p = 0; p < n_pairs; ++p) {
        if (pairs[2 * p] >= n || pairs[2 * p + 1] >= n)
            throw std::invalid_argument("a pair names an atom that does not exist");
        ++start[pairs[2 * p] + 1];
    }
    for (std::int64_t i = 0; i < n_atoms; ++i) start[i + 1] += start[i];
    // start[i] walks from the first to one past the last pair of i while they are placed ...
    for (std::int64_t p = 0; p < n_pairs; ++p) {
        const std::int64_t place = start[pairs[2 * p]]++;
        other[place] = static_cast<std::int32_t>(pairs[2 * p + 1]);
        for (int x = 0; x < 3; ++x) grouped_shifts[3 * place + x] = shifts[3 * p + x];
    }
    // ... and is then where the next centre begins.
    for (std::int64_t i = n_atoms; i > 0; --i) start[i] = start[i - 1];
    start[0] = 0;
}

void pair_vectors(std::int64_t n_atoms, const std::int64_t* start, const std::int32_t* other,
                  const std::int32_t* shifts, const std::int64_t* structure,
                  const double* positions, const double* cells, double* vectors) {
#pragma omp parallel for schedule(static) if (n_atoms > 1024)
    for (std::int64_t i = 0; i < n_atoms; ++i) {
        const double* cell = cells + 9 * structure[i];
        const double* centre = positions + 3 * i;
        for (std::int64_t p = start[i]; p < start[i + 1]; ++p) {
            const double* neighbor = positions + 3 * static_cast<std::int64_t>(other[p]);
            const std::int32_t* s = shifts + 3 * p;
            for (int x = 0; x < 3; ++x)
                vectors[3 * p + x] = neighbor[x] - centre[x] +
                                     (s[0] * cell[x] + s[1] * cell[3 + x] + s[2] * cell[6 + x]);
        }
    }
}

void gather_gradient(const PairTable& table, const double* pair_gradient, double* gradient) {
    for (std::int64_t i = 0; i < table.n_atoms; ++i) {
        double own[3] = {0, 0, 0};
        for (std::int64_t p = table.start[i]; p < table.start[i + 1]; ++p) {
            double* to = gradient + 3 * static_cast<std::int64_t>(table.other[p]);
            for (int x = 0; x < 3; ++x) {
                own[x] += pair_gradient[3 * p + x];
                to[x] += pair_gradient[3 * p + x];
            }
        }
        for (int x = 0; x < 3; ++x) gradient[3 * i + x] -= own[x];
    }
}

void gather_strain(const PairTable& table, const std::int64_t* structure,
                   const double* pair_gradient, double* strain) {
    for (std::int64_t i = 0; i < table.n_atoms; ++i) {
        double* out = strain + 9 * structure[i];
        for (std::int64_t p = table.start[i]; p < table.start[i + 1]; ++p)
            for (int x = 0; x < 3; ++x)
                for (int y = 0; y < 3; ++y)
                    out[3 * x + y] += table.vectors[3 * p + x] * pair_gradient[3 * p + y];
    }
}

}  // namespace miniff
