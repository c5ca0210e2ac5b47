#include "network_training.hpp"

#include <algorithm>

#include "elementary.hpp"

namespace miniff {

namespace {

/// Rows that are looked at together, in whole packs.
constexpr std::int64_t tile = 32;
/// Rows of a thread's turn; sums over them are made apart, and added in order.
constexpr std::int64_t turn = 512;
constexpr int n_lanes = width<double>;
constexpr int n_at_once = tile / n_lanes < 4 ? static_cast<int>(tile / n_lanes) : 4;

/// A matrix whose entry (o, i) stands at o * by_row + i * by_column.
struct Matrix {
    const double* data;
    std::int64_t n_rows, n_columns, by_row, by_column;

    Matrix transposed() const { return {data, n_columns, n_rows, by_column, by_row}; }
};

/// `count` rows of out [n_rows, tile] = bias + m in [n_columns, tile], from row o on.
template <int count>
MINIFF_INLINE void multiply_rows(const Matrix& m, std::int64_t o, const double* bias,
                                 const double* in, double* out) {
    for (std::int64_t t = 0; t < tile; t += n_at_once * n_lanes) {
        Pack<double> sums[count][n_at_once];
        for (int k = 0; k < count; ++k)
            for (auto& sum : sums[k]) sum = all<double>(bias ? bias[o + k] : 0.0);
        const double* w = m.data + o * m.by_row;
        const double* from = in + t;
        for (std::int64_t i = 0; i < m.n_columns; ++i, w += m.by_column, from += tile)
            for (int p = 0; p < n_at_once; ++p) {
                const Pack<double> x = load(from + p * n_lanes);
                for (int k = 0; k < count; ++k) sums[k][p] += w[k * m.by_row] * x;
            }
        for (int k = 0; k < count; ++k)
            for (int p = 0; p < n_at_once; ++p)
                store<double>(out + (o + k) * tile + t + p * n_lanes, sums[k][p]);
    }
}

void multiply(const Matrix& m, const double* bias, const double* in, double* out) {
    std::int64_t o = 0;
    for (; o + 2 <= m.n_rows; o += 2) multiply_rows<2>(m, o, bias, in, out);
    for (; o < m.n_rows; ++o) multiply_rows<1>(m, o, bias, in, out);
}

/// Sums over the tile of r x + d c, for `rows` rows of r and d and `columns` of x and c.
template <int rows, int columns>
MINIFF_INLINE void add_products_block(const double* r, const double* x, const double* d,
                                      const double* c, double* out, std::int64_t length) {
    Pack<double> sums[rows][columns] = {};
    for (std::int64_t t = 0; t < tile; t += n_lanes) {
        Pack<double> a[rows], b[rows];
        for (int k = 0; k < rows; ++k) {
            a[k] = load(r + k * tile + t);
            b[k] = load(d + k * tile + t);
        }
        for (int i = 0; i < columns; ++i) {
            const Pack<double> p = load(x + i * tile + t), q = load(c + i * tile + t);
            for (int k = 0; k < rows; ++k) sums[k][i] += a[k] * p + b[k] * q;
        }
    }
    for (int k = 0; k < rows; ++k)
        for (int i = 0; i < columns; ++i) out[k * length + i] += sum<double>(sums[k][i]);
}

/// out [n_rows, n_columns] += sum over the tile of r [n_rows] x [n_columns] + d [n_rows] c
void add_products(const double* r, const double* x, const double* d, const double* c,
                  std::int64_t n_rows, std::int64_t n_columns, double* out) {
    const auto columns_of = [&](auto rows, std::int64_t o) {
        std::int64_t i = 0;
        const auto block = [&](auto columns) {
            add_products_block<rows, columns>(r + o * tile, x + i * tile, d + o * tile,
                                              c + i * tile, out + o * n_columns + i, n_columns);
        };
        for (; i + 4 <= n_columns; i += 4) block(std::integral_constant<int, 4>());
        for (; i < n_columns; ++i) block(std::integral_constant<int, 1>());
    };
    std::int64_t o = 0;
    for (; o + 2 <= n_rows; o += 2) columns_of(std::integral_constant<int, 2>(), o);
    for (; o < n_rows; ++o) columns_of(std::integral_constant<int, 1>(), o);
}

/// The sum over a tile.
MINIFF_INLINE double sum_of_tile(const double* of) {
    Pack<double> sums{};
    for (std::int64_t t = 0; t < tile; t += n_lanes) sums += load(of + t);
    return sum<double>(sums);
}

/// One thread's workspace: numbers of each layer for a tile of rows.
class Worker {
public:
    Worker(const NetworkForm& form, const double* parameters)
        : form_(form), layers_(form.widths.size()) {
        const double* at = parameters;
        for (std::size_t l = 0; l < layers_.size(); ++l) {
            const std::int64_t n = form.widths[l];
            Layer& layer = layers_[l];
            for (auto* own : {&layer.a, &layer.s, &layer.u, &layer.d, &layer.t, &layer.r})
                own->resize(static_cast<std::size_t>(n * tile));
            if (l == 0) continue;
            const std::int64_t n_in = form.widths[l - 1];
            layer.w = {at, n, n_in, n_in, 1};
            layer.b = at + n * n_in;
            at = layer.b + n;
        }
        w_ = at;
    }

