"""What the calculator refuses, in ASE's own exceptions where it has them."""

import re

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.calculator import CalculationFailed, PropertyNotImplementedError
from ase_silicon import SILICON, committee, silicon

from miniff.ase import MiniffCalculator
from miniff.potentials import lj_potential_family


def rod() -> Atoms:
    """Periodic along one vector, with no other."""
    atoms = Atoms("Si4", positions=[[0, 0, 0], [1, 2, 0.3], [2.9, 0.5, 1.5], [4, 1, -1]])
    atoms.set_cell([5.5, 0, 0])
    atoms.pbc = (True, False, False)
    return atoms


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


def test_no_list_is_there_before_the_first_calculation() -> None:
    """Where it was made is known afterwards: at the atoms."""
    atoms = silicon()
    calc = MiniffCalculator(SILICON)
    with pytest.raises(ValueError, match="no neighbour list before the first calculation"):
        calc.listed_at()
    calc.get_potential_energy(atoms)
    np.testing.assert_array_equal(calc.listed_at().positions, atoms.positions)
