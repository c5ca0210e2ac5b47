/// The terms (1 + lambda c)^zeta in the common case: one or two lambdas, zeta 1, 2, 4, 8 or 16.
///
/// All five powers are cheap by squaring and stay in registers; those that no function has get
/// weight zero. Everything else is in angular_terms.hpp.
#pragma once

#include "angular_batch.hpp"

namespace miniff::kernels {

/// h1 + h2 a + h4 a^3 + h8 a^7 + h16 a^15: times a, a sum of powers; with zeta h, its slope.
struct PowerSum {
    double h1, h2, h4, h8, h16;

    MINIFF_INLINE double over_base(double a, double a2, double a4, double a8) const {
        return h1 + a * (h2 + a2 * (h4 + a4 * (h8 + a8 * h16)));
    }
    MINIFF_INLINE PowerSum slope(double lambda) const {
        return {lambda * h1, 2 * lambda * h2, 4 * lambda * h4, 8 * lambda * h8, 16 * lambda * h16};
    }
};

class PowerTerms {
public:
    PowerTerms(Arena&, const AngularGroup& group, const Batch&) : group_(group) {}

    void begin(const Batch&) {}

    /// row[column] += scale sum_t product term, for N exponents from e on.
    template <std::size_t N>
    MINIFF_INLINE void add_values(const Batch& batch, std::size_t e, double* row) const {
        for (int l = 0; l < group_.powers.n_lambdas; ++l) {
            const double lambda = group_.powers.lambda[l];
            const double *cosine = batch.cosine, *p = batch.product[0], *q = batch.product[N - 1];
            double p1 = 0, p2 = 0, p4 = 0, p8 = 0, p16 = 0;
            double q1 = 0, q2 = 0, q4 = 0, q8 = 0, q16 = 0;
#pragma omp simd reduction(+ : p1, p2, p4, p8, p16, q1, q2, q4, q8, q16)
            for (std::int64_t t = 0; t < batch.n; ++t) {
                const double a = 1 + lambda * cosine[t];
                const double a2 = a * a, a4 = a2 * a2, a8 = a4 * a4, a16 = a8 * a8;
                p1 += p[t] * a, p2 += p[t] * a2, p4 += p[t] * a4;
                p8 += p[t] * a8, p16 += p[t] * a16;
                if constexpr (N == 1) continue;
                q1 += q[t] * a, q2 += q[t] * a2, q4 += q[t] * a4;
                q8 += q[t] * a8, q16 += q[t] * a16;
            }
            distribute(e, l, {p1, p2, p4, p8, p16}, row);
            if constexpr (N == 2) distribute(e + 1, l, {q1, q2, q4, q8, q16}, row);
        }
    }

    /// q = sum of weight terms and by_cosine += product times their slopes, for N exponents.
    template <std::size_t N>
    MINIFF_INLINE void weigh(const Batch& batch, std::size_t e, const double* weight) const {
        const double first = group_.powers.lambda[0], second = group_.powers.lambda[1];
        const PowerSum pa = collect(e, 0, weight), pb = collect(e, 1, weight);
        const PowerSum qa = collect(e + N - 1, 0, weight), qb = collect(e + N - 1, 1, weight);
        const PowerSum dpa = pa.slope(first), dpb = pb.slope(second);
        const PowerSum dqa = qa.slope(first), dqb = qb.slope(second);
        const double *cosine = batch.cosine, *inside = batch.inside;
        const double *p = batch.product[0], *q = batch.product[N - 1];
        double* MINIFF_RESTRICT p_sum = batch.q[0];
        double* MINIFF_RESTRICT q_sum = batch.q[1];
        double* MINIFF_RESTRICT by_cosine = batch.by_cosine;
#pragma omp simd
        for (std::int64_t t = 0; t < batch.n; ++t) {
            const double a = 1 + first * cosine[t], b = 1 + second * cosine[t];
            const double a2 = a * a, a4 = a2 * a2, a8 = a4 * a4;
            const double b2 = b * b, b4 = b2 * b2, b8 = b4 * b4;
            p_sum[t] =
                inside[t] * (a * pa.over_base(a, a2, a4, a8) + b * pb.over_base(b, b2, b4, b8));
            double slope = p[t] * (dpa.over_base(a, a2, a4, a8) + dpb.over_base(b, b2, b4, b8));
            if constexpr (N == 2) {
                q_sum[t] =
                    inside[t] * (a * qa.over_base(a, a2, a4, a8) + b * qb.over_base(b, b2, b4, b8));
                slope += q[t] * (dqa.over_base(a, a2, a4, a8) + dqb.over_base(b, b2, b4, b8));
            }
            by_cosine[t] += slope;
        }
    }

