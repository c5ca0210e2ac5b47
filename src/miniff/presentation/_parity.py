"""Predictions against references, with the errors in numbers and as a distribution."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.ticker import MaxNLocator
from numpy import ndarray

from miniff._checks import unknown_name
from miniff.presentation._labels import Labelled
from miniff.presentation._quantities import QUANTITIES, Quantity
from miniff.presentation._style import COLORS, GREY, MARKERS, PAGE, PALETTE, frame, look, new_axes
from miniff.presentation._units import labelled, printed, size_of

__all__ = ["plot_diagonal", "plot_parities"]

Values = ndarray | Mapping[str, ndarray]
LARGEST_SCATTER = 20000
"""Of more points than this, those that fall on each other are drawn once."""
N_CELLS = 220
"""Points of one such cell, this part of the axis wide and high, fall on each other."""
N_BINS = (9, 41)
"""The least and most bins of a distribution of errors."""
WIDTHS = 3.0
"""Distributions are drawn up to this many root mean square errors of the worst series."""
MOST_DISTRIBUTIONS = 4
INSET = (0.56, 0.2, 0.4, 0.27)
TINY = 6.0
SQUARE = 3.1
"""Height of a figure without its legend, in inches."""
LINE = 0.128
"""Height of a line of the legend, in inches."""


@dataclass(frozen=True, eq=False)
class _Series:
    """What is drawn in one colour, in the unit of the axes."""

    name: str
    color: str
    marker: str
    x: ndarray
    y: ndarray


def plot_diagonal(
    reference: Values,
    predicted: Values,
    quantity: Quantity = "energy",
    *,
    unit: str | None = None,
    error_unit: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Predictions against references, with their errors in the legend and as a distribution.

    Energies are drawn from the lowest reference on. The inset has the distribution of the errors,
    prediction minus reference, up to three times the largest root mean square error; what lies
    beyond is in its outermost bins. From five series on it is that of all errors together. Of more
    than 20000 points those that fall on each other are drawn once; if they are of one series, dark
    where many lie.

    Args:
        reference: Energies per atom (energy), components of forces (energy/length) or of stresses
            (energy/length^3), of any shape; of several sets or groups by name. nan stands for what
            has no reference and is left out.
        predicted: Of the same shape, for the same names.
        quantity: What it is: ``"energy"``, ``"forces"`` or ``"stress"``.
        unit: Name of the unit of the axes: eV, eV/angstrom or GPa by default.
        error_unit: Name of the unit of the errors: meV, meV/angstrom or MPa by default.
        ax: Where to draw; a new figure by default.

    Raises:
        ValueError: Other shapes or names, no reference at all, one without a finite prediction, or
            an unknown quantity or unit.
    """
    if quantity not in QUANTITIES:
        raise ValueError(unknown_name("quantity", quantity, QUANTITIES))
    what = QUANTITIES[quantity]
    unit, error_unit = unit or what.unit, error_unit or what.error_unit
    size, error_size = (size_of(name, what.kind) for name in (unit, error_unit))
    pairs = _pairs(reference, predicted)
    lowest = min(x.min() for x, _ in pairs.values()) if quantity == "energy" else 0.0
    series = _series({k: ((x - lowest) / size, (y - lowest) / size) for k, (x, y) in pairs.items()})
    limits = _square_limits(series)
    with look(ax, height=SQUARE + (len(series) + 1) * LINE) as ax:
        ax.axline((limits[0],) * 2, slope=1, color=GREY, lw=0.6, zorder=1)
        ax.set(xlim=limits, ylim=limits)
        ax.set_box_aspect(1)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        _points(ax, series, limits)
        shown = f"{printed(error_unit)}{what.per}"
        _legend(ax, series, size / error_size, shown)
        _distribution(ax, series, size / error_size, shown)
        for set_label, word in ((ax.set_xlabel, "reference"), (ax.set_ylabel, "predicted")):
            set_label(labelled(f"{word} {quantity}", unit, what.per))
    return ax


