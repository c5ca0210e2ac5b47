/// Angular functions without factors of r_jk (G5) and with a small integer zeta, by moments.
///
/// cos^n t_jk is a sum of products of monomials of the two unit vectors, so
///   sum_jk p_j p_k cos^n t_jk = sum_|a|=n n!/a! M_a M'_a,   M_a = sum_j p_j x_j^a1 y_j^a2 z_j^a3,
/// which is exact and costs a number of operations linear in the number of neighbours. j = k, which
/// is no triple, is taken off where both come from one list.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "contraction.hpp"
#include "shell.hpp"

namespace miniff {

/// Monomials up to this degree are ever used; beyond, triples are cheaper or as cheap.
constexpr int largest_degree = 6;

/// A monomial's derivative by a coordinate: `power` times the monomial `lower`.
struct MonomialSlope {
    std::size_t monomial, lower;
    double power;
};

/// The monomials of three coordinates by rising degree; each is an earlier one times a coordinate.
struct Monomials {
    static constexpr int most =
        (largest_degree + 1) * (largest_degree + 2) * (largest_degree + 3) / 6;
    int power[most][3];
    std::size_t parent[most];              // place of the monomial divided by ...
    int axis[most];                        // ... this coordinate
    double multiplicity[most];             // n!/a!
    std::vector<MonomialSlope> slopes[3];  // by rising degree

    static constexpr int up_to(int degree) {
        return (degree + 1) * (degree + 2) * (degree + 3) / 6;
    }
    Monomials();
};

inline Monomials::Monomials() {
    const auto factorial = [](int n) { return std::tgamma(n + 1.0); };
    int n = 0;
    for (int d = 0; d <= largest_degree; ++d)
        for (int a = d; a >= 0; --a)
            for (int b = d - a; b >= 0; --b, ++n) {
                const int of[3] = {a, b, d - a - b};
                multiplicity[n] = factorial(d);
                for (int x = 0; x < 3; ++x) {
                    power[n][x] = of[x];
                    multiplicity[n] /= factorial(of[x]);
                }
            }
    const auto place = [&](int a, int b, int c) {
        int m = 0;
        while (power[m][0] != a || power[m][1] != b || power[m][2] != c) ++m;
        return static_cast<std::size_t>(m);
    };
    for (int m = 0; m < n; ++m)
        for (int x = 2; x >= 0; --x) {
            int of[3] = {power[m][0], power[m][1], power[m][2]};
            if (--of[x] < 0) continue;
            parent[m] = place(of[0], of[1], of[2]), axis[m] = x;
            slopes[x].push_back({static_cast<std::size_t>(m), parent[m], of[x] + 1.0});
        }
}

inline const Monomials& monomials() {
    static const Monomials all_of_them;
    return all_of_them;
}

inline double binomial(int n, int k) {
    double result = 1;
    for (int i = 1; i <= k; ++i) result = result * (n - k + i) / i;
    return result;
}

/// One thread's workspace for one block of a wide group.
template <class T>
class MomentSums {
public:
    MomentSums(const AngularGroup& group, const AngularBlock& block)
        : group_(group),
          block_(block),
          zeta_(group.terms[block.terms.front()].zeta),
          degree_(static_cast<int>(std::min(zeta_, 100.0))) {
        for (const std::size_t term : block.terms) {
            const double lambda = group.terms[term].lambda;
            for (int d = 0; d <= degree_; ++d)
                coefficient_.push_back(T(binomial(degree_, d) * std::pow(lambda, d)));
            of_itself_.push_back(T(std::pow(1 + lambda, zeta_)));
        }
    }

    /// Takes a neighbourhood; whether it is one for moments.
    bool begin(const Shell<T>& shell) {
        shell_ = &shell;
        ready_ = false;
        if (group_.terms[block_.terms.front()].is_window()) return false;
        if (zeta_ != degree_ || degree_ > largest_degree || !pays()) return false;
        find_squares();
        return keeps_digits();
    }

    /// row[column] += G
    void values(T* row) {
        find_moments();
        sum_by_degree(
            [&](std::size_t e, std::size_t m) { return first_.of(e, m) * other().of(e, m); });
        const T share = group_.one_list() ? T(0.5) : T(1);
        for_entries([&](std::size_t e, std::size_t l, const AngularEntry& entry) {
            row[entry.column] += share * T(entry.scale) * combined(e, l, squares_[e]);
        });
    }

