/// How a set of symmetry functions is sorted so that functions share work, and one atom's arrays.
#pragma once

#include <cstdint>
#include <vector>

#include "cutoff_function.hpp"

namespace miniff {

/// p(r) = exp(-eta (r - shift)^2) fc(r): what radial and angular functions are made of.
struct Factor {
    std::size_t fc;  // which cutoff function of the set
    double eta;
    double shift;
};

/// The distinct factors of a set; each is evaluated once for every neighbour.
struct FactorTable {
    std::vector<CutoffFunction> fcs;
    std::vector<Factor> factors;

    /// The number of that factor, which is added if it is new.
    std::size_t number(const CutoffFunction& fc, double eta, double shift);
};

/// (1 + lambda c)^zeta, shared by all functions of a group that have the same two numbers.
struct AngularTerm {
    double lambda;
    double zeta;
    bool integer() const { return zeta == static_cast<int>(zeta) && zeta <= 256; }
};

/// One column: which term of the group it takes, and its prefactor.
struct AngularEntry {
    std::int64_t column;
    std::size_t term;
    double scale;  // prefactor 2^(1-zeta), doubled where one unordered pair stands for two ordered
                   // ones
};

/// Functions of a group with the same exponent: their p_j are the same.
struct Exponent {
    double eta;
    std::size_t factor;
    std::vector<AngularEntry> entries;
};

/// The common case: one or two lambdas within [-1, 1], and every zeta 1, 2, 4, 8 or 16.
struct PowerLayout {
    static constexpr int n_powers = 5;
    int n_lambdas = 0;  // 0: this is not the common case
    double lambda[2] = {0, 0};
    std::vector<int> slot;  // [n_terms] n_powers * (which lambda) + log2(zeta)
};

/// Functions that share neighbours, cutoff, shift and form: the same triples serve all of them.
struct AngularGroup {
    std::int32_t first;
    std::int32_t second;
    double shift;
    CutoffFunction fc;
    bool narrow;
    std::vector<Exponent> exponents;
    std::vector<AngularTerm> terms;
    PowerLayout powers;

    bool one_list() const { return first == second; }
};

/// A range of neighbours after they have been sorted by species.
struct Range {
    std::int64_t begin;
    std::int64_t end;
};

/// The neighbours of one atom as arrays, sorted by species, and what is computed for each.
///
/// Arrays are `stride` long. What stands beyond `count` lies on the cutoff and counts for nothing;
/// it is there so that loops over whole vectors of the processor may run over the end.
struct Shell {
    std::int64_t count;
    std::int64_t stride;
    double *x, *y, *z;      // unit vectors
    double *r, *inverse_r;  // distances
    // vjp: derivatives by distance and by unit vector; jvp: changes of distance and unit vector.
    double *tr, *tx, *ty, *tz;
    double *p, *dp;      // [n_factors, stride] factors; slopes (jvp: changes)
    std::int64_t* pair;  // place in the neighbourhood
};

}  // namespace miniff
