"""Descriptors picked for the data at hand: a cutoff, many candidates, and those that tell most.

The cutoff holds on average NEIGHBORS neighbours, or twice the usual distance of any two species to
their nearest, whichever is longer. Fewer neighbours leave out what matters; more add noise, for the
descriptors of a sphere are sums over all that is in it, and make everything slower.

Candidates are shells (Behler 2) and angular functions without and with the distance between the two
neighbours (Behler 5 and 4), of several widths and sharpnesses. Of these a pivoted QR decomposition
of their values in the training set picks the ones that are least explained by those before: the
selection by columns of Imbalzano et al., J. Chem. Phys. 148, 241730 (2018),
https://doi.org/10.1063/1.5024611.
"""

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.linalg import qr

from miniff._neighbors import PairTable
from miniff.ml._recipe import shells, shortest_distances
from miniff.potentials import (
    FunctionPotential,
    Functions,
    behler4_descriptor_family,
    behler5_descriptor_family,
)

__all__ = ["auto_behler_descriptors", "auto_cutoff"]

NEIGHBORS = 40
SHELLS_OF_NEAREST = 2.0
N_SHELLS = 14
WIDTHS = (0.0, 0.15, 0.3, 0.6, 1.2)
"""eta of the angular functions times the square of the shortest distance."""
SHARPNESSES = (1.0, 2.0, 4.0, 8.0, 16.0)
N_FUNCTIONS = 52
LEAST_NEWS = 1e-3
"""A candidate of which the chosen ones leave a smaller share of its spread is not taken."""
N_SAMPLES = 2000
"""Atoms of a species whose descriptors are looked at."""


def auto_cutoff(tables: Sequence[PairTable], limit: float) -> float:
    """The distance within which the descriptors of these structures should look (length).

    Args:
        tables: Neighbours within `limit` or farther.
        limit: The longest cutoff that may come out (length).
    """
    distances = np.concatenate([np.linalg.norm(t.vectors, axis=1) for t in tables])
    distances = distances[distances < limit]
    n_wanted = NEIGHBORS * sum(table.n_atoms for table in tables)
    crowded = np.partition(distances, n_wanted)[n_wanted] if n_wanted < len(distances) else limit
    nearest = _nearest_distances(tables, limit)
    return float(min(limit, max([float(crowded), *(SHELLS_OF_NEAREST * r for r in nearest)])))


def _nearest_distances(tables: Sequence[PairTable], limit: float) -> list[float]:
    """For each two species the median over atoms of the distance to the nearest (length)."""
    found: dict[tuple[str, str], list[ndarray]] = {}
    for table in tables:
        r = np.linalg.norm(table.vectors, axis=1)
        for a, b in np.ndindex(len(table.names), len(table.names)):
            mine = (table.species[table.centre] == a) & (table.species[table.other] == b)
            nearest = np.full(table.n_atoms, np.inf)
            np.minimum.at(nearest, table.centre[mine], r[mine])
            pair = table.names[a], table.names[b]
            found.setdefault(pair, []).append(nearest[nearest < limit])
    joined = [np.concatenate(parts) for parts in found.values()]
    return [float(np.median(nearest)) for nearest in joined if len(nearest)]


def auto_behler_descriptors(
    tables: Sequence[PairTable], cutoff: float, n_functions: int = N_FUNCTIONS
) -> dict[str, list[FunctionPotential]]:
    """Descriptors for every species that occurs.

    Args:
        tables: Neighbours within the cutoff or farther in the training set, and nothing but the
            training set.
        cutoff: Of all functions (length); :func:`auto_cutoff` finds one.
        n_functions: At most so many for data of one species; for each species times the root of
            the number of pairs of species among its neighbours.

    Raises:
        ValueError: No two atoms closer than the cutoff, for some species.
    """
    shortest = shortest_distances(tables, cutoff)
    names = sorted({name for table in tables for name in table.names})
    chosen = {}
    for centre in names:
        neighbors = [name for name in names if (centre, name) in shortest]
        if not neighbors:
            raise ValueError(
                f"no atom of {centre} has a neighbour within {cutoff}: enlarge `cutoff`"
            )
        candidates = _candidates(centre, neighbors, shortest, cutoff)
        values = _values(centre, candidates, tables)
        n_pairs = len(neighbors) * (len(neighbors) + 1) // 2
        kept = most_telling(values, round(n_functions * n_pairs**0.5))
        chosen[centre] = [candidates[i] for i in kept]
    return chosen


def _candidates(
    centre: str,
    neighbors: Sequence[str],
    shortest: dict[tuple[str, str], float],
    cutoff: float,
) -> list[FunctionPotential]:
    found = [f for other in neighbors for f in shells(centre, other, shortest, cutoff, N_SHELLS)]
    for pair in combinations_with_replacement(neighbors, 2):
        length = min(shortest[centre, other] for other in pair)
        found += [
            family("-".join((centre, *pair)), a=cutoff, eta=width / length**2, l=sign, zeta=zeta)
            for family in (behler5_descriptor_family, behler4_descriptor_family)
            for width in WIDTHS
            for zeta in SHARPNESSES
            for sign in (1.0, -1.0)
        ]
    return found


def _values(
    centre: str, candidates: Sequence[FunctionPotential], tables: Sequence[PairTable]
) -> Float64[ndarray, "n_samples n_candidates"]:
    """Of atoms drawn evenly from the structures."""
    functions = Functions(candidates)
    atoms = [table.atoms_of(centre) for table in tables]
    every = max(1, -(-sum(map(len, atoms)) // N_SAMPLES))
    drawn = [np.ascontiguousarray(own[i % every :: every]) for i, own in enumerate(atoms)]
    return np.concatenate(
        [functions.values(t, own) for t, own in zip(tables, drawn, strict=True) if len(own)]
    )


def most_telling(values: Float64[ndarray, "n_samples n_candidates"], n_kept: int) -> list[int]:
    """Columns that the others explain least, in rising order; at least one.

    Args:
        values: Of each candidate; what is the same everywhere tells nothing.
        n_kept: At most so many.
    """
    centred = values - values.mean(0)
    spread = values.std(0)
    varies = spread > 1e-6 * np.abs(values).max(0)
    if not varies.any():
        return list(range(min(n_kept, values.shape[1])))
    candidates = np.flatnonzero(varies)
    x = centred[:, candidates] / spread[candidates] / len(values) ** 0.5
    x *= 1 - 1e-9 * np.arange(len(candidates))  # of equal ones the first
    r, order = qr(x, mode="r", pivoting=True)
    left = np.abs(np.diag(r))
    n = min(n_kept, max(1, int((left > LEAST_NEWS).sum())))
    return sorted(candidates[order[:n]].tolist())
