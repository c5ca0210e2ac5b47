"""A scatter of predictions: its points, its legend, and how the errors are distributed."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from numpy import ndarray

from miniff.presentation._style import GREY, LINES, frame
from miniff.units import three_digits

__all__ = ["Series", "draw_distribution", "draw_errors", "draw_points"]

LARGEST_SCATTER = 20000
"""Of more points than this, those that fall on each other are drawn once."""
N_CELLS = 220
"""Points of one such cell, this part of the axis wide and high, fall on each other."""
N_BINS = (9, 41)
"""The least and most bins of a distribution of errors."""
WIDTHS = 3.0
"""Distributions are drawn up to this many root mean square errors of the worst series."""
MOST_DISTRIBUTIONS = 4
INSET = (0.53, 0.2, 0.4, 0.27)
TINY = 6.0


@dataclass(frozen=True, eq=False)
class Series:
    """What is drawn in one colour, in the unit of the axes."""

    name: str
    color: str
    marker: str
    x: ndarray
    y: ndarray


def draw_points(ax: Axes, series: Sequence[Series], limits: tuple[float, float]) -> None:
    many = sum(len(s.x) for s in series) > LARGEST_SCATTER
    form: dict[str, Any] = {"lw": 0, "rasterized": True, "zorder": 2}
    for s in series:
        if not many:
            ax.scatter(s.x, s.y, s=7, marker=s.marker, color=s.color, alpha=0.6, **form)
            continue
        x, y, count = _cells(s, limits)
        if len(series) > 1:
            ax.scatter(x, y, s=3, marker=s.marker, color=s.color, **form)
            continue
        order = np.argsort(count)
        shades = LinearSegmentedColormap.from_list("shades", ["#9ecae1", s.color, "#001a33"])
        norm = LogNorm(1, max(count.max(), 2))
        points = ax.scatter(
            x[order], y[order], c=count[order], s=3, marker="o", cmap=shades, norm=norm, **form
        )
        _count_bar(ax, points)


def _cells(s: Series, limits: tuple[float, float]) -> tuple[ndarray, ndarray, ndarray]:
    """Centres of the cells of a square lattice in which points lie, and how many."""
    count, edges, _ = np.histogram2d(s.x, s.y, bins=N_CELLS, range=(limits, limits))
    column, row = np.nonzero(count)
    centre = (edges[:-1] + edges[1:]) / 2
    return centre[column], centre[row], count[column, row]


def _count_bar(ax: Axes, points: PathCollection) -> None:
    """What the shades mean, in the empty corner above the diagonal."""
    place = ax.inset_axes((0.07, 0.85, 0.3, 0.03), zorder=0.5)
    bar = ax.figure.colorbar(points, cax=place, orientation="horizontal")
    bar.outline.set_linewidth(0.4)
    bar.ax.tick_params(labelsize=TINY, length=1.5, width=0.4, pad=1, which="major")
    bar.ax.tick_params(length=0, which="minor")
    bar.ax.set_title("points per dot", fontsize=TINY, pad=2, loc="left")


def draw_errors(ax: Axes, series: Sequence[Series], scale: float, unit: str) -> None:
    handles = []
    several = 1 < len(series) <= MOST_DISTRIBUTIONS
    for s, dashes in zip(series, cycle(LINES)):
        off = scale * (s.y - s.x)
        text = (
            f"{three_digits(np.abs(off).mean())} / {three_digits(np.sqrt(np.square(off).mean()))}"
        )
        label = f"{s.name}: {text}" if s.name else text
        form: dict[str, Any] = {"lw": 0.8, "linestyle": dashes if several else "none"}
        handles += ax.plot([], [], s.marker, color=s.color, ms=3.5, label=label, **form)
    ax.legend(
        handles=handles,
        title=f"MAE / RMSE ({unit})",
        alignment="left",
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        handlelength=2.2 if several else 0.8,
        borderaxespad=0.1,
    )


def draw_distribution(ax: Axes, series: Sequence[Series], scale: float, unit: str) -> None:
    """How the errors are distributed, behind the points in the corner below the diagonal."""
    errors = [(s.color, scale * (s.y - s.x)) for s in series]
    if len(series) > MOST_DISTRIBUTIONS:
        errors = [(GREY, np.concatenate([off for _, off in errors]))]
    reach = WIDTHS * max(float(np.sqrt(np.square(off).mean())) for _, off in errors) or 1.0
    inset = ax.inset_axes(INSET, zorder=0.5)
    inset.patch.set_alpha(0)
    for (color, off), dashes in zip(errors, LINES, strict=False):
        bins = 2 * (int(np.clip(2 * len(off) ** (1 / 3), *N_BINS)) // 2) + 1
        inside = np.clip(off, -reach, reach)
        count, edges = np.histogram(inside, bins=bins, range=(-reach, reach))
        share = count / (len(off) * np.diff(edges))
        if len(errors) == 1:
            inset.stairs(share, edges, fill=True, color=color, alpha=0.3, lw=0)
        inset.stairs(share, edges, color=color, linestyle=dashes, lw=0.8)
    inset.axvline(0, color=GREY, lw=0.5, zorder=0)
    frame(inset)
    tick = _round_below(0.85 * reach)
    inset.set(xlim=(-reach, reach), yticks=[], xticks=[-tick, 0, tick])
    end = f"{tick:g}"
    zero = "0" if len(end) < 4 else ""
    inset.set_xticklabels([f"\N{MINUS SIGN}{end}", zero, end])
    inset.tick_params(top=False, labelsize=TINY, length=2, pad=1.5)
    inset.spines[["left", "right", "top"]].set_visible(False)
    inset.spines["bottom"].set_linewidth(0.5)
    inset.set_xlabel(f"error ({unit})", fontsize=TINY, labelpad=1)


def _round_below(value: float) -> float:
    """The largest of 1, 2, 5, 10, ... that is not above a positive value."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(power * max(n for n in (1, 2, 5) if n * power <= value * (1 + 1e-9)))
