/// Small networks while they are trained: outputs, their derivatives by the inputs, and what a loss
/// of both changes by with the parameters.
///
///     a_0 = x     z_l = W_l a_(l-1) + b_l     a_l = f(z_l)     e = w . a_n + b
///     u_n = w     u_(l-1) = W_l^T (f'(z_l) u_l)                g = u_0 = de/dx
///
/// For numbers alpha and vectors c, the sum over rows of alpha e + c . g is differentiated by all
/// parameters: c is carried forward as a change of x, then both are taken back.
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

/// energy [n], gradient [n, n_inputs] for x [n, n_inputs]
void network_outputs(const NetworkForm& form, const double* parameters, const double* x,
                     std::int64_t n, double* energy, double* gradient);

/// out [n_parameters] = derivatives of the sum of alpha [n] energy + c [n, n_inputs] . gradient
void network_slopes(const NetworkForm& form, const double* parameters, const double* x,
                    std::int64_t n, const double* alpha, const double* c, double* out);

}  // namespace miniff
