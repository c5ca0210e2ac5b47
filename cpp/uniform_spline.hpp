/// Cubic splines through values on a uniform grid.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <stdexcept>
#include <vector>

namespace miniff {

/// Coefficients c of c0 + c1 p + c2 p^2 + c3 p^3, p in [0, 1], between neighbouring grid points.
///
/// The slope at a grid point is that of the parabola or quartic through the points around it: five
/// points in the middle, three beside the ends, and two at the ends. Values and slopes at both ends
/// make the cubic. This is how LAMMPS reads tables of embedded atoms.
inline std::vector<std::array<double, 4>> uniform_spline(const std::vector<double>& f) {
    const std::size_t n = f.size();
    if (n < 5) throw std::invalid_argument("a table must have at least 5 values");
    std::vector<double> slope(n);
    slope[0] = f[1] - f[0];
    slope[1] = (f[2] - f[0]) / 2;
    slope[n - 2] = (f[n - 1] - f[n - 3]) / 2;
    slope[n - 1] = f[n - 1] - f[n - 2];
    for (std::size_t m = 2; m + 2 < n; ++m)
        slope[m] = ((f[m - 2] - f[m + 2]) + 8 * (f[m + 1] - f[m - 1])) / 12;
    std::vector<std::array<double, 4>> pieces(n - 1);
    for (std::size_t m = 0; m + 1 < n; ++m) {
        const double rise = f[m + 1] - f[m];
        pieces[m] = {f[m], slope[m], 3 * rise - 2 * slope[m] - slope[m + 1],
                     slope[m] + slope[m + 1] - 2 * rise};
    }
    return pieces;
}

}  // namespace miniff
