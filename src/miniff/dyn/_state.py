"""Where a run is, and the structure it began with."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers, chemical_symbols
from ase.units import kB
from jaxtyping import Float64
from numpy import ndarray

from miniff._charges import IN_TOTAL, OF_ATOMS
from miniff._checks import check_finite, check_not_negative, check_shape, unknown_name
from miniff._stress import stress_from_strain_derivative
from miniff.kernel import Cell
from miniff.kernel._cell import how_to_make_one

__all__ = [
    "Start",
    "State",
    "drawn_velocities",
    "labelled",
    "masses_of",
    "standard_masses",
    "start_of",
    "thermal_velocities",
    "words_of",
]


@dataclass(frozen=True, eq=False)
class Start:
    """What moves, and how it began.

    Attributes:
        cell: The structure; species are chemical elements.
        positions: Cartesian (length).
        masses: Of the atoms (mass).
        velocities: Of the atoms (length/time); None if they were not given.
    """

    cell: Cell
    positions: Float64[ndarray, "n_atoms 3"]
    masses: Float64[ndarray, " n_atoms"]
    velocities: Float64[ndarray, "n_atoms 3"] | None

    def to_ase(self) -> Atoms:
        """Atoms to be moved, with these masses and velocities."""
        atoms = Atoms(
            list(self.cell.values),
            positions=self.positions,
            cell=self.cell.vectors,
            pbc=self.cell.pbc,
            masses=self.masses,
        )
        if self.velocities is not None:
            atoms.set_velocities(self.velocities)
        return atoms


@dataclass(frozen=True, eq=False)
class State:
    """Where a run is.

    Attributes:
        step: Steps made.
        time: Since the beginning (time).
        positions: Not wrapped into the box (length).
        velocities: Of the atoms (length/time).
        forces: On the atoms (energy/length).
        potential_energy: Of the potentials (energy).
        kinetic_energy: Of the atoms (energy).
        vectors: Rows are the cell vectors (length).
        strain_derivative: Of the potential energy (energy).
        conserved: What the equations of motion conserve (energy); None where chance has a part.
        conserved_at_start: The same at step 0.
        n_degrees: Of freedom that have a kinetic energy.
        extrapolation: How far each atom is outside of the training set, whose border is 1; nan
            where it is not known. See :attr:`miniff.kernel.Evaluation.extrapolation`.
        start: What moves.
    """

    step: int
    time: float
    positions: Float64[ndarray, "n_atoms 3"]
    velocities: Float64[ndarray, "n_atoms 3"]
    forces: Float64[ndarray, "n_atoms 3"]
    potential_energy: float
    kinetic_energy: float
    vectors: Float64[ndarray, "3 3"]
    strain_derivative: Float64[ndarray, "3 3"]
    conserved: float | None
    conserved_at_start: float | None
    n_degrees: int
    extrapolation: Float64[ndarray, " n_atoms"]
    start: Start

    @property
    def energy(self) -> float:
        """Potential and kinetic energy (energy)."""
        return self.potential_energy + self.kinetic_energy

    @property
    def drift(self) -> float | None:
        """By how much what should be conserved has changed, per atom and time (energy/time)."""
        if self.conserved is None or self.conserved_at_start is None or not self.time:
            return None
        change = self.conserved - self.conserved_at_start
        return change / max(len(self.positions), 1) / self.time

    @property
    def temperature(self) -> float:
        """In kelvin, for energies in eV: 2 E_kin / (n_degrees kB)."""
        return 2 * self.kinetic_energy / (self.n_degrees * kB)

    @property
    def volume(self) -> float | None:
        """Of the cell (length^3); None where nothing repeats, or it has none."""
        return float(abs(np.linalg.det(self.vectors))) if self.start.cell.has_volume else None

    @property
    def stress(self) -> Float64[ndarray, " 6"] | None:
        """Of the potentials alone, without the atoms' motion, as a calculator has it: positive
        under tension, xx yy zz yz xz xy (energy/length^3). None where nothing repeats."""
        if self.volume is None:
            return None
        return stress_from_strain_derivative(self.strain_derivative, self.volume)

    @property
    def pressure(self) -> float | None:
        """Of potentials and motion, (2 E_kin - tr dE/d(strain)) / (3 V) (energy/length^3)."""
        if self.volume is None:
            return None
        virial = float(np.trace(self.strain_derivative))
        return (2 * self.kinetic_energy - virial) / (3 * self.volume)

    @cached_property
    def cell(self) -> Cell:
        """The structure as it is now, atoms where they went, with energy, forces and stress."""
        results: dict[str, object] = {"energy": self.potential_energy, "forces": self.forces}
        if self.stress is not None:
            results["stress"] = self.stress
        if not np.isnan(self.extrapolation).all():
            results["extrapolation"] = self.extrapolation
        return labelled(self.start.cell, self.vectors, self.positions, results)


def words_of(meta: Mapping[str, object]) -> dict[str, object]:
    """What is said of a structure in words, and of its charges: it stays when its atoms move."""
    given = (*OF_ATOMS, *IN_TOTAL)
    return {key: value for key, value in meta.items() if isinstance(value, str) or key in given}


def labelled(
    begun: Cell, vectors: ndarray, positions: ndarray, results: Mapping[str, object]
) -> Cell:
    """What a structure has become, with results for its ``meta``.

    Args:
        begun: As it was.
        vectors: Of its cell now (length).
        positions: Of its atoms now (length).
        results: As energy and forces.
    """
    coordinates = np.linalg.solve(vectors.T, positions.T).T
    meta = {**words_of(begun.meta), **results}
    return Cell(vectors, coordinates, begun.values, meta, pbc=begun.pbc)


def start_of(cell: Cell | Atoms, velocities: ndarray | None = None) -> Start:
    """What a cell, or ASE's atoms with their masses and momenta, stand for.

    Raises:
        TypeError: Neither of them.
        ValueError: Species that are no chemical elements, constraints, velocities of another shape.
    """
    if isinstance(cell, Atoms):
        if cell.constraints:
            kinds = ", ".join(sorted({type(c).__name__ for c in cell.constraints}))
            raise ValueError(
                f"the atoms have constraints ({kinds}) but here all atoms must be free"
            )
        begun, masses = Cell.from_ase(cell), cell.get_masses()
        positions = np.array(cell.positions)
        if velocities is None and cell.has("momenta"):
            velocities = cell.get_velocities()
    elif isinstance(cell, Cell):
        begun, masses = cell, masses_of(cell)
        positions = np.ascontiguousarray(cell.cartesian())
    else:
        raise TypeError(
            f"`cell` is {type(cell).__name__} but must be a Cell, or ASE's Atoms"
            f"{how_to_make_one(cell)}"
        )
    if velocities is not None:
        velocities = np.array(velocities, float)
        check_shape("velocities", velocities, (begun.size, 3))
        check_finite("velocities", velocities)
    return Start(begun, positions, masses, velocities)


def thermal_velocities(
    cell: Cell, temperature: float, *, seed: int = 0
) -> Float64[ndarray, "n_atoms 3"]:
    """Velocities drawn from Maxwell and Boltzmann's distribution, without a common motion.

    Args:
        cell: The structure; masses are those in its ``meta``, or of its chemical species.
        temperature: In kelvin, for energies in eV.
        seed: Of the random numbers.

    Raises:
        ValueError: A negative or infinite temperature, or a species that is no chemical element.
    """
    return drawn_velocities(masses_of(cell), temperature, seed)


def drawn_velocities(
    masses: Float64[ndarray, " n_atoms"], temperature: float, seed: int | tuple[int, int]
) -> Float64[ndarray, "n_atoms 3"]:
    """The same for atoms of these masses."""
    check_not_negative("temperature", temperature)
    mass = masses[:, None]
    drawn = np.random.default_rng(seed).normal(size=(len(masses), 3)) * np.sqrt(
        kB * temperature / mass
    )
    velocities: ndarray = drawn - (mass * drawn).sum(axis=0) / max(mass.sum(), 1e-300)
    return velocities


def masses_of(cell: Cell) -> Float64[ndarray, " n_atoms"]:
    """Masses of the atoms (mass): ``masses`` of ``meta``, or those of the elements.

    Raises:
        ValueError: Masses that are none, or a species that is no chemical element.
    """
    standard = standard_masses(cell)
    given = cell.meta.get("masses")
    if given is None:
        return standard
    masses = np.array(given, float)
    check_shape("masses", masses, (cell.size,))
    if not (masses > 0).all():
        raise ValueError(f"`masses` has {masses.min()} but must have numbers in (0, inf)")
    return masses


def standard_masses(cell: Cell) -> Float64[ndarray, " n_atoms"]:
    """Atomic masses (mass unit) of the chemical species of a structure."""
    for name in cell.values:
        if name not in atomic_numbers or atomic_numbers[name] == 0:
            raise ValueError(unknown_name("chemical species", name, chemical_symbols[1:]))
    return np.array([atomic_masses[atomic_numbers[name]] for name in cell.values], float)
