/// Angular functions with factors of r_jk (G4), by sums over triples.
///
/// Only triples with r_jk within the cutoff count; packs without any are left out. What depends on
/// r_jk is dear, so it is computed once for a neighbourhood and kept: exponentials, and cosines.
#pragma once

#include "angular_triples.hpp"

namespace miniff {

/// One thread's workspace for one narrow group.
template <class T>
class NarrowSums {
public:
    explicit NarrowSums(const AngularGroup& group) : group_(group) {}

    /// Takes a neighbourhood.
    void begin(const Shell<T>& shell) {
        shell_ = &shell;
        ready_ = false;
    }

    /// row[column] += G
    void values(T* row) {
        for_batches([&](const Batch<T>& batch, std::int64_t offset) {
            fill_powers(group_.terms, batch.cosine, batch.size(), 0, power_);
            for (const AngularBlock& block : group_.blocks) {
                fill_products(batch, block, offset);
                contract_block(batch, block, product_, power_, false, row);
            }
        });
    }

    /// by_p, tr, tx, ty, tz of the shell += sum of weight times the derivatives of G
    void vjp(const T* weight) {
        for_batches([&](const Batch<T>& batch, std::int64_t offset) {
            fill_powers(group_.terms, batch.cosine, batch.size(), 1, slope_);
            complete_powers(group_.terms, batch.cosine, batch.size(), slope_, power_);
            std::fill_n(by_cosine_, batch.size(), T(0));
            std::fill_n(by_side_, batch.size(), T(0));
            for (const AngularBlock& block : group_.blocks) {
                expand_block(batch, block, weight);
                detail::for_tiles<4>(static_cast<std::int64_t>(block.exponents.size()),
                                     [&](std::int64_t first, auto tile) {
                                         spread<decltype(tile)::value>(
                                             batch, block, static_cast<std::size_t>(first), offset);
                                     });
            }
            resolve_sides(batch);
            spread_cosines(batch, *shell_, by_cosine_);
        });
    }

    /// row[column] += change of G along the shell's changes
    void jvp(T* row) {
        for_batches([&](const Batch<T>& batch, std::int64_t offset) {
            fill_powers(group_.terms, batch.cosine, batch.size(), 1, slope_);
            complete_powers(group_.terms, batch.cosine, batch.size(), slope_, power_);
            fill_cosine_changes(batch, *shell_, by_cosine_);
            fill_side_changes(batch);
            for (const AngularBlock& block : group_.blocks) {
                fill_products(batch, block, offset);
                fill_product_changes(batch, block, offset);
                contract_block(batch, block, q_, power_, false, row);
                contract_block(batch, block, w_, slope_, true, row);
            }
        });
    }

private:
    /// Where a batch begins among all triples.
    struct Mark {
        std::size_t row;
        std::int64_t pack;
    };

    /// Calls use(batch, first triple of the batch); rows of a batch count packs from its begin. The
    /// first time, batches are listed and filled on the way, while they are at hand.
    template <class Use>
    void for_batches(Use use) {
        const auto give = [&](const Mark& here, const Mark& next) {
            const std::int64_t offset = here.pack * width<T>;
            use(Batch<T>{rows_.data() + here.row, rows_.data() + next.row,
                         owner_.data() + here.pack, partner_.data() + here.pack,
                         next.pack - here.pack, cosine_ + offset},
                offset);
        };
        if (!ready_) return list_batches(give);
        for (std::size_t m = 0; m + 1 < marks_.size(); ++m) give(marks_[m], marks_[m + 1]);
    }

    /// Lists the triples that count, with all that depends on r_jk; calls give(mark, next mark)
    /// after each batch.
    template <class Give>
    void list_batches(Give give) {
        lay_out();
        rows_.clear();
        marks_.assign(1, {0, 0});
        std::int64_t n = 0;
        const auto finish = [&] {
            const Mark begun = marks_.back();
            fill_sides((n - begun.pack) * width<T>, begun.pack * width<T>);
            marks_.push_back({rows_.size(), n});
            give(begun, marks_.back());
        };
        for_rows(*shell_, group_, [&](std::int64_t j, Range partners) {
            const std::int64_t begin = marks_.back().pack, first = n;
            n = add_row(j, partners, n, begin);
            if (n > first) rows_.push_back({j, first - begin, n - begin});
            if ((n - begin) * width<T> >= batch_size) finish();
        });
        if (n > marks_.back().pack) finish();
        ready_ = true;
    }

