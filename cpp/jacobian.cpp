#include "jacobian.hpp"

#include <algorithm>

#include "centre_loop.hpp"
#include "neighborhood_builder.hpp"
#include "quads.hpp"

namespace miniff {

namespace {

/// As many numbers as there are neighbours in a block, or as a register holds if that is fewer.
template <class T, std::int64_t most>
struct Lanes {
    static constexpr std::int64_t count = width<T> < most ? width<T> : most;
#if MINIFF_PACK_BYTES
    typedef T type __attribute__((vector_size(count * sizeof(T))));
    typedef float narrow __attribute__((vector_size(count * sizeof(float))));
#else
    using type = T;
    using narrow = float;
#endif

    /// Numbers in single precision in the precision of the sums.
    static MINIFF_INLINE type widened(const float* from) {
        narrow v;
        std::memcpy(&v, from, sizeof v);
#if MINIFF_PACK_BYTES
        return __builtin_convertvector(v, type);
#else
        return v;
#endif
    }

    static MINIFF_INLINE type load(const T* from) {
        type v;
        std::memcpy(&v, from, sizeof v);
        return v;
    }

    static MINIFF_INLINE void store(T* to, type v) { std::memcpy(to, &v, sizeof v); }
};

/// What comes next in memory, fetched from there in good time.
struct Ahead {
    const float* at;
    const float* end;

    MINIFF_INLINE void fetch(std::int64_t count) {
        const float* const last = end - at < count ? end : at + count;
        for (; at < last; at += 16) prefetch(at);
        at = last;
    }
};

/// What a thread needs to compute rows.
struct Tools {
    NeighborhoodBuilder<double> builder;
    SetWorker<double> functions;
    std::vector<double> weight;
};

/// Places of the neighbours within the cutoff among those that fill up packs.
template <class Use>
void for_neighbors(const Neighborhood<double>& nb, Use use) {
    for (std::int64_t k = 0; k < nb.size(); ++k)
        if (nb.pair[k] >= 0) use(k);
}

}  // namespace

/// One row at work: its blocks, with the derivatives that were found for the last of them.
template <class T>
struct Jacobian::Row {
    using Packs = Lanes<T, block_size>;
    static constexpr std::int64_t n_v = block_size / Packs::count;
    /// Models whose sums are in registers at once.
    static constexpr int tile = n_v < 4 ? 4 / n_v : 1;

    const Jacobian& of;
    const T* weight;  // [n_models, n_rows, n_functions]
    const std::int64_t n_models;
    std::vector<Quad> own = std::vector<Quad>(static_cast<std::size_t>(n_models));
    std::int64_t row = 0;

    /// Calls add(image and model, derivatives by its position), for the centre at last.
    template <class Add>
    MINIFF_INLINE void give_gradient(std::int64_t centre, Add add) {
        std::fill(own.begin(), own.end(), Quad{});
        for (std::int64_t b = of.start_[static_cast<std::size_t>(row)];
             b < of.start_[static_cast<std::size_t>(row) + 1]; ++b) {
            std::int64_t m = 0;
            for (; m + tile <= n_models; m += tile) give_block<tile>(b, m, add);
            for (; m < n_models; ++m) give_block<1>(b, m, add);
        }
        for (std::int64_t m = 0; m < n_models; ++m)
            add(centre * n_models + m, -own[static_cast<std::size_t>(m)]);
    }

    template <int count, class Add>
    MINIFF_INLINE void give_block(std::int64_t block, std::int64_t first, Add add) {
        const std::int64_t n_f = of.n_functions_;
        const T* w[count];
        for (int m = 0; m < count; ++m) w[m] = weight + ((first + m) * of.n_rows() + row) * n_f;
        const float* slope = of.slopes_.data() + block * n_f * 3 * block_size;
        typename Packs::type sums[count][3][n_v] = {};
        for (std::int64_t f = 0; f < n_f; ++f)
            for (int x = 0; x < 3; ++x)
                for (std::int64_t v = 0; v < n_v; ++v, slope += Packs::count) {
                    const auto one = Packs::widened(slope);
                    for (int m = 0; m < count; ++m) sums[m][x][v] += w[m][f] * one;
                }
        const std::int32_t* const image = of.image_.data() + block * block_size;
        for (int m = 0; m < count; ++m) {
            T g[3][block_size];
            for (int x = 0; x < 3; ++x)
                for (std::int64_t v = 0; v < n_v; ++v)
                    Packs::store(g[x] + v * Packs::count, sums[m][x][v]);
            Quad total{};
            for (std::int64_t l = 0; l < block_size; l += 4) {
                Quad ones[4];
                transpose_back(
                    {load_four(g[0] + l), load_four(g[1] + l), load_four(g[2] + l), Quad{}}, ones);
                for (int k = 0; k < 4; ++k) {
                    total += ones[k];
                    add(image[l + k] * n_models + first + m, ones[k]);
                }
            }
            own[static_cast<std::size_t>(first + m)] += total;
        }
    }
};

/// The changes of a row's functions along directions.
template <class T>
struct Jacobian::Changes {
    using Packs = Lanes<T, block_size>;
    static constexpr std::int64_t n_v = block_size / Packs::count;
    /// Models whose sums are in registers at once.
    static constexpr int tile = 4;

