"""The calculator against the kernel and finite differences, as atoms and settings change."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.calculators.mixing import SumCalculator
from ase_silicon import SILICON, committee, silicon, strained
from noble_gases import ARGON_KRYPTON

from miniff import ml
from miniff.ase import MiniffCalculator
from miniff.kernel import Cell
from miniff.kernel import eval as evaluate
from miniff.potentials import behler2_descriptor_family


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
