#include "network_training.hpp"

#include <algorithm>

#include "elementary.hpp"

namespace miniff {

namespace {

/// Rows that are looked at together, in whole packs.
template <class T>
constexpr std::int64_t tile = 256 / sizeof(T);
/// Rows of a thread's turn; sums over them are made apart, and added in order.
constexpr std::int64_t turn = 512;
/// Packs of a row, and rows, whose sums are in registers at once.
template <class T>
constexpr int n_packs = tile<T> / width<T> < 4 ? static_cast<int>(tile<T> / width<T>) : 4;
template <class T>
constexpr int n_rows_at_once = 8 / n_packs<T>;

/// A matrix whose entry (o, i) stands at o * by_row + i * by_column.
template <class T>
struct Matrix {
    const T* data;
    std::int64_t n_rows, n_columns, by_row, by_column;

    Matrix transposed() const { return {data, n_columns, n_rows, by_column, by_row}; }
};

/// `count` rows of out [n_rows, tile] = bias + m in [n_columns, tile], from row o on.
template <int count, class T>
MINIFF_INLINE void multiply_rows(const Matrix<T>& m, std::int64_t o, const T* bias, const T* in,
                                 T* out) {
    constexpr int n_p = n_packs<T>;
    for (std::int64_t t = 0; t < tile<T>; t += n_p * width<T>) {
        Pack<T> sums[count][n_p];
        for (int k = 0; k < count; ++k)
            for (auto& sum : sums[k]) sum = all<T>(bias ? bias[o + k] : T(0));
        const T* w = m.data + o * m.by_row;
        const T* from = in + t;
        for (std::int64_t i = 0; i < m.n_columns; ++i, w += m.by_column, from += tile<T>)
            for (int p = 0; p < n_p; ++p) {
                const Pack<T> x = load(from + p * width<T>);
                for (int k = 0; k < count; ++k) sums[k][p] += w[k * m.by_row] * x;
            }
        for (int k = 0; k < count; ++k)
            for (int p = 0; p < n_p; ++p)
                store<T>(out + (o + k) * tile<T> + t + p * width<T>, sums[k][p]);
    }
}

template <class T>
void multiply(const Matrix<T>& m, const T* bias, const T* in, T* out) {
    constexpr int most = n_rows_at_once<T>;
    std::int64_t o = 0;
    for (; o + most <= m.n_rows; o += most) multiply_rows<most>(m, o, bias, in, out);
    for (; o < m.n_rows; ++o) multiply_rows<1>(m, o, bias, in, out);
}

/// Sums over the tile of r x + d c, for two rows of r and d and `columns` of x and c.
template <int columns, class T>
MINIFF_INLINE void add_products_block(const T* r, const T* x, const T* d, const T* c, double* out,
                                      std::int64_t length) {
    Pack<T> sums[2][columns] = {};
    for (std::int64_t t = 0; t < tile<T>; t += width<T>) {
        Pack<T> a[2], b[2];
        for (int k = 0; k < 2; ++k) {
            a[k] = load(r + k * tile<T> + t);
            b[k] = load(d + k * tile<T> + t);
        }
        for (int i = 0; i < columns; ++i) {
            const Pack<T> p = load(x + i * tile<T> + t), q = load(c + i * tile<T> + t);
            for (int k = 0; k < 2; ++k) sums[k][i] += a[k] * p + b[k] * q;
        }
    }
    for (int k = 0; k < 2; ++k) {
        T found[4];
        if constexpr (columns == 4) sum_four<T>(sums[k], found);
        for (int i = 0; i < columns; ++i)
            out[k * length + i] += columns == 4 ? found[i] : sum<T>(sums[k][i]);
    }
}

/// out [n_rows, n_columns] += sum over the tile of r [n_rows] x [n_columns] + d [n_rows] c
template <class T>
void add_products(const T* r, const T* x, const T* d, const T* c, std::int64_t n_rows,
                  std::int64_t n_columns, double* out) {
    constexpr std::int64_t w = tile<T>;
    for (std::int64_t o = 0; o < n_rows; o += 2) {
        std::int64_t i = 0;
        double* const to = out + o * n_columns;
        const bool is_pair = o + 1 < n_rows;
        for (; is_pair && i + 4 <= n_columns; i += 4)
            add_products_block<4>(r + o * w, x + i * w, d + o * w, c + i * w, to + i, n_columns);
        for (; is_pair && i < n_columns; ++i)
            add_products_block<1>(r + o * w, x + i * w, d + o * w, c + i * w, to + i, n_columns);
        for (; i < n_columns; ++i) {
            Pack<T> sums{};
            for (std::int64_t t = 0; t < w; t += width<T>)
                sums += load(r + o * w + t) * load(x + i * w + t) +
                        load(d + o * w + t) * load(c + i * w + t);
            to[i] += sum<T>(sums);
        }
    }
}

/// The sum over a tile.
template <class T>
MINIFF_INLINE double sum_of_tile(const T* of) {
    Pack<T> sums{};
    for (std::int64_t t = 0; t < tile<T>; t += width<T>) sums += load(of + t);
    return sum<T>(sums);
}

/// One thread's workspace: numbers of each layer for a tile of rows.
template <class T>
class Worker {
public:
    Worker(const NetworkForm& form, const double* parameters, const NetworkInputs& in)
        : form_(form),
          in_(in),
          parameters_(parameters, parameters + form.n_parameters()),
          layers_(form.widths.size()) {
        const T* at = parameters_.data();
        for (std::size_t l = 0; l < layers_.size(); ++l) {
            const std::int64_t n = form.widths[l];
            Layer& layer = layers_[l];
            for (auto* own : {&layer.a, &layer.s, &layer.u, &layer.d, &layer.t, &layer.r})
                own->resize(static_cast<std::size_t>(n * tile<T>));
            if (l == 0) continue;
            const std::int64_t n_in = form.widths[l - 1];
            layer.w = {at, n, n_in, n_in, 1};
            layer.b = at + n * n_in;
            at = layer.b + n;
        }
        w_ = at;
    }

