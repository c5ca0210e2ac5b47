"""Distributions of distances and angles, with Gaussians in place of delta functions.

Radial, for centres s1 and neighbours s2 at directed pairs i, j (image shifts included):

    rdf(r) = 1/(4 pi r^2 N_s1) sum_ij G(r - r_ij; sigma)

the density of s2 at the distance r from an atom of s1 (1/length^3), which for large r tends to the
mean density N_s2 / V; divided by it, it is the usual g(r).

Angular, for a centre s0 and two different neighbours of it closer than a cutoff:

    adf(theta) = sum_jik G(theta - theta_jik; sigma)

in triples per radian, (j, k) and (k, j) being one triple.

==========  =====================================================================================
symbol      here
==========  =====================================================================================
G           normalised Gaussian, exp(-x^2 / 2 sigma^2) / (sigma sqrt(2 pi)), cut off at 6 sigma
sigma       ``sigma``
N_s1, N_s2  numbers of atoms of the two species
V           volume of the cell
==========  =====================================================================================
"""

from collections.abc import Iterable, Mapping
from itertools import combinations_with_replacement, product
from math import inf, pi, sqrt

import numpy as np
from jaxtyping import Float, Float64
from numpy import ndarray

from miniff._checks import check_finite, check_positive, check_shape
from miniff._neighbors import PairTable
from miniff._triples import pairs_of, triples_of

__all__ = ["angular_distribution", "mean_distribution", "radial_distribution"]

REACH = 6.0
"""A Gaussian ends at this many sigma: 2e-9 of it is left out."""
MOST_VALUES = 2**18
"""Distances or angles whose Gaussians are summed at a time."""

Distribution = dict[str, ndarray]


def radial_distribution(
    table: PairTable,
    volume: float | None,
    r: Float[ndarray, " n_points"],
    sigma: float,
) -> Distribution:
    """Density of s2 around s1 for each key ``"s1-s2"`` (1/length^3); see the module.

    Args:
        table: The pairs of one structure.
        volume: Divide by the mean density of s2 in this volume (length^3), or do not for None.
        r: Distances (length).
        sigma: Width of the Gaussians (length).
    """
    r = _grid("r", r)
    _check_sigma(sigma)
    if not r.min(initial=inf) > 0:
        raise ValueError(f"`r` goes down to {r.min()} but must be in (0, inf)")
    needed = r.max(initial=0) + REACH * sigma
    if needed > table.cutoff:
        raise ValueError(
            f"`cutoff` of the neighbour list is {table.cutoff} but must be at least {needed:.6g}, "
            f"the largest r and {REACH:g} sigma"
        )
    found = {}
    for one, other in combinations_with_replacement(table.names, 2):
        _, distances = pairs_of(table, one, other, needed)
        weight = 4 * pi * r**2 * len(table.atoms_of(one))
        if volume is not None:
            weight *= len(table.atoms_of(other)) / volume
        found[f"{one}-{other}"] = _gaussians([distances], r, sigma) / weight
    return found


def angular_distribution(
    table: PairTable, theta: Float[ndarray, " n_points"], sigma: float, cutoff: float
) -> Distribution:
    """Triples per radian for each key ``"s0-[s1,s2]"``; see the module.

    Args:
        table: The pairs of one structure.
        theta: Angles (radian).
        sigma: Width of the Gaussians (radian).
        cutoff: Of the distances of both neighbours to the centre (length).
    """
    theta = _grid("theta", theta)
    _check_sigma(sigma)
    if len(theta) and not 0 <= theta.min() <= theta.max() <= pi:
        raise ValueError(
            f"`theta` goes from {theta.min()} to {theta.max()} but must be in [0, pi], in radians"
        )
    if not 0 < cutoff <= table.cutoff:
        raise ValueError(
            f"`cutoff` is {cutoff} but must be in (0, {table.cutoff}], within the neighbour list"
        )
    neighbors = list(combinations_with_replacement(table.names, 2))
    found = {}
    for centre, (one, other) in product(table.names, neighbors):
        triples = triples_of(table, (centre, one, other), cutoff, ordered=one != other)
        angles = (np.arccos(t.cosine) for t in triples)
        found[f"{centre}-[{one},{other}]"] = _gaussians(angles, theta, sigma)
    return found


def mean_distribution(several: Iterable[Mapping[str, ndarray]]) -> Distribution:
    """The mean for each key over those that have it."""
    collected: dict[str, list[ndarray]] = {}
    for one in several:
        for key, values in one.items():
            collected.setdefault(key, []).append(values)
    return {key: np.mean(collected[key], axis=0) for key in sorted(collected)}


def _gaussians(
    parts: Iterable[ndarray], grid: Float64[ndarray, " n_points"], sigma: float
) -> Float64[ndarray, " n_points"]:
    """Sums of normalised Gaussians around the values, at each point of a grid."""
    sums = np.zeros(len(grid))
    for part in parts:
        for begin in range(0, len(part), MOST_VALUES):
            values = np.sort(part[begin : begin + MOST_VALUES])
            low = np.searchsorted(values, grid - REACH * sigma)
            high = np.searchsorted(values, grid + REACH * sigma)
            for point in np.flatnonzero(high > low):
                x = (values[low[point] : high[point]] - grid[point]) / sigma
                sums[point] += np.exp(-(x**2) / 2).sum()
    normalised: ndarray = sums / (sigma * sqrt(2 * pi))
    return normalised


def _grid(name: str, given: ndarray) -> Float64[ndarray, " n_points"]:
    grid = np.asarray(given, dtype=np.float64)
    check_shape(name, grid, ("n_points",))
    check_finite(name, grid)
    return grid


def _check_sigma(sigma: float) -> None:
    check_positive("sigma", sigma)
