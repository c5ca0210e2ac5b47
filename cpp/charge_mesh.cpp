#include "charge_mesh.hpp"

#include <algorithm>
#include <cmath>

namespace miniff {

namespace {

/// Values and slopes of the splines at the points along one direction that an atom touches.
struct Splines {
    double value[highest_order];
    double slope[highest_order];  // by the coordinate in units of points
    std::int64_t point[highest_order];
};

/// Cardinal B-splines by their recursion in the order, for an atom `s` of the way along the cell.
Splines splines_at(double s, std::int64_t size, int order) {
    const double u = (s - std::floor(s)) * static_cast<double>(size);
    const double whole = std::floor(u), f = u - whole;
    Splines out{};
    // After step n, value[m] = M_n(f + n - 1 - m), so that value[m] belongs to point whole - n + 1
    // + m.
    out.value[0] = 1 - f, out.value[1] = f;
    for (int n = 3; n <= order; ++n) {
        if (n == order) {
            out.slope[0] = -out.value[0];
            for (int m = 1; m < n - 1; ++m) out.slope[m] = out.value[m - 1] - out.value[m];
            out.slope[n - 1] = out.value[n - 2];
        }
        const double share = 1.0 / (n - 1);
        out.value[n - 1] = share * f * out.value[n - 2];
        for (int m = n - 2; m > 0; --m) {
            const double x = f + n - 1 - m;
            out.value[m] = share * (x * out.value[m - 1] + (n - x) * out.value[m]);
        }
        out.value[0] *= share * (1 - f);
    }
    for (int m = 0; m < order; ++m) {
        const std::int64_t at = static_cast<std::int64_t>(whole) - order + 1 + m;
        out.point[m] = ((at % size) + size) % size;
    }
    return out;
}

struct Touched {
    Touched(const Mesh& mesh, const double* fractional)
        : x(splines_at(fractional[0], mesh.size[0], mesh.order)),
          y(splines_at(fractional[1], mesh.size[1], mesh.order)),
          z(splines_at(fractional[2], mesh.size[2], mesh.order)) {}
    Splines x, y, z;
};

std::int64_t row_of(const Mesh& mesh, std::int64_t x, std::int64_t y) {
    return (x * mesh.size[1] + y) * mesh.size[2];
}

}  // namespace

void spread_charges(const Mesh& mesh, std::int64_t n_atoms, const double* fractional,
                    const double* charges, double* to) {
    std::fill_n(to, mesh.size[0] * mesh.size[1] * mesh.size[2], 0.0);
    // One thread: the sum has one order for any number of them.
    for (std::int64_t i = 0; i < n_atoms; ++i) {
        const Touched near(mesh, fractional + 3 * i);
        for (int a = 0; a < mesh.order; ++a)
            for (int b = 0; b < mesh.order; ++b) {
                double* const row = to + row_of(mesh, near.x.point[a], near.y.point[b]);
                const double share = charges[i] * near.x.value[a] * near.y.value[b];
                for (int c = 0; c < mesh.order; ++c)
                    row[near.z.point[c]] += share * near.z.value[c];
            }
    }
}

void gather_potential(const Mesh& mesh, std::int64_t n_atoms, const double* fractional,
                      const double* charges, const double* field, double* potential,
                      double* gradient) {
#pragma omp parallel for schedule(static) if (n_atoms > 64)
    for (std::int64_t i = 0; i < n_atoms; ++i) {
        const Touched near(mesh, fractional + 3 * i);
        double value = 0, slope[3] = {};
        for (int a = 0; a < mesh.order; ++a)
            for (int b = 0; b < mesh.order; ++b) {
                const double* const row = field + row_of(mesh, near.x.point[a], near.y.point[b]);
                double along = 0, across = 0;
                for (int c = 0; c < mesh.order; ++c) {
                    const double here = row[near.z.point[c]];
                    along += here * near.z.value[c];
                    across += here * near.z.slope[c];
                }
                value += near.x.value[a] * near.y.value[b] * along;
                slope[0] += near.x.slope[a] * near.y.value[b] * along;
                slope[1] += near.x.value[a] * near.y.slope[b] * along;
                slope[2] += near.x.value[a] * near.y.value[b] * across;
            }
        potential[i] += value;
        for (int x = 0; x < 3; ++x)
            gradient[3 * i + x] = charges[i] * static_cast<double>(mesh.size[x]) * slope[x];
    }
}

}  // namespace miniff
