#include "reciprocal_sum.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "forms.hpp"

namespace miniff {

namespace {

/// exp(2 pi i n s) of every atom for n = 0 ... most, for one of its coordinates.
class Phases {
public:
    Phases(std::int64_t most, std::int64_t n_atoms, std::int64_t padded, const double* fractional)
        : padded_(padded), numbers_(static_cast<std::size_t>(2 * (most + 1) * padded)) {
        std::fill_n(cosine(0), padded, 1.0);
        if (most == 0) return;
        for (std::int64_t i = 0; i < n_atoms; ++i) {
            const double s = fractional[3 * i];
            const double angle = 2 * pi * (s - std::round(s));
            cosine(1)[i] = std::cos(angle), sine(1)[i] = std::sin(angle);
        }
        for (std::int64_t n = 2; n <= most; ++n) {
            const double *a = cosine(n - 1), *b = sine(n - 1), *c = cosine(1), *d = sine(1);
            double *to_cosine = cosine(n), *to_sine = sine(n);
            for (std::int64_t i = 0; i < padded; ++i) {
                to_cosine[i] = a[i] * c[i] - b[i] * d[i];
                to_sine[i] = a[i] * d[i] + b[i] * c[i];
            }
        }
    }

    double* cosine(std::int64_t n) { return numbers_.data() + 2 * n * padded_; }
    double* sine(std::int64_t n) { return cosine(n) + padded_; }
    const double* cosine(std::int64_t n) const { return numbers_.data() + 2 * n * padded_; }
    const double* sine(std::int64_t n) const { return cosine(n) + padded_; }

private:
    static constexpr double pi = 3.14159265358979323846;
    std::int64_t padded_;
    std::vector<double> numbers_;
};

/// The waves of all atoms along each of the three coordinates.
struct AllPhases {
    AllPhases(const Waves& waves, std::int64_t n_atoms, const double* fractional)
        : padded(whole_packs<double>(n_atoms)),
          x(most_of(waves, 0), n_atoms, padded, fractional),
          y(most_of(waves, 1), n_atoms, padded, fractional + 1),
          z(longest(waves), n_atoms, padded, fractional + 2) {}

    /// exp(2 pi i (h s1 + k s2)) of a pack of atoms.
    void of_row(const std::int32_t* hk, std::int64_t i, Reals& a, Reals& b) const {
        const std::int64_t h = hk[0], k = std::abs(hk[1]);
        const Reals xc = load(x.cosine(h) + i), xs = load(x.sine(h) + i);
        const Reals yc = load(y.cosine(k) + i);
        const Reals ys = hk[1] < 0 ? -load(y.sine(k) + i) : load(y.sine(k) + i);
        a = xc * yc - xs * ys;
        b = xc * ys + xs * yc;
    }

