/// Angular functions without factors of r_jk (G5), by sums over pairs of neighbours.
///
/// With T_jk = (1 + lambda c_jk)^zeta, or a window of the angle, G = scale p^T T p / 2 for one list
/// of neighbours, scale p^T T p' for two. The leg sums M_k = sum_j T_jk p_j serve values and
/// derivatives by p alike; what is left for the derivatives is the turning of T. Every pack of
/// neighbours k meets all its partners j, so that what it gathers stays in registers and nothing is
/// scattered.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "shell.hpp"
#include "term_kinds.hpp"

namespace miniff {

/// Neighbours within the cutoff of a group, in the order of the shell.
template <class T>
struct Partners {
    std::vector<std::int64_t> place;
    T* numbers;  // [count, length] x, y, z and the factors of the group's exponents
    T* weights;  // [count, 8] of a tile
    std::int64_t length;

    std::int64_t count() const { return static_cast<std::int64_t>(place.size()); }
    const T* of(std::int64_t n) const { return numbers + n * length; }
    /// The first that is not before a place.
    std::int64_t at_or_after(std::int64_t k) const {
        return std::lower_bound(place.begin(), place.end(), k) - place.begin();
    }
};

/// One thread's workspace for one block of a wide group.
template <class T>
class WideSums {
public:
    WideSums(const AngularGroup& group, const AngularBlock& block)
        : group_(group), block_(block), zeta_(group.terms[block.terms.front()].zeta) {}

    /// Takes a neighbourhood.
    void begin(const Shell<T>& shell) {
        shell_ = &shell;
        ready_ = false;
    }

    /// row[column] += G
    void values(T* row) {
        find_leg_sums();
        const Range first = shell_->nb->of(group_.first);
        const T share = group_.one_list() ? T(0.5) : T(1);
        for_entries([&](const AngularEntry& entry, std::size_t factor, const T* m) {
            Pack<T> total{};
            for (std::int64_t k = first.begin; k < first.end; k += width<T>)
                total += load(shell_->p[factor] + k) * load(m + k);
            row[entry.column] += share * T(entry.scale) * sum<T>(total);
        });
    }

    /// by_p, tx, ty, tz of the shell += sum of weight times the derivatives of G
    void vjp(const T* weight) {
        find_leg_sums();
        for_entries([&](const AngularEntry& entry, std::size_t factor, const T* m) {
            const T w = weight[entry.column] * T(entry.scale);
            for_legs([&](std::int64_t k, const Partners<T>&) {
                add_to<T>(shell_->by_p[factor] + k, w * load(m + k));
            });
        });
        for_tiles([&](auto n_e, auto n_l, auto kind, std::size_t e, std::size_t l) {
            constexpr int E = decltype(n_e)::value, L = decltype(n_l)::value;
            const Tile<E, L> tile(*this, e, l);
            weigh(tile, first_, weight);
            const Range second = shell_->nb->of(group_.second);
            for (std::int64_t n = 0; n < first_.count(); ++n) {
                const std::int64_t j = first_.place[static_cast<std::size_t>(n)];
                turn<E, L, PowerKind(decltype(kind)::value)>(
                    tile, n, {second.begin, group_.one_list() ? j : second.end});
            }
        });
    }

    /// row[column] += change of G along the shell's changes
    void jvp(T* row) {
        find_leg_sums();
        for_entries([&](const AngularEntry& entry, std::size_t factor, const T* m) {
            Pack<T> total{};
            for_legs([&](std::int64_t k, const Partners<T>&) {
                total += load(shell_->by_p[factor] + k) * load(m + k);
            });
            row[entry.column] += T(entry.scale) * sum<T>(total);
        });
        for_tiles([&](auto n_e, auto n_l, auto kind, std::size_t e, std::size_t l) {
            constexpr int E = decltype(n_e)::value, L = decltype(n_l)::value;
            const Tile<E, L> tile(*this, e, l);
            Pack<T> total[E][L] = {};
            for_legs([&](std::int64_t k, const Partners<T>& partners) {
                add_turned<E, L, PowerKind(decltype(kind)::value)>(tile, k, partners, total);
            });
            for (std::size_t i = 0; i < E; ++i)
                for (std::size_t v = 0; v < L; ++v)
                    row[tile.entry[i][v]->column] +=
                        T(tile.entry[i][v]->scale * tile.slope_factor[v]) * sum<T>(total[i][v]);
        });
    }

private:
    /// Some exponents and lambdas of the block, as many as the registers hold sums for.
    template <int E, int L>
    struct Tile {
        std::size_t first;  // exponent
        const AngularEntry* entry[E][L];
        const T* p[E];
        T* m[E][L];
        T lambda[L];
        AngleWindow window[L];
        double slope_factor[L];  // see AngularTerm