    /// by_p, tx, ty, tz of the shell += sum of weight times the derivatives of G
    void vjp(const T* weight) {
        find_moments();
        by_degree_.assign(block_.exponents.size() * n_degrees(), T(0));
        self_weight_.assign(block_.exponents.size(), T(0));
        for_entries([&](std::size_t e, std::size_t l, const AngularEntry& entry) {
            const T w = weight[entry.column] * T(entry.scale);
            for (std::size_t d = 0; d < n_degrees(); ++d)
                by_degree_[e * n_degrees() + d] += w * coefficient_[l * n_degrees() + d];
            if (group_.one_list()) self_weight_[e] += w * of_itself_[l];
        });
        spread(first_, other());
        if (!group_.one_list()) spread(second_, first_);
    }

    /// row[column] += change of G along the shell's changes
    void jvp(T* row) {
        find_moments();
        find_changes(first_);
        if (!group_.one_list()) find_changes(second_);
        sum_by_degree([&](std::size_t e, std::size_t m) {
            const T change = first_.change_of(e, m) * other().of(e, m);
            return group_.one_list() ? change : change + first_.of(e, m) * second_.change_of(e, m);
        });
        for_entries([&](std::size_t e, std::size_t l, const AngularEntry& entry) {
            const T itself = group_.one_list() ? self_change(e) : T(0);
            row[entry.column] += T(entry.scale) * combined(e, l, itself);
        });
    }

private:
    /// The neighbours of one list with their monomials, and the moments of all exponents.
    struct Side {
        Range range;
        std::vector<T*> monomial;       // [n_monomials][length]
        std::vector<T> moment, change;  // [n_exponents, n_monomials]
        std::size_t n_monomials;

        std::int64_t length() const { return range.end - range.begin; }
        T of(std::size_t e, std::size_t m) const { return moment[e * n_monomials + m]; }
        T change_of(std::size_t e, std::size_t m) const { return change[e * n_monomials + m]; }
    };

    std::size_t factor(std::size_t e) const { return group_.exponents[block_.exponents[e]].factor; }
    const Side& other() const { return group_.one_list() ? first_ : second_; }
    std::size_t n_monomials() const { return static_cast<std::size_t>(Monomials::up_to(degree_)); }
    std::size_t n_degrees() const { return static_cast<std::size_t>(degree_) + 1; }

    /// Calls use(exponent, lambda, entry) for every function.
    template <class Use>
    void for_entries(Use use) const {
        const std::size_t n_terms = block_.terms.size();
        for (std::size_t n = 0; n < block_.entries.size(); ++n)
            use(n / n_terms, n % n_terms, block_.entries[n]);
    }

    /// by_degree [n_exponents, n_degrees] = sum over the monomials of a degree of n!/a! product
    template <class Product>
    void sum_by_degree(Product product) {
        by_degree_.assign(block_.exponents.size() * n_degrees(), T(0));
        for (std::size_t e = 0; e < block_.exponents.size(); ++e)
            for (std::size_t d = 0, m = 0; d < n_degrees(); ++d)
                for (; m < static_cast<std::size_t>(Monomials::up_to(static_cast<int>(d))); ++m)
                    by_degree_[e * n_degrees() + d] +=
                        T(monomials_.multiplicity[m]) * product(e, m);
    }

    /// The degrees of one exponent with the coefficients of one lambda; j = k, if any, taken off.
    T combined(std::size_t e, std::size_t l, T itself) const {
        T total = group_.one_list() ? -of_itself_[l] * itself : T(0);
        for (std::size_t d = 0; d < n_degrees(); ++d)
            total += coefficient_[l * n_degrees() + d] * by_degree_[e * n_degrees() + d];
        return total;
    }

    /// Counting operations: monomials for each neighbour against partners for each neighbour.
    bool pays() const {
        const Range first = shell_->nb->of(group_.first), second = shell_->nb->of(group_.second);
        const std::int64_t legs = first.end - first.begin, partners = second.end - second.begin;
        return std::min(legs, partners) >= Monomials::up_to(degree_) / 2;
    }

