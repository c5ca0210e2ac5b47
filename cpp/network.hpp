/// Small feed-forward networks: one number from the descriptors of an atom, and its gradient.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "elementary.hpp"

namespace miniff {

/// The last four are n2p2's: exp(-x^2/2), cos x, exp(-x), x^2.
enum class Activation {
    identity,
    tanh,
    sigmoid,
    silu,
    relu,
    softplus,
    gaussian,
    cosine,
    exponential,
    square
};

/// Refuses a name that is not in the list.
Activation activation_of(const std::string& name);

/// y = activation(W x + b); matrices are kept both ways, rows filled up to whole packs.
template <class T>
struct Layer {
    std::int64_t n_in, n_out;
    Activation activation;
    std::vector<T> by_input;   // [n_in, whole_packs(n_out)] W transposed
    std::vector<T> by_output;  // [n_out, whole_packs(n_in)] W
    std::vector<T> bias;       // [whole_packs(n_out)]
};

/// The last layer has one output; its bias and sum are in double precision.
template <class T>
class Network {
public:
    /// Adds a layer with weights [n_out, n_in]. Refuses a number of inputs that is not the number
    /// of outputs before.
    void add(std::int64_t n_in, std::int64_t n_out, const double* weight, const double* bias,
             Activation activation);

    std::int64_t n_inputs() const { return layers_.empty() ? 0 : layers_.front().n_in; }
    std::int64_t n_outputs() const { return layers_.empty() ? 0 : layers_.back().n_out; }
    const std::vector<Layer<T>>& layers() const { return layers_; }
    double last_bias() const { return last_bias_; }

private:
    std::vector<Layer<T>> layers_;
    double last_bias_ = 0;
};

/// One thread's workspace for a network.
template <class T>
class NetworkWorker {
public:
    explicit NetworkWorker(const Network<T>& network);

    /// The network's output for x [n_inputs], and its derivatives by x.
    double energy(const T* x, T* gradient);

private:
    const Network<T>& network_;
    std::vector<std::vector<T>> output_, slope_;  // of each layer
    std::vector<T> back_, next_;
};

}  // namespace miniff
