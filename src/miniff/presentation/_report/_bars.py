"""Errors of groups and species side by side, and how descriptors are filled."""

from collections.abc import Mapping, Sequence

import numpy as np
from bokeh.models import ColumnDataSource, Range1d, Slope
from bokeh.plotting import figure
from numpy import ndarray

from miniff.presentation._quantities import QUANTITIES, Quantity
from miniff.presentation._report._content import Coverage
from miniff.presentation._report._figure import GREY, HALF, hover, legend_above, new_figure
from miniff.presentation._style import COLORS
from miniff.presentation._units import labelled, printed

__all__ = ["coverage_figure", "grouped_bars"]

PALE = "#bcd7ea"
GLYPHS = {"validation": "square", "test": "triangle"}
LONGEST = 16
"""Letters of a name beside the axis."""


def grouped_bars(
    names: Sequence[str], values: Mapping[str, Sequence[float]], quantity: Quantity
) -> figure:
    """A row for each name with a bar for each set; nan has none.

    Args:
        names: From above.
        values: Of each set, in the order of the names.
        quantity: Of which they are mean absolute errors, in its unit of errors.
    """
    n_sets, what = len(values), QUANTITIES[quantity]
    label = labelled(f"MAE of {quantity}", what.error_unit, what.per)
    plot = new_figure(
        label,
        "",
        height=90 + max(len(names) * (8 + 9 * n_sets), 60),
        y_range=Range1d(-0.6, len(names) - 0.4),
        tools="",
        toolbar_location=None,
    )
    height, entries = 0.8 / n_sets, []
    for k, (part, own) in enumerate(values.items()):
        places = np.arange(len(names))[::-1] + 0.4 - height * (k + 0.5)
        data = {"name": list(names), "y": places, "value": np.asarray(own, float)}
        bar = plot.hbar(
            y="y",
            right="value",
            left=0,
            height=0.9 * height,
            source=ColumnDataSource(data),
            color=COLORS.get(part, GREY),
            line_color=None,
        )
        bar.name = part
        entries.append((part, [bar]))
    short = [name if len(name) <= LONGEST else name[: LONGEST - 1] + "…" for name in names]
    plot.yaxis.ticker = list(range(len(names)))
    plot.yaxis.major_label_overrides = dict(enumerate(reversed(short)))
    plot.yaxis.major_tick_in = 0
    plot.x_range.start = 0
    legend_above(plot, entries)
    bars = [bar for _, (bar,) in entries]
    value = f"@value{what.as_shown} {printed(what.error_unit)}{what.per}"
    hover(plot, bars, [("", "@name"), ("set", "$name"), (label, value)])
    return plot


def coverage_figure(coverage: Coverage) -> figure:
    """Descriptors over the share of their training range that atoms fill, the fullest last."""
    span = np.where(coverage.high > coverage.low, coverage.high - coverage.low, 1.0)
    scaled = {part: (own - coverage.low) / span for part, own in coverage.quantiles.items()}
    order = np.argsort(scaled["train"][5] - scaled["train"][1], kind="stable")
    plot = new_figure(
        f"descriptors of {coverage.species}, by their spread",
        "share of the training range",
        height=HALF + 70,
    )
    columns = {part: _columns(coverage, own, order) for part, own in scaled.items()}
    train = columns["train"]
    wide = plot.vbar("place", 1.0, "q95", "q5", source=train, color=PALE, line_color=None)
    half = plot.vbar("place", 1.0, "q75", "q25", source=train, color=COLORS["train"], alpha=0.6)
    entries = [("train: 90 %", [wide]), ("half", [half])]
    hover(plot, [wide], _coverage_lines())
    for part, data in columns.items():
        if part != "train":
            style = {"source": data, "size": 4, "color": COLORS[part], "line_color": None}
            ends = [plot.scatter("place", y, marker=GLYPHS[part], **style) for y in ("q0", "q100")]
            entries.append((f"{part}: ends", ends))
            hover(plot, ends, _coverage_lines())
    plot.xaxis.ticker = []
    for edge in (0, 1):
        plot.add_layout(Slope(gradient=0, y_intercept=edge, line_color=GREY, line_width=0.8))
    legend_above(plot, entries)
    plot.legend.orientation = "horizontal"
    plot.legend.spacing = 8
    return plot


def _columns(coverage: Coverage, scaled: ndarray, order: ndarray) -> ColumnDataSource:
    levels = (0, 5, 25, 50, 75, 95, 100)
    data: dict[str, object] = {
        f"q{level}": row[order] for level, row in zip(levels, scaled, strict=True)
    }
    data["place"] = np.arange(len(order))
    data["descriptor"] = [coverage.descriptors[k] for k in order]
    return ColumnDataSource(data)


def _coverage_lines() -> list[tuple[str, str]]:
    return [
        ("descriptor", "@descriptor"),
        ("from, to", "@q0{0.000}, @q100{0.000}"),
        ("median", "@q50{0.000}"),
    ]
