"""The workflow `relax`: structures moved to minima of the energy."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field
from rich.table import Table

from miniff.kernel import Cell
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
from miniff.ml_util._outputs import write_json
from miniff.ml_util._progress import Level, Reporter
from miniff.ml_util._relaxing import (
    FreeName,
    OptimizerName,
    Pressure,
    Relaxation,
    Relaxed,
    cell_parameters,
    failures_as_json,
    raise_failures,
    relax_all,
    structure_name,
)
from miniff.ml_util._types import Count, InputFile, Positive, Problem

__all__ = ["PreparedRelax", "RelaxWorkflow", "conflicts_of_pressure"]

NAME = "relax"
MOST, MOST_CELLS = 30, 10
"""Structures in the tables."""
Index = Annotated[int, Field(ge=0)]


class RelaxWorkflow(MovingWorkflow):
    """Moves atoms, and cells if asked to, to where the forces vanish."""

    OUTPUTS: ClassVar = (".json", ".log", ".extxyz")
    """What it writes, after its name."""

    def prepare(
        self,
        *,
        fn_cells: SetFiles,
        potentials: InputFile = "potentials.pt",
        ignore_missing_species: bool = False,
    ) -> "PreparedRelax":
        """Reads structures and potentials.

        Args:
            fn_cells: Files with structures; patterns are allowed. ``input.data`` of n2p2 and RuNNer
                must be a mapping of ``files``, ``length_unit`` and ``energy_unit``.
            potentials: The file that `fit` saved, or formulas as plain data.
            ignore_missing_species: Let atoms that no potential is for have no energy.

        Raises:
            ValueError: Files that cannot be used, or atoms that no potential is for.
        """
        material = self._read(fn_cells, potentials, ignore_missing_species)
        return PreparedRelax(self.log, material)


@dataclass(frozen=True)
class PreparedRelax:
    """Structures and the potentials to relax them with."""

    log: Level
    material: Material

    def run(
        self,
        *,
        free: FreeName = "positions",
        pressure_gpa: Pressure = 0.0,
        symmetry: bool = False,
        optimizer: OptimizerName = "lbfgs",
        tolerance: Positive = 1e-3,
        max_steps: Count = 1000,
        stop_extrapolation: ExtrapolationLimit | None = None,
        to_label: LabelFile | None = TO_LABEL,
        precision: Literal["double", "single"] = "double",
        fixed: list[Index] = [],  # noqa: B006 - read, never changed
    ) -> list[Cell]:
        """Relaxes structures and writes them with what became of them.

        Those that move freely under `lbfgs` are relaxed together, which for many small ones is many
        times faster.

        Args:
            free: What moves: positions; besides them the volume of a cell that keeps its shape; or
                the whole cell. Of structures that repeat nowhere, positions alone.
            pressure_gpa: From outside, on a free cell; positive under compression.
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
            fixed: Atoms of every structure that do not move, counted from 0; in a free cell they
                keep their fractional coordinates.

        Returns:
            The relaxed structures.

        Raises:
            ValueError: What does not go together, as a pressure on a cell that cannot give way.
            FloatingPointError: Something exploded: the structure, the step and an atom are named.
                What became of the others is written before.
        """
        how = Relaxation(
            free, pressure_gpa, symmetry, optimizer, tolerance, max_steps, precision, fixed
        )
        frames = file_to_label(to_label, NAME, self.material.potentials)
        limits = Limits(stop_extrapolation, frames)
        begun = perf_counter()
        with Reporter(NAME, level=self.log) as reporter:
            done, failures = relax_all(self.material, how, limits, reporter)
            reporter.show_table(_table(done))
            if any(relaxed.moved_box for relaxed in done):
                reporter.show_table(_cells(done))
            Cell.save([relaxed.end for relaxed in done], f"{NAME}.extxyz")
            report = {
                "structures": [relaxed.as_json() for relaxed in done],
                "failures": failures_as_json(failures),
                "wall_time_s": round(perf_counter() - begun, 3),
                **self.material.provenance,
            }
            write_json(NAME, report)
        raise_failures(failures, len(self.material.cells), f"{NAME}.extxyz")
        return [relaxed.end for relaxed in done]

    @staticmethod
    def conflicts(run: Mapping[str, object]) -> list[Problem]:
        """What is wrong with arguments of ``run`` only beside each other."""
        return conflicts_of_pressure(run, "positions")


def conflicts_of_pressure(run: Mapping[str, object], default_free: str) -> list[Problem]:
    """A pressure needs a cell that gives way."""
    if run.get("pressure_gpa") and run.get("free", default_free) == "positions":
        what = (
            f"is {run['pressure_gpa']} but the cell cannot give way: set `free` to volume or cell"
        )
        return [(("pressure_gpa",), what)]
    return []


def _table(done: list[Relaxed]) -> Table:
    table = Table(title="Relaxed structures (counted from 0)", title_justify="left")
    table.add_column("structure", overflow="fold")
    for name in ("energy\neV/atom", "volume\n%", "moved (RMS)\nÅ", "force\neV/Å", "steps"):
        table.add_column(name, justify="right", no_wrap=True)
    for relaxed in done[:MOST]:
        found = relaxed.as_json()
        change = relaxed.volume_change
        table.add_row(
            structure_name(relaxed.start),
            f"{relaxed.energy / relaxed.end.size:.4f}",
            "-" if change is None else f"{100 * change:+.2f}",
            f"{np.sqrt(np.mean(relaxed.displacements**2)):.4f}",
            f"{float(str(found['largest_force'])):.2g}",
            str(found["n_steps"]) + ("" if found["converged"] else ", not relaxed"),
        )
    if len(done) > MOST:
        table.add_row(f"{len(done) - MOST} more in {NAME}.json", *["" for _ in range(5)])
    return table


def _cells(done: list[Relaxed]) -> Table:
    """Lengths and angles of the cells that moved."""
    table = Table(title="Their cells, before and after", title_justify="left")
    table.add_column("structure", overflow="fold")
    for name in ("a\nÅ", "b\nÅ", "c\nÅ", "alpha\n°", "beta\n°", "gamma\n°"):
        table.add_column(name, justify="right", no_wrap=True)
    moved = [relaxed for relaxed in done if relaxed.moved_box]
    for relaxed in moved[:MOST_CELLS]:
        before, after = cell_parameters(relaxed.start), cell_parameters(relaxed.end)
        both = zip(before, after, (4, 4, 4, 2, 2, 2), strict=True)
        table.add_row(
            structure_name(relaxed.start), *(_both(old, new, digits) for old, new, digits in both)
        )
    if len(moved) > MOST_CELLS:
        table.add_row(f"{len(moved) - MOST_CELLS} more in {NAME}.json", *["" for _ in range(6)])
    return table


def _both(before: float | None, after: float | None, digits: int) -> str:
    """One above the other."""
    return "\n".join("-" if x is None else f"{x:.{digits}f}" for x in (before, after))
