#include "arrays.hpp"
#include "pair_table.hpp"

namespace miniff::bindings {

namespace nb = nanobind;
using namespace nb::literals;

namespace {

void make_table(PairTable* table, List<const std::int64_t> start, List<const std::int32_t> other,
                List<const std::int32_t> species, Vectors<const double> vectors) {
    const std::int64_t n = length(species);
    demand(length(start) == n + 1, "`start` must have one entry more than there are atoms");
    demand(start(0) == 0 && start(n) == length(other), "`start` must end at the number of pairs");
    demand(length(other) == length(vectors), "`other` and `vectors` differ in length");
    for (std::int64_t i = 0; i < n; ++i) demand(start(i) <= start(i + 1), "`start` must not fall");
    for (std::int64_t p = 0; p < length(other); ++p)
        demand(other(p) >= 0 && other(p) < n, "`other` names an atom that does not exist");
    new (table) PairTable{n, start.data(), other.data(), species.data(), vectors.data()};
}

}  // namespace

void bind_pairs(nb::module_& m) {
    nb::class_<PairTable>(m, "Pairs")
        .def("__init__", &make_table, "start"_a.noconvert(), "other"_a.noconvert(),
             "species"_a.noconvert(), "vectors"_a.noconvert(), nb::keep_alive<1, 2>(),
             nb::keep_alive<1, 3>(), nb::keep_alive<1, 4>(), nb::keep_alive<1, 5>())
        .def(
            "gather_gradient",
            [](const PairTable& table, Vectors<const double> pair_gradient, Vectors<double> out) {
                demand(length(pair_gradient) == table.start[table.n_atoms] &&
                           length(out) == table.n_atoms,
                       "`pair_gradient` must be [n_pairs, 3] and `out` [n_atoms, 3]");
                nb::gil_scoped_release released;
                gather_gradient(table, pair_gradient.data(), out.data());
            },
            "pair_gradient"_a.noconvert(), "out"_a.noconvert())
        .def(
            "gather_strain",
            [](const PairTable& table, List<const std::int64_t> structure,
               Vectors<const double> pair_gradient, Matrices<double> out) {
                demand(length(pair_gradient) == table.start[table.n_atoms] &&
                           length(structure) == table.n_atoms,
                       "`pair_gradient` must be [n_pairs, 3] and `structure` [n_atoms]");
                for (std::int64_t i = 0; i < table.n_atoms; ++i)
                    demand(structure(i) >= 0 && structure(i) < length(out),
                           "`structure` names one that does not exist");
                nb::gil_scoped_release released;
                gather_strain(table, structure.data(), pair_gradient.data(), out.data());
            },
            "structure"_a.noconvert(), "pair_gradient"_a.noconvert(), "out"_a.noconvert());

    m.def(
        "group_by_centre",
        [](Array<const std::uint64_t, -1, 2> pairs, Vectors<const std::int32_t> shifts,
           List<std::int64_t> start, List<std::int32_t> other, Vectors<std::int32_t> grouped) {
            demand(length(shifts) == length(pairs) && length(other) == length(pairs) &&
                       length(grouped) == length(pairs),
                   "`pairs`, `shifts`, `other` and `grouped` differ in length");
            nb::gil_scoped_release released;
            group_by_centre(length(start) - 1, length(pairs), pairs.data(), shifts.data(),
                            start.data(), other.data(), grouped.data());
        },
        "pairs"_a.noconvert(), "shifts"_a.noconvert(), "start"_a.noconvert(), "other"_a.noconvert(),
        "grouped"_a.noconvert());
    m.def(
        "pair_vectors",
        [](List<const std::int64_t> start, List<const std::int32_t> other,
           Vectors<const std::int32_t> shifts, List<const std::int64_t> structure,
           Vectors<const double> positions, Matrices<const double> cells, Vectors<double> out) {
            demand(length(start) == length(positions) + 1 &&
                       length(structure) == length(positions) && length(other) == length(out) &&
                       length(shifts) == length(out),
                   "the arrays do not describe one table");
            nb::gil_scoped_release released;
            pair_vectors(length(positions), start.data(), other.data(), shifts.data(),
                         structure.data(), positions.data(), cells.data(), out.data());
        },
        "start"_a.noconvert(), "other"_a.noconvert(), "shifts"_a.noconvert(),
        "structure"_a.noconvert(), "positions"_a.noconvert(), "cells"_a.noconvert(),
        "out"_a.noconvert());
}

}  // namespace miniff::bindings
