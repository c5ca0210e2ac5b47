/// Behler's radial (G2) and angular (G4, G5) symmetry functions of one atom, many at a time.
///
/// Behler, J. Chem. Phys. 134, 074106 (2011). With c = cos t_jik and fc the cutoff function
///   G2 = sum_j exp(-eta (r_ij - rs)^2) fc(r_ij)
///   G5 = 2^(1-zeta) sum_jk (1 + lambda c)^zeta p_j p_k,   p_j = exp(-eta (r_ij - rs)^2) fc(r_ij)
///   G4 = as G5 with one more factor exp(-eta (r_jk - rs)^2) fc(r_jk) in each term.
/// Triples of equal species (or any) are summed over ordered (j, k), of unequal species once.
#pragma once

#include <cstdint>
#include <vector>

#include "cutoff_function.hpp"
#include "function_set.hpp"
#include "symmetry_groups.hpp"

namespace miniff {

struct RadialFunction {
    std::int64_t column;
    std::int32_t neighbor;  // species code or any_species
    double eta;
    double shift;  // rs
    CutoffFunction fc;
};

struct AngularFunction {
    std::int64_t column;
    std::int32_t first;
    std::int32_t second;  // both species codes, or both any_species
    double prefactor;
    double eta;
    double lambda;
    double zeta;
    double shift;
    CutoffFunction fc;
    bool narrow;  // G4: has the factors of r_jk
};

/// A radial function in terms of the set's factors.
struct RadialSum {
    std::int64_t column;
    std::int32_t neighbor;
    std::size_t factor;
};

class SymmetryFunctions final : public Part {
public:
    SymmetryFunctions(const std::vector<RadialFunction>& radial,
                      const std::vector<AngularFunction>& angular);

    double cutoff() const override { return cutoff_; }
    void values(const Neighborhood& nb, double* row) const override;
    void vjp(const Neighborhood& nb, const double* weight, double* gradient) const override;
    void jvp(const Neighborhood& nb, const double* direction, double* row) const override;

private:
    struct Gathered;
    Gathered gather(const Neighborhood& nb, const double* direction) const;
    int bucket_of(std::int32_t species) const;
    void sort_in(const AngularFunction& f);

    FactorTable table_;
    std::vector<RadialSum> radial_;
    std::vector<AngularGroup> groups_;
    std::vector<std::int32_t> buckets_;  // species that some function names
    double cutoff_ = 0;
};

}  // namespace miniff
