/// What one centre atom sees: its neighbours within a cutoff as arrays, sorted by species.
#pragma once

#include <cstdint>

#include "pack.hpp"

namespace miniff {

/// Stands for every species where a function names none.
constexpr std::int32_t any_species = -1;

/// Places begin ... end - 1 of the arrays, in whole packs.
struct Range {
    std::int64_t begin;
    std::int64_t end;
};

/// Neighbours of species s are at begin[s] ... begin[s + 1] - 1. Each species is filled up to whole
/// packs with neighbours that lie on the cutoff, where everything vanishes; their `pair` is -1.
template <class T>
struct Neighborhood {
    std::int64_t n_species;
    const std::int64_t* begin;  // [n_species + 1]
    const std::int64_t* pair;   // [size] place in the list of neighbours
    const T *x, *y, *z;         // [size] r_j - r_i
    T *gx, *gy, *gz;            // [size] vjp: derivatives are added; jvp: the direction

    std::int64_t size() const { return begin[n_species]; }

    /// The neighbours of one species, all of them, or none for a species that no atom has.
    Range of(std::int32_t species) const {
        if (species == any_species) return {0, size()};
        if (species >= n_species) return {0, 0};
        return {begin[species], begin[species + 1]};
    }
};

}  // namespace miniff
