"""The calculator against the kernel, finite differences, and what ASE demands of one."""

import copy
import pickle
import re
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.calculator import (
    CalculationFailed,
    PropertyNotImplementedError,
    get_calculator_class,
)
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.calculators.mixing import SumCalculator
from ase.db import connect
from ase_silicon import SILICON, committee, silicon, strained
from noble_gases import ARGON_KRYPTON

from miniff import ml
from miniff.ase import MiniffCalculator
from miniff.kernel import Cell
from miniff.kernel import eval as evaluate
from miniff.potentials import (
    behler2_descriptor_family,
    general_pair_potential_family,
    lj_potential_family,
)


def mixture() -> Atoms:
    """Two elements in a skewed box smaller than the cutoff, atoms outside of it too."""
    atoms = Atoms("ArKrAr", pbc=True, cell=[[5, 0, 0], [1, 5.5, 0], [-0.7, 0.4, 6]])
    atoms.set_scaled_positions([[0, 0, 0], [0.5, 0.55, -0.4], [1.5, 0.1, 0.6]])
    return atoms


def slab() -> Atoms:
    """Periodic along two vectors, vacuum included in the third."""
    atoms = silicon(1, rattle=0.1)
    atoms.pbc = (True, True, False)
    atoms.center(vacuum=4.0, axis=2)
    return atoms


def rod() -> Atoms:
    """Periodic along one vector, with no other."""
    atoms = Atoms("Si4", positions=[[0, 0, 0], [1, 2, 0.3], [2.9, 0.5, 1.5], [4, 1, -1]])
    atoms.set_cell([5.5, 0, 0])
    atoms.pbc = (True, False, False)
    return atoms


