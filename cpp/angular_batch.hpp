/// A batch of triples: neighbours j and k of one atom, in rows of equal j.
#pragma once

#include <cmath>
#include <cstdint>

#include "symmetry_groups.hpp"
#include "vector_math.hpp"

namespace miniff::kernels {

/// Triples are worked on in batches of about this many, small enough for the first-level cache.
constexpr std::int64_t batch_size = 256;

/// Exponents are worked on in pairs, so that both share the powers of 1 + lambda c.
constexpr std::size_t pair_size = 2;

/// Hands out consecutive arrays of the scratch.
class Arena {
public:
    explicit Arena(double* at) : at_(at) {}
    MINIFF_INLINE double* take(std::int64_t n) {
        double* const array = at_;
        at_ += n;
        return array;
    }

private:
    double* at_;
};

/// Neighbour j with the partners k ... k + length - 1; its triples begin at t of the batch.
///
/// Up to `padded`, a multiple of 4, follow triples that count for nothing (`inside` is 0).
struct Row {
    std::int64_t j, k, length, padded, t;
};

/// What a batch of triples needs whatever is computed from it.
struct Batch {
    static constexpr std::int64_t n_arrays = 10 + 4 * pair_size;

    Row rows[batch_size / 4 + 1];
    std::int64_t n_rows, n, capacity;
    double *cosine, *inside;
    double *r3, *inverse_r3, *fc3, *dfc3;  // r3 = r_jk; only for narrow groups
    double *by_cosine, *by_r3;             // vjp: derivatives; the one by r_jk is over r_jk
    double *dcosine, *dr3;                 // jvp: changes; the one of r_jk is times r_jk
    double* product[pair_size];            // p_j p_k, for narrow groups times the factor n of r_jk
    double* n3[pair_size];                 // n(r_jk) = exp(-eta (r_jk - rs)^2) fc
    double* pull[pair_size];               // p_j p_k n'(r_jk) / r_jk
    double* q[pair_size];                  // vjp: weighted terms; jvp: changes of the product
};

MINIFF_INLINE void lay_out(Batch& batch, Arena& arena, std::int64_t stride) {
    batch.n_rows = batch.n = 0;
    batch.capacity = batch_size + stride;
    double** const singles[] = {&batch.cosine,    &batch.inside, &batch.r3,    &batch.inverse_r3,
                                &batch.fc3,       &batch.dfc3,   &batch.by_r3, &batch.dr3,
                                &batch.by_cosine, &batch.dcosine};
    for (double** array : singles) *array = arena.take(batch.capacity);
    for (double** array : {batch.product, batch.n3, batch.pull, batch.q})
        for (std::size_t u = 0; u < pair_size; ++u) array[u] = arena.take(batch.capacity);
}

/// Distances r_jk of a row; triples that do not count get the cutoff.
MINIFF_INLINE void fill_opposite_side(const Shell& s, const Row& row, double cutoff, Batch& batch) {
    const double r = s.r[row.j];
    const double x = r * s.x[row.j], y = r * s.y[row.j], z = r * s.z[row.j];
    const double *xk = s.x + row.k, *yk = s.y + row.k, *zk = s.z + row.k, *rk = s.r + row.k;
    const double* inside = batch.inside + row.t;
    double* MINIFF_RESTRICT r3 = batch.r3 + row.t;
    double* MINIFF_RESTRICT inverse_r3 = batch.inverse_r3 + row.t;
#pragma omp simd
    for (std::int64_t k = 0; k < row.padded; ++k) {
        const double dx = rk[k] * xk[k] - x;
        const double dy = rk[k] * yk[k] - y;
        const double dz = rk[k] * zk[k] - z;
        const double side = std::sqrt(dx * dx + dy * dy + dz * dz);
        r3[k] = inside[k] > 0 ? side : cutoff;
        inverse_r3[k] = 1 / r3[k];
    }
}

/// Cosines of the batch, and distances r_jk with their cutoff function where the group has them.
MINIFF_INLINE void fill_geometry(const Shell& s, const AngularGroup& group, Batch& batch) {
    for (std::int64_t i = 0; i < batch.n_rows; ++i) {
        const Row row = batch.rows[i];
        const double x = s.x[row.j], y = s.y[row.j], z = s.z[row.j];
        const double *xk = s.x + row.k, *yk = s.y + row.k, *zk = s.z + row.k;
        double* MINIFF_RESTRICT cosine = batch.cosine + row.t;
        double* MINIFF_RESTRICT inside = batch.inside + row.t;
#pragma omp simd
        for (std::int64_t k = 0; k < row.padded; ++k) {
            double c = x * xk[k] + y * yk[k] + z * zk[k];
            c = c < 1 ? c : 1.0;
            cosine[k] = c > -1 ? c : -1.0;
            inside[k] = k < row.length ? 1.0 : 0.0;
        }
        if (group.narrow) fill_opposite_side(s, row, group.fc.cutoff, batch);
    }
    if (group.narrow) evaluate(group.fc, batch.r3, batch.n, batch.fc3, batch.dfc3);
}

/// n3 and pull of exponent `u` of the pair, and the product completed by n3.
MINIFF_INLINE void apply_opposite_side(const AngularGroup& group, double eta, Batch& batch,
                                       std::size_t u) {
    const double shift = group.shift;
    const double *r3 = batch.r3, *inverse_r3 = batch.inverse_r3;
    const double *fc3 = batch.fc3, *dfc3 = batch.dfc3;
    double* MINIFF_RESTRICT product = batch.product[u];
    double* MINIFF_RESTRICT n3 = batch.n3[u];
    double* MINIFF_RESTRICT pull = batch.pull[u];
#pragma omp simd
    for (std::int64_t t = 0; t < batch.n; ++t) {
        const double y = r3[t] - shift;
        const double x = exp_of_negative(-eta * y * y);
        n3[t] = x * fc3[t];
        pull[t] = product[t] * x * (dfc3[t] - 2 * eta * y * fc3[t]) * inverse_r3[t];
        product[t] *= n3[t];
    }
}

/// An array for each of N exponents from e on, taken from an array [n_factors, stride] of the
/// shell.
template <std::size_t N>
struct OfPair {
    const double* array[N];

