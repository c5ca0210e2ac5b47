#include "function_set.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace miniff {

namespace {

/// Centres a thread takes at a time; fewer are not worth waking a second thread.
constexpr std::int64_t chunk = 32;

}  // namespace

FunctionSet::FunctionSet(std::int64_t n_functions) : n_functions_(n_functions) {
    if (n_functions < 0) throw std::invalid_argument("`n_functions` must not be negative");
}

void FunctionSet::add(std::unique_ptr<Part> part) {
    cutoff_ = std::max(cutoff_, part->cutoff());
    parts_.push_back(std::move(part));
}

void FunctionSet::values(const PairTable& table, Centres centres, double* out) const {
#pragma omp parallel for schedule(dynamic, chunk) if (centres.count > chunk)
    for (std::int64_t row = 0; row < centres.count; ++row) {
        double* values = out + row * n_functions_;
        std::fill_n(values, n_functions_, 0.0);
        const Neighborhood nb = table.of(centres.atom[row]);
        for (const auto& part : parts_) part->values(nb, values);
    }
}

void FunctionSet::vjp(const PairTable& table, Centres centres, const double* weight,
                      double* gradient) const {
#pragma omp parallel for schedule(dynamic, chunk) if (centres.count > chunk)
    for (std::int64_t row = 0; row < centres.count; ++row) {
        const std::int64_t i = centres.atom[row];
        const Neighborhood nb = table.of(i);
        for (const auto& part : parts_)
            part->vjp(nb, weight + row * n_functions_, gradient + 3 * table.start[i]);
    }
}

void FunctionSet::jvp(const PairTable& table, Centres centres, const double* direction,
                      double* out) const {
#pragma omp parallel for schedule(dynamic, chunk) if (centres.count > chunk)
    for (std::int64_t row = 0; row < centres.count; ++row) {
        double* derivatives = out + row * n_functions_;
        std::fill_n(derivatives, n_functions_, 0.0);
        const std::int64_t i = centres.atom[row];
        const Neighborhood nb = table.of(i);
        for (const auto& part : parts_) part->jvp(nb, direction + 3 * table.start[i], derivatives);
    }
}

}  // namespace miniff
