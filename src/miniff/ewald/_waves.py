"""The smooth part of the Coulomb energy of a cell as an exact sum over waves."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float64, Int32, Int64
from numpy import ndarray

from miniff import _core
from miniff.ewald._splitting import Splitting
from miniff.ewald._sums import Sums

__all__ = ["Waves", "add_waves", "count_waves", "strain_of_waves", "waves_of"]


@dataclass(frozen=True, eq=False)
class Waves:
    """Waves exp(2 pi i (h s1 + k s2 + l s3)), one of each k and -k, in rows of equal h and k.

    Attributes:
        rows: h and k.
        start: Row n has the waves start[n] ... start[n + 1] - 1, of l = 0, 1, ...
        weight: 8 pi / V exp(-k^2 / 4 eta^2) / k^2 of l and of -l; 0 for what is not summed.
        vectors: Wave vectors of l and of -l (1/length).
    """

    rows: Int32[ndarray, "n_rows 2"]
    start: Int64[ndarray, " n_rows_and_one"]
    weight: Float64[ndarray, "n_waves 2"]
    vectors: Float64[ndarray, "n_waves 2 3"]


def count_waves(volume: float, splitting: Splitting) -> float:
    """About how many waves there are."""
    return volume * splitting.k_cutoff**3 / (12 * np.pi**2)


def waves_of(vectors: Float64[ndarray, "3 3"], splitting: Splitting) -> Waves:
    """The waves that fit a cell, up to the longest wave vector."""
    return _waves_of(np.ascontiguousarray(vectors).tobytes(), splitting)


@lru_cache(maxsize=32)
def _waves_of(cell: bytes, splitting: Splitting) -> Waves:
    vectors = np.frombuffer(cell).reshape(3, 3)
    reciprocal = 2 * np.pi * np.linalg.inv(vectors).T
    most = (splitting.k_cutoff * np.linalg.norm(vectors, axis=1) / (2 * np.pi)).astype(int)
    h, k, l = np.meshgrid(  # noqa: E741 - as in the formula
        *(np.arange(0, most[0] + 1), np.arange(-most[1], most[1] + 1), np.arange(0, most[2] + 1)),
        indexing="ij",
    )
    indices = np.stack([np.stack([h, k, l], -1), np.stack([h, k, -l], -1)], -2)
    waves = indices @ reciprocal
    square = (waves**2).sum(-1)
    # One of each pair k and -k, and not 0.
    leads = (h > 0) | ((h == 0) & (k > 0))
    counted = np.stack([leads | ((h == 0) & (k == 0) & (l > 0)), leads & (l > 0)], -1)
    counted &= square < splitting.k_cutoff**2
    safe = np.where(square > 0, square, 1.0)
    volume = abs(np.linalg.det(vectors))
    factor = 8 * np.pi / volume * np.exp(-safe / (4 * splitting.eta**2)) / safe
    weight = np.where(counted, factor, 0.0)
    used = counted.any(-1).reshape(-1, most[2] + 1)
    lengths = np.where(used.any(1), most[2] + 1 - used[:, ::-1].argmax(1), 0)
    kept = lengths > 0
    inside = (np.arange(most[2] + 1) < lengths[:, None]).reshape(h.shape)
    return Waves(
        rows=np.stack([h, k], -1)[:, :, 0].reshape(-1, 2)[kept].astype(np.int32),
        start=np.concatenate([[0], np.cumsum(lengths[kept])]).astype(np.int64),
        weight=np.ascontiguousarray(weight[inside]),
        vectors=waves[inside],
    )


def strain_of_waves(
    waves: Float64[ndarray, "*waves 3"], energies: Float64[ndarray, "*waves"], eta: float
) -> Float64[ndarray, "3 3"]:
    """dE/d(strain) from the energy of each wave: sum E_k (2 (1/k^2 + 1/4 eta^2) k (x) k - 1).

    Args:
        waves: Wave vectors (1/length).
        energies: Of each of them; 0 for k = 0.
        eta: Of the splitting (1/length).
    """
    square = (waves**2).sum(-1)
    factor = 2 * energies * (1 / np.where(square > 0, square, 1.0) + 1 / (4 * eta**2))
    flat = waves.reshape(-1, 3)
    outer: ndarray = (flat * factor.reshape(-1, 1)).T @ flat
    derivative: ndarray = outer - np.eye(3) * energies.sum()
    return derivative


def add_waves(
    sums: Sums, structure: int, vectors: Float64[ndarray, "3 3"], splitting: Splitting
) -> None:
    """Adds the sum over waves of one structure, with cell vectors that may not be the table's."""
    atoms, waves = sums.atoms_of(structure), waves_of(vectors, splitting)
    inverse = np.linalg.inv(vectors)
    fractional = np.ascontiguousarray(sums.table.positions[atoms] @ inverse)
    gradient, power = np.empty_like(fractional), np.empty_like(waves.weight)
    potential = np.zeros(len(fractional))
    _core.waves(
        *(waves.rows, waves.start, waves.weight, fractional, sums.charges[atoms]),
        *(potential, gradient, power),
    )
    sums.potential[atoms] += potential
    sums.gradient[atoms] += gradient @ inverse.T
    sums.strain[structure] += strain_of_waves(
        waves.vectors, waves.weight * power / 2, splitting.eta
    )
