"""What potentials look like: against the distance of a neighbour, and against a strain."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy import ndarray

from miniff._neighbors import join
from miniff.kernel import Cell, compute_images, profile_directed_strain
from miniff.potentials import Potential, listed_potentials, potential_values
from miniff.presentation._style import look
from miniff.presentation._units import labelled, size_of

__all__ = ["plot_potential_2", "plot_strain_profile"]

N_POINTS = 300
FIRST = 0.1
"""Plots begin at this fraction of the cutoff."""


def plot_potential_2(
    potentials: Potential | Sequence[Potential],
    limits: tuple[float, float] | None = None,
    pair: tuple[str, str] | None = None,
    *,
    energy_unit: str = "eV",
    length_unit: str = "angstrom",
    label: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Energy of an atom with one neighbour against their distance: of a pair potential, f(r).

    The energy of a bond is what both of its atoms have: twice this between equal species.

    Args:
        potentials: One or several; they are summed.
        limits: First and last distance (length); from a tenth of the cutoff to the cutoff by
            default.
        pair: Species of the atom and of its neighbour; those of the first tag by default.
        energy_unit: Name of the unit of energies; ``"1"`` for what has none.
        length_unit: Name of the unit of distances.
        label: For the legend.
        ax: Where to draw; a new figure by default.

    Raises:
        ValueError: Limits that are no range, an unknown unit, potentials without a cutoff, or a
            pair that none of them acts on.
    """
    several = listed_potentials(potentials)
    low, high = _limits(several, limits)
    species = pair or _pair_of(several)
    if not any(_acts_on(p, species) for p in several):
        raise ValueError(
            f"`pair` is {species} but no potential gives atoms of {species[0]} an energy for "
            f"neighbours of {species[1]}"
        )
    unit, length = size_of(energy_unit, "energy"), size_of(length_unit, "length")
    r = np.linspace(low, high, N_POINTS)
    energies = _with_one_neighbor(several, species, r)
    with look(ax) as ax:
        bounds = _joined(ax, (low / length, high / length), _bounds(energies / unit))
        ax.axhline(0, color="0.7", lw=0.5, zorder=0)
        ax.plot(r / length, energies / unit, label=label)
        ax.set(xlim=bounds[0], ylim=bounds[1])
        ax.set(xlabel=labelled("r", length_unit), ylabel=labelled("energy", energy_unit))
        if label is not None:
            ax.legend()
    return ax


def plot_strain_profile(
    potentials: Sequence[Potential],
    cell: Cell,
    limits: tuple[float, float] = (0.9, 1.1),
    direction: Sequence[float] = (1, 1, 1),
    *,
    energy_unit: str = "eV",
    origin: str | float | None = None,
    mark_points: Sequence[float] | None = None,
    label: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Energy per atom of a strained cell: vector i is multiplied by 1 + direction[i] (s - 1).

    Args:
        potentials: They are summed.
        cell: At strain s = 1.
        limits: First and last s.
        direction: How much of the strain each cell vector takes.
        energy_unit: Name of the unit of energies.
        origin: What to draw as zero: the energy at the left or right end or the median of the
            curve, or a number (energy per atom); the energies themselves by default.
        mark_points: Values of s to mark on the curve.
        label: For the legend; the cell's ``tag`` by default.
        ax: Where to draw; a new figure by default.

    Raises:
        ValueError: Limits that are no range, or an unknown unit or origin.
    """
    if not 0 < limits[0] < limits[1]:
        raise ValueError(f"`limits` are {limits} but must be two rising positive numbers")
    unit = size_of(energy_unit, "energy")

    def energies(strain: ndarray) -> ndarray:
        return profile_directed_strain(potentials, cell, strain, direction) / cell.size

    strain = np.linspace(*limits, N_POINTS)
    curve = energies(strain)
    zero = _origin(curve, origin)
    tag = label if label is not None else cell.meta.get("tag")
    with look(ax) as ax:
        shown, _ = _joined(ax, limits, limits)
        (line,) = ax.plot(strain, (curve - zero) / unit, label=None if tag is None else str(tag))
        if mark_points is not None:
            points = np.asarray(mark_points, float)
            marked = (energies(points) - zero) / unit
            ax.plot(points, marked, "o", ms=3.5, color=line.get_color(), linestyle="none")
        ax.set(xlim=shown, xlabel="strain", ylabel=labelled("energy", energy_unit, "/atom"))
        if tag is not None:
            ax.legend()
    return ax


def _limits(
    potentials: Sequence[Potential], limits: tuple[float, float] | None
) -> tuple[float, float]:
    if limits is None:
        cutoff = max((p.cutoff for p in potentials), default=0.0)
        if cutoff == 0:
            raise ValueError("`limits` are missing but no potential has a cutoff to draw up to")
        return FIRST * cutoff, cutoff
    low, high = limits
    if not 0 < low < high < np.inf:
        raise ValueError(f"`limits` are {limits} but must be two rising positive numbers")
    return low, high


def _pair_of(potentials: Sequence[Potential]) -> tuple[str, str]:
    """The first two species of the first tag; for potentials on all species, any."""
    for potential in potentials:
        if potential.species:
            return potential.species[0], potential.species[min(1, len(potential.species) - 1)]
    return ("a", "a")


def _acts_on(potential: Potential, pair: tuple[str, str]) -> bool:
    """Whether it gives an atom of the first species an energy, if one of the second is near."""
    centre, *neighbors = potential.species or pair
    return centre == pair[0] and (not neighbors or pair[1] in neighbors)


def _with_one_neighbor(
    potentials: Sequence[Potential], species: tuple[str, str], r: ndarray
) -> ndarray:
    """The energy of an atom of the first species for each distance of one of the second."""
    pairs = [Cell(np.eye(3), [[0, 0, 0], [x, 0, 0]], species, pbc=False) for x in r]
    cutoff = max(p.cutoff for p in potentials)
    table = join([compute_images(pair, cutoff).table for pair in pairs])
    energies: ndarray = potential_values(potentials, table).sum(axis=0)[::2]
    return energies


def _bounds(energies: ndarray) -> tuple[float, float]:
    """All of the curve, but of a steep wall only a few times what the rest reaches."""
    low, high = float(energies.min()), float(energies.max())
    rest = -3 * low if low < 0 else 20 * float(np.median(energies))
    if rest > 0:
        high = min(high, rest)
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _joined(
    ax: Axes, x: tuple[float, float], y: tuple[float, float]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Limits for a curve, wide enough for those that were drawn before."""
    if not ax.lines:
        return x, y
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    return (min(x[0], x0), max(x[1], x1)), (min(y[0], y0), max(y[1], y1))


def _origin(curve: ndarray, origin: str | float | None) -> float:
    if origin is None:
        return 0.0
    if not isinstance(origin, str):
        return float(origin)
    if origin not in ("left", "right", "median"):
        raise ValueError(f"`origin` is {origin!r} but must be left, right, median or a number")
    return float({"left": curve[0], "right": curve[-1], "median": np.median(curve)}[origin])
