"""Distributions averaged over many structures, such as the steps of a run."""

from collections.abc import Sequence

from jaxtyping import Float, Float64
from numpy import ndarray

from miniff.kernel._distributions import mean_distribution
from miniff.kernel._images import CellImages

__all__ = ["batch_adf", "batch_rdf"]


def batch_rdf(
    images: Sequence[CellImages],
    r: Float[ndarray, " n_points"],
    sigma: float,
    *,
    normalize: bool = False,
) -> dict[str, Float64[ndarray, " n_points"]]:
    """The mean of :meth:`CellImages.rdf` over structures, each pair over those that have both.

    Raises:
        ValueError: As :meth:`CellImages.rdf`.
    """
    return mean_distribution(one.rdf(r, sigma, normalize=normalize) for one in images)


def batch_adf(
    images: Sequence[CellImages], theta: Float[ndarray, " n_points"], sigma: float, cutoff: float
) -> dict[str, Float64[ndarray, " n_points"]]:
    """The mean of :meth:`CellImages.adf` over structures, each triple over those that have all.

    Raises:
        ValueError: As :meth:`CellImages.adf`.
    """
    return mean_distribution(one.adf(theta, sigma, cutoff) for one in images)