        Tile(const WideSums& of, std::size_t e, std::size_t l) : first(e) {
            const std::size_t n_terms = of.block_.terms.size();
            for (std::size_t v = 0; v < L; ++v) {
                const AngularTerm& term = of.group_.terms[of.block_.terms[l + v]];
                lambda[v] = T(term.lambda), window[v] = term.window;
                slope_factor[v] = term.slope_factor();
            }
            for (std::size_t i = 0; i < E; ++i) {
                p[i] = of.shell_->p[of.factor(e + i)];
                for (std::size_t v = 0; v < L; ++v) {
                    const std::size_t n = (e + i) * n_terms + l + v;
                    entry[i][v] = &of.block_.entries[n];
                    m[i][v] = of.leg_sums_ + static_cast<std::int64_t>(n) * of.shell_->nb->size();
                }
            }
        }
    };

    std::size_t factor(std::size_t e) const { return group_.exponents[block_.exponents[e]].factor; }

    /// Calls use(entry, factor, leg sums) for every function.
    template <class Use>
    void for_entries(Use use) const {
        for (std::size_t n = 0; n < block_.entries.size(); ++n)
            use(block_.entries[n], factor(n / block_.terms.size()),
                leg_sums_ + static_cast<std::int64_t>(n) * shell_->nb->size());
    }

    /// Calls use(pack of legs, their partners) for all legs.
    template <class Use>
    MINIFF_INLINE void for_legs(Use use) const {
        const Range first = shell_->nb->of(group_.first), second = shell_->nb->of(group_.second);
        const Partners<T>& partners = group_.one_list() ? first_ : second_;
        for (std::int64_t k = first.begin; k < first.end; k += width<T>) use(k, partners);
        if (group_.one_list()) return;
        for (std::int64_t k = second.begin; k < second.end; k += width<T>) use(k, first_);
    }

    /// Calls use(number of exponents, of lambdas, kind of power, first exponent, first lambda).
    template <class Use>
    MINIFF_INLINE void for_tiles(Use use) const {
        const auto n_exponents = static_cast<std::int64_t>(block_.exponents.size());
        const auto n_terms = static_cast<std::int64_t>(block_.terms.size());
        with_power(group_.terms[block_.terms.front()], [&](auto kind) {
            // Windows come with one exponent, zero, and share the angle.
            constexpr bool windows = PowerKind(decltype(kind)::value) == PowerKind::window;
            detail::for_tiles<windows ? 1 : 4>(n_exponents, [&](std::int64_t e, auto n_e) {
                detail::for_tiles<windows ? 4 : 2>(n_terms, [&](std::int64_t l, auto n_l) {
                    use(n_e, n_l, kind, static_cast<std::size_t>(e), static_cast<std::size_t>(l));
                });
            });
        });
    }

    void find_leg_sums() {
        if (ready_) return;
        ready_ = true;
        lay_out();
        for_tiles([&](auto n_e, auto n_l, auto kind, std::size_t e, std::size_t l) {
            constexpr int E = decltype(n_e)::value, L = decltype(n_l)::value;
            const Tile<E, L> tile(*this, e, l);
            for_legs([&](std::int64_t k, const Partners<T>& partners) {
                sum_legs<E, L, PowerKind(decltype(kind)::value)>(tile, k, partners);
            });
        });
    }

    void lay_out() {
        const std::int64_t n = shell_->nb->size();
        const auto n_exponents = static_cast<std::int64_t>(block_.exponents.size());
        const std::int64_t length = 3 + n_exponents;
        arena_.clear(n * (static_cast<std::int64_t>(block_.entries.size()) + 2 * (length + 8)));
        leg_sums_ = arena_.take(n * static_cast<std::int64_t>(block_.entries.size()));
        list(first_, shell_->nb->of(group_.first), length);
        list(second_, group_.one_list() ? Range{0, 0} : shell_->nb->of(group_.second), length);
    }

