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
    std::int64_t row = 0;
    const double* weight = nullptr;

    /// Calls add(image, derivatives by its position), for the centre at last.
    template <class Add>
    MINIFF_INLINE void give_gradient(std::int64_t centre, Add add) const {
        constexpr std::int64_t size = block_size, n_v = n_packs(block_size);
        Quad own{};
        for (std::int64_t b = of.start_[static_cast<std::size_t>(row)];
             b < of.start_[static_cast<std::size_t>(row) + 1]; ++b) {
            const float* slope = of.slopes_.data() + b * of.n_functions_ * 3 * size;
            Pack<double> sums[3][n_v] = {};
            for (std::int64_t f = 0; f < of.n_functions_; ++f)
                for (int x = 0; x < 3; ++x)
                    for (std::int64_t v = 0; v < n_v; ++v, slope += width<double>)
                        sums[x][v] += weight[f] * widened(slope);
            double g[3][size];
            for (int x = 0; x < 3; ++x)
                for (std::int64_t v = 0; v < n_v; ++v)
                    store<double>(g[x] + v * width<double>, sums[x][v]);
            const std::int32_t* const image = of.image_.data() + b * size;
            for (std::int64_t l = 0; l < size; ++l) {
                const Quad one{g[0][l], g[1][l], g[2][l], 0.0};
                own += one;
                add(static_cast<std::int64_t>(image[l]), one);
            }
        }
        add(centre, -own);
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

void Jacobian::vjp(const double* weight, Quads& by_image) const {
    for_centres_with_gradient(
        n_rows(), by_image, [&] { return Row{*this}; },
        [&](Row& worker, ImageGradient& gradient, std::int64_t row) {
            worker.row = row;
            worker.weight = weight + row * n_functions_;
            gradient.take(worker, centre_[static_cast<std::size_t>(row)]);
        });
}

void Jacobian::jvp(const Quads& direction, double* out) const {
    constexpr std::int64_t size = block_size, n_v = n_packs(block_size);
    const auto make_sums = [&] {
        return std::vector<double>(static_cast<std::size_t>(n_functions_ * width<double>));
    };
    for_centres(n_rows(), make_sums, [&](std::vector<double>& sums, std::int64_t row) {
        std::fill(sums.begin(), sums.end(), 0.0);
        const auto place = static_cast<std::size_t>(row);
        const double* const own = direction.data() + 4 * centre_[place];
        for (std::int64_t b = start_[place]; b < start_[place + 1]; ++b) {
            const std::int32_t* const image = image_.data() + b * size;
            double moves[3][size];
            for (std::int64_t l = 0; l < size; ++l)
                for (int x = 0; x < 3; ++x)
                    moves[x][l] = direction[static_cast<std::size_t>(4 * image[l] + x)] - own[x];
            Pack<double> move[3][n_v];
            for (int x = 0; x < 3; ++x)
                for (std::int64_t v = 0; v < n_v; ++v)
                    move[x][v] = load<double>(moves[x] + v * width<double>);
            const float* slope = slopes_.data() + b * n_functions_ * 3 * size;
            double* const to = sums.data();
            for (std::int64_t f = 0; f < n_functions_; ++f) {
                Pack<double> total{};
                for (int x = 0; x < 3; ++x)
                    for (std::int64_t v = 0; v < n_v; ++v, slope += width<double>)
                        total += widened(slope) * move[x][v];
                add_to<double>(to + f * width<double>, total);
            }
        }
        for (std::int64_t f = 0; f < n_functions_; ++f)
            out[row * n_functions_ + f] =
                sum<double>(load<double>(sums.data() + f * width<double>));
    });
}

}  // namespace miniff
