"""Distributions of distances and of angles, the reference beside the prediction."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy import ndarray

from miniff._checks import check_finite, check_shape, unknown_name
from miniff.presentation._style import GREY, LINES, PALETTE, look
from miniff.presentation._units import labelled, printed, size_of

__all__ = ["plot_adf", "plot_rdf"]

Distribution = Mapping[str, ndarray]
REFERENCE: dict[str, Any] = {"lw": 3.0, "alpha": 0.35, "linestyle": "-"}


def plot_rdf(
    r: ndarray,
    rdf: Distribution,
    reference: Distribution | None = None,
    *,
    normalized: bool = False,
    length_unit: str = "angstrom",
    labels: tuple[str, str] = ("predicted", "reference"),
    ax: Axes | None = None,
) -> Axes:
    """Radial distributions, as ``CellImages.rdf`` and ``kernel.batch_rdf`` give them.

    A reference is a broad pale line under the thin one of the prediction.

    Args:
        r: Distances (length).
        rdf: For each ``"s1-s2"`` the density of s2 around s1 (1/length^3), or g(r).
        reference: The same for some or all of the pairs of species.
        normalized: Whether it is g(r), without unit, as with ``normalize=True``.
        length_unit: Name of the unit of distances and of the density.
        labels: What to call the two in the legend.
        ax: Where to draw; a new figure by default.

    Raises:
        ValueError: No distribution, other lengths than that of ``r``, numbers that are not finite,
            a reference for what was not predicted, or an unknown unit.
    """
    unit = size_of(length_unit, "length")
    scale = 1.0 if normalized else unit**3
    with look(ax) as ax:
        _draw(ax, ("r", r, 1 / unit), ("rdf", rdf, scale), reference, labels)
        ax.set_xlabel(labelled("r", length_unit))
        ax.set_ylabel("g(r)" if normalized else f"density ({printed(length_unit, -3)})")
        if normalized:
            ax.axhline(1, color="0.7", lw=0.5, zorder=0)
    return ax


def plot_adf(
    theta: ndarray,
    adf: Distribution,
    reference: Distribution | None = None,
    *,
    labels: tuple[str, str] = ("predicted", "reference"),
    ax: Axes | None = None,
) -> Axes:
    """Angular distributions, as ``CellImages.adf`` and ``kernel.batch_adf`` give them, in degrees.

    A reference is a broad pale line under the thin one of the prediction.

    Args:
        theta: Angles (radian).
        adf: For each ``"s0-[s1,s2]"`` triples per radian; drawn per degree.
        reference: The same for some or all of the triples of species.
        labels: What to call the two in the legend.
        ax: Where to draw; a new figure by default.

    Raises:
        ValueError: As :func:`plot_rdf`.
    """
    degree = np.pi / 180
    with look(ax) as ax:
        _draw(ax, ("theta", theta, 1 / degree), ("adf", adf, degree), reference, labels)
        ax.set(xlabel="angle (degrees)", ylabel="triples per degree")
        if len(theta) and np.min(theta) < np.pi / 6 and np.max(theta) > 5 * np.pi / 6:
            ax.set_xticks(range(0, 181, 30))
    return ax


def _draw(
    ax: Axes,
    grid: tuple[str, ndarray, float],
    predicted: tuple[str, Distribution, float],
    reference: Distribution | None,
    labels: tuple[str, str],
) -> None:
    """Curves over a grid; each comes with its name and factor."""
    (x_name, x, x_scale), (name, curves, scale) = grid, predicted
    x = np.asarray(x, float)
    check_shape(x_name, x, ("n_points",))
    check_finite(x_name, x)
    if len(x) < 2:
        raise ValueError(f"`{x_name}` has {len(x)} numbers but must have two or more")
    if not curves:
        raise ValueError(f"`{name}` is empty: there is nothing to draw")
    for key in reference or {}:
        if key not in curves:
            raise ValueError(unknown_name(f"key of `{name}`", key, curves))
    order = np.argsort(x)
    x = x[order]
    handles = []
    for n, (key, values) in enumerate(curves.items()):
        color, dashes = PALETTE[n % len(PALETTE)], LINES[n % len(LINES)]
        if reference is not None and key in reference:
            known = _checked(f"reference[{key!r}]", reference[key], len(x))[order]
            ax.plot(x * x_scale, known * scale, color=color, **REFERENCE)
        drawn = _checked(f"{name}[{key!r}]", values, len(x))[order] * scale
        handles += ax.plot(x * x_scale, drawn, color=color, lw=1.0, linestyle=dashes, label=key)
    ax.set_xlim(x[0] * x_scale, x[-1] * x_scale)
    ax.set_ylim(bottom=0)
    if not reference:
        ax.legend(handles=handles)
        return
    single = len(curves) == 1
    color = PALETTE[0] if single else GREY
    both = [
        Line2D([], [], color=color, lw=1.0, label=labels[0]),
        Line2D([], [], color=color, label=labels[1], **REFERENCE),
    ]
    ax.legend(handles=both if single else handles + both, title=key if single else None)


def _checked(name: str, values: ndarray, n: int) -> ndarray:
    array = np.asarray(values, float)
    check_shape(name, array, (n,))
    check_finite(name, array)
    return array
