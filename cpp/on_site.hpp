/// An energy every centre has, whatever its neighbours.
#pragma once

#include <cstdint>
#include <memory>

#include "function_set.hpp"

namespace miniff {

/// F = v0
class OnSite final : public Part<double>, public MutualPart {
public:
    OnSite(std::int64_t column, double v0) : column_(column), v0_(v0) {}

    double cutoff() const override { return 0; }
    std::unique_ptr<Worker<double>> worker() const override {
        return std::make_unique<Constant>(*this);
    }
    const MutualPart* mutual() const override { return this; }
    void add(const ImageTable&, const Quads&, std::int64_t, MutualTerms& to) const override {
        to.energy += v0_;
    }

private:
    class Constant final : public Worker<double> {
    public:
        explicit Constant(const OnSite& part) : part_(part) {}

        void begin(const Neighborhood<double>&) override {}
        void values(double* row) override { row[part_.column_] += part_.v0_; }
        void vjp(const double*) override {}
        void jvp(double*) override {}

    private:
        const OnSite& part_;
    };

    std::int64_t column_;
    double v0_;
};

}  // namespace miniff
