/// Energies of an atom that are no sums over terms: all derivatives come from one evaluation.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "forms.hpp"
#include "function_set.hpp"
#include "shell.hpp"

namespace miniff {

/// Derivatives of one energy by the pair vectors of a neighbourhood.
struct PairGradient {
    double *x, *y, *z;  // [size]
};

/// F = energy of a form. Its `Evaluation`, made of the form, has `begin(nb)`, `energy()` and
/// `energy(gradient)`, which overwrites the gradient.
template <class Form>
class ManyBody final : public Part<double> {
public:
    ManyBody(std::int64_t column, Form form) : column_(column), form_(std::move(form)) {}

    double cutoff() const override { return form_.cutoff(); }
    std::unique_ptr<Worker<double>> worker() const override {
        return std::make_unique<Energy>(column_, form_);
    }

private:
    class Energy final : public Worker<double> {
    public:
        Energy(std::int64_t column, const Form& form) : column_(column), evaluation_(form) {}

        void begin(const Neighborhood<double>& nb) override {
            nb_ = nb;
            arena_.clear(3 * nb.size());
            gradient_ = {arena_.take(nb.size()), arena_.take(nb.size()), arena_.take(nb.size())};
            evaluation_.begin(nb);
        }

        void values(double* row) override { row[column_] += evaluation_.energy(); }

        void vjp(const double* weight) override { pull(weight); }

        void both(const double* weight, double* row) override { row[column_] += pull(weight); }

        void jvp(double* row) override {
            evaluation_.energy(gradient_);
            Reals total{};
            for (std::int64_t k = 0; k < nb_.size(); k += width<double>)
                total += load(gradient_.x + k) * load(nb_.gx + k) +
                         load(gradient_.y + k) * load(nb_.gy + k) +
                         load(gradient_.z + k) * load(nb_.gz + k);
            row[column_] += sum<double>(total);
        }

    private:
        double pull(const double* weight) {
            const double energy = evaluation_.energy(gradient_), w = weight[column_];
            for (std::int64_t k = 0; k < nb_.size(); k += width<double>) {
                add_to<double>(nb_.gx + k, w * load(gradient_.x + k));
                add_to<double>(nb_.gy + k, w * load(gradient_.y + k));
                add_to<double>(nb_.gz + k, w * load(gradient_.z + k));
            }
            return energy;
        }

        const std::int64_t column_;
        typename Form::Evaluation evaluation_;
        Neighborhood<double> nb_{};
        Arena<double> arena_;
        PairGradient gradient_{};
    };

    std::int64_t column_;
    Form form_;
};

}  // namespace miniff
