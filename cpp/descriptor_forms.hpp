/// Formulas of descriptors that end with the cosine cutoff function.
#pragma once

#include "cutoff_function.hpp"
#include "forms.hpp"

namespace miniff {

/// fc(r) = (1 + cos(pi r / cutoff)) / 2 and its slope.
MINIFF_INLINE ValueSlope<double> cosine_cutoff(Reals r, double cutoff) {
    const ValueSlope<double> step = detail::cosine_step<double>(r / cutoff);
    return {step.value, step.slope / cutoff};
}

/// f(r) = fc(r) / (1 + exp((r - r0) / dr))
struct Sigmoid {
    double cutoff;
    double dr;
    double r0;

    RadialTerm operator()(const Distance& at) const {
        // With exp(-|x|) nothing overflows, however small dr is.
        const Reals x = (at.r - r0) / dr;
        const auto beyond = x > 0.0;
        const Reals e = exp_of_negative<double>(choose<double>(beyond, -x, x));
        const Reals part = 1.0 / (1.0 + e);
        const Reals step = choose<double>(beyond, e * part, part);
        const ValueSlope<double> fc = cosine_cutoff(at.r, cutoff);
        return {fc.value * step,
                (fc.slope * step - fc.value * (e * part * part / dr)) * at.inverse};
    }
};

/// h(r) = exp(-eta r^2) fc(r)
struct GaussianLeg {
    double cutoff;
    double eta;

    RadialTerm operator()(const Distance& at) const {
        const ValueSlope<double> fc = cosine_cutoff(at.r, cutoff);
        const Reals gaussian = exp_of_negative<double>(-eta * at.squared);
        return {gaussian * fc.value, gaussian * (fc.slope * at.inverse - 2 * eta * fc.value)};
    }
};

/// f(r1, r2, cos t) = epsilon/4 (cos t - cos t0)^2 h1(r1) h2(r2); Behler 5x is the sum of this and
/// of the same with the legs exchanged.
struct Behler5x {
    using Leg = GaussianLeg;

    double epsilon;
    double cos_theta0;
    Leg first;
    Leg second;

    bool has_equal_legs() const { return first.cutoff == second.cutoff && first.eta == second.eta; }
    AngularPart angular(Reals cosine) const {
        const Reals x = cosine - cos_theta0;
        return {0.25 * epsilon * x * x, 0.5 * epsilon * x};
    }
};

}  // namespace miniff
