"""Learned charges: conserved, where their energy is least, with exact derivatives."""

import pickle
from itertools import product

import charged_networks as charged
import numpy as np
import pytest
from charged_networks import HARDNESS, WIDTHS, moved, potential, structure
from numpy import testing
from scipy.optimize import minimize
from scipy.special import erf

from miniff import dyn, kernel, ml
from miniff._neighbors import join
from miniff.ase import MiniffCalculator
from miniff.ewald import COULOMB_CONSTANT, Coulomb
from miniff.kernel import Cell, compute_images
from miniff.ml import ChargePotential, NNPotential, Shift, _charge_rules
from miniff.potentials import evaluate_table, lj_potential_family, refuse_uncovered_species

CASES = list(product(("shift", "equilibrate"), (False, True)))
KINDS = (("molecule", 1.0), ("slab", 0.0), ("crystal", 0.0), ("crystal", 0.5))


@pytest.mark.parametrize(("rule", "sees"), CASES)
@pytest.mark.parametrize(("kind", "total"), KINDS)
def test_forces_and_stress_are_slopes_of_the_energy(rule, sees, kind, total) -> None:
    """Along random moves and strains, through the charges."""
    own, cell = potential(rule, sees=sees, background=True), structure(kind, total=total)
    found, x = kernel.eval(own, cell), cell.cartesian()
    testing.assert_allclose(found.charges.sum(), total, atol=1e-12)
    testing.assert_allclose(found.gradient.sum(axis=0), 0, atol=1e-5)
    rng, step = np.random.default_rng(1), 1e-4
    for _ in range(2):
        move, strain = rng.normal(size=x.shape), rng.normal(size=(3, 3))
        strain = (strain + strain.T) / 2

        def energy(along, move=move, strain=strain):
            stretch = np.eye(3) + along * strain
            places = (x + along * move) @ stretch
            return kernel.eval(own, moved(cell, places, cell.vectors @ stretch)).energy

        rise = (8 * (energy(step) - energy(-step)) - (energy(2 * step) - energy(-2 * step))) / (
            12 * step
        )
        slope = np.vdot(found.gradient, move) + np.vdot(found.strain_derivative, strain)
        testing.assert_allclose(slope, rise, rtol=2e-6, atol=2e-5)


@pytest.mark.parametrize("total", [0.0, 1.0])
def test_equilibrated_charges_have_the_lowest_energy(total) -> None:
    """Found by a minimiser, of Gaussian charges whose interaction is written down here."""
    own, cell = potential("equilibrate"), structure(n=7, total=total)
    found, x = kernel.eval(own, cell), cell.cartesian()
    raw = sum(
        one.local_energies(_table(cell), gradient=False).energies for one in own.charge_networks
    )
    sigma, hardness = (np.array([of[name] for name in cell.values]) for of in (WIDTHS, HARDNESS))
    r = np.linalg.norm(x[:, None] - x, axis=2) + np.eye(7)
    matrix = erf(r / np.sqrt(2 * (sigma[:, None] ** 2 + sigma**2))) / r
    np.fill_diagonal(matrix, 1 / (sigma * np.sqrt(np.pi)))
    matrix *= COULOMB_CONSTANT

    def energy(q):
        return q @ raw + hardness @ q**2 / 2 + q @ matrix @ q / 2

    best = minimize(
        energy,
        np.full(7, total / 7),
        jac=lambda q: raw + hardness * q + matrix @ q,
        constraints={"type": "eq", "fun": lambda q: q.sum() - total, "jac": np.ones_like},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 500},
    )
    testing.assert_allclose(found.charges, best.x, atol=1e-6)
    testing.assert_allclose(found.energy, best.x @ matrix @ best.x / 2, rtol=1e-4, atol=1e-6)
    testing.assert_allclose(found.energies, found.charges * (matrix @ found.charges) / 2, atol=1e-9)


