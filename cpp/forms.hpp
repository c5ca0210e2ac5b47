/// Formulas of classical potentials: each a struct with the value and slope of one term.
#pragma once

#include <cmath>

#include "elementary.hpp"

namespace miniff {

/// As many numbers as the processor takes at once; write formulas as for one number.
using Reals = Pack<double>;

/// Where a radial term is evaluated; what a formula does not use costs nothing.
struct Distance {
    Reals r;
    Reals squared;
    Reals inverse;
};

/// A term, and its derivative by r divided by r.
struct RadialTerm {
    Reals value;
    Reals slope_over_r;
};

/// A function of the cosine, and its derivative by it.
struct AngularPart {
    Reals value;
    Reals slope;
};

/// x^p, by multiplication where p is a small integer.
class Power {
public:
    explicit Power(double p) : p_(p), integer_(p == std::floor(p) && p >= 0 && p <= 64) {}

    Reals operator()(Reals x) const {
        if (integer_) return integer_power<double>(x, static_cast<int>(p_));
#if MINIFF_PACK_BYTES
        for (int l = 0; l < width<double>; ++l) x[l] = std::pow(x[l], p_);
        return x;
#else
        return std::pow(x, p_);
#endif
    }
    double exponent() const { return p_; }

private:
    double p_;
    bool integer_;
};

/// f(r) = 4 epsilon [(sigma/r)^12 - (sigma/r)^6]
struct LennardJones {
    double cutoff;
    double epsilon;
    double sigma;

    RadialTerm operator()(const Distance& at) const {
        const Reals inverse2 = 1.0 / at.squared;
        const Reals x2 = sigma * sigma * inverse2;
        const Reals x6 = x2 * x2 * x2;
        return {4 * epsilon * x6 * (x6 - 1.0), 24 * epsilon * x6 * (1.0 - 2.0 * x6) * inverse2};
    }
};

/// f(r) = epsilon (r - a)^2 / (2 a^2), a = cutoff
struct HarmonicRepulsion {
    double cutoff;
    double epsilon;

    RadialTerm operator()(const Distance& at) const {
        const Reals x = at.r / cutoff - 1.0;
        return {0.5 * epsilon * x * x, epsilon / cutoff * x * at.inverse};
    }
};

/// f(r) = d0 [exp(-2 alpha (r - r0)) - 2 exp(-alpha (r - r0))]
struct Morse {
    double cutoff;
    double d0;
    double alpha;
    double r0;

    RadialTerm operator()(const Distance& at) const {
        const Reals e = exponential<double>(-alpha * (at.r - r0));
        return {d0 * e * (e - 2.0), 2 * d0 * alpha * e * (1.0 - e) * at.inverse};
    }
};

/// f(r) = A exp(-r/rho) - C/r^6
struct Buckingham {
    double cutoff;
    double amplitude;
    double rho;
    double c;

    RadialTerm operator()(const Distance& at) const {
        const Reals inverse2 = at.inverse * at.inverse;
        const Reals repulsion = amplitude * exp_of_negative<double>(-at.r / rho);
        const Reals attraction = c * inverse2 * inverse2 * inverse2;
        return {repulsion - attraction, 6.0 * attraction * inverse2 - repulsion / rho * at.inverse};
    }
};

/// f(r) = epsilon A (B x^-p - x^-q) exp(1/(x - a)), x = r/sigma, cutoff = a sigma
struct StillingerWeber2 {
    double cutoff;
    double epsilon;
    double sigma;
    double gauge_a;
    double gauge_b;
    Power p;
    Power q;

    StillingerWeber2(double cutoff_, double epsilon_, double sigma_, double gauge_a_,
                     double gauge_b_, double p_, double q_)
        : cutoff(cutoff_),
          epsilon(epsilon_),
          sigma(sigma_),
          gauge_a(gauge_a_),
          gauge_b(gauge_b_),
          p(p_),
          q(q_) {}

    RadialTerm operator()(const Distance& at) const {
        const Reals y = sigma * at.inverse;  // 1 / x
        const Reals s = sigma / (at.r - cutoff);
        const Reals repulsion = gauge_b * p(y);
        const Reals attraction = q(y);
        const Reals damping = epsilon * gauge_a * exp_of_negative<double>(s);
        const Reals value = repulsion - attraction;
        const Reals slope =
            (q.exponent() * attraction - p.exponent() * repulsion) * y - value * s * s;
        return {damping * value, damping * slope * at.inverse / sigma};
    }
};

/// h(r) = exp(gamma/(r/sigma - a)), cutoff = a sigma
struct StillingerWeberLeg {
    double cutoff;
    double sigma;
    double gamma;

    RadialTerm operator()(const Distance& at) const {
        const Reals s = sigma / (at.r - cutoff);
        const Reals h = exp_of_negative<double>(gamma * s);
        return {h, -gamma * s * s * h * at.inverse / sigma};
    }
};

/// f(r1, r2, cos t) = epsilon l (cos t - cos t0)^2 h1(r1) h2(r2)
struct StillingerWeber3 {
    using Leg = StillingerWeberLeg;

    double epsilon;
    double strength;
    double cos_theta0;
    Leg first;
    Leg second;

    bool has_equal_legs() const {
        return first.cutoff == second.cutoff && first.sigma == second.sigma &&
               first.gamma == second.gamma;
    }
    AngularPart angular(Reals cosine) const {
        const Reals x = cosine - cos_theta0;
        return {epsilon * strength * x * x, 2 * epsilon * strength * x};
    }
};

}  // namespace miniff
