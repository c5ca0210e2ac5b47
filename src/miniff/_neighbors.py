"""Finding neighbour pairs, by `vesin <https://luthaf.fr/vesin>`_, and what no search can handle."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from miniff import _core
from miniff._charges import GivenCharges
from miniff._checks import check_not_negative
from miniff._pair_table import (
    MOST_IMAGES,
    PairTable,
    contiguous,
    join,
    make_table,
    table_from_arrays,
)
from miniff._vesin import search

__all__ = [
    "AtomsError",
    "PairTable",
    "find_pairs",
    "find_pairs_again",
    "join",
    "table_from_arrays",
]

FARTHEST = 1e6
"""Lengths beyond this many cutoffs are a mistake, and beyond what a search can count."""

MOST_PAIRS = 2e9

ROUNDING = 1e-12
"""Atoms closer than this, relative to the largest coordinate, differ by rounding alone."""


class AtomsError(ValueError):
    """A refusal because of certain atoms.

    Attributes:
        atoms: Which ones, counted from 0.
    """

    def __init__(self, message: str, atoms: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.atoms = tuple(atoms)


def find_pairs(
    positions: Float[ndarray, "n_atoms 3"],
    cell: Float[ndarray, "3 3"],
    periodic: Sequence[bool],
    species: Sequence[str],
    cutoff: float,
    *,
    charges: GivenCharges | None = None,
) -> PairTable:
    """The pairs of one structure with r_ij < cutoff.

    Atoms may lie anywhere, in the cell or outside; they are not wrapped.

    Args:
        positions: Cartesian positions (length).
        cell: Rows are cell vectors (length).
        periodic: Whether the structure repeats along each of them.
        species: A name per atom.
        cutoff: Largest distance (length).
        charges: What is known of the charges; nothing, and neutrality, by default.

    Raises:
        ValueError: Two atoms at the same place, one at no place or absurdly far away, or a cutoff
            that is not a positive number.
    """
    if not isinstance(cutoff, int | float | np.integer | np.floating):
        raise TypeError(f"`cutoff` is {cutoff!r:.60} but must be a number")
    check_not_negative("cutoff", cutoff)
    names = tuple(sorted(set(species)))
    codes = np.searchsorted(names, list(species)).astype(np.int32)
    known = charges or GivenCharges()
    return _find(_Known(names, codes, *known.arrays(len(codes))), positions, cell, periodic, cutoff)


def find_pairs_again(
    table: PairTable,
    positions: Float[ndarray, "n_atoms 3"],
    cell: Float[ndarray, "3 3"],
    periodic: Sequence[bool],
) -> PairTable:
    """The pairs of the one structure of a table with atoms and cell elsewhere, up to its cutoff.

    Raises:
        ValueError: As :func:`find_pairs`.
    """
    known = _Known(table.names, table.species, table.charges, table.total_charge)
    return _find(known, positions, cell, periodic, table.cutoff)


@dataclass(frozen=True)
class _Known:
    """What a table says of the atoms wherever they are."""

    names: tuple[str, ...]
    species: ndarray
    charges: ndarray
    total_charge: ndarray


def _find(
    known: _Known,
    positions: ndarray,
    cell: ndarray,
    periodic: Sequence[bool],
    cutoff: float,
) -> PairTable:
    positions, cells = contiguous(positions), contiguous(cell)[None]
    _refuse_absurd(positions, cells[0], periodic, cutoff)
    pairs, shifts = search(positions, cells[0], periodic, cutoff)
    start, neighbor, image_atom, image_shift = _core.group_images(pairs, shifts, len(positions))
    table = make_table(
        names=known.names,
        cutoff=float(cutoff),
        positions=positions,
        cells=cells,
        species=known.species,
        structure=np.zeros(len(positions), np.int64),
        start=start.view(np.int64),  # numpy has two names for it
        neighbor=neighbor,
        image_atom=image_atom,
        image_shift=image_shift,
        periodic=np.array([periodic], bool),
        charges=known.charges,
        total_charge=known.total_charge,
    )
    _refuse_coincident(table)
    return table


def _refuse_absurd(
    positions: ndarray, cell: ndarray, periodic: Sequence[bool], cutoff: float
) -> None:
    """A search would not end, or would count in numbers too small for it."""
    limit = FARTHEST * cutoff
    if cutoff > 0 and not np.abs(positions).max(initial=0.0) <= limit:  # also refuses nan
        atom = int(np.flatnonzero(~(np.abs(positions).max(axis=1) <= limit))[0])
        raise AtomsError(
            f"atom {atom} (counted from 0) is at {positions[atom].tolist()} but coordinates must "
            f"be in [-{limit:g}, {limit:g}], {FARTHEST:g} cutoffs",
            [atom],
        )
    longest = np.abs(cell[np.asarray(periodic, bool)]).max(initial=0.0)
    if cutoff > 0 and longest > limit:
        raise ValueError(
            f"a cell vector has the component {longest:g} but it must be in "
            f"[-{limit:g}, {limit:g}], {FARTHEST:g} cutoffs"
        )
    _refuse_far(positions, cell, periodic)
    if all(periodic):
        expected = len(positions) ** 2 * 4.19 * cutoff**3 / abs(np.linalg.det(cell))
        if expected > MOST_PAIRS:
            raise ValueError(
                f"`cutoff` is {cutoff}, within which these atoms would have about {expected:.1g} "
                f"pairs of neighbours but must have less than {MOST_PAIRS:.0g}"
            )


def _refuse_far(positions: ndarray, cell: ndarray, periodic: Sequence[bool]) -> None:
    """Shifts between atoms must be countable."""
    repeated = np.linalg.norm(cell[np.asarray(periodic, bool)], axis=1)
    shortest = repeated.min(initial=inf)
    farthest = np.abs(positions).max(initial=0.0)
    if shortest > 0 and 2 * farthest / shortest >= MOST_IMAGES:
        atom = int(np.abs(positions).max(axis=1).argmax())
        raise AtomsError(
            f"atom {atom} (counted from 0) is {farthest / shortest:.1g} cell vectors away from the "
            f"origin but must be less than {MOST_IMAGES / 2:.1g}: put it into the cell",
            [atom],
        )


def _refuse_coincident(table: PairTable) -> None:
    """Derivatives by a zero distance do not exist."""
    distance2, pair = table.core.closest_pair(table.positions, table.cells)
    largest = np.abs(table.positions).max(initial=1.0)
    if distance2 < (ROUNDING * largest) ** 2:
        i, j = sorted((int(table.centre[pair]), int(table.other[pair])))
        raise AtomsError(f"atoms {i} and {j} are at the same place (counted from 0)", [i, j])
