/// Fetches a centre's neighbours within a cutoff into arrays, and takes derivatives back.
#pragma once

#include <algorithm>
#include <vector>

#include "images.hpp"
#include "neighborhood.hpp"
#include "quads.hpp"

namespace miniff {

/// Belongs to one thread; its arrays are reused from centre to centre.
template <class T>
class NeighborhoodBuilder {
public:
    NeighborhoodBuilder(const ImageTable& table, const Quads& places, double cutoff)
        : table_(table),
          places_(places.data()),
          cutoff_(cutoff),
          begin_(static_cast<std::size_t>(table.n_species) + 1),
          end_(static_cast<std::size_t>(table.n_species)) {}

    /// The neighbours of centre i, with derivatives zero.
    const Neighborhood<T>& of(std::int64_t i) {
        make_room(table_.start[i + 1] - table_.start[i]);
        if (table_.n_species == 1)
            collect_one_species(i);
        else
            collect_by_species(i);
        pad();
        nb_ = {table_.n_species, begin_.data(), pair_.data(), x_, y_, z_, gx_, gy_, gz_};
        for (T* g : {gx_, gy_, gz_}) std::fill_n(g, nb_.size(), T(0));
        return nb_;
    }

    /// The neighbours of centre i, with the direction in which images move, [n_images, 4].
    const Neighborhood<T>& of(std::int64_t i, const Quads& direction) {
        of(i);
        const double* own = direction.data() + 4 * i;
        for_neighbors([&](std::int64_t k) {
            const double* there = direction.data() + 4 * image(k);
            gx_[k] = static_cast<T>(there[0] - own[0]);
            gy_[k] = static_cast<T>(there[1] - own[1]);
            gz_[k] = static_cast<T>(there[2] - own[2]);
        });
        return nb_;
    }

    /// Calls take(pair, gx, gy, gz) with the derivatives by each pair vector.
    template <class Take>
    MINIFF_INLINE void for_gradient(Take take) const {
        for_neighbors([&](std::int64_t k) {
            take(pair_[static_cast<std::size_t>(k)], static_cast<double>(gx_[k]),
                 static_cast<double>(gy_[k]), static_cast<double>(gz_[k]));
        });
    }

    /// Calls add(image, derivatives by its position) for each pair vector, and then for the centre
    /// with what they sum to, reversed.
    template <class Add>
    MINIFF_INLINE void give_gradient(std::int64_t centre, Add add) const {
        const T *const gx = gx_, *const gy = gy_, *const gz = gz_;
        const std::int64_t* const pairs = pair_.data();
        const std::int32_t* const neighbor = table_.neighbor;
        Quad own{};
        const auto give = [&](std::int64_t k, Quad g) {
            own += g;
            add(static_cast<std::int64_t>(neighbor[pairs[k]]), g);
        };
        for (std::size_t s = 0; s < end_.size(); ++s) {
            const std::int64_t end = end_[s];
            std::int64_t k = begin_[s];
#if defined(__AVX2__)
            for (; k + 4 <= end; k += 4) {
                Quad g[4];
                transpose_back({load_four(gx + k), load_four(gy + k), load_four(gz + k), Quad{}},
                               g);
                for (int l = 0; l < 4; ++l) give(k + l, g[l]);
            }
#endif
            for (; k < end; ++k)
                give(k, Quad{static_cast<double>(gx[k]), static_cast<double>(gy[k]),
                             static_cast<double>(gz[k]), 0.0});
        }
        add(centre, -own);
    }

private:
    std::int64_t image(std::int64_t k) const {
        return table_.neighbor[pair_[static_cast<std::size_t>(k)]];
    }

    /// Calls use(place) for every neighbour, not for what fills up the packs.
    template <class Use>
    MINIFF_INLINE void for_neighbors(Use use) const {
        for (std::size_t s = 0; s < end_.size(); ++s)
            for (std::int64_t k = begin_[s]; k < end_[s]; ++k) use(k);
    }

    void make_room(std::int64_t count) {
        // Collecting may write four more than it keeps.
        const std::int64_t size = count + table_.n_species * width<T> + 4;
        if (static_cast<std::int64_t>(pair_.size()) >= size) return;
        pair_.resize(static_cast<std::size_t>(2 * size));
        numbers_.resize(12 * static_cast<std::size_t>(size));
        T** const arrays[] = {&x_, &y_, &z_, &gx_, &gy_, &gz_};
        for (int n = 0; n < 6; ++n) *arrays[n] = numbers_.data() + 2 * n * size;
    }

    /// Where the next neighbour of a species is written.
    struct Places {
        T *x, *y, *z;
        std::int64_t* pair;
        std::int64_t n = 0;
    };

    void collect_one_species(std::int64_t i) {
        Places to{x_, y_, z_, pair_.data()};
        collect<1>(i, &to);
        begin_[0] = 0, end_[0] = to.n, begin_[1] = whole_packs<T>(to.n);
    }

