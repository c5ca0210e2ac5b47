#include "energy_model.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <utility>

namespace miniff {

namespace {

class SumWorker final : public ContributionWorker {
public:
    SumWorker(const FunctionSet<double>& set, const ImageTable& table, const Quads& places)
        : builder_(table, places, set.cutoff()),
          functions_(set),
          ones_(static_cast<std::size_t>(set.n_functions()), 1.0),
          row_(ones_.size()) {}

    double energy(std::int64_t i) override {
        std::fill(row_.begin(), row_.end(), 0.0);
        functions_.begin(builder_.of(i));
        functions_.both(ones_.data(), row_.data());
        return std::accumulate(row_.begin(), row_.end(), 0.0);
    }
    void give_gradient(std::int64_t i, ImageGradient& gradient) const override {
        gradient.take(builder_, i);
    }

private:
    NeighborhoodBuilder<double> builder_;
    SetWorker<double> functions_;
    std::vector<double> ones_, row_;
};

class Sum final : public Contribution {
public:
    explicit Sum(std::shared_ptr<const FunctionSet<double>> set) : set_(std::move(set)) {}
    double cutoff() const override { return set_->cutoff(); }
    std::unique_ptr<ContributionWorker> worker(const ImageTable& table,
                                               const Quads& places) const override {
        return std::make_unique<SumWorker>(*set_, table, places);
    }
    std::vector<const MutualPart*> mutual_parts() const override {
        std::vector<const MutualPart*> parts;
        for (const auto& part : set_->parts()) parts.push_back(part->mutual());
        return parts;
    }

private:
    std::shared_ptr<const FunctionSet<double>> set_;
};

template <class T>
class NetworkSumWorker final : public ContributionWorker {
public:
    NetworkSumWorker(const FunctionSet<T>& set, const std::vector<Network<T>>& networks,
                     const TrainingSet<T>* training, const ImageTable& table, const Quads& places)
        : training_(training),
          buffer_(static_cast<std::size_t>(training ? training->buffer_size() : 0)),
          builder_(table, places, set.cutoff()),
          functions_(set),
          networks_(networks.begin(), networks.end()),
          row_(static_cast<std::size_t>(set.n_functions())),
          weight_(row_.size()),
          of_one_(row_.size()) {}

    double energy(std::int64_t i) override {
        std::fill(row_.begin(), row_.end(), T(0));
        functions_.begin(builder_.of(i));
        functions_.values(row_.data());
        if (training_) grade_ = training_->grade(row_.data(), buffer_.data());
        const double energy = mean_energy();
        functions_.vjp(weight_.data());
        return energy;
    }
    void give_gradient(std::int64_t i, ImageGradient& gradient) const override {
        gradient.take(builder_, i);
    }
    Grade grade() const override { return grade_; }

private:
    /// Of the networks at the descriptors found; its derivatives by them become the weights.
    double mean_energy() {
        double energy = networks_[0].energy(row_.data(), weight_.data());
        if (networks_.size() == 1) return energy;
        for (std::size_t k = 1; k < networks_.size(); ++k) {
            energy += networks_[k].energy(row_.data(), of_one_.data());
            for (std::size_t f = 0; f < weight_.size(); ++f) weight_[f] += of_one_[f];
        }
        const double share = 1 / static_cast<double>(networks_.size());
        for (T& weight : weight_) weight *= static_cast<T>(share);
        return share * energy;
    }

