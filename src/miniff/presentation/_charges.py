"""Charges of atoms: how often each occurs, by species."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy import ndarray

from miniff.kernel import Cell
from miniff.presentation._style import LINES, PALETTE, look
from miniff.presentation._units import labelled

__all__ = ["charges_by_species", "draw_charges", "plot_charges"]

N_BINS = 50
SMALLEST_RANGE = 1e-6
"""Charges that differ by less are drawn as one (charge)."""


def plot_charges(cells: Sequence[Cell], key: str = "charges", *, ax: Axes | None = None) -> Axes:
    """How many atoms of each species have which charge.

    Args:
        cells: Structures that have charges of their atoms in ``meta``; others are left out.
        key: What they call them: ``"charges"``, or ``"charges_pred"`` as ``test-direct`` and
            ``miniff eval`` write what potentials give.
        ax: Where to draw; a new figure by default.

    Raises:
        ValueError: No structure has such charges, or another number of them than atoms.
    """
    found = charges_by_species(cells, key)
    if not found:
        raise ValueError(f"no cell has `{key}` in its `meta`")
    with look(ax) as ax:
        draw_charges(ax, found)
        ax.legend(handlelength=1.4)
    return ax


def charges_by_species(cells: Sequence[Cell], key: str = "charges") -> dict[str, ndarray]:
    """The charges of all atoms that have one, by sorted species.

    Raises:
        ValueError: Another number of charges than atoms.
    """
    found: dict[str, list[float]] = {}
    for cell in cells:
        if cell.meta.get(key) is None:
            continue
        charges = np.asarray(cell.meta[key], float)
        if charges.size != cell.size:
            raise ValueError(f"`{key}` has shape {charges.shape} but must be ({cell.size},)")
        for name, charge in zip(cell.values, charges.ravel().tolist(), strict=True):
            found.setdefault(name, []).append(charge)
    return {name: np.array(values) for name, values in sorted(found.items())}


def draw_charges(ax: Axes, found: Mapping[str, ndarray]) -> None:
    """A histogram for each species, in one range."""
    low = min(float(values.min()) for values in found.values())
    high = max(float(values.max()) for values in found.values())
    if high - low < SMALLEST_RANGE:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, N_BINS + 1).tolist()
    for k, (name, values) in enumerate(found.items()):
        color, dashes = PALETTE[k % len(PALETTE)], LINES[k % len(LINES)]
        ax.hist(values, edges, histtype="step", label=name, lw=1.2, color=color, ls=dashes)
    ax.set(xlabel=labelled("charge", "e"), ylabel="atoms")
