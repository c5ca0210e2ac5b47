/// Products of a small dense matrix, whose rows are filled up to whole packs, with a list.
#pragma once

#include <algorithm>
#include <cstdint>

#include "pack.hpp"

namespace miniff {

/// out[k] = start[k] + sum_i x[i] rows[i][k], k in whole packs; rows are `length` long.
template <class T, int Packs>
MINIFF_INLINE void multiply_tile(const T* rows, std::int64_t length, const T* x, std::int64_t n,
                                 const T* start, T* out) {
    Pack<T> sums[Packs];
    for (int v = 0; v < Packs; ++v) sums[v] = start ? load(start + v * width<T>) : Pack<T>{};
    for (std::int64_t i = 0; i < n; ++i)
        for (int v = 0; v < Packs; ++v) sums[v] += x[i] * load(rows + i * length + v * width<T>);
    for (int v = 0; v < Packs; ++v) store<T>(out + v * width<T>, sums[v]);
}

template <class T>
void multiply(const T* rows, std::int64_t length, const T* x, std::int64_t n, const T* start,
              T* out) {
    std::int64_t k = 0;
    const auto at = [&](const T* array) { return array ? array + k : nullptr; };
    for (; k + 4 * width<T> <= length; k += 4 * width<T>)
        multiply_tile<T, 4>(rows + k, length, x, n, at(start), out + k);
    for (; k < length; k += width<T>)
        multiply_tile<T, 1>(rows + k, length, x, n, at(start), out + k);
}

/// out[k] = sum_i x[i] rows[i][k] where rows[i][k] is 0 for k < i: half as much to do.
template <class T>
void multiply_triangle(const T* rows, std::int64_t length, const T* x, std::int64_t n, T* out) {
    std::int64_t k = 0;
    for (; k + 4 * width<T> <= length; k += 4 * width<T>)
        multiply_tile<T, 4>(rows + k, length, x, std::min(n, k + 4 * width<T>), nullptr, out + k);
    for (; k < length; k += width<T>)
        multiply_tile<T, 1>(rows + k, length, x, std::min(n, k + width<T>), nullptr, out + k);
}

}  // namespace miniff
