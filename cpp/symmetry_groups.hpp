/// How a set of symmetry functions is sorted so that functions share work.
#pragma once

#include <cstdint>
#include <vector>

#include "cutoff_function.hpp"

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

    /// The number of a cutoff function, or of a factor, which is added if it is new.
    std::size_t number(const CutoffFunction& fc);
    std::size_t number(const CutoffFunction& fc, double eta, double shift);
};

/// A radial function in terms of the set's factors.
struct RadialSum {
    std::int64_t column;
    std::int32_t neighbor;
    std::size_t factor;
};

/// (1 + lambda c)^zeta, shared by all functions of a group that have the same two numbers.
struct AngularTerm {
    double lambda;
    double zeta;

    bool integer() const { return zeta == static_cast<int>(zeta); }
    bool operator==(const AngularTerm& o) const { return lambda == o.lambda && zeta == o.zeta; }
};

/// One column, with prefactor 2^(1-zeta); where one unordered pair of neighbours stands for two
/// ordered ones, doubled.
struct AngularEntry {
    std::int64_t column;
    double scale;
};

/// Whether any of the entries has a weight.
template <class T>
bool has_weight(const std::vector<AngularEntry>& entries, const T* weight) {
    for (const AngularEntry& entry : entries)
        if (weight[entry.column] != 0) return true;
    return false;
}

/// Exponents that all come with the same terms: a full matrix of functions. The terms of a wide
/// group's block have one zeta in common.
struct AngularBlock {
    std::vector<std::size_t> exponents;  // places in the group's list
    std::vector<std::size_t> terms;      // places in the group's list
    std::vector<AngularEntry> entries;   // [n_exponents, n_terms]
};

/// exp(-eta r^2) is made from that of exponent `base` by an integer power where that is cheaper.
struct Exponent {
    double eta;
    std::size_t factor = 0;  // p_j, of a wide group
    std::size_t base = 0;
    int power = 0;  // 0: it has an exponential of its own
};

/// Functions that share neighbours, cutoff, shift and form: the same triples serve all of them.
struct AngularGroup {
    std::int32_t first;
    std::int32_t second;
    double shift;
    CutoffFunction fc;
    std::size_t fc_place;  // among the set's cutoff functions
    bool narrow;
    std::vector<Exponent> exponents;  // rising
    std::vector<AngularTerm> terms;   // sorted by lambda, then zeta
    std::vector<AngularBlock> blocks;

    bool one_list() const { return first == second; }
};

/// Sorts angular functions into groups and their factors into the table.
std::vector<AngularGroup> make_groups(const std::vector<AngularFunction>& functions,
                                      FactorTable& table);

}  // namespace miniff
