/// Small networks while they are trained: outputs, their derivatives by the features, and what a
/// loss of both changes by with the parameters.
///
///     a_0 = (F - offset) factor     z_l = W_l a_(l-1) + b_l     a_l = f(z_l)     e = w . a_n + b
///     u_n = w     u_(l-1) = W_l^T (f'(z_l) u_l)                g = slope u_0, a multiple of de/dF
///
/// For numbers alpha and vectors c, the sum over rows of alpha e + c . g is differentiated by all
/// parameters: c is carried forward as a change of a_0, then both are taken back.
///
/// T is the precision of the layers; a_0 is formed, and sums over rows are made, in double.
#pragma once

#include <cstdint>
#include <vector>

namespace miniff {

/// Activations whose derivatives follow from their values.
enum class TrainedActivation { tanh, sigmoid };

/// The form of a network: numbers of each layer, from the inputs to the last before the output.
struct NetworkForm {
    std::vector<std::int64_t> widths;
    TrainedActivation activation;

    std::int64_t n_inputs() const { return widths.front(); }
    /// W and b of each layer, row by row, then w and b of the output.
    std::int64_t n_parameters() const;
};

/// What a network is fed with: features [n, n_inputs] and their scales [n_inputs].
struct NetworkInputs {
    const double* features;
    std::int64_t n;
    const double* offset;
    const double* factor;
    const double* slope;
};

/// energy [n], gradient [n, n_inputs]
template <class T>
void network_outputs(const NetworkForm& form, const double* parameters, const NetworkInputs& in,
                     double* energy, T* gradient);

/// out [n_parameters] = derivatives of the sum of alpha [n] energy + c [n, n_inputs] . gradient
template <class T>
void network_slopes(const NetworkForm& form, const double* parameters, const NetworkInputs& in,
                    const double* alpha, const T* c, double* out);

}  // namespace miniff
