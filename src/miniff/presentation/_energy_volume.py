"""Energy against volume: curves of potentials beside points of a reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase.eos import EquationOfState, eos_names
from matplotlib.axes import Axes
from numpy import ndarray

from miniff._checks import check_finite, unknown_name
from miniff.kernel import Cell, profile
from miniff.potentials import Potential
from miniff.presentation._style import GREY, MARKERS, look
from miniff.presentation._units import labelled, printed, size_of
from miniff.units import factor

__all__ = ["plot_energy_volume"]

N_POINTS = 101
FEWEST = 5
"""Points for the four parameters of an equation of state."""
Points = tuple[Sequence[float] | ndarray, Sequence[float] | ndarray]


def plot_energy_volume(
    potentials: Mapping[str, Sequence[Potential]],
    cell: Cell,
    reference: Mapping[str, Points] | None = None,
    *,
    limits: tuple[float, float] = (0.85, 1.15),
    relative: bool = False,
    eos: str | None = None,
    energy_unit: str = "eV",
    length_unit: str = "angstrom",
    ax: Axes | None = None,
) -> Axes:
    """Energy per atom against the volume per atom of an evenly strained cell.

    Draw other phases into the same axes to compare them.

    Args:
        potentials: By name; those of one list are summed.
        cell: The structure, in any volume; atoms keep their fractional coordinates.
        reference: By name, volumes per atom (length^3) and energies per atom (energy): points.
        limits: First and last volume, as fractions of the cell's.
        relative: Whether each curve and reference counts from its own lowest energy: the minimum of
            the equation of state, if there is one.
        eos: Name of an equation of state of ``ase.eos``, such as ``"birchmurnaghan"``, that is
            fitted to all: it is drawn through the points, and its volume and bulk modulus at the
            minimum stand in the legend, the modulus in GPa, or without a unit if the energy has
            none.
        energy_unit: Name of the unit of energies; ``"1"`` for what has none.
        length_unit: Name of the unit whose third power volumes have.
        ax: Where to draw; a new figure by default.

    Raises:
        ValueError: Nothing to draw, a cell that does not repeat along all vectors, limits that are
            no range, points that are no two rows of finite numbers, an unknown unit or equation of
            state, or one that has no minimum within the volumes.
    """
    for what, given in (("potentials", potentials), ("reference", reference or {})):
        if not isinstance(given, Mapping):
            raise TypeError(f"`{what}` is a {type(given).__name__} but must give each by its name")
    if not potentials and not reference:
        raise ValueError("neither `potentials` nor `reference` are given: there is nothing to draw")
    if not 0 < limits[0] < limits[1] < np.inf:
        raise ValueError(f"`limits` are {limits} but must be two rising positive numbers")
    if eos is not None and eos not in eos_names:
        raise ValueError(unknown_name("equation of state", eos, eos_names))
    energy, length = size_of(energy_unit, "energy"), size_of(length_unit, "length")
    curves = [_curve(name, several, cell, limits) for name, several in potentials.items()]
    points = [_points(name, given) for name, given in (reference or {}).items()]
    units = _Units(energy, length**3, printed(length_unit, 3), "" if energy_unit == "1" else "GPa")
    with look(ax) as ax:
        for curve in curves:
            fit = _fit(curve, eos)
            zero = _lowest(curve, fit) if relative else 0.0
            label = _label(curve.name, fit, units)
            ax.plot(curve.volume / units.volume, (curve.energy - zero) / energy, label=label)
        for n, known in enumerate(points):
            fit = _fit(known, eos)
            zero = _lowest(known, fit) if relative else 0.0
            _draw_points(ax, known, fit, zero, MARKERS[n % len(MARKERS)], units)
        what = "energy above the minimum" if relative else "energy"
        ax.set_xlabel(f"volume ({units.printed}/atom)")
        ax.set_ylabel(labelled(what, energy_unit, "/atom"))
        ax.legend(loc="upper center")
    return ax


@dataclass(frozen=True)
class _Units:
    """What is drawn is divided by these."""

    energy: float
    volume: float
    printed: str
    pressure: str


@dataclass(frozen=True, eq=False)
class _EnergyVolume:
    """Both per atom."""

    name: str
    volume: ndarray
    energy: ndarray


@dataclass(frozen=True)
class _Fit:
    """An equation of state with its minimum."""

    equation: EquationOfState
    volume: float
    bulk_modulus: float

    def energies(self, volume: ndarray) -> ndarray:
        """At the volumes."""
        if self.equation.eos_string == "sj":
            x = volume ** -(1 / 3)
            polynomial: ndarray = self.equation.fit0(x)
            return polynomial
        values: ndarray = self.equation.func(volume, *self.equation.eos_parameters)
        return values


def _curve(
    name: str, potentials: Sequence[Potential], cell: Cell, limits: tuple[float, float]
) -> _EnergyVolume:
    if not all(cell.pbc):
        raise ValueError(
            f"`pbc` is {cell.pbc}: a structure that does not repeat along all cell vectors has no "
            "volume"
        )
    share = np.linspace(*limits, N_POINTS)
    energy = profile(potentials, lambda s: cell.strained([s ** (1 / 3)] * 3), share)
    return _EnergyVolume(name, share * cell.volume / cell.size, energy / cell.size)


def _points(name: str, given: Points) -> _EnergyVolume:
    volume, energy = (np.asarray(values, float) for values in given)
    if volume.ndim != 1 or volume.shape != energy.shape or not len(volume):
        raise ValueError(
            f"`reference[{name!r}]` has volumes of shape {volume.shape} and energies of shape "
            f"{energy.shape} but both must be of the same length, (n_points,)"
        )
    for values in (volume, energy):
        check_finite(f"reference[{name!r}]", values)
    return _EnergyVolume(name, volume, energy)


def _fit(points: _EnergyVolume, eos: str | None) -> _Fit | None:
    if eos is None:
        return None
    if len(points.volume) < FEWEST:
        raise ValueError(
            f"{points.name} has {len(points.volume)} points but an equation of state needs {FEWEST}"
        )
    equation = EquationOfState(points.volume, points.energy, eos)
    low, high = points.volume.min(), points.volume.max()
    try:
        v, _, b = equation.fit(warn=False)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"`{eos}` cannot be fitted to {points.name}: {error}") from error
    if not (low <= v <= high and b > 0):
        raise ValueError(
            f"`{eos}` has no minimum for {points.name} between {low:.4g} and {high:.4g} per atom: "
            "give volumes on both sides of it"
        )
    return _Fit(equation, float(v), float(b))


def _draw_points(
    ax: Axes, points: _EnergyVolume, fit: _Fit | None, zero: float, marker: str, units: _Units
) -> None:
    """With the equation of state as a line through them, if there is one."""
    if fit is not None:
        v = np.linspace(points.volume.min(), points.volume.max(), N_POINTS)
        drawn = (fit.energies(v) - zero) / units.energy
        ax.plot(v / units.volume, drawn, color=GREY, lw=0.7, linestyle="-", zorder=1)
    ax.plot(
        points.volume / units.volume,
        (points.energy - zero) / units.energy,
        marker,
        color="black",
        markerfacecolor="white",
        markeredgewidth=0.7,
        markersize=3.5,
        linestyle="none",
        label=_label(points.name, fit, units),
    )


def _lowest(points: _EnergyVolume, fit: _Fit | None) -> float:
    if fit is None:
        return float(points.energy.min())
    return float(fit.energies(np.array([fit.volume]))[0])


def _label(name: str, fit: _Fit | None, units: _Units) -> str:
    if fit is None:
        return name
    modulus = fit.bulk_modulus / factor(units.pressure or "1")
    if not units.pressure:
        modulus *= units.volume / units.energy
    volume = f"$V_0$ = {fit.volume / units.volume:#.4g} {units.printed.removeprefix('1')}".rstrip()
    return f"{name}: {volume}, $B_0$ = {modulus:.3g} {units.pressure}".rstrip()
