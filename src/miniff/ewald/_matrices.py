"""The Coulomb energy of a structure as dense matrices: a quadratic form of its charges.

What learns charges needs the same structure's energies again and again, for other charges: then
they are products with matrices that are made once. They take 80 n_atoms^2 bytes.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff._pair_table import PairTable
from miniff._stress import VOIGT
from miniff.ewald._kinds import slab_cell
from miniff.ewald._splitting import Splitting
from miniff.ewald._waves import waves_of

__all__ = ["CoulombMatrix", "coulomb_matrix"]


@dataclass(frozen=True, eq=False)
class CoulombMatrix:
    """Energy and derivatives of one structure for charges q.

    Attributes:
        energy: A, with the energy q.A q / 2 (energy/charge^2).
        gradient: G, with dE/dr_ix = q_i sum_j G[x, i, j] q_j (energy/length/charge^2).
        strain: S, with dE/d(strain)_v = q.S[v] q / 2, v = xx yy zz yz xz xy (energy/charge^2).
    """

    energy: Float64[ndarray, "n n"]
    gradient: Float64[ndarray, "3 n n"]
    strain: Float64[ndarray, "6 n n"]

    def scaled(self, scale: float) -> "CoulombMatrix":
        """The same in other units."""
        return CoulombMatrix(scale * self.energy, scale * self.gradient, scale * self.strain)

    def __add__(self, other: "CoulombMatrix") -> "CoulombMatrix":
        return CoulombMatrix(
            self.energy + other.energy,
            self.gradient + other.gradient,
            self.strain + other.strain,
        )


def coulomb_matrix(
    table: PairTable,
    structure: int,
    *,
    a: float,
    splitting: Splitting | None,
    widths: Float64[ndarray, " n_atoms"] | None,
) -> CoulombMatrix:
    """The matrices of one structure of a table, where two unit charges at r have 1/r.

    Args:
        table: The atoms.
        structure: Which one.
        a: Cutoff of the sum over neighbours (length).
        splitting: Of crystals and slabs; None for molecules.
        widths: Standard deviations of Gaussian charges, 0 for points (length); None if all are.
    """
    first, last = np.searchsorted(table.structure, [structure, structure + 1])
    atoms = slice(int(first), int(last))
    n = int(last - first)
    own = np.zeros(n) if widths is None else widths[atoms]
    i, j, vectors = _all_pairs(table, atoms) if splitting is None else _near_pairs(table, atoms, a)
    eta = 0.0 if splitting is None else splitting.eta
    matrix = _of_pairs(n, i, j, vectors, eta, own)
    clouds = own > 0
    matrix.energy[np.diag_indices(n)] += np.where(
        clouds, 1 / (np.where(clouds, own, 1.0) * sqrt(np.pi)), 0.0
    )
    if splitting is None:
        return matrix
    matrix.energy[np.diag_indices(n)] -= 2 * eta / sqrt(np.pi)
    if table.periodic[structure].all():
        cell = table.cells[structure]
        return matrix + _smooth(table, atoms, cell, splitting) + _background(cell, eta, own)
    slab = slab_cell(table, structure, a, splitting)
    smooth = _smooth(table, atoms, slab.vectors, splitting)
    return matrix + smooth + _dipoles(table.positions[atoms], slab.vectors, slab.normal)


def _all_pairs(table: PairTable, atoms: slice) -> tuple[ndarray, ndarray, ndarray]:
    positions = table.positions[atoms]
    i, j = np.nonzero(~np.eye(len(positions), dtype=bool))
    return i, j, positions[j] - positions[i]


def _near_pairs(table: PairTable, atoms: slice, a: float) -> tuple[ndarray, ndarray, ndarray]:
    pairs = slice(int(table.start[atoms.start]), int(table.start[atoms.stop]))
    vectors = table.vectors[pairs]
    inside = np.einsum("px,px->p", vectors, vectors) < a**2
    i, j = table.centre[pairs][inside], table.other[pairs][inside].astype(np.int64)
    return i - atoms.start, j - atoms.start, vectors[inside]


def _of_pairs(
    n: int, i: ndarray, j: ndarray, vectors: ndarray, eta: float, widths: ndarray
) -> CoulombMatrix:
    from scipy.special import erfc

    r = np.linalg.norm(vectors, axis=1)
    value = erfc(eta * r) / r
    slope = -(value + 2 * eta / sqrt(np.pi) * np.exp(-((eta * r) ** 2))) / r
    square = widths[i] ** 2 + widths[j] ** 2
    clouds = square > 0
    beta = 1 / np.sqrt(2 * np.where(clouds, square, 1.0))
    inside = np.where(clouds, erfc(beta * r) / r, 0.0)
    bump = np.where(clouds, 2 * beta / sqrt(np.pi) * np.exp(-((beta * r) ** 2)), 0.0)
    value -= inside
    slope += (inside + bump) / r
    place = i * n + j

    def gathered(numbers: ndarray) -> ndarray:
        sums = np.bincount(place, numbers, minlength=n * n).astype(np.float64)
        return sums.reshape(n, n)  # integers where there is no pair at all

    along = (slope / r)[:, None] * vectors
    return CoulombMatrix(
        energy=gathered(value),
        gradient=np.stack([gathered(-along[:, x]) for x in range(3)]),
        strain=np.stack([gathered(along[:, x] * vectors[:, y]) for x, y in zip(*VOIGT)]),  # noqa: B905
    )


def _smooth(
    table: PairTable, atoms: slice, cell: Float64[ndarray, "3 3"], splitting: Splitting
) -> CoulombMatrix:
    waves = waves_of(cell, splitting)
    counted = waves.weight > 0
    k, weight = waves.vectors[counted], waves.weight[counted]
    phases = table.positions[atoms] @ k.T
    cosine, sine = np.cos(phases), np.sin(phases)

    def even(factor: ndarray) -> ndarray:
        product: ndarray = (cosine * factor) @ cosine.T + (sine * factor) @ sine.T
        return product

    def odd(factor: ndarray) -> ndarray:
        product: ndarray = (cosine * factor) @ sine.T - (sine * factor) @ cosine.T
        return product

    stretch = 2 * (1 / (k**2).sum(1) + 1 / (4 * splitting.eta**2))
    return CoulombMatrix(
        energy=even(weight),
        gradient=np.stack([odd(weight * k[:, x]) for x in range(3)]),
        strain=np.stack(
            [even(weight * (stretch * k[:, x] * k[:, y] - (x == y))) for x, y in zip(*VOIGT)]  # noqa: B905
        ),
    )


def _background(cell: ndarray, eta: float, widths: ndarray) -> CoulombMatrix:
    """The uniform background that neutralises each charge."""
    volume, n = float(abs(np.linalg.det(cell))), len(widths)
    square = widths**2
    energy = 2 * np.pi / volume * (square[:, None] + square) - np.pi / (eta**2 * volume)
    diagonal = np.array([float(x == y) for x, y in zip(*VOIGT)])  # noqa: B905
    return CoulombMatrix(energy, np.zeros((3, n, n)), -diagonal[:, None, None] * energy)


def _dipoles(positions: ndarray, cell: ndarray, normal: ndarray) -> CoulombMatrix:
    """What is taken from slabs far apart."""
    n = len(positions)
    heights = positions @ normal
    heights = heights - heights.mean() if n else heights
    factor = 4 * np.pi / abs(np.linalg.det(cell))
    energy = factor * np.outer(heights, heights)
    along = 2 * np.outer(normal, normal) - np.eye(3)
    gradient = factor * normal[:, None, None] * np.broadcast_to(heights, (n, n))
    strain = np.stack([along[x, y] * energy for x, y in zip(*VOIGT)])  # noqa: B905
    return CoulombMatrix(energy, gradient, strain)
