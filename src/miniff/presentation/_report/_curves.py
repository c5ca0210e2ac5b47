"""Learning curves: errors of each epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.models import BasicTicker, ColumnDataSource, FixedTicker, PrintfTickFormatter
from bokeh.plotting import figure
from numpy import ndarray

from miniff.presentation._quantities import QUANTITIES
from miniff.presentation._report._figure import HALF, hover, legend_above, new_figure
from miniff.presentation._style import COLORS
from miniff.presentation._units import labelled, printed, size_of

__all__ = ["learning_curves"]

DIGITS = ((0.4, range(1, 10)), (0.9, (1, 2, 3, 5, 7)), (2.5, (1, 2, 5)), (np.inf, (1,)))
"""That have a tick, on axes over less than so many powers of ten."""
DASHES = {"train": "solid", "validation": "dashed"}


def learning_curves(records: Sequence[Mapping[str, Any]]) -> list[figure]:
    """Root mean square errors over epochs, a figure for each quantity that was learned."""
    return [plot for name in QUANTITIES if (plot := _curve(records, name)) is not None]


def _curve(records: Sequence[Mapping[str, Any]], name: Any) -> figure | None:
    what = QUANTITIES[name]
    size = size_of(what.error_unit, what.kind)
    curves = {}
    for part in DASHES:
        errors = [(record.get(part) or {}).get(name) for record in records]
        if any(errors):
            curves[part] = np.array([e["rmse"] / size if e else np.nan for e in errors], float)
    if not curves:
        return None
    is_log = all(np.nanmin(values) > 0 for values in curves.values())
    unit = f"{printed(what.error_unit)}{what.per}"
    plot = new_figure(
        "epoch",
        labelled(f"RMSE of {name}", what.error_unit, what.per),
        height=HALF + 60,
        y_axis_type="log" if is_log else "linear",
    )
    if is_log:
        plot.yaxis.ticker = FixedTicker(ticks=_ticks(np.concatenate(list(curves.values()))))
        plot.yaxis.formatter = PrintfTickFormatter(format="%g")
    plot.xaxis.ticker = BasicTicker(min_interval=1, num_minor_ticks=0)
    epochs = [record["epoch"] for record in records]
    entries, drawn = [], []
    for part, values in curves.items():
        source = ColumnDataSource({"epoch": epochs, "rmse": values})
        style = {"color": COLORS[part], "source": source}
        line = plot.line("epoch", "rmse", line_width=1.6, line_dash=DASHES[part], **style)
        dots = plot.scatter("epoch", "rmse", size=4 if len(epochs) < 80 else 2, **style)
        entries.append((part, [line, dots]))
        dots.name = part
        drawn.append(dots)
    legend_above(plot, entries)
    lines = [("set", "$name"), ("epoch", "@epoch"), ("RMSE", f"@rmse{what.as_shown} {unit}")]
    hover(plot, drawn, lines)
    return plot


def _ticks(values: ndarray) -> list[float]:
    """1, 2, 5, 10, ...; fewer over many powers of ten, and more within one."""
    low, high = np.log10(np.nanmin(values)), np.log10(np.nanmax(values))
    digits = next(own for most, own in DIGITS if high - low < most)
    powers = range(int(np.floor(low)), int(np.ceil(high)) + 1)
    return [digit * 10.0**power for power in powers for digit in digits]