def plot_parities(
    reference: Labelled | Mapping[str, Labelled],
    predicted: Labelled | Mapping[str, Labelled],
    *,
    groups: Sequence[str] | None = None,
    axes: Sequence[Axes] | ndarray | None = None,
) -> list[Axes]:
    """Energies, forces and stresses side by side, those of which there is a reference.

    Args:
        reference: ``ml_util.Properties`` as results of workflows have them, or what
            :func:`labels_of` finds in cells; of several sets by name.
        predicted: Of the same structures.
        groups: A name for each structure, to colour by; only for one set.
        axes: One for each quantity that is there; a new figure by default.

    Raises:
        ValueError: As :func:`plot_diagonal`, or another number of names or axes than needed.
    """
    pairs = {}
    for quantity in QUANTITIES:
        x, y = (_values_by_name(each, quantity, groups) for each in (reference, predicted))
        if any(np.isfinite(values).any() for values in x.values()):
            pairs[quantity] = x, y
    if not pairs:
        raise ValueError("there is no reference to compare with: neither energy, forces nor stress")
    drawn = list(np.ravel(np.asarray(axes, object))) if axes is not None else _row(pairs)
    if len(drawn) != len(pairs):
        raise ValueError(
            f"{len(drawn)} axes are given but there are {len(pairs)} quantities: {', '.join(pairs)}"
        )
    for ax, (quantity, (x, y)) in zip(drawn, pairs.items(), strict=True):
        plot_diagonal(x, y, quantity, ax=ax)
    return drawn


def _row(pairs: Mapping[Quantity, tuple[Mapping[str, ndarray], object]]) -> list[Axes]:
    """New axes, with room for the legends above them."""
    names = max(len(x) for x, _ in pairs.values())
    width = PAGE * len(pairs) / 3
    return new_axes(len(pairs), width=width, height=PAGE / 3 + (names + 1) * LINE - 0.05)


def _values_by_name(
    given: Labelled | Mapping[str, Labelled], quantity: Quantity, groups: Sequence[str] | None
) -> dict[str, ndarray]:
    """Of each set, or of each group of the only one."""
    attribute = "energy_per_atom" if quantity == "energy" else quantity
    if isinstance(given, Mapping):
        if groups is not None:
            raise ValueError("`groups` are given beside several sets: colours can tell only one")
        return {name: np.asarray(getattr(each, attribute)) for name, each in given.items()}
    values = np.asarray(getattr(given, attribute))
    if groups is None:
        return {"": values}
    if len(groups) != len(given.n_atoms):
        raise ValueError(
            f"{len(groups)} `groups` are given but there are {len(given.n_atoms)} structures"
        )
    of = np.asarray(groups, dtype=object)
    of = np.repeat(of, given.n_atoms) if quantity == "forces" else of
    return {name: values[of == name] for name in dict.fromkeys(groups)}


def _pairs(reference: Values, predicted: Values) -> dict[str, tuple[ndarray, ndarray]]:
    """The references that are there, by name, and the prediction of each."""
    wanted = reference if isinstance(reference, Mapping) else {"": reference}
    found = predicted if isinstance(predicted, Mapping) else {"": predicted}
    if set(wanted) != set(found):
        raise ValueError(
            f"`reference` is of {_listed(wanted)} but `predicted` of {_listed(found)}: "
            "they must be of the same"
        )
    pairs = {}
    for name, values in wanted.items():
        x, y = np.asarray(values, float), np.asarray(found[name], float)
        of = f" of {name}" if name else ""
        if x.shape != y.shape:
            raise ValueError(f"`predicted`{of} has shape {y.shape} but must be {x.shape}")
        known = ~np.isnan(x)
        x, y = x[known], y[known]
        bad = np.flatnonzero(~(np.isfinite(x) & np.isfinite(y)))
        if len(bad):
            raise ValueError(
                f"prediction and reference{of} are {y[bad[0]]} and {x[bad[0]]} "
                "but both must be finite where there is a reference"
            )
        if len(x):
            pairs[name] = x, y
    if not pairs:
        raise ValueError("`reference` has no number to compare with")
    return pairs


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(name or "one unnamed set" for name in names) or "nothing"


def _series(pairs: Mapping[str, tuple[ndarray, ndarray]]) -> list[_Series]:
    colors = [COLORS.get(name, PALETTE[n % len(PALETTE)]) for n, name in enumerate(pairs)]
    return [
        _Series(name, color, MARKERS[n % len(MARKERS)], x, y)
        for n, ((name, (x, y)), color) in enumerate(zip(pairs.items(), colors, strict=True))
    ]