def test_shifted_charges_are_those_of_networks_and_a_constant() -> None:
    """The constant is what the total charge lacks."""
    cell = structure(total=-1.0)
    own, table = potential(), _table(cell)
    raw = sum(one.local_energies(table, gradient=False).energies for one in own.charge_networks)
    charges = own.charges(table)
    testing.assert_allclose(np.ptp(charges - raw), 0, atol=1e-12)
    testing.assert_allclose(charges.sum(), -1, atol=1e-12)


@pytest.mark.parametrize("kind", ["molecule", "crystal"])
def test_iterations_find_what_matrices_do(kind, monkeypatch) -> None:
    """Charges, energy, forces of large structures, and of several at once."""
    own = potential("equilibrate", sees=True)
    table = join([_table(structure(kind, n=n, seed=n)) for n in (9, 5)])
    exact = own.evaluate(table)
    monkeypatch.setattr(_charge_rules, "DENSE_ATOMS", 0)
    found = own.evaluate(table)
    testing.assert_allclose(found.charges, exact.charges, atol=2e-6)
    testing.assert_allclose(found.energy, exact.energy, atol=2e-5)
    testing.assert_allclose(found.gradient, exact.gradient, atol=2e-5)


def test_iterations_that_do_not_end_are_told(monkeypatch) -> None:
    """Charges that are not where the energy is least would have wrong forces."""
    monkeypatch.setattr(_charge_rules, "DENSE_ATOMS", 0)
    monkeypatch.setattr(_charge_rules, "MOST_ITERATIONS", 1)
    with pytest.raises(FloatingPointError, match="charges are not equilibrated after 1 iterations"):
        kernel.eval(potential("equilibrate"), structure())


@pytest.mark.parametrize("rule", ["shift", "equilibrate"])
def test_symmetries(rule) -> None:
    """Permuted, shifted and repeated atoms; several structures in one table."""
    own, cell = potential(rule, sees=True), structure("crystal")
    found, order = kernel.eval(own, cell), np.random.default_rng(0).permutation(cell.size)
    shuffled = Cell(
        cell.vectors, cell.coordinates[order], [cell.values[k] for k in order], {}, pbc=cell.pbc
    )
    far = Cell(
        cell.vectors, cell.coordinates + [[1.0, -2.0, 0.0]] + 0.1, cell.values, {}, pbc=cell.pbc
    )
    permuted, shifted = kernel.eval(own, shuffled), kernel.eval(own, far)
    testing.assert_allclose(permuted.charges, found.charges[order], atol=1e-12)
    testing.assert_allclose(permuted.gradient, found.gradient[order], atol=1e-9)
    testing.assert_allclose(shifted.energy, found.energy, rtol=1e-8)
    testing.assert_allclose(shifted.gradient, found.gradient, atol=1e-5)
    twice = kernel.eval(own, cell.repeated(2, 1, 1))
    testing.assert_allclose(twice.energy, 2 * found.energy, rtol=1e-5)
    testing.assert_allclose(np.sort(twice.charges), np.sort(np.repeat(found.charges, 2)), atol=1e-5)
    several = [cell, structure(total=1.0, seed=2), structure("slab", seed=3)]
    together = evaluate_table([own], join([_table(one) for one in several]))
    alone = [kernel.eval(own, one) for one in several]
    testing.assert_allclose(together.energy, [one.energy for one in alone], rtol=1e-9)
    testing.assert_allclose(
        together.gradient, np.concatenate([one.gradient for one in alone]), atol=1e-9
    )


@pytest.mark.parametrize("rule", ["shift", "equilibrate"])
def test_equal_atoms_of_a_neutral_crystal_have_no_charge(rule) -> None:
    """Not even rounding, of which a sum would be refused."""
    lattice = Cell(3 * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], ["C", "C"], pbc=(True,) * 3)
    found = kernel.eval(potential(rule), lattice)
    testing.assert_array_equal(found.charges, 0)
    testing.assert_allclose(found.gradient, 0, atol=1e-12)


