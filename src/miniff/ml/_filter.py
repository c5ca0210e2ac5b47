"""Descriptors that tell nothing: the same for all atoms, or linear combinations of others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff._checks import check_not_negative
from miniff.ml._dataset import Dataset
from miniff.ml._points import PerPointDataset
from miniff.potentials import FunctionPotential

__all__ = ["FilteredDescriptors", "filter_descriptors"]


@dataclass(frozen=True)
class FilteredDescriptors:
    """What is worth keeping, and what is not.

    Attributes:
        kept: Of each species, in their old order.
        dropped: A sentence about each of the others, with its name and the reason.
    """

    kept: dict[str, list[FunctionPotential]]
    dropped: list[str]


def filter_descriptors(
    dataset: Dataset, *, min_spread: float = 0.0, min_independence: float = 0.0
) -> FilteredDescriptors:
    """Leaves out descriptors that tell the atoms of a data set apart too little.

    Args:
        dataset: The training set, and nothing but the training set.
        min_spread: Greatest minus least value that a descriptor needs, in its own unit.
        min_independence: The share of its standard deviation that must be left when the best linear
            combination of the descriptors kept before it, and a constant, is taken away. Those with
            the most left come first. 1e-6 or less finds what is redundant but for rounding.

    Raises:
        ValueError: Shares that are out of range, a data set without descriptor functions, or a
            species that would have none left.
    """
    check_not_negative("min_spread", min_spread)
    if not 0 <= min_independence < 1:
        raise ValueError(f"`min_independence` is {min_independence} but must be in [0, 1)")
    kept: dict[str, list[FunctionPotential]] = {}
    dropped: list[str] = []
    for points in dataset.per_point_datasets:
        functions = _functions(points)
        values = points.features.detach().double().numpy()
        reasons = _by_spread(values, min_spread)
        wide = [i for i in range(len(functions)) if i not in reasons]
        for place, reason in _by_independence(values[:, wide], min_independence).items():
            reasons[wide[place]] = reason
        name = str(points.tag)
        kept[name] = [function for i, function in enumerate(functions) if i not in reasons]
        if not kept[name]:
            raise ValueError(
                f"no descriptor of {name} is left: lower `min_spread`, which is {min_spread}, or "
                f"`min_independence`, which is {min_independence}"
            )
        dropped += [f"{functions[i]}: {reasons[i]}" for i in sorted(reasons)]
    return FilteredDescriptors(kept, dropped)


def _functions(points: PerPointDataset) -> Sequence[FunctionPotential]:
    if points.functions is None:
        raise ValueError("the data set has values of features but no descriptor functions")
    return points.functions.potentials


def _by_spread(
    values: Float64[ndarray, "n_points n_features"], min_spread: float
) -> dict[int, str]:
    if len(values) == 0:
        return {}
    spread = np.ptp(values, axis=0)
    return {
        int(i): f"its spread of {spread[i]:.3g} is below {min_spread:g}"
        for i in np.flatnonzero(spread < min_spread)
    }


def _by_independence(
    values: Float64[ndarray, "n_points n_features"], min_independence: float
) -> dict[int, str]:
    """By a QR decomposition with pivots: what is left of each column after those before it."""
    if min_independence == 0 or values.size == 0:
        return {}
    from scipy.linalg import qr

    deviation = values - values.mean(axis=0)
    size = np.linalg.norm(deviation, axis=0)
    constant = size <= 1e-12 * np.linalg.norm(values, axis=0)  # rounding alone
    standard = np.where(constant, 0.0, deviation / np.where(constant, 1.0, size))
    (r, order) = qr(standard, mode="r", pivoting=True)
    left = np.zeros(len(order))
    left[: min(r.shape)] = np.abs(np.diag(r))
    first = int((left >= min_independence).sum())  # they fall from the first to the last
    rest = np.linalg.norm(r[first : min(r.shape)], axis=0)
    return {
        int(order[k]): f"others explain all but {rest[k]:.1e} of it, which is below "
        f"{min_independence:g}"
        for k in range(first, len(order))
    }
