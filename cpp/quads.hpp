/// Vectors of three numbers for four neighbours at once: in fours in memory, in packs for sums.
#pragma once

#include <cstdint>
#include <cstring>

#include "pack.hpp"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace miniff {

/// Four numbers that are loaded, added and stored together.
#if defined(__GNUC__)
typedef double Quad __attribute__((vector_size(4 * sizeof(double))));
#else
struct Quad {
    double n[4];

    Quad& operator+=(const Quad& o) {
        for (int x = 0; x < 4; ++x) n[x] += o.n[x];
        return *this;
    }
    Quad operator-(const Quad& o) const {
        return {n[0] - o.n[0], n[1] - o.n[1], n[2] - o.n[2], n[3] - o.n[3]};
    }
    Quad operator-() const { return {-n[0], -n[1], -n[2], -n[3]}; }
};
#endif

/// to[0 ... 3] += v
MINIFF_INLINE void add_quad(double* to, Quad v) {
    Quad sum;
    std::memcpy(&sum, to, sizeof sum);
    sum += v;
    std::memcpy(to, &sum, sizeof sum);
}

/// x, y, z and the fourth numbers of four quads, one after the other.
struct FourVectors {
    Quad x, y, z, w;
};

#if defined(__AVX2__)

MINIFF_INLINE FourVectors transposed(Quad a, Quad b, Quad c, Quad d) {
    const Quad low_ab = _mm256_unpacklo_pd(a, b), high_ab = _mm256_unpackhi_pd(a, b);
    const Quad low_cd = _mm256_unpacklo_pd(c, d), high_cd = _mm256_unpackhi_pd(c, d);
    return {_mm256_permute2f128_pd(low_ab, low_cd, 0x20),
            _mm256_permute2f128_pd(high_ab, high_cd, 0x20),
            _mm256_permute2f128_pd(low_ab, low_cd, 0x31),
            _mm256_permute2f128_pd(high_ab, high_cd, 0x31)};
}

/// The reverse.
MINIFF_INLINE void transpose_back(const FourVectors& v, Quad (&out)[4]) {
    const Quad low_xy = _mm256_unpacklo_pd(v.x, v.y), high_xy = _mm256_unpackhi_pd(v.x, v.y);
    const Quad low_zw = _mm256_unpacklo_pd(v.z, v.w), high_zw = _mm256_unpackhi_pd(v.z, v.w);
    out[0] = _mm256_permute2f128_pd(low_xy, low_zw, 0x20);
    out[1] = _mm256_permute2f128_pd(high_xy, high_zw, 0x20);
    out[2] = _mm256_permute2f128_pd(low_xy, low_zw, 0x31);
    out[3] = _mm256_permute2f128_pd(high_xy, high_zw, 0x31);
}

/// Moves the numbers that are kept to the front, by a bit for each of four.
class Compression {
public:
    MINIFF_INLINE explicit Compression(int kept)
        : order_(_mm256_load_si256(reinterpret_cast<const __m256i*>(table.order[kept]))) {}

    MINIFF_INLINE Quad operator()(Quad v) const {
        return _mm256_castps_pd(_mm256_permutevar8x32_ps(_mm256_castpd_ps(v), order_));
    }
    MINIFF_INLINE __m256i operator()(__m256i v) const {
        return _mm256_permutevar8x32_epi32(v, order_);
    }

private:
    /// Places of the halves of the numbers kept, for each of the sixteen cases.
    struct Table {
        alignas(32) std::int32_t order[16][8];
        constexpr Table() : order() {
            for (int kept = 0; kept < 16; ++kept) {
                int n = 0;
                for (int l = 0; l < 4; ++l)
                    if (kept >> l & 1) {
                        order[kept][n++] = 2 * l;
                        order[kept][n++] = 2 * l + 1;
                    }
            }
        }
    };
    static const Table table;

    __m256i order_;
};
inline constexpr Compression::Table Compression::table{};

MINIFF_INLINE void store_four(double* to, Quad v) {
    _mm256_storeu_pd(to, v);
}
MINIFF_INLINE void store_four(float* to, Quad v) {
    _mm_storeu_ps(to, _mm256_cvtpd_ps(v));
}
MINIFF_INLINE Quad load_four(const double* from) {
    return _mm256_loadu_pd(from);
}
MINIFF_INLINE Quad load_four(const float* from) {
    return _mm256_cvtps_pd(_mm_loadu_ps(from));
}

#else

MINIFF_INLINE FourVectors transposed(Quad a, Quad b, Quad c, Quad d) {
    double in[4][4], out[4][4];
    std::memcpy(in[0], &a, sizeof a);
    std::memcpy(in[1], &b, sizeof b);
    std::memcpy(in[2], &c, sizeof c);
    std::memcpy(in[3], &d, sizeof d);
    for (int x = 0; x < 4; ++x)
        for (int l = 0; l < 4; ++l) out[x][l] = in[l][x];
    FourVectors v;
    std::memcpy(&v, out, sizeof v);
    return v;
}

MINIFF_INLINE void transpose_back(const FourVectors& v, Quad (&out)[4]) {
    const FourVectors back = transposed(v.x, v.y, v.z, v.w);
    std::memcpy(out, &back, sizeof out);
}

template <class T>
MINIFF_INLINE void store_four(T* to, Quad v) {
    double numbers[4];
    std::memcpy(numbers, &v, sizeof numbers);
    for (int l = 0; l < 4; ++l) to[l] = static_cast<T>(numbers[l]);
}

template <class T>
MINIFF_INLINE Quad load_four(const T* from) {
    return Quad{double(from[0]), double(from[1]), double(from[2]), double(from[3])};
}
#endif

}  // namespace miniff
