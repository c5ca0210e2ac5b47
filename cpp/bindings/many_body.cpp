#include <nanobind/stl/vector.h>

#include "arrays.hpp"
#include "embedded_atom.hpp"
#include "tersoff.hpp"

namespace miniff::bindings {

namespace nb = nanobind;
using namespace nb::literals;

namespace {

std::vector<double> copied(const double* from, std::int64_t n) {
    return {from, from + n};
}

void make_embedded_atom(EmbeddedAtom* form, double cutoff, double step, double embedding_step,
                        List<const double> embedding, const std::vector<std::int32_t>& species,
                        Rows<const double> density, Rows<const double> r_phi) {
    const auto n_species = static_cast<std::int64_t>(species.size());
    const auto n = static_cast<std::int64_t>(density.shape(1));
    demand(length(density) == n_species && length(r_phi) == n_species &&
               static_cast<std::int64_t>(r_phi.shape(1)) == n,
           "`density` and `r_phi` must be [n_species, n_r]");
    demand(cutoff > 0 && step > 0 && embedding_step > 0, "cutoff and steps must be positive");
    std::vector<NeighborTable> neighbors;
    for (std::int64_t s = 0; s < n_species; ++s)
        neighbors.emplace_back(species[static_cast<std::size_t>(s)],
                               copied(density.data() + s * n, n), copied(r_phi.data() + s * n, n));
    new (form) EmbeddedAtom(cutoff, step,
                            Embedding(copied(embedding.data(), length(embedding)), embedding_step),
                            std::move(neighbors));
}

void make_tersoff(Tersoff* form, const std::vector<std::int32_t>& species,
                  const std::vector<TersoffBond>& bonds,
                  const std::vector<TersoffTriple>& triples) {
    demand(bonds.size() == species.size(), "`bonds` must be [n_species]");
    demand(triples.size() == species.size() * species.size(),
           "`triples` must be [n_species * n_species]");
    new (form) Tersoff(species, bonds, triples);
}

}  // namespace

void bind_many_body(nb::module_& m) {
    nb::class_<EmbeddedAtom>(m, "EmbeddedAtom")
        .def("__init__", &make_embedded_atom, "cutoff"_a, "step"_a, "embedding_step"_a,
             "embedding"_a.noconvert(), "species"_a, "density"_a.noconvert(),
             "r_phi"_a.noconvert());
    nb::class_<TersoffBond>(m, "TersoffBond")
        .def(
            "__init__",
            [](TersoffBond* bond, double a, double b, double lambda1, double lambda2, double n,
               double beta) { new (bond) TersoffBond{a, b, lambda1, lambda2, n, beta}; },
            "a"_a, "b"_a, "lambda1"_a, "lambda2"_a, "n"_a, "beta"_a);
    nb::class_<TersoffTriple>(m, "TersoffTriple")
        .def(
            "__init__",
            [](TersoffTriple* t, double gamma, double lambda3, double c, double d,
               double cos_theta0, double r, double width, int power) {
                demand(power == 1 || power == 3, "`power` must be 1 or 3");
                new (t) TersoffTriple{gamma, lambda3, c, d, cos_theta0, r, width, power};
            },
            "gamma"_a, "lambda3"_a, "c"_a, "d"_a, "cos_theta0"_a, "r"_a, "width"_a, "power"_a);
    nb::class_<Tersoff>(m, "Tersoff")
        .def("__init__", &make_tersoff, "species"_a, "bonds"_a, "triples"_a);
}

}  // namespace miniff::bindings
