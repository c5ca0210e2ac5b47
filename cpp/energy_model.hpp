/// Energies of whole structures: what every species contributes, summed over centres with forces.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "centre_loop.hpp"
#include "function_set.hpp"
#include "neighborhood_builder.hpp"
#include "network.hpp"
#include "training_set.hpp"

namespace miniff {

/// One thread's workspace of a contribution.
class ContributionWorker {
public:
    virtual ~ContributionWorker() = default;
    /// The energy of centre i, whose gradient is then kept to be asked for.
    virtual double energy(std::int64_t i) = 0;
    virtual void give_gradient(std::int64_t i, ImageGradient& gradient) const = 0;
    /// Of the centre whose energy was asked for last; nan where no training set is known.
    virtual Grade grade() const { return unknown_grade; }

protected:
    static constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    static constexpr Grade unknown_grade{nan, nan};
};

/// An energy of atoms of one species.
class Contribution {
public:
    virtual ~Contribution() = default;
    virtual double cutoff() const = 0;
    virtual std::unique_ptr<ContributionWorker> worker(const ImageTable& table,
                                                       const Quads& places) const = 0;
    /// Its parts, if all are sums over pairs.
    virtual std::vector<const MutualPart*> mutual_parts() const { return {}; }
};

/// e_i = sum_f F[i, f]
std::unique_ptr<Contribution> sum_contribution(std::shared_ptr<const FunctionSet<double>> set);
/// e_i = mean of network(F[i]) over the networks; `training` may be none.
template <class T>
std::unique_ptr<Contribution> network_contribution(std::shared_ptr<const FunctionSet<T>> set,
                                                   std::vector<Network<T>> networks,
                                                   std::shared_ptr<const TrainingSet<T>> training);

/// Where results go.
struct Found {
    double* energies;  // [n_atoms]
    double* gradient;  // [n_atoms, 3]
    double* strain;    // [n_structures, 3, 3]
    double* grades;    // [n_atoms, 2] range and distance; nan where no training set is known
};

/// Contributions by the species of the centre.
class EnergyModel {
public:
    explicit EnergyModel(std::int64_t n_species)
        : of_species_(static_cast<std::size_t>(n_species)) {}
    EnergyModel(const EnergyModel&) = delete;
    EnergyModel& operator=(const EnergyModel&) = delete;

    void add(std::int64_t species, std::unique_ptr<Contribution> contribution);
    std::int64_t n_species() const { return static_cast<std::int64_t>(of_species_.size()); }

    /// Promises that the term of each pair is that of its reverse. Where all contributions are sums
    /// over pairs, every centre then finds its own derivative.
    void set_mutual();

    /// Overwrites what is found. `by_image` is a buffer.
    void evaluate(const ImageTable& table, const Quads& places, const Found& found,
                  Quads& by_image) const;

private:
    using Workers = std::vector<std::vector<std::unique_ptr<ContributionWorker>>>;
    Workers workers(const ImageTable& table, const Quads& places) const;
    void evaluate_mutual(const ImageTable& table, const Quads& places, const Found& found,
                         Quads& strains) const;

    std::vector<std::vector<std::unique_ptr<Contribution>>> of_species_;
    bool mutual_ = false;
    std::vector<std::vector<const MutualPart*>> mutual_of_species_;
};

}  // namespace miniff
