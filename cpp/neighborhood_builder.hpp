/// Fetches a centre's neighbours within a cutoff into arrays, and takes derivatives back.
#pragma once

#include <vector>

#include "images.hpp"
#include "neighborhood.hpp"

namespace miniff {

/// Belongs to one thread; its arrays are reused from centre to centre.
template <class T>
class NeighborhoodBuilder {
public:
    NeighborhoodBuilder(const ImageTable& table, const Quads& places, double cutoff)
        : table_(table), places_(places), cutoff_(cutoff) {
        begin_.resize(static_cast<std::size_t>(table.n_species) + 1);
        fill_.resize(static_cast<std::size_t>(table.n_species));
    }

    /// The neighbours of centre i, with derivatives zero.
    const Neighborhood<T>& of(std::int64_t i) {
        centre_ = i;
        const std::int64_t kept = collect();
        const std::int64_t size = lay_out();
        for (std::int64_t n = 0; n < kept; ++n) {
            const Found& f = found_[static_cast<std::size_t>(n)];
            const std::int64_t k = fill_[static_cast<std::size_t>(f.species)]++;
            pair_[static_cast<std::size_t>(k)] = f.pair;
            x_[k] = static_cast<T>(f.x), y_[k] = static_cast<T>(f.y), z_[k] = static_cast<T>(f.z);
        }
        pad();
        for (T* array : {nb_.gx, nb_.gy, nb_.gz})
            for (std::int64_t k = 0; k < size; ++k) array[k] = 0;
        return nb_;
    }

    /// The neighbours of centre i, with the direction in which images move, [n_images, 4].
    const Neighborhood<T>& of(std::int64_t i, const Quads& direction) {
        of(i);
        const double* own = direction.data() + 4 * i;
        for (std::int64_t k = 0; k < nb_.size(); ++k) {
            if (pair_[static_cast<std::size_t>(k)] < 0) continue;
            const double* there = direction.data() + 4 * image(k);
            nb_.gx[k] = static_cast<T>(there[0] - own[0]);
            nb_.gy[k] = static_cast<T>(there[1] - own[1]);
            nb_.gz[k] = static_cast<T>(there[2] - own[2]);
        }
        return nb_;
    }

    /// Calls take(pair, image, gx, gy, gz) with the derivatives by each pair vector.
    template <class Take>
    void for_gradient(Take take) const {
        for (std::int64_t k = 0; k < nb_.size(); ++k)
            if (nb_.pair[k] >= 0)
                take(nb_.pair[k], image(k), static_cast<double>(nb_.gx[k]),
                     static_cast<double>(nb_.gy[k]), static_cast<double>(nb_.gz[k]));
    }

private:
    struct Found {
        double x, y, z;
        std::int64_t pair;
        std::int64_t species;
    };

    std::int64_t image(std::int64_t k) const { return table_.neighbor[nb_.pair[k]]; }

    /// Lists and counts by species what is closer than the cutoff.
    std::int64_t collect() {
        const std::int64_t first = table_.start[centre_], last = table_.start[centre_ + 1];
        if (static_cast<std::int64_t>(found_.size()) <= last - first)
            found_.resize(static_cast<std::size_t>(last - first + 1));
        for (auto& count : fill_) count = 0;
        const double cutoff2 = cutoff_ * cutoff_;
        const double* centre = places_.data() + 4 * centre_;
        std::int64_t n = 0;
        for (std::int64_t p = first; p < last; ++p) {
            const double* at = places_.data() + 4 * static_cast<std::int64_t>(table_.neighbor[p]);
            const double x = at[0] - centre[0], y = at[1] - centre[1], z = at[2] - centre[2];
            const auto species = static_cast<std::int64_t>(at[3]);
            // Written in any case and kept or not: no branch that is hard to foresee.
            found_[static_cast<std::size_t>(n)] = {x, y, z, p, species};
            const bool inside = x * x + y * y + z * z < cutoff2;
            fill_[static_cast<std::size_t>(species)] += inside;
            n += inside;
        }
        return n;
    }

    /// Sets where each species begins, in whole packs, and points the arrays at enough room.
    std::int64_t lay_out() {
        std::int64_t size = 0;
        for (std::size_t s = 0; s < fill_.size(); ++s) {
            begin_[s] = size;
            size += whole_packs<T>(fill_[s]);
            fill_[s] = begin_[s];
        }
        begin_.back() = size;
        if (static_cast<std::int64_t>(pair_.size()) < size) {
            pair_.resize(static_cast<std::size_t>(size));
            numbers_.resize(static_cast<std::size_t>(6 * size));
        }
        T* const at = numbers_.data();
        x_ = at, y_ = at + size, z_ = at + 2 * size;
        nb_ = {table_.n_species, begin_.data(), pair_.data(), x_, y_, z_,
               at + 3 * size,    at + 4 * size, at + 5 * size};
        return size;
    }

    /// Fills each species up with neighbours that lie on the cutoff.
    void pad() {
        for (std::size_t s = 0; s < fill_.size(); ++s)
            for (std::int64_t k = fill_[s]; k < begin_[s + 1]; ++k) {
                pair_[static_cast<std::size_t>(k)] = -1;
                x_[k] = static_cast<T>(cutoff_), y_[k] = 0, z_[k] = 0;
            }
    }

    const ImageTable& table_;
    const Quads& places_;
    const double cutoff_;
    std::int64_t centre_ = 0;
    std::vector<Found> found_;
    std::vector<std::int64_t> begin_, fill_, pair_;
    std::vector<T> numbers_;
    T *x_ = nullptr, *y_ = nullptr, *z_ = nullptr;
    Neighborhood<T> nb_{};
};

}  // namespace miniff