SYSTEMS = {
    "crystal": (silicon, SILICON),
    "mixture": (mixture, ARGON_KRYPTON),
    "slab": (slab, SILICON),
    "network": (silicon, committee()),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_forces_and_stress_are_slopes_of_the_energy(name: str) -> None:
    """By ASE's own finite differences, which strain the whole cell, vacuum included."""
    make, potentials = SYSTEMS[name]
    atoms = make()
    atoms.calc = MiniffCalculator(potentials)
    forces, stress = atoms.get_forces(), atoms.get_stress()
    np.testing.assert_allclose(
        forces, calculate_numerical_forces(atoms, eps=1e-5), atol=1e-7 + 1e-6 * abs(forces).max()
    )
    np.testing.assert_allclose(
        stress, calculate_numerical_stress(atoms, eps=1e-5), atol=1e-9 + 1e-6 * abs(stress).max()
    )


@pytest.mark.parametrize("name", SYSTEMS)
def test_numbers_are_those_of_the_kernel(name: str) -> None:
    """Energy, forces, stress in ASE's order, and energies that add up."""
    make, potentials = SYSTEMS[name]
    atoms = make()
    expected = evaluate(potentials, Cell.from_ase(atoms))
    atoms.calc = MiniffCalculator(potentials)
    assert atoms.get_potential_energy() == pytest.approx(expected.energy, rel=1e-13)
    assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
    np.testing.assert_allclose(atoms.get_forces(), expected.forces, atol=1e-11)
    np.testing.assert_allclose(atoms.get_stress(), expected.stress, atol=1e-13)
    np.testing.assert_allclose(atoms.get_potential_energies(), expected.energies, atol=1e-12)


def test_slab_without_a_third_vector_is_as_with_vacuum() -> None:
    """Energy and forces do not need it, stress does."""
    full = slab()
    full.calc = MiniffCalculator(SILICON)
    flat = full.copy()
    flat.set_cell([*full.cell.array[:2], [0, 0, 0]])
    flat.calc = MiniffCalculator(SILICON)
    np.testing.assert_allclose(flat.get_forces(), full.get_forces(), atol=1e-12)
    sheared = full.copy()
    sheared.set_cell([*full.cell.array[:2], full.cell.array[0]])  # in the plane of the others
    sheared.calc = MiniffCalculator(SILICON)
    np.testing.assert_allclose(sheared.get_forces(), full.get_forces(), atol=1e-12)


@pytest.mark.parametrize("make", [rod, lambda: Atoms("Si2", [[0, 0, 0], [0, 0, 2.3]])])
def test_stress_needs_a_volume(make) -> None:
    """ASE's error, which its filters and writers know; forces are given."""
    atoms = make()
    atoms.calc = MiniffCalculator(SILICON)
    atoms.get_forces()
    with pytest.raises(PropertyNotImplementedError, match=r"^stress needs a cell with a volume"):
        atoms.get_stress()
    calculated = set(atoms.calc.results)
    assert calculated == {"energy", "free_energy", "energies", "forces"}


def test_other_properties_are_refused() -> None:
    """There are no charges or magnetic moments, and no committee among formulas."""
    atoms = silicon()
    atoms.calc = MiniffCalculator(SILICON)
    for name in ("charges", "magmoms", "dipole", "energy_std"):
        with pytest.raises(PropertyNotImplementedError, match=name):
            atoms.calc.get_property(name, atoms)


def test_committee_tells_its_spread() -> None:
    """That of eval_committee; without being asked it takes no time."""
    atoms = silicon(2)
    potentials = committee()
    expected = ml.eval_committee(potentials, Cell.from_ase(atoms))
    atoms.calc = MiniffCalculator(potentials)
    assert atoms.get_potential_energy() == pytest.approx(expected.mean.energy, rel=1e-12)
    assert "energy_std" not in atoms.calc.results
    spread = atoms.calc.get_property("forces_std", atoms)
    np.testing.assert_allclose(spread, expected.forces_std, rtol=1e-9)
    assert atoms.calc.results["energy_std"] == pytest.approx(expected.energy_std, rel=1e-9)
    assert atoms.calc.results["energy"] == pytest.approx(expected.mean.energy, rel=1e-12)


def test_one_calculator_follows_whatever_changes() -> None:
    """Elements, numbers of atoms, periodicity, box and positions, one after the other."""
    calc = MiniffCalculator(ARGON_KRYPTON)
    atoms = mixture()
    atoms.calc = calc
    rng = np.random.default_rng(0)

    def agrees() -> None:
        expected = evaluate(ARGON_KRYPTON, Cell.from_ase(atoms.copy()), ignore_missing_species=True)
        assert atoms.get_potential_energy() == pytest.approx(expected.energy, rel=1e-12)
        np.testing.assert_allclose(atoms.get_forces(), expected.forces, atol=1e-11)

    agrees()
    atoms.numbers[0] = 36
    agrees()
    atoms.pbc = (True, False, True)
    agrees()
    atoms.positions += rng.normal(scale=0.02, size=(3, 3))
    agrees()
    atoms.set_cell(1.02 * atoms.cell.array, scale_atoms=True)
    agrees()
    atoms.set_cell(0.8 * atoms.cell.array, scale_atoms=True)
    agrees()
    del atoms[1]
    agrees()
    atoms.extend(Atoms("Ar", [[9, 9, 9]]))
    agrees()
    atoms.set_pbc(False)
    agrees()
    atoms.set_cell(None)
    expected = lj_dimer = evaluate(
        ARGON_KRYPTON, Cell.from_ase(atoms.copy()), ignore_missing_species=True
    )
    assert atoms.get_potential_energy() == pytest.approx(expected.energy)
    assert lj_dimer.volume is None


def test_list_lasts_while_atoms_and_box_move_little() -> None:
    """Small strains and moves make no new list; a larger one makes one."""
    atoms = silicon(2, rattle=0)
    atoms.calc = MiniffCalculator(SILICON, skin=0.8)
    rng = np.random.default_rng(3)
    for _ in range(5):
        atoms.rattle(0.01, rng=rng)
        atoms.set_cell(atoms.cell.array * 1.002, scale_atoms=True)
        expected = evaluate(SILICON, Cell.from_ase(atoms.copy()))
        np.testing.assert_allclose(atoms.get_forces(), expected.forces, atol=1e-11)
    assert atoms.calc.n_lists == 1
    atoms.set_cell(atoms.cell.array * 0.8, scale_atoms=True)
    atoms.get_forces()
    assert atoms.calc.n_lists == 2
    atoms.get_forces()
    atoms.set_initial_charges(np.ones(64))
    atoms.get_potential_energy()
    assert atoms.calc.n_lists == 2


def test_nothing_is_calculated_twice() -> None:
    """Results stay until atoms change by the last bit; charges and magnetic moments change none."""
    atoms = silicon()
    atoms.calc = MiniffCalculator(SILICON)
    atoms.get_forces()
    atoms.set_initial_charges(np.ones(8))
    atoms.set_initial_magnetic_moments(np.ones(8))
    assert not atoms.calc.calculation_required(atoms, ["energy", "forces", "stress"])
    atoms.positions[0, 0] = np.nextafter(atoms.positions[0, 0], 9)
    assert atoms.calc.check_state(atoms) == ["positions"]
    assert atoms.calc.check_state(atoms, tol=1e-12) == []


def test_results_are_the_callers() -> None:
    """Written to, they change nothing in the calculator."""
    atoms = silicon()
    atoms.calc = MiniffCalculator(SILICON)
    before = atoms.get_forces()
    atoms.get_forces()[:] = 0
    np.testing.assert_array_equal(atoms.get_forces(), before)


def test_single_precision_is_near() -> None:
    """Within 1e-5 of the largest force, and not the same."""
    atoms = silicon(2, seed=1)
    double = MiniffCalculator(committee()).get_forces(atoms)
    single = MiniffCalculator(committee(), precision="single").get_forces(atoms)
    assert 0 < abs(single - double).max() < 1e-5 * abs(double).max()


def test_parts_add_up_in_a_sum() -> None:
    """ASE's SumCalculator of both terms gives what the list does."""
    atoms = silicon()
    whole = MiniffCalculator(SILICON)
    parts = SumCalculator([MiniffCalculator(SILICON[0]), MiniffCalculator(SILICON[1])])
    for name in ("energy", "forces", "stress"):
        np.testing.assert_allclose(
            parts.get_property(name, atoms), whole.get_property(name, atoms), atol=1e-11
        )


def test_potentials_come_from_files_and_plain_data(folder: Path) -> None:
    """Networks, formulas in YAML, mappings and objects: the same energy."""
    atoms = silicon()
    expected = MiniffCalculator(SILICON).get_potential_energy(atoms)
    plain = [ml.plain_of(potential) for potential in SILICON]
    ml.save_potentials("sw.pt", SILICON)
    Path("sw.yml").write_text(str(plain))
    for given in (plain, tuple(SILICON), "sw.pt", Path("sw.pt"), "sw.yml"):
        assert MiniffCalculator(given).get_potential_energy(atoms) == expected
    ml.save_potentials("network.pt", committee())
    network = MiniffCalculator("network.pt")
    assert network.get_potential_energy(atoms) == MiniffCalculator(
        committee()
    ).get_potential_energy(atoms)
    assert network.get_property("energy_std", atoms) > 0


def test_ase_finds_the_calculator_by_name() -> None:
    """And makes one anew from the parameters that its files keep."""
    atoms = silicon()
    calc = MiniffCalculator(SILICON, skin=0.5)
    assert get_calculator_class("miniff") is MiniffCalculator
    assert calc.name == "miniff"
    parameters = calc.todict()
    assert set(parameters) == {"potentials", "skin"}  # without what is by default
    again = get_calculator_class(calc.name)(**parameters)
    assert again.get_potential_energy(atoms) == calc.get_potential_energy(atoms)


def test_database_keeps_what_makes_the_calculator_again(folder: Path) -> None:
    """Formulas and settings come back with the row, results too."""
    atoms = silicon()
    atoms.calc = MiniffCalculator(SILICON, skin=0.4)
    atoms.get_forces()
    with connect("silicon.db") as database:
        database.write(atoms)
    row = database.get(1)
    assert row.energy == atoms.get_potential_energy()
    np.testing.assert_array_equal(row.forces, atoms.get_forces())
    again = get_calculator_class(row.calculator)(**row.calculator_parameters)
    assert again.parameters["skin"] == 0.4
    np.testing.assert_array_equal(again.get_forces(row.toatoms()), atoms.get_forces())


@pytest.mark.parametrize("name", ["a.traj", "a.extxyz", "a.json"])
def test_files_of_ase_keep_the_results(folder: Path, name: str) -> None:
    """Energy, forces and stress, of a committee whose spread was asked for too."""
    atoms = silicon()
    atoms.calc = MiniffCalculator(committee())
    atoms.get_stress()
    atoms.calc.get_property("energy_std", atoms)
    ase.io.write(name, atoms)
    back = ase.io.read(name)
    assert back.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-7)
    np.testing.assert_allclose(back.get_forces(), atoms.get_forces(), atol=1e-7)
    np.testing.assert_allclose(back.get_stress(), atoms.get_stress(), atol=1e-7)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
