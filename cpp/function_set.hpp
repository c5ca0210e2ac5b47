/// Environment functions F[i, f]: functions of the pair vectors of centre atom i.
///
/// Whatever is local is written as a `Part` for one centre atom; `FunctionSet` runs its parts over
/// the centres of a pair table, each thread writing only what belongs to its own centres, so that
/// the result does not depend on the number of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "pair_table.hpp"

namespace miniff {

/// Species code that matches every neighbour.
constexpr std::int32_t any_species = -1;

/// One or more functions of a neighbourhood. All results are added to what is there.
class Part {
public:
    virtual ~Part() = default;
    virtual double cutoff() const = 0;
    /// row[f] += F_f
    virtual void values(const Neighborhood& nb, double* row) const = 0;
    /// gradient[p, :] += sum_f weight[f] dF_f/dd_p
    virtual void vjp(const Neighborhood& nb, const double* weight, double* gradient) const = 0;
    /// row[f] += sum_p dF_f/dd_p . direction[p, :]
    virtual void jvp(const Neighborhood& nb, const double* direction, double* row) const = 0;
};

/// The centre atoms that rows stand for, in the order of the rows.
struct Centres {
    std::int64_t count;
    const std::int64_t* atom;  // [count]
};

class FunctionSet {
public:
    explicit FunctionSet(std::int64_t n_functions);
    FunctionSet(const FunctionSet&) = delete;
    FunctionSet& operator=(const FunctionSet&) = delete;

    void add(std::unique_ptr<Part> part);
    std::int64_t n_functions() const { return n_functions_; }
    double cutoff() const { return cutoff_; }

    /// out[row, f] = F[centre of row, f]
    void values(const PairTable& table, Centres centres, double* out) const;
    /// gradient[p, :] += sum_f weight[row, f] dF[centre, f]/dd_p
    void vjp(const PairTable& table, Centres centres, const double* weight, double* gradient) const;
    /// out[row, f] = derivative of F along direction [n_pairs, 3]
    void jvp(const PairTable& table, Centres centres, const double* direction, double* out) const;

private:
    std::int64_t n_functions_;
    double cutoff_ = 0;
    std::vector<std::unique_ptr<Part>> parts_;
};

}  // namespace miniff
