"""Local minima of many structures at once.

Of a free cell a structure has three more rows of unknowns, its deformation D times the number of
its atoms, and atoms move in the box as it was: r = D u. With W = dE/d(strain) and the pressure P

    dH/du = D^T dE/dr        dH/dD = (W + P V 1) D^-T

Tadmor, Smith, Bernstein and Kaxiras, Phys. Rev. B 59, 235 (1999),
https://doi.org/10.1103/PhysRevB.59.235
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from warnings import warn

import numpy as np
from ase import Atoms
from jaxtyping import Float64, Int64
from numpy import ndarray

from miniff._checks import WHY_NO_NUMBER
from miniff._stress import stress_from_strain_derivative
from miniff.dyn._batch import Batch, listed_structures, name_of
from miniff.dyn._guard import Limits
from miniff.dyn._guard_many import GuardMany, Left, keep_frames, warn_of_left
from miniff.dyn._ragged_lbfgs import RaggedLbfgs
from miniff.dyn._relax import Free, NotConvergedWarning, check_relaxation
from miniff.dyn._state import labelled
from miniff.dyn._to_label import ToLabel
from miniff.kernel import Cell, StructureFailure
from miniff.kernel._mapping import FEWEST_CHUNKS, in_chunks, run_chunks
from miniff.potentials import Potential, Precision, TableEvaluation, larger_grade

__all__ = ["relax_many"]

FEW = 0.75
"""Of the structures looked at still going on, at which the others are left out."""


def relax_many(
    cells: Sequence[Cell | Atoms],
    potentials: Potential | Sequence[Potential],
    *,
    free: Free = "positions",
    pressure: float = 0.0,
    tolerance: float = 1e-3,
    max_steps: int = 1000,
    stop_extrapolation: float | None = None,
    to_label: str | ToLabel | None = None,
    skin: float = 1.0,
    ignore_missing_species: bool = False,
    precision: Precision = "double",
    device: str = "cpu",
    executor: Executor | None = None,
    threads: int | None = None,
) -> list[Cell | StructureFailure]:
    """Relaxes many structures, all of them together in each step: for small ones many times faster
    than :func:`relax` for one after the other, and to the same minima.

    Args:
        cells: Where to begin; also ASE's atoms.
        potentials: Their energies are summed.
        free: As in :func:`relax`; a cell that is free must repeat along all three vectors.
        pressure: As in :func:`relax` (energy/length^3).
        tolerance: As in :func:`relax` (energy/length).
        max_steps: After which a :class:`NotConvergedWarning` says how many are not there.
        stop_extrapolation: A structure with an atom further outside of the training set than this
            is given up; see :func:`nve`. An :class:`miniff.kernel.ExtrapolationWarning` says which
            ones left it.
        to_label: A file for structures as they left; see :class:`ToLabel`.
        skin: How far beyond the cutoff neighbours are listed, so that the lists last (length).
        ignore_missing_species: As in :func:`miniff.kernel.eval`.
        precision: As in :func:`miniff.kernel.eval`.
        device: As in :func:`miniff.kernel.eval`.
        executor: Whose workers share the structures: see :func:`miniff.kernel.map_structures`.
        threads: Of each worker: see there.

    Returns:
        For each structure what :func:`relax` gives; or a :class:`miniff.kernel.StructureFailure`
        where it could not begin (two atoms at one place, atoms that no potential is for), atoms
        came too close on the way, or energies were no numbers.

    Raises:
        ValueError: Arguments out of range or not for each other, constraints, a cell that is free
            but does not repeat along all vectors.
        TypeError: Something else than structures or potentials.
    """
    check_relaxation(free, pressure, tolerance, max_steps)
    structures = [_free_of_constraints(s, cell) for s, cell in enumerate(listed_structures(cells))]
    if free != "positions":
        _refuse_open(structures)
    limits = Limits(potentials, "relax", stop_extrapolation, to_label)
    how = _How(
        free,
        pressure,
        tolerance,
        max_steps,
        skin,
        ignore_missing_species,
        precision,
        device,
        stop_extrapolation,
    )
    how.batch([], potentials)  # refuses what is wrong with all
    chunks = [structures] if executor is None else in_chunks(structures, None, FEWEST_CHUNKS)
    ended = run_chunks(partial(how.relaxed, potentials), chunks, executor, threads)
    found = [_found(s, one) for s, one in enumerate(ended)]
    left = {s: one.left for s, one in enumerate(ended) if isinstance(one, _Ended) and one.left}
    warn_of_left(structures, left)
    keep_frames(limits, structures, left)
    n_left = sum(isinstance(one, Cell) and not one.meta["converged"] for one in found)
    if n_left:
        warn(
            f"after {max_steps} steps {n_left} of {len(found)} structures have forces above "
            f"{tolerance:g}: give more `max_steps`",
            NotConvergedWarning,
            stacklevel=2,
        )
    return found


@dataclass(frozen=True, eq=False)
class _Ended:
    """What became of a structure, and how it left the training set, if it did."""

    found: Cell | StructureFailure
    left: Left | None


def _found(s: int, one: "_Ended | StructureFailure") -> Cell | StructureFailure:
    """The end of structure s; a failure counts from the first one of its chunk."""
    found = one.found if isinstance(one, _Ended) else one
    return replace(found, index=s) if isinstance(found, StructureFailure) else found


@dataclass(frozen=True)
class _How:
    """What all structures have in common."""

    free: Free
    pressure: float
    tolerance: float
    max_steps: int
    skin: float
    ignore_missing_species: bool
    precision: Precision
    device: str
    stop_extrapolation: float | None

    def batch(self, cells: Sequence[Cell], potentials: Potential | Sequence[Potential]) -> Batch:
        return Batch(
            cells,
            potentials,
            skin=self.skin,
            ignore_missing_species=self.ignore_missing_species,
            precision=self.precision,
            device=self.device,
        )

    def relaxed(
        self, potentials: Potential | Sequence[Potential], cells: Sequence[Cell]
    ) -> list[_Ended | StructureFailure]:
        batch = self.batch(cells, potentials)
        guard = GuardMany(Limits(potentials, "relax", self.stop_extrapolation, None), batch)
        search = _Search(batch, self.free, self.pressure, self.tolerance)
        found = search.run(self.max_steps, guard)
        return [_Ended(one, guard.left.get(s)) for s, one in enumerate(found)]


def _free_of_constraints(s: int, cell: Cell | Atoms) -> Cell:
    if isinstance(cell, Cell):
        return cell
    if cell.constraints:
        kinds = ", ".join(sorted({type(c).__name__ for c in cell.constraints}))
        raise ValueError(
            f"structure {s} (counted from 0) has constraints ({kinds}) but here all atoms must be "
            "free; `relax` takes constraints"
        )
    return Cell.from_ase(cell)


def _refuse_open(cells: Sequence[Cell]) -> None:
    for s, cell in enumerate(cells):
        if not all(cell.pbc):
            raise ValueError(
                f"{name_of(cells, s)} has `pbc` {list(cell.pbc)} but a free cell must repeat along "
                "all three vectors here; `relax` takes others"
            )


class _Search:
    """Minimisations side by side, in rows: the atoms of a structure, then its deformation.

    Attributes:
        structures: Those that are looked at, of all in the batch.
    """

    def __init__(self, batch: Batch, free: Free, pressure: float, tolerance: float) -> None:
        self._batch, self._free = batch, free
        self._pressure, self._tolerance = pressure, tolerance
        self._u = batch.positions()  # in the box as it was
        self._box = batch.vectors()
        self._deformation = np.tile(np.eye(3), (len(batch.cells), 1, 1))
        self._found: dict[int, Cell | StructureFailure] = {}
        for s in batch.failed:
            self._found[s] = batch.failure(s, 0, WHY_NO_NUMBER)
        left = [s for s in range(len(batch.cells)) if s not in batch.failed]
        self._look_at(np.array(left, np.int64))
        self._descent = RaggedLbfgs(self._counts)

    def run(self, max_steps: int, guard: GuardMany) -> list[Cell | StructureFailure]:
        for step in range(max_steps + 1):
            positions, vectors = self._positions(), self._vectors()
            result = self._batch.evaluate(positions, vectors)
            guard.look(step, result, positions, vectors)
            self._note(result, step, is_last=step == max_steps)
            self._drop_done()
            if not len(self.structures):
                break
            self._go(result)
        return [self._found[s] for s in range(len(self._batch.cells))]

    def _look_at(self, structures: Int64[ndarray, " n"]) -> None:
        """Says which rows there are."""
        sizes = np.diff(self._batch.first)[structures]
        self.structures = structures
        self._counts = sizes + (0 if self._free == "positions" else 3)
        place = np.arange(self._counts.sum()) - np.repeat(
            np.cumsum(self._counts) - self._counts, self._counts
        )
        self._is_atom = place < np.repeat(sizes, self._counts)
        self._atoms = np.flatnonzero(np.isin(self._batch.of_atom, structures))

    def _positions(self) -> Float64[ndarray, "n_atoms 3"]:
        turned = self._deformation[self._batch.of_atom]
        positions: ndarray = np.einsum("ix,iyx->iy", self._u, turned)
        return positions

    def _vectors(self) -> Float64[ndarray, "n_structures 3 3"]:
        vectors: ndarray = self._box @ self._deformation.transpose(0, 2, 1)
        return vectors

    def _note(self, result: TableEvaluation, step: int, *, is_last: bool) -> None:
        """What became of structures that broke, or are where they should be."""
        for s in self._batch.failed:
            if s not in self._found:
                self._found[s] = self._batch.failure(s, step, WHY_NO_NUMBER)
        if not len(self.structures):
            return
        worst = self._worst(result)
        for s in self.structures[(worst < self._tolerance) | is_last].tolist():
            if s not in self._found:
                converged = bool(worst[np.searchsorted(self.structures, s)] < self._tolerance)
                self._found[s] = self._labelled(s, result, converged, step)

    def _worst(self, result: TableEvaluation) -> Float64[ndarray, " n_looked_at"]:
        """The largest force on an atom, or derivative by a strain per atom, of each."""
        force = np.linalg.norm(result.gradient, axis=1)
        first = np.cumsum(self._sizes()) - self._sizes()
        worst: ndarray = np.maximum.reduceat(force[self._atoms], first)
        if self._free == "positions":
            return worst
        by_strain = self._by_strain(result)[self.structures] / self._sizes()[:, None, None]
        strained: ndarray = np.linalg.norm(by_strain, axis=2).max(axis=1)
        return np.where(strained > worst, strained, worst)

    def _by_strain(self, result: TableEvaluation) -> Float64[ndarray, "n_structures 3 3"]:
        """W + P V 1, or a third of its trace where the shape is kept (energy)."""
        volume = np.abs(np.linalg.det(self._vectors()))
        by_strain: ndarray = result.strain_derivative + self._pressure * volume[
            :, None, None
        ] * np.eye(3)
        if self._free == "volume":
            trace = np.trace(by_strain, axis1=1, axis2=2)
            by_strain = trace[:, None, None] / 3 * np.eye(3)
        return by_strain

    def _drop_done(self) -> None:
        """Looks no more at what is done, once it is much, or at what is broken."""
        going_on = np.array([s not in self._found for s in self.structures.tolist()], bool)
        is_broken = any(s in self._batch.failed for s in self.structures.tolist())
        if is_broken or going_on.sum() < FEW * len(going_on):
            self._look_at(self.structures[going_on])
            self._batch.regroup(self.structures)
            self._descent = self._descent.kept(going_on)

    def _go(self, result: TableEvaluation) -> None:
        """One step of all."""
        x, gradient = np.empty((2, len(self._is_atom), 3))
        by_atom = np.einsum("iy,iyx->ix", result.gradient, self._deformation[self._batch.of_atom])
        x[self._is_atom], gradient[self._is_atom] = self._u[self._atoms], by_atom[self._atoms]
        own, size = self._deformation[self.structures], self._sizes()[:, None, None]
        values = result.energy[self.structures]
        if self._free != "positions":
            inverse = np.linalg.inv(own).transpose(0, 2, 1)
            x[~self._is_atom] = (own * size).reshape(-1, 3)
            slopes = self._by_strain(result)[self.structures] @ inverse
            gradient[~self._is_atom] = (slopes / size).reshape(-1, 3)
            volume = np.abs(np.linalg.det(self._vectors()[self.structures]))
            values = values + self._pressure * volume
        step = self._descent.move(x, gradient, values)
        self._u[self._atoms] += step[self._is_atom]
        if self._free != "positions":
            self._deformation[self.structures] += step[~self._is_atom].reshape(-1, 3, 3) / size

    def _sizes(self) -> Int64[ndarray, " n_looked_at"]:
        sizes: ndarray = np.diff(self._batch.first)[self.structures]
        return sizes

    def _labelled(self, s: int, result: TableEvaluation, converged: bool, step: int) -> Cell:
        cell, atoms = self._batch.cells[s], slice(*self._batch.first[s : s + 2])
        turned = self._deformation[s].T
        vectors, positions = self._box[s] @ turned, self._u[atoms] @ turned
        results: dict[str, object] = {
            "energy": float(result.energy[s]),
            "forces": -result.gradient[atoms],
            "converged": converged,
            "n_steps": step,
        }
        if not np.isnan(result.grades[atoms]).all():
            results["extrapolation"] = larger_grade(result.grades[atoms])
        if cell.has_volume:
            volume = abs(np.linalg.det(vectors))
            results["stress"] = stress_from_strain_derivative(result.strain_derivative[s], volume)
        return labelled(cell, vectors, positions, results)