@pytest.mark.parametrize("rule", ["shift", "equilibrate"])
def test_one_atom_and_none(rule) -> None:
    """One has the total charge; none is nothing."""
    one = Cell(20 * np.eye(3), [[0.5] * 3], ["C"], {"total_charge": 2.0}, pbc=(False,) * 3)
    found = kernel.eval(potential(rule), one)
    testing.assert_allclose(found.charges, [2.0])
    testing.assert_allclose(found.gradient, 0, atol=1e-12)
    testing.assert_allclose(
        found.energy, 2 * COULOMB_CONSTANT / (WIDTHS["C"] * np.sqrt(np.pi)), rtol=1e-12
    )
    table = _table(Cell(np.eye(3), np.zeros((0, 3)), [], pbc=(False,) * 3))
    assert potential(rule).evaluate(table).energy.tolist() == [0.0]


@pytest.mark.parametrize(("rule", "sees"), CASES)
def test_files_and_pickles_keep_every_bit(rule, sees, folder) -> None:
    """Saved, loaded, copied, sent."""
    own, cell = potential(rule, sees=sees), structure()
    known = kernel.eval(own, cell)
    ml.save_potentials("charges.pt", [own])
    for again in (
        *ml.load_potentials("charges.pt"),
        pickle.loads(pickle.dumps(own)),
        own.copy(None),
    ):
        found = kernel.eval(again, cell)
        assert (repr(again), found.energy) == (repr(own), known.energy)
        testing.assert_array_equal(found.gradient, known.gradient)


@pytest.mark.parametrize("sees", [False, True])
def test_members_of_a_committee(sees) -> None:
    """Of the networks that see charges, or of those that give them; the mean is that of these."""
    own, cell = potential(sees=sees, n_models=3), structure()
    members = own.members()
    assert len(members) == 3
    found, each = kernel.eval(own, cell), [kernel.eval(one, cell) for one in members]
    if sees:
        testing.assert_allclose(found.energy, np.mean([e.energy for e in each]), rtol=1e-12)
        testing.assert_allclose(each[0].charges, found.charges)
        assert ml.eval_committee([own], cell).energy_std > 0
    else:
        testing.assert_allclose(found.charges, np.mean([e.charges for e in each], 0), atol=1e-12)


def test_every_way_to_evaluate_has_the_same_charges() -> None:
    """``eval``, ``eval_many``, ASE's calculator."""
    own, cells = potential("equilibrate", sees=True), [structure(total=t) for t in (0.0, 1.0)]
    known = [kernel.eval(own, cell) for cell in cells]
    for one, other in zip(known, kernel.eval_many(own, cells), strict=True):
        testing.assert_allclose(other.charges, one.charges, atol=1e-12)
        testing.assert_allclose(other.energy, one.energy, rtol=1e-12)
    for one, cell in zip(known, cells, strict=True):
        atoms = cell.to_ase()
        atoms.info["total_charge"] = cell.meta["total_charge"]
        atoms.calc = MiniffCalculator(own)
        testing.assert_allclose(atoms.get_charges(), one.charges, atol=1e-12)
        testing.assert_allclose(atoms.get_forces(), one.forces, atol=1e-10)


def test_molecular_dynamics_conserves_the_energy() -> None:
    """Forces through the charges are those of the energy that moves the atoms."""
    cell = structure(n=4, total=1.0)
    rng = np.random.default_rng(0)
    velocities, drifts = 0.05 * rng.normal(size=(4, 3)), []
    for timestep in (0.01, 0.005):
        states = []
        n_steps = round(0.5 / timestep)
        dyn.nve(
            cell,
            _stiff(),
            n_steps=n_steps,
            timestep=timestep,
            velocities=velocities - velocities.mean(0),
            observe=states.append,
        )
        drifts.append(np.ptp([state.conserved for state in states]))
    kinetic = np.ptp([state.kinetic_energy for state in states])
    assert drifts[1] < 0.01 * kinetic
    assert drifts[1] < 0.4 * drifts[0]  # as the square of the time step