    /// Each species to a place of its own first, then one after the other.
    void collect_by_species(std::int64_t i) {
        const std::size_t n_species = end_.size();
        const auto length = static_cast<std::size_t>(table_.start[i + 1] - table_.start[i] + 4);
        if (apart_pair_.size() < n_species * length) {
            apart_pair_.resize(2 * n_species * length);
            apart_.resize(3 * apart_pair_.size());
        }
        places_of_.resize(n_species);
        for (std::size_t s = 0; s < n_species; ++s) {
            T* const numbers = apart_.data() + 3 * s * length;
            places_of_[s] = {numbers, numbers + length, numbers + 2 * length,
                             apart_pair_.data() + s * length};
        }
        if (n_species == 2)
            collect<2>(i, places_of_.data());
        else if (n_species == 3)
            collect<3>(i, places_of_.data());
        else
            collect<many>(i, places_of_.data());
        std::int64_t size = 0;
        for (std::size_t s = 0; s < n_species; ++s) {
            const Places& from = places_of_[s];
            std::copy_n(from.x, from.n, x_ + size);
            std::copy_n(from.y, from.n, y_ + size);
            std::copy_n(from.z, from.n, z_ + size);
            std::copy_n(from.pair, from.n, pair_.data() + size);
            begin_[s] = size, end_[s] = size + from.n;
            size += whole_packs<T>(from.n);
        }
        begin_.back() = size;
    }

    /// Stands for any number of species.
    static constexpr std::size_t many = 0;

    /// Writes every listed neighbour to the next place of each species and moves on where it is of
    /// that species and within the cutoff: no branch that is hard to foresee.
    template <std::size_t N>
    void collect(std::int64_t i, Places* out) {
        // Copies of the members: what is written through pointers might else have changed them.
        const double *const places = places_, *const centre = places + 4 * i;
        const std::int32_t* const neighbor = table_.neighbor;
        const double cutoff2 = cutoff_ * cutoff_;
        const std::int64_t last = table_.start[i + 1];
        std::int64_t p = table_.start[i];
        // So few places stay in registers.
        constexpr std::size_t n_own = N == many ? 1 : N;
        Places own[n_own];
        Places* const to = N == many ? out : own;
        if (N != many) std::copy_n(out, n_own, own);
        const std::size_t n_species = N == many ? end_.size() : N;
#if defined(__AVX2__)
        const Quad origin = load_four(centre), limit = _mm256_set1_pd(cutoff2);
        const __m256i steps = _mm256_set_epi64x(3, 2, 1, 0);
        const auto vector_to = [&](std::int64_t pair) {
            return load_four(places + 4 * static_cast<std::int64_t>(neighbor[pair])) - origin;
        };
        for (; p + 4 <= last; p += 4) {
            const FourVectors d =
                transposed(vector_to(p), vector_to(p + 1), vector_to(p + 2), vector_to(p + 3));
            const Quad r2 = d.x * d.x + d.y * d.y + d.z * d.z;
            const Quad inside = _mm256_cmp_pd(r2, limit, _CMP_LT_OQ);
            const __m256i pair = _mm256_add_epi64(_mm256_set1_epi64x(p), steps);
            for (std::size_t s = 0; s < n_species; ++s) {
                Quad counts = inside;
                if (n_species > 1)
                    counts = _mm256_and_pd(
                        counts,
                        _mm256_cmp_pd(d.w, _mm256_set1_pd(static_cast<double>(s) - centre[3]),
                                      _CMP_EQ_OQ));
                const int kept = _mm256_movemask_pd(counts);
                const Compression compressed(kept);
                Places& place = to[s];
                store_four(place.x + place.n, compressed(d.x));
                store_four(place.y + place.n, compressed(d.y));
                store_four(place.z + place.n, compressed(d.z));
                _mm256_storeu_si256(reinterpret_cast<__m256i*>(place.pair + place.n),
                                    compressed(pair));
                place.n += __builtin_popcount(static_cast<unsigned>(kept));
            }
        }
#endif
        for (; p < last; ++p) {
            const double* at = places + 4 * static_cast<std::int64_t>(neighbor[p]);
            const double dx = at[0] - centre[0], dy = at[1] - centre[1], dz = at[2] - centre[2];
            Places& place = to[n_species > 1 ? static_cast<std::size_t>(at[3]) : 0];
            place.x[place.n] = static_cast<T>(dx);
            place.y[place.n] = static_cast<T>(dy);
            place.z[place.n] = static_cast<T>(dz);
            place.pair[place.n] = p;
            place.n += dx * dx + dy * dy + dz * dz < cutoff2;
        }
        if (N != many) std::copy_n(own, n_own, out);
    }

    /// Fills each species up with neighbours that lie on the cutoff.
    void pad() {
        for (std::size_t s = 0; s < end_.size(); ++s)
            for (std::int64_t k = end_[s]; k < begin_[s + 1]; ++k) {
                pair_[static_cast<std::size_t>(k)] = -1;
                x_[k] = static_cast<T>(cutoff_), y_[k] = 0, z_[k] = 0;
            }
    }

    const ImageTable& table_;
    const double* const places_;
    const double cutoff_;
    std::vector<std::int64_t> begin_, end_;  // [n_species] with and without what fills up
    std::vector<std::int64_t> pair_;
    std::vector<T> numbers_;
    T *x_ = nullptr, *y_ = nullptr, *z_ = nullptr;
    T *gx_ = nullptr, *gy_ = nullptr, *gz_ = nullptr;
    std::vector<T> apart_;  // neighbours of each species, until all are known
    std::vector<std::int64_t> apart_pair_;
    std::vector<Places> places_of_;
    Neighborhood<T> nb_{};
};

}  // namespace miniff
