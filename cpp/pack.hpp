/// A pack: as many numbers as one register of the processor holds, with arithmetic on all at once.
///
/// The whole core is compiled once for each instruction set (CMakeLists.txt), so the width is a
/// constant of the translation unit. A formula written for a type `V` serves packs and plain
/// numbers alike. Compilers without vector extensions get packs of one number.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__GNUC__)  // and clang
#define MINIFF_INLINE inline __attribute__((always_inline))
#define MINIFF_RESTRICT __restrict__
#else
#define MINIFF_INLINE inline
#define MINIFF_RESTRICT
#endif

#if !defined(MINIFF_PACK_BYTES)
#if !defined(__GNUC__)
#define MINIFF_PACK_BYTES 0
#elif defined(__AVX512F__)
#define MINIFF_PACK_BYTES 64
#elif defined(__AVX__)
#define MINIFF_PACK_BYTES 32
#else
#define MINIFF_PACK_BYTES 16
#endif
#endif

namespace miniff {

/// An integer as wide as T, whose comparison results and bits go with T.
template <class T>
struct BitsOf;
template <>
struct BitsOf<double> {
    using type = std::int64_t;
};
template <>
struct BitsOf<float> {
    using type = std::int32_t;
};

#if MINIFF_PACK_BYTES
template <class T>
struct PackOf {
    using Bits = typename BitsOf<T>::type;
    typedef T type __attribute__((vector_size(MINIFF_PACK_BYTES)));
    typedef Bits bits __attribute__((vector_size(MINIFF_PACK_BYTES)));
    static constexpr int width = MINIFF_PACK_BYTES / sizeof(T);
};
#else
template <class T>
struct PackOf {
    using type = T;
    using bits = typename BitsOf<T>::type;
    static constexpr int width = 1;
};
#endif

template <class T>
using Pack = typename PackOf<T>::type;
template <class T>
using PackBits = typename PackOf<T>::bits;

/// Numbers in a pack.
template <class T>
constexpr int width = PackOf<T>::width;

/// `n` rounded up to whole packs.
template <class T>
constexpr std::int64_t whole_packs(std::int64_t n) {
    return (n + width<T> - 1) / width<T> * width<T>;
}

template <class T>
MINIFF_INLINE Pack<T> load(const T* from) {
    Pack<T> v;
    std::memcpy(&v, from, sizeof v);
    return v;
}

template <class T>
MINIFF_INLINE void store(T* to, Pack<T> v) {
    std::memcpy(to, &v, sizeof v);
}

/// Asks for what is at a place in memory, which will be read soon.
MINIFF_INLINE void prefetch(const void* at) {
#if defined(__GNUC__)
    __builtin_prefetch(at);
#else
    static_cast<void>(at);
#endif
}

/// The numbers at a place after each pointer.
template <class T>
MINIFF_INLINE Pack<T> gather(const T* const (&from)[width<T>], int place) {
    Pack<T> v{};
#if MINIFF_PACK_BYTES
    for (int l = 0; l < width<T>; ++l) v[l] = from[l][place];
#else
    v = from[0][place];
#endif
    return v;
}

template <class T>
MINIFF_INLINE void add_to(T* to, Pack<T> v) {
    store<T>(to, load(to) + v);
}

/// The same number everywhere.
template <class T>
MINIFF_INLINE Pack<T> all(T x) {
    return Pack<T>{} + x;
}

/// first, first + 1, ...: the places of a pack in its array.
template <class T>
MINIFF_INLINE PackBits<T> places(std::int64_t first) {
    PackBits<T> v{};
#if MINIFF_PACK_BYTES
    for (int l = 0; l < width<T>; ++l) v[l] = static_cast<typename BitsOf<T>::type>(first + l);
#else
    v = static_cast<typename BitsOf<T>::type>(first);
#endif
    return v;
}

/// The sum of the numbers, in a fixed order.
template <class T>
MINIFF_INLINE T sum(Pack<T> v) {
#if MINIFF_PACK_BYTES
    // Halves are added to halves.
    for (int n = width<T> / 2; n > 0; n /= 2)
        for (int l = 0; l < n; ++l) v[l] += v[l + n];
    return v[0];
#else
    return v;
#endif
}

/// The sums of four vectors V of so many numbers.
template <class T, int lanes, class V>
MINIFF_INLINE void sum_four_of(const V (&v)[4], T (&out)[4]) {
    T numbers[4][lanes];
#if MINIFF_PACK_BYTES >= 32 && !defined(__clang__)
    if constexpr (lanes >= 4) {
        // Fold each vector to four numbers, then transpose and add.
        typedef T Four __attribute__((vector_size(4 * sizeof(T))));
        typedef typename BitsOf<T>::type Places __attribute__((vector_size(4 * sizeof(T))));
        Four f[4];
        for (int i = 0; i < 4; ++i) {
            Four parts[lanes / 4];
            std::memcpy(parts, &v[i], sizeof v[i]);
            for (int n = lanes / 8; n > 0; n /= 2)
                for (int l = 0; l < n; ++l) parts[l] += parts[l + n];
            f[i] = parts[0];
        }
        const Four ab = __builtin_shuffle(f[0], f[1], Places{0, 4, 2, 6}) +
                        __builtin_shuffle(f[0], f[1], Places{1, 5, 3, 7});
        const Four cd = __builtin_shuffle(f[2], f[3], Places{0, 4, 2, 6}) +
                        __builtin_shuffle(f[2], f[3], Places{1, 5, 3, 7});
        const Four all_four = __builtin_shuffle(ab, cd, Places{0, 1, 4, 5}) +
                              __builtin_shuffle(ab, cd, Places{2, 3, 6, 7});
        std::memcpy(out, &all_four, sizeof out);
        return;
    }
#endif
    std::memcpy(numbers, v, sizeof numbers);
    for (int i = 0; i < 4; ++i) {
        // Halves are added to halves.
        for (int n = lanes / 2; n > 0; n /= 2)
            for (int l = 0; l < n; ++l) numbers[i][l] += numbers[i][l + n];
        out[i] = numbers[i][0];
    }
}

/// The sums of four packs.
template <class T>
MINIFF_INLINE void sum_four(const Pack<T> (&v)[4], T (&out)[4]) {
    sum_four_of<T, width<T>>(v, out);
}

/// Whether a comparison holds for any number.
template <class T>
MINIFF_INLINE bool any(PackBits<T> comparison) {
#if MINIFF_PACK_BYTES
    typename BitsOf<T>::type found = 0;
    for (int l = 0; l < width<T>; ++l) found |= comparison[l];
    return found != 0;
#else
    return comparison != 0;
#endif
}

MINIFF_INLINE double square_root(double x) {
    return std::sqrt(x);
}
MINIFF_INLINE float square_root(float x) {
    return std::sqrt(x);
}
#if MINIFF_PACK_BYTES
MINIFF_INLINE Pack<double> square_root(Pack<double> v) {
    for (int l = 0; l < width<double>; ++l) v[l] = std::sqrt(v[l]);
    return v;
}
MINIFF_INLINE Pack<float> square_root(Pack<float> v) {
    for (int l = 0; l < width<float>; ++l) v[l] = std::sqrt(v[l]);
    return v;
}
#endif

/// x where the comparison holds, y elsewhere; never arithmetic on what is not taken.
template <class T>
MINIFF_INLINE Pack<T> choose(PackBits<T> comparison, Pack<T> x, Pack<T> y) {
    return comparison ? x : y;
}

}  // namespace miniff
