"""What a run of molecular dynamics says: a line now and then, and averages at its end."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, log10
from time import perf_counter

import numpy as np
from ase import units
from numpy import ndarray

from miniff import dyn
from miniff.ml_util._material import Material
from miniff.ml_util._outputs import write_json
from miniff.ml_util._progress import CountProgress, Reporter

__all__ = ["Seen", "report_run"]

FEWEST = 3
"""Lines of the table for an average."""
COLUMNS = {
    "potential_energy_eV": ("potential energy", "eV/atom"),
    "temperature_K": ("temperature", "K"),
    "pressure_GPa": ("pressure", "GPa"),
    "volume_A3": ("volume", "Å³/atom"),
}
"""What averages are called, and in which unit they are told."""
PER_ATOM = ("potential_energy_eV", "volume_A3")
MEV_PER_PS = 1e6 * units.fs
"""From energy in eV and ASE's time."""


class Seen:
    """Tells of each state that is recorded."""

    def __init__(self, progress: CountProgress, n_steps: int) -> None:
        self._progress, self._n_steps = progress, n_steps
        self._last: tuple[int, float] | None = None

    def __call__(self, state: dyn.State) -> None:
        now = perf_counter()
        speed = ""
        if self._last is not None:
            step, then = self._last
            speed = f", {(state.step - step) / max(now - then, 1e-9):.0f} steps/s"
        self._last = state.step, now
        pressure = "" if state.pressure is None else f", {state.pressure / units.GPa:.2f} GPa"
        drift = "" if state.drift is None else f", drift {_drift(state.drift)}"
        energy = f"{state.energy / max(len(state.positions), 1):.4f} eV/atom"
        short = f"{state.temperature:.0f} K{pressure}, {energy}{drift}{speed}"
        self._progress.update(state.step, f"step {state.step}/{self._n_steps}: {short}", short)


def report_run(
    name: str, end: dyn.State, material: Material, wall_time_s: float | None, reporter: Reporter
) -> None:
    """Averages and drift, on the terminal and in `<name>.json`.

    Args:
        name: Of the workflow, which has written `<name>.csv`.
        end: Of the run.
        material: What moved it.
        wall_time_s: Of the run; None if it was complete before, whose file then stays.
        reporter: Is told.
    """
    if wall_time_s is None:
        reporter.info(
            f"already complete: its {end.step} steps are in {name}.extxyz and {name}.csv. Raise "
            f"`n_steps` to run longer, or delete {name}.checkpoint to start anew"
        )
    table = _Table.read(f"{name}.csv")
    means = table.averages()
    if means:
        told = [_words(column, *pair, len(end.positions)) for column, pair in means.items()]
        reporter.info(
            f"mean ± standard deviation of the second half of {name}.csv, {table.n_averaged} "
            f"lines: {', '.join(told)}"
        )
    else:
        reporter.warning(
            f"too short for averages: the second half of {name}.csv has {table.n_averaged} of the "
            f"{FEWEST} lines that they need at least. Raise `n_steps`, or lower `every`"
        )
    if end.drift is not None:
        reporter.info(f"drift of the conserved energy: {_drift(end.drift)}")
    if wall_time_s is None and os.path.exists(f"{name}.json"):
        return
    drift = None if end.drift is None else end.drift * 1e3 * units.fs
    write_json(
        name,
        {
            "n_steps": end.step,
            "time_ps": end.time / (1e3 * units.fs),
            "averages": {n: {"mean": m, "std": s} for n, (m, s) in means.items()} or None,
            "drift_eV_per_atom_ps": drift,
            "largest_extrapolation": table.largest_extrapolation,
            "wall_time_s": None if wall_time_s is None else round(wall_time_s, 3),
            **material.provenance,
        },
    )


def _words(column: str, mean: float, spread: float, n_atoms: int) -> str:
    title, unit = COLUMNS[column]
    size = n_atoms if column in PER_ATOM else 1
    digits = max(0, 1 - floor(log10(spread / size))) if spread > 0 else 3
    return f"{title} {mean / size:.{digits}f} ± {spread / size:.{digits}f} {unit}"


def _drift(drift: float) -> str:
    return f"{drift * MEV_PER_PS:.2g} meV/atom/ps"


@dataclass(frozen=True, eq=False)
class _Table:
    """What a run wrote, line by line."""

    columns: Mapping[str, ndarray]
    n_lines: int

    @staticmethod
    def read(path: str) -> "_Table":
        """From comma-separated values."""
        found = np.atleast_1d(np.genfromtxt(path, delimiter=",", names=True))
        names = found.dtype.names or ()
        return _Table({name: found[name] for name in names}, len(found))

    @property
    def n_averaged(self) -> int:
        """Lines of the second half, without that of the beginning."""
        return len(self._second_half("step"))

    @property
    def largest_extrapolation(self) -> float | None:
        """Of all lines; None where it is not known."""
        column = self.columns["extrapolation"]
        return None if np.isnan(column).all() else float(np.nanmax(column))

    def averages(self) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation over the second half; none of too few lines."""
        halves = {name: self._second_half(name) for name in COLUMNS}
        return {
            name: (float(half.mean()), float(half.std()))
            for name, half in halves.items()
            if len(half) >= FEWEST and np.isfinite(half).all()
        }

    def _second_half(self, name: str) -> ndarray:
        half: ndarray = self.columns[name][max(1, self.n_lines // 2) :]
        return half
