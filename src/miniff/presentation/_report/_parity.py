"""Predictions against references, and their errors: points that say whose they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from bokeh.layouts import column
from bokeh.models import Column, ColumnDataSource, CustomJSHover, GlyphRenderer, Slope
from bokeh.plotting import figure
from numpy import ndarray

from miniff.presentation._quantities import QUANTITIES, Quantity
from miniff.presentation._report._content import ReportedSet
from miniff.presentation._report._figure import (
    BLACK,
    GREY,
    SIZE,
    hover,
    legend_above,
    looked_up,
    new_figure,
)
from miniff.presentation._report._thin import thinned
from miniff.presentation._style import COLORS
from miniff.presentation._units import labelled, printed, size_of
from miniff.units import three_digits

__all__ = ["Parity", "Words", "parity"]

MOST_POINTS = 6000
"""In one figure: what a phone draws, and what keeps the page at a few megabytes."""
COMPONENTS = {"forces": ("x", "y", "z"), "stress": ("xx", "yy", "zz", "yz", "xz", "xy")}
OF_ATOMS = ("forces", "charges")
GLYPHS = {"train": "circle", "validation": "square", "test": "triangle"}
FRAME, STRIP, LEFT = SIZE - 74, 110, 64
"""Pixels: of the square, of the errors below it, of what stands left of both."""


@dataclass(frozen=True)
class Parity:
    """A figure of one quantity.

    Attributes:
        layout: What is drawn.
        n_drawn: Points.
        n_all: Points that there are.
    """

    layout: Column
    n_drawn: int
    n_all: int


class Words:
    """What is said of structures and species by their numbers, shared by all figures."""

    def __init__(self, sets: Sequence[ReportedSet]) -> None:
        """Numbers go on from set to set."""
        self.species = sorted(
            {name for each in sets for cell in each.cells for name in cell.values}
        )
        self.of_structure = looked_up(
            {
                "title": [title for each in sets for title in each.titles],
                "group": [group or "none" for each in sets for group in each.groups],
                "set": [each.name for each in sets for _ in each.cells],
            }
        )
        self.of_species = looked_up({"name": self.species})

    def for_hover(self, quantity: Quantity) -> dict[str, CustomJSHover]:
        """By column."""
        found = {"@structure": self.of_structure, "@species": self.of_species}
        if quantity in COMPONENTS:
            found["@component"] = looked_up({"name": COMPONENTS[quantity]})
        return found


@dataclass(frozen=True, eq=False)
class _Points:
    """Of one set, in the unit of the axes; and whose they are, by numbers."""

    name: str
    reference: ndarray
    predicted: ndarray
    whose: Mapping[str, ndarray]

    @property
    def error(self) -> ndarray:
        off: ndarray = self.predicted - self.reference
        return off


def parity(sets: Sequence[ReportedSet], quantity: Quantity, words: Words) -> Parity | None:
    """Predictions against references above, errors below; None where there is no reference."""
    what = QUANTITIES[quantity]
    found = [p for p in _points(sets, quantity, words.species) if len(p.reference)]
    if not found:
        return None
    scale = size_of(what.unit, what.kind) / size_of(what.error_unit, what.kind)
    plot, strip = _axes(quantity, found)
    n_all = sum(len(p.reference) for p in found)
    sources = [_source(p, _limit(len(p.reference), n_all), scale) for p in found]
    upper = [_draw(plot, p.name, s, "predicted") for p, s in zip(found, sources, strict=True)]
    lower = [_draw(strip, p.name, s, "error") for p, s in zip(found, sources, strict=True)]
    names = [f"{p.name}: {_errors(scale * p.error)}" for p in found]
    pairs = list(zip(upper, lower, strict=True))
    unit = f"{printed(what.error_unit)}{what.per}"
    legend_above(plot, list(zip(names, pairs, strict=True)), f"MAE / RMSE ({unit})")
    lines, formats = _lines(quantity), words.for_hover(quantity)
    hover(plot, upper, lines, formats)
    hover(strip, lower, lines, formats)
    n_drawn = sum(len(s.data["reference"]) for s in sources)
    return Parity(column(plot, strip, spacing=0), n_drawn, n_all)


def _limit(n: int, n_all: int) -> int:
    """The set's share of the points; a small set beside a large one keeps enough."""
    return max(round(MOST_POINTS * n / n_all), MOST_POINTS // 4)


def _points(
    sets: Sequence[ReportedSet], quantity: Quantity, species: Sequence[str]
) -> list[_Points]:
    unit = size_of(QUANTITIES[quantity].unit, QUANTITIES[quantity].kind)
    attribute = "energy_per_atom" if quantity == "energy" else quantity
    bases = _explained(sets, species) if quantity == "energy" else [np.zeros(1)] * len(sets)
    first, found = 0, []
    for each, base in zip(sets, bases, strict=True):
        reference, predicted = (
            (np.asarray(getattr(labels, attribute), float).T - base).T
            for labels in (each.reference, each.predicted)
        )
        rows = len(reference)
        known = ~np.isnan(reference.reshape(rows, -1))
        if quantity == "charges":  # which most potentials do not predict
            known &= ~np.isnan(predicted.reshape(rows, -1))
        row, component = np.nonzero(known)
        whose = {"structure": first + row, "component": component}
        if quantity in OF_ATOMS:
            whose["structure"] = first + each.structure[row]
            whose["atom"] = each.atom[row]
            whose["species"] = np.searchsorted(species, each.species)[row]
        reference, predicted = (
            values.reshape(rows, -1)[row, component] / unit for values in (reference, predicted)
        )
        found.append(_Points(each.name, reference, predicted, whose))
        first += len(each.cells)
    return found


def _explained(sets: Sequence[ReportedSet], species: Sequence[str]) -> list[ndarray]:
    """The part of each structure's energy per atom that a constant of each species explains."""
    shares = [
        np.array([[cell.values.count(name) / cell.size for name in species] for cell in each.cells])
        for each in sets
    ]
    every = np.concatenate(shares)
    energies = np.concatenate([np.asarray(each.reference.energy_per_atom) for each in sets])
    known = ~np.isnan(energies)
    constants = np.linalg.lstsq(every[known], energies[known], rcond=None)[0]
    return [own @ constants for own in shares]


def _axes(quantity: Quantity, found: Sequence[_Points]) -> tuple[figure, figure]:
    what = QUANTITIES[quantity]
    name = "relative energy" if quantity == "energy" else quantity
    every = np.concatenate([np.r_[p.reference, p.predicted] for p in found])
    every = every[np.isfinite(every)]
    margin = 0.04 * (np.ptp(every) or 1.0)
    limits = (float(every.min() - margin), float(every.max() + margin))
    below = labelled(f"reference {name}", what.unit, what.per)
    plot = new_figure(
        "",
        labelled("predicted", what.unit, what.per),
        x_range=limits,
        y_range=limits,
        frame_width=FRAME,
        frame_height=FRAME,
        min_border_left=LEFT,
        toolbar_location=None,
    )
    plot.add_layout(Slope(gradient=1, y_intercept=0, line_color=GREY, line_width=0.8))
    strip = new_figure(
        below,
        labelled("error", what.error_unit, what.per),
        x_range=plot.x_range,
        frame_width=FRAME,
        frame_height=STRIP,
        min_border_left=LEFT,
    )
    strip.add_layout(Slope(gradient=0, y_intercept=0, line_color=GREY, line_width=0.8))
    return plot, strip


def _source(points: _Points, limit: int, scale: float) -> ColumnDataSource:
    kept = thinned(points.reference, points.error, limit)
    values = {
        "reference": points.reference,
        "predicted": points.predicted,
        "error": scale * points.error,
    }
    return ColumnDataSource(
        {name: own[kept].astype(np.float32) for name, own in values.items()}
        | {name: own[kept].astype(np.int32) for name, own in points.whose.items()}
    )


def _draw(plot: figure, name: str, source: ColumnDataSource, y: str) -> GlyphRenderer:
    drawn: GlyphRenderer = plot.scatter(
        x="reference",
        y=y,
        source=source,
        marker=GLYPHS.get(name, "diamond"),
        size=5,
        line_color=None,
        fill_color=COLORS.get(name, GREY),
        fill_alpha=0.55,
        hover_fill_alpha=1.0,
        hover_line_color=BLACK,
    )
    return drawn


def _errors(off: ndarray) -> str:
    mae, rmse = np.abs(off).mean(), np.sqrt(np.square(off).mean())
    return f"{three_digits(mae)} / {three_digits(rmse)}"


def _lines(quantity: Quantity) -> list[tuple[str, str]]:
    what = QUANTITIES[quantity]
    unit, error_unit = f"{printed(what.unit)}{what.per}", f"{printed(what.error_unit)}{what.per}"
    lines = [
        ("structure", "@structure{title}"),
        ("set", "@structure{set}"),
        ("group", "@structure{group}"),
    ]
    if quantity in OF_ATOMS:
        lines.append(("atom", "@atom, @species{name}"))
    if quantity in COMPONENTS:
        lines.append(("component", "@component{name}"))
    return [
        *lines,
        ("reference", f"@reference{{0.0000}} {unit}"),
        ("predicted", f"@predicted{{0.0000}} {unit}"),
        ("error", f"@error{what.as_shown} {error_unit}"),
    ]
