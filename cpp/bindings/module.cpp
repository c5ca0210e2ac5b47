#include "arrays.hpp"

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace {

/// Threads of the core's own loops; other libraries keep their own number.
void set_num_threads(int n) {
    miniff::bindings::demand(n >= 1, "`n` must be at least 1");
#if defined(_OPENMP)
    omp_set_num_threads(n);
#endif
}

int num_threads() {
#if defined(_OPENMP)
    return omp_get_max_threads();
#else
    return 1;
#endif
}

}  // namespace

NB_MODULE(MINIFF_MODULE, m) {
    using namespace nanobind::literals;
    // A traceback that is still held when Python ends would otherwise end it with a page of names.
    nanobind::set_leak_warnings(false);
    m.doc() =
        "Compiled sums over neighbour pairs; use miniff.potentials and miniff.kernel instead.";
    m.attr("instruction_set") = MINIFF_INSTRUCTION_SET;
    m.def("set_num_threads", &set_num_threads, "n"_a);
    m.def("num_threads", &num_threads);
    miniff::bindings::bind_grouping(m);
    miniff::bindings::bind_tables(m);
    miniff::bindings::bind_many_body(m);
    miniff::bindings::bind_functions(m);
    miniff::bindings::bind_energies(m);
    miniff::bindings::bind_jacobian(m);
    miniff::bindings::bind_network_training(m);
    miniff::bindings::bind_coulomb(m);
}
