/// The neighbour pairs of one structure or of many, grouped by their centre atom.
#pragma once

#include <cstdint>

namespace miniff {

/// What one centre atom sees. All pointers are at the first of `count` neighbours.
struct Neighborhood {
    std::int64_t count;
    const std::int32_t* other;    // [count] neighbouring atom
    const std::int32_t* species;  // [n_atoms] species code of every atom
    const double* vectors;        // [count, 3] r_j - r_i, image shift included

    std::int32_t species_of(std::int64_t p) const { return species[other[p]]; }
};

/// Borrowed arrays: pairs start[i] ... start[i + 1] - 1 belong to centre i.
struct PairTable {
    std::int64_t n_atoms;
    const std::int64_t* start;    // [n_atoms + 1]
    const std::int32_t* other;    // [n_pairs]
    const std::int32_t* species;  // [n_atoms]
    const double* vectors;        // [n_pairs, 3]

    Neighborhood of(std::int64_t i) const {
        const std::int64_t first = start[i];
        return {start[i + 1] - first, other + first, species, vectors + 3 * first};
    }
};

/// Sorts unordered (i, j) pairs by i in linear time, keeping the order of equal i.
/// Refuses indices outside 0 ... n_atoms - 1 and more atoms than 32-bit indices can name.
void group_by_centre(std::int64_t n_atoms, std::int64_t n_pairs,
                     const std::uint64_t* pairs,     // [n_pairs, 2]
                     const std::int32_t* shifts,     // [n_pairs, 3]
                     std::int64_t* start,            // [n_atoms + 1]
                     std::int32_t* other,            // [n_pairs]
                     std::int32_t* grouped_shifts);  // [n_pairs, 3]

/// vectors[p] = positions[other] - positions[i] + shift @ cells[structure[i]]
void pair_vectors(std::int64_t n_atoms, const std::int64_t* start, const std::int32_t* other,
                  const std::int32_t* shifts,     // [n_pairs, 3]
                  const std::int64_t* structure,  // [n_atoms]
                  const double* positions,        // [n_atoms, 3]
                  const double* cells,            // [n_structures, 3, 3]
                  double* vectors);               // [n_pairs, 3]

/// gradient[j] += g and gradient[i] -= g for every pair, in the order of the table: dE/dr from
/// dE/dd.
void gather_gradient(const PairTable& table, const double* pair_gradient, double* gradient);

/// strain[s] += sum over the pairs of structure s of d (x) g: dE/d(strain), row-major 3 x 3.
void gather_strain(const PairTable& table, const std::int64_t* structure,
                   const double* pair_gradient, double* strain);

}  // namespace miniff