    void list(Partners<T>& partners, Range range, std::int64_t length) {
        const Shell<T>& s = *shell_;
        partners.place.clear();
        for (std::int64_t j = range.begin; j < range.end; ++j)
            if (reaches(group_.fc, s.r[j])) partners.place.push_back(j);
        partners.length = length;
        partners.numbers = arena_.take(partners.count() * length);
        partners.weights = arena_.take(partners.count() * 8);
        for (std::int64_t n = 0; n < partners.count(); ++n) {
            const std::int64_t j = partners.place[static_cast<std::size_t>(n)];
            T* const to = partners.numbers + n * length;
            to[0] = s.x[j], to[1] = s.y[j], to[2] = s.z[j];
            for (std::size_t e = 0; e < block_.exponents.size(); ++e) to[3 + e] = s.p[factor(e)][j];
        }
    }

    /// Calls use(partner, mask): first those that are not in the pack of legs k, then, with zero
    /// where a leg would meet itself, those that are.
    template <class Use>
    MINIFF_INLINE void for_partners(const Partners<T>& partners, std::int64_t k, Use use) const {
        const std::int64_t own = partners.at_or_after(k);
        const std::int64_t after = partners.at_or_after(k + width<T>);
        const auto unmasked = detail::Constant<0>{};
        for (std::int64_t n = 0; n < own; ++n) use(n, unmasked, Pack<T>{});
        for (std::int64_t n = after; n < partners.count(); ++n) use(n, unmasked, Pack<T>{});
        for (std::int64_t n = own; n < after; ++n) {
            const auto itself =
                static_cast<typename BitsOf<T>::type>(partners.place[static_cast<std::size_t>(n)]);
            use(n, detail::Constant<1>{}, choose<T>(places<T>(k) != itself, all<T>(1), Pack<T>{}));
        }
    }

    /// The terms T of a tile (Less = 0), or their slopes by c but for the slope factor (Less = 1).
    template <PowerKind Kind, int Less, int E, int L>
    MINIFF_INLINE void find_terms(const Tile<E, L>& tile, Pack<T> c, Pack<T> (&out)[L]) const {
        if constexpr (Kind == PowerKind::window) {
            const Angle<T> angle = angle_of<T>(c);
            for (int v = 0; v < L; ++v) {
                const ValueSlope<T> of = value_of<T>(tile.window[v], angle);
                out[v] = Less ? of.slope : of.value;
            }
        } else {
            for (int v = 0; v < L; ++v)
                out[v] = power_of<Kind, Less, T>(T(1) + tile.lambda[v] * c, zeta_);
        }
    }

    /// M_k = sum_j T_jk p_j for a pack of legs
    template <int E, int L, PowerKind Kind>
    MINIFF_INLINE void sum_legs(const Tile<E, L>& tile, std::int64_t k,
                                const Partners<T>& partners) const {
        const Pack<T> x = load(shell_->x + k), y = load(shell_->y + k), z = load(shell_->z + k);
        Pack<T> sums[E][L] = {};
        for_partners(partners, k, [&](std::int64_t n, auto masked, Pack<T> mask) {
            const T *const at = partners.of(n), *const p = at + 3 + tile.first;
            const Pack<T> c = at[0] * x + at[1] * y + at[2] * z;
            Pack<T> term[L];
            find_terms<Kind, 0>(tile, c, term);
            for (int v = 0; v < L; ++v) {
                if constexpr (decltype(masked)::value != 0) term[v] *= mask;
                for (int i = 0; i < E; ++i) sums[i][v] += term[v] * p[i];
            }
        });
        for (int i = 0; i < E; ++i)
            for (int v = 0; v < L; ++v) store<T>(tile.m[i][v] + k, sums[i][v]);
    }

    /// The weights of the partners' slopes: w p_j times the slope factor.
    template <int E, int L>
    void weigh(const Tile<E, L>& tile, const Partners<T>& partners, const T* weight) const {
        for (std::size_t i = 0; i < E; ++i)
            for (std::size_t v = 0; v < L; ++v) {
                const T w = weight[tile.entry[i][v]->column] *
                            T(tile.entry[i][v]->scale * tile.slope_factor[v]);
                for (std::int64_t n = 0; n < partners.count(); ++n)
                    partners.weights[8 * n + static_cast<std::int64_t>(i * L + v)] =
                        w * partners.of(n)[3 + tile.first + i];
            }
    }

