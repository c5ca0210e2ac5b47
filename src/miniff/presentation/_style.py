"""One look for all plots: sober, legible in a column of a journal, safe for colour-blind eyes.

It is put on for as long as something is drawn: what the user has set for matplotlib is untouched,
and axes that the user made keep their own frame and type.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Literal

from cycler import cycler
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from miniff._checks import check_at_least, check_positive

__all__ = [
    "COLORS",
    "COLUMN",
    "GREY",
    "LINES",
    "MARKERS",
    "PAGE",
    "PALETTE",
    "SMALL",
    "STYLE",
    "Dashes",
    "frame",
    "look",
    "new_axes",
]

COLUMN, PAGE = 3.4, 7.0
"""Widths of one column of a journal and of both, in inches."""
SMALL = 7.0
"""Size of the numbers beside axes and of legends, in points."""
GREY = "0.45"

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Of Okabe and Ito, those that differ most first; their yellow is too pale for lines on white."""
Dashes = Literal["-"] | tuple[float, Sequence[float]]
LINES: tuple[Dashes, ...] = (
    "-",
    (0, (4, 1.5)),
    (0, (1, 1)),
    (0, (5, 1.5, 1, 1.5)),
    (0, (8, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
)
"""One beside each colour, so that curves differ in grey as well; one less, so that 42 pairs do."""
MARKERS = ("o", "s", "^", "D", "v", "P")
COLORS = {"train": PALETTE[0], "validation": PALETTE[2], "test": PALETTE[1]}
"""Of the sets of structures."""

_TICKS: dict[str, Any] = {
    "direction": "in",
    "length": 2.5,
    "width": 0.6,
    "labelsize": SMALL,
    "pad": 3.0,
}

_SETTINGS: dict[Any, Any] = {
    "figure.dpi": 200.0,
    "figure.figsize": (COLUMN, 2.5),
    "font.size": 8.0,
    "axes.labelsize": 8.0,
    "axes.labelpad": 2.5,
    "axes.titlesize": 8.0,
    "axes.titlepad": 4.0,
    "axes.linewidth": 0.6,
    "axes.grid": False,
    "axes.formatter.useoffset": False,
    "axes.formatter.use_mathtext": True,
    "axes.prop_cycle": cycler(color=PALETTE * 6, linestyle=LINES * 7),
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "patch.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
    "legend.title_fontsize": SMALL,
    "legend.handlelength": 1.8,
    "legend.handletextpad": 0.5,
    "legend.labelspacing": 0.25,
    "legend.borderaxespad": 0.4,
    **{
        f"{axis}tick.{name}": value
        for axis in "xy"
        for name, value in {
            "direction": _TICKS["direction"],
            "labelsize": SMALL,
            "major.size": _TICKS["length"],
            "major.width": _TICKS["width"],
            "major.pad": _TICKS["pad"],
            "minor.size": 1.5,
            "minor.width": 0.5,
        }.items()
    },
    "xtick.top": True,
    "ytick.right": True,
}
STYLE: Mapping[str, Any] = MappingProxyType(_SETTINGS)
"""The look, for ``matplotlib.rc_context(STYLE)`` or ``matplotlib.rcParams.update(STYLE)``."""


class _Figure(Figure):
    """A figure that has the look."""


def new_axes(
    columns: int = 1,
    rows: int = 1,
    *,
    width: float = COLUMN,
    height: float = 2.5,
    share_x: bool = False,
) -> list[Axes]:
    """Axes with the look of all plots, row by row, on a new figure without pyplot's global state.

    ``axes[0].figure.savefig("name.pdf")`` writes the figure.

    Args:
        columns: How many side by side.
        rows: How many above each other.
        width: Of the figure, in inches: 3.4 for one column of a journal, 7 for two.
        height: Of the figure, in inches.
        share_x: Whether the axes of a column have one range and the numbers below the last.

    Raises:
        ValueError: Less than one row or column, or a size that is not positive.
    """
    for name, value in (("columns", columns), ("rows", rows)):
        check_at_least(name, value, 1)
    for name, size in (("width", width), ("height", height)):
        check_positive(name, size)
    with rc_context(_SETTINGS):
        figure = _Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False, sharex="col" if share_x else False)
        for ax in axes.ravel():
            frame(ax)
    return list(axes.ravel())


@contextmanager
def look(ax: Axes | None, *, height: float = 2.5) -> Iterator[Axes]:
    """The axes to draw in, ``ax`` or new ones; with the look unless the user made them."""
    if ax is None:
        (ax,) = new_axes(height=height)
    if isinstance(ax.get_figure(), _Figure):
        with rc_context(_SETTINGS):
            yield ax
    else:
        yield ax


def frame(ax: Axes) -> None:
    """Ticks of the look. matplotlib makes them late: they are told now what they will be."""
    ax.tick_params(which="major", **_TICKS)
    ax.tick_params(which="minor", direction="in", length=1.5, width=0.5)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
