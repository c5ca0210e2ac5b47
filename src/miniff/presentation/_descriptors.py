"""What radial descriptors look like: their values against the distance of a neighbour."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from numpy import ndarray

from miniff._neighbors import join
from miniff.kernel import Cell, compute_images
from miniff.potentials import (
    FunctionPotential,
    GeneralPotential,
    LocalPotential,
    behler2_descriptor_family,
    behler_turning_point,
    potential_values,
)
from miniff.presentation._style import SMALL, new_axes, tidy
from miniff.units import factor

__all__ = ["plot_descriptors_2"]

N_POINTS = 400
FIRST = 1e-3
"""Curves begin at this fraction of the cutoff: no two atoms may be at one place."""
SYMBOLS = {
    "eta": r"$\eta$",
    "r_sphere": r"$r_s$",
    "r0": r"$r_0$",
    "dr": r"$\Delta r$",
    "cutoff_alpha": r"$\alpha$",
}
LONG = 24
"""A longer entry of the legend gets a line for each part."""
ANY = None
"""The neighbour of a function without a tag."""

Panel = dict[tuple[str, str | None], list[LocalPotential]]


def plot_descriptors_2(
    descriptors: Mapping[str, Sequence[LocalPotential]],
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
        axes: One for each panel; a new figure with a row for each centre by default.

    Returns:
        The axes, panel by panel.

    Raises:
        ValueError: No function of a distance, one listed under another species than its tag's,
            another number of axes than of panels, limits that are no range, or an unknown unit.
    """
    panels = _panels(descriptors)
    low, high = _limits(panels, limits)
    unit = factor(length_unit)
    drawn = _axes(panels, axes)
    for ax, (pair, functions) in zip(drawn, panels.items(), strict=True):
        _draw(ax, pair, functions, (low, high), unit)
        ax.set(xlim=(low / unit, high / unit), xlabel=f"r ({length_unit})", ylabel="f(r)")
        tidy(ax)
    return drawn


def _panels(descriptors: Mapping[str, Sequence[LocalPotential]]) -> Panel:
    """The functions of a distance by the species of the atom and its neighbour."""
    panels: Panel = {}
    for centre, functions in descriptors.items():
        for function in functions:
            if function.species and function.species[0] != centre:
                raise ValueError(f"{function} is listed as a descriptor of {centre}")
            if _is_radial(function):
                neighbor = function.species[1] if function.species else ANY
                panels.setdefault((centre, neighbor), []).append(function)
    if not panels:
        raise ValueError("`descriptors` have no function of one distance to draw")
    return panels


def _is_radial(function: LocalPotential) -> bool:
    if isinstance(function, FunctionPotential):
        return function.family.is_pair_sum
    return isinstance(function, GeneralPotential) and function.n_bodies == 2


def _limits(panels: Panel, limits: tuple[float, float] | None) -> tuple[float, float]:
    if limits is None:
        return 0.0, max(f.cutoff for functions in panels.values() for f in functions)
    low, high = limits
    if not 0 <= low < high < np.inf:
        raise ValueError(f"`limits` are {limits} but must be two rising numbers from 0")
    return low, high


def _axes(panels: Panel, axes: Sequence[Axes] | ndarray | None) -> list[Axes]:
    """Those given, or a new figure: a row for each centre, a column for each neighbour."""
    if axes is not None:
        given = list(np.ravel(np.asarray(axes, dtype=object)))
        if len(given) != len(panels):
            raise ValueError(f"{len(given)} axes are given but there are {len(panels)} panels")
        return given
    centres = list(dict.fromkeys(centre for centre, _ in panels))
    columns = max(sum(c == centre for c, _ in panels) for centre in centres)
    free = new_axes(columns, width=4.0, height=2.5, rows=len(centres))
    figure = free[0].get_figure()
    assert figure is not None
    layout = figure.get_layout_engine()
    if isinstance(layout, ConstrainedLayoutEngine):
        layout.set(wspace=0.06)
    drawn: dict[tuple[str, str | None], Axes] = {}
    for row, centre in enumerate(centres):
        pairs = [pair for pair in panels if pair[0] == centre]
        line = free[row * columns : (row + 1) * columns]
        drawn.update(zip(pairs, line, strict=False))
        for ax in line[len(pairs) :]:
            ax.remove()
    return [drawn[pair] for pair in panels]


