"""How a fit went: learning curves and predictions against references."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator
from numpy import ndarray

from miniff.presentation._style import COLORS, new_axes, tidy
from miniff.units import factor as unit_factor

__all__ = ["Labelled", "plot_convergence", "plot_diagonal", "plot_parities"]

Property = Literal["energy", "forces", "stress"]
UNITS = {
    "energy": ("energy", "meV/atom", 1e3),
    "forces": ("forces", "eV/Å", 1.0),
    "stress": ("stress", "GPa", 1 / unit_factor("GPa")),
}
SMALL_UNITS = {
    "energy": ("energy", "meV/atom", 1e3),
    "forces": ("forces", "meV/Å", 1e3),
    "stress": ("stress", "MPa", 1 / unit_factor("MPa")),
}
"""For errors, as in the tables."""
PLAIN_NUMBERS = LogFormatter(minor_thresholds=(2, 0.5))
"""20 rather than 2 x 10^1 beside a logarithmic axis."""
LARGEST_SCATTER = 20000
"""Points beyond this number are thinned out, evenly, so that the plot stays quick to draw."""


@runtime_checkable
class Labelled(Protocol):
    """Values of many structures, nan where something is missing."""

    @property
    def energy_per_atom(self) -> ndarray: ...
    @property
    def forces(self) -> ndarray: ...
    @property
    def stress(self) -> ndarray: ...


def plot_convergence(
    epochs: Sequence[int],
    errors: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Root mean square errors against the epoch, one panel per property.

    Args:
        epochs: Counted from 1.
        errors: For each of energy, forces and stress the errors of each set, in eV/atom,
            eV/angstrom and eV/angstrom^3.
        axes: One for each property; new ones by default.
    """
    panels = list(axes) if axes is not None else new_axes(len(errors), width=2.4)
    for ax, (name, curves) in zip(panels, errors.items(), strict=True):
        title, unit, factor = SMALL_UNITS[name]
        for part, values in curves.items():
            ax.plot(epochs, factor * np.asarray(values), color=COLORS[part], label=part, lw=1.2)
        positive = any(np.any(np.asarray(values) > 0) for values in curves.values())
        ax.set(xlabel="epoch", ylabel=f"RMSE of {title} ({unit})")
        if positive:
            ax.set_yscale("log")
            ax.yaxis.set_major_formatter(PLAIN_NUMBERS)
            ax.yaxis.set_minor_formatter(PLAIN_NUMBERS)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend()
        tidy(ax)
    return panels


def plot_diagonal(
    reference: Mapping[str, Labelled],
    predicted: Mapping[str, Labelled],
    which: Property,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Predictions of one property against references, with the errors in the legend.

    Energies are drawn relative to the lowest reference.

    Args:
        reference: Of each set.
        predicted: Of the same sets.
        which: The property.
        ax: Where to draw; a new figure by default.
    """
    ax = new_axes()[0] if ax is None else ax
    title, unit, factor = UNITS[which]
    pairs = {part: _pairs(reference[part], predicted[part], which) for part in reference}
    pairs = {part: pair for part, pair in pairs.items() if len(pair[0])}
    lowest = min((x.min() for x, _ in pairs.values()), default=0.0)
    origin = lowest if which == "energy" else 0.0
    for part, (x, y) in pairs.items():
        _scatter(ax, part, factor * (x - origin), factor * (y - origin))
    _square(ax, [factor * (values - origin) for pair in pairs.values() for values in pair])
    ax.legend(
        title=f"MAE / RMSE ({unit})",
        title_fontsize=8,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        handletextpad=0.1,
        markerscale=3,
        borderaxespad=0.2,
    )
    ax.set(xlabel=f"reference {title} ({unit})", ylabel=f"predicted {title} ({unit})")
    return tidy(ax)


def _scatter(ax: Axes, part: str, x: Float[ndarray, " n"], y: Float[ndarray, " n"]) -> None:
    off = y - x
    step = max(len(x) // LARGEST_SCATTER, 1)
    ax.scatter(
        x[::step],
        y[::step],
        s=5,
        lw=0,
        alpha=0.5,
        color=COLORS[part],
        label=f"{part}: {np.abs(off).mean():.3g} / {np.sqrt(np.square(off).mean()):.3g}",
        rasterized=True,
    )


def _square(ax: Axes, shown: Sequence[Float[ndarray, " _"]]) -> None:
    """The same range on both axes, and the diagonal."""
    if not shown:
        return
    low, high = min(values.min() for values in shown), max(values.max() for values in shown)
    margin = 0.04 * (high - low) or 1.0
    ax.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin))
    ax.set_box_aspect(1)
    ax.axline((low, low), slope=1, color="0.4", lw=0.8, zorder=0)


def plot_parities(reference: Mapping[str, Labelled], predicted: Mapping[str, Labelled]) -> Figure:
    """Energy, forces and stress side by side, those of which there is a reference."""
    names: list[Property] = [
        name
        for name in ("energy", "forces", "stress")
        if any(len(_pairs(reference[part], predicted[part], name)[0]) for part in reference)
    ]
    axes = new_axes(max(len(names), 1), width=2.4, height=3.2)
    for ax, name in zip(axes, names, strict=False):
        plot_diagonal(reference, predicted, name, ax=ax)
    figure = axes[0].figure
    assert isinstance(figure, Figure)
    return figure


def _pairs(
    reference: Labelled, predicted: Labelled, which: Property
) -> tuple[Float[ndarray, " n"], Float[ndarray, " n"]]:
    """References that are there, and the predictions of them."""
    attribute = "energy_per_atom" if which == "energy" else which
    x, y = np.ravel(getattr(reference, attribute)), np.ravel(getattr(predicted, attribute))
    known = ~np.isnan(x)
    return x[known], y[known]
