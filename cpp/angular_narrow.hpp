/// Angular functions with factors of r_jk (G4), by sums over triples.
///
/// A function's term is f (1 + lambda c)^zeta with f = exp(-eta sum (r - rs)^2) fc fc fc over the
/// three sides r_j, r_k, r_jk. The derivative of f by a side is f times that of ln f, which depends
/// on the exponent only through a factor eta: so functions are summed, each times its weight and
/// each times weight and eta, before anything is differentiated by a side.
#pragma once

#include "cosine_powers.hpp"
#include "triple_list.hpp"

namespace miniff {

/// One thread's workspace for one narrow group.
template <class T>
class NarrowSums {
public:
    explicit NarrowSums(const AngularGroup& group) : group_(group), list_(group) {}

    /// Takes a neighbourhood.
    void begin(const Shell<T>& shell) {
        shell_ = &shell;
        list_.begin(shell);
        ready_ = false;
    }

    /// row[column] += G
    void values(T* row) {
        for_batches([&](const TripleBatch& batch) {
            fill_powers<T>(group_.terms, cosine_ + batch.offset, batch.size, nullptr, power_);
            for (const AngularBlock& block : group_.blocks)
                contract_block(batch, block, radial_of(batch, block), power_, false, row);
        });
    }

    /// tr, tx, ty, tz of the shell += sum of weight times the derivatives of G
    void vjp(const T* weight) {
        bool idle = true;
        for (const AngularBlock& block : group_.blocks) idle &= !has_weight(block.entries, weight);
        if (idle) return;
        for_batches([&](const TripleBatch& batch) {
            fill_powers<T>(group_.terms, cosine_ + batch.offset, batch.size, &slope_, power_);
            bool fresh = true;
            for (const AngularBlock& block : group_.blocks) {
                if (!has_weight(block.entries, weight)) continue;
                expand_block(batch, block, weight);
                detail::for_tiles<4>(static_cast<std::int64_t>(block.exponents.size()),
                                     [&](std::int64_t first, auto tile) {
                                         add_sums<decltype(tile)::value>(
                                             batch, block, static_cast<std::size_t>(first), fresh);
                                         fresh = false;
                                     });
            }
            differentiate_sides(batch);
            for (const TripleRow& row : batch) spread(row);
        });
    }

    /// row[column] += change of G along the shell's changes
    void jvp(T* row) {
        for_batches([&](const TripleBatch& batch) {
            fill_powers<T>(group_.terms, cosine_ + batch.offset, batch.size, &slope_, power_);
            for (const TripleRow& triples : batch) gather_changes(triples);
            add_changes_of_sides(batch);
            for (const AngularBlock& block : group_.blocks) {
                fill_changes(batch, block);
                contract_block(batch, block, q_, power_, false, row);
                contract_block(batch, block, w_, slope_, true, row);
            }
        });
    }

private:
    /// Calls use(batch); the first time the triples are listed on the way, while they are at hand.
    template <class Use>
    void for_batches(Use use) {
        if (ready_) {
            for (const TripleBatch& batch : list_.batches()) use(batch);
            return;
        }
        lay_out();
        fill_leg_slopes();
        list_.list({cosine_, side2_, squares_, legs_}, [&](const TripleBatch& batch) {
            fill_sides(batch);
            fill_radial(batch);
            use(batch);
        });
        ready_ = true;
    }

    void lay_out() {
        const std::size_t n_exponents = group_.exponents.size(), n_terms = group_.terms.size();
        const std::int64_t all_triples = list_.most(), in_batch = list_.most_in_batch();
        const std::int64_t n = shell_->nb->size();
        arena_.clear(n + all_triples * static_cast<std::int64_t>(3 + n_exponents) +
                     in_batch * static_cast<std::int64_t>(9 + 2 * n_exponents + 2 * n_terms));
        leg_slope_ = arena_.take(n);
        for (T** array : {&cosine_, &side_slope_, &side_ratio_}) *array = arena_.take(all_triples);
        take_arrays(radial_, n_exponents, all_triples);
        for (T** array :
             {&side2_, &squares_, &legs_, &side_, &fc_, &sum_, &sum_eta_, &by_cosine_, &by_side_})
            *array = arena_.take(in_batch);
        for (Arrays<T>* arrays : {&q_, &w_}) take_arrays(*arrays, n_exponents, in_batch);
        for (Arrays<T>* arrays : {&power_, &slope_}) take_arrays(*arrays, n_terms, in_batch);
    }

