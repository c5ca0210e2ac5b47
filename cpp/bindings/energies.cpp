#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arrays.hpp"
#include "energy_model.hpp"

namespace miniff::bindings {

namespace nb = nanobind;
using namespace nb::literals;

namespace {

template <class T>
void add_layer(Network<T>& network, Array<const double, -1, -1> weight, List<const double> bias,
               const std::string& activation) {
    const auto n_out = static_cast<std::int64_t>(weight.shape(0));
    const auto n_in = static_cast<std::int64_t>(weight.shape(1));
    demand(length(bias) == n_out && n_out > 0, "`bias` must be [n_out]");
    network.add(n_in, n_out, weight.data(), bias.data(), activation_of(activation));
}

template <class T>
void bind_network(nb::module_& m, const char* name) {
    nb::class_<Network<T>>(m, name)
        .def(nb::init<>())
        .def("add", &add_layer<T>, "weight"_a.noconvert(), "bias"_a.noconvert(), "activation"_a);
}

template <class T>
void make_training_set(TrainingSet<T>* to, List<const double> middle,
                       List<const double> half_width) {
    demand(length(half_width) == length(middle), "`half_width` must be [n_functions]");
    new (to) TrainingSet<T>(length(middle), middle.data(), half_width.data());
}

template <class T>
void set_moments(TrainingSet<T>& training, List<const double> mean,
                 Array<const double, -1, -1> whitening) {
    demand(length(mean) == training.n(), "`mean` must be [n_functions]");
    demand(length(whitening) == training.n() && whitening.shape(1) == whitening.shape(0),
           "`whitening` must be [n_functions, n_functions]");
    training.set_moments(mean.data(), whitening.data());
}

template <class T>
void bind_training_set(nb::module_& m, const char* name) {
    nb::class_<TrainingSet<T>>(m, name)
        .def("__init__", &make_training_set<T>, "middle"_a.noconvert(), "half_width"_a.noconvert())
        .def("set_moments", &set_moments<T>, "mean"_a.noconvert(), "whitening"_a.noconvert());
}

void demand_species(const EnergyModel& model, std::int64_t species) {
    demand(species >= 0 && species < model.n_species(), "`species` must be in [0, n_species)");
}

template <class T>
void add_networks(EnergyModel& model, std::int64_t species, std::shared_ptr<FunctionSet<T>> set,
                  std::vector<Network<T>> networks, std::shared_ptr<TrainingSet<T>> training) {
    demand_species(model, species);
    model.add(species,
              network_contribution<T>(std::move(set), std::move(networks), std::move(training)));
}

void add_sum(EnergyModel& model, std::int64_t species, std::shared_ptr<FunctionSet<double>> set) {
    demand_species(model, species);
    model.add(species, sum_contribution(std::move(set)));
}

void evaluate(const EnergyModel& model, const ImageTable& table, Vectors<const double> positions,
              Matrices<const double> cells, List<double> energies, Vectors<double> gradient,
              Matrices<double> strain, Array<double, -1, 2> grades) {
    demand(model.n_species() == table.n_species, "the model is for another list of species");
    demand(length(positions) == table.n_atoms, "`positions` must be [n_atoms, 3]");
    demand(length(cells) == table.n_structures, "`cells` must be [n_structures, 3, 3]");
    demand(length(energies) == table.n_atoms, "`energies` must be [n_atoms]");
    demand(length(gradient) == table.n_atoms, "`gradient` must be [n_atoms, 3]");
    demand(length(strain) == table.n_structures, "`strain` must be [n_structures, 3, 3]");
    demand(length(grades) == table.n_atoms, "`grades` must be [n_atoms, 2]");
    nb::gil_scoped_release released;
    place_images(table, positions.data(), cells.data(), scratch(0));
    const Found found{energies.data(), gradient.data(), strain.data(), grades.data()};
    model.evaluate(table, scratch(0), found, scratch(1));
}

}  // namespace

void bind_energies(nb::module_& m) {
    bind_network<double>(m, "Network");
    bind_network<float>(m, "Network32");
    bind_training_set<double>(m, "TrainingSet");
    bind_training_set<float>(m, "TrainingSet32");
    nb::class_<EnergyModel>(m, "EnergyModel")
        .def(nb::init<std::int64_t>(), "n_species"_a)
        .def("add_sum", &add_sum, "species"_a, "functions"_a)
        .def("add_networks", &add_networks<double>, "species"_a, "functions"_a, "networks"_a,
             "training"_a.none())
        .def("add_networks", &add_networks<float>, "species"_a, "functions"_a, "networks"_a,
             "training"_a.none())
        .def("set_mutual", &EnergyModel::set_mutual)
        .def("evaluate", &evaluate, "table"_a, "positions"_a.noconvert(), "cells"_a.noconvert(),
             "energies"_a.noconvert(), "gradient"_a.noconvert(), "strain"_a.noconvert(),
             "grades"_a.noconvert());
}

}  // namespace miniff::bindings
