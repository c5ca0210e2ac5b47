#include "network_training.hpp"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arrays.hpp"

namespace miniff::bindings {

namespace nb = nanobind;
using namespace nb::literals;

namespace {

void make(NetworkForm* form, std::vector<std::int64_t> widths, const std::string& activation) {
    demand(widths.size() >= 2, "`widths` must be of the inputs and at least one layer");
    for (std::int64_t n : widths) demand(n > 0, "`widths` must be positive");
    demand(activation == "tanh" || activation == "sigmoid", "`activation` must be tanh or sigmoid");
    const auto kind = activation == "tanh" ? TrainedActivation::tanh : TrainedActivation::sigmoid;
    new (form) NetworkForm{std::move(widths), kind};
}

void demand_shapes(const NetworkForm& form, const List<const double>& parameters,
                   const Rows<const double>& x) {
    demand(length(parameters) == form.n_parameters(), "`parameters` must be [n_parameters]");
    demand(static_cast<std::int64_t>(x.shape(1)) == form.n_inputs(), "`x` must be [n, n_inputs]");
}

template <class A>
void demand_same(const A& array, const Rows<const double>& x, const char* otherwise) {
    demand(length(array) == length(x) && array.shape(1) == x.shape(1), otherwise);
}

void outputs(const NetworkForm& form, List<const double> parameters, Rows<const double> x,
             List<double> energy, Rows<double> gradient) {
    demand_shapes(form, parameters, x);
    demand(length(energy) == length(x), "`energy` must be [n]");
    demand_same(gradient, x, "`gradient` must be [n, n_inputs]");
    nb::gil_scoped_release released;
    network_outputs(form, parameters.data(), x.data(), length(x), energy.data(), gradient.data());
}

void slopes(const NetworkForm& form, List<const double> parameters, Rows<const double> x,
            List<const double> alpha, Rows<const double> c, List<double> out) {
    demand_shapes(form, parameters, x);
    demand(length(alpha) == length(x), "`alpha` must be [n]");
    demand_same(c, x, "`c` must be [n, n_inputs]");
    demand(length(out) == form.n_parameters(), "`out` must be [n_parameters]");
    nb::gil_scoped_release released;
    network_slopes(form, parameters.data(), x.data(), length(x), alpha.data(), c.data(),
                   out.data());
}

}  // namespace

void bind_network_training(nb::module_& m) {
    nb::class_<NetworkForm>(m, "NetworkForm")
        .def("__init__", &make, "widths"_a, "activation"_a)
        .def_prop_ro("n_parameters", &NetworkForm::n_parameters)
        .def("outputs", &outputs, "parameters"_a.noconvert(), "x"_a.noconvert(),
             "energy"_a.noconvert(), "gradient"_a.noconvert())
        .def("slopes", &slopes, "parameters"_a.noconvert(), "x"_a.noconvert(),
             "alpha"_a.noconvert(), "c"_a.noconvert(), "out"_a.noconvert());
}

}  // namespace miniff::bindings
