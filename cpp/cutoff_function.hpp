/// Cutoff functions fc(r): 1 well inside, 0 at and beyond the cutoff.
///
/// Numbered as in n2p2 (`cutoff_type`). With x = (r - alpha rc) / (rc - alpha rc), fc = 1 below
/// alpha rc. Types 2 and 3 know no alpha.
#pragma once

#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "elementary.hpp"

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

/// A function of the distance and its derivative there.
template <class T>
struct ValueSlope {
    Pack<T> value;
    Pack<T> slope;
};

namespace detail {

/// 1 + x^Power (c0 + c1 x + ...), the polynomial that goes smoothly from 1 to 0, and its slope by
/// x.
template <class T, int Power, int N>
MINIFF_INLINE ValueSlope<T> smooth_step(const T (&c)[N], Pack<T> x) {
    T weighted[N];
    for (int k = 0; k < N; ++k) weighted[k] = T(Power + k) * c[k];
    const Pack<T> power = integer_power<T>(x, Power - 1);
    return {T(1) + power * x * polynomial<T>(c, x), power * polynomial<T>(weighted, x)};
}

/// exp(1 - 1 / (1 - x^2)) and its slope by x.
template <class T>
MINIFF_INLINE ValueSlope<T> bump(Pack<T> x) {
    const T least = T(1e-3);  // exp(-1000) is 0 anyway
    const Pack<T> gap = T(1) - x * x;
    const PackBits<T> wide = gap > least;
    const Pack<T> inverse = T(1) / choose<T>(wide, gap, all<T>(least));
    const Pack<T> damped = T(2.71828182845904523536) * exp_of_negative<T>(-inverse);
    const Pack<T> value = choose<T>(wide, damped, Pack<T>{});
    return {value, T(-2) * x * inverse * inverse * value};
}

/// (1 + cos(pi x)) / 2 for x in [0, 1], and its slope by x.
template <class T>
MINIFF_INLINE ValueSlope<T> cosine_step(Pack<T> x) {
    const SineCosine<T> of = sine_cosine_pi<T>(x - T(0.5));
    return {T(0.5) - T(0.5) * of.sine, T(-1.57079632679489661923) * of.cosine};
}

/// Applies f with x in [0, 1], and 1, 0 inside and 0, 0 outside that range.
template <class T, class Formula>
MINIFF_INLINE void scaled_steps(const CutoffFunction& fc, const T* r, std::int64_t n,
                                T* MINIFF_RESTRICT value, T* MINIFF_RESTRICT slope, Formula f) {
    const T cutoff = T(fc.cutoff), inner = T(fc.alpha * fc.cutoff);
    const T inverse = T(1 / (fc.cutoff - fc.alpha * fc.cutoff));
    const Pack<T> zero{};
    for (std::int64_t j = 0; j < n; j += width<T>) {
        const Pack<T> at = load(r + j);
        const Pack<T> x = (at - inner) * inverse;
        const PackBits<T> inside = at<cutoff, switching = x> T(0);
        const Pack<T> positive = choose<T>(switching, x, zero);
        const ValueSlope<T> step = f(choose<T>(positive < T(1), positive, all<T>(1)));
        store<T>(value + j, choose<T>(inside, step.value, zero));
        store<T>(slope + j, choose<T>(inside & switching, step.slope * inverse, zero));
    }
}

}  // namespace detail

/// value[j] = fc(r[j]) and slope[j] = dfc/dr there, zero at and beyond the cutoff; n is a number of
/// whole packs.
template <class T>
MINIFF_INLINE void evaluate(const CutoffFunction& fc, const T* r, std::int64_t n, T* value,
                            T* slope) {
    using detail::scaled_steps;
    using detail::smooth_step;
    using V = Pack<T>;
    switch (fc.type) {
        case CutoffType::none:
            scaled_steps<T>(fc, r, n, value, slope,
                            [](V) { return ValueSlope<T>{all<T>(1), V{}}; });
            break;
        case CutoffType::cosine:
            scaled_steps<T>(fc, r, n, value, slope, [](V x) { return detail::cosine_step<T>(x); });
            break;
        case CutoffType::tanh3:
        case CutoffType::tanh3_one: {
            const double tanh1 = std::tanh(1.0);
            const T scale = T(fc.type == CutoffType::tanh3_one ? 1 / (tanh1 * tanh1 * tanh1) : 1.0);
            const CutoffFunction plain{fc.type, 0.0, fc.cutoff};
            scaled_steps<T>(plain, r, n, value, slope, [scale](V x) {
                const V t = hyperbolic_tangent<T>(T(1) - x);
                return ValueSlope<T>{scale * t * t * t, scale * T(3) * t * t * (t * t - T(1))};
            });
            break;
        }
        case CutoffType::exponential:
            scaled_steps<T>(fc, r, n, value, slope, [](V x) { return detail::bump<T>(x); });
            break;
        case CutoffType::poly1:
            scaled_steps<T>(fc, r, n, value, slope,
                            [](V x) { return smooth_step<T, 2>({T(-3), T(2)}, x); });
            break;
        case CutoffType::poly2:
            scaled_steps<T>(fc, r, n, value, slope,
                            [](V x) { return smooth_step<T, 3>({T(-10), T(15), T(-6)}, x); });
            break;
        case CutoffType::poly3:
            scaled_steps<T>(fc, r, n, value, slope, [](V x) {
                return smooth_step<T, 4>({T(-35), T(84), T(-70), T(20)}, x);
            });
            break;
        case CutoffType::poly4:
            scaled_steps<T>(fc, r, n, value, slope, [](V x) {
                return smooth_step<T, 5>({T(-126), T(420), T(-540), T(315), T(-70)}, x);
            });
            break;
    }
}

}  // namespace miniff
