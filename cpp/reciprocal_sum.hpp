/// The smooth part of the Coulomb energy as a sum over waves.
#pragma once

#include <cstdint>

namespace miniff {

/// Waves exp(2 pi i (h s1 + k s2 + l s3)) in rows of equal h and k. Row n has l = 0 ...
/// start[n + 1] - start[n] - 1, each with the wave of -l beside it.
struct Waves {
    std::int64_t n_rows;
    const std::int32_t* hk;     // [n_rows, 2]
    const std::int64_t* start;  // [n_rows + 1]
    const double* weight;       // [start[n_rows], 2] of l and of -l

    std::int64_t size() const { return start[n_rows]; }
};

/// For the atoms of one structure
///
///     S(w) = sum_j q_j exp(2 pi i w . s_j)
///     phi_i += sum_w weight(w) Re[S(w)* exp(2 pi i w . s_i)]
///
/// and the derivative of sum_i q_i phi_i / 2 by s_i.
///
/// Args:
///     fractional: [n_atoms, 3] s.
///     charges: [n_atoms].
///     potential: [n_atoms], added to.
///     gradient: [n_atoms, 3] by fractional coordinates, written.
///     power: [waves.size(), 2] |S|^2 of l and of -l, written.
void add_waves(const Waves& waves, std::int64_t n_atoms, const double* fractional,
               const double* charges, double* potential, double* gradient, double* power);

}  // namespace miniff
