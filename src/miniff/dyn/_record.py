"""What a run leaves behind: a trajectory and a table, in whole entries even if it was killed."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from time import monotonic

import numpy as np
from ase import units
from ase.io.trajectory import TrajectoryReader, TrajectoryWriter
from numpy import ndarray

from miniff._checks import check_at_least
from miniff.dyn._state import State, standard_masses
from miniff.io import StructureError, atomic_write, extxyz_text
from miniff.kernel import Cell

__all__ = ["Record", "Sink", "open_sinks"]

EXTXYZ, TRAJ = (".xyz", ".extxyz"), (".traj",)
COLUMNS = (
    "step,time_fs,potential_energy_eV,kinetic_energy_eV,conserved_eV,drift_eV_per_atom_ps,"
    "temperature_K,pressure_GPa,volume_A3,extrapolation,steps_per_s"
)


@dataclass(frozen=True)
class Record:
    """What of a run goes to files, every so many steps.

    A run that was killed leaves whole frames and lines, and goes on from its checkpoint when it is
    called again with the same arguments, to the same bits on the same machine; then what
    it had written after the checkpoint is cut off first. Without a checkpoint files are begun anew.

    Attributes:
        trajectory: Positions, velocities, energy, forces and stress. In extended XYZ (``.xyz``,
            ``.extxyz``) a frame is one write to the file; in ASE's format (``.traj``) it counts
            only once it is complete. None for none.
        table: Energies, temperature, pressure, drift, largest extrapolation and speed as
            comma-separated values, a line each time; None for none.
        checkpoint: All that decides the steps to come; it stays when the run is complete, which
            then goes on if it is called with more steps; None for none.
        every: How many steps lie between two entries.
        checkpoint_s: Seconds between two writings of the checkpoint, at least.
        wrap: Put atoms into the box along vectors that repeat; else each is where it went.
    """

    trajectory: str | None = None
    table: str | None = None
    checkpoint: str | None = None
    every: int = 100
    checkpoint_s: float = 60.0
    wrap: bool = False

    def __post_init__(self) -> None:
        check_at_least("every", self.every, 1)
        if not self.checkpoint_s >= 0:
            raise ValueError(f"`checkpoint_s` is {self.checkpoint_s} but must be in [0, inf)")
        if self.trajectory is not None and Path(self.trajectory).suffix not in EXTXYZ + TRAJ:
            raise ValueError(
                f"`trajectory` is {self.trajectory!r} but must end in {', '.join(EXTXYZ + TRAJ)}"
            )


class Sink(ABC):
    """A file that grows by whole entries."""

    @abstractmethod
    def write(self, state: State) -> None:
        """Adds an entry."""

    @abstractmethod
    def length(self) -> int:
        """What to cut the file to, to have the entries up to now."""

    @abstractmethod
    def sync(self) -> None:
        """Has the file on the disk, should the machine fail."""

    @abstractmethod
    def close(self) -> None:
        """The last entry is written."""


def open_sinks(record: Record, lengths: Mapping[str, int]) -> dict[str, Sink]:
    """The files of a run, by the name of the attribute that asks for them.

    Args:
        record: What is asked for.
        lengths: What to cut the files to that a run goes on with; others are begun anew.

    Raises:
        ValueError: A file of a run that goes on is not there, or too short.
    """
    sinks: dict[str, Sink] = {}
    if record.trajectory is not None:
        kind = TrajFrames if Path(record.trajectory).suffix in TRAJ else ExtxyzFrames
        sinks["trajectory"] = kind(record.trajectory, lengths.get("trajectory"), record.wrap)
    if record.table is not None:
        sinks["table"] = Table(record.table, lengths.get("table"))
    return sinks


def _unwritten(path: str, why: str | None) -> OSError:
    return OSError(f"{path}: an entry could not be written, those before it are whole: {why}")


class _Appended:
    """A text file to which each entry is one call of the system."""

    def __init__(self, path: str, cut: int | None) -> None:
        there = os.path.getsize(path) if os.path.exists(path) else 0
        if cut is not None and there < cut:
            raise ValueError(
                f"{path} has {there} bytes but had {cut} when the checkpoint was written: bring it "
                "back, or delete the checkpoint to start anew"
            )
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._path = path
        self._file = os.open(path, flags, 0o666)
        if there != (cut or 0):
            os.ftruncate(self._file, cut or 0)

    def close(self) -> None:
        os.close(self._file)

    def add(self, text: str) -> None:
        if not os.fstat(self._file).st_nlink:
            raise FileNotFoundError(
                f"{self._path} was deleted while the run wrote to it: its frames and lines until "
                "now are lost, so delete the checkpoint too and start anew"
            )
        data = text.encode()
        try:
            written = os.write(self._file, data)
        except OSError as error:
            raise _unwritten(self._path, error.strerror) from error
        if written != len(data):  # a full disk: take back the part
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise _unwritten(self._path, "is the disk full?")

    def length(self) -> int:
        return os.fstat(self._file).st_size

    def sync(self) -> None:
        os.fsync(self._file)


class ExtxyzFrames(Sink):
    """Frames of extended XYZ."""

    def __init__(self, path: str, cut: int | None, wrap: bool) -> None:
        self._file, self._wrap = _Appended(path, cut), wrap

    def write(self, state: State) -> None:
        self._file.add(extxyz_text(_frame(state, self._wrap).to_structure()))

    def length(self) -> int:
        return self._file.length()

    def sync(self) -> None:
        self._file.sync()

    def close(self) -> None:
        self._file.close()


class TrajFrames(Sink):
    """Frames of ASE's own format."""

    def __init__(self, path: str, cut: int | None, wrap: bool) -> None:
        self._path, self._wrap = path, wrap
        if cut is not None:
            _cut_traj(path, cut)
        self._writer = TrajectoryWriter(path, mode="w" if cut is None else "a")
        self._n = cut or 0

    def write(self, state: State) -> None:
        if not os.path.exists(self._path):
            raise FileNotFoundError(f"{self._path} was deleted while the run wrote to it")
        try:
            self._writer.write(_frame(state, self._wrap).to_ase())
        except OSError as error:
            raise _unwritten(self._path, error.strerror) from error
        self._n += 1

    def length(self) -> int:
        return self._n

    def sync(self) -> None:
        with open(self._path, "rb") as file:
            os.fsync(file.fileno())

    def close(self) -> None:
        self._writer.close()


