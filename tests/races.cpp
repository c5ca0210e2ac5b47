/// Every parallel loop of the core, in several threads of OpenMP, and in threads of the caller's
/// that share what is constant. Compiled with the thread sanitizer: `nox -s races`.
///
/// With MINIFF_RACE defined there is a race, which must be found.
#include <cmath>
#include <cstdio>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "charge_mesh.hpp"
#include "coulomb_pairs.hpp"
#include "energy_model.hpp"
#include "environment.hpp"
#include "forms.hpp"
#include "jacobian.hpp"
#include "network_training.hpp"
#include "pair_sum.hpp"
#include "reciprocal_sum.hpp"
#include "symmetry_functions.hpp"
#include "tersoff.hpp"
#include "triple_sum.hpp"

using namespace miniff;

namespace {

constexpr double cutoff = 3.0;

/// Atoms of two species on a rattled grid in a periodic box, with the arrays of its table.
struct Structure {
    std::int64_t n;
    std::vector<double> positions, cell;
    std::vector<std::int64_t> start{0}, structure;
    std::vector<std::int32_t> neighbor, atom, shift, species;

    explicit Structure(int edge) : n(static_cast<std::int64_t>(edge) * edge * edge) {
        std::mt19937 random(1);
        std::uniform_real_distribution<double> rattle(-0.2, 0.2);
        const double spacing = 2.2, length = spacing * edge;
        cell = {length, 0, 0, 0, length, 0, 0, 0, length};
        for (int a = 0; a < edge; ++a)
            for (int b = 0; b < edge; ++b)
                for (int c = 0; c < edge; ++c) {
                    for (int at : {a, b, c}) positions.push_back(spacing * at + rattle(random));
                    species.push_back((a + b + c) % 2);
                    structure.push_back(0);
                }
        for (std::int64_t i = 0; i < n; ++i) add_image(i, 0, 0, 0);
        std::vector<std::vector<std::int32_t>> of(static_cast<std::size_t>(n));
        for (int x = -1; x <= 1; ++x)
            for (int y = -1; y <= 1; ++y)
                for (int z = -1; z <= 1; ++z) add_pairs(of, length, x, y, z);
        for (const auto& own : of) {
            neighbor.insert(neighbor.end(), own.begin(), own.end());
            start.push_back(static_cast<std::int64_t>(neighbor.size()));
        }
    }

    std::int32_t add_image(std::int64_t of, int x, int y, int z) {
        atom.push_back(static_cast<std::int32_t>(of));
        for (int s : {x, y, z}) shift.push_back(s);
        return static_cast<std::int32_t>(atom.size() - 1);
    }

    void add_pairs(std::vector<std::vector<std::int32_t>>& of, double length, int x, int y, int z) {
        const bool is_home = x == 0 && y == 0 && z == 0;
        for (std::int64_t j = 0; j < n; ++j) {
            std::int32_t image = is_home ? static_cast<std::int32_t>(j) : -1;
            for (std::int64_t i = 0; i < n; ++i) {
                if (is_home && i == j) continue;
                double r2 = 0;
                const int steps[] = {x, y, z};
                for (int k = 0; k < 3; ++k) {
                    const double d = positions[static_cast<std::size_t>(3 * j + k)] +
                                     length * steps[k] -
                                     positions[static_cast<std::size_t>(3 * i + k)];
                    r2 += d * d;
                }
                if (r2 >= cutoff * cutoff) continue;
                if (image < 0) image = add_image(j, x, y, z);
                of[static_cast<std::size_t>(i)].push_back(image);
            }
        }
    }

