#include "jacobian.hpp"

#include <algorithm>

#include "centre_loop.hpp"
#include "neighborhood_builder.hpp"

namespace miniff {

namespace {

/// Packs of a block of neighbours.
constexpr std::int64_t n_packs(std::int64_t block_size) {
    return block_size / width<double>;
}

/// Numbers in single precision as a pack of doubles.
MINIFF_INLINE Pack<double> widened(const float* from) {
#if MINIFF_PACK_BYTES
    typedef float Narrow __attribute__((vector_size(MINIFF_PACK_BYTES / 2)));
    Narrow v;
    std::memcpy(&v, from, sizeof v);
    return __builtin_convertvector(v, Pack<double>);
#else
    return *from;
#endif
}

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
struct Jacobian::Row {
    const Jacobian& of;
    const double* weight;  // [n_models, n_rows, n_functions]
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
        constexpr std::int64_t size = block_size, n_v = n_packs(block_size);
        const std::int64_t n_f = of.n_functions_;
        const double* w[count];
        for (int m = 0; m < count; ++m) w[m] = weight + ((first + m) * of.n_rows() + row) * n_f;
        const float* slope = of.slopes_.data() + block * n_f * 3 * size;
        Pack<double> sums[count][3][n_v] = {};
        for (std::int64_t f = 0; f < n_f; ++f)
            for (int x = 0; x < 3; ++x)
                for (std::int64_t v = 0; v < n_v; ++v, slope += width<double>) {
                    const Pack<double> one = widened(slope);
                    for (int m = 0; m < count; ++m) sums[m][x][v] += w[m][f] * one;
                }
        const std::int32_t* const image = of.image_.data() + block * size;
        for (int m = 0; m < count; ++m) {
            double g[3][size];
            for (int x = 0; x < 3; ++x)
                for (std::int64_t v = 0; v < n_v; ++v)
                    store<double>(g[x] + v * width<double>, sums[m][x][v]);
            Quad total = own[static_cast<std::size_t>(first + m)];
            for (std::int64_t l = 0; l < size; ++l) {
                const Quad one{g[0][l], g[1][l], g[2][l], 0.0};
                total += one;
                add(image[l] * n_models + first + m, one);
            }
            own[static_cast<std::size_t>(first + m)] = total;
        }
    }
};

/// The changes of a row's functions along directions.
struct Jacobian::Changes {
    const Jacobian& of;
    const Quads& direction;  // [n_images, n_models, 4]
    const std::int64_t n_models;
    std::vector<double> sums =
        std::vector<double>(static_cast<std::size_t>(of.n_functions_ * width<double> * n_models));

    /// out [n_models, n_rows, n_functions]
    void write(std::int64_t row, double* out) {
        const std::int64_t n_f = of.n_functions_;
        std::fill(sums.begin(), sums.end(), 0.0);
        const auto place = static_cast<std::size_t>(row);
        for (std::int64_t b = of.start_[place]; b < of.start_[place + 1]; ++b) {
            std::int64_t m = 0;
            for (; m + tile <= n_models; m += tile) add_block<tile>(b, m, of.centre_[place]);
            for (; m < n_models; ++m) add_block<1>(b, m, of.centre_[place]);
        }
        const double* from = sums.data();
        for (std::int64_t m = 0; m < n_models; ++m)
            for (std::int64_t f = 0; f < n_f; ++f, from += width<double>)
                out[(m * of.n_rows() + row) * n_f + f] = sum<double>(load<double>(from));
    }

    template <int count>
    MINIFF_INLINE void add_block(std::int64_t block, std::int64_t first, std::int64_t centre) {
        constexpr std::int64_t size = block_size, n_v = n_packs(block_size);
        const std::int64_t n_f = of.n_functions_;
        const std::int32_t* const image = of.image_.data() + block * size;
        Pack<double> move[count][3][n_v];
        for (int m = 0; m < count; ++m) {
            const double* const from = direction.data() + 4 * (first + m);
            const double* const own = from + 4 * n_models * centre;
            double moves[3][size];
            for (std::int64_t l = 0; l < size; ++l)
                for (int x = 0; x < 3; ++x)
                    moves[x][l] = from[4 * n_models * image[l] + x] - own[x];
            for (int x = 0; x < 3; ++x)
                for (std::int64_t v = 0; v < n_v; ++v)
                    move[m][x][v] = load<double>(moves[x] + v * width<double>);
        }
        const float* slope = of.slopes_.data() + block * n_f * 3 * size;
        double* const to = sums.data() + first * n_f * width<double>;
        for (std::int64_t f = 0; f < n_f; ++f) {
            Pack<double> total[count] = {};
            for (int x = 0; x < 3; ++x)
                for (std::int64_t v = 0; v < n_v; ++v, slope += width<double>) {
                    const Pack<double> one = widened(slope);
                    for (int m = 0; m < count; ++m) total[m] += one * move[m][x][v];
                }
            for (int m = 0; m < count; ++m)
                add_to<double>(to + (m * n_f + f) * width<double>, total[m]);
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

void Jacobian::vjp(const double* weight, std::int64_t n_models, Quads& by_image) const {
    for_centres_with_gradient(
        n_rows(), by_image, [&] { return Row{*this, weight, n_models}; },
        [&](Row& worker, ImageGradient& gradient, std::int64_t row) {
            worker.row = row;
            gradient.take(worker, centre_[static_cast<std::size_t>(row)]);
        });
}

void Jacobian::jvp(const Quads& direction, std::int64_t n_models, double* out) const {
    for_centres(
        n_rows(), [&] { return Changes{*this, direction, n_models}; },
        [&](Changes& worker, std::int64_t row) { worker.write(row, out); });
}

}  // namespace miniff
