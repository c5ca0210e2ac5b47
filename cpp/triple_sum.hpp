/// Sums over pairs of neighbours of f = angular(cos t_jik) first(r_ij) second(r_ik).
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "forms.hpp"
#include "function_set.hpp"
#include "shell.hpp"

namespace miniff {

/// F = sum over ordered (j, k), j != k, j of the first and k of the second species (or any).
///
/// Every neighbour j sums over all its partners k, so that it finds its own derivative in its own
/// loop; the derivative by k is found when k is the one that sums.
template <class Form>
class TripleSum final : public Part<double> {
public:
    TripleSum(std::int64_t column, std::int32_t first, std::int32_t second, const Form& form)
        : column_(column), first_(first), second_(second), form_(form) {}

    double cutoff() const override { return std::max(form_.first.cutoff, form_.second.cutoff); }
    std::unique_ptr<Worker<double>> worker() const override { return std::make_unique<Sum>(*this); }

private:
    /// Sums over the partners k of one neighbour j: h_k A, and h_k A' with u_k and with c.
    struct Pull {
        double value, x, y, z, c;
    };

    /// Radial factors of one leg and their slopes over r.
    struct Factors {
        double *h, *dh;  // [size]
    };

    /// One neighbour j sums over its partners k.
    struct Role {
        Range of_j, of_k;
        Factors own, partners;
        double multiplicity;  // how often a derivative counts
        bool counts;          // whether the value does
    };

    class Sum final : public Worker<double> {
    public:
        explicit Sum(const TripleSum& part)
            : part_(part), equal_legs_(part.form_.has_equal_legs()) {}

        void begin(const Neighborhood<double>& nb) override {
            nb_ = &nb;
            const std::int64_t n = nb.size();
            arena_.clear(8 * n);
            for (double** array : {&x_, &y_, &z_, &inverse_}) *array = arena_.take(n);
            for (Factors* leg : {&first_, &second_}) *leg = {arena_.take(n), arena_.take(n)};
            if (equal_legs_) second_ = first_;
            for (std::int64_t k = 0; k < n; k += width<double>) {
                const Reals x = load(nb.x + k), y = load(nb.y + k), z = load(nb.z + k);
                const Reals squared = x * x + y * y + z * z;
                const Reals r = square_root(squared), inverse = 1.0 / r;
                store<double>(x_ + k, x * inverse);
                store<double>(y_ + k, y * inverse);
                store<double>(z_ + k, z * inverse);
                store<double>(inverse_ + k, inverse);
                fill(first_, part_.form_.first, {r, squared, inverse}, k);
                if (!equal_legs_) fill(second_, part_.form_.second, {r, squared, inverse}, k);
            }
        }

        void values(double* row) override { row[part_.column_] += value(); }

        void vjp(const double* weight) override { both(weight, nullptr); }

        void both(const double* weight, double* row) override {
            const double w = weight[part_.column_];
            double total = 0;
            for_roles([&](const Role& role) {
                for (std::int64_t j = role.of_j.begin; j < role.of_j.end; ++j) {
                    if (nb_->pair[j] < 0) continue;
                    const Pull pull = sum_partners(j, role);
                    if (role.counts) total += role.own.h[j] * pull.value;
                    add_gradient(j, role, pull, w * role.multiplicity);
                }
            });
            if (row) row[part_.column_] += total;
        }

        void jvp(double* row) override {
            double total = 0;
            for_roles([&](const Role& role) {
                for (std::int64_t j = role.of_j.begin; j < role.of_j.end; ++j) {
                    if (nb_->pair[j] < 0) continue;
                    double g[3] = {0, 0, 0};
                    gradient_of(j, role, sum_partners(j, role), g);
                    total += role.multiplicity *
                             (g[0] * nb_->gx[j] + g[1] * nb_->gy[j] + g[2] * nb_->gz[j]);
                }
            });
            row[part_.column_] += total;
        }

    private:
        static MINIFF_INLINE void fill(const Factors& leg, const typename Form::Leg& form,
                                       const Distance& at, std::int64_t k) {
            const RadialTerm h = form(at);
            const auto inside = at.r < form.cutoff;
            store<double>(leg.h + k, choose<double>(inside, h.value, Reals{}));
            store<double>(leg.dh + k, choose<double>(inside, h.slope_over_r, Reals{}));
        }

        double value() const {
            double total = 0;
            const Role role{
                nb_->of(part_.first_), nb_->of(part_.second_), first_, second_, 1, true};
            for (std::int64_t j = role.of_j.begin; j < role.of_j.end; ++j)
                if (nb_->pair[j] >= 0) total += first_.h[j] * sum_partners(j, role).value;
            return total;
        }

        template <class Use>
        void for_roles(Use use) const {
            const Range first = nb_->of(part_.first_), second = nb_->of(part_.second_);
            if (part_.first_ == part_.second_ && equal_legs_)
                return use(Role{first, second, first_, second_, 2, true});
            use(Role{first, second, first_, second_, 1, true});
            use(Role{second, first, second_, first_, 1, false});
        }

        MINIFF_INLINE Pull sum_partners(std::int64_t j, const Role& role) const {
            const double* const hs = role.partners.h;
            Reals value{}, x{}, y{}, z{}, c{};
            for (std::int64_t k = role.of_k.begin; k < role.of_k.end; k += width<double>) {
                const Reals xk = load(x_ + k), yk = load(y_ + k), zk = load(z_ + k);
                const Reals cosine = x_[j] * xk + y_[j] * yk + z_[j] * zk;
                const AngularPart a = part_.form_.angular(cosine);
                const Reals h = choose<double>(places<double>(k) != j, load(hs + k), Reals{});
                const Reals turn = a.slope * h;
                value += a.value * h;
                x += turn * xk, y += turn * yk, z += turn * zk;
                c += turn * cosine;
            }
            double turned[4];
            sum_four<double>({x, y, z, c}, turned);
            return {sum<double>(value), turned[0], turned[1], turned[2], turned[3]};
        }

        /// d/d(r_j - r_i) of h_j sum_k h_k A(c)
        MINIFF_INLINE void gradient_of(std::int64_t j, const Role& role, const Pull& pull,
                                       double g[3]) const {
            const double stretch = role.own.dh[j] * pull.value;
            const double bend = role.own.h[j] * inverse_[j];
            g[0] = stretch * nb_->x[j] + bend * (pull.x - pull.c * x_[j]);
            g[1] = stretch * nb_->y[j] + bend * (pull.y - pull.c * y_[j]);
            g[2] = stretch * nb_->z[j] + bend * (pull.z - pull.c * z_[j]);
        }
        MINIFF_INLINE void add_gradient(std::int64_t j, const Role& role, const Pull& pull,
                                        double weight) const {
            double g[3];
            gradient_of(j, role, pull, g);
            nb_->gx[j] += weight * g[0];
            nb_->gy[j] += weight * g[1];
            nb_->gz[j] += weight * g[2];
        }

        const TripleSum& part_;
        const bool equal_legs_;
        const Neighborhood<double>* nb_ = nullptr;
        Arena<double> arena_;
        double *x_, *y_, *z_, *inverse_;  // unit vectors and 1/r
        Factors first_, second_;
    };

    std::int64_t column_;
    std::int32_t first_;
    std::int32_t second_;
    Form form_;
};

}  // namespace miniff
