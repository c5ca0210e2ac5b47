"""One look for all plots: sober, legible at print size, safe for colour-blind eyes."""

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["COLORS", "new_axes", "tidy"]

COLORS = {
    "train": "#0072B2",
    "validation": "#E69F00",
    "test": "#D55E00",
}
"""Of the sets, from the palette of Okabe and Ito."""
SMALL = 8.0


def new_axes(n: int = 1, *, width: float = 3.4, height: float = 2.8, rows: int = 1) -> list[Axes]:
    """Axes side by side on a new figure, without pyplot's global state.

    Args:
        n: How many in a row.
        width: Of each, in inches.
        height: Of each, in inches.
        rows: How many rows.
    """
    figure = Figure(figsize=(n * width, rows * height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, n, squeeze=False)
    return list(axes.ravel())


def tidy(ax: Axes) -> Axes:
    """Thin frame, small type."""
    ax.tick_params(labelsize=SMALL, direction="in", which="both", top=True, right=True)
    for label in (ax.xaxis.label, ax.yaxis.label, ax.title):
        label.set_fontsize(SMALL + 1)
    legend = ax.get_legend()
    if legend is not None:
        legend.set_frame_on(False)
        for text in legend.get_texts():
            text.set_fontsize(SMALL)
    return ax
