"""The workflow `test-relax`: minima of the potentials against relaxed reference structures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import ClassVar, Literal

import numpy as np
from rich.table import Table

from miniff.io import Structure, write_extxyz
from miniff.ml_util._data_files import SetFiles
from miniff.ml_util._extrapolation import (
    TO_LABEL,
    ExtrapolationLimit,
    LabelFile,
    Limits,
    file_to_label,
)
from miniff.ml_util._material import Material
from miniff.ml_util._moving import MovingWorkflow
from miniff.ml_util._outputs import write_report
from miniff.ml_util._progress import Level, Reporter
from miniff.ml_util._relax import conflicts_of_pressure
from miniff.ml_util._relaxing import (
    FreeName,
    OptimizerName,
    Pressure,
    Relaxation,
    Relaxed,
    failures_as_json,
    raise_failures,
    relax_all,
    structure_name,
)
from miniff.ml_util._types import Count, InputFile, Positive, Problem

__all__ = ["PreparedTestRelax", "RelaxTestWorkflow", "RelaxedPair"]

NAME = "test-relax"
COLUMNS = {
    "energy": ("energy\nmeV/atom", 1e3),
    "volume": ("volume\n%", 1e2),
    "positions": ("moved (RMS)\nÅ", 1.0),
}
"""Title and factor of each error."""


class RelaxTestWorkflow(MovingWorkflow):
    """Relaxes reference structures with the potentials and tells how far they move away.

    The references are minima of the method that made them: what the potentials make of each is
    compared in energy, volume and positions.
    """

    OUTPUTS: ClassVar = (".json", ".log", ".extxyz")
    """What it writes, after its name."""

    def prepare(
        self,
        *,
        fn_cells: SetFiles,
        potentials: InputFile = "potentials.pt",
        ignore_missing_species: bool = False,
    ) -> "PreparedTestRelax":
        """Reads structures and potentials.

        Args:
            fn_cells: Files with relaxed structures; patterns are allowed. ``input.data`` of n2p2
                and RuNNer must be a mapping of ``files``, ``length_unit`` and ``energy_unit``.
            potentials: The file that `fit` saved, or formulas as plain data.
            ignore_missing_species: Let atoms that no potential is for have no energy.

        Raises:
            ValueError: Files that cannot be used, or atoms that no potential is for.
        """
        material = self._read(fn_cells, potentials, ignore_missing_species)
        return PreparedTestRelax(self.log, material)


@dataclass(frozen=True)
class PreparedTestRelax:
    """Reference structures and the potentials to test on them."""

    log: Level
    material: Material

    def run(
        self,
        *,
        free: FreeName = "cell",
        pressure_gpa: Pressure = 0.0,
        symmetry: bool = False,
        optimizer: OptimizerName = "lbfgs",
        tolerance: Positive = 1e-3,
        max_steps: Count = 1000,
        stop_extrapolation: ExtrapolationLimit | None = None,
        to_label: LabelFile | None = TO_LABEL,
        precision: Literal["double", "single"] = "double",
    ) -> "list[RelaxedPair]":
        """Relaxes all structures; writes and shows how far they went.

        Args:
            free: What moves: positions; besides them the volume of a cell that keeps its shape; or
                the whole cell. Of structures that repeat nowhere, positions alone.
            pressure_gpa: Under which the references were relaxed; positive under compression.
            symmetry: Keep the space group that a structure has within 0.01 angstrom; needs spglib.
            optimizer: `lbfgs`, `bfgs` for small hard cases, `fire` for rough starts.
            tolerance: Largest force in the end (eV/angstrom); of a free cell also the largest
                derivative of the enthalpy by a strain, per atom (eV).
            max_steps: Of each structure.
            stop_extrapolation: Give a structure up where an atom is further outside of the training
                set than this; 1 is the border. By default never: a warning tells which left it.
            to_label: File for structures as they left, to be labelled by the reference method; null
                for none.
            precision: Of descriptors and networks; with `single` give a tolerance above 1e-3.

        Returns:
            Each reference with what it became.

        Raises:
            ValueError: What does not go together, as a pressure on a cell that cannot give way.
            FloatingPointError: Something exploded: the structure, the step and an atom are named.
                What became of the others is written before.
        """
        how = Relaxation(free, pressure_gpa, symmetry, optimizer, tolerance, max_steps, precision)
        frames = file_to_label(to_label, NAME, self.material.potentials)
        limits = Limits(stop_extrapolation, frames)
        begun = perf_counter()
        with Reporter(NAME, level=self.log) as reporter:
            done, failures = relax_all(self.material, how, limits, reporter)
            pairs = [RelaxedPair(relaxed) for relaxed in done]
            summary = {name: _summary([p.errors[name] for p in pairs]) for name in COLUMNS}
            reporter.show_table(_table(pairs, summary))
            write_extxyz(f"{NAME}.extxyz", [pair.to_structure() for pair in pairs])
            provenance = {
                "structures": [pair.as_json() for pair in pairs],
                "failures": failures_as_json(failures),
                **self.material.provenance,
            }
            write_report(NAME, summary, perf_counter() - begun, provenance)
        raise_failures(failures, len(self.material.cells), f"{NAME}.extxyz")
        return pairs

    @staticmethod
    def conflicts(run: Mapping[str, object]) -> list[Problem]:
        """What is wrong with arguments of ``run`` only beside each other."""
        return conflicts_of_pressure(run, "cell")


@dataclass(frozen=True, eq=False)
class RelaxedPair:
    """A reference and the minimum of the potentials nearby.

    Attributes:
        relaxed: The structure before and after.
    """

    relaxed: Relaxed

    @property
    def errors(self) -> dict[str, float | None]:
        """Energy per atom (energy), relative volume, root mean square displacement (length).

        None where there is no reference energy, or nothing repeats.
        """
        start = self.relaxed.start
        reference = start.meta.get("energy")
        energy = None
        if reference is not None:
            energy = (self.relaxed.energy - float(reference)) / start.size  # type: ignore[arg-type]
        return {
            "energy": energy,
            "volume": self.relaxed.volume_change,
            "positions": float(np.sqrt(np.mean(self.relaxed.displacements**2))),
        }

    def as_json(self) -> dict[str, object]:
        """Plain data: eV, angstrom."""
        return {**self.relaxed.as_json(), "errors": self.errors}

    def to_structure(self) -> Structure:
        """The relaxed structure, with how far it is from its reference."""
        end = self.relaxed.end.to_structure()
        errors = {f"{name}_error": e for name, e in self.errors.items() if e is not None}
        own = {"reference": str(self.relaxed.start.meta.get("source")), **errors}
        arrays = {"displacement": self.relaxed.displacements}
        return replace(end, info={**end.info, **own}, arrays={**end.arrays, **arrays})


def _summary(errors: Sequence[float | None]) -> dict[str, float] | None:
    """Mean, mean absolute, root mean square and largest error; None where there is none."""
    known = np.array([error for error in errors if error is not None])
    if not len(known):
        return None
    return {
        "mean": float(known.mean()),
        "mae": float(np.abs(known).mean()),
        "rmse": float(np.sqrt(np.mean(known**2))),
        "largest": float(np.abs(known).max()),
        "n": len(known),
    }


def _table(
    pairs: Sequence[RelaxedPair], summary: Mapping[str, dict[str, float] | None], most: int = 30
) -> Table:
    table = Table(title="Relaxed less reference (counted from 0)", title_justify="left")
    table.add_column("structure", overflow="fold")
    for title, _ in COLUMNS.values():
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("steps", justify="right", no_wrap=True)
    for pair in pairs[:most]:
        end = pair.relaxed.end.meta
        steps = f"{end['n_steps']}" + ("" if end["converged"] else ", not relaxed")
        table.add_row(structure_name(pair.relaxed.start), *_cells(pair.errors), steps)
    if len(pairs) > most:
        more = f"{len(pairs) - most} more in {NAME}.json"
        table.add_row(more, *["" for _ in range(4)])
    table.add_section()
    for kind in ("mae", "rmse", "largest"):
        values = {name: None if s is None else s[kind] for name, s in summary.items()}
        table.add_row(kind.upper() if len(kind) < 5 else kind, *_cells(values), "")
    return table


def _cells(errors: Mapping[str, float | None]) -> list[str]:
    return [
        "-" if (error := errors[name]) is None else f"{error * factor:.3g}"
        for name, (_, factor) in COLUMNS.items()
    ]
