"""The workflow `md`: molecular dynamics of one structure."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, ClassVar, Literal

import numpy as np
from ase import units
from numpy import ndarray
from pydantic import Field

from miniff import dyn
from miniff.kernel import Cell
from miniff.ml._checkpoint import Progress, progress_in
from miniff.ml_util._data_files import SetFiles, names_of
from miniff.ml_util._extrapolation import (
    TO_LABEL,
    ExtrapolationLimit,
    LabelFile,
    Limits,
    file_to_label,
    tell_frames,
    telling,
)
from miniff.ml_util._material import Material, chosen_cell
from miniff.ml_util._md_report import Seen, report_run
from miniff.ml_util._moving import MovingWorkflow
from miniff.ml_util._progress import Level, Reporter
from miniff.ml_util._relaxing import Pressure
from miniff.ml_util._settings import tell_device
from miniff.ml_util._types import Count, InputFile, NonNegative, Positive, Problem
from miniff.potentials import Potential

__all__ = ["MdWorkflow", "PreparedMd"]

NAME = "md"
Ensemble = Literal["nve", "nvt", "npt"]
Copies = Annotated[list[Count], Field(min_length=3, max_length=3)]
BELONGS_TO: dict[str, tuple[str, ...]] = {
    "pressure_gpa": ("npt",),
    "period_fs": ("npt",),
    "thermostat": ("nvt",),
    "relaxation_time_fs": ("nvt", "npt"),
}
"""Which ensembles a key of `run` has a meaning for."""
CHECKPOINT = f"{NAME}.checkpoint"
INTERRUPTED = f"interrupted; the same command goes on from {CHECKPOINT}"


class MdWorkflow(MovingWorkflow):
    """Moves the atoms of one structure: dynamics at constant energy, temperature or pressure.

    A run that was interrupted goes on when the same job is run again, to the same numbers; one that
    is complete goes on if `n_steps` is raised. Delete `md.checkpoint` to start anew.
    """

    OUTPUTS: ClassVar = (".json", ".log", ".csv", ".extxyz")
    """What it writes, after its name."""

    def prepare(
        self,
        *,
        fn_cells: SetFiles,
        index: int | None = None,
        repeat: Copies = [1, 1, 1],  # noqa: B006 - read, never changed
        potentials: InputFile = "potentials.pt",
        ignore_missing_species: bool = False,
    ) -> "PreparedMd":
        """Reads the structure and the potentials.

        Args:
            fn_cells: A file with the structure at the beginning; if it has `momenta`, as a
                trajectory does, atoms begin with these.
            index: Which structure, counted from 0, or from the end if negative; needed where there
                are several.
            repeat: Copies along each cell vector.
            potentials: The file that `fit` saved, or formulas as plain data.
            ignore_missing_species: Let atoms that no potential is for have no energy.

        Raises:
            ValueError: Files that cannot be used, no such structure, or atoms that no potential is
                for.
        """
        material = self._read(fn_cells, potentials, ignore_missing_species)
        cell = chosen_cell(material.cells, index, ", ".join(names_of(fn_cells)))
        if repeat != [1, 1, 1]:
            cell = cell.repeated(*repeat)
        return PreparedMd(self.log, self.seed, material, cell)


@dataclass(frozen=True)
class PreparedMd:
    """A structure and the potentials to move its atoms with."""

    log: Level
    seed: int
    material: Material
    cell: Cell

    def run(
        self,
        *,
        n_steps: Count,
        ensemble: Ensemble = "nvt",
        timestep_fs: Positive = 1.0,
        temperature_k: NonNegative = 300.0,
        thermostat: Literal["langevin", "nose-hoover"] = "langevin",
        relaxation_time_fs: Positive | None = None,
        pressure_gpa: Pressure | None = None,
        period_fs: Positive | None = None,
        every: Count = 100,
        wrap: bool = False,
        checkpoint_s: NonNegative = 60.0,
        stop_extrapolation: ExtrapolationLimit | None = None,
        to_label: LabelFile | None = TO_LABEL,
        precision: Literal["double", "single"] = "double",
    ) -> dyn.State:
        """Moves the atoms; `md.csv` has energies, temperature and pressure, `md.extxyz` the way.

        Args:
            n_steps: All together, also of a run that goes on.
            ensemble: What is constant: `nve` energy and volume, `nvt` temperature and volume, `npt`
                temperature and pressure.
            timestep_fs: Of each step.
            temperature_k: Of the velocities at the beginning, and in `nvt` and `npt` to be kept.
            thermostat: Of `nvt`.
            relaxation_time_fs: Within which heat comes and goes in `nvt` and `npt`; 100 steps by
                default.
            pressure_gpa: Of `npt`, needed there; positive under compression.
            period_fs: In which the volume of `npt` swings; 1000 steps by default.
            every: Steps between two frames, and two lines of the table.
            wrap: Write atoms in the box along vectors that repeat; else each is where it went.
            checkpoint_s: Seconds between two writings of `md.checkpoint`.
            stop_extrapolation: Stop where an atom is further outside of the training set than this;
                1 is the border. By default never: a warning tells when atoms leave it.
            to_label: File for frames with an atom outside, at least 100 steps apart, to be labelled
                by the reference method; null for none.
            precision: Of descriptors and networks.

        Returns:
            The state at the end.

        Raises:
            ValueError: What does not go together, or a checkpoint of another run.
            FloatingPointError: Something explodes, or an atom is further outside than
                `stop_extrapolation`: the step and the atom are named.
        """
        given = {
            "ensemble": ensemble,
            "temperature_k": temperature_k,
            "thermostat": None if thermostat == "langevin" else thermostat,
            "relaxation_time_fs": relaxation_time_fs,
            "pressure_gpa": pressure_gpa,
            "period_fs": period_fs,
        }
        for (key,), what in self.conflicts(given):
            raise ValueError(f"`{key}` {what}")
        fs = units.fs
        keeping = _Keeping(
            ensemble=ensemble,
            temperature=temperature_k,
            thermostat=thermostat,
            relaxation_time=None if relaxation_time_fs is None else relaxation_time_fs * fs,
            pressure=None if pressure_gpa is None else pressure_gpa * units.GPa,
            period=None if period_fs is None else period_fs * fs,
        )
        record = dyn.Record(
            f"{NAME}.extxyz",
            f"{NAME}.csv",
            CHECKPOINT,
            every=every,
            checkpoint_s=checkpoint_s,
            wrap=wrap,
        )
        frames = file_to_label(to_label, NAME, self.potentials, spacing=100, most=50)
        begun, made = perf_counter(), progress_in(Path(CHECKPOINT))
        goes_on = Path(CHECKPOINT).exists()
        with Reporter(NAME, level=self.log, append=goes_on) as reporter:
            self._tell(reporter, made, n_steps)
            with reporter.counting(n_steps) as progress, telling(reporter):
                limits = Limits(stop_extrapolation, frames)
                see = Seen(progress, n_steps)
                move = _Move(n_steps, timestep_fs * fs, record, see, limits, precision)
                end = self._moved(keeping, move, reporter)
            tell_frames(reporter, frames)
            is_old = made is not None and made.done == n_steps
            seconds = None if is_old else perf_counter() - begun
            report_run(NAME, end, self.material, seconds, reporter)
        return end

    @staticmethod
    def conflicts(run: Mapping[str, object]) -> list[Problem]:
        """What is wrong with arguments of ``run`` only beside each other."""
        ensemble = run.get("ensemble", "nvt")
        problems: list[Problem] = [
            ((key,), f"is {run[key]} but {ensemble} has none: it belongs to {' and '.join(of)}")
            for key, of in BELONGS_TO.items()
            if run.get(key) is not None and ensemble not in of
        ]
        if ensemble == "npt" and run.get("pressure_gpa") is None:
            problems.append((("pressure_gpa",), "is missing but npt needs it"))
        if ensemble != "nve" and run.get("temperature_k") == 0:
            problems.append((("temperature_k",), f"is 0 but must be above it for {ensemble}"))
        return problems

    @property
    def potentials(self) -> list[Potential]:
        """Those that can act in the structure."""
        return self.material.potentials_for(self.cell)

    @property
    def velocities(self) -> ndarray | None:
        """Those of the structure, if it has momenta (length/time)."""
        momenta = self.cell.meta.get("momenta")
        if momenta is None:
            return None
        velocities: ndarray = np.asarray(momenta, float) / dyn.masses_of(self.cell)[:, None]
        return velocities

    @property
    def _source(self) -> str:
        return str(self.cell.meta.get("source", "a structure"))

    def _moved(self, keeping: "_Keeping", move: "_Move", reporter: Reporter) -> dyn.State:
        """The state at the end; how to go on is told where a run is interrupted."""
        try:
            with self._named():
                return keeping.run(self, move)
        except KeyboardInterrupt:
            if Path(CHECKPOINT).exists():  # a second Ctrl-C may come before it
                reporter.warning(INTERRUPTED)
            raise

    @contextmanager
    def _named(self) -> Iterator[None]:
        """What is wrong with the structure or its motion begins with where it was read."""
        try:
            yield
        except (ValueError, FloatingPointError) as error:
            if str(error).startswith(f"{NAME}."):  # a file of the run
                raise
            kind = ValueError if isinstance(error, ValueError) else FloatingPointError
            raise kind(f"{self._source}: {error}") from error

    def _tell(self, reporter: Reporter, made: Progress | None, n_steps: int) -> None:
        reporter.info(f"{self._source}: {self.cell.size} atoms")
        tell_device(reporter, self.material.device)
        if made is not None and made.done < n_steps:
            reporter.info(
                f"goes on from {CHECKPOINT} after {made.done} steps: delete it to start anew"
            )


@dataclass(frozen=True)
class _Move:
    """What all ensembles need to know."""

    n_steps: int
    timestep: float
    record: dyn.Record
    see: Seen
    limits: Limits
    precision: Literal["double", "single"]


@dataclass(frozen=True)
class _Keeping:
    """An ensemble with what it keeps, in units of ASE."""

    ensemble: Ensemble
    temperature: float
    thermostat: Literal["langevin", "nose-hoover"]
    relaxation_time: float | None
    pressure: float | None
    period: float | None

    def run(self, prepared: PreparedMd, move: _Move) -> dyn.State:
        """Moves the atoms of the structure."""
        return {"nve": self._nve, "nvt": self._nvt, "npt": self._npt}[self.ensemble](prepared, move)

    def _nve(self, prepared: PreparedMd, move: _Move) -> dyn.State:
        cell, velocities = prepared.cell, prepared.velocities
        if velocities is None:
            velocities = dyn.thermal_velocities(cell, self.temperature, seed=prepared.seed)
        return dyn.nve(
            cell,
            prepared.potentials,
            n_steps=move.n_steps,
            timestep=move.timestep,
            velocities=velocities,
            observe=move.see,
            every=move.record.every,
            record=move.record,
            stop_extrapolation=move.limits.stop,
            to_label=move.limits.to_label,
            ignore_missing_species=prepared.material.ignore_missing_species,
            precision=move.precision,
            device=prepared.material.device,
        )

    def _nvt(self, prepared: PreparedMd, move: _Move) -> dyn.State:
        return dyn.nvt(
            prepared.cell,
            prepared.potentials,
            n_steps=move.n_steps,
            timestep=move.timestep,
            temperature=self.temperature,
            thermostat=self.thermostat,
            relaxation_time=self.relaxation_time,
            seed=prepared.seed,
            velocities=prepared.velocities,
            observe=move.see,
            every=move.record.every,
            record=move.record,
            stop_extrapolation=move.limits.stop,
            to_label=move.limits.to_label,
            ignore_missing_species=prepared.material.ignore_missing_species,
            precision=move.precision,
            device=prepared.material.device,
        )

    def _npt(self, prepared: PreparedMd, move: _Move) -> dyn.State:
        assert self.pressure is not None
        return dyn.npt(
            prepared.cell,
            prepared.potentials,
            n_steps=move.n_steps,
            timestep=move.timestep,
            temperature=self.temperature,
            pressure=self.pressure,
            relaxation_time=self.relaxation_time,
            period=self.period,
            seed=prepared.seed,
            velocities=prepared.velocities,
            observe=move.see,
            every=move.record.every,
            record=move.record,
            stop_extrapolation=move.limits.stop,
            to_label=move.limits.to_label,
            ignore_missing_species=prepared.material.ignore_missing_species,
            precision=move.precision,
            device=prepared.material.device,
        )
