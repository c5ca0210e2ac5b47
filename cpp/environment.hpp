/// The three operations of a function set on the pairs of a table.
///
/// Threads own centres. What centres add to common images is added in the order of the centres,
/// whatever the number of threads, so that results are the same to the last bit.
#pragma once

#include <cstdint>

#include "function_set.hpp"
#include "images.hpp"

namespace miniff {

/// Atoms whose functions are wanted; row i of an array [n_centres, ...] is of atom atom[i].
struct Centres {
    std::int64_t count;
    const std::int64_t* atom;
};

/// out [n_centres, n_functions] = F
template <class T>
void environment_values(const FunctionSet<T>& set, const ImageTable& table, const Quads& places,
                        Centres centres, T* out);

/// by_image [n_images, 4] += sum_if weight[i, f] dF[i, f]/dx
template <class T>
void environment_vjp(const FunctionSet<T>& set, const ImageTable& table, const Quads& places,
                     Centres centres, const T* weight, Quads& by_image);

/// by_pair [n_pairs, 3] += sum_f weight[i, f] dF[i, f]/dd
template <class T>
void environment_pair_vjp(const FunctionSet<T>& set, const ImageTable& table, const Quads& places,
                          Centres centres, const T* weight, double* by_pair);

/// out [n_centres, n_functions] = change of F along the direction [n_images, 4]
template <class T>
void environment_jvp(const FunctionSet<T>& set, const ImageTable& table, const Quads& places,
                     Centres centres, const Quads& direction, T* out);

}  // namespace miniff
