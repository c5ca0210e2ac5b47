#include "symmetry_functions.hpp"

#include <algorithm>
#include <cmath>

#include "symmetry_kernels.hpp"

namespace miniff {

namespace {

bool same_triples(const AngularGroup& g, const AngularFunction& f) {
    return g.first == f.first && g.second == f.second && g.shift == f.shift && g.fc == f.fc &&
           g.narrow == f.narrow;
}

/// The element that satisfies `is`, or a new one made by `make`.
template <class T, class Is, class Make>
std::size_t find_or_add(std::vector<T>& list, Is is, Make make) {
    const auto found = std::find_if(list.begin(), list.end(), is);
    const auto place = static_cast<std::size_t>(found - list.begin());
    if (found == list.end()) list.push_back(make());
    return place;
}

void add_to_group(AngularGroup& group, const AngularFunction& f) {
    const auto exponent = find_or_add(
        group.exponents, [&](const Exponent& e) { return e.eta == f.eta; },
        [&] { return Exponent{f.eta, {}}; });
    const auto term = find_or_add(
        group.terms,
        [&](const AngularTerm& t) { return t.lambda == f.lambda && t.zeta == f.zeta; },
        [&] { return AngularTerm{f.lambda, f.zeta}; });
    const double orders = group.one_list() ? 2 : 1;
    group.exponents[exponent].entries.push_back(
        {f.column, static_cast<int>(term), orders * f.prefactor * std::pow(2.0, 1 - f.zeta)});
}

}  // namespace

SymmetryFunctions::SymmetryFunctions(const std::vector<RadialFunction>& radial,
                                     const std::vector<AngularFunction>& angular)
    : radial_(radial) {
    const auto note = [&](std::int32_t species, double cutoff) {
        if (species != any_species) find_or_add(
            buckets_, [&](std::int32_t b) { return b == species; }, [&] { return species; });
        cutoff_ = std::max(cutoff_, cutoff);
    };
    for (const auto& f : radial) note(f.neighbor, f.fc.cutoff);
    for (const auto& f : angular) {
        note(f.first, f.fc.cutoff);
        note(f.second, f.fc.cutoff);
        const auto place = find_or_add(
            groups_, [&](const AngularGroup& g) { return same_triples(g, f); },
            [&] { return AngularGroup{f.first, f.second, f.shift, f.fc, f.narrow, {}, {}}; });
        add_to_group(groups_[place], f);
    }
}

int SymmetryFunctions::bucket_of(std::int32_t species) const {
    return static_cast<int>(std::find(buckets_.begin(), buckets_.end(), species) -
                            buckets_.begin());
}

/// Neighbours within the cutoff, sorted by species, and scratch for the kernels.
struct SymmetryFunctions::Gathered {
    Shell shell;
    double* scratch;
    const std::int64_t* begin;  // [n_buckets + 2] where the neighbours of each bucket begin
    const SymmetryFunctions& set;

    Range of(std::int32_t species) const {
        if (species == any_species) return {0, shell.count};
        const int bucket = set.bucket_of(species);
        return {begin[bucket], begin[bucket + 1]};
    }
};

SymmetryFunctions::Gathered SymmetryFunctions::gather(const Neighborhood& nb,
                                                      const double* direction) const {
    thread_local std::vector<double> numbers;
    thread_local std::vector<std::int64_t> places;
    thread_local std::vector<std::int64_t> begin;

    // Sort what lies within the cutoff by species; the last bucket is what only "any" asks for.
    const double cutoff2 = cutoff_ * cutoff_;
    begin.assign(buckets_.size() + 2, 0);
    places.resize(static_cast<std::size_t>(2 * nb.count));
    std::int64_t* bucket_of_pair = places.data() + nb.count;
    for (std::int64_t p = 0; p < nb.count; ++p) {
        const double* d = nb.vectors + 3 * p;
        const bool inside = d[0] * d[0] + d[1] * d[1] + d[2] * d[2] < cutoff2;
        bucket_of_pair[p] = inside ? bucket_of(nb.species_of(p)) : -1;
        if (inside) ++begin[bucket_of_pair[p] + 1];
    }
    for (std::size_t b = 1; b < begin.size(); ++b) begin[b] += begin[b - 1];
    const std::int64_t count = begin.back();

    std::int64_t scratch = kernels::scratch_size(count, 0, 0);
    for (const auto& g : groups_)
        scratch = std::max(scratch, kernels::scratch_size(
                                        count, static_cast<std::int64_t>(g.exponents.size()),
                                        static_cast<std::int64_t>(g.terms.size())));
    const auto needed = static_cast<std::size_t>(8 * count + scratch);
    if (numbers.size() < needed) numbers.resize(needed);
    double* const at = numbers.data();
    const Shell shell{count,          at,             at + count,     at + 2 * count,
                      at + 3 * count, at + 4 * count, at + 5 * count, at + 6 * count,
                      at + 7 * count, places.data()};

    // begin[b] walks while bucket b is filled and is set back afterwards.
    for (std::int64_t p = 0; p < nb.count; ++p) {
        if (bucket_of_pair[p] < 0) continue;
        const std::int64_t k = begin[bucket_of_pair[p]]++;
        shell.pair[k] = p;
        shell.x[k] = nb.vectors[3 * p];
        shell.y[k] = nb.vectors[3 * p + 1];
        shell.z[k] = nb.vectors[3 * p + 2];
        shell.tx[k] = direction ? direction[3 * p] : 0;
        shell.ty[k] = direction ? direction[3 * p + 1] : 0;
        shell.tz[k] = direction ? direction[3 * p + 2] : 0;
    }
    for (std::size_t b = begin.size() - 1; b > 0; --b) begin[b] = begin[b - 1];
    begin[0] = 0;
    kernels::normalize(shell);
    return {shell, at + 8 * count, begin.data(), *this};
}

void SymmetryFunctions::values(const Neighborhood& nb, double* row) const {
    const Gathered at = gather(nb, nullptr);
    for (const auto& f : radial_)
        row[f.column] += kernels::radial_value(at.shell, at.of(f.neighbor), f, at.scratch);
    for (const auto& g : groups_)
        kernels::angular_values(at.shell, at.of(g.first), at.of(g.second), g, at.scratch, row);
}

void SymmetryFunctions::vjp(const Neighborhood& nb, const double* weight, double* gradient) const {
    const Gathered at = gather(nb, nullptr);
    for (const auto& f : radial_)
        kernels::radial_vjp(at.shell, at.of(f.neighbor), f, weight[f.column], at.scratch);
    for (const auto& g : groups_)
        kernels::angular_vjp(at.shell, at.of(g.first), at.of(g.second), g, weight, at.scratch);
    for (std::int64_t k = 0; k < at.shell.count; ++k) {
        double* g = gradient + 3 * at.shell.pair[k];
        g[0] += at.shell.tx[k];
        g[1] += at.shell.ty[k];
        g[2] += at.shell.tz[k];
    }
}

void SymmetryFunctions::jvp(const Neighborhood& nb, const double* direction, double* row) const {
    const Gathered at = gather(nb, direction);
    for (const auto& f : radial_)
        row[f.column] += kernels::radial_jvp(at.shell, at.of(f.neighbor), f, at.scratch);
    for (const auto& g : groups_)
        kernels::angular_jvp(at.shell, at.of(g.first), at.of(g.second), g, at.scratch, row);
}

}  // namespace miniff