def _draw(
    ax: Axes,
    pair: tuple[str, str | None],
    functions: Sequence[LocalPotential],
    limits: tuple[float, float],
    unit: float,
) -> None:
    """The curves of one panel, dark to light in their order, with their turning points."""
    low, high = limits
    r = np.linspace(max(low, FIRST * high), high, N_POINTS)
    places = [_turning_point(f) for f in functions]
    marked = [place for place in places if place is not None and low <= place <= high]
    values = _values(functions, pair, np.concatenate([r, marked]))
    shades = np.linspace(0.0, 0.92, len(functions)) if len(functions) > 1 else [0.3]
    dots = iter(range(len(r), len(r) + len(marked)))
    for place, curve, shade, label in zip(
        places, values, shades, _labels(functions, unit), strict=True
    ):
        color = colormaps["viridis"](shade)
        ax.plot(r / unit, curve[: len(r)], color=color, lw=1.2, label=label)
        if place in marked:
            ax.add_line(_dot(place / unit, curve[next(dots)], color))
    ax.axhline(0, color="0.7", lw=0.6, zorder=0)
    ax.set_title(f"{pair[0]} with {pair[1] or 'any neighbour'}")
    handles = ax.get_legend_handles_labels()[0]
    if marked:
        handles = [*handles, _dot(0.0, 0.0, "0.4", label="turning point")]
    ax.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.03),
        handlelength=1.2,
        labelspacing=0.25,
        fontsize=SMALL,
    )


def _dot(x: float, y: float, color: object, label: str = "_nolegend_") -> Line2D:
    dot = Line2D([x], [y], marker="o", markersize=4, linestyle="none", label=label, zorder=3)
    dot.set(color=color, markeredgecolor="white", markeredgewidth=0.5)
    return dot


def _values(
    functions: Sequence[LocalPotential], pair: tuple[str, str | None], r: ndarray
) -> ndarray:
    """[n_functions, n_points] for an atom with one neighbour."""
    species = (pair[0], pair[1] or pair[0])
    cutoff = max(f.cutoff for f in functions)
    cells = [Cell(np.eye(3), [[0, 0, 0], [x, 0, 0]], species, pbc=False) for x in r]
    table = join([compute_images(cell, cutoff).table for cell in cells])
    values: ndarray = potential_values(functions, table)[:, ::2]
    return values


def _turning_point(function: LocalPotential) -> float | None:
    """Of a Gaussian around the atom with the cosine cutoff function; None for others."""
    if not isinstance(function, FunctionPotential):
        return None
    p = function.parameters
    if function.family is not behler2_descriptor_family or p["r_sphere"] != 0:
        return None
    if p["cutoff_function"] != "cosine" or p["cutoff_alpha"] != 0:
        return None
    return behler_turning_point(float(p["a"]), float(p["eta"]))


def _labels(functions: Sequence[LocalPotential], unit: float) -> list[str]:
    """What tells each function from the others of its panel."""
    names = [f.family.name if isinstance(f, FunctionPotential) else "general" for f in functions]
    numbers = [_numbers(f, unit) for f in functions]
    every = dict.fromkeys(name for one in numbers for name in one)
    differing = [name for name in every if len({one.get(name) for one in numbers}) > 1]
    labels = []
    for name, one in zip(names, numbers, strict=True):
        parts = [f"{SYMBOLS.get(key, key)} = {one[key]}" for key in differing if key in one]
        if len(set(names)) > 1 or not parts:
            parts.insert(0, name)
        text = ", ".join(parts)
        labels.append(text if len(text) < LONG else "\n".join(parts))
    return labels


def _numbers(function: LocalPotential, unit: float) -> dict[str, str]:
    """Parameters in the unit of the plot, with three digits."""
    if not isinstance(function, FunctionPotential):
        return {}
    shown = {}
    for name, value in function.parameters.items():
        text = function.family.parameters[name].text
        power = {"(length)": -1, "(1/length^2)": 2}.get(text.rpartition(" ")[2], 0)
        shown[name] = f"{value * unit**power:.3g}" if isinstance(value, float) else str(value)
    return shown