class Table(Sink):
    """Lines of numbers, for eV and angstrom."""

    def __init__(self, path: str, cut: int | None) -> None:
        self._file = _Appended(path, cut)
        self._speed = Speed()
        if not cut:
            self._file.add(COLUMNS + "\n")

    def write(self, state: State) -> None:
        drift = None if state.drift is None else state.drift * 1e3 * units.fs
        pressure = None if state.pressure is None else state.pressure / units.GPa
        values = (
            state.step,
            state.time / units.fs,
            state.potential_energy,
            state.kinetic_energy,
            state.conserved,
            drift,
            state.temperature,
            pressure,
            state.volume,
            None if isnan(largest := _largest(state.extrapolation)) else largest,
            round(self._speed.at(state.step), 1),
        )
        self._file.add(",".join("" if v is None else repr(v) for v in values) + "\n")

    def length(self) -> int:
        return self._file.length()

    def sync(self) -> None:
        self._file.sync()

    def close(self) -> None:
        self._file.close()


def _largest(extrapolation: ndarray) -> float:
    return float(np.fmax.reduce(extrapolation, initial=np.nan))


class Speed:
    """Steps per second, since the last time it was asked for."""

    def __init__(self) -> None:
        self._step, self._time = 0, monotonic()

    def at(self, step: int) -> float:
        """Between the last call and this one."""
        steps, now = step - self._step, monotonic()
        seconds = max(now - self._time, 1e-9)
        self._step, self._time = step, now
        return steps / seconds


def _frame(state: State, wrap: bool) -> Cell:
    cell = state.cell
    meta: dict[str, object] = {
        **cell.meta,
        "step": state.step,
        "time_fs": state.time / units.fs,
        "temperature_K": state.temperature,
        "momenta": state.velocities * state.start.masses[:, None],
    }
    if not np.array_equal(state.start.masses, standard_masses(cell)):
        meta["masses"] = state.start.masses
    coordinates = np.array(cell.coordinates)
    if wrap:
        coordinates[:, np.array(cell.pbc)] %= 1.0
        coordinates[coordinates == 1.0] = 0.0  # where rounding led to
    return Cell(cell.vectors, coordinates, cell.values, meta, pbc=cell.pbc)


def _cut_traj(path: str, n_frames: int) -> None:
    """Leaves the first frames; the file is whole at all times."""
    try:
        with TrajectoryReader(path) as reader:
            if len(reader) < n_frames:
                raise StructureError(f"it has {len(reader)} frames")
            frames = [reader[i] for i in range(n_frames)] if len(reader) > n_frames else None
    except (OSError, StructureError) as error:
        raise ValueError(
            f"{path} had {n_frames} frames when the checkpoint was written but {error}: bring it "
            "back, or delete the checkpoint to start anew"
        ) from error
    if frames is not None:
        with atomic_write(path) as temporary, TrajectoryWriter(temporary, mode="w") as writer:
            for atoms in frames:
                writer.write(atoms)
