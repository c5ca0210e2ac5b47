"""Pairs and triples of a table by species, as plain arrays: for sums written in numpy.

A triple is a centre i with two different neighbours j and k. Triples come in parts of bounded size,
since their number grows with the square of that of the neighbours.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from miniff._neighbors import PairTable

__all__ = ["Triples", "pairs_of", "triples_of"]

MOST_TRIPLES = 2**17
"""About as many triples come in one part: their arrays then stay in the processor's cache."""


@dataclass(frozen=True)
class Triples:
    """Some of the triples j-i-k of a table.

    Attributes:
        first: Place of the pair i -> j in the table.
        second: Place of the pair i -> k.
        r1: Distances r_ij (length).
        r2: Distances r_ik (length).
        cosine: Of the angle between them, within [-1, 1].
    """

    first: Int64[ndarray, " n_triples"]
    second: Int64[ndarray, " n_triples"]
    r1: Float64[ndarray, " n_triples"]
    r2: Float64[ndarray, " n_triples"]
    cosine: Float64[ndarray, " n_triples"]


def pairs_of(
    table: PairTable, centre: str | None, neighbor: str | None, cutoff: float
) -> tuple[Int64[ndarray, " n_chosen"], Float64[ndarray, " n_chosen"]]:
    """Places and distances (length) of the pairs of two species, None for any, with r < cutoff."""
    vectors = table.vectors
    r = np.sqrt(np.einsum("px,px->p", vectors, vectors))
    chosen = r < cutoff
    for name, atom in ((centre, table.centre), (neighbor, table.other)):
        if name is not None:
            chosen &= (table.species == _code(table, name))[atom]
    pairs = np.flatnonzero(chosen)
    return pairs, r[pairs]


def triples_of(
    table: PairTable,
    species: tuple[str, str, str] | None,
    cutoff: float,
    *,
    ordered: bool = True,
    most: int = MOST_TRIPLES,
) -> Iterator[Triples]:
    """The triples with both distances below a cutoff, in parts.

    Args:
        table: The pairs.
        species: Of i, j and k; None for any.
        cutoff: Of both distances (length).
        ordered: Give (j, k) and (k, j) where both fit; otherwise one of them, for which j and k
            must be of one species.
        most: Length of a part, exceeded by less than the neighbours of one atom.
    """
    centre, one, other = species or (None, None, None)
    assert ordered or one == other
    first, r1 = pairs_of(table, centre, one, cutoff)
    second, r2 = (first, r1) if one == other else pairs_of(table, centre, other, cutoff)
    start = np.searchsorted(table.centre[second], np.arange(table.n_atoms + 1))
    low, high = start[table.centre[first]], start[table.centre[first] + 1]
    if not ordered:
        low = np.arange(1, len(first) + 1)
    partners = high - low
    part = (np.cumsum(partners) - partners) // most
    for begin, end in _runs(part):
        rows = np.repeat(np.arange(begin, end), partners[begin:end])
        step = np.arange(len(rows)) - np.repeat(
            np.cumsum(partners[begin:end]) - partners[begin:end], partners[begin:end]
        )
        columns = low[rows] + step
        differ = first[rows] != second[columns]
        rows, columns = rows[differ], columns[differ]
        p, q = first[rows], second[columns]
        cosine = np.einsum("tx,tx->t", table.vectors[p], table.vectors[q])
        cosine = np.clip(cosine / (r1[rows] * r2[columns]), -1, 1)
        yield Triples(p, q, r1[rows], r2[columns], cosine)


def _code(table: PairTable, name: str) -> int:
    """The code of a species; one no atom has if it does not occur."""
    return table.names.index(name) if name in table.names else len(table.names)


def _runs(labels: ndarray) -> Iterator[tuple[int, int]]:
    """Begin and end of each run of equal labels."""
    ends = np.flatnonzero(np.diff(labels, append=-1)) + 1
    yield from zip([0, *ends[:-1].tolist()], ends.tolist(), strict=False)
