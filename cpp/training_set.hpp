/// How far the functions of an atom are outside of what they were in a training set.
#pragma once

#include <cstdint>
#include <vector>

namespace miniff {

/// Two numbers for each atom, 1 at the border of the training set.
struct Grade {
    double range;     // max_f |F_f - middle_f| / half_width_f
    double distance;  // |whitening (F - mean)|; nan where it is not known
};

/// What the functions of the atoms of one species were.
template <class T>
class TrainingSet {
public:
    /// `middle` and `half_width` of the range of each function, [n].
    TrainingSet(std::int64_t n, const double* middle, const double* half_width);
    /// `mean` [n] and `whitening` [n, n], whose upper triangle is zero.
    void set_moments(const double* mean, const double* whitening);

    std::int64_t n() const { return n_; }
    /// Numbers of a buffer that `grade` needs.
    std::int64_t buffer_size() const { return 2 * length_; }
    /// Of functions x [n].
    Grade grade(const T* x, T* buffer) const;

private:
    std::int64_t n_, length_;                 // length: n in whole packs
    std::vector<T> middle_, per_half_width_;  // [n]
    std::vector<T> mean_, by_input_;          // [n], [n, length] transposed; empty: not known
};

}  // namespace miniff
