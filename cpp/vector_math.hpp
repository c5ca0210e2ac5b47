/// Loops over arrays that the compiler turns into vector instructions; no calls into libm.
#pragma once

#include <cstdint>
#include <cstring>

// What a multiversioned function (below) calls must be inlined to be compiled as it is.
#if defined(__GNUC__)
#define MINIFF_INLINE inline __attribute__((always_inline))
#define MINIFF_INLINE_LAMBDA __attribute__((always_inline))
#define MINIFF_RESTRICT __restrict__
#else
#define MINIFF_INLINE inline
#define MINIFF_INLINE_LAMBDA
#define MINIFF_RESTRICT
#endif

/// Marks a function to be compiled for several processors and chosen when the library is loaded.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__linux__)
#define MINIFF_MULTIVERSION \
    __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), flatten))
#else
#define MINIFF_MULTIVERSION
#endif

namespace miniff {

/// exp(x) for x <= 0 with a relative error below 4e-16; 0 below -708, where it would underflow.
///
/// x = n ln 2 + s with |s| <= ln 2 / 2; exp(s) is its Taylor sum to s^13, and n goes into the
/// exponent.
MINIFF_INLINE double exp_of_negative(double x) {
    constexpr double shifter = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer
    constexpr double ln2_high = 0.693147180369123816490;
    constexpr double ln2_low = 1.90821492927058770002e-10;
    const double in_range = x > -708.0 ? x : -708.0;
    const double shifted = in_range * 1.4426950408889634 + shifter;
    const double n = shifted - shifter;
    const double s = (in_range - n * ln2_high) - n * ln2_low;
    double sum = 1.0 / 6227020800.0;
    sum = sum * s + 1.0 / 479001600.0;
    sum = sum * s + 1.0 / 39916800.0;
    sum = sum * s + 1.0 / 3628800.0;
    sum = sum * s + 1.0 / 362880.0;
    sum = sum * s + 1.0 / 40320.0;
    sum = sum * s + 1.0 / 5040.0;
    sum = sum * s + 1.0 / 720.0;
    sum = sum * s + 1.0 / 120.0;
    sum = sum * s + 1.0 / 24.0;
    sum = sum * s + 1.0 / 6.0;
    sum = sum * s + 0.5;
    sum = sum * s + 1.0;
    sum = sum * s + 1.0;
    std::int64_t bits;
    std::int64_t exponent;
    std::memcpy(&bits, &sum, sizeof bits);
    std::memcpy(&exponent, &shifted, sizeof exponent);
    bits += exponent << 52;
    std::memcpy(&sum, &bits, sizeof sum);
    return x > -708.0 ? sum : 0.0;
}

struct SineCosine {
    double sine;
    double cosine;
};

/// sin and cos of pi y for |y| <= 1/2 by their Taylor sums, absolute error below 3e-16.
MINIFF_INLINE SineCosine sine_cosine_pi(double y) {
    const double x = 3.14159265358979323846 * y;
    const double z = -x * x;
    double s = 1.0 / 51090942171709440000.0;
    s = s * z + 1.0 / 121645100408832000.0;
    s = s * z + 1.0 / 355687428096000.0;
    s = s * z + 1.0 / 1307674368000.0;
    s = s * z + 1.0 / 6227020800.0;
    s = s * z + 1.0 / 39916800.0;
    s = s * z + 1.0 / 362880.0;
    s = s * z + 1.0 / 5040.0;
    s = s * z + 1.0 / 120.0;
    s = s * z + 1.0 / 6.0;
    s = s * z + 1.0;
    double c = 1.0 / 1124000727777607680000.0;
    c = c * z + 1.0 / 2432902008176640000.0;
    c = c * z + 1.0 / 6402373705728000.0;
    c = c * z + 1.0 / 20922789888000.0;
    c = c * z + 1.0 / 87178291200.0;
    c = c * z + 1.0 / 479001600.0;
    c = c * z + 1.0 / 3628800.0;
    c = c * z + 1.0 / 40320.0;
    c = c * z + 1.0 / 720.0;
    c = c * z + 1.0 / 24.0;
    c = c * z + 0.5;
    c = c * z + 1.0;
    return {s * x, c};
}

/// sum_t a[t] b[t]
MINIFF_INLINE double dot(const double* a, const double* b, std::int64_t n) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t t = 0; t < n; ++t) sum += a[t] * b[t];
    return sum;
}

/// out[u] = sum_t a[t] b_u[t] for four arrays at once: a is read only once.
MINIFF_INLINE void dot4(const double* a, const double* const b[4], std::int64_t n, double out[4]) {
    const double *b0 = b[0], *b1 = b[1], *b2 = b[2], *b3 = b[3];
    double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
    for (std::int64_t t = 0; t < n; ++t) {
        s0 += a[t] * b0[t];
        s1 += a[t] * b1[t];
        s2 += a[t] * b2[t];
        s3 += a[t] * b3[t];
    }
    out[0] = s0, out[1] = s1, out[2] = s2, out[3] = s3;
}

/// out[t] += factor a[t]
MINIFF_INLINE void add_scaled(double factor, const double* a, std::int64_t n,
                              double* MINIFF_RESTRICT out) {
#pragma omp simd
    for (std::int64_t t = 0; t < n; ++t) out[t] += factor * a[t];
}

/// out[t] += sum_u factor[u] a_u[t] for four arrays at once.
MINIFF_INLINE void add_scaled4(const double factor[4], const double* const a[4], std::int64_t n,
                               double* MINIFF_RESTRICT out) {
    const double *a0 = a[0], *a1 = a[1], *a2 = a[2], *a3 = a[3];
    const double f0 = factor[0], f1 = factor[1], f2 = factor[2], f3 = factor[3];
#pragma omp simd
    for (std::int64_t t = 0; t < n; ++t)
        out[t] += (f0 * a0[t] + f1 * a1[t]) + (f2 * a2[t] + f3 * a3[t]);
}

/// out[t] = base[t]^n by repeated squaring; `square` is scratch.
MINIFF_INLINE void integer_power(const double* base, int n, std::int64_t count,
                                 double* MINIFF_RESTRICT square, double* MINIFF_RESTRICT out) {
#pragma omp simd
    for (std::int64_t t = 0; t < count; ++t) {
        square[t] = base[t];
        out[t] = n & 1 ? base[t] : 1.0;
    }
    for (n >>= 1; n > 0; n >>= 1) {
#pragma omp simd
        for (std::int64_t t = 0; t < count; ++t) square[t] *= square[t];
        if (n & 1) {
#pragma omp simd
            for (std::int64_t t = 0; t < count; ++t) out[t] *= square[t];
        }
    }
}

}  // namespace miniff