    void take_arrays(Arrays<T>& arrays, std::size_t count, std::int64_t length) {
        arrays.resize(count);
        for (T*& array : arrays) array = arena_.take(length);
    }

    /// d ln fc / dr of every neighbour.
    void fill_leg_slopes() {
        const T *const fc = shell_->fc[group_.fc_place], *const dfc = shell_->dfc[group_.fc_place];
        for (std::int64_t k = 0; k < shell_->nb->size(); k += width<T>)
            store<T>(leg_slope_ + k, ratio(load(dfc + k), load(fc + k)));
    }

    /// x / y, and 0 where y is 0.
    static MINIFF_INLINE Pack<T> ratio(Pack<T> x, Pack<T> y) {
        const PackBits<T> some = y > T(0);
        return choose<T>(some, x / choose<T>(some, y, all<T>(1)), Pack<T>{});
    }

    /// Completes the squares and the product of cutoff functions with those of r_jk; keeps
    /// d ln fc / d r_jk^2, and (r_jk - shift) / r_jk.
    void fill_sides(const TripleBatch& batch) {
        T* const side_slope = side_slope_ + batch.offset;
        if (group_.fc.is_plain_cosine() && group_.shift == 0) {
            // fc = cos^2(pi r / 2 rc) is a function of r^2: no root is needed.
            const T scale = T(std::pow(1.57079632679489661923 / group_.fc.cutoff, 2));
            for (std::int64_t t = 0; t < batch.size; t += width<T>) {
                const Pack<T> side2 = load(side2_ + t), z = side2 * scale;
                const Pack<T> root = polynomial<T>(Circle<T>::cosine, z);
                store<T>(legs_ + t, load(legs_ + t) * root * root);
                store<T>(side_slope + t, ratio(-scale * polynomial<T>(Circle<T>::sine, z), root));
                store<T>(squares_ + t, load(squares_ + t) + side2);
            }
            return;
        }
        const T shift = T(group_.shift);
        for (std::int64_t t = 0; t < batch.size; t += width<T>) {
            const Pack<T> side = square_root(load(side2_ + t)), off = side - shift;
            store<T>(side_ + t, side);
            store<T>(squares_ + t, load(squares_ + t) + off * off);
        }
        if (shift != 0)
            for (std::int64_t t = 0; t < batch.size; t += width<T>)
                store<T>(side_ratio_ + batch.offset + t, T(1) - shift / load(side_ + t));
        evaluate<T>(group_.fc, side_, batch.size, fc_, side_slope);
        for (std::int64_t t = 0; t < batch.size; t += width<T>) {
            const Pack<T> fc = load(fc_ + t);
            store<T>(legs_ + t, load(legs_ + t) * fc);
            store<T>(side_slope + t, ratio(load(side_slope + t), T(2) * load(side_ + t) * fc));
        }
    }

    /// f of every exponent: exponentials first, then the powers of those, then the cutoffs.
    void fill_radial(const TripleBatch& batch) {
        const std::size_t count = group_.exponents.size();
        const auto of = [&](std::size_t e) { return radial_[e] + batch.offset; };
        for (std::size_t e = 0; e < count; ++e) {
            const Exponent& exponent = group_.exponents[e];
            if (exponent.power > 0) continue;
            for (std::int64_t t = 0; t < batch.size; t += width<T>)
                store<T>(of(e) + t, exp_of_negative<T>(-T(exponent.eta) * load(squares_ + t)));
        }
        for (std::size_t e = count; e-- > 0;) {
            const Exponent& exponent = group_.exponents[e];
            multiply_by_power(of(exponent.power > 0 ? exponent.base : e),
                              std::max(exponent.power, 1), legs_, batch.size, of(e));
        }
    }