    void lay_out() {
        const Range first = shell_->nb->of(group_.first), second = shell_->nb->of(group_.second);
        const std::int64_t n_second = second.end - second.begin;
        const std::int64_t all_triples =
            (first.end - first.begin) * (group_.one_list() ? n_second / 2 + width<T> : n_second) +
            width<T>;
        const std::int64_t capacity = batch_size + shell_->nb->size() + width<T>;
        const std::size_t n_exponents = group_.exponents.size(), n_terms = group_.terms.size();
        arena_.clear(all_triples * static_cast<std::int64_t>(1 + 2 * n_exponents) +
                     capacity * static_cast<std::int64_t>(6 + 3 * n_exponents + 2 * n_terms));
        cosine_ = arena_.take(all_triples);
        take_arrays(n_, n_exponents, all_triples, arena_);
        take_arrays(dn_, n_exponents, all_triples, arena_);
        for (T** array : {&side2_, &fc_, &dfc_, &side_, &by_cosine_, &by_side_})
            *array = arena_.take(capacity);
        for (Arrays<T>* arrays : {&product_, &q_, &w_})
            take_arrays(*arrays, n_exponents, capacity, arena_);
        for (Arrays<T>* arrays : {&power_, &slope_})
            take_arrays(*arrays, n_terms, capacity, arena_);
        for (auto* places : {&owner_, &partner_})
            places->resize(static_cast<std::size_t>(all_triples / width<T> + 1));
    }

    /// Adds the packs of a row that have a partner within the cutoff from j.
    /// Packs are numbered from n on; the batch begins at `begin`.
    std::int64_t add_row(std::int64_t j, Range partners, std::int64_t n, std::int64_t begin) {
        const Shell<T>& s = *shell_;
        const T xj = s.x[j], yj = s.y[j], zj = s.z[j], rj = s.r[j];
        const T cutoff2 = T(group_.fc.cutoff * group_.fc.cutoff);
        for (std::int64_t k = partners.begin; k < partners.end; k += width<T>) {
            const Pack<T> c = xj * load(s.x + k) + yj * load(s.y + k) + zj * load(s.z + k);
            const Pack<T> rk = load(s.r + k);
            Pack<T> side2 = rj * rj + rk * (rk - T(2) * rj * c);
            if (partners.end - k < width<T>)
                side2 =
                    choose<T>(places<T>(k) < static_cast<typename BitsOf<T>::type>(partners.end),
                              side2, all<T>(cutoff2));
            const PackBits<T> inside = side2 < cutoff2;
            store<T>(cosine_ + n * width<T>, c);
            store<T>(side2_ + (n - begin) * width<T>, choose<T>(inside, side2, all<T>(cutoff2)));
            owner_[static_cast<std::size_t>(n)] = j;
            partner_[static_cast<std::size_t>(n)] = k;
            n += any<T>(inside);
        }
        return n;
    }

    /// The factors of r_jk for every exponent, with their slopes by r_jk^2.
    void fill_sides(std::int64_t size, std::int64_t offset) {
        fill_side_cutoffs(size);
        const T shift = T(group_.shift);
        for (std::size_t e = 0; e < group_.exponents.size(); ++e) {
            const Exponent& exponent = group_.exponents[e];
            const T eta = T(exponent.eta);
            const T* const base = n_[exponent.base] + offset;
            for (std::int64_t t = 0; t < size; t += width<T>) {
                const Pack<T> side2 = load(side2_ + t);
                if (exponent.power > 0) {
                    store<T>(n_[e] + offset + t, integer_power<T>(load(base + t), exponent.power));
                } else if (group_.shift == 0) {
                    store<T>(n_[e] + offset + t, exp_of_negative<T>(-eta * side2));
                } else {
                    const Pack<T> y = square_root(side2) - shift;
                    store<T>(n_[e] + offset + t, exp_of_negative<T>(-eta * y * y));
                }
            }
        }
        for (std::size_t e = 0; e < group_.exponents.size(); ++e) {
            const T eta = T(group_.exponents[e].eta);
            for (std::int64_t t = 0; t < size; t += width<T>) {
                const Pack<T> gaussian = load(n_[e] + offset + t), fc = load(fc_ + t);
                Pack<T> drop = all<T>(eta);
                if (group_.shift != 0) drop = eta * (T(1) - shift / square_root(load(side2_ + t)));
                store<T>(n_[e] + offset + t, gaussian * fc);
                store<T>(dn_[e] + offset + t, gaussian * (load(dfc_ + t) - drop * fc));
            }
        }
    }