def test_copies_give_the_same_numbers(again) -> None:
    """Also in another process, with their settings."""
    for potentials in (SILICON, committee()):
        atoms = silicon()
        calc = MiniffCalculator(potentials, skin=0.3, precision="single")
        before = calc.get_forces(atoms)
        other = again(calc)
        assert other.results == {}
        assert {k: v for k, v in other.parameters.items() if k != "potentials"} == {
            "skin": 0.3,
            "precision": "single",
            "device": "cpu",
            "ignore_missing_species": False,
            "warn_extrapolation": True,
        }
        np.testing.assert_array_equal(other.get_forces(atoms), before)


def test_copies_of_python_functions_are_refused() -> None:
    """They cannot be written down."""
    pair = general_pair_potential_family("Si-Si", a=3.0, f=lambda r: r, df_dr=lambda r: 0 * r + 1)
    with pytest.raises(ValueError, match="Python function"):
        pickle.dumps(MiniffCalculator(pair))


def test_settings_can_be_changed() -> None:
    """Results are made anew, and what changed is told; other names are none."""
    atoms = silicon()
    calc = MiniffCalculator(SILICON)
    whole = calc.get_potential_energy(atoms)
    assert calc.set() == {}
    assert calc.results
    assert calc.set(skin=0.2, precision="double") == {"skin": 0.2}
    assert calc.results == {}
    assert calc.get_potential_energy(atoms) == pytest.approx(whole, rel=1e-13)
    calc.set(potentials=SILICON[0])
    assert calc.get_potential_energy(atoms) < whole
    with pytest.raises(TypeError, match="cutoff"):
        calc.set(cutoff=3.0)


