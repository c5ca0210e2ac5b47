#include "coulomb_pairs.hpp"

#include <algorithm>
#include <vector>

#include "error_function.hpp"
#include "mutual_pairs.hpp"

namespace miniff {

namespace {

/// Adds up what the neighbours of one centre, pack by pack, say of the energy.
class Centre {
public:
    Centre(const double* place, const ScreenedCoulomb& form, double squared_width)
        : x_(all<double>(place[0])),
          y_(all<double>(place[1])),
          z_(all<double>(place[2])),
          form_(form),
          squared_width_(squared_width) {}

    template <bool gaussian>
    MINIFF_INLINE void add(const Places& at, Reals squared_width, PackBits<double> counts) {
        const Reals dx = at.x - x_, dy = at.y - y_, dz = at.z - z_;
        const Reals squared = dx * dx + dy * dy + dz * dz;
        counts &= squared < form_.cutoff * form_.cutoff;
        counts &= squared > 0.0;
        const Reals r = square_root(choose<double>(counts, squared, all<double>(1.0)));
        const Reals inverse = 1.0 / r;
        const ErrorFunction screen = error_function(form_.eta * r);
        Reals value = screen.complement * inverse;
        Reals slope = -(value + two_over_root_pi * form_.eta * screen.gaussian) * inverse;
        if (gaussian) {
            // Two points have no cloud: one so narrow that it underflows stands for it.
            const Reals both = squared_width + squared_width_;
            const Reals beta =
                1.0 / square_root(2.0 * choose<double>(both > 0.0, both, 1e-4 * r * r));
            const ErrorFunction cloud = error_function(beta * r);
            const Reals inside = cloud.complement * inverse;
            value -= inside;
            slope += (inside + two_over_root_pi * beta * cloud.gaussian) * inverse;
        }
        value += form_.slope * (r - form_.cutoff) - form_.shift;
        slope += form_.slope;
        potential_ += at.species * choose<double>(counts, value, Reals{});
        const Reals pull = at.species * choose<double>(counts, slope * inverse, Reals{});
        const Reals gx = pull * dx, gy = pull * dy, gz = pull * dz;
        g_[0] += gx, g_[1] += gy, g_[2] += gz;
        diagonal_[0] += dx * gx, diagonal_[1] += dy * gy, diagonal_[2] += dz * gz;
        mixed_[0] += dy * gz, mixed_[1] += dx * gz, mixed_[2] += dx * gy;
    }

    /// Potential and gradient of the centre, and its share of the strain derivative,
    /// xx yy zz yz xz xy.
    void give(double charge, double& potential, double* gradient, double* strain) const {
        double by_vectors[4], own[4], rest[4];
        sum_four<double>(g_, by_vectors);
        sum_four<double>(diagonal_, own);
        sum_four<double>(mixed_, rest);
        potential += sum<double>(potential_);
        for (int c = 0; c < 3; ++c) {
            gradient[c] -= charge * by_vectors[c];
            strain[c] = charge * own[c] / 2;
            strain[3 + c] = charge * rest[c] / 2;
        }
    }

private:
    static constexpr double two_over_root_pi = 1.1283791670955126;

