/// The screened repulsion of nuclei of Ziegler, Biersack and Littmark.
#pragma once

#include <cmath>

#include "forms.hpp"

namespace miniff {

/// f(r) = V(r) + S(r) with V(r) = k z1 z2 phi(r/u) / r, u = screening_length / (z1^0.23 + z2^0.23)
/// and phi(x) = sum_n c_n exp(-d_n x).
///
/// With t = max(r - inner, 0), S = A t^3/3 + B t^4/4 + C, chosen such that f, f' and f'' vanish at
/// the cutoff.
class Zbl {
public:
    const double cutoff;

    Zbl(double cutoff_, double z1, double z2, double inner, double coulomb, double screening)
        : cutoff(cutoff_), inner_(inner) {
        const double u = screening / (std::pow(z1, 0.23) + std::pow(z2, 0.23));
        double value = 0, slope = 0, curvature = 0;  // of V at the cutoff
        for (int n = 0; n < n_terms; ++n) {
            strength_[n] = coulomb * z1 * z2 * weight[n];
            rate_[n] = decay[n] / u;
            const double term = strength_[n] * std::exp(-rate_[n] * cutoff) / cutoff;
            const double s = rate_[n] + 1 / cutoff;
            value += term;
            slope -= term * s;
            curvature += term * (s * s + 1 / (cutoff * cutoff));
        }
        const double width = cutoff - inner;
        cubic_ = (width * curvature - 3 * slope) / (width * width);
        quartic_ = (2 * slope - width * curvature) / (width * width * width);
        constant_ = width / 2 * slope - width * width / 12 * curvature - value;
    }

    RadialTerm operator()(const Distance& at) const {
        Reals value{}, slope{};
        for (int n = 0; n < n_terms; ++n) {
            const Reals term =
                strength_[n] * at.inverse * exp_of_negative<double>(-rate_[n] * at.r);
            value += term;
            slope -= term * (rate_[n] + at.inverse);
        }
        const Reals beyond = at.r - inner_;
        const Reals t = choose<double>(beyond > 0.0, beyond, Reals{});
        value += t * t * t * (cubic_ / 3 + quartic_ / 4 * t) + constant_;
        slope += t * t * (cubic_ + quartic_ * t);
        return {value, slope * at.inverse};
    }

private:
    static constexpr int n_terms = 4;
    static constexpr double weight[n_terms] = {0.18175, 0.50986, 0.28022, 0.02817};
    static constexpr double decay[n_terms] = {3.19980, 0.94229, 0.40290, 0.20162};

    double inner_;
    double strength_[n_terms], rate_[n_terms];
    double cubic_, quartic_, constant_;
};

}  // namespace miniff
