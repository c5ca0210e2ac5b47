#include "training_set.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "dense.hpp"

namespace miniff {

template <class T>
TrainingSet<T>::TrainingSet(std::int64_t n, const double* middle, const double* half_width)
    : n_(n), length_(whole_packs<T>(n)) {
    for (std::int64_t f = 0; f < n; ++f) {
        if (!(half_width[f] > 0)) throw std::invalid_argument("`half_width` must be positive");
        middle_.push_back(static_cast<T>(middle[f]));
        per_half_width_.push_back(static_cast<T>(1 / half_width[f]));
    }
}

template <class T>
void TrainingSet<T>::set_moments(const double* mean, const double* whitening) {
    mean_.assign(mean, mean + n_);
    by_input_.assign(static_cast<std::size_t>(n_ * length_), T(0));
    for (std::int64_t k = 0; k < n_; ++k)
        for (std::int64_t i = 0; i < n_; ++i) {
            const double w = whitening[k * n_ + i];
            if (i > k && w != 0)
                throw std::invalid_argument("`whitening` must be zero above its diagonal");
            by_input_[static_cast<std::size_t>(i * length_ + k)] = static_cast<T>(w);
        }
}

template <class T>
Grade TrainingSet<T>::grade(const T* x, T* buffer) const {
    const auto n = static_cast<std::size_t>(n_);
    T range = 0;
    for (std::size_t f = 0; f < n; ++f) {
        const T scaled = std::abs(x[f] - middle_[f]) * per_half_width_[f];
        range = scaled > range ? scaled : range;
    }
    const double at = static_cast<double>(range);
    if (mean_.empty()) return {at, std::numeric_limits<double>::quiet_NaN()};
    T* const away = buffer + length_;
    for (std::size_t f = 0; f < n; ++f) away[f] = x[f] - mean_[f];
    multiply_triangle(by_input_.data(), length_, away, n_, buffer);
    Pack<T> squares{};
    for (std::int64_t k = 0; k < length_; k += width<T>) {
        const Pack<T> z = load(buffer + k);
        squares += z * z;
    }
    return {at, std::sqrt(static_cast<double>(sum<T>(squares)))};
}

template class TrainingSet<double>;
template class TrainingSet<float>;

}  // namespace miniff
