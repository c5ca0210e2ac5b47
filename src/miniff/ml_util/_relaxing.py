"""Many structures relaxed, together where that can be, as `relax` and `test-relax` do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Annotated, Literal
from warnings import catch_warnings, simplefilter

import numpy as np
from ase import units
from ase.geometry import cell_to_cellpar
from jaxtyping import Float64
from numpy import ndarray
from pydantic import Field

from miniff import dyn
from miniff.io._structure import short_source
from miniff.kernel import Cell, StructureFailure, map_structures
from miniff.ml_util._extrapolation import Limits, tell_frames, telling
from miniff.ml_util._material import Material
from miniff.ml_util._progress import Reporter
from miniff.ml_util._settings import tell_device
from miniff.ml_util._types import Count, Positive

__all__ = [
    "FreeName",
    "OptimizerName",
    "Pressure",
    "Relaxation",
    "Relaxed",
    "cell_parameters",
    "failures_as_json",
    "raise_failures",
    "relax_all",
    "structure_name",
]

PARCEL_ATOMS = 4096
"""So many atoms are relaxed in one go, so that progress can be seen."""

FreeName = Literal["positions", "volume", "cell"]
OptimizerName = Literal["lbfgs", "bfgs", "fire"]
Pressure = Annotated[float, Field(allow_inf_nan=False)]
"""Positive under compression."""


@dataclass(frozen=True)
class Relaxation:
    """How structures are relaxed; see :func:`miniff.dyn.relax`."""

    free: FreeName
    pressure_gpa: Pressure
    symmetry: bool
    optimizer: OptimizerName
    tolerance: Positive
    max_steps: Count
    precision: Literal["double", "single"]
    fixed: Sequence[int] = ()

    def parcels(self, cells: Sequence[Cell]) -> list[list[int]]:
        """Places of structures that are relaxed in one go; the others are alone."""
        parcels: list[list[int]] = []
        n_atoms = {True: PARCEL_ATOMS, False: PARCEL_ATOMS}
        current: dict[bool, list[int]] = {}
        for place, cell in enumerate(cells):
            moves_box = self._moves_box(cell)
            if not self._goes_with_others(cell):
                parcels.append([place])
                continue
            if n_atoms[moves_box] >= PARCEL_ATOMS:
                parcels.append([])
                current[moves_box], n_atoms[moves_box] = parcels[-1], 0
            current[moves_box].append(place)
            n_atoms[moves_box] += cell.size
        return parcels

    def of(
        self, cells: Sequence[Cell], material: Material, limits: Limits
    ) -> list[Cell | StructureFailure]:
        """Structures of a parcel, relaxed; one that repeats nowhere has no cell to relax."""
        moves_box = self._moves_box(cells[0])
        free: FreeName = self.free if moves_box else "positions"
        pressure = self.pressure_gpa * units.GPa if moves_box else 0.0
        with catch_warnings():
            simplefilter("ignore", dyn.NotConvergedWarning)  # all of them are told at the end
            if self._goes_with_others(cells[0]):
                return dyn.relax_many(
                    cells,
                    material.potentials,
                    free=free,
                    pressure=pressure,
                    tolerance=self.tolerance,
                    max_steps=self.max_steps,
                    stop_extrapolation=limits.stop,
                    to_label=limits.to_label,
                    ignore_missing_species=material.ignore_missing_species,
                    precision=self.precision,
                    device=material.device,
                )
            one = partial(
                dyn.relax,
                potentials=material.potentials_for(cells[0]),
                free=free,
                pressure=pressure,
                fixed=self.fixed,
                symmetry=self.symmetry,
                optimizer=self.optimizer,
                tolerance=self.tolerance,
                max_steps=self.max_steps,
                stop_extrapolation=limits.stop,
                to_label=limits.to_label,
                ignore_missing_species=material.ignore_missing_species,
                precision=self.precision,
                device=material.device,
            )
            return map_structures(one, cells)

    def is_alone(self, cell: Cell) -> bool:
        """Whether a structure is not relaxed together with others."""
        return not self._goes_with_others(cell)

    def _moves_box(self, cell: Cell) -> bool:
        return any(cell.pbc) and self.free != "positions"

    def _goes_with_others(self, cell: Cell) -> bool:
        plain = self.optimizer == "lbfgs" and not self.symmetry and not self.fixed
        return plain and (all(cell.pbc) or not self._moves_box(cell))


@dataclass(frozen=True, eq=False)
class Relaxed:
    """A structure before and after.

    Attributes:
        start: As it was read.
        end: Relaxed, with its energy and the rest in ``meta``.
        wall_time_s: What it took.
    """

    start: Cell
    end: Cell
    wall_time_s: float

    @property
    def energy(self) -> float:
        """Of the relaxed structure (energy)."""
        return float(self.end.meta["energy"])  # type: ignore[arg-type]

    @property
    def volume_change(self) -> float | None:
        """Relative; None where nothing repeats, or the cell has none."""
        return self.end.volume / self.start.volume - 1 if self.start.has_volume else None

    @property
    def displacements(self) -> Float64[ndarray, " n_atoms"]:
        """How far atoms went, apart from the strain of the cell and their common motion (length).

        u_i = (s'_i - s_i) h' without its mean, with fractional coordinates s and the new cell h'.
        """
        moved = (self.end.coordinates - self.start.coordinates) @ self.end.vectors
        lengths: ndarray = np.linalg.norm(moved - moved.mean(axis=0), axis=1)
        return lengths

    @property
    def moved_box(self) -> bool:
        """Whether the cell is another one."""
        return not np.array_equal(self.start.vectors, self.end.vectors)

    def as_json(self) -> dict[str, object]:
        """Plain data: eV, angstrom."""
        forces = np.asarray(self.end.meta["forces"])
        return {
            "source": str(self.start.meta.get("source")),
            "converged": self.end.meta["converged"],
            "n_steps": self.end.meta["n_steps"],
            "energy": self.energy,
            "volume": self.end.volume if self.end.has_volume else None,
            "volume_change": self.volume_change,
            "cell_before": cell_parameters(self.start),
            "cell_after": cell_parameters(self.end),
            "displacement_rms": float(np.sqrt(np.mean(self.displacements**2))),
            "displacement_max": float(self.displacements.max()),
            "largest_extrapolation": largest_extrapolation(self.end),
            "largest_force": float(np.linalg.norm(forces, axis=1).max()),
            "wall_time_s": round(self.wall_time_s, 3),
        }


def cell_parameters(cell: Cell) -> list[float | None]:
    """a, b, c (length) and alpha, beta, gamma (degrees); None of vectors along which nothing
    repeats."""
    values = cell_to_cellpar(cell.vectors).tolist()
    a, b, c = cell.pbc
    known = (a, b, c, b and c, a and c, a and b)
    return [value if there else None for value, there in zip(values, known, strict=True)]


def structure_name(cell: Cell) -> str:
    """For tables."""
    return short_source(str(cell.meta.get("source", "a structure")))


def largest_extrapolation(cell: Cell) -> float | None:
    """Of the atoms of a structure; None where it is not known."""
    found = np.asarray(cell.meta.get("extrapolation", np.nan), float)
    return None if np.isnan(found).all() else float(np.nanmax(found))


def relax_all(
    material: Material, how: Relaxation, limits: Limits, reporter: Reporter
) -> tuple[list[Relaxed], list[StructureFailure]]:
    """Relaxes all structures in their order, and says which did not come to an end.

    Returns:
        Those that are relaxed, or on their way; and those that broke or cannot be relaxed.

    Raises:
        ValueError: None is relaxed: the first reasons are told.
        FloatingPointError: The same, and one of them broke on the way.
    """
    cells = material.cells
    tell_device(reporter, material.device)
    ends: dict[int, Relaxed | StructureFailure] = {}
    with reporter.counting(len(cells)) as progress:
        for parcel in how.parcels(cells):
            begun = perf_counter()
            first = cells[parcel[0]]
            where = f"{first.meta.get('source')}: " if how.is_alone(first) else ""
            with telling(reporter, where):
                found = how.of([cells[place] for place in parcel], material, limits)
            seconds = (perf_counter() - begun) / len(parcel)
            for place, end in zip(parcel, found, strict=True):
                if isinstance(end, StructureFailure):
                    ends[place] = replace(end, index=place)
                    progress.update(len(ends), str(ends[place]), "failed")
                    continue
                ends[place] = Relaxed(cells[place], end, seconds)
                short = f"{end.meta['energy'] / end.size:.4f} eV/atom"  # type: ignore[operator]
                short += f" after {end.meta['n_steps']} steps"
                line = f"{cells[place].meta.get('source')}: {short}, {seconds:.2g} s"
                progress.update(len(ends), line, short)
    in_order = [ends[place] for place in range(len(cells))]
    done = [one for one in in_order if isinstance(one, Relaxed)]
    failures = [one for one in in_order if isinstance(one, StructureFailure)]
    if not done:
        raise_failures(failures, len(cells), "no file")
    _tell_unfinished(done, how, reporter)
    tell_frames(reporter, limits.to_label)
    return done, failures


def _tell_unfinished(done: Sequence[Relaxed], how: Relaxation, reporter: Reporter) -> None:
    left = [r for r in done if not r.end.meta["converged"]]
    if left:
        names = ", ".join(str(r.start.meta.get("source")) for r in left[:3])
        more = ", ..." if len(left) > 3 else ""
        reporter.warning(
            f"{len(left)} of {len(done)} structures were not relaxed after {how.max_steps} steps: "
            f"{names}{more}"
        )


def raise_failures(failures: Sequence[StructureFailure], n_structures: int, written: str) -> None:
    """Ends a workflow whose other results have been written.

    Raises:
        ValueError: There are failures, and each is one of what was given.
        FloatingPointError: There are others too; the first ones are told.
    """
    if failures:
        told = "; ".join(f"{one.source}: {one.error}" for one in failures[:3])
        more = "; ..." if len(failures) > 3 else ""
        others = f"; {written} has the others" if len(failures) < n_structures else ""
        is_given = all(isinstance(one.error, ValueError) for one in failures)
        raise (ValueError if is_given else FloatingPointError)(
            f"{told}{more} ({len(failures)} of {n_structures} structures{others})"
        )


def failures_as_json(failures: Sequence[StructureFailure]) -> list[dict[str, object]]:
    """Plain data."""
    return [{"source": f.source, "index": f.index, "error": str(f.error)} for f in failures]
