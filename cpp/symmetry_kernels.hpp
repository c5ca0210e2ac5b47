/// The loops behind SymmetryFunctions: one atom's neighbours, already gathered into arrays.
#pragma once

#include <cstdint>

#include "symmetry_functions.hpp"

namespace miniff::kernels {

/// Triples are worked on in batches of about this many, small enough for the first-level cache.
constexpr std::int64_t batch_size = 256;

/// Doubles of scratch that any kernel below may use, for `count` neighbours.
std::int64_t scratch_size(std::int64_t count, std::int64_t n_exponents, std::int64_t n_terms);

/// Fills r, inverse_r and the unit vectors from the vectors that stand in x, y, z.
void normalize(const Shell& shell);

double radial_value(const Shell& shell, Range range, const RadialFunction& f, double* scratch);
/// tx, ty, tz += weight dG/dd
void radial_vjp(const Shell& shell, Range range, const RadialFunction& f, double weight,
                double* scratch);
double radial_jvp(const Shell& shell, Range range, const RadialFunction& f, double* scratch);

void angular_values(const Shell& shell, Range first, Range second, const AngularGroup& group,
                    double* scratch, double* row);
/// tx, ty, tz += sum of weight dG/dd
void angular_vjp(const Shell& shell, Range first, Range second, const AngularGroup& group,
                 const double* weight, double* scratch);
void angular_jvp(const Shell& shell, Range first, Range second, const AngularGroup& group,
                 double* scratch, double* row);

}  // namespace miniff::kernels
