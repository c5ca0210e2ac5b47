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

void add_to_group(AngularGroup& group, const AngularFunction& f, FactorTable& table) {
    const auto exponent = find_or_add(
        group.exponents, [&](const Exponent& e) { return e.eta == f.eta; },
        [&] { return Exponent{f.eta, table.number(f.fc, f.eta, f.shift), {}}; });
    const auto term = find_or_add(
        group.terms, [&](const AngularTerm& t) { return t.lambda == f.lambda && t.zeta == f.zeta; },
        [&] { return AngularTerm{f.lambda, f.zeta}; });
    const double orders = group.one_list() ? 2 : 1;
    group.exponents[exponent].entries.push_back(
        {f.column, term, orders * f.prefactor * std::pow(2.0, 1 - f.zeta)});
}

/// Where the terms stand among the powers 1, 2, 4, 8, 16; n_lambdas is 0 if one does not.
PowerLayout power_layout(const std::vector<AngularTerm>& terms) {
    PowerLayout layout;
    std::vector<double> lambdas;
    for (const auto& term : terms) {
        const auto l = find_or_add(
            lambdas, [&](double lambda) { return lambda == term.lambda; },
            [&] { return term.lambda; });
        int power = 0;
        while (power < PowerLayout::n_powers && term.zeta != 1 << power) ++power;
        if (l > 1 || power == PowerLayout::n_powers || std::abs(term.lambda) > 1) return {};
        layout.lambda[l] = term.lambda;
        layout.slot.push_back(static_cast<int>(l) * PowerLayout::n_powers + power);
    }
    layout.n_lambdas = static_cast<int>(lambdas.size());
    return layout;
}

}  // namespace

std::size_t FactorTable::number(const CutoffFunction& fc, double eta, double shift) {
    const auto n = find_or_add(
        fcs, [&](const CutoffFunction& other) { return other == fc; }, [&] { return fc; });
    return find_or_add(
        factors, [&](const Factor& f) { return f.fc == n && f.eta == eta && f.shift == shift; },
        [&] { return Factor{n, eta, shift}; });
}

SymmetryFunctions::SymmetryFunctions(const std::vector<RadialFunction>& radial,
                                     const std::vector<AngularFunction>& angular) {
    const auto note = [&](std::int32_t species, double cutoff) {
        if (species != any_species)
            find_or_add(
                buckets_, [&](std::int32_t b) { return b == species; }, [&] { return species; });
        cutoff_ = std::max(cutoff_, cutoff);
    };
    for (const auto& f : radial) {
        note(f.neighbor, f.fc.cutoff);
        radial_.push_back({f.column, f.neighbor, table_.number(f.fc, f.eta, f.shift)});
    }
    for (const auto& f : angular) {
        note(f.first, f.fc.cutoff);
        note(f.second, f.fc.cutoff);
        const auto place = find_or_add(
            groups_, [&](const AngularGroup& g) { return same_triples(g, f); },
            [&] { return AngularGroup{f.first, f.second, f.shift, f.fc, f.narrow, {}, {}, {}}; });
        add_to_group(groups_[place], f, table_);
    }
    for (auto& g : groups_) g.powers = power_layout(g.terms);
}

int SymmetryFunctions::bucket_of(std::int32_t species) const {
    return static_cast<int>(std::find(buckets_.begin(), buckets_.end(), species) -
                            buckets_.begin());
}

/// Neighbours within the cutoff, sorted by species, with their factors.
struct SymmetryFunctions::Gathered {
    Shell shell;
    double* scratch;            // for the kernels
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

    // Nine arrays of the shell, the factors and their slopes, and what the kernels need.
    std::size_t n_terms = 0;
    for (const auto& g : groups_) n_terms = std::max(n_terms, g.terms.size());
    const std::int64_t stride = kernels::stride_of(count);
    const auto n_factors = static_cast<std::int64_t>(table_.factors.size());
    const std::int64_t kept = (9 + 2 * n_factors) * stride;
    const auto needed =
        static_cast<std::size_t>(kept + kernels::scratch_size(count, table_.fcs.size(), n_terms));
    if (numbers.size() < needed) numbers.resize(needed);
    double* const at = numbers.data();
    const auto array = [&](std::int64_t k) { return at + k * stride; };
    const Shell shell{count,
                      stride,
                      array(0),
                      array(1),
                      array(2),
                      array(3),
                      array(4),
                      array(5),
                      array(6),
                      array(7),
                      array(8),
                      array(9),
                      array(9 + n_factors),
                      places.data()};

    // begin[b] walks while bucket b is filled and is set back afterwards.
    for (std::int64_t p = 0; p < nb.count; ++p) {
        if (bucket_of_pair[p] < 0) continue;
        const std::int64_t k = begin[bucket_of_pair[p]]++;
        shell.pair[k] = p;
        shell.x[k] = nb.vectors[3 * p];
        shell.y[k] = nb.vectors[3 * p + 1];
        shell.z[k] = nb.vectors[3 * p + 2];
        shell.tr[k] = 0;
        shell.tx[k] = direction ? direction[3 * p] : 0;
        shell.ty[k] = direction ? direction[3 * p + 1] : 0;
        shell.tz[k] = direction ? direction[3 * p + 2] : 0;
    }
    for (std::size_t b = begin.size() - 1; b > 0; --b) begin[b] = begin[b - 1];
    begin[0] = 0;
    kernels::normalize(shell, cutoff_);
    kernels::evaluate_factors(shell, table_, at + kept);
    return {shell, at + kept, begin.data(), *this};
}

void SymmetryFunctions::values(const Neighborhood& nb, double* row) const {
    const Gathered at = gather(nb, nullptr);
    for (const auto& f : radial_)
        row[f.column] += kernels::sum(at.of(f.neighbor), at.shell.p + f.factor * at.shell.stride);
    for (const auto& g : groups_)
        kernels::angular_values(at.shell, at.of(g.first), at.of(g.second), g, at.scratch, row);
}

void SymmetryFunctions::vjp(const Neighborhood& nb, const double* weight, double* gradient) const {
    const Gathered at = gather(nb, nullptr);
    for (const auto& f : radial_)
        kernels::add_slopes(at.shell, at.of(f.neighbor), weight[f.column],
                            at.shell.dp + f.factor * at.shell.stride);
    for (const auto& g : groups_)
        kernels::angular_vjp(at.shell, at.of(g.first), at.of(g.second), g, weight, at.scratch);
    kernels::finish_gradient(at.shell);
    for (std::int64_t k = 0; k < at.shell.count; ++k) {
        double* g = gradient + 3 * at.shell.pair[k];
        g[0] += at.shell.tx[k];
        g[1] += at.shell.ty[k];
        g[2] += at.shell.tz[k];
    }
}

void SymmetryFunctions::jvp(const Neighborhood& nb, const double* direction, double* row) const {
    const Gathered at = gather(nb, direction);
    kernels::begin_changes(at.shell, table_.factors.size());
    for (const auto& f : radial_)
        row[f.column] += kernels::sum(at.of(f.neighbor), at.shell.dp + f.factor * at.shell.stride);
    for (const auto& g : groups_)
        kernels::angular_jvp(at.shell, at.of(g.first), at.of(g.second), g, at.scratch, row);
}

}  // namespace miniff
