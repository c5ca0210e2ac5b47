/// Triples of a group in rows of equal j, and the powers (1 + lambda c)^zeta they share.
///
/// A triple depends on r_j, r_k and c = cos t_jik only: r_jk^2 = r_j^2 + r_k^2 - 2 r_j r_k c. So
/// derivatives are kept by distance and by unit vector, and those by r_jk^2 are turned into them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "contraction.hpp"
#include "shell.hpp"

namespace miniff {

/// Triples are worked on in batches of about this many, small enough for the first-level cache.
constexpr std::int64_t batch_size = 256;

/// Neighbour j and its packs of partners first ... last - 1.
struct Row {
    std::int64_t j, first, last;
};

/// Whole rows; the packs of partners are numbered through the batch, pack b holds triples
/// b width ... (b + 1) width - 1 of its arrays.
template <class T>
struct Batch {
    const Row* rows_begin;
    const Row* rows_end;
    const std::int64_t* owner;    // [n_packs] the j of each pack
    const std::int64_t* partner;  // [n_packs] the first k of each pack
    std::int64_t n_packs;
    const T* cosine;

    std::int64_t size() const { return n_packs * width<T>; }
    const Row* begin() const { return rows_begin; }
    const Row* end() const { return rows_end; }
};

/// Calls use(j, partners) on the rows of a group: unordered pairs once in a list of one's own.
template <class T, class Use>
MINIFF_INLINE void for_rows(const Shell<T>& s, const AngularGroup& group, Use use) {
    const Range first = s.nb->of(group.first), second = s.nb->of(group.second);
    for (std::int64_t j = first.begin; j < first.end; ++j) {
        if (!(s.r[j] < T(group.fc.cutoff))) continue;
        const std::int64_t end = group.one_list() ? j : second.end;
        if (end > second.begin) use(j, Range{second.begin, end});
    }
}

/// Arrays of numbers for a batch, one for each of some list.
template <class T>
using Arrays = std::vector<T*>;

template <class T>
void take_arrays(Arrays<T>& arrays, std::size_t count, std::int64_t length, Arena<T>& arena) {
    arrays.resize(count);
    for (T*& array : arrays) array = arena.take(length);
}

/// out[t] = in[t] (1 + lambda c)^n, without `in` the power alone.
template <class T>
void multiply_by_power(const T* cosine, T lambda, int n, const T* in, std::int64_t size, T* out) {
    // Four packs at a time, so that the loop over the bits of n costs little.
    constexpr int at_once = 4;
    std::int64_t t = 0;
    const auto step = [&](auto packs) {
        constexpr int count = decltype(packs)::value;
        Pack<T> square[count], result[count];
        for (int v = 0; v < count; ++v) {
            square[v] = T(1) + lambda * load(cosine + t + v * width<T>);
            result[v] = in ? load(in + t + v * width<T>) : all<T>(1);
        }
        for (int bits = n; bits > 0;) {
            if (bits & 1)
                for (int v = 0; v < count; ++v) result[v] *= square[v];
            if (bits >>= 1)
                for (int v = 0; v < count; ++v) square[v] *= square[v];
        }
        for (int v = 0; v < count; ++v) store<T>(out + t + v * width<T>, result[v]);
        t += count * width<T>;
    };
    while (t + at_once * width<T> <= size) step(detail::Constant<at_once>{});
    while (t < size) step(detail::Constant<1>{});
}

/// out[t] = (1 + lambda c)^exponent for any real exponent
template <class T>
void fill_real_power(const T* cosine, double lambda, double exponent, std::int64_t size, T* out) {
    for (std::int64_t t = 0; t < size; ++t)
        out[t] = T(std::pow(std::max(0.0, 1 + lambda * static_cast<double>(cosine[t])), exponent));
}

/// out[u] = (1 + lambda c)^(zeta - less) for every term: powers of one lambda are made from each
/// other.
template <class T>
void fill_powers(const std::vector<AngularTerm>& terms, const T* cosine, std::int64_t size,
                 int less, const Arrays<T>& out) {
    const T* from = nullptr;
    int reached = 0;
    for (std::size_t u = 0; u < terms.size(); ++u) {
        const AngularTerm& term = terms[u];
        if (u > 0 && terms[u - 1].lambda != term.lambda) from = nullptr, reached = 0;
        if (!term.integer()) {
            fill_real_power(cosine, term.lambda, term.zeta - less, size, out[u]);
            continue;
        }
        const int exponent = static_cast<int>(term.zeta) - less;
        multiply_by_power(cosine, T(term.lambda), exponent - reached, from, size, out[u]);
        from = out[u], reached = exponent;
    }
}

/// power[u] = (1 + lambda c)^zeta from slope[u] = (1 + lambda c)^(zeta - 1).
template <class T>
void complete_powers(const std::vector<AngularTerm>& terms, const T* cosine, std::int64_t size,
                     const Arrays<T>& slope, const Arrays<T>& power) {
    for (std::size_t u = 0; u < terms.size(); ++u)
        multiply_by_power(cosine, T(terms[u].lambda), 1, slope[u], size, power[u]);
}

/// Adds derivatives by cosine to those by unit vector: the cosine is the product of two.
template <class T>
MINIFF_INLINE void spread_cosines(const Batch<T>& batch, const Shell<T>& s, const T* by_cosine) {
    for (const Row& row : batch) {
        const T xj = s.x[row.j], yj = s.y[row.j], zj = s.z[row.j];
        Pack<T> sums[4] = {};
        for (std::int64_t b = row.first; b < row.last; ++b) {
            const std::int64_t k = batch.partner[b];
            const Pack<T> by_c = load(by_cosine + b * width<T>);
            sums[0] += by_c * load(s.x + k);
            sums[1] += by_c * load(s.y + k);
            sums[2] += by_c * load(s.z + k);
            add_to<T>(s.tx + k, by_c * xj);
            add_to<T>(s.ty + k, by_c * yj);
            add_to<T>(s.tz + k, by_c * zj);
        }
        T out[4];
        sum_four<T>(sums, out);
        s.tx[row.j] += out[0];
        s.ty[row.j] += out[1];
        s.tz[row.j] += out[2];
    }
}

/// Changes of the cosines along the direction of a jvp.
template <class T>
void fill_cosine_changes(const Batch<T>& batch, const Shell<T>& s, T* change) {
    for (const Row& row : batch) {
        const T xj = s.x[row.j], yj = s.y[row.j], zj = s.z[row.j];
        const T dxj = s.tx[row.j], dyj = s.ty[row.j], dzj = s.tz[row.j];
        for (std::int64_t b = row.first; b < row.last; ++b) {
            const std::int64_t k = batch.partner[b];
            store<T>(change + b * width<T>, xj * load(s.tx + k) + yj * load(s.ty + k) +
                                                zj * load(s.tz + k) + dxj * load(s.x + k) +
                                                dyj * load(s.y + k) + dzj * load(s.z + k));
        }
    }
}

}  // namespace miniff
