"""Finding neighbour pairs, by `vesin <https://luthaf.fr/vesin>`_, and what no search can handle."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float64, Int32
from numpy import ndarray

from miniff import _core
from miniff._charges import GivenCharges
from miniff._checks import check_not_negative
from miniff._pair_table import (
    MOST_IMAGES,
    NeighborTable,
    PairTable,
    contiguous,
    join,
    make_table,
    table_from_arrays,
)
from miniff._vesin import search

__all__ = [
    "AtomsError",
    "ListedAtoms",
    "NeighborTable",
    "PairSearch",
    "PairTable",
    "coincidence",
    "coincident",
    "find_pairs",
    "find_pairs_again",
    "join",
    "refuse_absurd",
    "search_pairs",
    "table_from_arrays",
]

FARTHEST = 1e6
"""Lengths beyond this many cutoffs are a mistake, and beyond what a search can count."""

MOST_PAIRS = 2e9

SMALLEST = 1e-12
"""Cell vectors that span less, relative to the longest, are not independent."""

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


@dataclass(frozen=True, eq=False)
class ListedAtoms:
    """What is known of the atoms of a structure wherever they are.

    Attributes:
        names: Of the species that occur, sorted.
        species: Indices into them.
        charges: Of the atoms (charge); nan where nothing is known.
        total_charge: Of all (charge).
    """

    names: tuple[str, ...]
    species: Int32[ndarray, " n_atoms"]
    charges: Float64[ndarray, " n_atoms"]
    total_charge: Float64[ndarray, " one"]

    @staticmethod
    def of(species: Sequence[str], charges: GivenCharges | None = None) -> "ListedAtoms":
        """Of a name per atom, and charges if any are known; neutral by default."""
        names = tuple(sorted(set(species)))
        codes = np.searchsorted(names, list(species)).astype(np.int32)
        return ListedAtoms(names, codes, *(charges or GivenCharges()).arrays(len(codes)))

    @staticmethod
    def of_table(table: NeighborTable) -> "ListedAtoms":
        """Those of a table of one structure."""
        return ListedAtoms(table.names, table.species, table.charges, table.total_charge)


@runtime_checkable
class PairSearch(Protocol):
    """Finds the pairs of one structure."""

    def __call__(
        self,
        atoms: ListedAtoms,
        positions: Float[ndarray, "n_atoms 3"],
        cell: Float[ndarray, "3 3"],
        periodic: Sequence[bool],
        cutoff: float,
    ) -> NeighborTable:
        """All pairs with r_ij < cutoff.

        Args:
            atoms: Which they are.
            positions: Where they are, in the cell or outside; they are not wrapped (length).
            cell: Rows are cell vectors (length).
            periodic: Whether the structure repeats along each of them.
            cutoff: Largest distance (length).

        Raises:
            ValueError: As :func:`find_pairs`.
        """


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
    return search_pairs(ListedAtoms.of(species, charges), positions, cell, periodic, cutoff)


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
    return search_pairs(ListedAtoms.of_table(table), positions, cell, periodic, table.cutoff)


def search_pairs(
    atoms: ListedAtoms,
    positions: Float[ndarray, "n_atoms 3"],
    cell: Float[ndarray, "3 3"],
    periodic: Sequence[bool],
    cutoff: float,
) -> PairTable:
    """The :class:`PairSearch` of the CPU."""
    positions, cells = contiguous(positions), contiguous(cell)[None]
    refuse_absurd(positions, cells[0], periodic, cutoff)
    pairs, shifts = search(positions, cells[0], periodic, cutoff)
    start, neighbor, image_atom, image_shift = _core.group_images(pairs, shifts, len(positions))
    table = make_table(
        names=atoms.names,
        cutoff=float(cutoff),
        positions=positions,
        cells=cells,
        species=atoms.species,
        structure=np.zeros(len(positions), np.int64),
        start=start.view(np.int64),  # numpy has two names for it
        neighbor=neighbor,
        image_atom=image_atom,
        image_shift=image_shift,
        periodic=np.array([periodic], bool),
        charges=atoms.charges,
        total_charge=atoms.total_charge,
    )
    _refuse_coincident(table)
    return table


def refuse_absurd(
    positions: ndarray, cell: ndarray, periodic: Sequence[bool], cutoff: float
) -> None:
    """A search would not end, or would count in numbers too small for it.

    Raises:
        ValueError: Positions, a cell or a cutoff that no search can handle.
    """
    limit = FARTHEST * cutoff
    if cutoff > 0 and not np.abs(positions).max(initial=0.0) <= limit:  # also refuses nan
        atom = int(np.flatnonzero(~(np.abs(positions).max(axis=1) <= limit))[0])
        raise AtomsError(
            f"atom {atom} (counted from 0) is at {positions[atom].tolist()} but coordinates must "
            f"be in [-{limit:g}, {limit:g}], {FARTHEST:g} cutoffs",
            [atom],
        )
    repeated = cell[np.asarray(periodic, bool)]
    longest = np.abs(repeated).max(initial=0.0)
    if cutoff > 0 and not longest <= limit:
        raise ValueError(
            f"a cell vector has the component {longest:g} but it must be in "
            f"[-{limit:g}, {limit:g}], {FARTHEST:g} cutoffs"
        )
    if cutoff > 0:
        _refuse_flat(repeated)
    _refuse_far(positions, cell, periodic)
    if all(periodic):
        expected = len(positions) ** 2 * 4.19 * cutoff**3 / abs(np.linalg.det(cell))
        if expected > MOST_PAIRS:
            raise ValueError(
                f"`cutoff` is {cutoff}, within which these atoms would have about {expected:.1g} "
                f"pairs of neighbours but must have less than {MOST_PAIRS:.0g}"
            )


def _refuse_flat(repeated: ndarray) -> None:
    if len(repeated) == 3:  # a determinant takes a fourth of the time
        is_flat = abs(np.linalg.det(repeated)) <= SMALLEST * np.linalg.norm(repeated, axis=1).prod()
    else:
        lengths = np.linalg.svd(repeated, compute_uv=False)
        is_flat = len(lengths) > 0 and lengths.min() <= SMALLEST * lengths.max()
    if is_flat:
        raise ValueError(
            f"the cell vectors along which the atoms repeat, {repeated.tolist()}, are zero or not "
            "independent"
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
    distance2, pair = table.core.closest_pair(table.positions, table.cells)
    if distance2 < coincidence(table.positions) ** 2:
        raise coincident(int(table.centre[pair]), int(table.other[pair]))


def coincidence(positions: Float[ndarray, "n_atoms 3"]) -> float:
    """Atoms that are closer are at one place: derivatives by a zero distance do not exist."""
    return float(ROUNDING * np.abs(positions).max(initial=1.0))


def coincident(one: int, other: int) -> AtomsError:
    """The refusal of two atoms at one place."""
    i, j = sorted((one, other))
    return AtomsError(f"atoms {i} and {j} are at the same place (counted from 0)", [i, j])
