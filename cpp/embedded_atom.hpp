/// Embedded-atom energies from tables.
///
/// Daw and Baskes, Phys. Rev. B 29, 6443 (1984): e = F(rho) + 1/2 sum_j phi_j(r_ij),
/// rho = sum_j f_j(r_ij), with f and phi by the species of the neighbour (and of the centre).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

#include "many_body.hpp"
#include "uniform_spline.hpp"

namespace miniff {

/// The embedding energy F(rho); a straight line beyond the table.
class Embedding {
public:
    Embedding(const std::vector<double>& values, double step)
        : inverse_step_(1 / step), pieces_(uniform_spline(values)) {}

    struct Result {
        double value, slope;
    };
    Result operator()(double density) const {
        const double x = density * inverse_step_;
        const double last = static_cast<double>(pieces_.size() - 1);
        const double m = std::fmin(std::fmax(std::floor(x), 0.0), last);
        const auto& c = pieces_[static_cast<std::size_t>(m)];
        const double p = std::fmin(x - m, 1.0);
        const double slope = c[1] + p * (2 * c[2] + p * 3 * c[3]);
        const double beyond = std::fmax(x - m - 1, 0.0);
        return {c[0] + p * (c[1] + p * (c[2] + p * c[3])) + beyond * slope, slope * inverse_step_};
    }

private:
    double inverse_step_;
    std::vector<std::array<double, 4>> pieces_;
};

/// The density f(r) that neighbours of one species bring, and r phi(r); both keep their last value
/// between the end of the table and the cutoff.
class NeighborTable {
public:
    NeighborTable(std::int32_t species_, const std::vector<double>& density,
                  const std::vector<double>& r_phi)
        : species(species_) {
        if (density.size() != r_phi.size())
            throw std::invalid_argument("`density` and `r_phi` must have the same length");
        const auto f = uniform_spline(density), z = uniform_spline(r_phi);
        for (std::size_t m = 0; m < f.size(); ++m)
            pieces_.push_back({f[m][0], f[m][1], f[m][2], f[m][3],  //
                               z[m][0], z[m][1], z[m][2], z[m][3]});
    }

    struct Result {
        Reals density, density_slope, r_phi, r_phi_slope;  // slopes by the place in the table
    };
    /// At distances in units of the step.
    MINIFF_INLINE Result operator()(Reals x) const {
        const double last = static_cast<double>(pieces_.size() - 1);
        double at[width<double>], place[width<double>];
        const double* pieces[width<double>];
        store<double>(at, x);
        for (int l = 0; l < width<double>; ++l) {
            place[l] = std::trunc(std::min(at[l], last));
            pieces[l] = pieces_[static_cast<std::size_t>(place[l])].data();
        }
        const Reals m = load(place);
        const Reals c[8] = {gather(pieces, 0), gather(pieces, 1), gather(pieces, 2),
                            gather(pieces, 3), gather(pieces, 4), gather(pieces, 5),
                            gather(pieces, 6), gather(pieces, 7)};
        const Reals along = x - m;
        const auto within = along < 1.0;
        const Reals p = choose<double>(within, along, all(1.0));
        const Reals df = c[1] + p * (2.0 * c[2] + p * 3.0 * c[3]);
        const Reals dz = c[5] + p * (2.0 * c[6] + p * 3.0 * c[7]);
        return {c[0] + p * (c[1] + p * (c[2] + p * c[3])), choose<double>(within, df, Reals{}),
                c[4] + p * (c[5] + p * (c[6] + p * c[7])), choose<double>(within, dz, Reals{})};
    }

    std::int32_t species;

private:
    std::vector<std::array<double, 8>> pieces_;
};

/// e of one centre species.
class EmbeddedAtom {
public:
    class Evaluation;

    EmbeddedAtom(double cutoff, double step, Embedding embedding,
                 std::vector<NeighborTable> neighbors)
        : cutoff_(cutoff),
          inverse_step_(1 / step),
          embedding_(std::move(embedding)),
          neighbors_(std::move(neighbors)) {}

    double cutoff() const { return cutoff_; }

private:
    double cutoff_;
    double inverse_step_;
    Embedding embedding_;
    std::vector<NeighborTable> neighbors_;
};

class EmbeddedAtom::Evaluation {
public:
    explicit Evaluation(const EmbeddedAtom& form) : form_(form) {}

    void begin(const Neighborhood<double>& nb) {
        nb_ = nb;
        arena_.clear(2 * nb.size());
        by_density_ = arena_.take(nb.size()), by_pair_ = arena_.take(nb.size());
    }

    double energy() {
        const Sums sums = sum_neighbors([](std::int64_t, Reals, Reals) {});
        return form_.embedding_(sums.density).value + sums.pair;
    }

    double energy(const PairGradient& g) {
        const std::int64_t n = nb_.size();
        double *const by_density = by_density_, *const by_pair = by_pair_;
        for (std::int64_t k = 0; k < n; ++k) by_density[k] = by_pair[k] = 0;
        const Sums sums = sum_neighbors([&](std::int64_t k, Reals density, Reals pair) {
            store<double>(by_density + k, density);
            store<double>(by_pair + k, pair);
        });
        const Embedding::Result embedding = form_.embedding_(sums.density);
        for (std::int64_t k = 0; k < n; k += width<double>) {
            const Reals slope_over_r = embedding.slope * load(by_density + k) + load(by_pair + k);
            store<double>(g.x + k, slope_over_r * load(nb_.x + k));
            store<double>(g.y + k, slope_over_r * load(nb_.y + k));
            store<double>(g.z + k, slope_over_r * load(nb_.z + k));
        }
        return embedding.value + sums.pair;
    }

private:
    struct Sums {
        double density, pair;
    };

    /// Calls visit(place, slopes over r of the density and of phi/2).
    template <class Visit>
    MINIFF_INLINE Sums sum_neighbors(Visit visit) const {
        const double cutoff2 = form_.cutoff_ * form_.cutoff_;
        const double inverse_step = form_.inverse_step_;
        Reals density{}, pair{};
        for (const NeighborTable& table : form_.neighbors_) {
            const Range range = nb_.of(table.species);
            for (std::int64_t k = range.begin; k < range.end; k += width<double>) {
                const Reals x = load(nb_.x + k), y = load(nb_.y + k), z = load(nb_.z + k);
                const Reals squared = x * x + y * y + z * z;
                const auto inside = squared < cutoff2;
                const Reals r = square_root(squared), inverse = 1.0 / r;
                const auto at = table(r * inverse_step);
                const Reals half_phi = 0.5 * at.r_phi * inverse;
                const Reals slope = (0.5 * inverse_step * at.r_phi_slope - half_phi) * inverse;
                density += choose<double>(inside, at.density, Reals{});
                pair += choose<double>(inside, half_phi, Reals{});
                visit(k, choose<double>(inside, inverse_step * at.density_slope * inverse, Reals{}),
                      choose<double>(inside, slope * inverse, Reals{}));
            }
        }
        return {sum<double>(density), sum<double>(pair)};
    }

    const EmbeddedAtom& form_;
    Neighborhood<double> nb_{};
    Arena<double> arena_;
    double *by_density_ = nullptr, *by_pair_ = nullptr;
};

}  // namespace miniff