@pytest.mark.filterwarnings("ignore::miniff.dyn.NotConvergedWarning")
def test_relaxation_keeps_the_total_charge() -> None:
    """Wherever structures are relaxed, their energies are those of their charge."""
    cells = [structure(n=4, total=total) for total in (0.0, 1.0)]
    many = dyn.relax_many(cells, _stiff(), max_steps=8)
    for cell, found in zip(cells, many, strict=True):
        for one in (found, dyn.relax(cell, _stiff(), max_steps=8)):
            again = kernel.eval(_stiff(), one)
            testing.assert_allclose(again.energy, one.meta["energy"], rtol=1e-10)
            testing.assert_allclose(again.forces, one.meta["forces"], atol=1e-8)
            testing.assert_allclose(again.charges.sum(), cell.meta["total_charge"], atol=1e-12)


@pytest.mark.filterwarnings("ignore::miniff.dyn.NotConvergedWarning")
def test_a_crystal_under_pressure_and_at_a_temperature() -> None:
    """Some steps of each ensemble, and a free cell: nothing forgets the charges."""
    cell, states = structure("crystal", n=8), []
    dyn.nvt(cell, _stiff(), n_steps=3, timestep=0.02, temperature=0.02, observe=states.append)
    dyn.npt(
        *(cell, _stiff()),
        n_steps=3,
        timestep=0.02,
        temperature=0.02,
        pressure=0.0,
        observe=states.append,
    )
    for state in states:
        again = kernel.eval(_stiff(), moved(cell, state.positions, state.vectors))
        testing.assert_allclose(state.potential_energy, again.energy, rtol=1e-6)
        testing.assert_allclose(state.forces, again.forces, atol=1e-4)
    free = dyn.relax(cell, _stiff(), free="cell", max_steps=3)
    testing.assert_allclose(free.meta["energy"], kernel.eval(_stiff(), free).energy, rtol=1e-6)


def _stiff():
    """Learned charges that networks see, and what keeps atoms apart."""
    pairs = [
        lj_potential_family(tag, epsilon=1.0, sigma=1.3, a=3.0)
        for tag in ("C-C", "C-H", "H-C", "H-H")
    ]
    return [potential("shift", sees=True, widths={"C": 0.6, "H": 0.6}), *pairs]


def test_what_is_outside_the_training_set() -> None:
    """Beyond the range of a descriptor of either network, or of the charge: the largest grade."""
    own, table = potential(sees=True), _table(structure())
    assert own.training is None
    assert np.isnan(own.evaluate(table).grades).all()
    charges = own.charges(table)
    wide = np.array([[-100.0] * 5, [100.0] * 5])
    narrow = np.column_stack([wide, [-0.01, 0.01]])
    known = ChargePotential(
        [NNPotential(p.network, p.descriptors, p.tag, ranges=wide) for p in own.charge_networks],
        Shift(),
        own.coulomb,
        energy_networks=[
            ml.ChargedNetwork(p.network, p.descriptors, p.tag, ranges=narrow)
            for p in own.energy_networks
        ],
    )
    grades = known.evaluate(table).grades
    assert np.isnan(grades[:, 1]).all()
    testing.assert_allclose(grades[:, 0], np.fmax(np.abs(charges) / 0.01, grades[:, 0]))
    testing.assert_allclose(grades[:, 0].max(), np.abs(charges).max() / 0.01)
    testing.assert_array_equal(grades, known.grades(table))
    assert len(known.training_sets("C")) == 2
    with pytest.warns(kernel.ExtrapolationWarning, match="is outside of the training set"):
        dyn.nve(structure(), known, n_steps=1, timestep=0.001)


def test_energies_of_all_atoms_are_needed_beside_charges() -> None:
    """Charges alone are an answer; charges and networks for some are not."""
    own, cell = potential(), structure()
    refuse_uncovered_species([own], cell.values)
    short = NNPotential(charged.network(5, 0), charged.DESCRIPTORS["C"], "C")
    with pytest.raises(ValueError, match="has atoms of H but the potentials give energies only to"):
        kernel.eval([own, short], cell)
    refuse_uncovered_species([potential(sees=True)], cell.values)


