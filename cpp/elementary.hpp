/// Elementary functions of packs, from polynomials: no calls into the mathematics library.
#pragma once

#include "pack.hpp"

namespace miniff {

/// c[0] + c[1] x + ... by Horner's rule.
template <class T, int N>
MINIFF_INLINE Pack<T> polynomial(const T (&c)[N], Pack<T> x) {
    Pack<T> sum = all<T>(c[N - 1]);
    for (int k = N - 2; k >= 0; --k) sum = sum * x + c[k];
    return sum;
}

/// What the exponential needs to know of a floating point format.
template <class T>
struct Exponential;

/// Minimax polynomial of exp on [-ln 2 / 2, ln 2 / 2], relative error 2e-16.
template <>
struct Exponential<double> {
    static constexpr double shifter = 6755399441055744.0;  // adding 1.5 * 2^52 rounds to an integer
    static constexpr double ln2_high = 0.693147180369123816490;
    static constexpr double ln2_low = 1.90821492927058770002e-10;
    static constexpr double least = -708.0;  // below, exp underflows
    static constexpr int mantissa = 52;
    static constexpr double c[11] = {
        1.0,
        1.000000000000006444975,
        0.499999999999972830701,
        0.1666666666655770514364,
        0.04166666666842870009804,
        0.008333333384680126022101,
        0.001388888849852976489736,
        0.0001984117136395241577549,
        0.00002480191822808064740939,
        0.000002763977752034380317921,
        2.748828216815311161901e-7,
    };
};

/// The same with relative error 2e-9, less than rounding.
template <>
struct Exponential<float> {
    static constexpr float shifter = 12582912.0f;  // 1.5 * 2^23
    static constexpr float ln2_high = 0.693359375f;
    static constexpr float ln2_low = -2.12194440e-4f;
    static constexpr float least = -87.0f;
    static constexpr int mantissa = 23;
    static constexpr float c[7] = {
        1.0f,
        1.000000036341304592f,
        0.4999999207399733510f,
        0.1666642008614007763f,
        0.04166822664175711396f,
        0.008374823180964306009f,
        0.001383680654575032274f,
    };
};

/// exp(x) for x <= 0, within 4e-16 of it in double precision; 0 where it would underflow.
///
/// x = n ln 2 + s with |s| <= ln 2 / 2, and n goes into the exponent.
template <class T>
MINIFF_INLINE Pack<T> exp_of_negative(Pack<T> x) {
    using E = Exponential<T>;
    const PackBits<T> representable = x > E::least;
    const Pack<T> in_range = choose<T>(representable, x, all<T>(E::least));
    const Pack<T> shifted = in_range * T(1.4426950408889634) + E::shifter;
    const Pack<T> n = shifted - E::shifter;
    const Pack<T> s = (in_range - n * E::ln2_high) - n * E::ln2_low;
    const Pack<T> sum = polynomial<T>(E::c, s);
    PackBits<T> bits, exponent;
    std::memcpy(&bits, &sum, sizeof bits);
    std::memcpy(&exponent, &shifted, sizeof exponent);
    bits += exponent << E::mantissa;
    Pack<T> result;
    std::memcpy(&result, &bits, sizeof result);
    return choose<T>(representable, result, Pack<T>{});
}

/// exp(x) for any x, within 6e-16 of it in double precision; infinite where it would overflow.
template <class T>
MINIFF_INLINE Pack<T> exponential(Pack<T> x) {
    const PackBits<T> positive = x > T(0);
    const Pack<T> e = exp_of_negative<T>(choose<T>(positive, -x, x));
    return choose<T>(positive, T(1) / e, e);
}

/// tanh(x), absolute error below 3e-16 in double precision.
template <class T>
MINIFF_INLINE Pack<T> hyperbolic_tangent(Pack<T> x) {
    const PackBits<T> positive = x > T(0);
    const Pack<T> e = exp_of_negative<T>(choose<T>(positive, -x, x) * T(2));
    const Pack<T> t = (T(1) - e) / (T(1) + e);
    return choose<T>(positive, t, -t);
}

/// Minimax polynomials in z = x^2 of cos x and sin(x) / x for |x| <= pi / 2, error 4e-18.
template <class T>
struct Circle {
    static constexpr T cosine[9] = {
        T(1.0),
        T(-0.4999999999999997430919),
        T(0.04166666666666388798169),
        T(-0.001388888888877317248263),
        T(0.0000248015872774439670904),
        T(-2.755731639353532993014e-7),
        T(2.087656196008122600849e-9),
        T(-1.146290489720449227726e-11),
        T(4.60900734341534230087e-14),
    };
    static constexpr T sine[9] = {
        T(1.0),
        T(-0.1666666666666666531041),
        T(0.008333333333333186653408),
        T(-0.0001984126984120876234543),
        T(0.000002755731921124347330745),
        T(-2.505210689176769807381e-8),
        T(1.605894093584881617598e-10),
        T(-7.643027988057378546542e-13),
        T(2.721589427150147420693e-15),
    };
};

template <class T>
struct SineCosine {
    Pack<T> sine;
    Pack<T> cosine;
};

/// sin and cos of pi y for |y| <= 1/2.
template <class T>
MINIFF_INLINE SineCosine<T> sine_cosine_pi(Pack<T> y) {
    const Pack<T> x = T(3.14159265358979323846) * y;
    const Pack<T> z = x * x;
    return {x * polynomial<T>(Circle<T>::sine, z), polynomial<T>(Circle<T>::cosine, z)};
}

/// Minimax polynomial in z = y^2 of asin(y) / y for |y| <= 1/2, error 2e-17.
template <class T>
struct ArcSine {
    static constexpr T c[13] = {
        T(1.000000000000000012771),    T(0.1666666666666494118036),  T(0.07500000000385201673356),
        T(0.0446428568059989384182),   T(0.030381959697685138233),   T(0.0223717497331640541334),
        T(0.01735977964134998006744),  T(0.01388484282640208075496), T(0.0121701385923917262896),
        T(0.006529302004736569281699), T(0.01951346825125216800392), T(-0.01618739227159913321212),
        T(0.03187962140081283942635),
    };
};

template <class T>
struct Angle {
    Pack<T> angle;         // in radians, between 0 and pi
    Pack<T> inverse_sine;  // of it
};

/// The angle whose cosine is c. Cosines are not told from 1 that are nearer to it than a rounding
/// error: so 1 / sin is finite, and what vanishes with the angle may be multiplied by it.
template <class T>
MINIFF_INLINE Angle<T> angle_of(Pack<T> c) {
    const T least = sizeof(T) == 8 ? T(1.2e-16) : T(6e-8);
    const T pi = T(3.14159265358979323846);
    const PackBits<T> obtuse = c < T(0);
    const Pack<T> magnitude = choose<T>(obtuse, -c, c), to_one = T(1) - magnitude;
    const Pack<T> gap = choose<T>(to_one > least, to_one, all<T>(least));
    const PackBits<T> steep = magnitude > T(0.5);  // acos c = 2 asin sqrt((1 - c) / 2)
    const Pack<T> z = choose<T>(steep, T(0.5) * gap, c * c);
    const Pack<T> arc_sine = square_root(z) * polynomial<T>(ArcSine<T>::c, z);
    const Pack<T> acute = choose<T>(steep, T(2) * arc_sine, T(0.5) * pi - arc_sine);
    return {choose<T>(obtuse, pi - acute, acute), T(1) / square_root(gap * (T(1) + magnitude))};
}

/// x^n for n >= 0 by repeated squaring.
template <class T>
MINIFF_INLINE Pack<T> integer_power(Pack<T> x, int n) {
    Pack<T> result = n & 1 ? x : all<T>(1);
    for (n >>= 1; n > 0; n >>= 1) {
        x = x * x;
        if (n & 1) result = result * x;
    }
    return result;
}

/// max(x, 0)^p for any p >= 0, number by number: it is rare.
template <class T>
MINIFF_INLINE Pack<T> real_power(Pack<T> x, double p) {
#if MINIFF_PACK_BYTES
    for (int l = 0; l < width<T>; ++l)
        x[l] = T(std::pow(x[l] > 0 ? static_cast<double>(x[l]) : 0.0, p));
    return x;
#else
    return T(std::pow(x > 0 ? static_cast<double>(x) : 0.0, p));
#endif
}

}  // namespace miniff