    /// sum_j p_j^2, what is taken off.
    void find_squares() {
        const Range range = shell_->nb->of(group_.first);
        squares_.resize(block_.exponents.size());
        sums_.resize(block_.exponents.size());
        for (std::size_t e = 0; e < squares_.size(); ++e) {
            Pack<T> squares{}, sums{};
            for (std::int64_t k = range.begin; k < range.end; k += width<T>) {
                const Pack<T> p = load(shell_->p[factor(e)] + k);
                squares += p * p, sums += p;
            }
            squares_[e] = sum<T>(squares), sums_[e] = sum<T>(sums);
        }
    }

    /// Whether taking off j = k leaves 12 digits of sum_jk p_j p_k (1 + |c|)^zeta 2^(1-zeta): not
    /// where one neighbour outweighs all others together.
    bool keeps_digits() const {
        if (!group_.one_list()) return true;
        const T least = T(1e-3 * std::pow(2.0, degree_ - 1));
        for (std::size_t e = 0; e < squares_.size(); ++e)
            if (sums_[e] * sums_[e] - squares_[e] < least * squares_[e]) return false;
        return true;
    }

    void find_moments() {
        if (ready_) return;
        ready_ = true;
        const std::int64_t n = shell_->nb->size();
        arena_.clear(static_cast<std::int64_t>(n_monomials()) * 2 * n);
        find_moments_of(first_, shell_->nb->of(group_.first));
        if (!group_.one_list()) find_moments_of(second_, shell_->nb->of(group_.second));
    }

    void find_moments_of(Side& side, Range range) {
        side.range = range;
        side.n_monomials = n_monomials();
        side.monomial.resize(side.n_monomials);
        for (T*& array : side.monomial) array = arena_.take(side.length());
        const T* const unit[3] = {shell_->x + range.begin, shell_->y + range.begin,
                                  shell_->z + range.begin};
        std::fill_n(side.monomial[0], side.length(), T(1));
        for (std::size_t m = 1; m < side.n_monomials; ++m) {
            const T* const from = side.monomial[monomials_.parent[m]];
            const T* const x = unit[monomials_.axis[m]];
            for (std::int64_t k = 0; k < side.length(); k += width<T>)
                store<T>(side.monomial[m] + k, load(from + k) * load(x + k));
        }
        contract_with(side, shell_->p, side.monomial, side.moment);
    }

    /// out[e][m] = sum_j factor[e][j] of_monomial[m][j]
    void contract_with(const Side& side, const Rows<T>& factors, const std::vector<T*>& of_monomial,
                       std::vector<T>& out) {
        list_factors(side, factors);
        out.assign(block_.exponents.size() * side.n_monomials, T(0));
        contract<T>(of_exponent_.data(), static_cast<std::int64_t>(of_exponent_.size()),
                    of_monomial.data(), static_cast<std::int64_t>(side.n_monomials), side.length(),
                    out.data());
    }
    void list_factors(const Side& side, const Rows<T>& factors) {
        of_exponent_.resize(block_.exponents.size());
        for (std::size_t e = 0; e < of_exponent_.size(); ++e)
            of_exponent_[e] = factors[factor(e)] + side.range.begin;
    }

    /// Arrays of one side that are not kept: one for each monomial, one for each exponent.
    void take_scratch(const Side& side) {
        const auto n_e = block_.exponents.size();
        scratch_numbers_.clear(static_cast<std::int64_t>(side.n_monomials + n_e) * side.length());
        for (auto* arrays : {&scratch_, &of_factor_}) {
            arrays->resize(arrays == &scratch_ ? side.n_monomials : n_e);
            for (T*& array : *arrays) array = scratch_numbers_.take(side.length());
        }
    }

    /// Derivatives by the neighbours of one side, given the moments of the other.
    void spread(const Side& side, const Side& partners) {
        const std::size_t n_e = block_.exponents.size(), n_m = side.n_monomials;
        by_moment_.resize(n_e * n_m);
        transposed_.resize(n_e * n_m);
        for (std::size_t e = 0; e < n_e; ++e)
            for (std::size_t d = 0, m = 0; d < n_degrees(); ++d)
                for (; m < static_cast<std::size_t>(Monomials::up_to(static_cast<int>(d))); ++m) {
                    const T w = by_degree_[e * n_degrees() + d] * T(monomials_.multiplicity[m]);
                    by_moment_[e * n_m + m] = transposed_[m * n_e + e] = w * partners.of(e, m);
                }
        take_scratch(side);
        spread_to_factors(side);
        list_factors(side, shell_->p);
        expand<T>(transposed_.data(), static_cast<std::int64_t>(n_m), of_exponent_.data(),
                  static_cast<std::int64_t>(n_e), side.length(), scratch_.data());
        spread_to_units(side);
    }

