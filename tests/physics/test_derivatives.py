"""Forces, stress, momentum and torque of every kind of saved potential, by three engines."""

from pathlib import Path

import numpy as np
import pytest
from ase import units
from lammps_run import VIRIAL, atoms_of, lammps_with
from saved import SAVED, Saved

from miniff.ase import MiniffCalculator
from miniff.kernel import Cell, Evaluation
from miniff.kernel import eval as evaluate
from miniff.lammps import attach

SEEDS = (0, 1)
# Families are tried one by one, a one-way pair too; structures are anywhere.
pytestmark = [
    pytest.mark.filterwarnings("ignore::miniff.potentials.OneSidedPairWarning"),
    pytest.mark.filterwarnings("ignore::miniff.kernel.ExtrapolationWarning"),
]
every = pytest.mark.parametrize("saved", SAVED)
seeds = pytest.mark.parametrize("seed", SEEDS)


def result(saved: Saved, folder: Path, cell: Cell) -> Evaluation:
    return evaluate(saved.potentials(folder), cell, precision=saved.precision)


def slope(energy, *, step: float) -> float:
    """dE/dx at 0 from four places: errors of fourth order."""
    near, far = (energy(s) - energy(-s) for s in (step, 2 * step))
    return (8 * near - far) / (12 * step)


def tolerance_of(saved: Saved) -> tuple[float, float]:
    """Of a slope, relative; and the step to take it with."""
    return (1e-6, 1e-3) if saved.precision == "double" else (5e-3, 2e-2)


@every
@seeds
@pytest.mark.parametrize("pbc", [True, False])
def test_forces_are_minus_the_slope(saved: Saved, seed: int, pbc: bool, tmp_path: Path) -> None:
    """Along random directions of all atoms at once, and of one atom."""
    potentials, cell = saved.potentials(tmp_path), saved.cell(seed, pbc=pbc)
    forces = evaluate(potentials, cell, precision=saved.precision).forces
    rtol, step = tolerance_of(saved)
    rng = np.random.default_rng(seed)
    several = rng.normal(size=(3, cell.size, 3))
    one = np.zeros_like(several[0])
    one[rng.integers(cell.size)] = rng.normal(size=3)
    scale = max(np.abs(forces).max(), 1e-3)
    for direction in (*several / np.sqrt(cell.size), one):

        def energy(x: float, direction: np.ndarray = direction) -> float:
            moved = cell.coordinates + x * np.linalg.solve(cell.vectors.T, direction.T).T
            there = Cell(cell.vectors, moved, cell.values, pbc=cell.pbc)
            return evaluate(potentials, there, precision=saved.precision).energy

        expected = -slope(energy, step=step)
        assert np.vdot(forces, direction) == pytest.approx(expected, rel=rtol, abs=rtol * scale)


