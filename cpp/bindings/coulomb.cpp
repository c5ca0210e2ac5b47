#include <nanobind/stl/optional.h>

#include <algorithm>
#include <optional>

#include "arrays.hpp"
#include "charge_mesh.hpp"
#include "coulomb_pairs.hpp"
#include "reciprocal_sum.hpp"

namespace miniff::bindings {

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Widths = std::optional<List<const double>>;

const double* widths_or_null(const Widths& squared_widths, std::int64_t n) {
    if (!squared_widths) return nullptr;
    demand(length(*squared_widths) == n, "`squared_widths` must be [n_images]");
    return squared_widths->data();
}

void demand_atoms(const ImageTable& table, const Vectors<const double>& positions,
                  const Matrices<const double>& cells, const List<const double>& charges) {
    demand(length(positions) == table.n_atoms, "`positions` must be [n_atoms, 3]");
    demand(length(cells) == table.n_structures, "`cells` must be [n_structures, 3, 3]");
    demand(length(charges) == table.n_atoms, "`charges` must be [n_atoms]");
}

CoulombSums sums_of(const ImageTable& table, const List<double>& potential,
                    const Vectors<double>& gradient, const Matrices<double>& strain) {
    demand(length(potential) == table.n_atoms, "`potential` must be [n_atoms]");
    demand(length(gradient) == table.n_atoms, "`gradient` must be [n_atoms, 3]");
    demand(length(strain) == table.n_structures, "`strain` must be [n_structures, 3, 3]");
    return {potential.data(), gradient.data(), strain.data()};
}

void screened_pairs(const ImageTable& table, Vectors<const double> positions,
                    Matrices<const double> cells, List<const double> charges, Widths squared_widths,
                    const ScreenedCoulomb& form, List<const double> eta, List<double> potential,
                    Vectors<double> gradient, Matrices<double> strain) {
    demand_atoms(table, positions, cells, charges);
    demand(length(eta) == table.n_structures, "`eta` must be [n_structures]");
    const double* const widths = widths_or_null(squared_widths, table.n_images);
    const CoulombSums sums = sums_of(table, potential, gradient, strain);
    nb::gil_scoped_release released;
    std::vector<ScreenedCoulomb> forms;
    for (std::int64_t s = 0; s < table.n_structures; ++s)
        forms.push_back({eta(s) < 0 ? 0.0 : form.cutoff, eta(s), form.shift, form.slope});
    place_charges(table, positions.data(), cells.data(), charges.data(), scratch(0));
    add_screened_pairs(table, scratch(0), widths, forms, sums);
}

void all_pairs(const ImageTable& table, Vectors<const double> positions,
               Matrices<const double> cells, List<const double> charges, Widths squared_widths,
               std::int64_t structure, List<double> potential, Vectors<double> gradient,
               Matrices<double> strain) {
    demand_atoms(table, positions, cells, charges);
    demand(structure >= 0 && structure < table.n_structures,
           "`structure` must be in [0, n_structures)");
    const double* const widths = widths_or_null(squared_widths, table.n_images);
    const CoulombSums sums = sums_of(table, potential, gradient, strain);
    const auto of = std::equal_range(table.structure, table.structure + table.n_atoms, structure);
    nb::gil_scoped_release released;
    place_charges(table, positions.data(), cells.data(), charges.data(), scratch(0));
    add_all_pairs(of.first - table.structure, of.second - table.structure, scratch(0), widths, sums,
                  strain.data() + 9 * structure);
}

void waves(Array<const std::int32_t, -1, 2> rows, List<const std::int64_t> start,
           Array<const double, -1, 2> weight, Vectors<const double> fractional,
           List<const double> charges, List<double> potential, Vectors<double> gradient,
           Array<double, -1, 2> power) {
    const std::int64_t n = length(charges), n_rows = length(rows);
    demand(length(start) == n_rows + 1 && start(0) == 0, "`start` must be [n_rows + 1] from 0");
    for (std::int64_t row = 0; row < n_rows; ++row) {
        demand(start(row) < start(row + 1), "`start` must rise");
        demand(rows(row, 0) >= 0, "`rows` must have h >= 0");
    }
    demand(length(weight) == start(n_rows) && length(power) == start(n_rows),
           "`weight` and `power` must have a row for each wave");
    demand(length(fractional) == n && length(potential) == n && length(gradient) == n,
           "`fractional`, `potential` and `gradient` must have a row for each atom");
    nb::gil_scoped_release released;
    add_waves({n_rows, rows.data(), start.data(), weight.data()}, n, fractional.data(),
              charges.data(), potential.data(), gradient.data(), power.data());
}

template <class T>
Mesh mesh_of(const Array<T, -1, -1, -1>& points, int order) {
    demand(order >= 2 && order <= highest_order && order % 2 == 0,
           "`order` must be an even number in [2, 10]");
    Mesh mesh{};
    mesh.order = order;
    for (std::size_t x = 0; x < 3; ++x) {
        mesh.size[x] = static_cast<std::int64_t>(points.shape(x));
        demand(mesh.size[x] > 0, "a mesh must have points");
    }
    return mesh;
}

void spread(Vectors<const double> fractional, List<const double> charges, int order,
            Array<double, -1, -1, -1> mesh) {
    const std::int64_t n = length(charges);
    demand(length(fractional) == n, "`fractional` must be [n_atoms, 3]");
    nb::gil_scoped_release released;
    spread_charges(mesh_of(mesh, order), n, fractional.data(), charges.data(), mesh.data());
}

void gather(Array<const double, -1, -1, -1> field, Vectors<const double> fractional,
            List<const double> charges, int order, List<double> potential,
            Vectors<double> gradient) {
    const std::int64_t n = length(charges);
    demand(length(fractional) == n && length(potential) == n && length(gradient) == n,
           "`fractional`, `potential` and `gradient` must have a row for each atom");
    nb::gil_scoped_release released;
    gather_potential(mesh_of(field, order), n, fractional.data(), charges.data(), field.data(),
                     potential.data(), gradient.data());
}

}  // namespace