    /// Takes rows from `first` on; beyond `count` they are 0.
    void take(std::int64_t first, std::int64_t count) {
        const double* const rows = in_.features + first * form_.n_inputs();
        spread(count, layers_[0].a, [&](std::int64_t t, std::int64_t i) {
            return (rows[t * form_.n_inputs() + i] - in_.offset[i]) * in_.factor[i];
        });
        for (std::size_t l = 1; l < layers_.size(); ++l) {
            Layer& layer = layers_[l];
            multiply(layer.w, layer.b, layers_[l - 1].a.data(), layer.a.data());
            activate(layer);
        }
        Layer& top = layers_.back();
        for (std::int64_t o = 0; o < form_.widths.back(); ++o)
            std::fill_n(top.u.data() + o * tile<T>, tile<T>, w_[o]);
        for (std::size_t l = layers_.size() - 1; l > 0; --l) {
            Layer& layer = layers_[l];
            for (std::size_t k = 0; k < layer.d.size(); ++k) layer.d[k] = layer.s[k] * layer.u[k];
            if (l > 1)
                multiply<T>(layer.w.transposed(), nullptr, layer.d.data(), layers_[l - 1].u.data());
        }
    }

    /// Writes what the rows taken give.
    void give(std::int64_t count, double* energy, T* gradient) {
        const Layer& top = layers_.back();
        for (std::int64_t t = 0; t < count; ++t) {
            energy[t] = w_[form_.widths.back()];
            for (std::int64_t o = 0; o < form_.widths.back(); ++o)
                energy[t] += double(w_[o]) * top.a[static_cast<std::size_t>(o * tile<T> + t)];
        }
        Layer& input = layers_[0];
        multiply<T>(layers_[1].w.transposed(), nullptr, layers_[1].d.data(), input.u.data());
        const std::int64_t n = form_.n_inputs();
        for (std::int64_t t = 0; t < count; ++t)
            for (std::int64_t i = 0; i < n; ++i)
                gradient[t * n + i] = static_cast<T>(in_.slope[i]) *
                                      input.u[static_cast<std::size_t>(i * tile<T> + t)];
    }

    /// Adds what the rows taken change with the parameters.
    void add_slopes(std::int64_t count, const double* alpha, const T* c, double* out) {
        spread(count, layers_[0].t, [&](std::int64_t t, std::int64_t i) {
            return in_.slope[i] * c[t * form_.n_inputs() + i];
        });
        for (std::size_t l = 1; l < layers_.size(); ++l) {
            Layer& layer = layers_[l];
            multiply<T>(layer.w, nullptr, layers_[l - 1].t.data(), layer.t.data());
            for (std::size_t k = 0; k < layer.t.size(); ++k) layer.t[k] *= layer.s[k];
        }
        T whole[tile<T>] = {};
        for (std::int64_t t = 0; t < count; ++t) whole[t] = static_cast<T>(alpha[t]);
        Layer& top = layers_.back();
        const std::int64_t n_top = form_.widths.back();
        double* own = out + form_.n_parameters() - n_top - 1;
        for (std::int64_t o = 0; o < n_top; ++o) {
            T own_share[tile<T>];
            for (std::int64_t t = 0; t < tile<T>; ++t) {
                const auto k = static_cast<std::size_t>(o * tile<T> + t);
                own_share[t] = whole[t] * top.a[k] + top.t[k];
                top.r[k] = whole[t] * w_[o];
            }
            own[o] += sum_of_tile(own_share);
        }
        own[n_top] += sum_of_tile(whole);
        for (std::size_t l = layers_.size() - 1; l > 0; --l) {
            Layer &layer = layers_[l], &below = layers_[l - 1];
            const std::int64_t n = form_.widths[l], n_in = form_.widths[l - 1];
            own -= n * n_in + n;
            take_back(layer);
            add_products(layer.r.data(), below.a.data(), layer.d.data(), below.t.data(), n, n_in,
                         own);
            for (std::int64_t o = 0; o < n; ++o)
                own[n * n_in + o] += sum_of_tile(layer.r.data() + o * tile<T>);
            if (l > 1) multiply<T>(layer.w.transposed(), nullptr, layer.r.data(), below.r.data());
        }
    }

private:
    /// Numbers [width, tile]: a values, s = f'(z), u and d what the output changes by with a and z,
    /// t the change of a along c, r what the sum changes by with a, then with z.
    struct Layer {
        Matrix<T> w{};
        const T* b = nullptr;
        std::vector<T> a, s, u, d, t, r;
    };

