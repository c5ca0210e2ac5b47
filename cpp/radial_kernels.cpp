#include <cmath>

#include "symmetry_kernels.hpp"
#include "vector_math.hpp"

namespace miniff::kernels {

MINIFF_MULTIVERSION
void normalize(const Shell& s, double cutoff) {
#pragma omp simd
    for (std::int64_t k = 0; k < s.count; ++k) {
        const double r = std::sqrt(s.x[k] * s.x[k] + s.y[k] * s.y[k] + s.z[k] * s.z[k]);
        s.r[k] = r;
        s.inverse_r[k] = 1 / r;
        s.x[k] *= s.inverse_r[k];
        s.y[k] *= s.inverse_r[k];
        s.z[k] *= s.inverse_r[k];
    }
    for (std::int64_t k = s.count; k < s.stride; ++k) {
        s.x[k] = s.y[k] = s.z[k] = s.inverse_r[k] = 0;
        s.tr[k] = s.tx[k] = s.ty[k] = s.tz[k] = 0;
        s.r[k] = cutoff;
    }
}

MINIFF_MULTIVERSION
void evaluate_factors(const Shell& s, const FactorTable& table, double* scratch) {
    for (std::size_t f = 0; f < table.fcs.size(); ++f) {
        double* const fc = scratch + 2 * f * s.stride;
        evaluate(table.fcs[f], s.r, s.stride, fc, fc + s.stride);
    }
    for (std::size_t f = 0; f < table.factors.size(); ++f) {
        const Factor& factor = table.factors[f];
        const double *fc = scratch + 2 * factor.fc * s.stride, *dfc = fc + s.stride, *r = s.r;
        double* MINIFF_RESTRICT p = s.p + f * s.stride;
        double* MINIFF_RESTRICT dp = s.dp + f * s.stride;
#pragma omp simd
        for (std::int64_t k = 0; k < s.stride; ++k) {
            const double y = r[k] - factor.shift;
            const double x = exp_of_negative(-factor.eta * y * y);
            p[k] = x * fc[k];
            dp[k] = x * (dfc[k] - 2 * factor.eta * y * fc[k]);
        }
    }
}

MINIFF_MULTIVERSION
void begin_changes(const Shell& s, std::size_t n_factors) {
#pragma omp simd
    for (std::int64_t k = 0; k < s.stride; ++k) {
        const double dr = s.x[k] * s.tx[k] + s.y[k] * s.ty[k] + s.z[k] * s.tz[k];
        s.tr[k] = dr;
        s.tx[k] = (s.tx[k] - dr * s.x[k]) * s.inverse_r[k];
        s.ty[k] = (s.ty[k] - dr * s.y[k]) * s.inverse_r[k];
        s.tz[k] = (s.tz[k] - dr * s.z[k]) * s.inverse_r[k];
    }
    for (std::size_t f = 0; f < n_factors; ++f) {
        double* const dp = s.dp + f * s.stride;
#pragma omp simd
        for (std::int64_t k = 0; k < s.stride; ++k) dp[k] *= s.tr[k];
    }
}

MINIFF_MULTIVERSION
void finish_gradient(const Shell& s) {
#pragma omp simd
    for (std::int64_t k = 0; k < s.count; ++k) {
        const double turning = s.x[k] * s.tx[k] + s.y[k] * s.ty[k] + s.z[k] * s.tz[k];
        const double along = s.tr[k] - turning * s.inverse_r[k];
        s.tx[k] = along * s.x[k] + s.tx[k] * s.inverse_r[k];
        s.ty[k] = along * s.y[k] + s.ty[k] * s.inverse_r[k];
        s.tz[k] = along * s.z[k] + s.tz[k] * s.inverse_r[k];
    }
}

MINIFF_MULTIVERSION
double sum(Range range, const double* p) {
    double total = 0;
#pragma omp simd reduction(+ : total)
    for (std::int64_t k = range.begin; k < range.end; ++k) total += p[k];
    return total;
}

MINIFF_MULTIVERSION
void add_slopes(const Shell& s, Range range, double weight, const double* dp) {
    add_scaled(weight, dp + range.begin, range.end - range.begin, s.tr + range.begin);
}

}  // namespace miniff::kernels