    /// out[t] = base[t]^n factor[t]
    static void multiply_by_power(const T* base, int n, const T* factor, std::int64_t size,
                                  T* out) {
        const auto fill = [&](std::int64_t t, auto packs) {
            constexpr int N = decltype(packs)::value;
            Pack<T> square[N], result[N];
            for (int v = 0; v < N; ++v) {
                square[v] = load(base + t + v * width<T>);
                result[v] = load(factor + t + v * width<T>);
            }
            for (int bits = n; bits > 0;) {
                if (bits & 1)
                    for (int v = 0; v < N; ++v) result[v] *= square[v];
                if (bits >>= 1)
                    for (int v = 0; v < N; ++v) square[v] *= square[v];
            }
            for (int v = 0; v < N; ++v) store<T>(out + t + v * width<T>, result[v]);
        };
        std::int64_t t = 0;
        for (; t + 4 * width<T> <= size; t += 4 * width<T>) fill(t, detail::Constant<4>{});
        for (; t < size; t += width<T>) fill(t, detail::Constant<1>{});
    }

    /// f of a block's exponents.
    const Arrays<T>& radial_of(const TripleBatch& batch, const AngularBlock& block) {
        chosen_radial_.resize(block.exponents.size());
        for (std::size_t e = 0; e < block.exponents.size(); ++e)
            chosen_radial_[e] = radial_[block.exponents[e]] + batch.offset;
        return chosen_radial_;
    }

    const Arrays<T>& terms_of(const AngularBlock& block, const Arrays<T>& arrays) {
        chosen_terms_.resize(block.terms.size());
        for (std::size_t u = 0; u < block.terms.size(); ++u)
            chosen_terms_[u] = arrays[block.terms[u]];
        return chosen_terms_;
    }

    /// row[column] += scale sum_t of_exponent term, with the factor of a slope or without.
    void contract_block(const TripleBatch& batch, const AngularBlock& block,
                        const Arrays<T>& of_exponent, const Arrays<T>& of_term, bool slope,
                        T* row) {
        sums_.assign(block.entries.size(), T(0));
        contract<T>(of_exponent.data(), static_cast<std::int64_t>(block.exponents.size()),
                    terms_of(block, of_term).data(), static_cast<std::int64_t>(block.terms.size()),
                    batch.size, sums_.data());
        for (std::size_t f = 0; f < block.entries.size(); ++f) {
            const AngularTerm& term = group_.terms[block.terms[f % block.terms.size()]];
            const double factor = slope ? term.slope_factor() : 1.0;
            row[block.entries[f].column] += T(block.entries[f].scale * factor) * sums_[f];
        }
    }

    /// q = sum over a block's terms of weighted powers, w the same of their slopes by c.
    void expand_block(const TripleBatch& batch, const AngularBlock& block, const T* weight) {
        const std::size_t n_terms = block.terms.size();
        of_power_.resize(block.entries.size());
        of_slope_.resize(block.entries.size());
        for (std::size_t f = 0; f < block.entries.size(); ++f) {
            const AngularTerm& term = group_.terms[block.terms[f % n_terms]];
            of_power_[f] = weight[block.entries[f].column] * T(block.entries[f].scale);
            of_slope_[f] = of_power_[f] * T(term.slope_factor());
        }
        const auto n_e = static_cast<std::int64_t>(block.exponents.size());
        const auto n_u = static_cast<std::int64_t>(n_terms);
        expand<T>(of_power_.data(), n_e, terms_of(block, power_).data(), n_u, batch.size,
                  q_.data());
        expand<T>(of_slope_.data(), n_e, terms_of(block, slope_).data(), n_u, batch.size,
                  w_.data());
    }

