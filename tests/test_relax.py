"""Relaxation against published numbers, symmetry, and the derivatives that must vanish."""

import re

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.constraints import FixAtoms
from ase_silicon import SILICON, silicon, strained

from miniff import dyn
from miniff.kernel import Cell
from miniff.kernel import eval as evaluate
from miniff.potentials import lj_potential_family

A0, BULK = 5.43095, 101.4
"""Of the potential, in angstrom and GPa: Balamane et al., Phys. Rev. B 46, 2250 (1992)."""
STRAIN = 0.02 * np.array([[1, 0.5, 0], [0.5, -1, 0], [0, 0, 1.5]])


@pytest.mark.parametrize("optimizer", ["lbfgs", "bfgs", "fire"])
def test_positions_relax_to_the_crystal(optimizer) -> None:
    """All forces vanish, and the cohesive energy is the published one; the start is unchanged."""
    start = Cell.from_ase(silicon(1, rattle=0.1))
    before = start.coordinates.copy()
    end = dyn.relax(start, SILICON, optimizer=optimizer, tolerance=1e-4)
    assert end.meta["converged"] is True
    assert end.meta["n_steps"] > 3
    assert end.meta["energy"] / 8 == pytest.approx(-2 * 2.1683, abs=1e-5)
    found = evaluate(SILICON, end)
    assert np.linalg.norm(found.forces, axis=1).max() < 1e-4
    np.testing.assert_allclose(end.meta["forces"], found.forces, atol=1e-10)
    np.testing.assert_allclose(end.meta["stress"], found.stress, atol=1e-12)
    np.testing.assert_array_equal(start.coordinates, before)
    np.testing.assert_array_equal(end.vectors, start.vectors)


def test_a_free_cell_finds_lattice_and_pressure() -> None:
    """Without pressure the lattice constant, with it the compressed one of a linear solid."""
    start = Cell.from_ase(strained(silicon(1, rattle=0.03), STRAIN))
    end = dyn.relax(start, SILICON, free="cell", tolerance=1e-4)
    np.testing.assert_allclose(abs(evaluate(SILICON, end).stress).max(), 0, atol=2e-6)
    assert end.volume ** (1 / 3) == pytest.approx(A0, abs=1e-4)
    pressed = dyn.relax(end, SILICON, free="cell", pressure=units.GPa, tolerance=1e-4)
    np.testing.assert_allclose(
        evaluate(SILICON, pressed).stress, units.GPa * np.array([-1, -1, -1, 0, 0, 0]), atol=2e-6
    )
    assert pressed.volume / end.volume - 1 == pytest.approx(-1 / BULK, rel=0.03)


def test_a_free_volume_keeps_the_shape() -> None:
    """Angles and ratios stay; the pressure vanishes, shear does not."""
    start = Cell.from_ase(strained(silicon(1), STRAIN))
    end = dyn.relax(start, SILICON, free="volume", tolerance=1e-4)
    ratio = end.vectors @ np.linalg.inv(start.vectors)
    np.testing.assert_allclose(ratio, ratio[0, 0] * np.eye(3), atol=1e-10)
    stress = evaluate(SILICON, end).stress
    assert abs(stress[:3].mean()) < 2e-6
    assert abs(stress).max() > 1e-3


def test_a_slab_relaxes_in_its_plane() -> None:
    """Its vacuum and height stay; stress in the plane vanishes."""
    slab = silicon(1, rattle=0.02)
    slab.set_cell(slab.cell.array * [[1.02], [0.99], [1]], scale_atoms=True)
    slab.pbc = (True, True, False)
    slab.center(vacuum=5.0, axis=2)
    end = dyn.relax(slab, SILICON, free="cell", tolerance=1e-4, optimizer="fire", max_steps=3000)
    np.testing.assert_allclose(end.vectors[2], slab.cell.array[2], atol=1e-10)
    stress = evaluate(SILICON, end).stress
    np.testing.assert_allclose(stress[[0, 1, 5]], 0, atol=5e-6)
    assert end.pbc == (True, True, False)