void bind_coulomb(nb::module_& m) {
    nb::class_<ScreenedCoulomb>(m, "ScreenedCoulomb")
        .def(
            "__init__",
            [](ScreenedCoulomb* form, double cutoff, double shift, double slope) {
                new (form) ScreenedCoulomb{cutoff, 0.0, shift, slope};
            },
            "cutoff"_a, "shift"_a, "slope"_a);
    m.def("screened_pairs", &screened_pairs, "table"_a, "positions"_a.noconvert(),
          "cells"_a.noconvert(), "charges"_a.noconvert(), "squared_widths"_a.noconvert().none(),
          "form"_a, "eta"_a.noconvert(), "potential"_a.noconvert(), "gradient"_a.noconvert(),
          "strain"_a.noconvert());
    m.def("all_pairs", &all_pairs, "table"_a, "positions"_a.noconvert(), "cells"_a.noconvert(),
          "charges"_a.noconvert(), "squared_widths"_a.noconvert().none(), "structure"_a,
          "potential"_a.noconvert(), "gradient"_a.noconvert(), "strain"_a.noconvert());
    m.def("waves", &waves, "rows"_a.noconvert(), "start"_a.noconvert(), "weight"_a.noconvert(),
          "fractional"_a.noconvert(), "charges"_a.noconvert(), "potential"_a.noconvert(),
          "gradient"_a.noconvert(), "power"_a.noconvert());
    m.def("spread", &spread, "fractional"_a.noconvert(), "charges"_a.noconvert(), "order"_a,
          "mesh"_a.noconvert());
    m.def("gather", &gather, "field"_a.noconvert(), "fractional"_a.noconvert(),
          "charges"_a.noconvert(), "order"_a, "potential"_a.noconvert(), "gradient"_a.noconvert());
}

}  // namespace miniff::bindings