    /// Adds to sum = sum_e f q, sum_eta = sum_e eta f q and by_cosine = sum_e f w, for N exponents
    /// of a block from `first` on; begins them where they are fresh.
    template <int N>
    void add_sums(const TripleBatch& batch, const AngularBlock& block, std::size_t first,
                  bool fresh) {
        const T *f[N], *q[N], *w[N];
        T eta[N];
        for (std::size_t e = 0; e < N; ++e) {
            f[e] = radial_[block.exponents[first + e]] + batch.offset;
            q[e] = q_[first + e], w[e] = w_[first + e];
            eta[e] = T(group_.exponents[block.exponents[first + e]].eta);
        }
        T *const sum = sum_, *const sum_eta = sum_eta_, *const by_cosine = by_cosine_;
        for (std::int64_t t = 0; t < batch.size; t += width<T>) {
            Pack<T> total{}, total_eta{}, slope{};
            if (!fresh) {
                total = load(sum + t);
                total_eta = load(sum_eta + t);
                slope = load(by_cosine + t);
            }
            for (int e = 0; e < N; ++e) {
                const Pack<T> radial = load(f[e] + t), term = radial * load(q[e] + t);
                total += term;
                total_eta += eta[e] * term;
                slope += radial * load(w[e] + t);
            }
            store<T>(sum + t, total);
            store<T>(sum_eta + t, total_eta);
            store<T>(by_cosine + t, slope);
        }
    }

    /// by_side = derivative by r_jk^2
    void differentiate_sides(const TripleBatch& batch) {
        const T* const slope = side_slope_ + batch.offset;
        const T* const drop = side_ratio_ + batch.offset;
        const bool shifted = group_.shift != 0;
        for (std::int64_t t = 0; t < batch.size; t += width<T>) {
            Pack<T> lost = load(sum_eta_ + t);
            if (shifted) lost *= load(drop + t);
            store<T>(by_side_ + t, load(slope + t) * load(sum_ + t) - lost);
        }
    }

    /// Adds derivatives by a row's sides and cosines to those by distance and unit vector:
    /// r_jk^2 = r_j^2 + r_k^2 - 2 r_j r_k c, and the cosine is the product of two unit vectors.
    MINIFF_INLINE void spread(const TripleRow& row) {
        const Shell<T> s = *shell_;
        const T shift = T(group_.shift), rj = s.r[row.j];
        const T xj = s.x[row.j], yj = s.y[row.j], zj = s.z[row.j];
        const T *const leg_slope = leg_slope_, *const sum = sum_, *const sum_eta = sum_eta_;
        const T *const by_sides = by_side_, *const by_cosines = by_cosine_;
        Pack<T> by_rj{}, totals[4] = {}, sums[4] = {};
        std::int64_t t = row.first;
        for (const PartnerPack& partners : row) {
            const std::int64_t k = partners.k;
            const ToPlace<T> to_place(partners.kept);
            const Pack<T> total = to_place(load(sum + t)), lost = to_place(load(sum_eta + t));
            const Pack<T> by_side = T(2) * to_place(load(by_sides + t));
            Pack<T> by_cosine = to_place(load(by_cosines + t));
            t += count_bits(partners.kept);
            const Pack<T> x = load(s.x + k), y = load(s.y + k), z = load(s.z + k);
            const Pack<T> c = x * xj + y * yj + z * zj, rk = load(s.r + k);
            by_cosine -= by_side * rj * rk;
            by_rj += by_side * (rj - rk * c);
            totals[0] += total, totals[1] += lost;
            sums[0] += by_cosine * x, sums[1] += by_cosine * y, sums[2] += by_cosine * z;
            add_to<T>(s.tr + k, total * load(leg_slope + k) - T(2) * (rk - shift) * lost +
                                    by_side * (rk - rj * c));
            add_to<T>(s.tx + k, by_cosine * xj);
            add_to<T>(s.ty + k, by_cosine * yj);
            add_to<T>(s.tz + k, by_cosine * zj);
        }
        totals[2] = by_rj;
        T of_row[4], of_cosines[4];
        sum_four<T>(totals, of_row);
        sum_four<T>(sums, of_cosines);
        s.tr[row.j] += of_row[0] * leg_slope[row.j] - T(2) * (rj - shift) * of_row[1] + of_row[2];
        s.tx[row.j] += of_cosines[0];
        s.ty[row.j] += of_cosines[1];
        s.tz[row.j] += of_cosines[2];
    }

