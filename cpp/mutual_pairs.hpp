/// Sums over pairs where the term of each pair is that of its reverse: every centre finds its own
/// derivative, and nothing is stored or scattered.
#pragma once

#include <algorithm>
#include <cstdint>

#include "forms.hpp"
#include "images.hpp"
#include "neighborhood.hpp"
#include "quads.hpp"

namespace miniff {

/// What a centre's own pairs say of the whole energy.
struct MutualTerms {
    double energy = 0;         // of the centre
    double by_centre[3] = {};  // derivative of the whole energy by the centre's position
    double strain[6] = {};     // the centre's share of that by strain, xx yy zz yz xz xy
};

/// A sum over pairs that can be asked so.
class MutualPart {
public:
    virtual ~MutualPart() = default;
    /// Adds the terms of centre i.
    virtual void add(const ImageTable& table, const Quads& places, std::int64_t i,
                     MutualTerms& to) const = 0;
};

/// Positions of a pack of images, and their species codes.
struct Places {
    Reals x, y, z, species;
};

MINIFF_INLINE Places places_of(const double* places, const std::int32_t* images) {
    const auto at = [&](int l) { return places + 4 * static_cast<std::int64_t>(images[l]); };
#if defined(__AVX2__) && MINIFF_PACK_BYTES == 32
    const FourVectors v =
        transposed(load_four(at(0)), load_four(at(1)), load_four(at(2)), load_four(at(3)));
    return {v.x, v.y, v.z, v.w};
#else
    double v[4][width<double>];
    for (int l = 0; l < width<double>; ++l)
        for (int x = 0; x < 4; ++x) v[x][l] = at(l)[x];
    return {load<double>(v[0]), load<double>(v[1]), load<double>(v[2]), load<double>(v[3])};
#endif
}

/// Adds the terms of centre i with neighbours of one species, or of any.
template <class Form>
void add_mutual_terms(const Form& given, std::int32_t neighbor, const ImageTable& table,
                      const Quads& places, std::int64_t i, MutualTerms& to) {
    const Form form = given;  // a copy, which stays in registers
    const Reals cutoff2 = all<double>(form.cutoff * form.cutoff);
    const double* const centre = places.data() + 4 * i;
    const Reals x = all<double>(centre[0]), y = all<double>(centre[1]), z = all<double>(centre[2]);
    Reals energy{}, g[4] = {}, diagonal[4] = {}, mixed[4] = {};
    const auto add = [&](const std::int32_t* images, PackBits<double> counts) {
        const Places at = places_of(places.data(), images);
        const Reals dx = at.x - x, dy = at.y - y, dz = at.z - z;
        const Reals squared = dx * dx + dy * dy + dz * dz;
        const Reals r = square_root(squared);
        const RadialTerm f = form({r, squared, 1.0 / r});
        counts &= squared < cutoff2;
        if (neighbor != any_species) counts &= at.species == static_cast<double>(neighbor);
        energy += choose<double>(counts, f.value, Reals{});
        const Reals slope = choose<double>(counts, f.slope_over_r, Reals{});
        const Reals gx = slope * dx, gy = slope * dy, gz = slope * dz;
        g[0] += gx, g[1] += gy, g[2] += gz;
        diagonal[0] += dx * gx, diagonal[1] += dy * gy, diagonal[2] += dz * gz;
        mixed[0] += dy * gz, mixed[1] += dx * gz, mixed[2] += dx * gy;
    };
    const std::int64_t last = table.start[i + 1];
    std::int64_t p = table.start[i];
    for (; p + width<double> <= last; p += width<double>)
        add(table.neighbor + p, ~PackBits<double>{});
    if (p < last) {
        // Filled up with the last pair, which does not count again.
        std::int32_t images[width<double>];
        for (std::int64_t l = 0; l < width<double>; ++l)
            images[l] = table.neighbor[p + l < last ? p + l : last - 1];
        add(images, miniff::places<double>(p) < last);
    }
    double by_vectors[4], own[4], rest[4];
    sum_four<double>(g, by_vectors);
    sum_four<double>(diagonal, own);
    sum_four<double>(mixed, rest);
    to.energy += sum<double>(energy);
    for (int c = 0; c < 3; ++c) {
        to.by_centre[c] -= 2 * by_vectors[c];
        to.strain[c] += own[c];
        to.strain[3 + c] += rest[c];
    }
}

}  // namespace miniff
