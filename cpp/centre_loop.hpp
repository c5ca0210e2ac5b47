/// Loops over centre atoms by threads, with results that do not depend on their number.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "images.hpp"

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

/// Derivatives by images: what a block of centres has found, to be added in its turn.
class ImageGradient {
public:
    explicit ImageGradient(Quads& total) : total_(total), direct_(one_thread()) {}

    void add(std::int64_t image, double x, double y, double z) {
        if (direct_)
            add_to_total({image, x, y, z});
        else
            waiting_.push_back({image, x, y, z});
    }
    void add_waiting() {
        for (const Entry& entry : waiting_) add_to_total(entry);
        waiting_.clear();
    }

private:
    struct Entry {
        std::int64_t image;
        double x, y, z;
    };
    void add_to_total(const Entry& entry) {
        double* const g = total_.data() + 4 * entry.image;
        g[0] += entry.x;
        g[1] += entry.y;
        g[2] += entry.z;
    }

    Quads& total_;
    const bool direct_;
    std::vector<Entry> waiting_;
};

/// Calls use(worker, gradient, row) for rows 0 ... count - 1; what they give to `gradient` is added
/// to `total` in the order of the rows.
template <class MakeWorker, class Use>
void for_centres_with_gradient(std::int64_t count, Quads& total, MakeWorker make_worker, Use use) {
    const std::int64_t n_blocks = (count + centres_at_once - 1) / centres_at_once;
#pragma omp parallel if (n_blocks > 1)
    {
        auto worker = make_worker();
        ImageGradient gradient(total);
#pragma omp for ordered schedule(dynamic, 1)
        for (std::int64_t block = 0; block < n_blocks; ++block) {
            const std::int64_t first = block * centres_at_once;
            const std::int64_t last = std::min(count, first + centres_at_once);
            for (std::int64_t row = first; row < last; ++row) use(worker, gradient, row);
#pragma omp ordered
            gradient.add_waiting();
        }
    }
}

/// Hands the derivatives of a centre's neighbourhood to the images: all but its own with their
/// sign, and what they sum to, reversed, to itself.
template <class Builder>
void give_gradient(const Builder& builder, std::int64_t centre, ImageGradient& gradient) {
    double x = 0, y = 0, z = 0;
    builder.for_gradient([&](std::int64_t, std::int64_t image, double gx, double gy, double gz) {
        x += gx, y += gy, z += gz;
        gradient.add(image, gx, gy, gz);
    });
    gradient.add(centre, -x, -y, -z);
}

}  // namespace miniff
