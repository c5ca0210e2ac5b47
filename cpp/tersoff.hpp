/// Tersoff's bond-order energies.
///
/// J. Tersoff, Phys. Rev. B 37, 6991 (1988) and 39, 5566 (1989), in the form of LAMMPS:
///   e = 1/2 sum_j fC(r_ij) [A exp(-lambda1 r_ij) - b_ij B exp(-lambda2 r_ij)]
///   b_ij = (1 + (beta zeta_ij)^n)^(-1/2n)
///   zeta_ij = sum_{k != j} fC(r_ik) g(cos t_jik) exp((lambda3 (r_ij - r_ik))^m)
///   g(x) = gamma (1 + c^2/d^2 - c^2/(d^2 + (x - cos_theta0)^2))
///   fC is 1 below R - D, 0 above R + D, (1 - sin(pi (r - R)/2D))/2 between
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "many_body.hpp"

namespace miniff {

/// What a bond depends on by the species of j, and its zeta by those of j and k.
struct TersoffBond {
    double a, b, lambda1, lambda2, n, beta;
};
struct TersoffTriple {
    double gamma, lambda3, c, d, cos_theta0, r, width;
    int m;

    double cutoff() const { return r + width; }
};

/// b(zeta) = (1 + (beta zeta)^n)^(-1/2n) and its slope; no power overflows.
struct BondOrder {
    double value, slope;
};
inline BondOrder bond_order(double beta, double n, double zeta) {
    const double x = beta * zeta;
    if (!(x > 1e-290)) return {1, 0};
    const double y = n * std::log(x), small = std::exp(-std::fabs(y));  // x^n or its inverse
    const double logarithm = std::fmax(y, 0.0) + std::log1p(small);     // of 1 + x^n
    const double value = std::exp(-logarithm / (2 * n));
    const double share = (y > 0 ? 1.0 : small) / (1 + small);  // x^n / (1 + x^n)
    return {value, -value * share / (2 * zeta)};
}

/// fC and its slope.
MINIFF_INLINE void tersoff_cutoff(const TersoffTriple& at, Reals r, Reals& value, Reals& slope) {
    const double inverse = at.width > 0 ? 0.5 / at.width : 1e300;  // a step where D is 0
    const Reals y = (r - at.r) * inverse;
    const auto below = y <= -0.5, above = y >= 0.5;
    const Reals inner = choose<double>(below, all(-0.5), choose<double>(above, all(0.5), y));
    const SineCosine<double> turn = sine_cosine_pi<double>(inner);
    constexpr double half_pi = 1.57079632679489661923;
    const auto inside = r < at.cutoff();
    const Reals fall = choose<double>(below, Reals{}, -half_pi * inverse * turn.cosine);
    value = choose<double>(below, all(1.0), 0.5 - 0.5 * turn.sine);
    value = choose<double>(inside, value, Reals{});
    slope = choose<double>(inside, fall, Reals{});
}

/// e of one centre species; `triples` by the species of j, then k.
class Tersoff {
public:
    class Evaluation;

    Tersoff(std::vector<std::int32_t> species, std::vector<TersoffBond> bonds,
            std::vector<TersoffTriple> triples)
        : species_(std::move(species)), bonds_(std::move(bonds)), triples_(std::move(triples)) {}

    double cutoff() const {
        double largest = 0;
        for (const TersoffTriple& triple : triples_) largest = std::max(largest, triple.cutoff());
        return largest;
    }

private:
    const TersoffTriple& triple(std::size_t j, std::size_t k) const {
        return triples_[j * species_.size() + k];
    }

    std::vector<std::int32_t> species_;
    std::vector<TersoffBond> bonds_;
    std::vector<TersoffTriple> triples_;
};

class Tersoff::Evaluation {
public:
    explicit Evaluation(const Tersoff& form)
        : form_(form), fc_(form.species_.size()), dfc_(form.species_.size()) {}

