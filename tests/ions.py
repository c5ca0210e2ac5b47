"""Charges in skewed cells, and the pair table they are summed with."""

import numpy as np
from numpy import ndarray

from miniff._neighbors import PairTable, find_pairs

TIGHT = 1e-13
CRYSTAL, SLAB, MOLECULE = (True, True, True), (True, True, False), (False, False, False)


def table_of(
    vectors: object,
    positions: object,
    cutoff: float,
    pbc: tuple[bool, bool, bool] = CRYSTAL,
    species: list[str] | None = None,
) -> PairTable:
    r = np.array(positions, float)
    return find_pairs(r, np.array(vectors, float), pbc, species or ["X"] * len(r), cutoff)


def ions(n: int = 7, seed: int = 3) -> tuple[ndarray, ndarray, ndarray]:
    """A skewed cell, atoms in it and outside, and charges that sum to zero."""
    rng = np.random.default_rng(seed)
    vectors = np.array([[4.1, 0.3, -0.2], [0.9, 3.8, 0.4], [-0.5, 0.7, 4.4]])
    charges = rng.normal(size=n)
    return vectors, rng.uniform(-1, 2, (n, 3)) @ vectors, charges - charges.mean()
