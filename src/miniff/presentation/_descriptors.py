"""What descriptors look like: against the distance of a neighbour, and the angle between two."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy import ndarray

from miniff._neighbors import join
from miniff.kernel import Cell, compute_images
from miniff.potentials import (
    FunctionPotential,
    Potential,
    behler2_descriptor_family,
    behler_turning_point,
    potential_values,
)
from miniff.presentation._panels import ANY, Panels, axes_for, draw_curves, panels_of
from miniff.presentation._style import GREY, look
from miniff.presentation._units import labelled, printed, size_of

__all__ = ["plot_descriptors_2", "plot_descriptors_3"]

N_POINTS = 400
FIRST = 1e-3
"""Curves begin at this fraction of the cutoff, or of 180 degrees: no two atoms may be at one
place."""


def plot_descriptors_2(
    descriptors: Mapping[str, Sequence[Potential]],
    limits: tuple[float, float] | None = None,
    *,
    length_unit: str = "angstrom",
    axes: Sequence[Axes] | ndarray | None = None,
) -> list[Axes]:
    """Descriptors that are functions of one distance, a panel for each centre and neighbour.

    A curve is what one neighbour adds to the descriptor. Dots are turning points, where the slope
    is greatest, of Gaussians around the atom itself
    (:func:`miniff.potentials.behler_turning_point`). The legend has the parameters in which the
    functions of a panel differ. Functions of angles, and those whose size depends on the
    neighbour's element, are left out.

    Args:
        descriptors: For each species those of its atoms, as ``default_behler_descriptors`` gives
            them.
        limits: First and last distance (length); from 0 to the largest cutoff by default.
        length_unit: Name of the unit of distances, also for the numbers of the legend.
        axes: One for each panel; a new figure by default.

    Returns:
        The axes, panel by panel.

    Raises:
        ValueError: No function of a distance, one listed under another species than its tag's,
            another number of axes than of panels, limits that are no range, or an unknown unit.
    """
    unit = size_of(length_unit, "length")
    panels = panels_of(descriptors, 2)
    low, high = _limits(panels, limits)
    r = np.linspace(max(low, FIRST * high), high, N_POINTS)
    drawn = axes_for(panels, axes)
    for given, (species, functions) in zip(drawn, panels.items(), strict=True):
        with look(given) as ax:
            dots = _dots(functions, species, (low, high))
            key = [_dot(0.0, 0.0, GREY, label="turning point")] if dots else []
            values = _radial_values(functions, species, r)
            colors = draw_curves(ax, functions, r / unit, values, unit, key)
            for number, place, height in dots:
                ax.add_line(_dot(place / unit, height, colors[number]))
            ax.set_title(f"{species[0]} with {species[1]}")
            ax.set(xlim=(low / unit, high / unit), xlabel=labelled("r", length_unit))
            ax.set_ylabel("f(r)")
    return drawn


def plot_descriptors_3(
    descriptors: Mapping[str, Sequence[Potential]],
    distances: tuple[float, float] | None = None,
    *,
    length_unit: str = "angstrom",
    axes: Sequence[Axes] | ndarray | None = None,
) -> list[Axes]:
    """Descriptors that are functions of an angle, a panel for each centre and pair of neighbours.

    A curve is what two neighbours at fixed distances add to the descriptor, in both orders, against
    the angle under which the atom sees them. The legend has the parameters in which the functions
    of a panel differ. Functions of one distance, and those whose size depends on the neighbours'
    elements, are left out.

    Args:
        descriptors: For each species those of its atoms, as ``default_behler_descriptors`` gives
            them.
        distances: Of the two neighbours (length), in the alphabetic order of their species; half of
            the panel's largest cutoff by default.
        length_unit: Name of the unit of distances, also for the numbers of the legend.
        axes: One for each panel; a new figure by default.

    Returns:
        The axes, panel by panel.

    Raises:
        ValueError: No function of an angle, one listed under another species than its tag's,
            another number of axes than of panels, distances that are not positive, or an unknown
            unit.
    """
    unit = size_of(length_unit, "length")
    panels = panels_of(descriptors, 3)
    if distances is not None and not 0 < min(distances) <= max(distances) < np.inf:
        raise ValueError(f"`distances` are {distances} but must be two positive numbers")
    theta = np.linspace(FIRST, 1, N_POINTS) * np.pi
    drawn = axes_for(panels, axes)
    for given, (species, functions) in zip(drawn, panels.items(), strict=True):
        with look(given) as ax:
            half = max(f.cutoff for f in functions) / 2
            r1, r2 = distances or (half, half)
            values = _angular_values(functions, species, (r1, r2), theta)
            draw_curves(ax, functions, np.degrees(theta), values, unit)
            one, other = species[1:] if len(species) == 3 else (ANY, ANY)
            places = dict.fromkeys(f"{r / unit:.3g}" for r in (r1, r2))
            neighbors = ", ".join(dict.fromkeys((one, other))) if one == ANY else f"{one}, {other}"
            at = f"{' and '.join(places)} {printed(length_unit)}"
            ax.set_title(f"{species[0]} with {neighbors} at {at}")
            ax.set(xlim=(0, 180), xlabel="angle (degrees)", ylabel=r"f($\theta$)")
            ax.set_xticks(range(0, 181, 45))
    return drawn


def _limits(panels: Panels, limits: tuple[float, float] | None) -> tuple[float, float]:
    if limits is None:
        return 0.0, max(f.cutoff for functions in panels.values() for f in functions)
    low, high = limits
    if not 0 <= low < high < np.inf:
        raise ValueError(f"`limits` are {limits} but must be two rising numbers from 0")
    return low, high


def _dots(
    functions: Sequence[Potential], species: Sequence[str], limits: tuple[float, float]
) -> list[tuple[int, float, float]]:
    """Number of the function, place and height of each turning point within the limits."""
    dots = []
    for number, function in enumerate(functions):
        place = _turning_point(function)
        if place is not None and limits[0] <= place <= limits[1]:
            height = float(_radial_values([function], species, np.array([place]))[0, 0])
            dots.append((number, place, height))
    return dots


def _dot(x: float, y: float, color: str, label: str = "_nolegend_") -> Line2D:
    dot = Line2D([x], [y], marker="o", markersize=3.5, linestyle="none", label=label, zorder=3)
    dot.set(color=color, markeredgecolor="white", markeredgewidth=0.5)
    return dot


def _radial_values(functions: Sequence[Potential], species: Sequence[str], r: ndarray) -> ndarray:
    """[n_functions, n_points] for an atom with one neighbour."""
    places = [[[0.0, 0.0, 0.0], [x, 0.0, 0.0]] for x in r]
    return _values(functions, species, places)


def _angular_values(
    functions: Sequence[Potential],
    species: Sequence[str],
    distances: tuple[float, float],
    theta: ndarray,
) -> ndarray:
    """[n_functions, n_points] for an atom with two neighbours."""
    r1, r2 = distances
    places = [
        [[0.0, 0.0, 0.0], [r1, 0.0, 0.0], [r2 * np.cos(t), r2 * np.sin(t), 0.0]] for t in theta
    ]
    return _values(functions, species, places)


def _values(
    functions: Sequence[Potential],
    species: Sequence[str],
    places: Sequence[list[list[float]]],
) -> ndarray:
    """[n_functions, n_clusters] of the first atom of each cluster."""
    n = len(places[0])
    names = [species[0] if name == ANY else name for name in species]
    names += [names[-1]] * (n - len(names))
    cutoff = max(f.cutoff for f in functions)
    cells = [Cell(np.eye(3), place, names, pbc=False) for place in places]
    table = join([compute_images(cell, cutoff).table for cell in cells])
    values: ndarray = potential_values(functions, table)[:, ::n]
    return values


def _turning_point(function: Potential) -> float | None:
    """Of a Gaussian around the atom with the cosine cutoff function; None for others."""
    if not isinstance(function, FunctionPotential):
        return None
    p = function.parameters
    if function.family is not behler2_descriptor_family or p["r_sphere"] != 0:
        return None
    if p["cutoff_function"] != "cosine" or p["cutoff_alpha"] != 0:
        return None
    return behler_turning_point(float(p["a"]), float(p["eta"]))
