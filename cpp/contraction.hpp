/// Sums over triples as products of small matrices: what angular functions spend their time in.
///
/// Arrays are given by pointers; their length is a number of whole packs. Tiles of results stay in
/// registers.
#pragma once

#include <cstdint>

#include "pack.hpp"

namespace miniff {

namespace detail {

/// A number known when compiling, to be handed to a generic lambda.
template <int N>
struct Constant {
    static constexpr int value = N;
};

/// Calls use(first, Constant<size>) on tiles that cover begin ... n - 1, the sizes halved from
/// `Largest`, a power of two, down to 1.
template <int Largest, class Use>
MINIFF_INLINE void for_tiles_from(std::int64_t begin, std::int64_t n, Use use) {
    for (; begin + Largest <= n; begin += Largest) use(begin, Constant<Largest>{});
    if constexpr (Largest > 1) for_tiles_from<Largest / 2>(begin, n, use);
}

template <int Largest, class Use>
MINIFF_INLINE void for_tiles(std::int64_t n, Use use) {
    for_tiles_from<Largest>(0, n, use);
}

template <class T, int A, int B>
MINIFF_INLINE void contract_tile(const T* const* a, const T* const* b, std::int64_t n, T* out,
                                 std::int64_t out_stride) {
    Pack<T> sums[B][4] = {};
    for (std::int64_t t = 0; t < n; t += width<T>) {
        Pack<T> x[A];
        for (int i = 0; i < A; ++i) x[i] = load(a[i] + t);
        for (int k = 0; k < B; ++k) {
            const Pack<T> y = load(b[k] + t);
            for (int i = 0; i < A; ++i) sums[k][i] += x[i] * y;
        }
    }
    for (int k = 0; k < B; ++k) {
        T four[4];
        sum_four<T>(sums[k], four);
        for (int i = 0; i < A; ++i) out[i * out_stride + k] += four[i];
    }
}

template <class T, int A, int Packs>
MINIFF_INLINE void expand_tile(const T* weight, const T* const* b, std::int64_t n_b, std::int64_t t,
                               T* const* out) {
    Pack<T> sums[A][Packs];
    for (auto& row : sums)
        for (auto& s : row) s = Pack<T>{};
    for (std::int64_t k = 0; k < n_b; ++k) {
        Pack<T> y[Packs];
        for (int v = 0; v < Packs; ++v) y[v] = load(b[k] + t + v * width<T>);
        for (int i = 0; i < A; ++i)
            for (int v = 0; v < Packs; ++v) sums[i][v] += y[v] * weight[i * n_b + k];
    }
    for (int i = 0; i < A; ++i)
        for (int v = 0; v < Packs; ++v) store<T>(out[i] + t + v * width<T>, sums[i][v]);
}

}  // namespace detail

/// out[i][k] += sum_t a[i][t] b[k][t]
template <class T>
inline void contract(const T* const* a, std::int64_t n_a, const T* const* b, std::int64_t n_b,
                     std::int64_t n, T* out) {
    detail::for_tiles<4>(n_a, [&](std::int64_t i, auto tile_a) {
        detail::for_tiles<2>(n_b, [&](std::int64_t k, auto tile_b) {
            detail::contract_tile<T, decltype(tile_a)::value, decltype(tile_b)::value>(
                a + i, b + k, n, out + i * n_b + k, n_b);
        });
    });
}

/// out[i][t] = sum_k weight[i][k] b[k][t]
template <class T>
inline void expand(const T* weight, std::int64_t n_a, const T* const* b, std::int64_t n_b,
                   std::int64_t n, T* const* out) {
    detail::for_tiles<4>(n_a, [&](std::int64_t i, auto tile) {
        constexpr int size = decltype(tile)::value;
        const T* rows = weight + i * n_b;
        std::int64_t t = 0;
        for (; t + 2 * width<T> <= n; t += 2 * width<T>)
            detail::expand_tile<T, size, 2>(rows, b, n_b, t, out + i);
        if (t < n) detail::expand_tile<T, size, 1>(rows, b, n_b, t, out + i);
    });
}

}  // namespace miniff
