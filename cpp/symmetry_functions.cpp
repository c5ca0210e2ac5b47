#include "symmetry_functions.hpp"

#include <algorithm>

#include "angular_moments.hpp"
#include "angular_narrow.hpp"
#include "angular_wide.hpp"

namespace miniff {

namespace {

/// A block of a wide group, by moments where they pay and keep their digits.
template <class T>
class WideBlock {
public:
    WideBlock(const AngularGroup& group, const AngularBlock& block)
        : block_(block), pairs_(group, block), moments_(group, block) {}

    void begin(const Shell<T>& shell) {
        by_moments_ = moments_.begin(shell);
        if (!by_moments_) pairs_.begin(shell);
    }
    void values(T* row) { by_moments_ ? moments_.values(row) : pairs_.values(row); }
    void vjp(const T* weight) {
        if (!has_weight(block_.entries, weight)) return;
        by_moments_ ? moments_.vjp(weight) : pairs_.vjp(weight);
    }
    void jvp(T* row) { by_moments_ ? moments_.jvp(row) : pairs_.jvp(row); }

private:
    const AngularBlock& block_;
    WideSums<T> pairs_;
    MomentSums<T> moments_;
    bool by_moments_ = false;
};

template <class T>
class SymmetryFunctions final : public Part<T> {
public:
    SymmetryFunctions(const std::vector<RadialFunction>& radial,
                      const std::vector<AngularFunction>& angular) {
        for (const auto& f : radial) {
            cutoff_ = std::max(cutoff_, f.fc.cutoff);
            radial_.push_back(
                {f.column, f.neighbor, f.prefactor, table_.number(f.fc, f.eta, f.shift)});
        }
        for (const auto& f : angular) cutoff_ = std::max(cutoff_, f.fc.cutoff);
        groups_ = make_groups(angular, table_);
    }

    double cutoff() const override { return cutoff_; }
    std::unique_ptr<Worker<T>> worker() const override { return std::make_unique<Sums>(*this); }

private:
    class Sums final : public Worker<T> {
    public:
        explicit Sums(const SymmetryFunctions& set) : set_(set) {
            for (const auto& group : set.groups_)
                if (group.narrow)
                    narrow_.emplace_back(group);
                else
                    for (const auto& block : group.blocks) wide_.emplace_back(group, block);
        }

        void begin(const Neighborhood<T>& nb) override {
            shell_ = make_shell(nb, set_.table_, shell_arena_);
            for (auto& sums : wide_) sums.begin(shell_);
            for (auto& sums : narrow_) sums.begin(shell_);
        }

        void values(T* row) override {
            add_radial(shell_.p, row);
            for (auto& sums : wide_) sums.values(row);
            for (auto& sums : narrow_) sums.values(row);
        }

        void vjp(const T* weight) override {
            begin_gradient(shell_, n_factors());
            for (const auto& f : set_.radial_) {
                if (weight[f.column] == 0) continue;
                const Range range = shell_.nb->of(f.neighbor);
                T* const by_p = shell_.by_p[f.factor];
                const T w = T(f.prefactor) * weight[f.column];
                for (std::int64_t k = range.begin; k < range.end; ++k) by_p[k] += w;
            }
            for (auto& sums : wide_) sums.vjp(weight);
            for (auto& sums : narrow_) sums.vjp(weight);
            finish_gradient(shell_, n_factors());
        }

        void jvp(T* row) override {
            begin_changes(shell_, n_factors());
            add_radial(shell_.by_p, row);
            for (auto& sums : wide_) sums.jvp(row);
            for (auto& sums : narrow_) sums.jvp(row);
        }

    private:
        std::size_t n_factors() const { return set_.table_.factors.size(); }

        /// row[column] += sum over the neighbours of a factor or of its changes
        void add_radial(const Rows<T>& factors, T* row) const {
            for (const auto& f : set_.radial_) {
                const Range range = shell_.nb->of(f.neighbor);
                const T* const p = factors[f.factor];
                Pack<T> total{};
                for (std::int64_t k = range.begin; k < range.end; k += width<T>)
                    total += load(p + k);
                row[f.column] += T(f.prefactor) * sum<T>(total);
            }
        }

        const SymmetryFunctions& set_;
        Arena<T> shell_arena_;
        Shell<T> shell_{};
        std::vector<WideBlock<T>> wide_;
        std::vector<NarrowSums<T>> narrow_;
    };

    FactorTable table_;
    std::vector<RadialSum> radial_;
    std::vector<AngularGroup> groups_;
    double cutoff_ = 0;
};

}  // namespace

template <class T>
std::unique_ptr<Part<T>> symmetry_functions(const std::vector<RadialFunction>& radial,
                                            const std::vector<AngularFunction>& angular) {
    return std::make_unique<SymmetryFunctions<T>>(radial, angular);
}
template std::unique_ptr<Part<double>> symmetry_functions(const std::vector<RadialFunction>&,
                                                          const std::vector<AngularFunction>&);
template std::unique_ptr<Part<float>> symmetry_functions(const std::vector<RadialFunction>&,
                                                         const std::vector<AngularFunction>&);

}  // namespace miniff
