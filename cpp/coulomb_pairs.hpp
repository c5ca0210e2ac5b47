/// Charges that act on each other pair by pair, screened so that pairs within a cutoff are all.
#pragma once

#include <cstdint>
#include <vector>

#include "images.hpp"

namespace miniff {

/// f(r) = erfc(eta r) / r - shift + slope (r - cutoff), less erfc(r / sqrt(2 (s_i^2 + s_j^2))) / r
/// for charges that are Gaussians of standard deviations s.
///
/// With eta = 0 it is 1/r; with `shift` and `slope` the sums of Wolf et al. and of Fennell and
/// Gezelter.
struct ScreenedCoulomb {
    double cutoff;
    double eta;
    double shift;
    double slope;
};

/// What a sum over pairs gives; all are added to.
struct CoulombSums {
    double* potential;  // [n_atoms] phi_i = sum_j q_j f(r_ij)
    double* gradient;   // [n_atoms, 3] of sum_i q_i phi_i / 2
    double* strain;     // [n_structures, 3, 3] of the same
};

/// Sums over the pairs of a table. `places` are x, y, z and the charge of each image;
/// `squared_width` [n_images], s^2, may be null for point charges; `form` [n_structures] is of each
/// structure, which is left out where the cutoff is 0.
void add_screened_pairs(const ImageTable& table, const Quads& places, const double* squared_width,
                        const std::vector<ScreenedCoulomb>& form, const CoulombSums& to);

/// Sums over all pairs of atoms first ... last - 1, however far apart; none repeats.
void add_all_pairs(std::int64_t first, std::int64_t last, const Quads& places,
                   const double* squared_width, const CoulombSums& to, double* strain);

/// x, y, z and the charge of each image.
void place_charges(const ImageTable& table, const double* positions, const double* cells,
                   const double* charges, Quads& out);

}  // namespace miniff
