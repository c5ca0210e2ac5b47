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

/// Features [n, n_inputs] with their offsets, factors and slopes, the rows of `scale`.
NetworkInputs inputs(const NetworkForm& form, const List<const double>& parameters,
                     const Rows<const double>& features, const Rows<const double>& scale) {
    demand(length(parameters) == form.n_parameters(), "`parameters` must be [n_parameters]");
    const auto n = static_cast<std::size_t>(form.n_inputs());
    demand(features.shape(1) == n, "`features` must be [n, n_inputs]");
    demand(length(scale) == 3 && scale.shape(1) == n, "`scale` must be [3, n_inputs]");
    const double* const rows = scale.data();
    return {features.data(), length(features), rows, rows + n, rows + 2 * n};
}

template <class A>
void demand_same(const A& array, const Rows<const double>& features, const char* otherwise) {
    demand(length(array) == length(features) && array.shape(1) == features.shape(1), otherwise);
}

template <class T>
void outputs(const NetworkForm& form, List<const double> parameters, Rows<const double> features,
             Rows<const double> scale, List<double> energy, Rows<T> gradient) {
    const NetworkInputs in = inputs(form, parameters, features, scale);
    demand(length(energy) == in.n, "`energy` must be [n]");
    demand_same(gradient, features, "`gradient` must be [n, n_inputs]");
    nb::gil_scoped_release released;
    network_outputs(form, parameters.data(), in, energy.data(), gradient.data());
}

template <class T>
void slopes(const NetworkForm& form, List<const double> parameters, Rows<const double> features,
            Rows<const double> scale, List<const double> alpha, Rows<const T> c, List<double> out) {
    const NetworkInputs in = inputs(form, parameters, features, scale);
    demand(length(alpha) == in.n, "`alpha` must be [n]");
    demand_same(c, features, "`c` must be [n, n_inputs]");
    demand(length(out) == form.n_parameters(), "`out` must be [n_parameters]");
    nb::gil_scoped_release released;
    network_slopes(form, parameters.data(), in, alpha.data(), c.data(), out.data());
}

template <class T>
void bind_precision(nb::class_<NetworkForm>& form) {
    form.def("outputs", &outputs<T>, "parameters"_a.noconvert(), "features"_a.noconvert(),
             "scale"_a.noconvert(), "energy"_a.noconvert(), "gradient"_a.noconvert());
    form.def("slopes", &slopes<T>, "parameters"_a.noconvert(), "features"_a.noconvert(),
             "scale"_a.noconvert(), "alpha"_a.noconvert(), "c"_a.noconvert(), "out"_a.noconvert());
}

}  // namespace

void bind_network_training(nb::module_& m) {
    nb::class_<NetworkForm> form(m, "NetworkForm");
    form.def("__init__", &make, "widths"_a, "activation"_a)
        .def_prop_ro("n_parameters", &NetworkForm::n_parameters);
    bind_precision<double>(form);
    bind_precision<float>(form);
}

}  // namespace miniff::bindings
