"""Fewer points that look like all of them: every outlier, and some where many lie."""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

__all__ = ["thinned"]

N_CELLS = 80
"""Points of one such cell, this part of the picture wide and high, stand for each other; the cells
are larger where not even one point of each would have a place."""
SHARE_OF_WORST = 0.2
"""Of the points that stay."""


def thinned(
    x: Float[ndarray, " n_points"], error: Float[ndarray, " n_points"], limit: int
) -> Int[ndarray, " n_kept"]:
    """Which points to draw, in their order; all if they are not more than the limit.

    The largest errors stay, all of them; the others are thinned out where they lie densest, in the
    plane of values and errors, so that lonely ones stay too.

    Args:
        x: Values.
        error: Their errors.
        limit: Most points.
    """
    n = len(x)
    if n <= limit:
        return np.arange(n)
    order = np.argsort(-np.abs(error), kind="stable")
    worst, rest = np.split(order, [round(SHARE_OF_WORST * limit)])
    room = limit - len(worst)
    mixed = rest[np.random.default_rng(0).permutation(len(rest))]
    place = _place_within(_cells(x[mixed], error[mixed], room))
    first = mixed[np.argsort(place, kind="stable")]
    kept: ndarray = np.sort(np.concatenate([worst, first[:room]]))
    return kept


def _cells(x: ndarray, error: ndarray, room: int) -> ndarray:
    """In which cell of the plane each point is; no more cells have points than there is room."""
    n = N_CELLS
    while True:
        cell: ndarray = _interval(x, n) * n + _interval(error, n)
        if len(np.unique(cell)) <= room or n == 1:
            return cell
        n = max(n // 2, 1)


def _interval(values: ndarray, n: int) -> ndarray:
    """In which of n equal intervals each lies."""
    low, high = values.min(), values.max()
    scaled = (values - low) / ((high - low) or 1.0)
    interval: ndarray = np.minimum((scaled * n).astype(np.int64), n - 1)
    return interval


def _place_within(cell: ndarray) -> ndarray:
    """How many of the same cell come before each."""
    order = np.argsort(cell, kind="stable")
    ordered = cell[order]
    first = np.searchsorted(ordered, ordered)
    place = np.empty(len(cell), np.int64)
    place[order] = np.arange(len(cell)) - first
    return place
