"""Predictions against references, with the errors in numbers and as a distribution."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy import ndarray

from miniff._checks import unknown_name
from miniff.presentation._labels import Labelled
from miniff.presentation._quantities import QUANTITIES, Quantity
from miniff.presentation._scatter import Series, draw_distribution, draw_errors, draw_points
from miniff.presentation._style import COLORS, GREY, MARKERS, PAGE, PALETTE, look, new_axes
from miniff.presentation._units import labelled, printed, size_of

__all__ = ["plot_diagonal", "plot_parities"]

Values = ndarray | Mapping[str, ndarray]
SQUARE = 3.1
"""Height of a figure without its legend, in inches."""
LINE = 0.14
"""Height of a line of the legend, in inches."""


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
            (energy/length^3), or charges of atoms, of any shape; of several sets or groups by name.
            nan stands for what has no reference and is left out.
        predicted: Of the same shape, for the same names.
        quantity: What it is: ``"energy"``, ``"forces"``, ``"stress"`` or ``"charges"``.
        unit: Name of the unit of the axes: eV, eV/angstrom, GPa or e by default.
        error_unit: Name of the unit of the errors: meV, eV/angstrom, MPa or e by default.
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
        draw_points(ax, series, limits)
        shown = f"{printed(error_unit)}{what.per}"
        draw_errors(ax, series, size / error_size, shown)
        draw_distribution(ax, series, size / error_size, shown)
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
    """Energies, forces, stresses and charges side by side, those of which there is a reference.

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
        is_known = any(np.isfinite(values).any() for values in x.values())
        has_some = quantity != "charges" or any(np.isfinite(v).any() for v in y.values())
        if is_known and has_some:  # most potentials have no charges
            pairs[quantity] = x, y
    if not pairs:
        what = "neither energy, forces, stress nor charges"
        raise ValueError(f"there is no reference to compare with: {what}")
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
    if not isinstance(given, Labelled):
        raise TypeError(
            f"a {type(given).__name__} is given but it must have n_atoms, energy_per_atom, "
            "forces, stress and charges: `labels_of` finds them in cells"
        )
    values = np.asarray(getattr(given, attribute))
    if groups is None:
        return {"": values}
    if len(groups) != len(given.n_atoms):
        raise ValueError(
            f"{len(groups)} `groups` are given but there are {len(given.n_atoms)} structures"
        )
    of = np.asarray(groups, dtype=object)
    of = np.repeat(of, given.n_atoms) if quantity in ("forces", "charges") else of
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


def _series(pairs: Mapping[str, tuple[ndarray, ndarray]]) -> list[Series]:
    colors = [COLORS.get(name, PALETTE[n % len(PALETTE)]) for n, name in enumerate(pairs)]
    return [
        Series(name, color, MARKERS[n % len(MARKERS)], x, y)
        for n, ((name, (x, y)), color) in enumerate(zip(pairs.items(), colors, strict=True))
    ]


def _square_limits(series: Sequence[Series]) -> tuple[float, float]:
    """One range for both axes."""
    low = float(min(min(s.x.min(), s.y.min()) for s in series))
    high = float(max(max(s.x.max(), s.y.max()) for s in series))
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin
