"""Panels of descriptors: which functions share one, its axes, its curves and their legend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from numpy import ndarray

from miniff.potentials import FunctionPotential, GeneralPotential, Potential
from miniff.presentation._style import COLUMN, GREY, LINES, PAGE, Dashes, new_axes

__all__ = ["ANY", "Panels", "axes_for", "draw_curves", "panels_of"]

ANY = "any neighbour"
"""The neighbour of a function without a tag."""
SYMBOLS = {
    "eta": r"$\eta$",
    "r_sphere": r"$r_s$",
    "r0": r"$r_0$",
    "dr": r"$\Delta r$",
    "cutoff_alpha": r"$\alpha$",
    "l": r"$\lambda$",
    "zeta": r"$\zeta$",
    "theta0": r"$\theta_0$",
    "width": r"$w$",
    "epsilon": r"$\epsilon$",
}
LONG = 24
"""A longer entry of the legend gets a line for each part."""
MOST_ENTRIES = 12
"""In a column of the legend."""
MOST_DASHES, WIDTHS = 4, (0.6, 1.2, 2.0)
"""How many values of a second and third parameter can be told by dashes and widths of lines."""

Panels = dict[tuple[str, ...], list[Potential]]
"""The functions by the species of the atom and of its neighbours."""
Numbers = Mapping[str, str]


def panels_of(descriptors: Mapping[str, Sequence[Potential]], n_bodies: int) -> Panels:
    """The functions of a distance (2 bodies) or of an angle (3), by the species they are for."""
    panels: Panels = {}
    for centre, functions in descriptors.items():
        for function in functions:
            if function.species and function.species[0] != centre:
                raise ValueError(f"{function} is listed as a descriptor of {centre}")
            if _sums_over(function, n_bodies):
                neighbors = function.species[1:] if function.species else (ANY,)
                panels.setdefault((centre, *sorted(neighbors)), []).append(function)
    if not panels:
        what = {2: "one distance", 3: "an angle"}[n_bodies]
        raise ValueError(f"`descriptors` have no function of {what} to draw")
    return panels


def _sums_over(function: Potential, n_bodies: int) -> bool:
    """Whether it is a sum over neighbours, or over pairs of them, each alike."""
    if isinstance(function, FunctionPotential):
        return function.family.n_bodies == n_bodies and function.family.neighbors_of is None
    return isinstance(function, GeneralPotential) and function.n_bodies == n_bodies


def axes_for(panels: Panels, axes: Sequence[Axes] | ndarray | None) -> list[Axes]:
    """Those given, or a new figure with two panels in a row."""
    if axes is not None:
        given = list(np.ravel(np.asarray(axes, dtype=object)))
        if len(given) != len(panels):
            raise ValueError(f"{len(given)} axes are given but there are {len(panels)} panels")
        return given
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    free = new_axes(columns, rows, width=COLUMN if columns == 1 else PAGE, height=2.2 * rows)
    for ax in free[len(panels) :]:
        ax.remove()
    return free[: len(panels)]


def draw_curves(
    ax: Axes,
    functions: Sequence[Potential],
    x: ndarray,
    values: ndarray,
    unit: float,
    more: Sequence[Line2D] = (),
) -> list[str]:
    """Draws a curve for each function, dark to light in their order; returns the colours.

    Args:
        ax: Where to draw.
        functions: The functions of one panel.
        x: Distances or angles.
        values: [n_functions, n_points]
        unit: Of lengths, for the numbers of the legend.
        more: For the end of the legend.
    """
    strokes, entries = _told_by_one(functions, unit)
    factored = _told_by_several(functions, unit)
    if factored is not None and len(factored[1]) < len(entries):
        strokes, entries = factored
    for s, curve in zip(strokes, values, strict=True):
        ax.plot(x, curve, color=s.color, linestyle=s.dashes, lw=s.width)
    ax.axhline(0, color="0.7", lw=0.5, zorder=0)
    handles = [
        Line2D([], [], color=s.color, linestyle=s.dashes, lw=s.width, label=s.label)
        for s in entries
    ]
    handles += more
    ax.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.03),
        handlelength=1.5,
        labelspacing=0.2,
        columnspacing=1.0,
        ncols=-(-len(handles) // MOST_ENTRIES),
    )
    return [s.color for s in strokes]


@dataclass(frozen=True)
class _Stroke:
    """How a line looks, and what it is called in the legend."""

    color: str = GREY
    dashes: Dashes = "-"
    width: float = 1.2
    label: str = ""


def _told_by_one(
    functions: Sequence[Potential], unit: float
) -> tuple[list[_Stroke], list[_Stroke]]:
    """A colour and an entry of the legend for each function."""
    shades = _shades(len(functions))
    strokes = [
        _Stroke(shade, label=label)
        for shade, label in zip(shades, _labels(functions, unit), strict=True)
    ]
    return strokes, strokes


def _told_by_several(
    functions: Sequence[Potential], unit: float
) -> tuple[list[_Stroke], list[_Stroke]] | None:
    """Colours tell one parameter, dashes another, widths a third: fewer entries; None if not so."""
    numbers = [_numbers(f, unit) for f in functions]
    differing = _differing(numbers)
    if not 2 <= len(differing) <= 3 or len({_name(f) for f in functions}) > 1:
        return None
    found = {name: list(dict.fromkeys(one[name] for one in numbers)) for name in differing}
    by_number = sorted(differing, key=lambda name: -len(found[name]))
    colored, dashed, *wide = by_number
    if len(found[dashed]) > MOST_DASHES or any(len(found[name]) > len(WIDTHS) for name in wide):
        return None
    shades = dict(zip(found[colored], _shades(len(found[colored])), strict=True))
    dashes = dict(zip(found[dashed], LINES, strict=False))
    widths = dict(zip(found[wide[0]], WIDTHS, strict=False)) if wide else {}
    strokes = [
        _Stroke(shades[one[colored]], dashes[one[dashed]], widths[one[wide[0]]] if wide else 1.2)
        for one in numbers
    ]
    entries = [_Stroke(color=c, label=_entry(colored, v)) for v, c in shades.items()]
    entries += [_Stroke(dashes=d, label=_entry(dashed, v)) for v, d in dashes.items()]
    entries += [_Stroke(width=w, label=_entry(wide[0], v)) for v, w in widths.items()]
    return strokes, entries


def _shades(n: int) -> list[str]:
    shades = np.linspace(0.0, 0.88, n) if n > 1 else np.array([0.3])
    return [to_hex(colormaps["viridis"](shade)) for shade in shades]


def _entry(name: str, value: str) -> str:
    return f"{SYMBOLS.get(name, name)} = {value}"


def _labels(functions: Sequence[Potential], unit: float) -> list[str]:
    """What tells each function from the others of its panel."""
    names = [_name(f) for f in functions]
    numbers = [_numbers(f, unit) for f in functions]
    differing = _differing(numbers)
    labels = []
    for name, one in zip(names, numbers, strict=True):
        parts = [_entry(key, one[key]) for key in differing if key in one]
        if len(set(names)) > 1 or not parts:
            parts.insert(0, name)
        text = ", ".join(parts)
        labels.append(text if len(text) < LONG else "\n".join(parts))
    return labels


def _name(function: Potential) -> str:
    return function.family.name if isinstance(function, FunctionPotential) else "general"


def _differing(numbers: Sequence[Numbers]) -> list[str]:
    every = dict.fromkeys(name for one in numbers for name in one)
    return [name for name in every if len({one.get(name) for one in numbers}) > 1]


def _numbers(function: Potential, unit: float) -> dict[str, str]:
    """Parameters in the unit of the plot, with three digits."""
    if not isinstance(function, FunctionPotential):
        return {}
    shown = {}
    for name, value in function.parameters.items():
        text = function.family.parameters[name].text
        power = {"(length)": -1, "(1/length^2)": 2}.get(text.rpartition(" ")[2], 0)
        shown[name] = str(value)
        if isinstance(value, float):
            shown[name] = f"{value * unit**power:.3g}".replace("-", "\N{MINUS SIGN}")
    return shown
