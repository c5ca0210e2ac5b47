/// What the processor can do, asked before the core for it is loaded.
#include <nanobind/nanobind.h>

namespace {

/// The best of the instruction sets that the core is compiled for.
const char* instruction_set() {
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd"))
        return "v4";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2"))
        return "v3";
#endif
    return "default";
}

}  // namespace

NB_MODULE(_cpu, m) {
    m.def("instruction_set", &instruction_set);
}