    MINIFF_INLINE OfPair(const double* of_factors, const Shell& s, const AngularGroup& group,
                         std::size_t e) {
        for (std::size_t u = 0; u < N; ++u)
            array[u] = of_factors + group.exponents[e + u].factor * s.stride;
    }
    MINIFF_INLINE const double* first() const { return array[0]; }
    MINIFF_INLINE const double* last() const { return array[N - 1]; }
};

/// The products of N exponents from e on.
template <std::size_t N>
MINIFF_INLINE void fill_products(const Shell& s, const AngularGroup& group, std::size_t e,
                                 Batch& batch) {
    const OfPair<N> factors(s.p, s, group, e);
    for (std::int64_t i = 0; i < batch.n_rows; ++i) {
        const Row row = batch.rows[i];
        const double pj = factors.first()[row.j], qj = factors.last()[row.j];
        const double *p = factors.first() + row.k, *q = factors.last() + row.k;
        const double* inside = batch.inside + row.t;
        double* MINIFF_RESTRICT pp = batch.product[0] + row.t;
        double* MINIFF_RESTRICT qq = batch.product[1] + row.t;
#pragma omp simd
        for (std::int64_t k = 0; k < row.padded; ++k) {
            pp[k] = pj * p[k] * inside[k];
            if constexpr (N == 2) qq[k] = qj * q[k] * inside[k];
        }
    }
    if (!group.narrow) return;
    for (std::size_t u = 0; u < N; ++u)
        apply_opposite_side(group, group.exponents[e + u].eta, batch, u);
}

/// Calls use() on all triples of the two ranges, in batches of whole rows.
template <class Use>
MINIFF_INLINE void for_batches(const Shell& shell, Range first, Range second,
                               const AngularGroup& group, Batch& batch, Use use) {
    const auto finish = [&]() MINIFF_INLINE_LAMBDA {
        fill_geometry(shell, group, batch);
        use();
        batch.n_rows = batch.n = 0;
    };
    for (std::int64_t j = first.begin; j < first.end; ++j) {
        const std::int64_t length = (group.one_list() ? j : second.end) - second.begin;
        if (length == 0) continue;
        const std::int64_t padded = (length + 3) / 4 * 4;
        batch.rows[batch.n_rows++] = {j, second.begin, length, padded, batch.n};
        batch.n += padded;
        if (batch.n >= batch_size) finish();
    }
    if (batch.n > 0) finish();
}

/// A number known when compiling, to be handed to a generic lambda.
template <std::size_t N>
struct Constant {
    static constexpr std::size_t value = N;
};

/// Calls use(how many, which first) on the exponents in pairs.
template <class Use>
MINIFF_INLINE void for_pairs(const AngularGroup& group, Use use) {
    std::size_t e = 0;
    for (; e + 2 <= group.exponents.size(); e += 2) use(Constant<2>{}, e);
    if (e < group.exponents.size()) use(Constant<1>{}, e);
}

}  // namespace miniff::kernels