def _square_limits(series: Sequence[_Series]) -> tuple[float, float]:
    """One range for both axes."""
    low = float(min(min(s.x.min(), s.y.min()) for s in series))
    high = float(max(max(s.x.max(), s.y.max()) for s in series))
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _points(ax: Axes, series: Sequence[_Series], limits: tuple[float, float]) -> None:
    many = sum(len(s.x) for s in series) > LARGEST_SCATTER
    form = {"lw": 0, "rasterized": True, "zorder": 2}
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


def _cells(s: _Series, limits: tuple[float, float]) -> tuple[ndarray, ndarray, ndarray]:
    """Centres of the cells of a square lattice in which points lie, and how many."""
    count, edges, _ = np.histogram2d(s.x, s.y, bins=N_CELLS, range=(limits, limits))
    column, row = np.nonzero(count)
    centre = (edges[:-1] + edges[1:]) / 2
    return centre[column], centre[row], count[column, row]


def _count_bar(ax: Axes, points: object) -> None:
    """What the shades mean, in the empty corner above the diagonal."""
    place = ax.inset_axes((0.07, 0.85, 0.3, 0.03), zorder=0.5)
    bar = ax.figure.colorbar(points, cax=place, orientation="horizontal")  # type: ignore[arg-type]
    bar.outline.set_linewidth(0.4)  # type: ignore[operator]
    bar.ax.tick_params(labelsize=TINY, length=1.5, width=0.4, pad=1, which="major")
    bar.ax.tick_params(length=0, which="minor")
    bar.ax.set_title("points per dot", fontsize=TINY, pad=2, loc="left")


def _legend(ax: Axes, series: Sequence[_Series], scale: float, unit: str) -> None:
    handles = []
    for s in series:
        off = scale * (s.y - s.x)
        text = f"{_number(np.abs(off).mean())} / {_number(np.sqrt(np.square(off).mean()))}"
        label = f"{s.name}: {text}" if s.name else text
        handles += ax.plot([], [], s.marker, color=s.color, ms=3.5, label=label, linestyle="none")
    ax.legend(
        handles=handles,
        title=f"MAE / RMSE ({unit})",
        alignment="left",
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        handlelength=0.8,
        borderaxespad=0.1,
    )


def _number(value: float) -> str:
    """Three digits, never in powers of ten."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _distribution(ax: Axes, series: Sequence[_Series], scale: float, unit: str) -> None:
    """How the errors are distributed, behind the points in the corner below the diagonal."""
    errors = [(s.color, scale * (s.y - s.x)) for s in series]
    if len(series) > MOST_DISTRIBUTIONS:
        errors = [(GREY, np.concatenate([off for _, off in errors]))]
    reach = WIDTHS * max(float(np.sqrt(np.square(off).mean())) for _, off in errors) or 1.0
    inset = ax.inset_axes(INSET, zorder=0.5)
    inset.patch.set_alpha(0)
    for color, off in errors:
        bins = 2 * (int(np.clip(2 * len(off) ** (1 / 3), *N_BINS)) // 2) + 1
        inside = np.clip(off, -reach, reach)
        count, edges = np.histogram(inside, bins=bins, range=(-reach, reach))
        share = count / (len(off) * np.diff(edges))
        if len(errors) == 1:
            inset.stairs(share, edges, fill=True, color=color, alpha=0.3, lw=0)
        inset.stairs(share, edges, color=color, lw=0.8)
    inset.axvline(0, color=GREY, lw=0.5, zorder=0)
    frame(inset)
    tick = _round_below(0.9 * reach)
    inset.set(xlim=(-reach, reach), yticks=[], xticks=[-tick, 0, tick])
    inset.set_xticklabels([f"{x:g}".replace("-", "\N{MINUS SIGN}") for x in (-tick, 0, tick)])
    inset.tick_params(top=False, labelsize=TINY, length=2, pad=1.5)
    inset.spines[["left", "right", "top"]].set_visible(False)
    inset.spines["bottom"].set_linewidth(0.5)
    inset.set_xlabel(f"error ({unit})", fontsize=TINY, labelpad=1)


def _round_below(value: float) -> float:
    """The largest of 1, 2, 5, 10, ... that is not above a positive value."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(power * max(n for n in (1, 2, 5) if n * power <= value * (1 + 1e-9)))
