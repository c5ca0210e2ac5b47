"""Many structures relaxed one after the other, as `relax` and `test-relax` do."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Annotated, Literal
from warnings import catch_warnings, simplefilter

import numpy as np
from ase import units
from jaxtyping import Float64
from numpy import ndarray
from pydantic import Field

from miniff import dyn
from miniff.kernel import Cell
from miniff.ml_util._moving import Material
from miniff.ml_util._progress import Reporter
from miniff.ml_util._types import Count, Positive

__all__ = ["FreeName", "OptimizerName", "Pressure", "Relaxation", "Relaxed", "relax_all"]

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

    def of(self, cell: Cell, material: Material) -> Cell:
        """The structure relaxed; one that repeats nowhere has no cell to relax."""
        moves_box = any(cell.pbc) and self.free != "positions"
        return dyn.relax(
            cell,
            material.potentials_for(cell),
            free=self.free if moves_box else "positions",
            pressure=self.pressure_gpa * units.GPa if moves_box else 0.0,
            fixed=self.fixed,
            symmetry=self.symmetry,
            optimizer=self.optimizer,
            tolerance=self.tolerance,
            max_steps=self.max_steps,
            ignore_missing_species=material.ignore_missing_species,
            precision=self.precision,
        )


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
        """Relative; None where nothing repeats."""
        return self.end.volume / self.start.volume - 1 if any(self.start.pbc) else None

    @property
    def displacements(self) -> Float64[ndarray, " n_atoms"]:
        """How far atoms went, apart from the strain of the cell and their common motion (length).

        u_i = (s'_i - s_i) h' without its mean, with fractional coordinates s and the new cell h'.
        """
        moved = (self.end.coordinates - self.start.coordinates) @ self.end.vectors
        lengths: ndarray = np.linalg.norm(moved - moved.mean(axis=0), axis=1)
        return lengths

    def as_json(self) -> dict[str, object]:
        """Plain data: eV, angstrom."""
        forces = np.asarray(self.end.meta["forces"])
        return {
            "source": str(self.start.meta.get("source")),
            "converged": self.end.meta["converged"],
            "n_steps": self.end.meta["n_steps"],
            "energy": self.energy,
            "volume": self.end.volume if any(self.end.pbc) else None,
            "volume_change": self.volume_change,
            "displacement_rms": float(np.sqrt(np.mean(self.displacements**2))),
            "displacement_max": float(self.displacements.max()),
            "largest_force": float(np.linalg.norm(forces, axis=1).max()),
            "wall_time_s": round(self.wall_time_s, 3),
        }


def relax_all(material: Material, how: Relaxation, reporter: Reporter) -> list[Relaxed]:
    """Relaxes all structures, and says which did not come to an end.

    Raises:
        FloatingPointError: Something explodes: the structure, the step and an atom are named.
    """
    done: list[Relaxed] = []
    with reporter.counting(len(material.cells)) as progress:
        for cell in material.cells:
            relaxed = _relaxed(cell, material, how)
            done.append(relaxed)
            meta = relaxed.end.meta
            short = f"{relaxed.energy / cell.size:.4f} eV/atom after {meta['n_steps']} steps"
            line = f"{cell.meta.get('source')}: {short}, {relaxed.wall_time_s:.1f} s"
            progress.update(len(done), line, short)
    left = [r for r in done if not r.end.meta["converged"]]
    if left:
        names = ", ".join(str(r.start.meta.get("source")) for r in left[:3])
        more = ", ..." if len(left) > 3 else ""
        reporter.warning(
            f"{len(left)} of {len(done)} structures were not relaxed after {how.max_steps} steps: "
            f"{names}{more}"
        )
    return done


def _relaxed(cell: Cell, material: Material, how: Relaxation) -> Relaxed:
    begun = perf_counter()
    try:
        with catch_warnings():
            simplefilter("ignore", dyn.NotConvergedWarning)  # all of them are told at the end
            end = how.of(cell, material)
    except (ValueError, FloatingPointError) as error:
        raise type(error)(f"{cell.meta.get('source')}: {error}") from error
    return Relaxed(cell, end, perf_counter() - begun)