def test_fixed_atoms_stay_where_they_are() -> None:
    """Given by number, or as a constraint of ASE; also within a cell that changes."""
    atoms = silicon(1, rattle=0.1)
    by_number = dyn.relax(Cell.from_ase(atoms), SILICON, fixed=[0, 5])
    constrained = atoms.copy()
    constrained.set_constraint(FixAtoms([0, 5]))
    by_constraint = dyn.relax(constrained, SILICON)
    np.testing.assert_allclose(by_number.coordinates, by_constraint.coordinates, atol=1e-8)
    moved = np.abs(by_number.cartesian() - atoms.positions).max(axis=1)
    np.testing.assert_allclose(moved[[0, 5]], 0, atol=1e-12)
    assert (np.delete(moved, [0, 5]) > 1e-3).all()
    forces = np.linalg.norm(by_number.meta["forces"], axis=1)
    assert np.delete(forces, [0, 5]).max() < 1e-3 < forces[0]
    in_cell = dyn.relax(Cell.from_ase(atoms), SILICON, fixed=[0, 5], free="cell")
    start = Cell.from_ase(atoms)
    np.testing.assert_allclose(in_cell.coordinates[[0, 5]], start.coordinates[[0, 5]], atol=1e-9)
    assert abs(in_cell.volume - start.volume) > 0.1


def test_symmetry_is_kept_on_request() -> None:
    """A tetragonal cell stays tetragonal where the energy would lead back to the cube."""
    spglib = pytest.importorskip("spglib")
    crystal = bulk("Si", a=A0, cubic=True)
    crystal.set_cell(crystal.cell.array * [[1], [1], [1.05]], scale_atoms=True)
    lj = lj_potential_family("Si-Si", epsilon=0.01, sigma=2.0, a=2.5)
    end = dyn.relax(Cell.from_ase(crystal), [*SILICON, lj], free="cell", symmetry=True)
    data = spglib.get_symmetry_dataset((end.vectors, end.coordinates, [14] * 8), symprec=1e-5)
    assert data.number in (141, 227)  # I4_1/amd, or the supergroup it relaxes to
    rattled = silicon(1, rattle=0.002)
    kept = dyn.relax(Cell.from_ase(rattled), SILICON, symmetry=True, max_steps=50)
    data = spglib.get_symmetry_dataset((kept.vectors, kept.coordinates, [14] * 8), symprec=1e-6)
    assert data.number == 227


