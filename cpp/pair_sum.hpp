/// Sums of a pair form over the neighbours of one atom.
#pragma once

#include <cmath>
#include <cstdint>

#include "forms.hpp"
#include "function_set.hpp"

namespace miniff {

/// F = sum_j f(r_ij) over neighbours of one species (or any) with r_ij < cutoff.
template <class Form>
class PairSum final : public Part {
public:
    PairSum(std::int64_t column, std::int32_t neighbor, const Form& form)
        : column_(column), neighbor_(neighbor), form_(form) {}

    double cutoff() const override { return form_.cutoff; }

    void values(const Neighborhood& nb, double* row) const override {
        double sum = 0;
        each(nb, [&](std::int64_t, const double*, double, Radial f) { sum += f.value; });
        row[column_] += sum;
    }

    void vjp(const Neighborhood& nb, const double* weight, double* gradient) const override {
        const double w = weight[column_];
        each(nb, [&](std::int64_t p, const double* d, double r, Radial f) {
            for (int x = 0; x < 3; ++x) gradient[3 * p + x] += w * f.slope * d[x] / r;
        });
    }

    void jvp(const Neighborhood& nb, const double* direction, double* row) const override {
        double sum = 0;
        each(nb, [&](std::int64_t p, const double* d, double r, Radial f) {
            const double* t = direction + 3 * p;
            sum += f.slope * (d[0] * t[0] + d[1] * t[1] + d[2] * t[2]) / r;
        });
        row[column_] += sum;
    }

private:
    template <class Visit>
    void each(const Neighborhood& nb, Visit visit) const {
        const double cutoff2 = form_.cutoff * form_.cutoff;
        for (std::int64_t p = 0; p < nb.count; ++p) {
            if (neighbor_ != any_species && neighbor_ != nb.species_of(p)) continue;
            const double* d = nb.vectors + 3 * p;
            const double r2 = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
            if (!(r2 < cutoff2)) continue;
            const double r = std::sqrt(r2);
            if (r < form_.cutoff) visit(p, d, r, form_(r));
        }
    }

    std::int64_t column_;
    std::int32_t neighbor_;
    Form form_;
};

}  // namespace miniff