    /// Takes rows of x; beyond `count` they are 0.
    void take(const double* x, std::int64_t count) {
        spread(x, count, layers_[0].a);
        for (std::size_t l = 1; l < layers_.size(); ++l) {
            Layer& layer = layers_[l];
            multiply(layer.w, layer.b, layers_[l - 1].a.data(), layer.a.data());
            activate(layer);
        }
        Layer& top = layers_.back();
        for (std::int64_t o = 0; o < form_.widths.back(); ++o)
            std::fill_n(top.u.data() + o * tile, tile, w_[o]);
        for (std::size_t l = layers_.size() - 1; l > 0; --l) {
            Layer& layer = layers_[l];
            for (std::size_t k = 0; k < layer.d.size(); ++k) layer.d[k] = layer.s[k] * layer.u[k];
            if (l > 1)
                multiply(layer.w.transposed(), nullptr, layer.d.data(), layers_[l - 1].u.data());
        }
    }

    /// Writes what the rows taken give.
    void give(std::int64_t count, double* energy, double* gradient) {
        const Layer& top = layers_.back();
        for (std::int64_t t = 0; t < count; ++t) {
            energy[t] = w_[form_.widths.back()];
            for (std::int64_t o = 0; o < form_.widths.back(); ++o)
                energy[t] += w_[o] * top.a[static_cast<std::size_t>(o * tile + t)];
        }
        Layer& input = layers_[0];
        multiply(layers_[1].w.transposed(), nullptr, layers_[1].d.data(), input.u.data());
        const std::int64_t n = form_.n_inputs();
        for (std::int64_t t = 0; t < count; ++t)
            for (std::int64_t i = 0; i < n; ++i)
                gradient[t * n + i] = input.u[static_cast<std::size_t>(i * tile + t)];
    }

