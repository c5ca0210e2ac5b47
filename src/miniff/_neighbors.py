"""The table of neighbour pairs, grouped by centre atom: what every local function is a function of.

A structure and a batch of structures are the same table: ``join`` concatenates atoms and pairs, and
``structure`` says whose atom each one is. Pairs are found by `vesin <https://luthaf.fr/vesin>`_.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf

import numpy as np
from jaxtyping import Float, Float64, Int32, Int64
from numpy import ndarray

from miniff import _core

__all__ = ["PairTable", "find_pairs", "join"]

ROUNDING = 1e-12
"""Atoms closer than this, relative to the largest coordinate, differ by rounding alone."""


@dataclass(frozen=True)
class PairTable:
    """Directed pairs i -> j within a cutoff, an atom's own periodic images included.

    Attributes:
        names: Species names; ``species`` holds indices into them.
        cutoff: All pairs with r_ij < cutoff are listed (length).
        positions: Cartesian positions (length).
        cells: Rows are cell vectors (length), zero where there is no cell.
        structure: Which structure an atom belongs to.
        start: The pairs of centre i are start[i] ... start[i + 1] - 1.
        other: The neighbour's index.
        shifts: Cell vectors added to the neighbour's position.
        vectors: r_j - r_i with the shift added (length).
    """

    names: tuple[str, ...]
    cutoff: float
    positions: Float64[ndarray, "n_atoms 3"]
    cells: Float64[ndarray, "n_structures 3 3"]
    species: Int32[ndarray, " n_atoms"]
    structure: Int64[ndarray, " n_atoms"]
    start: Int64[ndarray, " n_atoms_and_one"]
    other: Int32[ndarray, " n_pairs"]
    shifts: Int32[ndarray, "n_pairs 3"]
    vectors: Float64[ndarray, "n_pairs 3"]

    @property
    def n_atoms(self) -> int:
        return len(self.species)

    @property
    def n_pairs(self) -> int:
        return len(self.other)

    @property
    def n_structures(self) -> int:
        return len(self.cells)

    @cached_property
    def core(self) -> _core.Pairs:
        """The same arrays as the compiled core sees them."""
        return _core.Pairs(self.start, self.other, self.species, self.vectors)

    @cached_property
    def centre(self) -> Int64[ndarray, " n_pairs"]:
        """The centre atom of each pair."""
        return np.repeat(np.arange(self.n_atoms), np.diff(self.start))

    def atoms_of(self, name: str | None) -> Int64[ndarray, " n_of_species"]:
        """Indices of the atoms of one species; all of them for None, none if it does not occur."""
        if name is None:
            return np.arange(self.n_atoms)
        if name not in self.names:
            return np.zeros(0, np.int64)
        return np.flatnonzero(self.species == self.names.index(name))

    def moved(
        self, positions: Float[ndarray, "n_atoms 3"], cells: Float[ndarray, "n_structures 3 3"]
    ) -> "PairTable":
        """The same pairs with atoms and cells elsewhere (length); no pair is added or dropped."""
        positions, cells = _contiguous(positions), _contiguous(cells)
        vectors = _pair_vectors(self, positions, cells)
        return replace(self, positions=positions, cells=cells, vectors=vectors)

    def totals(self, values: Float64[ndarray, " n_atoms"]) -> Float64[ndarray, " n_structures"]:
        """The sum over the atoms of each structure."""
        sums = np.bincount(self.structure, values, minlength=self.n_structures)
        return sums.astype(np.float64)  # integers where there is no atom at all

    def gather(self, pair_gradient: Float64[ndarray, "n_pairs 3"]) -> Float64[ndarray, "n_atoms 3"]:
        """dE/dr of the atoms from dE/dd of the pairs (energy/length)."""
        gradient = np.zeros((self.n_atoms, 3))
        self.core.gather_gradient(pair_gradient, gradient)
        return gradient

    def gather_strain(
        self, pair_gradient: Float64[ndarray, "n_pairs 3"]
    ) -> Float64[ndarray, "n_structures 3 3"]:
        """dE/d(strain) of each structure from dE/dd of the pairs (energy)."""
        strain = np.zeros((self.n_structures, 3, 3))
        self.core.gather_strain(self.structure, pair_gradient, strain)
        return strain


def find_pairs(
    positions: Float[ndarray, "n_atoms 3"],
    cell: Float[ndarray, "3 3"],
    periodic: Sequence[bool],
    species: Sequence[str],
    cutoff: float,
) -> PairTable:
    """The pairs of one structure with r_ij < cutoff.

    Atoms may lie anywhere, in the cell or outside; they are not wrapped.

    Args:
        positions: Cartesian positions (length).
        cell: Rows are cell vectors (length).
        periodic: Whether the structure repeats along each of them.
        species: A name per atom.
        cutoff: Largest distance (length).

    Raises:
        ValueError: Two atoms at the same place, or a cutoff that is not a positive number.
    """
    if not 0 <= cutoff < inf:
        raise ValueError(f"`cutoff` is {cutoff} but must be in [0, inf)")
    names = tuple(sorted(set(species)))
    positions, cells = _contiguous(positions), _contiguous(cell)[None]
    n_atoms = len(positions)
    pairs, shifts = _vesin_pairs(positions, cells[0], periodic, cutoff)
    table = PairTable(
        names=names,
        cutoff=float(cutoff),
        positions=positions,
        cells=cells,
        species=np.searchsorted(names, list(species)).astype(np.int32),
        structure=np.zeros(n_atoms, np.int64),
        start=np.zeros(n_atoms + 1, np.int64),
        other=np.empty(len(pairs), np.int32),
        shifts=np.empty((len(pairs), 3), np.int32),
        vectors=np.empty((len(pairs), 3)),
    )
    _core.group_by_centre(pairs, shifts, table.start, table.other, table.shifts)
    table = replace(table, vectors=_pair_vectors(table, positions, cells))
    _refuse_coincident(table)
    return table


def join(tables: Sequence[PairTable]) -> PairTable:
    """One table of many structures, in their order; the cutoff is the smallest of theirs."""
    names = tuple(sorted({name for table in tables for name in table.names}))
    first_atom = np.cumsum([0, *(table.n_atoms for table in tables)])
    first_pair = np.cumsum([0, *(table.n_pairs for table in tables)])
    first_structure = np.cumsum([0, *(table.n_structures for table in tables)])
    codes = [
        np.array([names.index(name) for name in table.names], np.int32)[table.species]
        if table.n_atoms
        else table.species
        for table in tables
    ]
    return PairTable(
        names=names,
        cutoff=min((table.cutoff for table in tables), default=inf),
        positions=_stack([t.positions for t in tables], (0, 3), np.float64),
        cells=_stack([t.cells for t in tables], (0, 3, 3), np.float64),
        species=_stack(codes, (0,), np.int32),
        structure=_stack(
            [t.structure + s for t, s in zip(tables, first_structure[:-1], strict=True)],
            (0,),
            np.int64,
        ),
        start=np.concatenate(
            [t.start[:-1] + p for t, p in zip(tables, first_pair[:-1], strict=True)]
            + [first_pair[-1:]]
        ),
        other=_stack(
            [t.other + np.int32(a) for t, a in zip(tables, first_atom[:-1], strict=True)],
            (0,),
            np.int32,
        ),
        shifts=_stack([t.shifts for t in tables], (0, 3), np.int32),
        vectors=_stack([t.vectors for t in tables], (0, 3), np.float64),
    )


def _vesin_pairs(
    positions: ndarray, cell: ndarray, periodic: Sequence[bool], cutoff: float
) -> tuple[ndarray, ndarray]:
    """Unordered list of (i, j) and the shifts of j."""
    if len(positions) == 0 or cutoff == 0:
        return np.zeros((0, 2), np.uint64), np.zeros((0, 3), np.int32)
    # Imported here: vesin imports torch where it is installed, which takes a second.
    from vesin import NeighborList

    # One thread, so that the order of the pairs, and with it every sum, is always the same.
    search = NeighborList(cutoff=cutoff, full_list=True, n_threads=1)
    pairs, shifts = search.compute(positions, cell, np.asarray(periodic, bool), "PS")
    return pairs.astype(np.uint64, copy=False), shifts.astype(np.int32, copy=False)


def _pair_vectors(table: PairTable, positions: ndarray, cells: ndarray) -> ndarray:
    vectors = np.empty((table.n_pairs, 3))
    _core.pair_vectors(
        table.start, table.other, table.shifts, table.structure, positions, cells, vectors
    )
    return vectors


def _refuse_coincident(table: PairTable) -> None:
    """Derivatives by a zero distance do not exist."""
    largest = np.abs(table.positions).max(initial=1.0)
    r2 = np.einsum("px,px->p", table.vectors, table.vectors)  # [pair, xyz]
    same = np.flatnonzero(r2 < (ROUNDING * largest) ** 2)
    if len(same):
        i, j = table.centre[same[0]], table.other[same[0]]
        raise ValueError(f"atoms {i} and {j} are at the same place (counted from 0)")


def _contiguous(array: ndarray) -> ndarray:
    return np.ascontiguousarray(array, dtype=np.float64)


def _stack(arrays: list[ndarray], empty: tuple[int, ...], dtype: type) -> ndarray:
    return np.concatenate(arrays).astype(dtype, copy=False) if arrays else np.zeros(empty, dtype)