    void begin(const Neighborhood<double>& nb) {
        nb_ = nb;
        const std::int64_t n = nb.size();
        const auto n_species = static_cast<std::int64_t>(form_.species_.size());
        arena_.clear((12 + 2 * n_species) * n);
        for (double** array : {&x_, &y_, &z_, &r_, &inverse_, &repulsion_, &attraction_,
                               &repulsion_slope_, &attraction_slope_, &tx_, &ty_, &tz_})
            *array = arena_.take(n);
        for (std::int64_t k = 0; k < n; k += width<double>) {
            const Reals x = load(nb.x + k), y = load(nb.y + k), z = load(nb.z + k);
            const Reals r = square_root(x * x + y * y + z * z), inverse = 1.0 / r;
            store<double>(x_ + k, x * inverse);
            store<double>(y_ + k, y * inverse);
            store<double>(z_ + k, z * inverse);
            store<double>(r_ + k, r);
            store<double>(inverse_ + k, inverse);
        }
        for (std::size_t j = 0; j < form_.species_.size(); ++j) {
            fc_[j] = arena_.take(n), dfc_[j] = arena_.take(n);
            for (std::size_t k = 0; k < form_.species_.size(); ++k) find_cutoffs(j, k);
            find_bonds(j);
        }
    }

    double energy() {
        return sum_bonds([](std::int64_t, double, double, const Pull&) {}, std::false_type{});
    }

    double energy(const PairGradient& g) {
        const std::int64_t n = nb_.size();
        for (double* array : {g.x, g.y, g.z}) std::fill_n(array, n, 0.0);
        return sum_bonds(
            [&](std::int64_t j, double along, double by_zeta, const Pull& pull) {
                const double stretch = along + by_zeta * pull.along, bend = by_zeta * inverse_[j];
                g.x[j] += stretch * x_[j] + bend * (pull.x - pull.c * x_[j]);
                g.y[j] += stretch * y_[j] + bend * (pull.y - pull.c * y_[j]);
                g.z[j] += stretch * z_[j] + bend * (pull.z - pull.c * z_[j]);
                if (by_zeta == 0) return;
                for (const std::int32_t species : form_.species_) {
                    const Range range = nb_.of(species);
                    for (std::int64_t k = range.begin; k < range.end; k += width<double>) {
                        add_to<double>(g.x + k, by_zeta * load(tx_ + k));
                        add_to<double>(g.y + k, by_zeta * load(ty_ + k));
                        add_to<double>(g.z + k, by_zeta * load(tz_ + k));
                    }
                }
            },
            std::true_type{});
    }

private:
    /// Sums over k: derivatives of zeta_ij by r_ij, and by the cosine with u_k and with the cosine.
    struct Pull {
        double along, x, y, z, c;
    };

    Range of(std::size_t species) const { return nb_.of(form_.species_[species]); }

    void find_cutoffs(std::size_t j, std::size_t k) {
        const TersoffTriple triple = form_.triple(j, k);
        const Range range = of(k);
        for (std::int64_t p = range.begin; p < range.end; p += width<double>) {
            Reals value, slope;
            tersoff_cutoff(triple, load(r_ + p), value, slope);
            store<double>(fc_[j] + p, value);
            store<double>(dfc_[j] + p, slope);
        }
    }

    /// fC A exp(-lambda1 r) and -fC B exp(-lambda2 r), halved, with slopes.
    void find_bonds(std::size_t j) {
        const TersoffBond bond = form_.bonds_[j];
        const Range range = of(j);
        for (std::int64_t p = range.begin; p < range.end; p += width<double>) {
            const Reals r = load(r_ + p), fc = load(fc_[j] + p), dfc = load(dfc_[j] + p);
            const Reals push = 0.5 * bond.a * exp_of_negative<double>(-bond.lambda1 * r);
            const Reals draw = -0.5 * bond.b * exp_of_negative<double>(-bond.lambda2 * r);
            store<double>(repulsion_ + p, fc * push);
            store<double>(repulsion_slope_ + p, (dfc - bond.lambda1 * fc) * push);
            store<double>(attraction_ + p, fc * draw);
            store<double>(attraction_slope_ + p, (dfc - bond.lambda2 * fc) * draw);
        }
    }

    /// Calls visit(j, direct derivative by r_ij, derivative by zeta_ij, derivatives of zeta_ij).
    template <class Visit, class WithGradient>
    MINIFF_INLINE double sum_bonds(Visit visit, WithGradient with_gradient) {
        double total = 0;
        for (std::size_t s = 0; s < form_.species_.size(); ++s) {
            const TersoffBond bond = form_.bonds_[s];
            const double cutoff = form_.triple(s, s).cutoff();
            const Range range = of(s);
            for (std::int64_t j = range.begin; j < range.end; ++j) {
                if (nb_.pair[j] < 0 || !(r_[j] < cutoff)) continue;
                Pull pull{};
                const double zeta = sum_partners(s, j, pull, with_gradient);
                const BondOrder order = bond_order(bond.beta, bond.n, zeta);
                total += repulsion_[j] + order.value * attraction_[j];
                visit(j, repulsion_slope_[j] + order.value * attraction_slope_[j],
                      attraction_[j] * order.slope, pull);
            }
        }
        return total;
    }

