/// Cutoff functions fc(r): 1 well inside, 0 at and beyond the cutoff.
///
/// Numbered as in n2p2 (`cutoff_type`). With x = (r - alpha rc) / (rc - alpha rc), fc = 1 below
/// alpha rc. Types 2 and 3 know no alpha.
#pragma once

#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "vector_math.hpp"

namespace miniff {

enum class CutoffType { none, cosine, tanh3, tanh3_one, exponential, poly1, poly2, poly3, poly4 };

/// Refuses a number that is no type.
inline CutoffType cutoff_type(int number) {
    if (number < 0 || number > static_cast<int>(CutoffType::poly4))
        throw std::invalid_argument("`cutoff_type` is " + std::to_string(number) +
                                    " but must be in [0, 8]");
    return static_cast<CutoffType>(number);
}

struct CutoffFunction {
    CutoffType type;
    double alpha;
    double cutoff;

    bool operator==(const CutoffFunction& o) const {
        return type == o.type && alpha == o.alpha && cutoff == o.cutoff;
    }
};

namespace detail {

/// value and slope by x of 1 + x^n (c0 + c1 x + ...), the polynomial that goes smoothly from 1 to
/// 0.
template <int Power, int Terms>
MINIFF_INLINE void smooth_step(const double (&c)[Terms], double x, double& value, double& slope) {
    double sum = 0, weighted = 0;
    for (int k = Terms - 1; k >= 0; --k) {
        sum = sum * x + c[k];
        weighted = weighted * x + (Power + k) * c[k];
    }
    double x_power = 1;
    for (int k = 1; k < Power; ++k) x_power *= x;
    value = 1 + x_power * x * sum;
    slope = x_power * weighted;
}

/// Applies f(x, value, slope) with x in [0, 1], and 1, 0 inside and 0, 0 outside that range.
template <class Formula>
MINIFF_INLINE void scaled_steps(const CutoffFunction& fc, const double* r, std::int64_t n,
                                double* MINIFF_RESTRICT value, double* MINIFF_RESTRICT slope,
                                Formula f) {
    const double inner = fc.alpha * fc.cutoff;
    const double inverse = 1 / (fc.cutoff - inner);
#pragma omp simd
    for (std::int64_t j = 0; j < n; ++j) {
        double x = (r[j] - inner) * inverse;
        const double inside = r[j] < fc.cutoff ? 1.0 : 0.0;
        const double switching = x > 0 ? inside : 0.0;
        x = x > 0 ? x : 0.0;
        x = x < 1 ? x : 1.0;
        double v, s;
        f(x, v, s);
        value[j] = inside * v;
        slope[j] = switching * s * inverse;
    }
}

}  // namespace detail

/// value[j] = fc(r[j]) and slope[j] = dfc/dr there, zero at and beyond the cutoff.
MINIFF_INLINE void evaluate(const CutoffFunction& fc, const double* r, std::int64_t n,
                            double* MINIFF_RESTRICT value, double* MINIFF_RESTRICT slope) {
    using detail::scaled_steps;
    using detail::smooth_step;
    switch (fc.type) {
        case CutoffType::none:
            scaled_steps(fc, r, n, value, slope,
                         [](double, double& v, double& s) { v = 1, s = 0; });
            break;
        case CutoffType::cosine:
            scaled_steps(fc, r, n, value, slope, [](double x, double& v, double& s) {
                const SineCosine of = sine_cosine_pi(x - 0.5);
                v = 0.5 - 0.5 * of.sine;
                s = -1.57079632679489661923 * of.cosine;
            });
            break;
        case CutoffType::tanh3:
        case CutoffType::tanh3_one: {
            const double tanh1 = std::tanh(1.0);
            const double scale =
                fc.type == CutoffType::tanh3_one ? 1 / (tanh1 * tanh1 * tanh1) : 1.0;
            for (std::int64_t j = 0; j < n; ++j) {
                const double t = r[j] < fc.cutoff ? std::tanh(1 - r[j] / fc.cutoff) : 0.0;
                value[j] = scale * t * t * t;
                slope[j] = scale * 3 * t * t * (t * t - 1) / fc.cutoff;
            }
            break;
        }
        case CutoffType::exponential:
            scaled_steps(fc, r, n, value, slope, [](double x, double& v, double& s) {
                const double gap = 1 - x * x;
                const double inverse = 1 / (gap > 1e-3 ? gap : 1e-3);  // exp(-1000) is 0 anyway
                v = gap > 1e-3 ? 2.71828182845904523536 * exp_of_negative(-inverse) : 0.0;
                s = -2 * x * inverse * inverse * v;
            });
            break;
        case CutoffType::poly1:
            scaled_steps(fc, r, n, value, slope, [](double x, double& v, double& s) {
                smooth_step<2>({-3.0, 2.0}, x, v, s);
            });
            break;
        case CutoffType::poly2:
            scaled_steps(fc, r, n, value, slope, [](double x, double& v, double& s) {
                smooth_step<3>({-10.0, 15.0, -6.0}, x, v, s);
            });
            break;
        case CutoffType::poly3:
            scaled_steps(fc, r, n, value, slope, [](double x, double& v, double& s) {
                smooth_step<4>({-35.0, 84.0, -70.0, 20.0}, x, v, s);
            });
            break;
        case CutoffType::poly4:
            scaled_steps(fc, r, n, value, slope, [](double x, double& v, double& s) {
                smooth_step<5>({-126.0, 420.0, -540.0, 315.0, -70.0}, x, v, s);
            });
            break;
    }
}

}  // namespace miniff