    const Reals x_, y_, z_;
    const ScreenedCoulomb form_;
    const double squared_width_;
    Reals potential_{}, g_[4] = {}, diagonal_[4] = {}, mixed_[4] = {};
};

Reals widths_of(const double* squared_width, const std::int32_t* images) {
    double own[width<double>];
    for (int l = 0; l < width<double>; ++l) own[l] = squared_width[images[l]];
    return load<double>(own);
}

/// Calls add(images, which count) for packs of the listed images.
template <class Add>
MINIFF_INLINE void for_packs(const std::int32_t* images, std::int64_t n, Add add) {
    std::int64_t p = 0;
    for (; p + width<double> <= n; p += width<double>) add(images + p, ~PackBits<double>{});
    if (p == n) return;
    // Filled up with the last one, which does not count again.
    std::int32_t rest[width<double>];
    for (std::int64_t l = 0; l < width<double>; ++l) rest[l] = images[std::min(p + l, n - 1)];
    add(rest, miniff::places<double>(p) < n);
}

template <bool gaussian>
void add_neighbors(Centre& centre, const Quads& places, const double* squared_width,
                   const std::int32_t* images, std::int64_t n) {
    for_packs(images, n, [&](const std::int32_t* chosen, PackBits<double> counts) {
        const Reals widths = gaussian ? widths_of(squared_width, chosen) : Reals{};
        centre.add<gaussian>(places_of(places.data(), chosen), widths, counts);
    });
}

/// What each centre gives to the strain derivative, added up in the order of the centres.
void add_strains(const std::vector<double>& strains, std::int64_t first, std::int64_t last,
                 double* strain) {
    constexpr int place[3][3] = {{0, 5, 4}, {5, 1, 3}, {4, 3, 2}};
    for (std::int64_t i = first; i < last; ++i)
        for (int x = 0; x < 3; ++x)
            for (int y = 0; y < 3; ++y)
                strain[3 * x + y] += strains[static_cast<std::size_t>(6 * i + place[x][y])];
}

/// The neighbours of a centre, and how charges act on each other there.
struct Listed {
    const std::int32_t* images;
    std::int64_t n;
    const ScreenedCoulomb& form;
};

/// For every centre the neighbours that neighbors(i) names.
template <class Neighbors>
std::vector<double> add_centres(std::int64_t first, std::int64_t last, Neighbors neighbors,
                                const Quads& places, const double* squared_width,
                                const CoulombSums& to) {
    std::vector<double> strains(static_cast<std::size_t>(6 * (last - first)));
#pragma omp parallel for schedule(dynamic, 32) if (last - first > 32)
    for (std::int64_t i = first; i < last; ++i) {
        const double* const place = places.data() + 4 * i;
        const Listed listed = neighbors(i);
        Centre centre(place, listed.form, squared_width ? squared_width[i] : 0.0);
        if (squared_width)
            add_neighbors<true>(centre, places, squared_width, listed.images, listed.n);
        else
            add_neighbors<false>(centre, places, squared_width, listed.images, listed.n);
        centre.give(place[3], to.potential[i], to.gradient + 3 * i,
                    strains.data() + 6 * (i - first));
    }
    return strains;
}

/// A cutoff beyond all atoms, whose square is a number still.
constexpr double everywhere = 1e150;

}  // namespace

void place_charges(const ImageTable& table, const double* positions, const double* cells,
                   const double* charges, Quads& out) {
    place_images(table, positions, cells, out);
    for (std::int64_t m = 0; m < table.n_images; ++m)
        out[static_cast<std::size_t>(4 * m + 3)] = charges[table.atom[m]];
}

void add_screened_pairs(const ImageTable& table, const Quads& places, const double* squared_width,
                        const std::vector<ScreenedCoulomb>& form, const CoulombSums& to) {
    const auto listed = [&](std::int64_t i) {
        const ScreenedCoulomb& own = form[static_cast<std::size_t>(table.structure[i])];
        const std::int64_t n = own.cutoff > 0 ? table.start[i + 1] - table.start[i] : 0;
        return Listed{table.neighbor + table.start[i], n, own};
    };
    const std::vector<double> strains =
        add_centres(0, table.n_atoms, listed, places, squared_width, to);
    for (std::int64_t i = 0; i < table.n_atoms; ++i)
        add_strains(strains, i, i + 1, to.strain + 9 * table.structure[i]);
}

void add_all_pairs(std::int64_t first, std::int64_t last, const Quads& places,
                   const double* squared_width, const CoulombSums& to, double* strain) {
    std::vector<std::int32_t> atoms(static_cast<std::size_t>(last - first));
    for (std::int64_t i = first; i < last; ++i)
        atoms[static_cast<std::size_t>(i - first)] = static_cast<std::int32_t>(i);
    const ScreenedCoulomb bare{everywhere, 0.0, 0.0, 0.0};
    const auto everybody = [&](std::int64_t) { return Listed{atoms.data(), last - first, bare}; };
    add_strains(add_centres(first, last, everybody, places, squared_width, to), 0, last - first,
                strain);
}

}  // namespace miniff
