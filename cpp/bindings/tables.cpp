#include <nanobind/stl/pair.h>

#include <algorithm>

#include "arrays.hpp"

#include "images.hpp"

namespace miniff::bindings {

namespace nb = nanobind;
using namespace nb::literals;

namespace {

void demand_places(const List<const std::int32_t>& places, std::int64_t end,
                   const char* otherwise) {
    for (std::int64_t p = 0; p < length(places); ++p)
        demand(places(p) >= 0 && places(p) < end, otherwise);
}

void make_table(ImageTable* table, List<const std::int64_t> start,
                List<const std::int32_t> neighbor, List<const std::int32_t> atom,
                Vectors<const std::int32_t> shift, List<const std::int32_t> species,
                List<const std::int64_t> structure, std::int64_t n_species,
                std::int64_t n_structures) {
    const std::int64_t n = length(species), n_images = length(atom);
    demand(length(start) == n + 1, "`start` must have one entry more than there are atoms");
    demand(start(0) == 0 && start(n) == length(neighbor),
           "`start` must end at the number of pairs");
    for (std::int64_t i = 0; i < n; ++i) demand(start(i) <= start(i + 1), "`start` must not fall");
    demand(length(shift) == n_images, "`atom` and `shift` differ in length");
    demand(length(structure) == n, "`species` and `structure` differ in length");
    demand(n_images >= n, "the first images must be the atoms themselves");
    for (std::int64_t i = 0; i < n; ++i)
        demand(atom(i) == i, "the first images must be the atoms themselves");
    demand_places(neighbor, n_images, "`neighbor` names an image that does not exist");
    demand_places(atom, n, "`atom` names one that does not exist");
    demand_places(species, n_species, "`species` must be in [0, n_species)");
    for (std::int64_t i = 0; i < n; ++i)
        demand(structure(i) >= 0 && structure(i) < n_structures,
               "`structure` names one that does not exist");
    new (table) ImageTable{
        n,           n_images,     n_species,      n_structures,    start.data(), neighbor.data(),
        atom.data(), shift.data(), species.data(), structure.data()};
}

void demand_structure(const ImageTable& table, const Vectors<const double>& positions,
                      const Matrices<const double>& cells) {
    demand(length(positions) == table.n_atoms, "`positions` must be [n_atoms, 3]");
    demand(length(cells) == table.n_structures, "`cells` must be [n_structures, 3, 3]");
}

void write_positions(const ImageTable& table, Vectors<const double> positions,
                     Matrices<const double> cells, Vectors<double> out) {
    demand_structure(table, positions, cells);
    demand(length(out) == table.n_images, "`out` must be [n_images, 3]");
    nb::gil_scoped_release released;
    Quads& places = scratch(0);
    place_images(table, positions.data(), cells.data(), places);
    copy_vectors(places, out);
}

void fold(const ImageTable& table, Vectors<const double> images, Vectors<const double> by_image,
          Vectors<double> gradient, Matrices<double> strain) {
    demand(length(images) == table.n_images && length(by_image) == table.n_images,
           "`images` and `by_image` must be [n_images, 3]");
    demand(length(gradient) == table.n_atoms, "`gradient` must be [n_atoms, 3]");
    demand(length(strain) == table.n_structures, "`strain` must be [n_structures, 3, 3]");
    nb::gil_scoped_release released;
    copy_images(table, images.data(), scratch(0));
    copy_images(table, by_image.data(), scratch(1));
    fold_images(table, scratch(0), scratch(1), gradient.data(), strain.data());
}

void move(const ImageTable& table, Vectors<const double> images, Vectors<const double> moves,
          Matrices<const double> strain, Vectors<double> out) {
    demand(length(images) == table.n_images && length(out) == table.n_images,
           "`images` and `out` must be [n_images, 3]");
    demand(length(moves) == table.n_atoms, "`moves` must be [n_atoms, 3]");
    demand(length(strain) == table.n_structures, "`strain` must be [n_structures, 3, 3]");
    nb::gil_scoped_release released;
    move_images(table, images.data(), moves.data(), strain.data(), out.data());
}

std::pair<double, std::int64_t> find_closest_pair(const ImageTable& table,
                                                  Vectors<const double> positions,
                                                  Matrices<const double> cells) {
    demand_structure(table, positions, cells);
    place_images(table, positions.data(), cells.data(), scratch(0));
    const ClosestPair closest = closest_pair(table, scratch(0));
    return {closest.distance2, closest.pair};
}

}  // namespace

Quads& scratch(int which) {
    thread_local Quads quads[3];
    return quads[which];
}

void demand_centres(const ImageTable& table, const List<const std::int64_t>& centres) {
    std::int64_t last = -1;
    for (std::int64_t row = 0; row < length(centres); ++row) {
        demand(centres(row) > last && centres(row) < table.n_atoms,
               "`centres` must be indices of atoms in rising order");
        last = centres(row);
    }
}

void copy_vectors(const Quads& from, Vectors<double> to) {
    for (std::int64_t m = 0; m < length(to); ++m)
        for (int x = 0; x < 3; ++x)
            to(m, x) = from[4 * static_cast<std::size_t>(m) + static_cast<std::size_t>(x)];
}

void bind_tables(nb::module_& m) {
    nb::class_<ImageTable>(m, "ImageTable")
        .def("__init__", &make_table, "start"_a.noconvert(), "neighbor"_a.noconvert(),
             "atom"_a.noconvert(), "shift"_a.noconvert(), "species"_a.noconvert(),
             "structure"_a.noconvert(), "n_species"_a, "n_structures"_a, nb::keep_alive<1, 2>(),
             nb::keep_alive<1, 3>(), nb::keep_alive<1, 4>(), nb::keep_alive<1, 5>(),
             nb::keep_alive<1, 6>(), nb::keep_alive<1, 7>())
        .def_ro("n_images", &ImageTable::n_images)
        .def("positions", &write_positions, "positions"_a.noconvert(), "cells"_a.noconvert(),
             "out"_a.noconvert())
        .def("fold", &fold, "images"_a.noconvert(), "by_image"_a.noconvert(),
             "gradient"_a.noconvert(), "strain"_a.noconvert())
        .def("move", &move, "images"_a.noconvert(), "moves"_a.noconvert(), "strain"_a.noconvert(),
             "out"_a.noconvert())
        .def("closest_pair", &find_closest_pair, "positions"_a.noconvert(), "cells"_a.noconvert());
}

}  // namespace miniff::bindings
