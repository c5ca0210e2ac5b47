"""How a run of molecular dynamics went: energy, temperature, pressure, and what is conserved."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy import ndarray

from miniff._checks import check_at_least, check_finite, check_shape
from miniff.presentation._style import COLUMN, GREY, PALETTE, SMALL, look, new_axes
from miniff.presentation._units import labelled, printed, size_of

__all__ = ["DynamicsRecord", "plot_dynamics"]

HEIGHT, BELOW = 0.95, 0.3
"""Of each panel, and of the numbers below the last, in inches."""


@dataclass(frozen=True, eq=False)
class DynamicsRecord:
    """What was noted in a run, at ``n_steps`` times; None where it was not.

    Attributes:
        n_atoms: Energies are drawn per atom.
        time: Rising (time).
        potential_energy: Of all atoms (energy).
        temperature: In kelvin.
        pressure: Positive under compression, minus a third of the stress's trace (energy/length^3).
        conserved: What the equations of motion conserve (energy): potential and kinetic energy at
            constant energy; with a thermostat or barostat also what these hold.
    """

    n_atoms: int
    time: ndarray
    potential_energy: ndarray | None = None
    temperature: ndarray | None = None
    pressure: ndarray | None = None
    conserved: ndarray | None = None

    def __post_init__(self) -> None:
        """Arrays are copied.

        Raises:
            ValueError: No atom, other lengths than that of ``time``, numbers that are not finite,
                or times that do not rise.
        """
        check_at_least("n_atoms", self.n_atoms, 1)
        n_steps = np.size(self.time)
        for field in fields(self)[1:]:
            value = getattr(self, field.name)
            if value is not None:
                array = np.array(value, float)
                check_shape(field.name, array, (n_steps,))
                check_finite(field.name, array)
                object.__setattr__(self, field.name, array)
        if n_steps < 2 or not np.all(np.diff(self.time) > 0):
            raise ValueError(f"`time` has {n_steps} numbers but must have two or more that rise")


@dataclass(frozen=True, eq=False)
class _Panel:
    """A curve in the unit of its axis, and what is said of it."""

    label: str
    values: ndarray
    note: str
    level: float


def plot_dynamics(
    record: DynamicsRecord,
    *,
    energy_unit: str = "eV",
    drift_unit: str = "meV",
    pressure_unit: str = "GPa",
    time_unit: str = "ps",
    axes: Sequence[Axes] | ndarray | None = None,
) -> list[Axes]:
    """A run at a glance: what was noted, one panel under the other.

    Above a panel stand the mean and the standard deviation of its curve; above that of the
    conserved quantity, which is drawn from its first value on, the slope of a straight line through
    it.

    Args:
        record: What was noted.
        energy_unit: Name of the unit of potential energies.
        drift_unit: Name of that of the conserved quantity.
        pressure_unit: Name of the unit of pressures.
        time_unit: Name of the unit of times: with eV, angstrom and atomic mass units, times are in
            ASE's unit; ``"1"`` for those that have none.
        axes: One for each panel; a new figure by default.

    Returns:
        The axes, in the order of the fields of the record.

    Raises:
        ValueError: A record of times alone, another number of axes than of panels, or an unknown
            unit.
    """
    unit = size_of(time_unit, "time")
    time = record.time / unit
    panels = [
        panel
        for panel in (
            _energy(record, energy_unit),
            _plain("temperature", "K", 1.0, record.temperature),
            _plain("pressure", pressure_unit, size_of(pressure_unit, "stress"), record.pressure),
            _drift(record, time, drift_unit, time_unit),
        )
        if panel is not None
    ]
    if not panels:
        raise ValueError("`record` has nothing but times: there is nothing to draw")
    drawn = _axes(len(panels), axes)
    for n, (given, panel) in enumerate(zip(drawn, panels, strict=True)):
        with look(given) as ax:
            ax.axhline(panel.level, color=GREY, lw=0.6, linestyle=(0, (4, 2)), zorder=1)
            ax.plot(time, panel.values, color=PALETTE[0], lw=0.7, linestyle="-")
            ax.set_title(
                panel.note.replace("-", "\N{MINUS SIGN}"), loc="right", fontsize=SMALL, pad=2
            )
            ax.set(xlim=(time[0], time[-1]), ylabel=panel.label)
            ax.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
            if n == len(panels) - 1:
                ax.set_xlabel(labelled("time", time_unit))
    if axes is None:
        drawn[0].figure.align_ylabels(drawn)
    return drawn


def _axes(n: int, axes: Sequence[Axes] | ndarray | None) -> list[Axes]:
    if axes is None:
        return new_axes(rows=n, width=COLUMN, height=HEIGHT * n + BELOW, share_x=True)
    given = list(np.ravel(np.asarray(axes, dtype=object)))
    if len(given) != n:
        raise ValueError(f"{len(given)} axes are given but there are {n} panels")
    return given


def _plain(quantity: str, unit: str, size: float, given: ndarray | None) -> _Panel | None:
    if given is None:
        return None
    values = given / size
    mean, spread = float(values.mean()), float(values.std())
    name = "" if unit == "1" else f" {printed(unit)}"
    digits = max(0, 1 - int(np.floor(np.log10(spread)))) if spread > 0 else 3
    note = f"mean {mean:.{digits}f} ± {spread:.{digits}f}{name}"
    return _Panel(f"{quantity}\n({printed(unit)})", values, note, mean)


def _energy(record: DynamicsRecord, unit: str) -> _Panel | None:
    size = size_of(unit, "energy")
    if record.potential_energy is None:
        return None
    panel = _plain("potential energy", unit, size * record.n_atoms, record.potential_energy)
    assert panel is not None
    label, per = f"potential energy\n({printed(unit)}/atom)", "/atom"
    return _Panel(label, panel.values, panel.note + per, panel.level)


def _drift(record: DynamicsRecord, time: ndarray, unit: str, time_unit: str) -> _Panel | None:
    size = size_of(unit, "energy")
    if record.conserved is None:
        return None
    values = (record.conserved - record.conserved[0]) / (size * record.n_atoms)
    slope = float(np.polynomial.Polynomial.fit(time, values, 1).convert().coef[-1])
    rate = f"{printed(unit)}/atom" + ("" if time_unit == "1" else f"/{time_unit}")
    label = f"drift\n({printed(unit)}/atom)"
    return _Panel(label, values, f"slope {slope:.2g} {rate}", 0.0)