    /// tx, ty, tz of neighbour j and of its partners += (dG/dc_jk) times each other's unit vector,
    /// for partners before `end`: every unordered pair is met once.
    template <int E, int L, PowerKind Kind>
    MINIFF_INLINE void turn(const Tile<E, L>& tile, std::int64_t n, Range partners) const {
        const Shell<T> s = *shell_;
        const std::int64_t j = first_.place[static_cast<std::size_t>(n)];
        const T *const at = first_.of(n), *const weights = first_.weights + 8 * n;
        const Pack<T> xj = all<T>(at[0]), yj = all<T>(at[1]), zj = all<T>(at[2]);
        Pack<T> w[E][L], sums[4] = {};
        for (int i = 0; i < E; ++i)
            for (int v = 0; v < L; ++v) w[i][v] = all<T>(weights[i * L + v]);
        const auto meet = [&](std::int64_t k, auto masked) {
            const Pack<T> x = load(s.x + k), y = load(s.y + k), z = load(s.z + k);
            const Pack<T> c = xj * x + yj * y + zj * z;
            Pack<T> weighted[L];
            for (int i = 0; i < E; ++i) {
                const Pack<T> p = load(tile.p[i] + k);
                for (int v = 0; v < L; ++v)
                    weighted[v] = i ? weighted[v] + p * w[i][v] : p * w[i][v];
            }
            Pack<T> by_cosine{}, slope[L];
            find_terms<Kind, 1>(tile, c, slope);
            for (int v = 0; v < L; ++v) by_cosine += weighted[v] * slope[v];
            if constexpr (decltype(masked)::value != 0)
                by_cosine =
                    choose<T>(places<T>(k) < static_cast<typename BitsOf<T>::type>(partners.end),
                              by_cosine, Pack<T>{});
            sums[0] += by_cosine * x;
            sums[1] += by_cosine * y;
            sums[2] += by_cosine * z;
            add_to<T>(s.tx + k, by_cosine * xj);
            add_to<T>(s.ty + k, by_cosine * yj);
            add_to<T>(s.tz + k, by_cosine * zj);
        };
        std::int64_t k = partners.begin;
        for (; k + width<T> <= partners.end; k += width<T>) meet(k, detail::Constant<0>{});
        if (k < partners.end) meet(k, detail::Constant<1>{});
        T own[4];
        sum_four<T>(sums, own);
        s.tx[j] += own[0];
        s.ty[j] += own[1];
        s.tz[j] += own[2];
    }

    /// total += p_j p_k (u_j . change of u_k) times the slope of T for a pack of legs
    template <int E, int L, PowerKind Kind>
    MINIFF_INLINE void add_turned(const Tile<E, L>& tile, std::int64_t k,
                                  const Partners<T>& partners, Pack<T> (&total)[E][L]) const {
        const Shell<T>& s = *shell_;
        const Pack<T> x = load(s.x + k), y = load(s.y + k), z = load(s.z + k);
        const Pack<T> dx = load(s.tx + k), dy = load(s.ty + k), dz = load(s.tz + k);
        Pack<T> sums[E][L] = {};
        for_partners(partners, k, [&](std::int64_t n, auto masked, Pack<T> mask) {
            const T *const at = partners.of(n), *const p = at + 3 + tile.first;
            const Pack<T> c = at[0] * x + at[1] * y + at[2] * z;
            Pack<T> dc = at[0] * dx + at[1] * dy + at[2] * dz;
            if constexpr (decltype(masked)::value != 0) dc *= mask;
            Pack<T> slope[L];
            find_terms<Kind, 1>(tile, c, slope);
            for (int v = 0; v < L; ++v) {
                const Pack<T> change = dc * slope[v];
                for (int i = 0; i < E; ++i) sums[i][v] += change * p[i];
            }
        });
        for (int i = 0; i < E; ++i)
            for (int v = 0; v < L; ++v) total[i][v] += load(tile.p[i] + k) * sums[i][v];
    }

    const AngularGroup& group_;
    const AngularBlock& block_;
    double zeta_;
    const Shell<T>* shell_ = nullptr;
    bool ready_ = false;
    Arena<T> arena_;
    Partners<T> first_, second_;
    T* leg_sums_ = nullptr;  // [n_entries, size] M
};

}  // namespace miniff