def test_potentials_for_other_elements_do_no_harm() -> None:
    """Those of a mixture serve a part of it; atoms that none is for are refused."""
    argon = bulk("Ar", a=5.3)
    argon.calc = MiniffCalculator(ARGON_KRYPTON)
    expected = evaluate(ARGON_KRYPTON[0], Cell.from_ase(argon.copy()))
    assert argon.get_potential_energy() == pytest.approx(expected.energy, rel=1e-13)
    neon = bulk("Ne", a=4.4)
    neon.calc = MiniffCalculator(ARGON_KRYPTON)
    sentence = "the structure has atoms of Ne but the potentials give energies only to atoms of Ar"
    with pytest.raises(ValueError, match=sentence):
        neon.get_potential_energy()
    neon.calc = MiniffCalculator(ARGON_KRYPTON, ignore_missing_species=True)
    assert neon.get_potential_energy() == 0


def test_a_failed_calculation_leaves_no_results() -> None:
    """Neither those of before nor others; then it can be used again."""
    atoms = silicon()
    atoms.calc = MiniffCalculator(SILICON)
    energy = atoms.get_potential_energy()
    there = atoms.positions.copy()
    atoms.positions[3] = atoms.positions[5]
    for _ in range(2):
        with pytest.raises(ValueError, match="atoms 3 and 5 are at the same place"):
            atoms.get_potential_energy()
    atoms.positions[:] = there
    assert atoms.get_potential_energy() == energy


