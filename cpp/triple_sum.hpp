/// Sums over pairs of neighbours of f = angular(cos t_jik) radial(r_ij) radial(r_ik).
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "forms.hpp"
#include "function_set.hpp"

namespace miniff {

/// F = sum over ordered (j, k), j != k, j of the first and k of the second species.
///
/// Equal species (or any) count every unordered pair twice; it is summed once and doubled.
template <class Form>
class TripleSum final : public Part {
public:
    TripleSum(std::int64_t column, std::int32_t first, std::int32_t second, const Form& form)
        : column_(column), first_(first), second_(second), form_(form) {}

    double cutoff() const override { return form_.cutoff; }

    void values(const Neighborhood& nb, double* row) const override {
        double sum = 0;
        each(collect(nb), [&](const Leg& j, const Leg& k, double cosine) {
            sum += form_.angular(cosine).value * j.h.value * k.h.value;
        });
        row[column_] += multiplicity() * sum;
    }

    void vjp(const Neighborhood& nb, const double* weight, double* gradient) const override {
        const double w = multiplicity() * weight[column_];
        each(collect(nb), [&](const Leg& j, const Leg& k, double cosine) {
            const Radial angular = form_.angular(cosine);
            const double bend = w * angular.slope * j.h.value * k.h.value;
            const double stretch_j = w * angular.value * j.h.slope * k.h.value;
            const double stretch_k = w * angular.value * j.h.value * k.h.slope;
            double* g_j = gradient + 3 * j.pair;
            double* g_k = gradient + 3 * k.pair;
            for (int x = 0; x < 3; ++x) {
                g_j[x] += stretch_j * j.unit[x] + bend * (k.unit[x] - cosine * j.unit[x]) / j.r;
                g_k[x] += stretch_k * k.unit[x] + bend * (j.unit[x] - cosine * k.unit[x]) / k.r;
            }
        });
    }

    void jvp(const Neighborhood& nb, const double* direction, double* row) const override {
        double sum = 0;
        each(collect(nb), [&](const Leg& j, const Leg& k, double cosine) {
            const Radial angular = form_.angular(cosine);
            const double* t_j = direction + 3 * j.pair;
            const double* t_k = direction + 3 * k.pair;
            const double dr_j = dot(j.unit, t_j);
            const double dr_k = dot(k.unit, t_k);
            const double dcos =
                (dot(k.unit, t_j) - cosine * dr_j) / j.r + (dot(j.unit, t_k) - cosine * dr_k) / k.r;
            sum += angular.slope * dcos * j.h.value * k.h.value +
                   angular.value * (j.h.slope * dr_j * k.h.value + j.h.value * k.h.slope * dr_k);
        });
        row[column_] += multiplicity() * sum;
    }

private:
    /// A neighbour within the cutoff: its unit vector, distance and radial factor.
    struct Leg {
        std::int64_t pair;
        double r;
        double unit[3];
        Radial h;
    };
    struct Legs {
        std::vector<Leg> first;
        std::vector<Leg> second;  // empty where it equals the first
    };

    static double dot(const double* a, const double* b) {
        return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    }
    bool one_list() const { return first_ == second_; }
    double multiplicity() const { return one_list() ? 2 : 1; }

    const Legs& collect(const Neighborhood& nb) const {
        thread_local Legs legs;
        legs.first.clear();
        legs.second.clear();
        for (std::int64_t p = 0; p < nb.count; ++p) {
            const double* d = nb.vectors + 3 * p;
            const double r = std::sqrt(dot(d, d));
            if (!(r < form_.cutoff)) continue;
            const bool is_first = first_ == any_species || first_ == nb.species_of(p);
            const bool is_second = !one_list() && second_ == nb.species_of(p);
            if (!is_first && !is_second) continue;
            const Leg leg{p, r, {d[0] / r, d[1] / r, d[2] / r}, form_.radial(r)};
            if (is_first) legs.first.push_back(leg);
            if (is_second) legs.second.push_back(leg);
        }
        return legs;
    }

    template <class Visit>
    void each(const Legs& legs, Visit visit) const {
        for (std::size_t a = 0; a < legs.first.size(); ++a) {
            const Leg& j = legs.first[a];
            const std::vector<Leg>& partners = one_list() ? legs.first : legs.second;
            for (std::size_t b = one_list() ? a + 1 : 0; b < partners.size(); ++b)
                visit(j, partners[b], dot(j.unit, partners[b].unit));
        }
    }

    std::int64_t column_;
    std::int32_t first_;
    std::int32_t second_;
    Form form_;
};

}  // namespace miniff