    const Jacobian& of;
    const Quads& direction;  // [n_images, n_models, 4]
    const std::int64_t n_models;
    std::vector<T> moves = {};      // [n_blocks of the row, 3, models of a tile, block_size]
    std::vector<T> sums = {};       // [n_functions in whole fours, lanes]
    const float* slopes = nullptr;  // of the row
    std::int64_t n_blocks = 0;

    /// out [n_models, n_rows, n_functions]
    void write(std::int64_t row, T* out) {
        const auto place = static_cast<std::size_t>(row);
        const std::int64_t from = of.start_[place], n_f = of.n_functions_;
        n_blocks = of.start_[place + 1] - from;
        slopes = of.slopes_.data() + from * n_f * 3 * block_size;
        const auto most = static_cast<std::size_t>(n_blocks * 3 * tile * block_size);
        if (moves.size() < most) moves.resize(most);
        const std::int64_t apart = of.n_rows() * n_f;
        std::int64_t m = 0;
        for (; m + tile <= n_models; m += tile) {
            take_moves<tile>(from, of.centre_[place], m);
            write_several(out + m * apart + row * n_f, apart);
        }
        for (; m < n_models; ++m) {
            take_moves<1>(from, of.centre_[place], m);
            write_one(out + m * apart + row * n_f);
        }
    }

    /// Arithmetic is what takes time: function by function, so that sums stay in registers.
    void write_several(T* out, std::int64_t apart) const {
        const std::int64_t n_f = of.n_functions_, next = n_blocks * n_f * 3 * block_size;
        Ahead ahead{slopes + next, of.slopes_.data() + of.slopes_.size()};
        for (std::int64_t f = 0; f < n_f; ++f, ++out) {
            ahead.fetch(n_blocks * 3 * block_size);
            typename Packs::type totals[tile] = {};
            const T* move = moves.data();
            for (std::int64_t b = 0; b < n_blocks; ++b) {
                const float* slope = slopes + (b * n_f + f) * 3 * block_size;
                for (int x = 0; x < 3; ++x, move += tile * block_size)
                    for (std::int64_t v = 0; v < n_v; ++v, slope += Packs::count) {
                        const auto one = Packs::widened(slope);
                        for (int m = 0; m < tile; ++m)
                            totals[m] +=
                                one * Packs::load(move + m * block_size + v * Packs::count);
                    }
            }
            T sums_of[tile];
            sum_four_of<T, Packs::count>(totals, sums_of);
            for (int m = 0; m < tile; ++m) out[m * apart] = sums_of[m];
        }
    }

    /// Memory is what takes time: in the order in which it is laid out.
    void write_one(T* out) {
        const std::int64_t n_f = of.n_functions_;
        sums.assign(static_cast<std::size_t>((n_f + 3) / 4 * 4 * Packs::count), T(0));
        const float* slope = slopes;
        for (std::int64_t b = 0; b < n_blocks; ++b) {
            typename Packs::type move[3][n_v];
            for (int x = 0; x < 3; ++x)
                for (std::int64_t v = 0; v < n_v; ++v)
                    move[x][v] =
                        Packs::load(moves.data() + (b * 3 + x) * block_size + v * Packs::count);
            for (std::int64_t f = 0; f < n_f; ++f) {
                T* const sum = sums.data() + f * Packs::count;
                auto total = Packs::load(sum);
                for (int x = 0; x < 3; ++x)
                    for (std::int64_t v = 0; v < n_v; ++v, slope += Packs::count)
                        total += Packs::widened(slope) * move[x][v];
                Packs::store(sum, total);
            }
        }
        for (std::int64_t f = 0; f < n_f; f += 4) {
            typename Packs::type totals[4];
            std::memcpy(totals, sums.data() + f * Packs::count, sizeof totals);
            T four[4];
            sum_four_of<T, Packs::count>(totals, four);
            std::copy_n(four, std::min<std::int64_t>(4, n_f - f), out + f);
        }
    }

    /// How the neighbours of the row's blocks move away from their centre.
    template <int count>
    MINIFF_INLINE void take_moves(std::int64_t from, std::int64_t centre, std::int64_t model) {
        for (std::int64_t b = 0; b < n_blocks; ++b)
            for (int m = 0; m < count; ++m)
                take_moves_of(from + b, centre, model + m,
                              moves.data() + (b * 3 * count + m) * block_size, count * block_size);
    }