    /// zeta_ij; with the gradient also `pull`, and derivatives by the vectors to k in tx, ty, tz.
    template <class WithGradient>
    MINIFF_INLINE double sum_partners(std::size_t s, std::int64_t j, Pull& pull,
                                      WithGradient with_gradient) {
        const double xj = x_[j], yj = y_[j], zj = z_[j], rj = r_[j];
        Reals zeta{}, along{}, x{}, y{}, z{}, c{};
        for (std::size_t u = 0; u < form_.species_.size(); ++u) {
            const TersoffTriple at = form_.triple(s, u);
            const double c2 = at.c * at.c, d2 = at.d * at.d;
            const double *const fcs = fc_[s], *const dfcs = dfc_[s];
            const Range range = of(u);
            for (std::int64_t k = range.begin; k < range.end; k += width<double>) {
                const auto other = places<double>(k) != j;
                const Reals fc = choose<double>(other, load(fcs + k), Reals{});
                const Reals xk = load(x_ + k), yk = load(y_ + k), zk = load(z_ + k);
                const Reals cosine = xj * xk + yj * yk + zj * zk;
                const Reals h = cosine - at.cos_theta0, inverse = 1.0 / (d2 + h * h);
                const Reals g = at.gamma * (1.0 + c2 / d2 * (h * h * inverse));
                const Stretch e = at.lambda3 == 0 ? Stretch{all(1.0), Reals{}}
                                                  : stretch(at, rj - within(at, load(r_ + k)));
                zeta += fc * g * e.value;
                if (!with_gradient) continue;
                const Reals dfc = choose<double>(other, load(dfcs + k), Reals{});
                const Reals by_stretch = fc * g * e.slope;
                const Reals turn = 2 * at.gamma * c2 * h * inverse * inverse * fc * e.value;
                const Reals bend = turn * load(inverse_ + k);
                const Reals outward = dfc * g * e.value - by_stretch - bend * cosine;
                store<double>(tx_ + k, outward * xk + bend * xj);
                store<double>(ty_ + k, outward * yk + bend * yj);
                store<double>(tz_ + k, outward * zk + bend * zj);
                along += by_stretch;
                x += turn * xk, y += turn * yk, z += turn * zk;
                c += turn * cosine;
            }
        }
        if (with_gradient) {
            double turned[4];
            sum_four<double>({x, y, z, c}, turned);
            pull = {sum<double>(along), turned[0], turned[1], turned[2], turned[3]};
        }
        return sum<double>(zeta);
    }

    /// r, or the cutoff beyond it, where fC is 0 and the exponential must not be infinite.
    static MINIFF_INLINE Reals within(const TersoffTriple& at, Reals r) {
        return choose<double>(r < at.cutoff(), r, all(at.cutoff()));
    }

    struct Stretch {
        Reals value, slope;
    };
    /// exp((lambda3 x)^m), x = r_ij - r_ik, m = 1 or 3.
    static MINIFF_INLINE Stretch stretch(const TersoffTriple& at, Reals x) {
        const Reals y = at.lambda3 * x;
        const Reals exponent = at.m == 3 ? y * y * y : y;
        const auto positive = exponent > 0.0;
        const Reals small = exp_of_negative<double>(choose<double>(positive, -exponent, exponent));
        const Reals value = choose<double>(positive, 1.0 / small, small);
        return {value, (at.m == 3 ? 3 * at.lambda3 * y * y : all(at.lambda3)) * value};
    }

    const Tersoff& form_;
    Neighborhood<double> nb_{};
    Arena<double> arena_;
    double *x_ = nullptr, *y_ = nullptr, *z_ = nullptr, *r_ = nullptr, *inverse_ = nullptr;
    double *repulsion_ = nullptr, *attraction_ = nullptr;  // [size] halves, with their slopes
    double *repulsion_slope_ = nullptr, *attraction_slope_ = nullptr;
    double *tx_ = nullptr, *ty_ = nullptr, *tz_ = nullptr;  // [size] dzeta/d(r_k - r_i)
    std::vector<double*> fc_, dfc_;  // by species of j: [size] fC(r_ik) and its slope
};

}  // namespace miniff