    /// by_p += sum_m by_moment m, and what is due to j = k
    void spread_to_factors(const Side& side) {
        expand<T>(by_moment_.data(), static_cast<std::int64_t>(of_factor_.size()),
                  side.monomial.data(), static_cast<std::int64_t>(side.n_monomials), side.length(),
                  of_factor_.data());
        for (std::size_t e = 0; e < of_factor_.size(); ++e) {
            T* const by_p = shell_->by_p[factor(e)] + side.range.begin;
            const T* const p = shell_->p[factor(e)] + side.range.begin;
            for (std::int64_t k = 0; k < side.length(); k += width<T>)
                add_to<T>(by_p + k, load(of_factor_[e] + k) - self_weight_[e] * load(p + k));
        }
    }

    /// tx, ty, tz += sum_m scratch_m grad m
    void spread_to_units(const Side& side) {
        T* const t[3] = {shell_->tx + side.range.begin, shell_->ty + side.range.begin,
                         shell_->tz + side.range.begin};
        for (int x = 0; x < 3; ++x)
            for (std::int64_t k = 0; k < side.length(); k += width<T>) {
                Pack<T> sum{};
                for (const MonomialSlope& slope : monomials_.slopes[x]) {
                    if (slope.monomial >= side.n_monomials) break;
                    sum += T(slope.power) * load(scratch_[slope.monomial] + k) *
                           load(side.monomial[slope.lower] + k);
                }
                add_to<T>(t[x] + k, sum);
            }
    }

    /// Changes of the moments: those of the factors and those of the monomials.
    void find_changes(Side& side) {
        contract_with(side, shell_->by_p, side.monomial, side.change);
        take_scratch(side);
        const T* const unit[3] = {shell_->x + side.range.begin, shell_->y + side.range.begin,
                                  shell_->z + side.range.begin};
        const T* const turn[3] = {shell_->tx + side.range.begin, shell_->ty + side.range.begin,
                                  shell_->tz + side.range.begin};
        std::fill_n(scratch_[0], side.length(), T(0));
        for (std::size_t m = 1; m < side.n_monomials; ++m) {
            const auto from = monomials_.parent[m];
            const int x = monomials_.axis[m];
            for (std::int64_t k = 0; k < side.length(); k += width<T>)
                store<T>(scratch_[m] + k, load(scratch_[from] + k) * load(unit[x] + k) +
                                              load(side.monomial[from] + k) * load(turn[x] + k));
        }
        contract_with(side, shell_->p, scratch_, by_moment_);
        for (std::size_t n = 0; n < side.change.size(); ++n) side.change[n] += by_moment_[n];
    }

    /// sum_j p_j times its change
    T self_change(std::size_t e) const {
        Pack<T> total{};
        for (std::int64_t k = first_.range.begin; k < first_.range.end; k += width<T>)
            total += load(shell_->p[factor(e)] + k) * load(shell_->by_p[factor(e)] + k);
        return sum<T>(total);
    }

    const AngularGroup& group_;
    const AngularBlock& block_;
    double zeta_;
    int degree_;
    const Shell<T>* shell_ = nullptr;
    bool ready_ = false;
    Arena<T> arena_, scratch_numbers_;
    Side first_, second_;
    const Monomials& monomials_ = monomials();
    std::vector<T> coefficient_, of_itself_;  // [n_lambdas, n_degrees]; [n_lambdas] at c = 1
    std::vector<T> squares_, sums_;           // [n_exponents] of p_j^2 and p_j
    std::vector<T> by_degree_, self_weight_;  // [n_exponents, n_degrees], [n_exponents]
    std::vector<T> by_moment_, transposed_;   // [n_exponents, n_monomials] and the reverse
    std::vector<const T*> of_exponent_;
    std::vector<T*> scratch_, of_factor_;
};

}  // namespace miniff
