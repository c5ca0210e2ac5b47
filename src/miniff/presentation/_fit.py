"""How a fit went: learning curves and predictions against references."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray

from miniff.presentation._style import COLORS, new_axes, tidy

__all__ = ["Labelled", "plot_convergence", "plot_diagonal", "plot_parities"]

Property = Literal["energy", "forces", "stress"]
UNITS = {
    "energy": ("energy", "meV/atom", 1e3),
    "forces": ("forces", "eV/Å", 1.0),
    "stress": ("stress", "GPa", 160.2176634),
}
LARGEST_SCATTER = 20000
"""Points beyond this number are thinned out, evenly, so that the plot stays quick to draw."""


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
        title, unit, factor = UNITS[name]
        for part, values in curves.items():
            ax.plot(epochs, factor * np.asarray(values), color=COLORS[part], label=part, lw=1.2)
        ax.set(yscale="log", xlabel="epoch", ylabel=f"RMSE of {title} ({unit})")
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

    Args:
        reference: Of each set.
        predicted: Of the same sets.
        which: The property.
        ax: Where to draw; a new figure by default.
    """
    ax = new_axes()[0] if ax is None else ax
    title, unit, factor = UNITS[which]
    shown = []
    for part, known in reference.items():
        x, y = _pairs(known, predicted[part], which)
        if not len(x):
            continue
        off = factor * (y - x)
        label = f"{part}: {np.abs(off).mean():.3g} / {np.sqrt(np.square(off).mean()):.3g}"
        step = max(len(x) // LARGEST_SCATTER, 1)
        ax.scatter(
            factor * x[::step], factor * y[::step], s=4, lw=0, alpha=0.5,
            color=COLORS[part], label=label, rasterized=True,
        )
        shown.append(factor * np.concatenate([x, y]))
    if shown:
        low, high = np.concatenate(shown).min(), np.concatenate(shown).max()
        ax.axline((low, low), (high, high) if high > low else None, slope=None if high > low else 1,
                  color="0.4", lw=0.8, zorder=0)
        ax.legend(title="MAE / RMSE", title_fontsize=8, loc="upper left", handletextpad=0)
    ax.set(xlabel=f"reference {title} ({unit})", ylabel=f"predicted {title} ({unit})")
    return tidy(ax)


def plot_parities(
    reference: Mapping[str, Labelled], predicted: Mapping[str, Labelled]
) -> Figure:
    """Energy, forces and stress side by side, those of which there is a reference.

    Energies are drawn relative to the lowest reference.
    """
    names: list[Property] = [
        name
        for name in ("energy", "forces", "stress")
        if any(len(_pairs(reference[part], predicted[part], name)[0]) for part in reference)
    ]
    axes = new_axes(max(len(names), 1), width=2.6)
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
