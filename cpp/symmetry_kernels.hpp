/// The loops behind SymmetryFunctions: one atom's neighbours, already gathered into arrays.
#pragma once

#include <cstdint>

#include "symmetry_groups.hpp"

namespace miniff::kernels {

/// Length of arrays for `count` neighbours: whole vectors, and one more that rows may run into.
constexpr std::int64_t stride_of(std::int64_t count) {
    return (count + 7) / 4 * 4;
}

/// Doubles of scratch that any kernel below may use.
std::int64_t scratch_size(std::int64_t count, std::size_t n_fcs, std::size_t n_terms);

/// Fills r, inverse_r and the unit vectors from the vectors that stand in x, y, z.
void normalize(const Shell& shell, double cutoff);
/// Fills p and dp.
void evaluate_factors(const Shell& shell, const FactorTable& table, double* scratch);
/// jvp, before all sums: turns the direction in tx, ty, tz into changes, and slopes dp into
/// changes.
void begin_changes(const Shell& shell, std::size_t n_factors);
/// vjp, after all sums: turns the derivatives in tr, tx, ty, tz into dG/dd in tx, ty, tz.
void finish_gradient(const Shell& shell);

/// sum of p or, with dp, of its changes
double sum(Range range, const double* p);
/// tr += weight dp
void add_slopes(const Shell& shell, Range range, double weight, const double* dp);

/// row[column] += G
void angular_values(const Shell& shell, Range first, Range second, const AngularGroup& group,
                    double* scratch, double* row);
/// tr, tx, ty, tz += sum of weight times the derivatives of G
void angular_vjp(const Shell& shell, Range first, Range second, const AngularGroup& group,
                 const double* weight, double* scratch);
/// row[column] += change of G
void angular_jvp(const Shell& shell, Range first, Range second, const AngularGroup& group,
                 double* scratch, double* row);

}  // namespace miniff::kernels
