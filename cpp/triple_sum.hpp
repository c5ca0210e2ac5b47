/// Sums over pairs of neighbours of f = A(cos t_jik) sum_m h_m(r_ij) h_m'(r_ik).
///
/// A is the form's `angular` and h its `n_factors` factors `radial`; m' is the factor as far from
/// the last as m is from the first, so that f is the same for j and k exchanged. One factor gives
/// A h(r_ij) h(r_ik), two give A [h_0(r_ij) h_1(r_ik) + h_1(r_ij) h_0(r_ik)].
#pragma once

#include <array>
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

    double cutoff() const override { return form_.cutoff; }
    std::unique_ptr<Worker<double>> worker() const override { return std::make_unique<Sum>(*this); }

private:
    static constexpr std::size_t n_factors = Form::n_factors;

    /// Sums over the partners k of one neighbour j: h(k) A, and h(k) A' with u_k and with c.
    struct Pull {
        double value, x, y, z, c;
    };
    /// A pull for each factor h_m(j); h(k) is then h_m'(k).
    using Pulls = std::array<Pull, n_factors>;

    class Sum final : public Worker<double> {
    public:
        explicit Sum(const TripleSum& part) : part_(part) {}

        void begin(const Neighborhood<double>& nb) override {
            nb_ = &nb;
            const std::int64_t n = nb.size();
            arena_.clear((4 + 2 * static_cast<std::int64_t>(n_factors)) * n);
            for (double** array : {&x_, &y_, &z_, &inverse_}) *array = arena_.take(n);
            for (std::size_t m = 0; m < n_factors; ++m)
                h_[m] = arena_.take(n), dh_[m] = arena_.take(n);
            const double cutoff = part_.form_.cutoff;
            for (std::int64_t k = 0; k < n; k += width<double>) {
                const Reals x = load(nb.x + k), y = load(nb.y + k), z = load(nb.z + k);
                const Reals squared = x * x + y * y + z * z;
                const Reals r = square_root(squared), inverse = 1.0 / r;
                const std::array<RadialTerm, n_factors> h =
                    part_.form_.radial({r, squared, inverse});
                const auto inside = r < cutoff;
                store<double>(x_ + k, x * inverse);
                store<double>(y_ + k, y * inverse);
                store<double>(z_ + k, z * inverse);
                store<double>(inverse_ + k, inverse);
                for (std::size_t m = 0; m < n_factors; ++m) {
                    store<double>(h_[m] + k, choose<double>(inside, h[m].value, Reals{}));
                    store<double>(dh_[m] + k, choose<double>(inside, h[m].slope_over_r, Reals{}));
                }
            }
        }

        void values(double* row) override { row[part_.column_] += value(); }

        void vjp(const double* weight) override { both(weight, nullptr); }

        void both(const double* weight, double* row) override {
            const double w = weight[part_.column_];
            double total = 0;
            for_roles([&](Range of_j, Range of_k, double multiplicity, bool counts) {
                for (std::int64_t j = of_j.begin; j < of_j.end; ++j) {
                    if (nb_->pair[j] < 0) continue;
                    const Pulls pulls = sum_partners(j, of_k);
                    if (counts) total += value_of(j, pulls);
                    add_gradient(j, pulls, w * multiplicity);
                }
            });
            if (row) row[part_.column_] += total;
        }

        void jvp(double* row) override {
            double total = 0;
            for_roles([&](Range of_j, Range of_k, double multiplicity, bool) {
                for (std::int64_t j = of_j.begin; j < of_j.end; ++j) {
                    if (nb_->pair[j] < 0) continue;
                    const std::array<double, 3> g = gradient_of(j, sum_partners(j, of_k));
                    total +=
                        multiplicity * (g[0] * nb_->gx[j] + g[1] * nb_->gy[j] + g[2] * nb_->gz[j]);
                }
            });
            row[part_.column_] += total;
        }

    private:
        double value() const {
            double total = 0;
            const Range of_k = nb_->of(part_.second_), of_j = nb_->of(part_.first_);
            for (std::int64_t j = of_j.begin; j < of_j.end; ++j)
                if (nb_->pair[j] >= 0) total += value_of(j, sum_partners(j, of_k));
            return total;
        }

        /// Calls use(j's, k's, how often a derivative counts, whether the value counts).
        template <class Use>
        void for_roles(Use use) const {
            const Range first = nb_->of(part_.first_), second = nb_->of(part_.second_);
            if (part_.first_ == part_.second_) return use(first, second, 2.0, true);
            use(first, second, 1.0, true);
            use(second, first, 1.0, false);
        }

        MINIFF_INLINE Pulls sum_partners(std::int64_t j, Range partners) const {
            Reals value[n_factors] = {}, x[n_factors] = {}, y[n_factors] = {}, z[n_factors] = {},
                  c[n_factors] = {};
            for (std::int64_t k = partners.begin; k < partners.end; k += width<double>) {
                const Reals xk = load(x_ + k), yk = load(y_ + k), zk = load(z_ + k);
                const Reals cosine = x_[j] * xk + y_[j] * yk + z_[j] * zk;
                const AngularPart a = part_.form_.angular(cosine);
                const auto other = places<double>(k) != j;
                for (std::size_t m = 0; m < n_factors; ++m) {
                    const Reals h = choose<double>(other, load(h_[n_factors - 1 - m] + k), Reals{});
                    const Reals turn = a.slope * h;
                    value[m] += a.value * h;
                    x[m] += turn * xk, y[m] += turn * yk, z[m] += turn * zk;
                    c[m] += turn * cosine;
                }
            }
            Pulls pulls;
            for (std::size_t m = 0; m < n_factors; ++m) {
                double turned[4];
                sum_four<double>({x[m], y[m], z[m], c[m]}, turned);
                pulls[m] = {sum<double>(value[m]), turned[0], turned[1], turned[2], turned[3]};
            }
            return pulls;
        }

        /// sum_k f
        MINIFF_INLINE double value_of(std::int64_t j, const Pulls& pulls) const {
            double total = h_[0][j] * pulls[0].value;
            for (std::size_t m = 1; m < n_factors; ++m) total += h_[m][j] * pulls[m].value;
            return total;
        }

        /// d/d(r_j - r_i) of sum_k f
        MINIFF_INLINE std::array<double, 3> gradient_of(std::int64_t j, const Pulls& pulls) const {
            std::array<double, 3> g = gradient_of(j, 0, pulls[0]);
            for (std::size_t m = 1; m < n_factors; ++m) {
                const std::array<double, 3> more = gradient_of(j, m, pulls[m]);
                for (std::size_t c = 0; c < 3; ++c) g[c] += more[c];
            }
            return g;
        }
        /// d/d(r_j - r_i) of h_m(j) sum_k h_m'(k) A
        MINIFF_INLINE std::array<double, 3> gradient_of(std::int64_t j, std::size_t m,
                                                        const Pull& pull) const {
            const double stretch = dh_[m][j] * pull.value;
            const double bend = h_[m][j] * inverse_[j];
            return {stretch * nb_->x[j] + bend * (pull.x - pull.c * x_[j]),
                    stretch * nb_->y[j] + bend * (pull.y - pull.c * y_[j]),
                    stretch * nb_->z[j] + bend * (pull.z - pull.c * z_[j])};
        }
        MINIFF_INLINE void add_gradient(std::int64_t j, const Pulls& pulls, double weight) const {
            const std::array<double, 3> g = gradient_of(j, pulls);
            nb_->gx[j] += weight * g[0];
            nb_->gy[j] += weight * g[1];
            nb_->gz[j] += weight * g[2];
        }

        const TripleSum& part_;
        const Neighborhood<double>* nb_ = nullptr;
        Arena<double> arena_;
        double *x_, *y_, *z_, *inverse_;         // unit vectors, 1/r
        double *h_[n_factors], *dh_[n_factors];  // factors, their slopes over r
    };

    std::int64_t column_;
    std::int32_t first_;
    std::int32_t second_;
    Form form_;
};

}  // namespace miniff
