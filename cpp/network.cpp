#include "network.hpp"

#include <algorithm>
#include <stdexcept>

#include "dense.hpp"

namespace miniff {

namespace {

/// ln(1 + exp(x)) is taken number by number: it is rare.
template <class T>
void softplus(T* y, T* slope, std::int64_t n) {
    for (std::int64_t k = 0; k < n; ++k) {
        const double x = static_cast<double>(y[k]), e = std::exp(-std::abs(x));
        slope[k] = static_cast<T>((x > 0 ? 1.0 : e) / (1.0 + e));
        y[k] = static_cast<T>(std::max(x, 0.0) + std::log1p(e));
    }
}

/// cos x, number by number too: any x may come, and it is rare.
template <class T>
void cosine(T* y, T* slope, std::int64_t n) {
    for (std::int64_t k = 0; k < n; ++k) {
        const double x = static_cast<double>(y[k]);
        slope[k] = static_cast<T>(-std::sin(x));
        y[k] = static_cast<T>(std::cos(x));
    }
}

/// y = activation(y) and its slope there.
template <class T>
void activate(Activation activation, T* y, T* slope, std::int64_t n) {
    if (activation == Activation::softplus) return softplus(y, slope, n);
    if (activation == Activation::cosine) return cosine(y, slope, n);
    for (std::int64_t k = 0; k < n; k += width<T>) {
        const Pack<T> x = load(y + k);
        const auto result = [&](Pack<T> value, Pack<T> derivative) {
            store<T>(y + k, value);
            store<T>(slope + k, derivative);
        };
        // The logistic function is (1 + tanh(x / 2)) / 2.
        const auto logistic = [&] { return T(0.5) + T(0.5) * hyperbolic_tangent<T>(T(0.5) * x); };
        switch (activation) {
            case Activation::tanh: {
                const Pack<T> t = hyperbolic_tangent<T>(x);
                result(t, T(1) - t * t);
                break;
            }
            case Activation::sigmoid: {
                const Pack<T> s = logistic();
                result(s, s * (T(1) - s));
                break;
            }
            case Activation::silu: {
                const Pack<T> s = logistic();
                result(x * s, s + x * s * (T(1) - s));
                break;
            }
            case Activation::relu: {
                const PackBits<T> positive = x > T(0);
                result(choose<T>(positive, x, Pack<T>{}),
                       choose<T>(positive, all<T>(1), Pack<T>{}));
                break;
            }
            case Activation::gaussian: {
                const Pack<T> g = exp_of_negative<T>(T(-0.5) * x * x);
                result(g, -x * g);
                break;
            }
            case Activation::exponential: {
                const Pack<T> e = exponential<T>(-x);
                result(e, -e);
                break;
            }
            case Activation::square:
                result(x * x, T(2) * x);
                break;
            default:
                result(x, all<T>(1));
        }
    }
}

}  // namespace

Activation activation_of(const std::string& name) {
    const char* const known[] = {"identity", "tanh",     "sigmoid", "silu",        "relu",
                                 "softplus", "gaussian", "cosine",  "exponential", "square"};
    const auto found = std::find(std::begin(known), std::end(known), name);
    if (found == std::end(known))
        throw std::invalid_argument("the core has no activation `" + name + "`");
    return static_cast<Activation>(found - std::begin(known));
}

template <class T>
void Network<T>::add(std::int64_t n_in, std::int64_t n_out, const double* weight,
                     const double* bias, Activation activation) {
    if (!layers_.empty() && layers_.back().n_out != n_in)
        throw std::invalid_argument("a layer takes " + std::to_string(n_in) +
                                    " numbers but the one before gives " +
                                    std::to_string(layers_.back().n_out));
    const std::int64_t long_out = whole_packs<T>(n_out), long_in = whole_packs<T>(n_in);
    Layer<T> layer{n_in, n_out, activation, {}, {}, {}};
    layer.by_input.assign(static_cast<std::size_t>(n_in * long_out), T(0));
    layer.by_output.assign(static_cast<std::size_t>(n_out * long_in), T(0));
    layer.bias.assign(static_cast<std::size_t>(long_out), T(0));
    for (std::int64_t o = 0; o < n_out; ++o) {
        layer.bias[static_cast<std::size_t>(o)] = static_cast<T>(bias[o]);
        for (std::int64_t i = 0; i < n_in; ++i) {
            const T w = static_cast<T>(weight[o * n_in + i]);
            layer.by_input[static_cast<std::size_t>(i * long_out + o)] = w;
            layer.by_output[static_cast<std::size_t>(o * long_in + i)] = w;
        }
    }
    last_bias_ = bias[0];
    layers_.push_back(std::move(layer));
}

template <class T>
NetworkWorker<T>::NetworkWorker(const Network<T>& network) : network_(network) {
    std::int64_t longest = whole_packs<T>(network.n_inputs());
    for (const auto& layer : network.layers()) {
        const std::int64_t n = whole_packs<T>(layer.n_out);
        output_.emplace_back(static_cast<std::size_t>(n));
        slope_.emplace_back(static_cast<std::size_t>(n));
        longest = std::max(longest, n);
    }
    back_.resize(static_cast<std::size_t>(longest));
    next_.resize(static_cast<std::size_t>(longest));
}

template <class T>
double NetworkWorker<T>::energy(const T* x, T* gradient) {
    const auto& layers = network_.layers();
    const std::size_t last = layers.size() - 1;
    for (std::size_t l = 0; l < last; ++l) {
        const Layer<T>& layer = layers[l];
        const std::int64_t n = whole_packs<T>(layer.n_out);
        multiply(layer.by_input.data(), n, l ? output_[l - 1].data() : x, layer.n_in,
                 layer.bias.data(), output_[l].data());
        activate(layer.activation, output_[l].data(), slope_[l].data(), n);
    }
    // The sum of the last layer, and its weights as the first derivatives on the way back.
    const Layer<T>& top = layers[last];
    const T* const in = last ? output_[last - 1].data() : x;
    double energy = network_.last_bias();
    for (std::int64_t i = 0; i < top.n_in; ++i)
        energy += static_cast<double>(top.by_output[static_cast<std::size_t>(i)]) *
                  static_cast<double>(in[i]);
    std::copy(top.by_output.begin(), top.by_output.end(), back_.begin());
    for (std::size_t l = last; l-- > 0;) {
        const Layer<T>& layer = layers[l];
        for (std::int64_t o = 0; o < layer.n_out; ++o)
            back_[static_cast<std::size_t>(o)] *= slope_[l][static_cast<std::size_t>(o)];
        multiply<T>(layer.by_output.data(), whole_packs<T>(layer.n_in), back_.data(), layer.n_out,
                    nullptr, next_.data());
        std::swap(back_, next_);
    }
    std::copy_n(back_.begin(), network_.n_inputs(), gradient);
    return energy;
}

template class Network<double>;
template class Network<float>;
template class NetworkWorker<double>;
template class NetworkWorker<float>;

}  // namespace miniff
