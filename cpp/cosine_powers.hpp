/// The powers (1 + lambda c)^zeta of the angular functions of a group, and windows of the angle.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "contraction.hpp"
#include "symmetry_groups.hpp"

namespace miniff {

/// Arrays of equal length, one for each of some list.
template <class T>
using Arrays = std::vector<T*>;

/// (1 + lambda c)^zeta, and the same with zeta - 1 where `slope` is an array.
template <class T>
void fill_real_power(const AngularTerm& term, const T* cosine, std::int64_t size, T* slope,
                     T* power) {
    for (std::int64_t t = 0; t < size; ++t) {
        const double base = std::max(0.0, 1 + term.lambda * static_cast<double>(cosine[t]));
        power[t] = T(std::pow(base, term.zeta));
        if (slope) slope[t] = T(std::pow(base, term.zeta - 1));
    }
}

/// The same for terms begin ... end - 1, which have one lambda and rising integer zetas: each is
/// made from the one before.
template <class T>
void fill_integer_powers(const std::vector<AngularTerm>& terms, std::size_t begin, std::size_t end,
                         const T* cosine, std::int64_t size, const Arrays<T>* slope,
                         const Arrays<T>& power) {
    const T lambda = T(terms[begin].lambda);
    // Several packs at a time, so that the loop over the bits of an exponent costs little.
    const auto fill = [&](std::int64_t t, auto packs) {
        constexpr int N = decltype(packs)::value;
        Pack<T> base[N], reached[N];
        for (int v = 0; v < N; ++v) {
            base[v] = T(1) + lambda * load(cosine + t + v * width<T>);
            reached[v] = all<T>(1);
        }
        int exponent = 0;
        for (std::size_t u = begin; u < end; ++u) {
            const int zeta = static_cast<int>(terms[u].zeta);
            Pack<T> square[N];
            for (int v = 0; v < N; ++v) square[v] = base[v];
            for (int bits = zeta - 1 - exponent; bits > 0;) {
                if (bits & 1)
                    for (int v = 0; v < N; ++v) reached[v] *= square[v];
                if (bits >>= 1)
                    for (int v = 0; v < N; ++v) square[v] *= square[v];
            }
            if (slope) {
                T* const to = (*slope)[u] + t;
                for (int v = 0; v < N; ++v) store<T>(to + v * width<T>, reached[v]);
            }
            T* const to = power[u] + t;
            for (int v = 0; v < N; ++v) {
                reached[v] *= base[v];
                store<T>(to + v * width<T>, reached[v]);
            }
            exponent = zeta;
        }
    };
    std::int64_t t = 0;
    for (; t + 4 * width<T> <= size; t += 4 * width<T>) fill(t, detail::Constant<4>{});
    for (; t < size; t += width<T>) fill(t, detail::Constant<1>{});
}

/// The same for terms begin ... end - 1, which are windows of one angle; the slopes are by c.
template <class T>
void fill_windows(const std::vector<AngularTerm>& terms, std::size_t begin, std::size_t end,
                  const T* cosine, std::int64_t size, const Arrays<T>* slope,
                  const Arrays<T>& power) {
    for (std::int64_t t = 0; t < size; t += width<T>) {
        const Angle<T> angle = angle_of<T>(load(cosine + t));
        for (std::size_t u = begin; u < end; ++u) {
            const ValueSlope<T> of = value_of<T>(terms[u].window, angle);
            store<T>(power[u] + t, of.value);
            if (slope) store<T>((*slope)[u] + t, of.slope);
        }
    }
}

/// power[u] = (1 + lambda c)^zeta for every term, and (*slope)[u] = (1 + lambda c)^(zeta - 1) where
/// it is asked for; of windows the values and the slopes by c. `size` is a number of whole packs.
template <class T>
void fill_powers(const std::vector<AngularTerm>& terms, const T* cosine, std::int64_t size,
                 const Arrays<T>* slope, const Arrays<T>& power) {
    for (std::size_t u = 0; u < terms.size();) {
        std::size_t end = u + 1;
        if (terms[u].is_window()) {
            while (end < terms.size() && terms[end].is_window()) ++end;
            fill_windows(terms, u, end, cosine, size, slope, power);
            u = end;
            continue;
        }
        if (!terms[u].integer()) {
            fill_real_power(terms[u], cosine, size, slope ? (*slope)[u] : nullptr, power[u]);
            ++u;
            continue;
        }
        while (end < terms.size() && terms[end].lambda == terms[u].lambda && terms[end].integer())
            ++end;
        fill_integer_powers(terms, u, end, cosine, size, slope, power);
        u = end;
    }
}

}  // namespace miniff