    /// A row's changes of what the legs give to ln f: in sum_ that of the cutoffs, in sum_eta_ that
    /// of the squares; of r_jk^2 in by_side_, of the cosine in by_cosine_.
    void gather_changes(const TripleRow& row) {
        const Shell<T>& s = *shell_;
        const std::int64_t j = row.j;
        const T shift = T(group_.shift), rj = s.r[j], drj = s.tr[j];
        std::int64_t t = row.first;
        for (const PartnerPack& partners : row) {
            const std::int64_t k = partners.k;
            const ToFront<T> to_front(partners.kept);
            const Pack<T> x = load(s.x + k), y = load(s.y + k), z = load(s.z + k);
            const Pack<T> rk = load(s.r + k), drk = load(s.tr + k);
            const Pack<T> c = x * s.x[j] + y * s.y[j] + z * s.z[j];
            const Pack<T> dc = s.x[j] * load(s.tx + k) + s.y[j] * load(s.ty + k) +
                               s.z[j] * load(s.tz + k) + x * s.tx[j] + y * s.ty[j] + z * s.tz[j];
            store<T>(sum_ + t, to_front(leg_slope_[j] * drj + load(leg_slope_ + k) * drk));
            store<T>(sum_eta_ + t, to_front(T(2) * ((rj - shift) * drj + (rk - shift) * drk)));
            store<T>(by_side_ + t,
                     to_front(T(2) * (drj * (rj - rk * c) + drk * (rk - rj * c) - rj * rk * dc)));
            store<T>(by_cosine_ + t, to_front(dc));
            t += count_bits(partners.kept);
        }
        if (t < row.last)
            for (T* array : {sum_, sum_eta_, by_side_, by_cosine_}) store<T>(array + t, Pack<T>{});
    }

    /// Adds to those of the legs what r_jk gives.
    void add_changes_of_sides(const TripleBatch& batch) {
        const T* const slope = side_slope_ + batch.offset;
        const T* const drop = side_ratio_ + batch.offset;
        const bool shifted = group_.shift != 0;
        for (std::int64_t t = 0; t < batch.size; t += width<T>) {
            const Pack<T> change = load(by_side_ + t);
            add_to<T>(sum_ + t, load(slope + t) * change);
            add_to<T>(sum_eta_ + t, shifted ? load(drop + t) * change : change);
        }
    }

    /// q = changes of f, w = f times the change of the cosine.
    void fill_changes(const TripleBatch& batch, const AngularBlock& block) {
        for (std::size_t e = 0; e < block.exponents.size(); ++e) {
            const T* const f = radial_[block.exponents[e]] + batch.offset;
            const T eta = T(group_.exponents[block.exponents[e]].eta);
            for (std::int64_t t = 0; t < batch.size; t += width<T>) {
                const Pack<T> radial = load(f + t);
                store<T>(q_[e] + t, radial * (load(sum_ + t) - eta * load(sum_eta_ + t)));
                store<T>(w_[e] + t, radial * load(by_cosine_ + t));
            }
        }
    }

    const AngularGroup& group_;
    TripleList<T> list_;
    const Shell<T>* shell_ = nullptr;
    bool ready_ = false;
    Arena<T> arena_;
    T* leg_slope_ = nullptr;  // of every neighbour: d ln fc / dr
    // Of all triples, kept: cosine, d ln fc / d r_jk^2, (r_jk - shift) / r_jk and f [n_exponents].
    T *cosine_ = nullptr, *side_slope_ = nullptr, *side_ratio_ = nullptr;
    Arrays<T> radial_;
    // Of a batch: r_jk^2, squares, cutoffs, r_jk and fc(r_jk).
    T *side2_ = nullptr, *squares_ = nullptr, *legs_ = nullptr, *side_ = nullptr, *fc_ = nullptr;
    // Of a batch: vjp: sums and derivatives; jvp: changes.
    T *sum_ = nullptr, *sum_eta_ = nullptr, *by_cosine_ = nullptr, *by_side_ = nullptr;
    Arrays<T> q_, w_;          // [n_exponents]
    Arrays<T> power_, slope_;  // [n_terms] as fill_powers has them
    Arrays<T> chosen_radial_, chosen_terms_;
    std::vector<T> sums_, of_power_, of_slope_;
};

}  // namespace miniff