    /// fc(r_jk) and its slope by r_jk^2.
    void fill_side_cutoffs(std::int64_t size) {
        if (group_.fc.type == CutoffType::cosine && group_.fc.alpha == 0) {
            // fc = cos^2(pi r / 2 rc) is a function of r^2: no root is needed.
            const T scale = T(std::pow(1.57079632679489661923 / group_.fc.cutoff, 2));
            const T cutoff2 = T(group_.fc.cutoff * group_.fc.cutoff);
            for (std::int64_t t = 0; t < size; t += width<T>) {
                const Pack<T> side2 = load(side2_ + t), z = side2 * scale;
                const PackBits<T> inside = side2 < cutoff2;
                const Pack<T> root =
                    choose<T>(inside, polynomial<T>(Circle<T>::cosine, z), Pack<T>{});
                store<T>(fc_ + t, root * root);
                store<T>(dfc_ + t, -scale * root * polynomial<T>(Circle<T>::sine, z));
            }
            return;
        }
        for (std::int64_t t = 0; t < size; t += width<T>)
            store<T>(side_ + t, square_root(load(side2_ + t)));
        evaluate<T>(group_.fc, side_, size, fc_, dfc_);
        for (std::int64_t t = 0; t < size; t += width<T>)
            store<T>(dfc_ + t, load(dfc_ + t) / (T(2) * load(side_ + t)));
    }

    const Exponent& exponent_of(const AngularBlock& block, std::size_t e) const {
        return group_.exponents[block.exponents[e]];
    }

    /// product = p_j p_k n_jk
    void fill_products(const Batch<T>& batch, const AngularBlock& block, std::int64_t offset) {
        for (std::size_t e = 0; e < block.exponents.size(); ++e) {
            const T* const p = shell_->p[exponent_of(block, e).factor];
            const T* const n = n_[block.exponents[e]] + offset;
            // By packs, not by rows: the ends of rows are hard to foresee.
            for (std::int64_t b = 0; b < batch.n_packs; ++b) {
                const std::int64_t t = b * width<T>;
                store<T>(product_[e] + t,
                         p[batch.owner[b]] * load(p + batch.partner[b]) * load(n + t));
            }
        }
    }

    /// row[column] += scale sum_t of_exponent term, with the factor of a slope or without.
    void contract_block(const Batch<T>& batch, const AngularBlock& block,
                        const Arrays<T>& of_exponent, const Arrays<T>& of_term, bool slope,
                        T* row) {
        choose_terms(block, of_term);
        sums_.assign(block.entries.size(), T(0));
        contract<T>(of_exponent.data(), static_cast<std::int64_t>(block.exponents.size()),
                    chosen_.data(), static_cast<std::int64_t>(block.terms.size()), batch.size(),
                    sums_.data());
        for (std::size_t f = 0; f < block.entries.size(); ++f) {
            const AngularTerm& term = group_.terms[block.terms[f % block.terms.size()]];
            const double factor = slope ? term.zeta * term.lambda : 1.0;
            row[block.entries[f].column] += T(block.entries[f].scale * factor) * sums_[f];
        }
    }

    void choose_terms(const AngularBlock& block, const Arrays<T>& of_term) {
        chosen_.resize(block.terms.size());
        for (std::size_t u = 0; u < block.terms.size(); ++u) chosen_[u] = of_term[block.terms[u]];
    }

    /// q = sum over a block's terms of weighted powers, w the same of their slopes by c.
    void expand_block(const Batch<T>& batch, const AngularBlock& block, const T* weight) {
        const std::size_t n_terms = block.terms.size();
        of_power_.resize(block.entries.size());
        of_slope_.resize(block.entries.size());
        for (std::size_t f = 0; f < block.entries.size(); ++f) {
            const AngularTerm& term = group_.terms[block.terms[f % n_terms]];
            of_power_[f] = weight[block.entries[f].column] * T(block.entries[f].scale);
            of_slope_[f] = of_power_[f] * T(term.zeta * term.lambda);
        }
        const auto n_e = static_cast<std::int64_t>(block.exponents.size());
        const auto n_u = static_cast<std::int64_t>(n_terms);
        choose_terms(block, power_);
        expand<T>(of_power_.data(), n_e, chosen_.data(), n_u, batch.size(), q_.data());
        choose_terms(block, slope_);
        expand<T>(of_slope_.data(), n_e, chosen_.data(), n_u, batch.size(), w_.data());
    }

    /// Adds to the derivatives by factor, cosine and r_jk^2, for N exponents from `first` on.
    template <int N>
    MINIFF_INLINE void spread(const Batch<T>& batch, const AngularBlock& block, std::size_t first,
                              std::int64_t offset) {
        const T *p[N], *n[N], *dn[N], *q[N], *w[N];
        T* by_p[N];
        for (std::size_t e = 0; e < N; ++e) {
            p[e] = shell_->p[exponent_of(block, first + e).factor];
            by_p[e] = shell_->by_p[exponent_of(block, first + e).factor];
            n[e] = n_[block.exponents[first + e]] + offset;
            dn[e] = dn_[block.exponents[first + e]] + offset;
            q[e] = q_[first + e], w[e] = w_[first + e];
        }
        for (const Row& row : batch) {
            Pack<T> by_pj[4] = {}, pj[N];
            for (int e = 0; e < N; ++e) pj[e] = all<T>(p[e][row.j]);
            for (std::int64_t b = row.first; b < row.last; ++b) {
                const std::int64_t t = b * width<T>, k = batch.partner[b];
                Pack<T> by_cosine{}, by_side{};
                for (int e = 0; e < N; ++e) {
                    const Pack<T> pk = load(p[e] + k), both = pj[e] * pk, side = load(n[e] + t);
                    const Pack<T> term = load(q[e] + t), pulled = term * side;
                    by_side += both * term * load(dn[e] + t);
                    by_cosine += both * side * load(w[e] + t);
                    by_pj[e] += pk * pulled;
                    add_to<T>(by_p[e] + k, pj[e] * pulled);
                }
                add_to<T>(by_cosine_ + t, by_cosine);
                add_to<T>(by_side_ + t, by_side);
            }
            T out[4];
            sum_four<T>(by_pj, out);
            for (int e = 0; e < N; ++e) by_p[e][row.j] += out[e];
        }
    }

