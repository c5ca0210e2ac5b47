/// Sums over neighbours of a term f(r_ij).
#pragma once

#include <memory>

#include "forms.hpp"
#include "function_set.hpp"

namespace miniff {

/// F = sum over the neighbours of one species (or any) within the form's cutoff.
template <class Form>
class PairSum final : public Part<double>, public MutualPart {
public:
    PairSum(std::int64_t column, std::int32_t neighbor, const Form& form)
        : column_(column), neighbor_(neighbor), form_(form) {}

    double cutoff() const override { return form_.cutoff; }
    std::unique_ptr<Worker<double>> worker() const override { return std::make_unique<Sum>(*this); }
    const MutualPart* mutual() const override { return this; }
    void add(const ImageTable& table, const Quads& places, std::int64_t i,
             MutualTerms& to) const override {
        add_mutual_terms(form_, neighbor_, table, places, i, to);
    }

private:
    class Sum final : public Worker<double> {
    public:
        explicit Sum(const PairSum& part) : part_(part) {}

        void begin(const Neighborhood<double>& nb) override { nb_ = &nb; }

        void values(double* row) override {
            Reals total{};
            each([&](std::int64_t, const Reals*, const RadialTerm& f) { total += f.value; });
            row[part_.column_] += sum<double>(total);
        }

        void vjp(const double* weight) override {
            const double w = weight[part_.column_];
            const Neighborhood<double> nb = *nb_;
            each(
                [&](std::int64_t k, const Reals* d, const RadialTerm& f) { pull(nb, k, d, f, w); });
        }

        void both(const double* weight, double* row) override {
            const double w = weight[part_.column_];
            const Neighborhood<double> nb = *nb_;
            Reals total{};
            each([&](std::int64_t k, const Reals* d, const RadialTerm& f) {
                total += f.value;
                pull(nb, k, d, f, w);
            });
            row[part_.column_] += sum<double>(total);
        }

        void jvp(double* row) override {
            Reals total{};
            each([&](std::int64_t k, const Reals* d, const RadialTerm& f) {
                const Reals along =
                    d[0] * load(nb_->gx + k) + d[1] * load(nb_->gy + k) + d[2] * load(nb_->gz + k);
                total += f.slope_over_r * along;
            });
            row[part_.column_] += sum<double>(total);
        }

    private:
        static MINIFF_INLINE void pull(const Neighborhood<double>& nb, std::int64_t k,
                                       const Reals* d, const RadialTerm& f, double weight) {
            const Reals g = weight * f.slope_over_r;
            add_to<double>(nb.gx + k, g * d[0]);
            add_to<double>(nb.gy + k, g * d[1]);
            add_to<double>(nb.gz + k, g * d[2]);
        }

        /// Calls visit(place, vector, term); the term is zero at and beyond the cutoff.
        template <class Visit>
        MINIFF_INLINE void each(Visit visit) const {
            // Copies: what is written through pointers might else have changed them.
            const Neighborhood<double> nb = *nb_;
            const Form form = part_.form_;
            const Range range = nb.of(part_.neighbor_);
            const double cutoff2 = form.cutoff * form.cutoff;
            for (std::int64_t k = range.begin; k < range.end; k += width<double>) {
                const Reals d[3] = {load(nb.x + k), load(nb.y + k), load(nb.z + k)};
                const Reals squared = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
                const Reals r = square_root(squared);
                const RadialTerm f = form({r, squared, 1.0 / r});
                const auto inside = squared < cutoff2;
                visit(k, d,
                      RadialTerm{choose<double>(inside, f.value, Reals{}),
                                 choose<double>(inside, f.slope_over_r, Reals{})});
            }
        }

        const PairSum& part_;
        const Neighborhood<double>* nb_ = nullptr;
    };

    std::int64_t column_;
    std::int32_t neighbor_;
    Form form_;
};

}  // namespace miniff
