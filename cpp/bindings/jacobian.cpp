#include "jacobian.hpp"

#include "arrays.hpp"

namespace miniff::bindings {

namespace nb = nanobind;
using namespace nb::literals;

namespace {

void make(Jacobian* jacobian, const FunctionSet<double>& set, const ImageTable& table,
          Vectors<const double> images, List<const std::int64_t> centres) {
    demand_centres(table, centres);
    demand(length(images) == table.n_images, "`images` must be [n_images, 3]");
    nb::gil_scoped_release released;
    copy_images(table, images.data(), scratch(0));
    new (jacobian) Jacobian(set, table, scratch(0), {length(centres), centres.data()});
}

template <class T>
using Stack = Array<T, -1, -1, -1>;

template <class A>
std::int64_t size(const A& array, std::size_t axis) {
    return static_cast<std::int64_t>(array.shape(axis));
}

template <class Rows, class Images>
void demand_shapes(const Jacobian& jacobian, const Rows& rows, const Images& images) {
    demand(size(rows, 1) == jacobian.n_rows() && size(rows, 2) == jacobian.n_functions(),
           "rows must be [n_models, n_centres, n_functions]");
    demand(size(images, 1) == jacobian.n_images() && size(images, 2) == 3,
           "images must be [n_models, n_images, 3]");
    demand(length(rows) == length(images), "rows and images must be of as many models");
}

/// [n_models, n_images, 3] to [n_images, n_models, 4]
template <class T>
void widen(const Stack<T>& from, Quads& to) {
    const std::int64_t n_models = size(from, 0), n_images = size(from, 1);
    to.resize(static_cast<std::size_t>(4 * n_images * n_models));
    const double* in = from.data();
    for (std::int64_t k = 0; k < n_models; ++k)
        for (std::int64_t m = 0; m < n_images; ++m, in += 3) {
            double* const out = to.data() + 4 * (m * n_models + k);
            for (int x = 0; x < 3; ++x) out[x] = in[x];
            out[3] = 0;
        }
}

/// The reverse.
void narrow(const Quads& from, const Stack<double>& to) {
    const std::int64_t n_models = size(to, 0), n_images = size(to, 1);
    double* out = to.data();
    for (std::int64_t k = 0; k < n_models; ++k)
        for (std::int64_t m = 0; m < n_images; ++m, out += 3)
            for (int x = 0; x < 3; ++x)
                out[x] = from[static_cast<std::size_t>(4 * (m * n_models + k) + x)];
}

template <class T>
void vjp(const Jacobian& jacobian, Stack<const T> weight, Stack<double> by_image) {
    demand_shapes(jacobian, weight, by_image);
    nb::gil_scoped_release released;
    widen(by_image, scratch(1));
    jacobian.vjp(weight.data(), length(weight), scratch(1));
    narrow(scratch(1), by_image);
}

template <class T>
void jvp(const Jacobian& jacobian, Stack<const double> direction, Stack<T> out) {
    demand_shapes(jacobian, out, direction);
    nb::gil_scoped_release released;
    widen(direction, scratch(1));
    jacobian.jvp(scratch(1), length(out), out.data());
}

}  // namespace

void bind_jacobian(nb::module_& m) {
    nb::class_<Jacobian>(m, "Jacobian")
        .def("__init__", &make, "functions"_a, "table"_a, "images"_a.noconvert(),
             "centres"_a.noconvert())
        .def_prop_ro("n_rows", &Jacobian::n_rows)
        .def("vjp", &vjp<double>, "weight"_a.noconvert(), "by_image"_a.noconvert())
        .def("vjp", &vjp<float>, "weight"_a.noconvert(), "by_image"_a.noconvert())
        .def("jvp", &jvp<double>, "direction"_a.noconvert(), "out"_a.noconvert())
        .def("jvp", &jvp<float>, "direction"_a.noconvert(), "out"_a.noconvert());
}

}  // namespace miniff::bindings
