/// Neighbour pairs of one structure or of many: pairs i -> m of a centre atom and an image.
///
/// Image m < n_atoms is atom m itself; every other image is an atom moved by whole cell vectors
/// that is somebody's neighbour. Functions of pair vectors are functions of image positions, and
/// derivatives by them are all that is needed for forces, virials and derivatives by the cell.
#pragma once

#include <cstdint>
#include <vector>

namespace miniff {

/// Borrowed arrays: pairs start[i] ... start[i + 1] - 1 belong to centre i.
struct ImageTable {
    std::int64_t n_atoms;
    std::int64_t n_images;
    std::int64_t n_species;
    std::int64_t n_structures;
    const std::int64_t* start;      // [n_atoms + 1]
    const std::int32_t* neighbor;   // [n_pairs] images
    const std::int32_t* atom;       // [n_images]
    const std::int32_t* shift;      // [n_images, 3] whole cell vectors
    const std::int32_t* species;    // [n_atoms]
    const std::int64_t* structure;  // [n_atoms]

    std::int64_t n_pairs() const { return start[n_atoms]; }
};

/// Four numbers for each image, so that one load fetches all.
using Quads = std::vector<double>;

/// [n_images, 4] x, y, z and the species code, from positions [n_atoms, 3] and cells
/// [n_structures, 3, 3].
void place_images(const ImageTable& table, const double* positions, const double* cells,
                  Quads& out);

/// [n_images, 4] x, y, z and the species code, from image positions [n_images, 3].
void copy_images(const ImageTable& table, const double* positions, Quads& out);

/// From derivatives by image positions, [n_images, 4], those by atoms, [n_atoms, 3], and by strain,
/// [n_structures, 3, 3]: gradient = sum of those of an atom's images, strain = sum of x (x) g.
void fold_images(const ImageTable& table, const Quads& places, const Quads& by_image,
                 double* gradient, double* strain);

/// The transpose of folding: out [n_images, 3] = how images move when atoms move, [n_atoms, 3], and
/// when structures are strained, [n_structures, 3, 3].
void move_images(const ImageTable& table, const double* images, const double* moves,
                 const double* strain, double* out);

/// The least r_ij^2 and the pair that has it; infinite and -1 where there is no pair.
struct ClosestPair {
    double distance2;
    std::int64_t pair;
};
ClosestPair closest_pair(const ImageTable& table, const Quads& places);

}  // namespace miniff
