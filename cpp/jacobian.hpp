/// Derivatives that are kept: for structures that do not move while weights on them are trained.
///
/// What a row of functions changes with its neighbours is a matrix that is read from memory in
/// one stream, many times faster than it is computed. It is kept in single precision; products
/// with it are formed in the precision asked for, T. In double precision vjp and jvp are exact
/// transposes of each other.
///
/// Several models that are trained at once share the reading; each gets the same bits as alone.
#pragma once

#include <cstdint>
#include <vector>

#include "environment.hpp"

namespace miniff {

class Jacobian {
public:
    /// dF[i, f]/dx of the listed atoms at the given places of the images.
    Jacobian(const FunctionSet<double>& set, const ImageTable& table, const Quads& places,
             Centres centres);
    Jacobian(const Jacobian&) = delete;
    Jacobian& operator=(const Jacobian&) = delete;

    std::int64_t n_rows() const { return static_cast<std::int64_t>(centre_.size()); }
    std::int64_t n_functions() const { return n_functions_; }
    std::int64_t n_images() const { return n_images_; }

    /// by_image [n_images, n_models, 4] += sum_if weight[model, i, f] dF[i, f]/dx
    template <class T>
    void vjp(const T* weight, std::int64_t n_models, Quads& by_image) const;
    /// out [n_models, n_rows, n_functions] = change of F along the directions [n_images, n_models,
    /// 4]
    template <class T>
    void jvp(const Quads& direction, std::int64_t n_models, T* out) const;

private:
    /// Neighbours are kept in blocks of this many.
    static constexpr std::int64_t block_size = 8;

    template <class T>
    struct Row;
    template <class T>
    struct Changes;

    std::int64_t n_functions_;
    std::int64_t n_images_;
    std::vector<std::int64_t> centre_;  // [n_rows]
    std::vector<std::int64_t> start_;   // [n_rows + 1] blocks of a row
    std::vector<std::int32_t> image_;   // [n_blocks, block_size]; the centre fills up
    std::vector<float> slopes_;         // [n_blocks, n_functions, 3, block_size]
};

}  // namespace miniff
