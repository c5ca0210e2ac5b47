"""Learning curves: errors against the epoch, evaluations or time."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy import ndarray

from miniff._checks import unknown_name
from miniff.presentation._quantities import QUANTITIES, Quantity
from miniff.presentation._style import COLORS, MARKERS, PAGE, look, new_axes
from miniff.presentation._units import labelled, size_of

__all__ = ["Recorded", "plot_convergence"]

Progress = Literal["epoch", "n_evaluations", "wall_time_s"]
AGAINST: dict[Progress, str] = {
    "epoch": "epoch",
    "n_evaluations": "evaluations",
    "wall_time_s": "time (s)",
}
MEASURES = {"mae": "MAE", "rmse": "RMSE"}
N_MARKERS = 8
"""On a line that is one of several runs."""
DASHES = {"train": "-", "validation": (0, (4, 1.5))}
PLAIN_NUMBERS = FuncFormatter(lambda value, _: f"{value:g}")
"""20 rather than 2 x 10^1 beside a logarithmic axis."""
BETWEEN = ((0.3, range(2, 10)), (0.8, (2, 3, 5, 7)), (np.inf, (2, 5)))
"""The digits that have a tick, on axes over less than so many powers of ten."""


@runtime_checkable
class Recorded(Protocol):
    """What one epoch reached: ``ml_util`` has such records in the result of a fit."""

    def as_plain(self) -> dict[str, object]: ...


def plot_convergence(
    records: Sequence[Recorded | Mapping[str, Any]],
    *,
    measure: Literal["mae", "rmse"] = "rmse",
    against: Progress = "epoch",
    label: str | None = None,
    axes: Sequence[Axes] | ndarray | None = None,
) -> list[Axes]:
    """Errors of the training and validation set in each epoch, on a logarithmic scale.

    One panel for each of energy, forces, stress and charges that was compared; the legend is in the
    first. Draw another run into the same axes to compare the two: then a ``label`` names each,
    which has a colour and a marker of its own, and lines of the validation sets are dashed.

    Args:
        records: One for each epoch: ``FitResult.records``, or ``records`` of ``fit.json``.
        measure: ``"rmse"`` or ``"mae"``.
        against: ``"epoch"``, ``"n_evaluations"`` of loss and gradient, or ``"wall_time_s"``.
        label: Name of the run, if there are several.
        axes: One for each panel; a new figure by default.

    Returns:
        The axes, in the order energy, forces, stress, charges.

    Raises:
        ValueError: No record or none that has errors, an unknown measure or scale, or another
            number of axes than of panels.
    """
    for what, given, known in (("measure", measure, MEASURES), ("scale", against, AGAINST)):
        if given not in known:
            raise ValueError(unknown_name(what, given, known))
    plain = _plain(records, against)
    panels = {quantity: _curves(plain, quantity, measure) for quantity in QUANTITIES}
    panels = {quantity: curves for quantity, curves in panels.items() if curves}
    if not panels:
        raise ValueError("`records` have no errors of energy, forces, stress or charges")
    drawn = _axes(len(panels), axes)
    if len(drawn) != len(panels):
        raise ValueError(
            f"{len(drawn)} axes are given but there are {len(panels)} panels: {', '.join(panels)}"
        )
    steps = np.array([record[against] for record in plain], float)
    for given_ax, (quantity, curves) in zip(drawn, panels.items(), strict=True):
        with look(given_ax) as ax:
            _draw(ax, steps, curves, label)
            unit = QUANTITIES[quantity].error_unit
            title = labelled(f"{MEASURES[measure]} of {quantity}", unit, QUANTITIES[quantity].per)
            ax.set(xlabel=AGAINST[against], ylabel=title)
            ax.xaxis.set_major_locator(
                MaxNLocator(5, integer=against != "wall_time_s", steps=[1, 2, 5, 10])
            )
            if ax is drawn[0]:
                ax.legend()
    return drawn


def _plain(
    records: Sequence[Recorded | Mapping[str, Any]], against: Progress
) -> list[Mapping[str, Any]]:
    if not isinstance(records, Sequence):
        raise TypeError(
            f"`records` is a {type(records).__name__} but must be a list of what each epoch reached"
        )
    if not len(records):
        raise ValueError("`records` are empty: there is no epoch to draw")
    plain: list[Mapping[str, Any]] = []
    for n, record in enumerate(records):
        if not isinstance(record, Mapping | Recorded):
            raise TypeError(f"record {n} (counted from 0) is a {type(record).__name__}")
        plain.append(record if isinstance(record, Mapping) else record.as_plain())
        if against not in plain[-1]:
            raise ValueError(f"record {n} (counted from 0) has no `{against}`")
    return plain


def _axes(n: int, axes: Sequence[Axes] | ndarray | None) -> list[Axes]:
    if axes is not None:
        return list(np.ravel(np.asarray(axes, dtype=object)))
    return new_axes(n, width=PAGE * n / 3, height=2.0)


def _curves(
    records: Sequence[Mapping[str, Any]], quantity: Quantity, measure: str
) -> dict[str, ndarray]:
    """Errors of each set that has them in any epoch, in the unit of errors; nan in the others."""
    what = QUANTITIES[quantity]
    size = size_of(what.error_unit, what.kind)
    curves = {}
    for part in ("train", "validation"):
        errors = [(record.get(part) or {}).get(quantity) for record in records]
        if any(errors):
            values = [error[measure] if error else np.nan for error in errors]
            curves[part] = np.array(values, float) / size
    return curves


def _draw(ax: Axes, steps: ndarray, curves: Mapping[str, ndarray], label: str | None) -> None:
    form: dict[str, Any] = {"marker": "o" if len(steps) == 1 else None}
    if label is not None:
        form = {"marker": MARKERS[len(ax.lines) % len(MARKERS)], "markersize": 3.0}
        form["markevery"] = max(len(steps) // N_MARKERS, 1)
    for part, values in curves.items():
        if label is None:
            form["color"] = COLORS[part]
        named = part if label is None else f"{label}, {part}"
        (line,) = ax.plot(steps, values, lw=1.2, linestyle=DASHES[part], label=named, **form)
        form["color"] = line.get_color()
    if any(np.any(values > 0) for values in curves.values()):
        ax.set_yscale("log")
        low, high = ax.get_ylim()
        decades = np.log10(high / low)
        between = next(digits for most, digits in BETWEEN if decades < most)
        ax.yaxis.set_minor_locator(LogLocator(subs=between, numticks=12))
        ax.yaxis.set_major_formatter(PLAIN_NUMBERS)
        ax.yaxis.set_minor_formatter(PLAIN_NUMBERS if decades < 2.5 else NullFormatter())
