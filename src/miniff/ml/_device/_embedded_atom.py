"""Embedded atoms in torch; formula and tables are those of :mod:`miniff.potentials._embedded_atom`.

Tables are cubics between neighbouring points, so that second derivatives are straight lines with a
jump at each point, as the core's forces have them.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy import ndarray
from torch import Tensor

from miniff.ml._device._angular import Entry
from miniff.ml._device._shell import Shell
from miniff.potentials._embedded_atom import CentreTables

__all__ = ["EmbeddedAtomSum", "uniform_spline"]


def uniform_spline(
    values: Float64[ndarray, "*tables n_points"],
) -> Float64[ndarray, "*tables n_pieces 4"]:
    """Coefficients of 1, p, p^2 and p^3 with p from 0 to 1 between neighbouring points.

    The slope at a point is that of the parabola or quartic through the points around it: five
    points in the middle, three beside the ends, and two at the ends, as LAMMPS has it.
    """
    f = values
    slope = np.gradient(f, axis=-1)
    slope[..., 2:-2] = (f[..., :-4] - f[..., 4:] + 8 * (f[..., 3:-1] - f[..., 1:-3])) / 12
    rise, here, there = np.diff(f), slope[..., :-1], slope[..., 1:]
    pieces = f[..., :-1], here, 3 * rise - 2 * here - there, here + there - 2 * rise
    return np.stack(pieces, axis=-1)


class _Cubics:
    """Tables of the same places, at x in units of their step; the first cubic goes on below 0."""

    def __init__(self, values: Float64[ndarray, "n_tables n_points"], like: Tensor) -> None:
        # [table, coefficient, piece]: what is computed with together lies together.
        pieces = np.ascontiguousarray(uniform_spline(values).swapaxes(1, 2))
        self._pieces = torch.from_numpy(pieces).to(like)

    def at(
        self, x: Float[Tensor, "*shape"]
    ) -> tuple[Float[Tensor, "*shape"], Float[Tensor, "n_tables n_coefficients *shape"]]:
        """The distance from the point below x, at most from the last but one, and coefficients."""
        point = x.detach().floor().clamp(0, self._pieces.shape[2] - 1)
        return x - point, self._pieces[:, :, point.long()]


def _cubic(
    c: Float[Tensor, " n_coefficients *shape"], p: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    return c[0] + p * (c[1] + p * (c[2] + p * c[3]))


def _slope(
    c: Float[Tensor, " n_coefficients *shape"], p: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    return c[1] + p * (2 * c[2] + p * (3 * c[3]))


class EmbeddedAtomSum:
    """F(sum_j f(r_ij)) + 1/2 sum_j phi(r_ij) of centres of one species."""

    n_sums = 1

    def __init__(self, column: int, tables: CentreTables, like: Tensor) -> None:
        self.entries: Sequence[Entry] = [Entry(0, column, 1.0)]
        self._cutoff, self._step = tables.cutoff, tables.step
        self._embedding_step = tables.embedding_step
        self._embedding = _Cubics(tables.embedding[None], like)
        self._neighbors = [
            (species, _Cubics(np.stack(own), like))
            for species, *own in zip(tables.species, tables.density, tables.r_phi, strict=True)
        ]

    def __call__(self, shell: Shell) -> Float[Tensor, "n_centres 1"]:
        density = phi = shell.r.new_zeros(len(shell.r))
        for species, table in self._neighbors:
            r = shell.r[:, shell.of(species)]
            inside = r < self._cutoff
            along, c = table.at(r / self._step)
            # From the end of the table on both keep their last value.
            p = torch.where(along < 1, along, 1.0)
            f, r_phi = _cubic(c[0], p), _cubic(c[1], p)
            density = density + torch.where(inside, f, 0.0).sum(-1)
            phi = phi + torch.where(inside, r_phi / r, 0.0).sum(-1)
        return (self._embedded(density) + phi / 2)[:, None]

    def _embedded(self, density: Float[Tensor, " n_centres"]) -> Float[Tensor, " n_centres"]:
        """F(rho), a straight line beyond the table."""
        along, c = self._embedding.at(density / self._embedding_step)
        p = torch.where(along < 1, along, 1.0)
        return _cubic(c[0], p) + (along - 1).clamp(min=0) * _slope(c[0], p)

    def n_numbers(self, n_neighbors: Callable[[int], float]) -> float:
        """About how many are in memory for a centre with so many neighbours of each species."""
        return 50 + 30 * sum(n_neighbors(species) for species, _ in self._neighbors)
