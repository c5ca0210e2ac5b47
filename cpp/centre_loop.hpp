/// Loops over centre atoms by threads, with results that do not depend on their number.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "images.hpp"
#include "quads.hpp"

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace miniff {

/// Centres a thread takes at a time.
constexpr std::int64_t centres_at_once = 32;

inline bool one_thread() {
#if defined(_OPENMP)
    return omp_get_num_threads() == 1;
#else
    return true;
#endif
}

/// Calls use(worker, row) for rows 0 ... count - 1; rows write nothing in common.
template <class MakeWorker, class Use>
void for_centres(std::int64_t count, MakeWorker make_worker, Use use) {
#pragma omp parallel if (count > centres_at_once)
    {
        auto worker = make_worker();
#pragma omp for schedule(dynamic, centres_at_once)
        for (std::int64_t row = 0; row < count; ++row) use(worker, row);
    }
}

/// Derivatives by images: what a block of centres has found, to be added in its turn. One thread
/// alone adds at once, in the same order.
class ImageGradient {
public:
    explicit ImageGradient(Quads& total) : total_(total.data()), direct_(one_thread()) {}

    /// Takes the derivatives of a centre's neighbourhood.
    template <class Builder>
    void take(Builder& builder, std::int64_t centre) {
        if (direct_)
            builder.give_gradient(
                centre, [this](std::int64_t image, Quad g) { add_quad(total_ + 4 * image, g); });
        else
            builder.give_gradient(centre, [this](std::int64_t image, Quad g) {
                waiting_image_.push_back(image);
                waiting_.push_back(g);
            });
    }

    void add_waiting() {
        for (std::size_t n = 0; n < waiting_.size(); ++n)
            add_quad(total_ + 4 * waiting_image_[n], waiting_[n]);
        waiting_image_.clear();
        waiting_.clear();
    }

private:
    double* const total_;
    const bool direct_;
    std::vector<std::int64_t> waiting_image_;
    std::vector<Quad> waiting_;
};

/// Calls use(worker, gradient, row) for rows 0 ... count - 1; what they give to `gradient` is added
/// to `total` in the order of the rows.
template <class MakeWorker, class Use>
void for_centres_with_gradient(std::int64_t count, Quads& total, MakeWorker make_worker, Use use) {
    // The order of the rows, and so the result, is the same for any size of the blocks.
    const std::int64_t at_once =
        count < 64 * centres_at_once ? centres_at_once : 8 * centres_at_once;
    const std::int64_t n_blocks = (count + at_once - 1) / at_once;
#pragma omp parallel if (n_blocks > 1)
    {
        auto worker = make_worker();
        ImageGradient gradient(total);
#pragma omp for ordered schedule(dynamic, 1)
        for (std::int64_t block = 0; block < n_blocks; ++block) {
            const std::int64_t first = block * at_once;
            const std::int64_t last = std::min(count, first + at_once);
            for (std::int64_t row = first; row < last; ++row) use(worker, gradient, row);
#pragma omp ordered
            gradient.add_waiting();
        }
    }
}

}  // namespace miniff
