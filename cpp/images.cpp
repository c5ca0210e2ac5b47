#include "images.hpp"

#include <algorithm>
#include <limits>

namespace miniff {

namespace {

/// Fewer images than this are not worth waking a second thread.
constexpr std::int64_t few = 4096;

}  // namespace

void place_images(const ImageTable& table, const double* positions, const double* cells,
                  Quads& out) {
    out.resize(static_cast<std::size_t>(4 * table.n_images));
#pragma omp parallel for schedule(static) if (table.n_images > few)
    for (std::int64_t m = 0; m < table.n_images; ++m) {
        const std::int64_t i = table.atom[m];
        const double* cell = cells + 9 * table.structure[i];
        const std::int32_t* s = table.shift + 3 * m;
        double* const place = out.data() + 4 * m;
        for (int x = 0; x < 3; ++x)
            place[x] =
                positions[3 * i + x] + (s[0] * cell[x] + s[1] * cell[3 + x] + s[2] * cell[6 + x]);
        place[3] = table.species[i];
    }
}

void copy_images(const ImageTable& table, const double* positions, Quads& out) {
    out.resize(static_cast<std::size_t>(4 * table.n_images));
    for (std::int64_t m = 0; m < table.n_images; ++m) {
        for (int x = 0; x < 3; ++x) out[4 * m + x] = positions[3 * m + x];
        out[4 * m + 3] = table.species[table.atom[m]];
    }
}

void fold_images(const ImageTable& table, const Quads& places, const Quads& by_image,
                 double* gradient, double* strain) {
    std::fill_n(gradient, 3 * table.n_atoms, 0.0);
    std::fill_n(strain, 9 * table.n_structures, 0.0);
    for (std::int64_t m = 0; m < table.n_images; ++m) {
        const double *g = by_image.data() + 4 * m, *at = places.data() + 4 * m;
        const std::int64_t i = table.atom[m];
        double* const of_structure = strain + 9 * table.structure[i];
        for (int x = 0; x < 3; ++x) {
            gradient[3 * i + x] += g[x];
            for (int y = 0; y < 3; ++y) of_structure[3 * x + y] += at[x] * g[y];
        }
    }
}

void move_images(const ImageTable& table, const double* images, const double* moves,
                 const double* strain, double* out) {
#pragma omp parallel for schedule(static) if (table.n_images > few)
    for (std::int64_t m = 0; m < table.n_images; ++m) {
        const std::int64_t i = table.atom[m];
        const double *at = images + 3 * m, *of_structure = strain + 9 * table.structure[i];
        for (int y = 0; y < 3; ++y)
            out[3 * m + y] = moves[3 * i + y] + at[0] * of_structure[y] +
                             at[1] * of_structure[3 + y] + at[2] * of_structure[6 + y];
    }
}

ClosestPair closest_pair(const ImageTable& table, const Quads& places) {
    ClosestPair closest{std::numeric_limits<double>::infinity(), -1};
    for (std::int64_t i = 0; i < table.n_atoms; ++i) {
        const double* centre = places.data() + 4 * i;
        for (std::int64_t p = table.start[i]; p < table.start[i + 1]; ++p) {
            const double* at = places.data() + 4 * static_cast<std::int64_t>(table.neighbor[p]);
            double distance2 = 0;
            for (int x = 0; x < 3; ++x) distance2 += (at[x] - centre[x]) * (at[x] - centre[x]);
            if (distance2 < closest.distance2) closest = {distance2, p};
        }
    }
    return closest;
}

}  // namespace miniff
