#include "environment.hpp"

#include "centre_loop.hpp"
#include "neighborhood_builder.hpp"

namespace miniff {

namespace {

/// What a thread needs: neighbourhoods, and workspaces of the functions.
template <class T>
struct Tools {
    NeighborhoodBuilder<T> builder;
    SetWorker<T> functions;
};

template <class T>
auto make_tools(const FunctionSet<T>& set, const ImageTable& table, const Quads& places) {
    return [&] {
        return Tools<T>{NeighborhoodBuilder<T>(table, places, set.cutoff()), SetWorker<T>(set)};
    };
}

}  // namespace

template <class T>
void environment_values(const FunctionSet<T>& set, const ImageTable& table, const Quads& places,
                        Centres centres, T* out) {
    for_centres(centres.count, make_tools(set, table, places),
                [&](Tools<T>& tools, std::int64_t row) {
                    T* const values = out + row * set.n_functions();
                    std::fill_n(values, set.n_functions(), T(0));
                    tools.functions.begin(tools.builder.of(centres.atom[row]));
                    tools.functions.values(values);
                });
}

template <class T>
void environment_vjp(const FunctionSet<T>& set, const ImageTable& table, const Quads& places,
                     Centres centres, const T* weight, Quads& by_image) {
    for_centres_with_gradient(centres.count, by_image, make_tools(set, table, places),
                              [&](Tools<T>& tools, ImageGradient& gradient, std::int64_t row) {
                                  tools.functions.begin(tools.builder.of(centres.atom[row]));
                                  tools.functions.vjp(weight + row * set.n_functions());
                                  gradient.take(tools.builder, centres.atom[row]);
                              });
}

template <class T>
void environment_pair_vjp(const FunctionSet<T>& set, const ImageTable& table, const Quads& places,
                          Centres centres, const T* weight, double* by_pair) {
    for_centres(
        centres.count, make_tools(set, table, places), [&](Tools<T>& tools, std::int64_t row) {
            tools.functions.begin(tools.builder.of(centres.atom[row]));
            tools.functions.vjp(weight + row * set.n_functions());
            tools.builder.for_gradient([&](std::int64_t pair, double gx, double gy, double gz) {
                double* const g = by_pair + 3 * pair;
                g[0] += gx, g[1] += gy, g[2] += gz;
            });
        });
}

template <class T>
void environment_jvp(const FunctionSet<T>& set, const ImageTable& table, const Quads& places,
                     Centres centres, const Quads& direction, T* out) {
    for_centres(centres.count, make_tools(set, table, places),
                [&](Tools<T>& tools, std::int64_t row) {
                    T* const changes = out + row * set.n_functions();
                    std::fill_n(changes, set.n_functions(), T(0));
                    tools.functions.begin(tools.builder.of(centres.atom[row], direction));
                    tools.functions.jvp(changes);
                });
}

#define MINIFF_FOR(T)                                                                              \
    template void environment_values(const FunctionSet<T>&, const ImageTable&, const Quads&,       \
                                     Centres, T*);                                                 \
    template void environment_vjp(const FunctionSet<T>&, const ImageTable&, const Quads&, Centres, \
                                  const T*, Quads&);                                               \
    template void environment_pair_vjp(const FunctionSet<T>&, const ImageTable&, const Quads&,     \
                                       Centres, const T*, double*);                                \
    template void environment_jvp(const FunctionSet<T>&, const ImageTable&, const Quads&, Centres, \
                                  const Quads&, T*);
MINIFF_FOR(double)
MINIFF_FOR(float)
#undef MINIFF_FOR

}  // namespace miniff