def test_an_infinite_energy_is_told_with_the_atom() -> None:
    """Not handed on as a number."""
    atoms = Atoms("Ar3", [[0, 0, 0], [9, 0, 0], [9.2, 0, 0]])
    atoms.calc = MiniffCalculator(lj_potential_family(epsilon=1e307, sigma=3.4, a=2.0))
    with pytest.raises(CalculationFailed, match=r"the force on atom 1 \(counted from 0\) is no"):
        atoms.get_forces()


def test_no_atom_has_no_energy() -> None:
    """Nor forces."""
    atoms = Atoms()
    atoms.calc = MiniffCalculator(SILICON)
    assert atoms.get_potential_energy() == 0
    assert atoms.get_forces().shape == (0, 3)


@pytest.mark.parametrize(
    ("atoms", "sentence"),
    [
        (Atoms("Si", pbc=True), "`pbc` is [True, True, True] but the cell vectors along which"),
        (
            Atoms("Si", cell=[[5, 0, 0], [10, 0, 0], [0, 0, 5]], pbc=(True, True, False)),
            "[[5.0, 0.0, 0.0], [10.0, 0.0, 0.0]], are zero or not independent",
        ),
        (Atoms("Si", cell=[[np.nan, 0, 0], [0, 5, 0], [0, 0, 5]], pbc=True), "`cell` is nan at"),
        (Atoms("Si2", [[0, 0, 0], [0, 0, np.nan]]), "atom 1 (counted from 0) is at ["),
        (molecule("H2O"), "the structure has atoms of H, O but"),
    ],
)
def test_atoms_that_cannot_be_are_refused(atoms: Atoms, sentence: str) -> None:
    """Each with its sentence."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        MiniffCalculator(SILICON).get_potential_energy(atoms)


@pytest.mark.parametrize(
    ("given", "error", "sentence"),
    [
        ({"potentials": []}, ValueError, "`potentials` is empty but atoms need a potential"),
        ({"potentials": [3]}, TypeError, "`potentials` has 3 but must have potentials"),
        ({"potentials": lj_potential_family}, TypeError, "call a family with its parameters"),
        ({"potentials": [{"family": "lj"}]}, ValueError, "epsilon"),
        ({"potentials": "absent.pt"}, FileNotFoundError, "absent.pt"),
        (
            {"potentials": lj_potential_family("AR-Ar", epsilon=1, sigma=3, a=2)},
            ValueError,
            "`AR` is not a known chemical species; did you mean `Ar`?",
        ),
        ({"skin": -1.0}, ValueError, "`skin` is -1.0 but must be in [0, inf)"),
        ({"precision": "half"}, ValueError, "`half` is not a known precision"),
        (
            {"potentials": [*committee(2), *committee(3)]},
            ValueError,
            "there are committees of 2 and of 3 members",
        ),
    ],
)
def test_wrong_arguments_are_refused(as_installed, given, error, sentence) -> None:
    """Before there are atoms."""
    with pytest.raises(error, match=re.escape(sentence)):
        MiniffCalculator(**{"potentials": SILICON, **given})


def test_a_descriptor_alone_is_a_potential_too() -> None:
    """It has an energy like any function of the neighbours."""
    atoms = silicon()
    descriptor = behler2_descriptor_family("Si-Si", eta=0.1, a=4.0)
    expected = evaluate(descriptor, Cell.from_ase(atoms.copy())).energy
    assert MiniffCalculator(descriptor).get_potential_energy(atoms) == pytest.approx(expected)


def test_strain_and_list_agree_at_large_strains() -> None:
    """A list made for another box gives the energy of one made anew."""
    atoms = silicon(1)
    calc = MiniffCalculator(SILICON, skin=2.0)
    for size in (0.0, 0.02, -0.05, 0.1):
        shape = np.array([[1, 0.5, 0], [0.5, -1, 0.2], [0, 0.2, 0.3]])
        there = strained(atoms, size * shape)
        expected = MiniffCalculator(SILICON, skin=0.0).get_stress(there)
        np.testing.assert_allclose(calc.get_stress(there), expected, atol=1e-12)
    assert units.GPa * 100 > abs(expected).max() > units.GPa
