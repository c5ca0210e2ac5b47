/// The terms (1 + lambda c)^zeta for any lambda and zeta: stored for a batch, then summed.
///
/// The common case, which needs no storing, is in angular_powers.hpp.
#pragma once

#include "angular_batch.hpp"

namespace miniff::kernels {

class StoredTerms {
public:
    MINIFF_INLINE StoredTerms(Arena& arena, const AngularGroup& group, const Batch& batch)
        : group_(group), capacity_(batch.capacity) {
        const auto n_terms = static_cast<std::int64_t>(group.terms.size());
        base_ = arena.take(capacity_);
        weighted_ = arena.take(capacity_);
        value_ = arena.take(n_terms * capacity_);
        slope_ = arena.take(n_terms * capacity_);
    }

    /// Fills the terms of a new batch.
    MINIFF_INLINE void begin(const Batch& batch) {
        for (std::size_t u = 0; u < group_.terms.size(); ++u)
            fill(group_.terms[u], batch, value_ + u * capacity_, slope_ + u * capacity_);
    }

    /// row[column] += scale sum_t product term, for N exponents from e on.
    template <std::size_t N>
    MINIFF_INLINE void add_values(const Batch& batch, std::size_t e, double* row) const {
        for (std::size_t u = 0; u < N; ++u)
            contract(group_.exponents[e + u], value_, batch.product[u], batch.n, row);
    }

    /// q = sum of weight terms and by_cosine += product times their slopes, for N exponents.
    template <std::size_t N>
    MINIFF_INLINE void weigh(const Batch& batch, std::size_t e, const double* weight) const {
        for (std::size_t u = 0; u < N; ++u) {
            expand(group_.exponents[e + u], value_, weight, batch.n, batch.q[u]);
            expand(group_.exponents[e + u], slope_, weight, batch.n, weighted_);
            const double *product = batch.product[u], *inside = batch.inside;
            double* MINIFF_RESTRICT q = batch.q[u];
            double* MINIFF_RESTRICT by_cosine = batch.by_cosine;
#pragma omp simd
            for (std::int64_t t = 0; t < batch.n; ++t) {
                q[t] *= inside[t];
                by_cosine[t] += product[t] * weighted_[t];
            }
        }
    }

    /// row[column] += scale sum_t (change of product) term + product (change of term).
    template <std::size_t N>
    MINIFF_INLINE void add_changes(const Batch& batch, std::size_t e, double* row) const {
        for (std::size_t u = 0; u < N; ++u) {
            const double* product = batch.product[u];
            double* MINIFF_RESTRICT turned = weighted_;
#pragma omp simd
            for (std::int64_t t = 0; t < batch.n; ++t) turned[t] = product[t] * batch.dcosine[t];
            contract(group_.exponents[e + u], value_, batch.q[u], batch.n, row);
            contract(group_.exponents[e + u], slope_, turned, batch.n, row);
        }
    }

private:
    /// (1 + lambda c)^zeta and its slope by c for one term of the group.
    MINIFF_INLINE void fill(const AngularTerm& term, const Batch& batch,
                            double* MINIFF_RESTRICT value, double* MINIFF_RESTRICT slope) {
        const double* cosine = batch.cosine;
        double* const base = base_;
#pragma omp simd
        for (std::int64_t t = 0; t < batch.n; ++t) {
            const double x = 1 + term.lambda * cosine[t];
            base[t] = x > 0 ? x : 0.0;
        }
        if (term.integer())
            integer_power(base, static_cast<int>(term.zeta) - 1, batch.n, value, slope);
        else
            for (std::int64_t t = 0; t < batch.n; ++t) slope[t] = std::pow(base[t], term.zeta - 1);
        const double factor = term.zeta * term.lambda;
#pragma omp simd
        for (std::int64_t t = 0; t < batch.n; ++t) {
            value[t] = slope[t] * base[t];
            slope[t] *= factor;
        }
    }

    /// row[column] += scale sum_t weight[t] term[t], four entries at a time.
    MINIFF_INLINE void contract(const Exponent& exponent, const double* terms, const double* weight,
                                std::int64_t n, double* row) const {
        const auto& entries = exponent.entries;
        std::size_t e = 0;
        for (; e + 4 <= entries.size(); e += 4) {
            const double* four[4];
            for (int u = 0; u < 4; ++u) four[u] = terms + entries[e + u].term * capacity_;
            double sums[4];
            dot4(weight, four, n, sums);
            for (int u = 0; u < 4; ++u)
                row[entries[e + u].column] += entries[e + u].scale * sums[u];
        }
        for (; e < entries.size(); ++e)
            row[entries[e].column] +=
                entries[e].scale * dot(weight, terms + entries[e].term * capacity_, n);
    }

    /// out[t] = sum over the entries of weight scale term[t]: the transpose of `contract`.
    MINIFF_INLINE void expand(const Exponent& exponent, const double* terms, const double* weight,
                              std::int64_t n, double* MINIFF_RESTRICT out) const {
        for (std::int64_t t = 0; t < n; ++t) out[t] = 0;
        const auto& entries = exponent.entries;
        std::size_t e = 0;
        for (; e + 4 <= entries.size(); e += 4) {
            const double* four[4];
            double factors[4];
            for (int u = 0; u < 4; ++u) {
                four[u] = terms + entries[e + u].term * capacity_;
                factors[u] = weight[entries[e + u].column] * entries[e + u].scale;
            }
            add_scaled4(factors, four, n, out);
        }
        for (; e < entries.size(); ++e)
            add_scaled(weight[entries[e].column] * entries[e].scale,
                       terms + entries[e].term * capacity_, n, out);
    }

    const AngularGroup& group_;
    const std::int64_t capacity_;
    double *base_, *weighted_;
    double *value_, *slope_;  // [n_terms, capacity] (1 + lambda c)^zeta and its d/dc
};

}  // namespace miniff::kernels
