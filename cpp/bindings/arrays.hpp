/// Array arguments: C-contiguous, on the CPU, of the very type; never converted, never copied.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <stdexcept>

#include "images.hpp"

namespace miniff::bindings {

template <class T, int... Shape>
using Array =
    nanobind::ndarray<T, nanobind::shape<Shape...>, nanobind::c_contig, nanobind::device::cpu>;
template <class T>
using List = Array<T, -1>;
template <class T>
using Rows = Array<T, -1, -1>;
template <class T>
using Vectors = Array<T, -1, 3>;
template <class T>
using Matrices = Array<T, -1, 3, 3>;

inline void demand(bool is_so, const char* otherwise) {
    if (!is_so) throw std::invalid_argument(otherwise);
}

template <class A>
std::int64_t length(const A& array) {
    return static_cast<std::int64_t>(array.shape(0));
}

/// Buffers of the calling thread, which keep their memory from call to call.
Quads& scratch(int which);
/// The first three of each four numbers.
void copy_vectors(const Quads& from, Vectors<double> to);
/// Rows must be of different atoms of the table: a gradient is written by one thread only.
void demand_centres(const ImageTable& table, const List<const std::int64_t>& centres);

void bind_grouping(nanobind::module_& m);
void bind_tables(nanobind::module_& m);
void bind_many_body(nanobind::module_& m);
void bind_functions(nanobind::module_& m);
void bind_coulomb(nanobind::module_& m);
void bind_energies(nanobind::module_& m);
void bind_jacobian(nanobind::module_& m);
void bind_network_training(nanobind::module_& m);

}  // namespace miniff::bindings
