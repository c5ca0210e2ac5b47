/// Charges on a mesh and back, by B-splines: the smooth particle-mesh Ewald sum without its Fourier
/// transforms.
///
/// Essmann, Perera, Berkowitz, Darden, Lee and Pedersen, J. Chem. Phys. 103, 8577 (1995),
/// https://doi.org/10.1063/1.470117
#pragma once

#include <cstdint>

namespace miniff {

/// So many points of the mesh an atom may touch along each direction.
constexpr int highest_order = 10;

/// A mesh over one cell, the last direction running fastest.
struct Mesh {
    std::int64_t size[3];
    int order;  // of the splines: points an atom touches along each direction, even
};

/// mesh [size] = sum_j q_j M(u - size s_j), written.
void spread_charges(const Mesh& mesh, std::int64_t n_atoms, const double* fractional,
                    const double* charges, double* to);

/// potential [n_atoms] += sum over points of the field times the splines; gradient [n_atoms, 3] =
/// q_i times its derivative by fractional coordinates.
void gather_potential(const Mesh& mesh, std::int64_t n_atoms, const double* fractional,
                      const double* charges, const double* field, double* potential,
                      double* gradient);

}  // namespace miniff
