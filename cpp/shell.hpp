/// The neighbours of one atom as symmetry functions see them: directions, distances, factors.
#pragma once

#include <cstdint>
#include <memory>

#include "neighborhood.hpp"
#include "symmetry_groups.hpp"

namespace miniff {

/// Rows of numbers of equal length, one after another.
template <class T>
struct Rows {
    T* data;
    std::int64_t length;

    T* operator[](std::size_t row) const { return data + static_cast<std::int64_t>(row) * length; }
};

/// Arrays are [size] of the neighbourhood, which is a number of whole packs.
template <class T>
struct Shell {
    const Neighborhood<T>* nb;
    T *x, *y, *z;          // unit vectors; zero where there is no neighbour
    T *r, *inverse_r;      // distances
    Rows<T> fc, dfc;       // [n_fcs] cutoff functions and their slopes
    Rows<T> p, dp;         // [n_factors] factors and their slopes
    Rows<T> by_p;          // [n_factors] vjp: derivatives by factor; jvp: changes of factors
    T *tr, *tx, *ty, *tz;  // vjp: derivatives by distance and unit vector; jvp: their changes
};

/// Hands out consecutive arrays of a buffer that only grows; what they hold at first is anything.
template <class T>
class Arena {
public:
    /// Forgets what was taken; makes room for `n` numbers.
    void clear(std::int64_t n) {
        if (n > capacity_) {
            capacity_ = n + n / 4;
            numbers_.reset(new T[static_cast<std::size_t>(capacity_)]);
        }
        taken_ = 0;
    }
    T* take(std::int64_t n) {
        T* const array = numbers_.get() + taken_;
        taken_ += n;
        return array;
    }

private:
    std::unique_ptr<T[]> numbers_;
    std::int64_t capacity_ = 0;
    std::int64_t taken_ = 0;
};

/// Unit vectors, distances and factors of a neighbourhood.
template <class T>
Shell<T> make_shell(const Neighborhood<T>& nb, const FactorTable& table, Arena<T>& arena) {
    const std::int64_t n = nb.size();
    const auto n_factors = static_cast<std::int64_t>(table.factors.size());
    const auto n_fcs = static_cast<std::int64_t>(table.fcs.size());
    arena.clear((9 + 3 * n_factors + 2 * n_fcs) * n);
    Shell<T> s{};
    s.nb = &nb;
    for (T** array : {&s.x, &s.y, &s.z, &s.r, &s.inverse_r, &s.tr, &s.tx, &s.ty, &s.tz})
        *array = arena.take(n);
    for (Rows<T>* rows : {&s.p, &s.dp, &s.by_p}) *rows = {arena.take(n_factors * n), n};

    for (std::int64_t k = 0; k < n; k += width<T>) {
        const Pack<T> x = load(nb.x + k), y = load(nb.y + k), z = load(nb.z + k);
        const Pack<T> r = square_root(x * x + y * y + z * z);
        const Pack<T> inverse = T(1) / r;
        store<T>(s.r + k, r);
        store<T>(s.inverse_r + k, inverse);
        store<T>(s.x + k, x * inverse);
        store<T>(s.y + k, y * inverse);
        store<T>(s.z + k, z * inverse);
    }
    for (Rows<T>* rows : {&s.fc, &s.dfc}) *rows = {arena.take(n_fcs * n), n};
    for (std::size_t f = 0; f < table.fcs.size(); ++f)
        evaluate<T>(table.fcs[f], s.r, n, s.fc[f], s.dfc[f]);
    for (std::size_t f = 0; f < table.factors.size(); ++f) {
        const Factor& factor = table.factors[f];
        const T eta = T(factor.eta), shift = T(factor.shift);
        for (std::int64_t k = 0; k < n; k += width<T>) {
            const Pack<T> value = load(s.fc[factor.fc] + k), slope = load(s.dfc[factor.fc] + k);
            const Pack<T> y = load(s.r + k) - shift;
            const Pack<T> gaussian = exp_of_negative<T>(-eta * y * y);
            store<T>(s.p[f] + k, gaussian * value);
            store<T>(s.dp[f] + k, gaussian * (slope - T(2) * eta * y * value));
        }
    }
    return s;
}

/// vjp, before all sums: no derivative yet.
template <class T>
void begin_gradient(const Shell<T>& s, std::size_t n_factors) {
    const std::int64_t n = s.nb->size();
    for (T* array : {s.tr, s.tx, s.ty, s.tz})
        for (std::int64_t k = 0; k < n; ++k) array[k] = 0;
    for (std::int64_t k = 0; k < static_cast<std::int64_t>(n_factors) * n; ++k) s.by_p.data[k] = 0;
}

/// vjp, after all sums: derivatives by factor, distance and unit vector become those by r_j - r_i.
template <class T>
void finish_gradient(const Shell<T>& s, std::size_t n_factors) {
    for (std::int64_t k = 0; k < s.nb->size(); k += width<T>) {
        const Pack<T> x = load(s.x + k), y = load(s.y + k), z = load(s.z + k);
        const Pack<T> tx = load(s.tx + k), ty = load(s.ty + k), tz = load(s.tz + k);
        const Pack<T> inverse = load(s.inverse_r + k);
        Pack<T> along = load(s.tr + k) - (x * tx + y * ty + z * tz) * inverse;
        for (std::size_t f = 0; f < n_factors; ++f)
            along += load(s.dp[f] + k) * load(s.by_p[f] + k);
        add_to<T>(s.nb->gx + k, along * x + tx * inverse);
        add_to<T>(s.nb->gy + k, along * y + ty * inverse);
        add_to<T>(s.nb->gz + k, along * z + tz * inverse);
    }
}

/// jvp, before all sums: what the direction changes in distances, unit vectors and factors.
template <class T>
void begin_changes(const Shell<T>& s, std::size_t n_factors) {
    for (std::int64_t k = 0; k < s.nb->size(); k += width<T>) {
        const Pack<T> x = load(s.x + k), y = load(s.y + k), z = load(s.z + k);
        const Pack<T> tx = load(s.nb->gx + k), ty = load(s.nb->gy + k), tz = load(s.nb->gz + k);
        const Pack<T> inverse = load(s.inverse_r + k);
        const Pack<T> dr = x * tx + y * ty + z * tz;
        store<T>(s.tr + k, dr);
        store<T>(s.tx + k, (tx - dr * x) * inverse);
        store<T>(s.ty + k, (ty - dr * y) * inverse);
        store<T>(s.tz + k, (tz - dr * z) * inverse);
        for (std::size_t f = 0; f < n_factors; ++f) store<T>(s.by_p[f] + k, load(s.dp[f] + k) * dr);
    }
}

}  // namespace miniff
