/// Formulas of classical potentials: each a struct with the value and slope of one term.
#pragma once

#include <cmath>

namespace miniff {

/// A function of one variable and its derivative there.
struct Radial {
    double value;
    double slope;
};

/// f(r) = 4 epsilon [(sigma/r)^12 - (sigma/r)^6]
struct LennardJones {
    double cutoff;
    double epsilon;
    double sigma;

    Radial operator()(double r) const {
        const double x = sigma / r;
        const double x6 = x * x * x * x * x * x;
        return {4 * epsilon * x6 * (x6 - 1), 24 * epsilon * x6 * (1 - 2 * x6) / r};
    }
};

/// f(r) = epsilon A (B x^-p - x^-q) exp(1/(x - a)), x = r/sigma, cutoff = a sigma
struct StillingerWeber2 {
    double cutoff;
    double epsilon;
    double sigma;
    double gauge_a;
    double gauge_b;
    double p;
    double q;

    Radial operator()(double r) const {
        const double x = r / sigma;
        const double s = 1 / (x - cutoff / sigma);
        const double repulsion = gauge_b * std::pow(x, -p);
        const double attraction = std::pow(x, -q);
        const double damping = epsilon * gauge_a * std::exp(s);
        const double value = repulsion - attraction;
        const double slope = (q * attraction - p * repulsion) / x - value * s * s;
        return {damping * value, damping * slope / sigma};
    }
};

/// f(r1, r2, cos t) = epsilon l (cos t - cos t0)^2 h(r1) h(r2), h = exp(gamma/(r/sigma - a))
struct StillingerWeber3 {
    double cutoff;
    double epsilon;
    double sigma;
    double strength;
    double gamma;
    double cos_theta0;

    Radial radial(double r) const {
        const double s = 1 / (r / sigma - cutoff / sigma);
        const double h = std::exp(gamma * s);
        return {h, -gamma * s * s * h / sigma};
    }
    Radial angular(double cosine) const {
        const double x = cosine - cos_theta0;
        return {epsilon * strength * x * x, 2 * epsilon * strength * x};
    }
};

}  // namespace miniff