    const TrainingSet<T>* training_;
    std::vector<T> buffer_;
    Grade grade_ = unknown_grade;
    NeighborhoodBuilder<T> builder_;
    SetWorker<T> functions_;
    std::vector<NetworkWorker<T>> networks_;
    std::vector<T> row_, weight_, of_one_;
};

template <class T>
class NetworkSum final : public Contribution {
public:
    NetworkSum(std::shared_ptr<const FunctionSet<T>> set, std::vector<Network<T>> networks,
               std::shared_ptr<const TrainingSet<T>> training)
        : set_(std::move(set)), networks_(std::move(networks)), training_(std::move(training)) {
        if (networks_.empty()) throw std::invalid_argument("no network is given");
        for (const Network<T>& network : networks_)
            if (network.n_inputs() != set_->n_functions() || network.n_outputs() != 1)
                throw std::invalid_argument(
                    "the network must take one number per function and give one");
        if (training_ && training_->n() != set_->n_functions())
            throw std::invalid_argument("the training set must have the functions of the network");
    }
    double cutoff() const override { return set_->cutoff(); }
    std::unique_ptr<ContributionWorker> worker(const ImageTable& table,
                                               const Quads& places) const override {
        return std::make_unique<NetworkSumWorker<T>>(*set_, networks_, training_.get(), table,
                                                     places);
    }

private:
    std::shared_ptr<const FunctionSet<T>> set_;
    std::vector<Network<T>> networks_;
    std::shared_ptr<const TrainingSet<T>> training_;
};

}  // namespace

std::unique_ptr<Contribution> sum_contribution(std::shared_ptr<const FunctionSet<double>> set) {
    return std::make_unique<Sum>(std::move(set));
}

template <class T>
std::unique_ptr<Contribution> network_contribution(std::shared_ptr<const FunctionSet<T>> set,
                                                   std::vector<Network<T>> networks,
                                                   std::shared_ptr<const TrainingSet<T>> training) {
    return std::make_unique<NetworkSum<T>>(std::move(set), std::move(networks),
                                           std::move(training));
}
template std::unique_ptr<Contribution> network_contribution(
    std::shared_ptr<const FunctionSet<double>>, std::vector<Network<double>>,
    std::shared_ptr<const TrainingSet<double>>);
template std::unique_ptr<Contribution> network_contribution(
    std::shared_ptr<const FunctionSet<float>>, std::vector<Network<float>>,
    std::shared_ptr<const TrainingSet<float>>);

void EnergyModel::add(std::int64_t species, std::unique_ptr<Contribution> contribution) {
    of_species_.at(static_cast<std::size_t>(species)).push_back(std::move(contribution));
}

EnergyModel::Workers EnergyModel::workers(const ImageTable& table, const Quads& places) const {
    Workers workers(of_species_.size());
    for (std::size_t s = 0; s < workers.size(); ++s)
        for (const auto& contribution : of_species_[s])
            workers[s].push_back(contribution->worker(table, places));
    return workers;
}

void EnergyModel::evaluate(const ImageTable& table, const Quads& places, const Found& found,
                           Quads& by_image) const {
    std::fill_n(found.grades, 2 * table.n_atoms, std::numeric_limits<double>::quiet_NaN());
    if (mutual_) return evaluate_mutual(table, places, found, by_image);
    by_image.assign(static_cast<std::size_t>(4 * table.n_images), 0.0);
    for_centres_with_gradient(
        table.n_atoms, by_image, [&] { return workers(table, places); },
        [&](Workers& workers, ImageGradient& gradient_of_images, std::int64_t i) {
            found.energies[i] = 0;
            double* const grades = found.grades + 2 * i;
            for (auto& worker : workers[static_cast<std::size_t>(table.species[i])]) {
                found.energies[i] += worker->energy(i);
                worker->give_gradient(i, gradient_of_images);
                const Grade grade = worker->grade();
                grades[0] = std::fmax(grades[0], grade.range);  // what is known goes before nan
                grades[1] = std::fmax(grades[1], grade.distance);
            }
        });
    fold_images(table, places, by_image, found.gradient, found.strain);
}

void EnergyModel::set_mutual() {
    mutual_of_species_.assign(of_species_.size(), {});
    for (std::size_t s = 0; s < of_species_.size(); ++s)
        for (const auto& contribution : of_species_[s]) {
            const auto parts = contribution->mutual_parts();
            if (parts.empty() || std::count(parts.begin(), parts.end(), nullptr) > 0) return;
            mutual_of_species_[s].insert(mutual_of_species_[s].end(), parts.begin(), parts.end());
        }
    mutual_ = true;
}

void EnergyModel::evaluate_mutual(const ImageTable& table, const Quads& places, const Found& found,
                                  Quads& strains) const {
    strains.resize(static_cast<std::size_t>(6 * table.n_atoms));
#pragma omp parallel for schedule(static) if (table.n_atoms > centres_at_once)
    for (std::int64_t i = 0; i < table.n_atoms; ++i) {
        MutualTerms terms;
        for (const MutualPart* part :
             mutual_of_species_[static_cast<std::size_t>(table.species[i])])
            part->add(table, places, i, terms);
        found.energies[i] = terms.energy;
        std::copy_n(terms.by_centre, 3, found.gradient + 3 * i);
        std::copy_n(terms.strain, 6, strains.data() + 6 * i);
    }
    constexpr int place[3][3] = {{0, 5, 4}, {5, 1, 3}, {4, 3, 2}};
    std::fill_n(found.strain, 9 * table.n_structures, 0.0);
    for (std::int64_t i = 0; i < table.n_atoms; ++i)
        for (int x = 0; x < 3; ++x)
            for (int y = 0; y < 3; ++y)
                found.strain[9 * table.structure[i] + 3 * x + y] +=
                    strains[static_cast<std::size_t>(6 * i + place[x][y])];
}

}  // namespace miniff
