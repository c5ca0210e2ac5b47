"""Energies along a path or over a grid of structures."""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from jaxtyping import Float, Float64
from numpy import ndarray

from miniff._checks import check_shape
from miniff._neighbors import join
from miniff.kernel._cell import Cell
from miniff.kernel._images import compute_images
from miniff.potentials import (
    Potential,
    listed_potentials,
    potential_values,
    refuse_uncovered_species,
    refuse_unknown_species,
    warn_of_one_sided_pairs,
)

__all__ = ["profile", "profile_directed_strain", "profile_strain"]


def profile(
    potentials: Potential | Sequence[Potential],
    cell_at: Callable[..., Cell],
    *grids: Float[ndarray, " _"],
    ignore_missing_species: bool = False,
) -> Float64[ndarray, "*grid"]:
    """Total energy (energy) of the structures ``cell_at(x, y, ...)`` over the product of grids.

    Warns with :class:`miniff.potentials.OneSidedPairWarning` of half bonds, as :func:`eval` does.

    Args:
        potentials: Their energies are summed.
        cell_at: The structure for one number of each grid.
        *grids: The numbers.
        ignore_missing_species: As in :func:`eval`; a species counts as there if any of the
            structures has it.

    Raises:
        ValueError: An unknown species, or atoms of a species to which no potential gives an energy.
    """
    cells = [cell_at(*point) for point in product(*grids)]
    for cell in cells:
        if not isinstance(cell, Cell):
            raise TypeError(f"`cell_at` gives {type(cell).__name__} but must give a Cell")
    energies = _energies(potentials, cells, ignore_missing_species)
    return energies.reshape([len(grid) for grid in grids])


def profile_strain(
    potentials: Potential | Sequence[Potential],
    cell: Cell,
    *strains: Float[ndarray, " _"],
    ignore_missing_species: bool = False,
) -> Float64[ndarray, "*grid"]:
    """Total energy (energy) with cell vector i multiplied by each of strains[i]; the rest as is.

    Args:
        potentials: Their energies are summed.
        cell: At strain 1.
        *strains: Factors for the first, second and third cell vector.
        ignore_missing_species: As in :func:`eval`.

    Raises:
        ValueError: As :func:`profile`, or no strain or more than three.
    """
    if not 1 <= len(strains) <= 3:
        raise ValueError(f"{len(strains)} grids of strain are given but 1 to 3 are needed")
    rest = [1.0] * (3 - len(strains))
    return profile(
        potentials,
        lambda *point: cell.strained([*point, *rest]),
        *strains,
        ignore_missing_species=ignore_missing_species,
    )


def profile_directed_strain(
    potentials: Potential | Sequence[Potential],
    cell: Cell,
    strain: Float[ndarray, " n_points"],
    direction: Sequence[float],
    *,
    ignore_missing_species: bool = False,
) -> Float64[ndarray, " n_points"]:
    """Total energy (energy) with cell vector i multiplied by 1 + direction[i] (strain - 1).

    Args:
        potentials: Their energies are summed.
        cell: At strain 1.
        strain: Factors for what has ``direction`` 1.
        direction: How much of the strain each cell vector takes.
        ignore_missing_species: As in :func:`eval`.

    Raises:
        ValueError: As :func:`profile`, or a direction that is not three numbers.
    """
    along = np.asarray(direction, float)
    check_shape("direction", along, (3,))
    return profile(
        potentials,
        lambda s: cell.strained(1 + along * (s - 1)),
        np.asarray(strain),
        ignore_missing_species=ignore_missing_species,
    )


def _energies(
    potentials: Potential | Sequence[Potential],
    cells: Sequence[Cell],
    ignore_missing_species: bool,
) -> ndarray:
    """Total energies of many structures, evaluated as one table."""
    several = listed_potentials(potentials)
    cutoff = max((p.cutoff for p in several), default=0.0)
    table = join([compute_images(cell, cutoff).table for cell in cells])
    if cells and not ignore_missing_species:
        refuse_unknown_species(several, table.names)
        refuse_uncovered_species(several, table.names)
    warn_of_one_sided_pairs(several, table.names)
    return table.totals(potential_values(several, table).sum(axis=0))