    ImageTable table() const {
        return {n,
                static_cast<std::int64_t>(atom.size()),
                2,
                1,
                start.data(),
                neighbor.data(),
                atom.data(),
                shift.data(),
                species.data(),
                structure.data()};
    }
};

CutoffFunction smooth() {
    return {CutoffType::cosine, 0, cutoff};
}

template <class T>
std::shared_ptr<FunctionSet<T>> symmetry_set() {
    auto set = std::make_shared<FunctionSet<T>>(4);
    std::vector<RadialFunction> radial{{0, any_species, 1, 0.5, 0, smooth()},
                                       {1, 1, 1, 2.0, 1.5, smooth()}};
    std::vector<AngularFunction> angular{
        {2, any_species, any_species, 1, 0.1, {1, 2, {}}, 0, smooth(), true},
        {3, 0, 1, 1, 0.1, {-1, 4, {}}, 0, smooth(), false}};
    set->add(symmetry_functions<T>(radial, angular));
    return set;
}

template <class T>
Network<T> network() {
    std::vector<double> first(12, 0.1), second(3, 0.3), bias(3, 0.01);
    Network<T> made;
    made.add(4, 3, first.data(), bias.data(), Activation::tanh);
    made.add(3, 1, second.data(), bias.data(), Activation::identity);
    return made;
}

template <class T>
std::shared_ptr<TrainingSet<T>> training() {
    const std::vector<double> middle(4, 1.0), half(4, 0.5);
    std::vector<double> whitening(16, 0.0);
    for (std::size_t k = 0; k < 4; ++k) whitening[5 * k] = 1;
    auto made = std::make_shared<TrainingSet<T>>(4, middle.data(), half.data());
    made->set_moments(middle.data(), whitening.data());
    return made;
}

void evaluate(const EnergyModel& model, const Structure& at) {
    const ImageTable table = at.table();
    const auto n = static_cast<std::size_t>(at.n);
    std::vector<double> energies(n), gradient(3 * n), strain(9), grades(2 * n);
    Quads places, buffer;
    place_images(table, at.positions.data(), at.cell.data(), places);
    model.evaluate(table, places, {energies.data(), gradient.data(), strain.data(), grades.data()},
                   buffer);
}

template <class T>
void add_networks(EnergyModel& model) {
    for (std::int64_t species : {0, 1})
        model.add(species, network_contribution<T>(symmetry_set<T>(), {network<T>(), network<T>()},
                                                   training<T>()));
}

/// Of formulas: sums over pairs both ways, pairs and triples.
void add_formulas(EnergyModel& model, bool has_triples) {
    for (std::int64_t species : {0, 1}) {
        auto set = std::make_shared<FunctionSet<double>>(2);
        set->add(std::make_unique<PairSum<LennardJones>>(0, any_species,
                                                         LennardJones{cutoff, 0.1, 1.5}));
        if (has_triples)
            set->add(symmetry_functions<double>(
                {}, {{1, any_species, any_species, 1, 0.1, {1, 2, {}}, 0, smooth(), false}}));
        model.add(species, sum_contribution(set));
    }
}

void use_models(const Structure& at) {
    EnergyModel networks(2), single(2), triples(2), mutual(2);
    add_networks<double>(networks);
    add_networks<float>(single);
    add_formulas(triples, true);
    add_formulas(mutual, false);
    mutual.set_mutual();
    for (const EnergyModel* model : {&networks, &single, &triples, &mutual}) {
        evaluate(*model, at);
        // Python calls from several threads, with one model and one table.
        std::thread one([&] { evaluate(*model, at); }), other([&] { evaluate(*model, at); });
        one.join();
        other.join();
    }
}

/// Neighbours, all pairs, waves, and the mesh, of charges that sum to zero.
void use_charges(const Structure& at) {
    const ImageTable table = at.table();
    const auto n = static_cast<std::size_t>(at.n);
    std::vector<double> charges(n), potential(n), gradient(3 * n), strain(9);
    for (std::size_t i = 0; i < n; ++i) charges[i] = at.species[i] ? 1 : -1;
    const std::vector<double> widths(at.atom.size(), 0.2);
    const CoulombSums sums{potential.data(), gradient.data(), strain.data()};
    Quads places;
    place_charges(table, at.positions.data(), at.cell.data(), charges.data(), places);
    add_screened_pairs(table, places, nullptr, {{cutoff, 1.0, 0, 0}}, sums);
    add_screened_pairs(table, places, widths.data(), {{cutoff, 1.0, 0, 0}}, sums);
    add_all_pairs(0, at.n, places, nullptr, sums, strain.data());
    std::vector<double> fractional;
    for (double x : at.positions) fractional.push_back(x / at.cell[0]);
    std::vector<std::int32_t> rows;
    std::vector<std::int64_t> start{0};
    for (int h = 0; h < 6; ++h)
        for (int k = -5; k < 6; ++k) {
            rows.push_back(h), rows.push_back(k);
            start.push_back(start.back() + 6);
        }
    const auto n_waves = static_cast<std::size_t>(2 * start.back());
    const std::vector<double> weight(n_waves, 0.01);
    std::vector<double> power(n_waves);
    add_waves(
        {static_cast<std::int64_t>(start.size()) - 1, rows.data(), start.data(), weight.data()},
        at.n, fractional.data(), charges.data(), potential.data(), gradient.data(), power.data());
    const Mesh mesh{{12, 10, 8}, 6};
    std::vector<double> points(12 * 10 * 8);
    spread_charges(mesh, at.n, fractional.data(), charges.data(), points.data());
    gather_potential(mesh, at.n, fractional.data(), charges.data(), points.data(), potential.data(),
                     gradient.data());
}

template <class T>
void use_functions(const Structure& at) {
    const ImageTable table = at.table();
    const auto set = symmetry_set<T>();
    std::vector<std::int64_t> atoms;
    for (std::int64_t i = 0; i < at.n; i += 2) atoms.push_back(i);
    const Centres centres{static_cast<std::int64_t>(atoms.size()), atoms.data()};
    Quads places, by_image(4 * at.atom.size()), direction(4 * at.atom.size(), 0.1);
    place_images(table, at.positions.data(), at.cell.data(), places);
    std::vector<T> rows(4 * atoms.size(), T(1));
    std::vector<double> by_pair(3 * at.neighbor.size());
    environment_values(*set, table, places, centres, rows.data());
    environment_vjp(*set, table, places, centres, rows.data(), by_image);
    environment_pair_vjp(*set, table, places, centres, rows.data(), by_pair.data());
    environment_jvp(*set, table, places, centres, direction, rows.data());
    std::vector<double> gradient(3 * static_cast<std::size_t>(at.n)), strain(9);
    fold_images(table, places, by_image, gradient.data(), strain.data());
    std::vector<double> images(3 * at.atom.size()), out(images.size());
    move_images(table, images.data(), gradient.data(), strain.data(), out.data());
    closest_pair(table, places);
}

void use_jacobian(const Structure& at) {
    const ImageTable table = at.table();
    std::vector<std::int64_t> atoms;
    for (std::int64_t i = 0; i < at.n; ++i) atoms.push_back(i);
    Quads places;
    place_images(table, at.positions.data(), at.cell.data(), places);
    const Jacobian jacobian(*symmetry_set<double>(), table, places, {at.n, atoms.data()});
    constexpr std::int64_t n_models = 5;
    Quads by_image(4 * n_models * at.atom.size());
    std::vector<double> rows(static_cast<std::size_t>(n_models * at.n * 4), 1.0);
    jacobian.vjp(rows.data(), n_models, by_image);
    jacobian.jvp(by_image, n_models, rows.data());
}

template <class T>
void use_training() {
    const NetworkForm form{{4, 5, 5}, TrainedActivation::tanh};
    const std::int64_t n = 5000;
    const std::vector<double> parameters(static_cast<std::size_t>(form.n_parameters()), 0.1),
        features(4 * n, 0.5), ones(n, 1.0);
    std::vector<double> energy(n), slopes(parameters.size());
    std::vector<T> gradient(4 * n);
    const NetworkInputs in{features.data(), n, ones.data(), ones.data(), ones.data()};
    network_outputs(form, parameters.data(), in, energy.data(), gradient.data());
    network_slopes(form, parameters.data(), in, ones.data(), gradient.data(), slopes.data());
}

#if defined(MINIFF_RACE)
void race() {
    std::int64_t total = 0;
#pragma omp parallel for schedule(static)
    for (std::int64_t k = 0; k < 1000; ++k) total += k;
    std::printf("%lld\n", static_cast<long long>(total));
}
#endif

}  // namespace

int main() {
    const Structure at(15);
    use_models(at);
    use_functions<double>(at);
    use_functions<float>(at);
    use_jacobian(at);
    use_training<double>();
    use_training<float>();
    use_charges(at);
#if defined(MINIFF_RACE)
    race();
#endif
    std::printf("%lld atoms, %zu images, %zu pairs: done\n", static_cast<long long>(at.n),
                at.atom.size(), at.neighbor.size());
    return 0;
}
