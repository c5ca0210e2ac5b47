/// Keeping some numbers of each pack: moved to the front for storing, and back to their places.
#pragma once

#include <cstdint>

#include "pack.hpp"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace miniff {

namespace detail {

/// The eight 32-bit places of a register in a new order, for every choice of N numbers in it.
template <int N>
struct Orders {
    unsigned char to_front[1 << N][8];
    unsigned char to_place[1 << N][8];

    constexpr Orders() : to_front(), to_place() {
        constexpr int words = 8 / N;
        for (int kept = 0; kept < 1 << N; ++kept) {
            int n = 0;
            for (int l = 0; l < N; ++l)
                if (kept >> l & 1) {
                    for (int w = 0; w < words; ++w) {
                        to_front[kept][n * words + w] = static_cast<unsigned char>(l * words + w);
                        to_place[kept][l * words + w] = static_cast<unsigned char>(n * words + w);
                    }
                    ++n;
                }
        }
    }
};
template <int N>
inline constexpr Orders<N> orders{};

#if defined(__AVX2__)
MINIFF_INLINE __m256i load_order(const unsigned char (&order)[8]) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(order)));
}
#endif

}  // namespace detail

/// A bit for each number of a pack.
using Bits = std::uint16_t;

/// The bits of a comparison.
template <class T>
MINIFF_INLINE Bits bits_of(PackBits<T> comparison) {
#if MINIFF_PACK_BYTES == 32 && defined(__AVX2__)
    if constexpr (sizeof(T) == 8)
        return static_cast<Bits>(_mm256_movemask_pd(_mm256_castsi256_pd((__m256i)comparison)));
    else
        return static_cast<Bits>(_mm256_movemask_ps(_mm256_castsi256_ps((__m256i)comparison)));
#elif MINIFF_PACK_BYTES == 64 && defined(__AVX512DQ__)
    if constexpr (sizeof(T) == 8)
        return static_cast<Bits>(_mm512_movepi64_mask((__m512i)comparison));
    else
        return static_cast<Bits>(_mm512_movepi32_mask((__m512i)comparison));
#elif MINIFF_PACK_BYTES
    unsigned bits = 0;
    for (int l = 0; l < width<T>; ++l) bits |= (comparison[l] ? 1u : 0u) << l;
    return static_cast<Bits>(bits);
#else
    return comparison ? 1 : 0;
#endif
}

/// How many bits are set.
MINIFF_INLINE int count_bits(Bits bits) {
#if defined(__GNUC__)
    return __builtin_popcount(bits);
#else
    int count = 0;
    for (unsigned rest = bits; rest; rest &= rest - 1) ++count;
    return count;
#endif
}

/// Moves the numbers that are kept to the front; what follows them is anything.
template <class T>
class ToFront {
public:
#if MINIFF_PACK_BYTES == 32 && defined(__AVX2__)
    MINIFF_INLINE explicit ToFront(Bits kept)
        : order_(detail::load_order(detail::orders<width<T>>.to_front[kept])) {}
    MINIFF_INLINE Pack<T> operator()(Pack<T> v) const {
        return (Pack<T>)_mm256_permutevar8x32_epi32((__m256i)v, order_);
    }

private:
    __m256i order_;
#elif MINIFF_PACK_BYTES == 64 && defined(__AVX512F__)
    MINIFF_INLINE explicit ToFront(Bits kept) : kept_(kept) {}
    MINIFF_INLINE Pack<T> operator()(Pack<T> v) const {
        if constexpr (sizeof(T) == 8)
            return (Pack<T>)_mm512_maskz_compress_pd(static_cast<__mmask8>(kept_), (__m512d)v);
        else
            return (Pack<T>)_mm512_maskz_compress_ps(kept_, (__m512)v);
    }

private:
    Bits kept_;
#else
    MINIFF_INLINE explicit ToFront(Bits kept) : kept_(kept) {}
    MINIFF_INLINE Pack<T> operator()(Pack<T> v) const {
#if MINIFF_PACK_BYTES
        for (int l = 0, n = 0; l < width<T>; ++l)
            if (kept_ >> l & 1) v[n++] = v[l];
#endif
        return v;
    }

private:
    Bits kept_;
#endif
};

/// Moves numbers from the front to the places that are kept; zero elsewhere.
template <class T>
class ToPlace {
public:
#if MINIFF_PACK_BYTES == 32 && defined(__AVX2__)
    MINIFF_INLINE explicit ToPlace(Bits kept)
        : order_(detail::load_order(detail::orders<width<T>>.to_place[kept])) {
        PackBits<T> bit{};
        for (int l = 0; l < width<T>; ++l) bit[l] = 1 << l;
        kept_ = (bit & (PackBits<T>{} + kept)) == bit;
    }
    MINIFF_INLINE Pack<T> operator()(Pack<T> v) const {
        return (Pack<T>)((PackBits<T>)_mm256_permutevar8x32_epi32((__m256i)v, order_) & kept_);
    }

private:
    __m256i order_;
    PackBits<T> kept_;
#elif MINIFF_PACK_BYTES == 64 && defined(__AVX512F__)
    MINIFF_INLINE explicit ToPlace(Bits kept) : kept_(kept) {}
    MINIFF_INLINE Pack<T> operator()(Pack<T> v) const {
        if constexpr (sizeof(T) == 8)
            return (Pack<T>)_mm512_maskz_expand_pd(static_cast<__mmask8>(kept_), (__m512d)v);
        else
            return (Pack<T>)_mm512_maskz_expand_ps(kept_, (__m512)v);
    }

private:
    Bits kept_;
#else
    MINIFF_INLINE explicit ToPlace(Bits kept) : kept_(kept) {}
    MINIFF_INLINE Pack<T> operator()(Pack<T> v) const {
#if MINIFF_PACK_BYTES
        Pack<T> moved{};
        for (int l = 0, n = 0; l < width<T>; ++l)
            if (kept_ >> l & 1) moved[l] = v[n++];
        return moved;
#else
        return kept_ ? v : T(0);
#endif
    }

private:
    Bits kept_;
#endif
};

}  // namespace miniff
