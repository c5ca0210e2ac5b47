#include "arrays.hpp"

NB_MODULE(_core, m) {
    m.doc() = "Compiled sums over neighbour pairs; use miniff.potentials and miniff.kernel instead.";
    miniff::bindings::bind_pairs(m);
    miniff::bindings::bind_functions(m);
}