def test_species_that_are_not_there_do_no_harm() -> None:
    """A structure may lack a species of the networks, but not have another one."""
    lone = Cell(20 * np.eye(3), [[0.5] * 3, [0.6] * 3], ["C", "C"], pbc=(False,) * 3)
    assert kernel.eval(potential("equilibrate"), lone).energy == 0
    strange = Cell(20 * np.eye(3), [[0.5] * 3, [0.6] * 3], ["C", "O"], pbc=(False,) * 3)
    with pytest.raises(ValueError, match="there are atoms of O but charges only of C, H"):
        kernel.eval(potential(), strange, ignore_missing_species=True)


def test_charged_crystals_are_refused_unless_they_are_asked_for() -> None:
    """Slabs in any case."""
    with pytest.raises(ValueError, match="a crystal must be neutral, or say"):
        kernel.eval(potential(), structure("crystal", total=1.0))
    with pytest.raises(ValueError, match="its energy is not finite, and it must be neutral"):
        kernel.eval(potential(background=True), structure("slab", total=1.0))


def test_what_is_no_charge_potential_is_refused() -> None:
    """Each with its sentence."""
    own = potential()
    c, h = own.charge_networks
    point, broad = Coulomb(8.0), Coulomb(8.0, widths=WIDTHS)
    refused = [
        (([], Shift(), point), "there are networks for the charges of no species"),
        (([c, c], Shift(), point), "charges of C, C but there must be one for each"),
        (
            ([c, h], ml.Equilibrate(HARDNESS), point),
            "charges that are equilibrated must have a width",
        ),
        (([c, h], ml.Equilibrate({"C": 1.0}), broad), "a hardness of C but it is needed of H too"),
        (([c, h], Shift(), Coulomb(8.0, widths={"C": 0.7})), "a width of C but it is needed of H"),
    ]
    for arguments, sentence in refused:
        with pytest.raises(ValueError, match=sentence):
            ChargePotential(*arguments)
    with pytest.raises(ValueError, match="energies for C but charges for C, H"):
        ChargePotential(
            [c, h], Shift(), point, energy_networks=potential(sees=True).energy_networks[:1]
        )
    with pytest.raises(ValueError, match="is for all its species and cannot be copied for C"):
        own.copy("C")
    with pytest.raises(ValueError, match=r"`hardness of C` is 0.0 but must be"):
        ml.Equilibrate({"C": 0.0})
    with pytest.raises(ValueError, match="does not take 5 descriptors and a charge"):
        ml.ChargedNetwork(charged.network(5, 0), charged.DESCRIPTORS["C"], "C")
    with pytest.raises(ValueError, match=r"`ranges` has shape \(2, 5\) but must be \(2, 6\)"):
        ml.ChargedNetwork(
            charged.network(6, 0), charged.DESCRIPTORS["C"], "C", ranges=np.zeros((2, 5))
        )
    with pytest.raises(ValueError, match="is not a descriptor of H"):
        ml.ChargedNetwork(charged.network(6, 0), charged.DESCRIPTORS["C"], "H")
    with pytest.raises(ValueError, match="are not the data of a network that sees charges"):
        ml.ChargedNetwork.from_state_dict({"tag": "x"})


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("more", 1, "a charge potential's data have the keys charge_networks, coulomb, energy_net"),
        ("tag", "none", "a charge potential's data have the keys"),
        ("charge_networks", {}, "`charge_networks` and `energy_networks` must be lists"),
        ("energy_networks", {}, "`charge_networks` and `energy_networks` must be lists"),
        ("rule", "shift", "`rule` and `coulomb` must be mappings"),
        ("coulomb", 8.0, "`rule` and `coulomb` must be mappings"),
        ("rule", {"rule": "guess"}, "no rule for charges has the data"),
    ],
)
def test_data_of_no_charge_potential_are_refused(key, value, sentence) -> None:
    """Each with its sentence."""
    state = potential().state_dict()
    assert ChargePotential.from_state_dict(state).state_dict().keys() == state.keys()
    with pytest.raises(ValueError, match=sentence):
        ChargePotential.from_state_dict({**state, key: value})


def _table(cell):
    return compute_images(cell, charged.A).table