    const std::int64_t padded;
    const Phases x, y, z;

private:
    static std::int64_t most_of(const Waves& waves, int which) {
        std::int64_t most = 0;
        for (std::int64_t n = 0; n < waves.n_rows; ++n)
            most = std::max<std::int64_t>(most, std::abs(waves.hk[2 * n + which]));
        return most;
    }
    static std::int64_t longest(const Waves& waves) {
        std::int64_t most = 1;
        for (std::int64_t n = 0; n < waves.n_rows; ++n)
            most = std::max(most, waves.start[n + 1] - waves.start[n]);
        return most - 1;
    }
};

/// Structure factors of l and -l are made of four real sums over atoms, with q exp(i (hx + ky)) =
/// a + i b and exp(i l z) = c + i d: of a c, b d, a d and b c.
struct FourSums {
    double ac, bd, ad, bc;
};

/// So many l at a time have their sums in registers.
constexpr int at_once = 4;

template <int count>
void sum_over_atoms(const Phases& z, std::int64_t first, const std::vector<double>& ab,
                    std::int64_t padded, FourSums* to) {
    const double *c[count], *d[count];
    for (int m = 0; m < count; ++m) c[m] = z.cosine(first + m), d[m] = z.sine(first + m);
    Reals sums[count][4] = {};
    for (std::int64_t i = 0; i < padded; i += width<double>) {
        const Reals a = load(ab.data() + 2 * i), b = load(ab.data() + 2 * i + width<double>);
        for (int m = 0; m < count; ++m) {
            const Reals cosine = load(c[m] + i), sine = load(d[m] + i);
            sums[m][0] += a * cosine;
            sums[m][1] += b * sine;
            sums[m][2] += a * sine;
            sums[m][3] += b * cosine;
        }
    }
    for (int m = 0; m < count; ++m) {
        double own[4];
        sum_four<double>(sums[m], own);
        to[m] = {own[0], own[1], own[2], own[3]};
    }
}

/// What the waves of l and -l weigh in the sum over waves, made of both structure factors.
struct Coefficients {
    double plus_real, plus_imaginary;    // of c and d in what multiplies a: p + r and q - s
    double minus_real, minus_imaginary;  // of d and c in what multiplies b: r - p and q + s
};

Coefficients coefficients_of(const FourSums& f, const double* weight) {
    const double p = weight[0] * (f.ac - f.bd), q = weight[0] * (f.ad + f.bc);
    const double r = weight[1] * (f.ac + f.bd), s = weight[1] * (f.bc - f.ad);
    return {p + r, q - s, r - p, q + s};
}

/// Structure factors: |S|^2 to `power`, and what the second pass needs.
std::vector<Coefficients> structure_factors(const Waves& waves, const AllPhases& phases,
                                            const double* charges, std::int64_t n_atoms,
                                            double* power) {
    std::vector<Coefficients> found(static_cast<std::size_t>(waves.size()));
    std::vector<double> padded_charges(static_cast<std::size_t>(phases.padded));
    std::copy_n(charges, n_atoms, padded_charges.begin());
#pragma omp parallel if (waves.size() > 64)
    {
        std::vector<double> ab(static_cast<std::size_t>(2 * phases.padded));
        std::vector<FourSums> sums(static_cast<std::size_t>(waves.size()));
#pragma omp for schedule(dynamic, 1)
        for (std::int64_t n = 0; n < waves.n_rows; ++n) {
            for (std::int64_t i = 0; i < phases.padded; i += width<double>) {
                Reals a, b;
                phases.of_row(waves.hk + 2 * n, i, a, b);
                const Reals q = load(padded_charges.data() + i);
                store<double>(ab.data() + 2 * i, q * a);
                store<double>(ab.data() + 2 * i + width<double>, q * b);
            }
            const std::int64_t length = waves.start[n + 1] - waves.start[n];
            std::int64_t l = 0;
            for (; l + at_once <= length; l += at_once)
                sum_over_atoms<at_once>(phases.z, l, ab, phases.padded, sums.data() + l);
            for (; l < length; ++l)
                sum_over_atoms<1>(phases.z, l, ab, phases.padded, sums.data() + l);
            for (l = 0; l < length; ++l) {
                const std::int64_t at = waves.start[n] + l;
                const FourSums f = sums[static_cast<std::size_t>(l)];
                const auto square = [](double x) { return x * x; };
                power[2 * at] = square(f.ac - f.bd) + square(f.ad + f.bc);
                power[2 * at + 1] = square(f.ac + f.bd) + square(f.bc - f.ad);
                found[static_cast<std::size_t>(at)] = coefficients_of(f, waves.weight + 2 * at);
            }
        }
    }
    return found;
}

/// The potential of a pack of atoms and its derivatives by their fractional coordinates, the
/// latter without 2 pi.
struct PackSums {
    Reals potential, x, y, z;
};

PackSums sum_over_waves(const Waves& waves, const AllPhases& phases,
                        const std::vector<Coefficients>& coefficients, std::int64_t i) {
    PackSums total{};
    for (std::int64_t n = 0; n < waves.n_rows; ++n) {
        Reals u{}, v{}, by_u{}, by_v{};
        const std::int64_t first = waves.start[n], length = waves.start[n + 1] - first;
        for (std::int64_t l = 0; l < length; ++l) {
            const Coefficients& of = coefficients[static_cast<std::size_t>(first + l)];
            const Reals c = load(phases.z.cosine(l) + i), d = load(phases.z.sine(l) + i);
            const double order = static_cast<double>(l);
            u += c * of.plus_real + d * of.plus_imaginary;
            v += c * of.minus_imaginary + d * of.minus_real;
            by_u += order * (c * of.plus_imaginary - d * of.plus_real);
            by_v += order * (c * of.minus_real - d * of.minus_imaginary);
        }
        Reals a, b;
        phases.of_row(waves.hk + 2 * n, i, a, b);
        const Reals turned = a * v - b * u;
        total.potential += a * u + b * v;
        total.x += static_cast<double>(waves.hk[2 * n]) * turned;
        total.y += static_cast<double>(waves.hk[2 * n + 1]) * turned;
        total.z += a * by_u + b * by_v;
    }
    return total;
}

}  // namespace

void add_waves(const Waves& waves, std::int64_t n_atoms, const double* fractional,
               const double* charges, double* potential, double* gradient, double* power) {
    constexpr double two_pi = 6.283185307179586;
    const AllPhases phases(waves, n_atoms, fractional);
    const std::vector<Coefficients> coefficients =
        structure_factors(waves, phases, charges, n_atoms, power);
#pragma omp parallel for schedule(static) if (phases.padded > 64)
    for (std::int64_t i = 0; i < phases.padded; i += width<double>) {
        const PackSums sums = sum_over_waves(waves, phases, coefficients, i);
        double own[4][width<double>];
        store<double>(own[0], sums.potential);
        store<double>(own[1], sums.x);
        store<double>(own[2], sums.y);
        store<double>(own[3], sums.z);
        const std::int64_t last = std::min<std::int64_t>(width<double>, n_atoms - i);
        for (std::int64_t m = 0; m < last; ++m) {
            potential[i + m] += own[0][m];
            for (int x = 0; x < 3; ++x)
                gradient[3 * (i + m) + x] = two_pi * charges[i + m] * own[x + 1][m];
        }
    }
}

}  // namespace miniff
