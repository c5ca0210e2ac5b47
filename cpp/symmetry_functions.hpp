/// Behler's radial (G2) and angular (G4, G5) symmetry functions of one atom, many at a time.
///
/// Behler, J. Chem. Phys. 134, 074106 (2011). With c = cos t_jik and fc the cutoff function
///   G2 = sum_j exp(-eta (r_ij - rs)^2) fc(r_ij)
///   G5 = 2^(1-zeta) sum_jk (1 + lambda c)^zeta p_j p_k,   p_j = exp(-eta (r_ij - rs)^2) fc(r_ij)
///   G4 = as G5 with one more factor exp(-eta (r_jk - rs)^2) fc(r_jk) in each term.
/// A window A(t) may take the place of (1 + lambda c)^zeta and its norm: functions with compact
/// support (Bircher, Singraber and Dellago, Mach. Learn.: Sci. Technol. 2, 035026 (2021)).
/// Triples of equal species (or any) are summed over ordered (j, k), of unequal species once.
#pragma once

#include <memory>
#include <vector>

#include "function_set.hpp"
#include "symmetry_groups.hpp"

namespace miniff {

template <class T>
std::unique_ptr<Part<T>> symmetry_functions(const std::vector<RadialFunction>& radial,
                                            const std::vector<AngularFunction>& angular);

}  // namespace miniff
