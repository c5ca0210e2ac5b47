/// From the unordered pairs of a neighbour search to pairs i -> m of a centre atom and an image.
///
/// Image m < n_atoms is atom m itself. Every further image is an atom moved by whole cell vectors,
/// not all zero, that is somebody's neighbour; they are numbered as they first appear in the list.
#pragma once

#include <cstdint>
#include <vector>

namespace miniff {

/// Borrowed arrays: atom i sees atom j moved by `shift` cell vectors; in any order.
struct PairList {
    std::int64_t n_atoms;
    std::int64_t n_pairs;
    const std::uint64_t* pairs;  // [n_pairs, 2] i and j
    const std::int32_t* shifts;  // [n_pairs, 3]
};

struct Images {
    std::vector<std::int32_t> atom;   // [n_images]
    std::vector<std::int32_t> shift;  // [n_images, 3] whole cell vectors
};

/// Where the pairs of each centre begin, [n_atoms + 1]. Refuses indices outside 0 ... n_atoms - 1
/// and more atoms than 32-bit indices can name.
std::vector<std::int64_t> count_by_centre(const PairList& list);

/// Writes the image that each pair leads to, [n_pairs], grouped by centre and in the order of the
/// list within a centre. `start` is what `count_by_centre` gave. Takes linear time, whatever the
/// number of images of an atom. Refuses more images than 32-bit indices can name.
Images group_by_image(const PairList& list, std::vector<std::int64_t>& start,
                      std::int32_t* neighbor);

}  // namespace miniff
