/// Cutoff functions fc(r): 1 well inside, 0 at and beyond the cutoff; and windows, 0 below too.
///
/// Numbered as in n2p2 (`cutoff_type`). With x = (r - alpha rc) / (rc - alpha rc), fc = 1 below
/// alpha rc. Types 2 and 3 know no alpha. A window is the same formula of x = |r - m| / h, m being
/// the middle between its ends and h half its width; where it is asymmetric, of x (2 - x).
/// Bircher, Singraber and Dellago, Mach. Learn.: Sci. Technol. 2, 035026 (2021).
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
    bool window = false;
    double low = 0;  // a window is zero at and below it
    bool asymmetric = false;

    bool is_plain_cosine() const { return type == CutoffType::cosine && !window && alpha == 0; }
    bool operator==(const CutoffFunction& o) const {
        return type == o.type && alpha == o.alpha && cutoff == o.cutoff && window == o.window &&
               low == o.low && asymmetric == o.asymmetric;
    }
};

/// Whether a cutoff function can be more than zero at a distance.
template <class T>
bool reaches(const CutoffFunction& fc, T r) {
    return r < T(fc.cutoff) && r > T(fc.low);
}

/// A function of the distance and its derivative there.
template <class T>
struct ValueSlope {
    Pack<T> value;
    Pack<T> slope;
};

namespace detail {

/// The polynomial that goes from 1 to 0 with N - 1 derivatives zero at both ends, and its slope:
/// (1 - x)^N (1 + N x + N (N + 1)/2 x^2 + ...), N terms; no digits are lost where it is small.
template <class T, int N>
MINIFF_INLINE ValueSlope<T> smooth_step(Pack<T> x) {
    T c[N] = {T(1)};
    T steepness = T(N);  // (2 N - 1)! / (N - 1)!^2
    for (int k = 1; k < N; ++k) {
        c[k] = c[k - 1] * T(N - 1 + k) / T(k);
        steepness *= T(N + k) / T(k);
    }
    const Pack<T> rest = T(1) - x;
    return {integer_power<T>(rest, N) * polynomial<T>(c, x),
            -steepness * integer_power<T>(x * rest, N - 1)};
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

/// Calls use(formula) for the formula of a type, x -> value and slope, of those that are smooth on
/// both sides of x = 0 too.
template <class T, class Use>
MINIFF_INLINE void with_smooth_formula(CutoffType type, Use use) {
    using V = Pack<T>;
    switch (type) {
        case CutoffType::poly1:
            return use([](V x) { return smooth_step<T, 2>(x); });
        case CutoffType::poly2:
            return use([](V x) { return smooth_step<T, 3>(x); });
        case CutoffType::poly3:
            return use([](V x) { return smooth_step<T, 4>(x); });
        case CutoffType::poly4:
            return use([](V x) { return smooth_step<T, 5>(x); });
        default:
            return use([](V x) { return bump<T>(x); });
    }
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

/// f of the distance from the centre of a window in units of half its width, with the slope by
/// `at`; zero outside.
template <class T, class Formula>
MINIFF_INLINE ValueSlope<T> within(T centre, T inverse_width, Pack<T> at, Formula f) {
    const Pack<T> off = (at - centre) * inverse_width;
    const PackBits<T> below = off < T(0);
    const Pack<T> x = choose<T>(below, -off, off);
    const PackBits<T> inside = x < T(1);
    const ValueSlope<T> step = f(choose<T>(inside, x, all<T>(1)));
    const Pack<T> slope = step.slope * inverse_width;
    return {choose<T>(inside, step.value, Pack<T>{}),
            choose<T>(inside, choose<T>(below, -slope, slope), Pack<T>{})};
}

template <class T>
MINIFF_INLINE void evaluate_window(const CutoffFunction& fc, const T* r, std::int64_t n,
                                   T* MINIFF_RESTRICT value, T* MINIFF_RESTRICT slope) {
    const T centre = T(0.5 * (fc.low + fc.cutoff)), inverse = T(2 / (fc.cutoff - fc.low));
    const T cutoff = T(fc.cutoff);
    const auto apply = [&](auto f) {
        for (std::int64_t j = 0; j < n; j += width<T>) {
            const Pack<T> at = load(r + j);
            const ValueSlope<T> step = within<T>(centre, inverse, at, f);
            const PackBits<T> inside = at < cutoff;
            store<T>(value + j, choose<T>(inside, step.value, Pack<T>{}));
            store<T>(slope + j, choose<T>(inside, step.slope, Pack<T>{}));
        }
    };
    with_smooth_formula<T>(fc.type, [&](auto f) {
        if (!fc.asymmetric) return apply(f);
        apply([f](Pack<T> x) {
            const ValueSlope<T> step = f(x * (T(2) - x));
            return ValueSlope<T>{step.value, step.slope * (T(2) - T(2) * x)};
        });
    });
}

}  // namespace detail

/// value[j] = fc(r[j]) and slope[j] = dfc/dr there, zero at and beyond the cutoff; n is a number of
/// whole packs.
template <class T>
MINIFF_INLINE void evaluate(const CutoffFunction& fc, const T* r, std::int64_t n, T* value,
                            T* slope) {
    using detail::scaled_steps;
    using V = Pack<T>;
    if (fc.window) return detail::evaluate_window<T>(fc, r, n, value, slope);
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
        default:
            detail::with_smooth_formula<T>(
                fc.type, [&](auto f) { scaled_steps<T>(fc, r, n, value, slope, f); });
    }
}

/// A(t) of an angle t: a window of half the width h (radians) about a centre. Ends outside 0 ... pi
/// are for windows about 0 or pi, which are smooth there.
struct AngleWindow {
    CutoffType type = CutoffType::none;
    double centre = 0;
    double inverse_width = 0;  // 1 / h; 0 where there is no window

    bool operator==(const AngleWindow& o) const {
        return type == o.type && centre == o.centre && inverse_width == o.inverse_width;
    }
};

/// A and its slope by the cosine of the angle.
template <class T>
MINIFF_INLINE ValueSlope<T> value_of(const AngleWindow& window, const Angle<T>& at) {
    ValueSlope<T> by_angle{};
    detail::with_smooth_formula<T>(window.type, [&](auto f) {
        by_angle = detail::within<T>(T(window.centre), T(window.inverse_width), at.angle, f);
    });
    return {by_angle.value, -by_angle.slope * at.inverse_sine};
}

}  // namespace miniff
