#include "angular_batch.hpp"
#include "angular_powers.hpp"
#include "angular_terms.hpp"
#include "symmetry_kernels.hpp"

// A triple depends on r_j, r_k and c only: r_jk^2 = r_j^2 + r_k^2 - 2 r_j r_k c. So derivatives are
// kept by distance and by unit vector, and those by r_jk are turned into them.

namespace miniff::kernels {

namespace {

template <class Terms>
MINIFF_INLINE void add_values(const Shell& s, Range first, Range second, const AngularGroup& group,
                              double* scratch, double* row) {
    Arena arena(scratch);
    Batch batch;
    lay_out(batch, arena, s.stride);
    Terms terms(arena, group, batch);
    for_batches(s, first, second, group, batch, [&]() MINIFF_INLINE_LAMBDA {
        terms.begin(batch);
        for_pairs(group, [&](auto how_many, std::size_t e) MINIFF_INLINE_LAMBDA {
            constexpr std::size_t n = decltype(how_many)::value;
            fill_products<n>(s, group, e, batch);
            terms.template add_values<n>(batch, e, row);
        });
    });
}

/// by_r3 += pull q, and q gets its factor n3.
MINIFF_INLINE void spread_to_opposite_side(Batch& batch, std::size_t u) {
    const double *pull = batch.pull[u], *n3 = batch.n3[u];
    double* MINIFF_RESTRICT q = batch.q[u];
    double* MINIFF_RESTRICT by_r3 = batch.by_r3;
#pragma omp simd
    for (std::int64_t t = 0; t < batch.n; ++t) {
        by_r3[t] += pull[t] * q[t];
        q[t] *= n3[t];
    }
}

/// tr += q d(p_j p_k)/dr for N exponents from e on.
template <std::size_t N>
MINIFF_INLINE void spread_to_legs(const Shell& s, const AngularGroup& group, std::size_t e,
                                  const Batch& batch) {
    const OfPair<N> factors(s.p, s, group, e), slopes(s.dp, s, group, e);
    for (std::int64_t i = 0; i < batch.n_rows; ++i) {
        const Row row = batch.rows[i];
        const double pj = factors.first()[row.j], qj = factors.last()[row.j];
        const double dpj = slopes.first()[row.j], dqj = slopes.last()[row.j];
        const double *p = factors.first() + row.k, *q = factors.last() + row.k;
        const double *dp = slopes.first() + row.k, *dq = slopes.last() + row.k;
        const double *by_p = batch.q[0] + row.t, *by_q = batch.q[N - 1] + row.t;
        double* MINIFF_RESTRICT tr = s.tr + row.k;
        double sum = 0;
#pragma omp simd reduction(+ : sum)
        for (std::int64_t k = 0; k < row.padded; ++k) {
            double by_k = pj * dp[k] * by_p[k];
            double by_j = dpj * p[k] * by_p[k];
            if constexpr (N == 2) {
                by_k += qj * dq[k] * by_q[k];
                by_j += dqj * q[k] * by_q[k];
            }
            tr[k] += by_k;
            sum += by_j;
        }
        s.tr[row.j] += sum;
    }
}

/// Turns by_r3 into derivatives by cosine and by distance.
MINIFF_INLINE void resolve_opposite_side(const Shell& s, const Batch& batch) {
    for (std::int64_t i = 0; i < batch.n_rows; ++i) {
        const Row row = batch.rows[i];
        const double rj = s.r[row.j];
        const double *rk = s.r + row.k, *w = batch.by_r3 + row.t, *c = batch.cosine + row.t;
        double* MINIFF_RESTRICT by_cosine = batch.by_cosine + row.t;
        double* MINIFF_RESTRICT tr = s.tr + row.k;
        double sum = 0;
#pragma omp simd reduction(+ : sum)
        for (std::int64_t k = 0; k < row.padded; ++k) {
            by_cosine[k] -= w[k] * rj * rk[k];
            tr[k] += w[k] * (rk[k] - rj * c[k]);
            sum += w[k] * (rj - rk[k] * c[k]);
        }
        s.tr[row.j] += sum;
    }
}

/// The cosine is the product of two unit vectors.
MINIFF_INLINE void spread_cosines(const Shell& s, const Batch& batch) {
    for (std::int64_t i = 0; i < batch.n_rows; ++i) {
        const Row row = batch.rows[i];
        const double xj = s.x[row.j], yj = s.y[row.j], zj = s.z[row.j];
        const double *x = s.x + row.k, *y = s.y + row.k, *z = s.z + row.k;
        const double* by_cosine = batch.by_cosine + row.t;
        double* MINIFF_RESTRICT tx = s.tx + row.k;
        double* MINIFF_RESTRICT ty = s.ty + row.k;
        double* MINIFF_RESTRICT tz = s.tz + row.k;
        double sum_x = 0, sum_y = 0, sum_z = 0;
#pragma omp simd reduction(+ : sum_x, sum_y, sum_z)
        for (std::int64_t k = 0; k < row.padded; ++k) {
            const double b = by_cosine[k];
            sum_x += b * x[k];
            sum_y += b * y[k];
            sum_z += b * z[k];
            tx[k] += b * xj;
            ty[k] += b * yj;
            tz[k] += b * zj;
        }
        s.tx[row.j] += sum_x;
        s.ty[row.j] += sum_y;
        s.tz[row.j] += sum_z;
    }
}

template <class Terms>
MINIFF_INLINE void add_gradient(const Shell& s, Range first, Range second,
                                const AngularGroup& group, const double* weight, double* scratch) {
    Arena arena(scratch);
    Batch batch;
    lay_out(batch, arena, s.stride);
    Terms terms(arena, group, batch);
    for_batches(s, first, second, group, batch, [&]() MINIFF_INLINE_LAMBDA {
        terms.begin(batch);
        for (std::int64_t t = 0; t < batch.n; ++t) batch.by_cosine[t] = batch.by_r3[t] = 0;
        for_pairs(group, [&](auto how_many, std::size_t e) MINIFF_INLINE_LAMBDA {
            constexpr std::size_t n = decltype(how_many)::value;
            fill_products<n>(s, group, e, batch);
            terms.template weigh<n>(batch, e, weight);
            for (std::size_t u = 0; group.narrow && u < n; ++u) spread_to_opposite_side(batch, u);
            spread_to_legs<n>(s, group, e, batch);
        });
        if (group.narrow) resolve_opposite_side(s, batch);
        spread_cosines(s, batch);
    });
}

/// Changes of the cosines and, for narrow groups, of the distances r_jk.
MINIFF_INLINE void fill_geometry_changes(const Shell& s, const AngularGroup& group, Batch& batch) {
    for (std::int64_t i = 0; i < batch.n_rows; ++i) {
        const Row row = batch.rows[i];
        const double xj = s.x[row.j], yj = s.y[row.j], zj = s.z[row.j];
        const double dxj = s.tx[row.j], dyj = s.ty[row.j], dzj = s.tz[row.j];
        const double *x = s.x + row.k, *y = s.y + row.k, *z = s.z + row.k;
        const double *dx = s.tx + row.k, *dy = s.ty + row.k, *dz = s.tz + row.k;
        double* MINIFF_RESTRICT dc = batch.dcosine + row.t;
#pragma omp simd
        for (std::int64_t k = 0; k < row.padded; ++k)
            dc[k] = xj * dx[k] + yj * dy[k] + zj * dz[k] + dxj * x[k] + dyj * y[k] + dzj * z[k];
        if (!group.narrow) continue;
        const double rj = s.r[row.j], drj = s.tr[row.j];
        const double *r = s.r + row.k, *dr = s.tr + row.k, *c = batch.cosine + row.t;
        double* MINIFF_RESTRICT dr3 = batch.dr3 + row.t;
#pragma omp simd
        for (std::int64_t k = 0; k < row.padded; ++k)
            dr3[k] = drj * (rj - r[k] * c[k]) + dr[k] * (r[k] - rj * c[k]) - rj * r[k] * dc[k];
    }
}

/// q, the change of p_j p_k, becomes that of p_j p_k n(r_jk).
MINIFF_INLINE void add_opposite_side_change(Batch& batch, std::size_t u) {
    const double *n3 = batch.n3[u], *pull = batch.pull[u], *dr3 = batch.dr3;
    double* MINIFF_RESTRICT q = batch.q[u];
#pragma omp simd
    for (std::int64_t t = 0; t < batch.n; ++t) q[t] = q[t] * n3[t] + pull[t] * dr3[t];
}

/// q = changes of the products of N exponents from e on.
template <std::size_t N>
MINIFF_INLINE void fill_product_changes(const Shell& s, const AngularGroup& group, std::size_t e,
                                        Batch& batch) {
    const OfPair<N> factors(s.p, s, group, e), changes(s.dp, s, group, e);
    for (std::int64_t i = 0; i < batch.n_rows; ++i) {
        const Row row = batch.rows[i];
        const double pj = factors.first()[row.j], qj = factors.last()[row.j];
        const double dpj = changes.first()[row.j], dqj = changes.last()[row.j];
        const double *p = factors.first() + row.k, *q = factors.last() + row.k;
        const double *dp = changes.first() + row.k, *dq = changes.last() + row.k;
        const double* inside = batch.inside + row.t;
        double* MINIFF_RESTRICT dpp = batch.q[0] + row.t;
        double* MINIFF_RESTRICT dqq = batch.q[1] + row.t;
#pragma omp simd
        for (std::int64_t k = 0; k < row.padded; ++k) {
            dpp[k] = (dpj * p[k] + pj * dp[k]) * inside[k];
            if constexpr (N == 2) dqq[k] = (dqj * q[k] + qj * dq[k]) * inside[k];
        }
    }
    for (std::size_t u = 0; group.narrow && u < N; ++u) add_opposite_side_change(batch, u);
}

template <class Terms>
MINIFF_INLINE void add_changes(const Shell& s, Range first, Range second, const AngularGroup& group,
                               double* scratch, double* row) {
    Arena arena(scratch);
    Batch batch;
    lay_out(batch, arena, s.stride);
    Terms terms(arena, group, batch);
    for_batches(s, first, second, group, batch, [&]() MINIFF_INLINE_LAMBDA {
        terms.begin(batch);
        fill_geometry_changes(s, group, batch);
        for_pairs(group, [&](auto how_many, std::size_t e) MINIFF_INLINE_LAMBDA {
            constexpr std::size_t n = decltype(how_many)::value;
            fill_products<n>(s, group, e, batch);
            fill_product_changes<n>(s, group, e, batch);
            terms.template add_changes<n>(batch, e, row);
        });
    });
}

}  // namespace

std::int64_t scratch_size(std::int64_t count, std::size_t n_fcs, std::size_t n_terms) {
    const std::int64_t stride = stride_of(count);
    const auto n_arrays = Batch::n_arrays + 2 + 2 * static_cast<std::int64_t>(n_terms);
    return 2 * static_cast<std::int64_t>(n_fcs) * stride + n_arrays * (batch_size + stride);
}

MINIFF_MULTIVERSION
void angular_values(const Shell& shell, Range first, Range second, const AngularGroup& group,
                    double* scratch, double* row) {
    if (group.powers.n_lambdas > 0)
        add_values<PowerTerms>(shell, first, second, group, scratch, row);
    else
        add_values<StoredTerms>(shell, first, second, group, scratch, row);
}

MINIFF_MULTIVERSION
void angular_vjp(const Shell& shell, Range first, Range second, const AngularGroup& group,
                 const double* weight, double* scratch) {
    if (group.powers.n_lambdas > 0)
        add_gradient<PowerTerms>(shell, first, second, group, weight, scratch);
    else
        add_gradient<StoredTerms>(shell, first, second, group, weight, scratch);
}

MINIFF_MULTIVERSION
void angular_jvp(const Shell& shell, Range first, Range second, const AngularGroup& group,
                 double* scratch, double* row) {
    if (group.powers.n_lambdas > 0)
        add_changes<PowerTerms>(shell, first, second, group, scratch, row);
    else
        add_changes<StoredTerms>(shell, first, second, group, scratch, row);
}

}  // namespace miniff::kernels