def test_symmetry_without_spglib_says_what_to_install(monkeypatch) -> None:
    """It is an optional dependency."""
    monkeypatch.setattr("miniff.dyn._relax.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"^`symmetry` needs spglib: python -m pip"):
        dyn.relax(Cell.from_ase(silicon(1)), SILICON, symmetry=True)


def test_a_molecule_is_not_wrapped() -> None:
    """Three atoms far from the origin become an equilateral triangle there."""
    place = np.array([100.0, -50.0, 0.0])
    start = Atoms("Ar3", place + np.array([[0, 0, 0], [4, 0, 0], [1.5, 3.2, 0.4]]))
    lj = lj_potential_family(epsilon=0.01, sigma=3.4, a=3.0)
    end = dyn.relax(start, lj, tolerance=1e-6)
    sides = [np.linalg.norm(end.cartesian()[i] - end.cartesian()[i - 1]) for i in range(3)]
    np.testing.assert_allclose(sides, 2 ** (1 / 6) * 3.4, rtol=2e-3)  # the cutoff shifts nothing
    np.testing.assert_allclose(
        end.cartesian().mean(axis=0), start.positions.mean(axis=0), atol=1e-6
    )
    assert "stress" not in end.meta


def test_an_observer_sees_the_way() -> None:
    """From the start to the end, energies falling."""
    seen: list[Cell] = []
    end = dyn.relax(Cell.from_ase(silicon(1, rattle=0.1)), SILICON, observe=seen.append)
    energies = [float(cell.meta["energy"]) for cell in seen]
    assert len(seen) == end.meta["n_steps"] + 1
    assert energies[-1] == end.meta["energy"] == min(energies)
    assert [cell.meta["converged"] for cell in seen] == [False] * (len(seen) - 1) + [True]


def test_a_relaxation_that_does_not_end_is_told() -> None:
    """And marked in the result."""
    start = Cell.from_ase(silicon(1, rattle=0.1))
    with pytest.warns(
        dyn.NotConvergedWarning, match=r"^after 2 steps the largest force is .* 0.001"
    ):
        end = dyn.relax(start, SILICON, max_steps=2)
    assert end.meta["converged"] is False


def test_what_is_said_of_the_structure_stays() -> None:
    """Words do; labels of the start do not."""
    start = Cell.from_ase(silicon(1))
    start = Cell(start.vectors, start.coordinates, start.values, {"tag": "a", "energy": 7.0})
    end = dyn.relax(start, SILICON)
    assert end.meta["tag"] == "a"
    assert end.meta["energy"] < 0


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"free": "shape"}, "`shape` is not a known choice of what is free"),
        ({"optimizer": "newton"}, "`newton` is not a known optimizer"),
        ({"pressure": np.inf, "free": "cell"}, "`pressure` is inf but must be finite"),
        ({"pressure": 1.0}, "`pressure` is 1.0 but the cell cannot give way: set `free` to"),
        ({"tolerance": 0.0}, "`tolerance` is 0.0 but must be in (0, inf)"),
        ({"max_steps": -1}, "`max_steps` is -1 but must be in [0, inf)"),
        ({"fixed": [8]}, "`fixed` has atom 8 but must have numbers in [0, 8)"),
        ({"cell": Atoms("Si2", [[0, 0, 0], [0, 0, 2]]), "free": "cell"}, "repeat in no direction"),
        (
            {"cell": Atoms("Si", cell=[5, 5, 5], pbc=(1, 1, 0)), "free": "volume"},
            "but a free volume is that of a structure that repeats along all three",
        ),
        (
            {"cell": Atoms("Si", cell=[[5, 0, 0], [0, 5, 1], [0, 0, 5]], pbc=(1, 1, 0)),
             "free": "cell"},
            "but must lie along 2 of the axes x, y and z for a free cell: turn the structure",
        ),
        (
            {"cell": Atoms("Si", cell=[5, 5, 5], pbc=(1, 1, 0)), "symmetry": True},
            "but `symmetry` is that of a structure that repeats along all three",
        ),
        ({"cell": Atoms("Ge", cell=[5, 5, 5], pbc=True)}, "the structure has atoms of Ge but"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused(as_installed, given, sentence) -> None:
    """Each with its sentence."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        dyn.relax(**{"cell": silicon(1), "potentials": SILICON, **given})


def test_other_things_are_no_structures(as_installed) -> None:
    """By their type."""
    with pytest.raises(TypeError, match=r"^`cell` is list but must be a Cell, or ASE's Atoms"):
        dyn.relax([silicon(1)], SILICON)


def test_an_explosion_is_told_with_its_reasons_once() -> None:
    """Of a relaxation no time step is to blame."""
    cell = Cell(np.eye(3) * 10, [[0, 0, 0], [0.2, 0, 0]], ["Ar", "Ar"], pbc=False)
    lj = lj_potential_family(epsilon=1e307, sigma=3.4, a=2.5)
    sentence = (
        "at step 0 the energy is inf and the force on atom 0 (counted from 0) is no finite number: "
        "atoms came too close, or the potential fails here"
    )
    with pytest.raises(FloatingPointError, match=f"^{re.escape(sentence)}$"):
        dyn.relax(cell, lj)