    /// Adds what the rows taken change with the parameters.
    void add_slopes(std::int64_t count, const double* alpha, const double* c, double* out) {
        spread(c, count, layers_[0].t);
        for (std::size_t l = 1; l < layers_.size(); ++l) {
            Layer& layer = layers_[l];
            multiply(layer.w, nullptr, layers_[l - 1].t.data(), layer.t.data());
            for (std::size_t k = 0; k < layer.t.size(); ++k) layer.t[k] *= layer.s[k];
        }
        double whole[tile] = {};
        std::copy_n(alpha, count, whole);
        Layer& top = layers_.back();
        const std::int64_t n_top = form_.widths.back();
        double* own = out + form_.n_parameters() - n_top - 1;
        for (std::int64_t o = 0; o < n_top; ++o) {
            double own_share[tile];
            for (std::int64_t t = 0; t < tile; ++t) {
                const auto k = static_cast<std::size_t>(o * tile + t);
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
                own[n * n_in + o] += sum_of_tile(layer.r.data() + o * tile);
            if (l > 1) multiply(layer.w.transposed(), nullptr, layer.r.data(), below.r.data());
        }
    }

private:
    /// Numbers [width, tile]: a values, s = f'(z), u and d what the output changes by with a and z,
    /// t the change of a along c, r what the sum changes by with a, then with z.
    struct Layer {
        Matrix w{};
        const double* b = nullptr;
        std::vector<double> a, s, u, d, t, r;
    };

    void spread(const double* rows, std::int64_t count, std::vector<double>& to) const {
        const std::int64_t n = form_.n_inputs();
        if (count < tile) std::fill(to.begin(), to.end(), 0.0);
        for (std::int64_t t = 0; t < count; ++t)
            for (std::int64_t i = 0; i < n; ++i)
                to[static_cast<std::size_t>(i * tile + t)] = rows[t * n + i];
    }

    void activate(Layer& layer) const {
        const bool is_tanh = form_.activation == TrainedActivation::tanh;
        for (std::size_t k = 0; k < layer.a.size(); k += n_lanes) {
            const Pack<double> z = load(layer.a.data() + k);
            const Pack<double> h = hyperbolic_tangent<double>(is_tanh ? z : 0.5 * z);
            const Pack<double> a = is_tanh ? h : 0.5 + 0.5 * h;
            store<double>(layer.a.data() + k, a);
            store<double>(layer.s.data() + k, is_tanh ? 1.0 - a * a : a * (1.0 - a));
        }
    }

    /// From what the sum changes by with a to z: through f directly, and through f' in the change.
    void take_back(Layer& layer) const {
        const bool is_tanh = form_.activation == TrainedActivation::tanh;
        for (std::size_t k = 0; k < layer.r.size(); ++k) {
            const double bend = is_tanh ? -2 * layer.a[k] : 1 - 2 * layer.a[k];
            layer.r[k] = layer.s[k] * layer.r[k] + bend * layer.t[k] * layer.u[k];
        }
    }

    const NetworkForm& form_;
    std::vector<Layer> layers_;
    const double* w_;
};

}  // namespace

std::int64_t NetworkForm::n_parameters() const {
    std::int64_t n = widths.back() + 1;
    for (std::size_t l = 1; l < widths.size(); ++l) n += widths[l] * (widths[l - 1] + 1);
    return n;
}

void network_outputs(const NetworkForm& form, const double* parameters, const double* x,
                     std::int64_t n, double* energy, double* gradient) {
    const std::int64_t n_in = form.n_inputs();
#pragma omp parallel if (n > turn)
    {
        Worker worker(form, parameters);
#pragma omp for schedule(static)
        for (std::int64_t first = 0; first < n; first += tile) {
            const std::int64_t count = std::min(tile, n - first);
            worker.take(x + first * n_in, count);
            worker.give(count, energy + first, gradient + first * n_in);
        }
    }
}

void network_slopes(const NetworkForm& form, const double* parameters, const double* x,
                    std::int64_t n, const double* alpha, const double* c, double* out) {
    const std::int64_t n_in = form.n_inputs(), n_parameters = form.n_parameters();
    const std::int64_t n_turns = (n + turn - 1) / turn;
    std::vector<double> partial(static_cast<std::size_t>(n_turns * n_parameters));
#pragma omp parallel if (n_turns > 1)
    {
        Worker worker(form, parameters);
#pragma omp for schedule(static)
        for (std::int64_t k = 0; k < n_turns; ++k)
            for (std::int64_t first = k * turn; first < std::min(n, (k + 1) * turn);
                 first += tile) {
                const std::int64_t count = std::min(tile, n - first);
                worker.take(x + first * n_in, count);
                worker.add_slopes(count, alpha + first, c + first * n_in,
                                  partial.data() + k * n_parameters);
            }
    }
    std::fill_n(out, n_parameters, 0.0);
    for (std::int64_t k = 0; k < n_turns; ++k)
        for (std::int64_t p = 0; p < n_parameters; ++p)
            out[p] += partial[static_cast<std::size_t>(k * n_parameters + p)];
}

}  // namespace miniff
