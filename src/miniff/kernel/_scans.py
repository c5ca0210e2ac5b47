"""Energies along a path or over a grid of structures."""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from jaxtyping import Float, Float64
from numpy import ndarray

from miniff._neighbors import join
from miniff.kernel._cell import Cell
from miniff.kernel._images import compute_images
from miniff.potentials import LocalPotential, potential_values

__all__ = ["profile", "profile_directed_strain", "profile_strain"]


def profile(
    potentials: Sequence[LocalPotential],
    cell_at: Callable[..., Cell],
    *grids: Float[ndarray, " _"],
) -> Float64[ndarray, "*grid"]:
    """Total energy (energy) of the structures ``cell_at(x, y, ...)`` over the product of grids."""
    cells = [cell_at(*point) for point in product(*grids)]
    return _energies(potentials, cells).reshape([len(grid) for grid in grids])


def profile_strain(
    potentials: Sequence[LocalPotential], cell: Cell, *strains: Float[ndarray, " _"]
) -> Float64[ndarray, "*grid"]:
    """Total energy (energy) with cell vector i multiplied by each of strains[i]; the rest as is."""
    if not 1 <= len(strains) <= 3:
        raise ValueError(f"{len(strains)} grids of strain are given but 1 to 3 are needed")
    rest = [1.0] * (3 - len(strains))
    return profile(potentials, lambda *point: cell.strained([*point, *rest]), *strains)


def profile_directed_strain(
    potentials: Sequence[LocalPotential],
    cell: Cell,
    strain: Float[ndarray, " n_points"],
    direction: Sequence[float],
) -> Float64[ndarray, " n_points"]:
    """Total energy (energy) with cell vector i multiplied by 1 + direction[i] (strain - 1)."""
    along = np.asarray(direction, float)
    return profile(potentials, lambda s: cell.strained(1 + along * (s - 1)), np.asarray(strain))


def _energies(potentials: Sequence[LocalPotential], cells: Sequence[Cell]) -> ndarray:
    """Total energies of many structures, evaluated as one table."""
    cutoff = max((p.cutoff for p in potentials), default=0.0)
    table = join([compute_images(cell, cutoff).table for cell in cells])
    return table.totals(potential_values(potentials, table).sum(axis=0))
