#include <nanobind/stl/vector.h>

#include "arrays.hpp"
#include "forms.hpp"
#include "function_set.hpp"
#include "pair_sum.hpp"
#include "symmetry_functions.hpp"
#include "triple_sum.hpp"

namespace miniff::bindings {

namespace nb = nanobind;
using namespace nb::literals;

namespace {

void demand_column(const FunctionSet& set, std::int64_t column) {
    demand(column >= 0 && column < set.n_functions(), "`column` must be in [0, n_functions)");
}

/// set.<name>(column, neighbor, cutoff, numbers...): adds the sum of a pair form.
template <class Form, class... Number, class... Names>
void bind_pair(nb::class_<FunctionSet>& set, const char* name, Names... names) {
    set.def(
        name,
        [](FunctionSet& self, std::int64_t column, std::int32_t neighbor, double cutoff,
           Number... numbers) {
            demand_column(self, column);
            self.add(std::make_unique<PairSum<Form>>(column, neighbor, Form{cutoff, numbers...}));
        },
        "column"_a, "neighbor"_a, "cutoff"_a, nb::arg(names)...);
}

/// set.<name>(column, first, second, cutoff, numbers...): adds the sum of a triple form.
template <class Form, class... Number, class... Names>
void bind_triple(nb::class_<FunctionSet>& set, const char* name, Names... names) {
    set.def(
        name,
        [](FunctionSet& self, std::int64_t column, std::int32_t first, std::int32_t second,
           double cutoff, Number... numbers) {
            demand_column(self, column);
            self.add(
                std::make_unique<TripleSum<Form>>(column, first, second, Form{cutoff, numbers...}));
        },
        "column"_a, "first"_a, "second"_a, "cutoff"_a, nb::arg(names)...);
}

/// Rows must be of different atoms of the table: a gradient is written by one thread only.
void demand_centres(const PairTable& table, const List<const std::int64_t>& centres) {
    std::int64_t last = -1;
    for (std::int64_t row = 0; row < length(centres); ++row) {
        demand(centres(row) > last && centres(row) < table.n_atoms,
               "`centres` must be indices of atoms in rising order");
        last = centres(row);
    }
}

void demand_rows(const FunctionSet& set, std::int64_t n_centres, std::int64_t n_rows,
                 std::int64_t n_columns) {
    demand(n_rows == n_centres && n_columns == set.n_functions(),
           "rows must be [n_centres, n_functions]");
}

void values(const FunctionSet& set, const PairTable& table, List<const std::int64_t> centres,
            Rows<double> out) {
    demand_centres(table, centres);
    demand_rows(set, length(centres), length(out), static_cast<std::int64_t>(out.shape(1)));
    nb::gil_scoped_release released;
    set.values(table, {length(centres), centres.data()}, out.data());
}

void vjp(const FunctionSet& set, const PairTable& table, List<const std::int64_t> centres,
         Rows<const double> weight, Vectors<double> gradient) {
    demand_centres(table, centres);
    demand_rows(set, length(centres), length(weight), static_cast<std::int64_t>(weight.shape(1)));
    demand(length(gradient) == table.start[table.n_atoms], "`gradient` must be [n_pairs, 3]");
    nb::gil_scoped_release released;
    set.vjp(table, {length(centres), centres.data()}, weight.data(), gradient.data());
}

void jvp(const FunctionSet& set, const PairTable& table, List<const std::int64_t> centres,
         Vectors<const double> direction, Rows<double> out) {
    demand_centres(table, centres);
    demand_rows(set, length(centres), length(out), static_cast<std::int64_t>(out.shape(1)));
    demand(length(direction) == table.start[table.n_atoms], "`direction` must be [n_pairs, 3]");
    nb::gil_scoped_release released;
    set.jvp(table, {length(centres), centres.data()}, direction.data(), out.data());
}

void make_radial(RadialFunction* f, std::int64_t column, std::int32_t neighbor, double eta,
                 double shift, int type, double alpha, double cutoff) {
    new (f) RadialFunction{column, neighbor, eta, shift, {cutoff_type(type), alpha, cutoff}};
}

void make_angular(AngularFunction* f, std::int64_t column, std::int32_t first, std::int32_t second,
                  double prefactor, double eta, double lambda, double zeta, double shift, int type,
                  double alpha, double cutoff, bool narrow) {
    demand(zeta >= 1, "`zeta` must be at least 1");
    const CutoffFunction fc{cutoff_type(type), alpha, cutoff};
    new (f) AngularFunction{column, first, second, prefactor, eta, lambda, zeta, shift, fc, narrow};
}

}  // namespace

void bind_functions(nb::module_& m) {
    nb::class_<RadialFunction>(m, "RadialFunction")
        .def("__init__", &make_radial, "column"_a, "neighbor"_a, "eta"_a, "shift"_a,
             "cutoff_type"_a, "alpha"_a, "cutoff"_a);
    nb::class_<AngularFunction>(m, "AngularFunction")
        .def("__init__", &make_angular, "column"_a, "first"_a, "second"_a, "prefactor"_a, "eta"_a,
             "lambda_"_a, "zeta"_a, "shift"_a, "cutoff_type"_a, "alpha"_a, "cutoff"_a, "narrow"_a);
    nb::class_<FunctionSet> set(m, "FunctionSet");
    set.def(nb::init<std::int64_t>(), "n_functions"_a)
        .def_prop_ro("n_functions", &FunctionSet::n_functions)
        .def_prop_ro("cutoff", &FunctionSet::cutoff)
        .def("values", &values, "pairs"_a, "centres"_a.noconvert(), "out"_a.noconvert())
        .def("vjp", &vjp, "pairs"_a, "centres"_a.noconvert(), "weight"_a.noconvert(),
             "gradient"_a.noconvert())
        .def("jvp", &jvp, "pairs"_a, "centres"_a.noconvert(), "direction"_a.noconvert(),
             "out"_a.noconvert())
        .def(
            "symmetry_functions",
            [](FunctionSet& self, const std::vector<RadialFunction>& radial,
               const std::vector<AngularFunction>& angular) {
                for (const auto& f : radial) demand_column(self, f.column);
                for (const auto& f : angular) demand_column(self, f.column);
                self.add(std::make_unique<SymmetryFunctions>(radial, angular));
            },
            "radial"_a, "angular"_a);
    bind_pair<LennardJones, double, double>(set, "lennard_jones", "epsilon", "sigma");
    bind_pair<StillingerWeber2, double, double, double, double, double, double>(
        set, "stillinger_weber_2", "epsilon", "sigma", "gauge_a", "gauge_b", "p", "q");
    bind_triple<StillingerWeber3, double, double, double, double, double>(
        set, "stillinger_weber_3", "epsilon", "sigma", "l", "gamma", "cos_theta0");
}

}  // namespace miniff::bindings