    /// Turns derivatives by r_jk^2 into those by distance and cosine.
    void resolve_sides(const Batch<T>& batch) {
        const Shell<T>& s = *shell_;
        for (const Row& row : batch) {
            const T rj = s.r[row.j];
            Pack<T> total{};
            for (std::int64_t b = row.first; b < row.last; ++b) {
                const std::int64_t t = b * width<T>, k = batch.partner[b];
                const Pack<T> by_side = T(2) * load(by_side_ + t);
                const Pack<T> c = load(batch.cosine + t), rk = load(s.r + k);
                add_to<T>(by_cosine_ + t, -by_side * rj * rk);
                add_to<T>(s.tr + k, by_side * (rk - rj * c));
                total += by_side * (rj - rk * c);
            }
            s.tr[row.j] += sum<T>(total);
        }
    }

    /// Changes of r_jk^2.
    void fill_side_changes(const Batch<T>& batch) {
        const Shell<T>& s = *shell_;
        for (const Row& row : batch) {
            const T rj = s.r[row.j], drj = s.tr[row.j];
            for (std::int64_t b = row.first; b < row.last; ++b) {
                const std::int64_t t = b * width<T>, k = batch.partner[b];
                const Pack<T> c = load(batch.cosine + t), dc = load(by_cosine_ + t);
                const Pack<T> rk = load(s.r + k), drk = load(s.tr + k);
                store<T>(by_side_ + t,
                         T(2) * (drj * (rj - rk * c) + drk * (rk - rj * c) - rj * rk * dc));
            }
        }
    }

    /// q = changes of the products, w = products times changes of the cosine.
    void fill_product_changes(const Batch<T>& batch, const AngularBlock& block,
                              std::int64_t offset) {
        for (std::size_t e = 0; e < block.exponents.size(); ++e) {
            const T* const p = shell_->p[exponent_of(block, e).factor];
            const T* const dp = shell_->by_p[exponent_of(block, e).factor];
            const T* const n = n_[block.exponents[e]] + offset;
            const T* const dn = dn_[block.exponents[e]] + offset;
            for (std::int64_t b = 0; b < batch.n_packs; ++b) {
                const std::int64_t t = b * width<T>, j = batch.owner[b], k = batch.partner[b];
                const Pack<T> pk = load(p + k);
                const Pack<T> legs = dp[j] * pk + p[j] * load(dp + k);
                store<T>(q_[e] + t,
                         legs * load(n + t) + p[j] * pk * load(dn + t) * load(by_side_ + t));
                store<T>(w_[e] + t, load(product_[e] + t) * load(by_cosine_ + t));
            }
        }
    }

    const AngularGroup& group_;
    const Shell<T>* shell_ = nullptr;
    bool ready_ = false;
    Arena<T> arena_;
    std::vector<Row> rows_;
    std::vector<Mark> marks_;
    std::vector<std::int64_t> owner_, partner_;  // of each pack: j and the first k
    // Of all triples, kept: cosine, and [n_exponents] exp(-eta (r_jk - rs)^2) fc(r_jk) with its
    // slope by r_jk^2.
    T* cosine_ = nullptr;
    Arrays<T> n_, dn_;
    // Of a batch: r_jk^2, fc(r_jk), its slope by r_jk^2, r_jk where fc needs it.
    T *side2_ = nullptr, *fc_ = nullptr, *dfc_ = nullptr, *side_ = nullptr;
    // Of a batch: vjp: derivatives; jvp: changes of the cosine and of r_jk^2.
    T *by_cosine_ = nullptr, *by_side_ = nullptr;
    Arrays<T> product_, q_, w_;  // [n_exponents]
    Arrays<T> power_, slope_;    // [n_terms] (1 + lambda c)^zeta and (1 + lambda c)^(zeta - 1)
    std::vector<const T*> chosen_;
    std::vector<T> sums_, of_power_, of_slope_;
};

}  // namespace miniff