    /// to [n_inputs, tile] = number(row, input)
    template <class Number>
    MINIFF_INLINE void spread(std::int64_t count, std::vector<T>& to, Number number) const {
        const std::int64_t n = form_.n_inputs();
        if (count < tile<T>) std::fill(to.begin(), to.end(), T(0));
        for (std::int64_t t = 0; t < count; ++t)
            for (std::int64_t i = 0; i < n; ++i)
                to[static_cast<std::size_t>(i * tile<T> + t)] = static_cast<T>(number(t, i));
    }

    void activate(Layer& layer) const {
        const bool is_tanh = form_.activation == TrainedActivation::tanh;
        for (std::size_t k = 0; k < layer.a.size(); k += width<T>) {
            const Pack<T> z = load(layer.a.data() + k);
            const Pack<T> h = hyperbolic_tangent<T>(is_tanh ? z : T(0.5) * z);
            const Pack<T> a = is_tanh ? h : T(0.5) + T(0.5) * h;
            store<T>(layer.a.data() + k, a);
            store<T>(layer.s.data() + k, is_tanh ? T(1) - a * a : a * (T(1) - a));
        }
    }

    /// From what the sum changes by with a to z: through f directly, and through f' in the change.
    void take_back(Layer& layer) const {
        const bool is_tanh = form_.activation == TrainedActivation::tanh;
        for (std::size_t k = 0; k < layer.r.size(); ++k) {
            const T bend = is_tanh ? -2 * layer.a[k] : 1 - 2 * layer.a[k];
            layer.r[k] = layer.s[k] * layer.r[k] + bend * layer.t[k] * layer.u[k];
        }
    }

    const NetworkForm& form_;
    const NetworkInputs& in_;
    const std::vector<T> parameters_;
    std::vector<Layer> layers_;
    const T* w_;
};

}  // namespace

std::int64_t NetworkForm::n_parameters() const {
    std::int64_t n = widths.back() + 1;
    for (std::size_t l = 1; l < widths.size(); ++l) n += widths[l] * (widths[l - 1] + 1);
    return n;
}

template <class T>
void network_outputs(const NetworkForm& form, const double* parameters, const NetworkInputs& in,
                     double* energy, T* gradient) {
    const std::int64_t n_in = form.n_inputs();
#pragma omp parallel if (in.n > turn)
    {
        Worker<T> worker(form, parameters, in);
#pragma omp for schedule(static)
        for (std::int64_t first = 0; first < in.n; first += tile<T>) {
            const std::int64_t count = std::min(tile<T>, in.n - first);
            worker.take(first, count);
            worker.give(count, energy + first, gradient + first * n_in);
        }
    }
}

template <class T>
void network_slopes(const NetworkForm& form, const double* parameters, const NetworkInputs& in,
                    const double* alpha, const T* c, double* out) {
    const std::int64_t n_in = form.n_inputs(), n_parameters = form.n_parameters();
    const std::int64_t n_turns = (in.n + turn - 1) / turn;
    std::vector<double> partial(static_cast<std::size_t>(n_turns * n_parameters));
#pragma omp parallel if (n_turns > 1)
    {
        Worker<T> worker(form, parameters, in);
#pragma omp for schedule(static)
        for (std::int64_t k = 0; k < n_turns; ++k)
            for (std::int64_t first = k * turn; first < std::min(in.n, (k + 1) * turn);
                 first += tile<T>) {
                const std::int64_t count = std::min(tile<T>, in.n - first);
                worker.take(first, count);
                worker.add_slopes(count, alpha + first, c + first * n_in,
                                  partial.data() + k * n_parameters);
            }
    }
    std::fill_n(out, n_parameters, 0.0);
    for (std::int64_t k = 0; k < n_turns; ++k)
        for (std::int64_t p = 0; p < n_parameters; ++p)
            out[p] += partial[static_cast<std::size_t>(k * n_parameters + p)];
}

template void network_outputs(const NetworkForm&, const double*, const NetworkInputs&, double*,
                              double*);
template void network_outputs(const NetworkForm&, const double*, const NetworkInputs&, double*,
                              float*);
template void network_slopes(const NetworkForm&, const double*, const NetworkInputs&, const double*,
                             const double*, double*);
template void network_slopes(const NetworkForm&, const double*, const NetworkInputs&, const double*,
                             const float*, double*);

}  // namespace miniff