    /// row[column] += scale sum_t (change of product) term + product (change of term).
    template <std::size_t N>
    MINIFF_INLINE void add_changes(const Batch& batch, std::size_t e, double* row) const {
        for (int l = 0; l < group_.powers.n_lambdas; ++l) {
            const double lambda = group_.powers.lambda[l];
            const double *cosine = batch.cosine, *dcosine = batch.dcosine;
            const double *p = batch.product[0], *dp = batch.q[0];
            const double *q = batch.product[N - 1], *dq = batch.q[N - 1];
            double p1 = 0, p2 = 0, p4 = 0, p8 = 0, p16 = 0;
            double q1 = 0, q2 = 0, q4 = 0, q8 = 0, q16 = 0;
#pragma omp simd reduction(+ : p1, p2, p4, p8, p16, q1, q2, q4, q8, q16)
            for (std::int64_t t = 0; t < batch.n; ++t) {
                const double a = 1 + lambda * cosine[t], da = lambda * dcosine[t];
                const double a2 = a * a, da2 = 2 * a * da;
                const double a4 = a2 * a2, da4 = 2 * a2 * da2;
                const double a8 = a4 * a4, da8 = 2 * a4 * da4;
                const double a16 = a8 * a8, da16 = 2 * a8 * da8;
                p1 += dp[t] * a + p[t] * da, p2 += dp[t] * a2 + p[t] * da2;
                p4 += dp[t] * a4 + p[t] * da4, p8 += dp[t] * a8 + p[t] * da8;
                p16 += dp[t] * a16 + p[t] * da16;
                if constexpr (N == 1) continue;
                q1 += dq[t] * a + q[t] * da, q2 += dq[t] * a2 + q[t] * da2;
                q4 += dq[t] * a4 + q[t] * da4, q8 += dq[t] * a8 + q[t] * da8;
                q16 += dq[t] * a16 + q[t] * da16;
            }
            distribute(e, l, {p1, p2, p4, p8, p16}, row);
            if constexpr (N == 2) distribute(e + 1, l, {q1, q2, q4, q8, q16}, row);
        }
    }

private:
    /// row[column] += scale sum, for the functions of an exponent that have this lambda.
    MINIFF_INLINE void distribute(std::size_t e, int l, const double (&sums)[PowerLayout::n_powers],
                                  double* row) const {
        for (const AngularEntry& entry : group_.exponents[e].entries) {
            const int power = group_.powers.slot[entry.term] - l * PowerLayout::n_powers;
            if (power < 0 || power >= PowerLayout::n_powers) continue;
            row[entry.column] += entry.scale * sums[power];
        }
    }

    /// The transpose: weights of the five powers for this lambda.
    MINIFF_INLINE PowerSum collect(std::size_t e, int l, const double* weight) const {
        double h[PowerLayout::n_powers] = {0, 0, 0, 0, 0};
        for (const AngularEntry& entry : group_.exponents[e].entries) {
            const int power = group_.powers.slot[entry.term] - l * PowerLayout::n_powers;
            if (power < 0 || power >= PowerLayout::n_powers) continue;
            h[power] += entry.scale * weight[entry.column];
        }
        return {h[0], h[1], h[2], h[3], h[4]};
    }

    const AngularGroup& group_;
};

}  // namespace miniff::kernels
