/// How a set of symmetry functions is sorted so that functions share work.
#pragma once

#include <cmath>
#include <cstdint>
#include <tuple>
#include <vector>

#include "cutoff_function.hpp"

namespace miniff {

struct RadialFunction {
    std::int64_t column;
    std::int32_t neighbor;  // species code or any_species
    double prefactor;
    double eta;
    double shift;  // rs
    CutoffFunction fc;
};

/// (1 + lambda c)^zeta, shared by all functions of a group that have the same two numbers; or a
/// window of the angle, which has neither.
struct AngularTerm {
    double lambda = 0;
    double zeta = 0;
    AngleWindow window = {};

    bool is_window() const { return window.inverse_width > 0; }
    bool integer() const { return !is_window() && zeta == static_cast<int>(zeta); }
    /// What brings the greatest value to about 1, by convention.
    double norm() const { return is_window() ? 1 : std::pow(2.0, 1 - zeta); }
    /// The slope by c is this times (1 + lambda c)^(zeta - 1), or times that of the window.
    double slope_factor() const { return is_window() ? 1 : zeta * lambda; }
    bool operator==(const AngularTerm& o) const {
        return lambda == o.lambda && zeta == o.zeta && window == o.window;
    }
    /// Terms of one lambda follow each other with rising zeta.
    bool operator<(const AngularTerm& o) const {
        const auto key = [](const AngularTerm& t) {
            return std::make_tuple(t.lambda, t.zeta, t.window.type, t.window.centre,
                                   t.window.inverse_width);
        };
        return key(*this) < key(o);
    }
};

struct AngularFunction {
    std::int64_t column;
    std::int32_t first;
    std::int32_t second;  // both species codes, or both any_species
    double prefactor;
    double eta;
    AngularTerm term;
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
    double prefactor;
    std::size_t factor;
};

/// One column, with prefactor and norm; where one unordered pair of neighbours stands for two
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
/// group's block have one zeta in common, or are all windows.
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
    std::vector<AngularTerm> terms;   // sorted
    std::vector<AngularBlock> blocks;

    bool one_list() const { return first == second; }
};

/// Sorts angular functions into groups and their factors into the table.
std::vector<AngularGroup> make_groups(const std::vector<AngularFunction>& functions,
                                      FactorTable& table);

}  // namespace miniff