@every
@pytest.mark.parametrize("pbc", [(True, True, True), (True, True, False)])
def test_stress_is_the_slope_of_a_strain(saved: Saved, pbc: tuple, tmp_path: Path) -> None:
    """Each of its six components, of a crystal and of a slab."""
    potentials, whole = saved.potentials(tmp_path), saved.cell(2)
    cell = Cell(whole.vectors, whole.coordinates, whole.values, pbc=pbc)
    found = evaluate(potentials, cell, precision=saved.precision)
    rtol, step = tolerance_of(saved)
    scale = max(np.abs(found.stress).max(), 1e-4)
    for component, (i, j) in enumerate([(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]):
        strain = np.zeros((3, 3))
        strain[i, j] += 0.5
        strain[j, i] += 0.5

        def energy(x: float, strain: np.ndarray = strain) -> float:
            vectors = cell.vectors @ (np.eye(3) + x * strain)
            there = Cell(vectors, cell.coordinates, cell.values, pbc=cell.pbc)
            return evaluate(potentials, there, precision=saved.precision).energy

        expected = slope(energy, step=step / 3) / cell.volume
        assert found.stress[component] == pytest.approx(expected, rel=rtol, abs=rtol * scale)


@every
@seeds
def test_nothing_pushes_or_turns_itself(saved: Saved, seed: int, tmp_path: Path) -> None:
    """Forces add up to none; those of a cluster have no torque either."""
    rounding = 2 * saved.rounding
    for pbc in (True, False):
        cell = saved.cell(seed, pbc=pbc)
        forces = result(saved, tmp_path, cell).forces
        size = max(np.abs(forces).sum(), 1e-3)
        np.testing.assert_allclose(forces.sum(axis=0), 0, atol=rounding * size)
    positions = cell.cartesian() - cell.cartesian().mean(axis=0)
    torque = np.cross(positions, forces).sum(axis=0)
    np.testing.assert_allclose(torque, 0, atol=10 * rounding * size)


@every
@seeds
def test_energy_is_the_same_however_the_structure_is_told(
    saved: Saved, seed: int, tmp_path: Path
) -> None:
    """Turned, mirrored, moved, in another order, with other images, and twice as large."""
    potentials, cell = saved.potentials(tmp_path), saved.cell(seed)
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    order = rng.permutation(cell.size)
    images = cell.coordinates + rng.integers(-2, 3, size=cell.coordinates.shape)
    same = {
        "turned": Cell(cell.vectors @ turn, cell.coordinates, cell.values),
        "mirrored": Cell(-cell.vectors, cell.coordinates, cell.values),
        "moved": Cell(cell.vectors, cell.coordinates + 0.3, cell.values),
        "in another order": Cell(
            cell.vectors, cell.coordinates[order], [cell.values[k] for k in order]
        ),
        "of other images": Cell(cell.vectors, images, cell.values),
    }
    rtol = saved.rounding
    energies = {
        name: evaluate(potentials, there, precision=saved.precision).energy
        for name, there in same.items()
    }
    twice = evaluate(potentials, cell.repeated(2, 1, 1), precision=saved.precision).energy
    energies["twice as large"] = twice / 2
    known = evaluate(potentials, cell, precision=saved.precision)
    scale = max(np.abs(known.energies).sum(), 1e-3)
    for name, energy in energies.items():
        assert energy == pytest.approx(known.energy, abs=rtol * scale), name


@every
def test_file_keeps_every_bit(saved: Saved, tmp_path: Path) -> None:
    """Of energy, forces and stress; saved twice, the same."""
    cell = saved.cell(3)
    before = evaluate(saved.make(), cell, precision=saved.precision)
    after = result(saved, tmp_path, cell)
    for name in ("energies", "gradient", "strain_derivative"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))


@every
@seeds
def test_ase_and_lammps_agree_with_the_kernel(saved: Saved, seed: int, tmp_path: Path) -> None:
    """Energy, forces and stress of the same structure, whoever asks."""
    potentials, cell = saved.potentials(tmp_path), saved.cell(seed)
    own = evaluate(potentials, cell, precision=saved.precision)
    rtol = 10 * saved.rounding
    scale = {name: max(np.abs(getattr(own, name)).max(), 1e-6) for name in ("forces", "stress")}
    energy_scale = max(np.abs(own.energies).sum(), 1e-3)
    atoms = cell.to_ase()
    atoms.calc = MiniffCalculator(potentials, precision=saved.precision)
    lmp = lammps_with(cell, species := sorted(set(cell.values)))
    attach(lmp, potentials, species, precision=saved.precision)
    lmp.command("run 0 post no")
    order = np.argsort(atoms_of(lmp, "id"))
    xx, yy, zz, xy, xz, yz = lmp.numpy.extract_compute(VIRIAL, 0, 1)
    bar = units.bar
    stress = -np.array([xx, yy, zz, yz, xz, xy]) * bar
    answers = {
        "ASE": (atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()),
        "LAMMPS": (lmp.get_thermo("pe"), atoms_of(lmp, "f")[order], stress),
    }
    for name, (energy, forces, of_cell) in answers.items():
        assert energy == pytest.approx(own.energy, abs=rtol * energy_scale), name
        np.testing.assert_allclose(forces, own.forces, atol=rtol * scale["forces"], err_msg=name)
        # LAMMPS's bar differs from ASE's in the eighth digit
        of_bar = rtol if name == "ASE" else 1e-6
        np.testing.assert_allclose(of_cell, own.stress, atol=of_bar * scale["stress"])