    /// The same of one block and model: x at `to`, y and z each `apart` from the one before.
    MINIFF_INLINE void take_moves_of(std::int64_t block, std::int64_t centre, std::int64_t model,
                                     T* to, std::int64_t apart) const {
        const std::int32_t* const image = of.image_.data() + block * block_size;
        const auto at = [&](std::int64_t m) {
            return load_four(direction.data() + 4 * (m * n_models + model));
        };
        const Quad own = at(centre);
        for (std::int64_t l = 0; l < block_size; l += 4) {
            const FourVectors v = transposed(at(image[l]) - own, at(image[l + 1]) - own,
                                             at(image[l + 2]) - own, at(image[l + 3]) - own);
            store_four(to + l, v.x);
            store_four(to + apart + l, v.y);
            store_four(to + 2 * apart + l, v.z);
        }
    }
};

Jacobian::Jacobian(const FunctionSet<double>& set, const ImageTable& table, const Quads& places,
                   Centres centres)
    : n_functions_(set.n_functions()),
      n_images_(table.n_images),
      centre_(centres.atom, centres.atom + centres.count),
      start_(static_cast<std::size_t>(centres.count) + 1) {
    const auto make_tools = [&] {
        return Tools{NeighborhoodBuilder<double>(table, places, set.cutoff()),
                     SetWorker<double>(set),
                     std::vector<double>(static_cast<std::size_t>(set.n_functions()))};
    };
    for_centres(centres.count, make_tools, [&](Tools& tools, std::int64_t row) {
        std::int64_t count = 0;
        for_neighbors(tools.builder.of(centres.atom[row]), [&](std::int64_t) { ++count; });
        start_[static_cast<std::size_t>(row) + 1] = (count + block_size - 1) / block_size;
    });
    for (std::size_t row = 1; row < start_.size(); ++row) start_[row] += start_[row - 1];
    image_.resize(static_cast<std::size_t>(start_.back() * block_size));
    slopes_.resize(image_.size() * static_cast<std::size_t>(3 * n_functions_));

    for_centres(centres.count, make_tools, [&](Tools& tools, std::int64_t row) {
        const Neighborhood<double>& nb = tools.builder.of(centres.atom[row]);
        tools.functions.begin(nb);
        const std::int64_t first = start_[static_cast<std::size_t>(row)] * block_size;
        const std::int64_t last = start_[static_cast<std::size_t>(row) + 1] * block_size;
        std::fill(image_.begin() + first, image_.begin() + last,
                  static_cast<std::int32_t>(centres.atom[row]));
        std::int64_t n = first;
        for_neighbors(nb, [&](std::int64_t k) {
            image_[static_cast<std::size_t>(n++)] = table.neighbor[nb.pair[k]];
        });
        for (std::int64_t f = 0; f < n_functions_; ++f) {
            tools.weight[static_cast<std::size_t>(f)] = 1;
            for (double* g : {nb.gx, nb.gy, nb.gz}) std::fill_n(g, nb.size(), 0.0);
            tools.functions.vjp(tools.weight.data());
            tools.weight[static_cast<std::size_t>(f)] = 0;
            n = first;
            for_neighbors(nb, [&](std::int64_t k) {
                float* const slope = slopes_.data() +
                                     (n / block_size * n_functions_ + f) * 3 * block_size +
                                     n % block_size;
                slope[0] = static_cast<float>(nb.gx[k]);
                slope[block_size] = static_cast<float>(nb.gy[k]);
                slope[2 * block_size] = static_cast<float>(nb.gz[k]);
                ++n;
            });
        }
    });
}

template <class T>
void Jacobian::vjp(const T* weight, std::int64_t n_models, Quads& by_image) const {
    for_centres_with_gradient(
        n_rows(), by_image, [&] { return Row<T>{*this, weight, n_models}; },
        [&](Row<T>& worker, ImageGradient& gradient, std::int64_t row) {
            worker.row = row;
            gradient.take(worker, centre_[static_cast<std::size_t>(row)]);
        });
}

template <class T>
void Jacobian::jvp(const Quads& direction, std::int64_t n_models, T* out) const {
    for_centres(
        n_rows(), [&] { return Changes<T>{*this, direction, n_models}; },
        [&](Changes<T>& worker, std::int64_t row) { worker.write(row, out); });
}

template void Jacobian::vjp(const double*, std::int64_t, Quads&) const;
template void Jacobian::vjp(const float*, std::int64_t, Quads&) const;
template void Jacobian::jvp(const Quads&, std::int64_t, double*) const;
template void Jacobian::jvp(const Quads&, std::int64_t, float*) const;

}  // namespace miniff
