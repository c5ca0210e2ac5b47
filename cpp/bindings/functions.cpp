#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/vector.h>

#include "arrays.hpp"
#include "descriptor_forms.hpp"
#include "embedded_atom.hpp"
#include "environment.hpp"
#include "forms.hpp"
#include "on_site.hpp"
#include "pair_sum.hpp"
#include "symmetry_functions.hpp"
#include "tersoff.hpp"
#include "triple_sum.hpp"
#include "zbl.hpp"

namespace miniff::bindings {

namespace nb = nanobind;
using namespace nb::literals;

namespace {

template <class T>
void demand_column(const FunctionSet<T>& set, std::int64_t column) {
    demand(column >= 0 && column < set.n_functions(), "`column` must be in [0, n_functions)");
}

/// set.<name>(column, neighbor, cutoff, numbers...): adds the sum of a pair form.
template <class Form, class... Number, class... Names>
void bind_pair(nb::class_<FunctionSet<double>>& set, const char* name, Names... names) {
    set.def(
        name,
        [](FunctionSet<double>& self, std::int64_t column, std::int32_t neighbor, double cutoff,
           Number... numbers) {
            demand_column(self, column);
            self.add(std::make_unique<PairSum<Form>>(column, neighbor, Form{cutoff, numbers...}));
        },
        "column"_a, "neighbor"_a, "cutoff"_a, nb::arg(names)...);
}

/// set.<name>(column, form): adds the energy of a many-body form.
template <class Form>
void bind_many_body_form(nb::class_<FunctionSet<double>>& set, const char* name) {
    set.def(
        name,
        [](FunctionSet<double>& self, std::int64_t column, const Form& form) {
            demand_column(self, column);
            self.add(std::make_unique<ManyBody<Form>>(column, form));
        },
        "column"_a, "form"_a);
}

/// set.on_site(column, v0): adds a constant.
void add_on_site(FunctionSet<double>& set, std::int64_t column, double v0) {
    demand_column(set, column);
    set.add(std::make_unique<OnSite>(column, v0));
}

template <class T, class Rows>
void demand_all(const FunctionSet<T>& set, const ImageTable& table,
                const Vectors<const double>& images, const List<const std::int64_t>& centres,
                const Rows& rows) {
    demand_centres(table, centres);
    demand(length(images) == table.n_images, "`images` must be [n_images, 3]");
    demand(length(rows) == length(centres) &&
               static_cast<std::int64_t>(rows.shape(1)) == set.n_functions(),
           "rows must be [n_centres, n_functions]");
}

template <class T>
void values(const FunctionSet<T>& set, const ImageTable& table, Vectors<const double> images,
            List<const std::int64_t> centres, Rows<T> out) {
    demand_all(set, table, images, centres, out);
    nb::gil_scoped_release released;
    copy_images(table, images.data(), scratch(0));
    environment_values(set, table, scratch(0), {length(centres), centres.data()}, out.data());
}

template <class T>
void vjp(const FunctionSet<T>& set, const ImageTable& table, Vectors<const double> images,
         List<const std::int64_t> centres, Rows<const T> weight, Vectors<double> by_image) {
    demand_all(set, table, images, centres, weight);
    demand(length(by_image) == table.n_images, "`by_image` must be [n_images, 3]");
    nb::gil_scoped_release released;
    copy_images(table, images.data(), scratch(0));
    copy_images(table, by_image.data(), scratch(1));
    environment_vjp(set, table, scratch(0), {length(centres), centres.data()}, weight.data(),
                    scratch(1));
    copy_vectors(scratch(1), by_image);
}

template <class T>
void pair_vjp(const FunctionSet<T>& set, const ImageTable& table, Vectors<const double> images,
              List<const std::int64_t> centres, Rows<const T> weight, Vectors<double> by_pair) {
    demand_all(set, table, images, centres, weight);
    demand(length(by_pair) == table.n_pairs(), "`by_pair` must be [n_pairs, 3]");
    nb::gil_scoped_release released;
    copy_images(table, images.data(), scratch(0));
    environment_pair_vjp(set, table, scratch(0), {length(centres), centres.data()}, weight.data(),
                         by_pair.data());
}

template <class T>
void jvp(const FunctionSet<T>& set, const ImageTable& table, Vectors<const double> images,
         List<const std::int64_t> centres, Vectors<const double> direction, Rows<T> out) {
    demand_all(set, table, images, centres, out);
    demand(length(direction) == table.n_images, "`direction` must be [n_images, 3]");
    nb::gil_scoped_release released;
    copy_images(table, images.data(), scratch(0));
    copy_images(table, direction.data(), scratch(1));
    environment_jvp(set, table, scratch(0), {length(centres), centres.data()}, scratch(1),
                    out.data());
}

template <class T>
nb::class_<FunctionSet<T>> bind_set(nb::module_& m, const char* name) {
    nb::class_<FunctionSet<T>> set(m, name);
    set.def(nb::init<std::int64_t>(), "n_functions"_a)
        .def_prop_ro("n_functions", &FunctionSet<T>::n_functions)
        .def_prop_ro("cutoff", &FunctionSet<T>::cutoff)
        .def("values", &values<T>, "table"_a, "images"_a.noconvert(), "centres"_a.noconvert(),
             "out"_a.noconvert())
        .def("vjp", &vjp<T>, "table"_a, "images"_a.noconvert(), "centres"_a.noconvert(),
             "weight"_a.noconvert(), "by_image"_a.noconvert())
        .def("pair_vjp", &pair_vjp<T>, "table"_a, "images"_a.noconvert(), "centres"_a.noconvert(),
             "weight"_a.noconvert(), "by_pair"_a.noconvert())
        .def("jvp", &jvp<T>, "table"_a, "images"_a.noconvert(), "centres"_a.noconvert(),
             "direction"_a.noconvert(), "out"_a.noconvert())
        .def(
            "symmetry_functions",
            [](FunctionSet<T>& self, const std::vector<RadialFunction>& radial,
               const std::vector<AngularFunction>& angular) {
                for (const auto& f : radial) demand_column(self, f.column);
                for (const auto& f : angular) demand_column(self, f.column);
                self.add(miniff::symmetry_functions<T>(radial, angular));
            },
            "radial"_a, "angular"_a);
    return set;
}

/// Of a window, which is to be smooth in its middle.
CutoffType window_type(int type) {
    demand(type >= static_cast<int>(CutoffType::exponential), "`type` of a window is 4 to 8");
    return cutoff_type(type);
}

void make_window(CutoffFunction* f, int type, double low, double cutoff, bool asymmetric) {
    demand(low < cutoff, "`low` must be below `cutoff`");
    new (f) CutoffFunction{window_type(type), 0.0, cutoff, true, low, asymmetric};
}

void make_angle_window(AngleWindow* f, int type, double centre, double half_width) {
    demand(half_width > 0, "`half_width` must be above 0");
    new (f) AngleWindow{window_type(type), centre, 1 / half_width};
}

void make_radial(RadialFunction* f, std::int64_t column, std::int32_t neighbor, double eta,
                 double shift, int type, double alpha, double cutoff, double prefactor) {
    const CutoffFunction fc{cutoff_type(type), alpha, cutoff};
    new (f) RadialFunction{column, neighbor, prefactor, eta, shift, fc};
}

void make_compact_radial(RadialFunction* f, std::int64_t column, std::int32_t neighbor,
                         double prefactor, const CutoffFunction& window) {
    new (f) RadialFunction{column, neighbor, prefactor, 0.0, 0.0, window};
}

void make_angular(AngularFunction* f, std::int64_t column, std::int32_t first, std::int32_t second,
                  double prefactor, double eta, double lambda, double zeta, double shift, int type,
                  double alpha, double cutoff, bool narrow) {
    demand(zeta >= 1 && zeta <= 256, "`zeta` must be in [1, 256]");
    const CutoffFunction fc{cutoff_type(type), alpha, cutoff};
    new (f)
        AngularFunction{column, first, second, prefactor, eta, {lambda, zeta}, shift, fc, narrow};
}

void make_compact_angular(AngularFunction* f, std::int64_t column, std::int32_t first,
                          std::int32_t second, double prefactor, const CutoffFunction& window,
                          const AngleWindow& angle, bool narrow) {
    new (f) AngularFunction{column, first,  second, prefactor, 0.0, {0.0, 0.0, angle},
                            0.0,    window, narrow};
}

}  // namespace

void bind_functions(nb::module_& m) {
    nb::class_<CutoffFunction>(m, "RadialWindow")
        .def("__init__", &make_window, "type"_a, "low"_a, "cutoff"_a, "asymmetric"_a);
    nb::class_<AngleWindow>(m, "AngleWindow")
        .def("__init__", &make_angle_window, "type"_a, "centre"_a, "half_width"_a);
    nb::class_<RadialFunction>(m, "RadialFunction")
        .def("__init__", &make_radial, "column"_a, "neighbor"_a, "eta"_a, "shift"_a,
             "cutoff_type"_a, "alpha"_a, "cutoff"_a, "prefactor"_a = 1.0)
        .def("__init__", &make_compact_radial, "column"_a, "neighbor"_a, "prefactor"_a, "window"_a);
    nb::class_<AngularFunction>(m, "AngularFunction")
        .def("__init__", &make_angular, "column"_a, "first"_a, "second"_a, "prefactor"_a, "eta"_a,
             "lambda_"_a, "zeta"_a, "shift"_a, "cutoff_type"_a, "alpha"_a, "cutoff"_a, "narrow"_a)
        .def("__init__", &make_compact_angular, "column"_a, "first"_a, "second"_a, "prefactor"_a,
             "window"_a, "angle"_a, "narrow"_a);
    nb::class_<StillingerWeberLeg>(m, "StillingerWeberLeg")
        .def(
            "__init__",
            [](StillingerWeberLeg* leg, double cutoff, double sigma, double gamma) {
                new (leg) StillingerWeberLeg{cutoff, sigma, gamma};
            },
            "cutoff"_a, "sigma"_a, "gamma"_a);
    bind_set<float>(m, "FunctionSet32");
    auto set = bind_set<double>(m, "FunctionSet");
    set.def("on_site", &add_on_site, "column"_a, "v0"_a);
    bind_pair<HarmonicRepulsion, double>(set, "harmonic_repulsion", "epsilon");
    bind_pair<LennardJones, double, double>(set, "lennard_jones", "epsilon", "sigma");
    bind_pair<Morse, double, double, double>(set, "morse", "d0", "alpha", "r0");
    bind_pair<Buckingham, double, double, double>(set, "buckingham", "amplitude", "rho", "c");
    bind_pair<Zbl, double, double, double, double, double>(set, "zbl", "z1", "z2", "a_inner",
                                                           "coulomb_constant", "screening_length");
    bind_pair<Sigmoid, double, double>(set, "sigmoid", "dr", "r0");
    bind_pair<StillingerWeber2, double, double, double, double, double, double>(
        set, "stillinger_weber_2", "epsilon", "sigma", "gauge_a", "gauge_b", "p", "q");
    set.def(
        "behler_5x",
        [](FunctionSet<double>& self, std::int64_t column, std::int32_t first, std::int32_t second,
           double cutoff, double epsilon, double eta1, double eta2, double cos_theta0) {
            demand_column(self, column);
            const GaussianLeg one{cutoff, eta1}, other{cutoff, eta2};
            for (const Behler5x& form : {Behler5x{epsilon, cos_theta0, one, other},
                                         Behler5x{epsilon, cos_theta0, other, one}})
                self.add(std::make_unique<TripleSum<Behler5x>>(column, first, second, form));
        },
        "column"_a, "first"_a, "second"_a, "cutoff"_a, "epsilon"_a, "eta1"_a, "eta2"_a,
        "cos_theta0"_a);
    set.def(
        "stillinger_weber_3",
        [](FunctionSet<double>& self, std::int64_t column, std::int32_t first, std::int32_t second,
           double epsilon, double l, double cos_theta0, const StillingerWeberLeg& first_leg,
           const StillingerWeberLeg& second_leg) {
            demand_column(self, column);
            const StillingerWeber3 form{epsilon, l, cos_theta0, first_leg, second_leg};
            self.add(std::make_unique<TripleSum<StillingerWeber3>>(column, first, second, form));
        },
        "column"_a, "first"_a, "second"_a, "epsilon"_a, "l"_a, "cos_theta0"_a, "first_leg"_a,
        "second_leg"_a);
    bind_many_body_form<EmbeddedAtom>(set, "embedded_atom");
    bind_many_body_form<Tersoff>(set, "tersoff");
}

}  // namespace miniff::bindings
