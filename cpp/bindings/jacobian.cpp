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

template <class Array>
void demand_rows(const Jacobian& jacobian, const Array& rows) {
    demand(length(rows) == jacobian.n_rows() &&
               static_cast<std::int64_t>(rows.shape(1)) == jacobian.n_functions(),
           "rows must be [n_centres, n_functions]");
}

void vjp(const Jacobian& jacobian, Rows<const double> weight, Vectors<double> by_image) {
    demand_rows(jacobian, weight);
    demand(length(by_image) == jacobian.n_images(), "`by_image` must be [n_images, 3]");
    nb::gil_scoped_release released;
    widen_vectors(by_image.data(), length(by_image), scratch(1));
    jacobian.vjp(weight.data(), scratch(1));
    copy_vectors(scratch(1), by_image);
}

void jvp(const Jacobian& jacobian, Vectors<const double> direction, Rows<double> out) {
    demand_rows(jacobian, out);
    demand(length(direction) == jacobian.n_images(), "`direction` must be [n_images, 3]");
    nb::gil_scoped_release released;
    widen_vectors(direction.data(), length(direction), scratch(1));
    jacobian.jvp(scratch(1), out.data());
}

}  // namespace

void bind_jacobian(nb::module_& m) {
    nb::class_<Jacobian>(m, "Jacobian")
        .def("__init__", &make, "functions"_a, "table"_a, "images"_a.noconvert(),
             "centres"_a.noconvert())
        .def_prop_ro("n_rows", &Jacobian::n_rows)
        .def("vjp", &vjp, "weight"_a.noconvert(), "by_image"_a.noconvert())
        .def("jvp", &jvp, "direction"_a.noconvert(), "out"_a.noconvert());
}

}  // namespace miniff::bindings
