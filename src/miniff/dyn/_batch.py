"""Many structures that move at once: one table for some hundred atoms, lists that last.

Structures are evaluated in blocks, each a table of its own. The rule for when a list must be made
again is that of :class:`miniff.kernel.SkinList`, for all structures of a block at once. When one of
them asks for a new list, those that are halfway there get theirs too: joining lists takes time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np
from ase import Atoms
from jaxtyping import Float64, Int64
from numpy import ndarray

from miniff._charges import GivenCharges
from miniff._checks import check_positive, words_for_no_number
from miniff._neighbors import PairTable, find_pairs, find_pairs_again, join
from miniff.dyn._integrator import explosion
from miniff.kernel import Cell, StructureFailure
from miniff.kernel._cell import how_to_make_one
from miniff.kernel._mapping import failure
from miniff.potentials import (
    Evaluator,
    Potential,
    Precision,
    TableEvaluation,
    listed_potentials,
    ready_potentials,
    refuse_uncovered_species,
)

__all__ = ["Batch", "listed_structures", "name_of"]

ATOMS_OF_BLOCK = 512
"""Small blocks make fewer lists in vain, large ones fewer calls of the core."""
SOON = 0.5
"""Share of the way to its next list from which a structure is given one with others."""


@dataclass
class _Block:
    """Structures with one table.

    Attributes:
        structures: Which ones.
        atoms: Theirs.
        first: Where those of each structure begin among them.
        table: Of all; None until it is joined.
    """

    structures: Int64[ndarray, " n_structures"]
    atoms: Int64[ndarray, " n_atoms"]
    first: Int64[ndarray, " n_structures"]
    table: PairTable | None = field(default=None, repr=False)


class Batch:
    """Structures wherever their atoms and cells are.

    Attributes:
        cells: As they were given.
        first: The atoms of structure s are first[s] ... first[s + 1] - 1.
        of_atom: Whose atom each one is.
        cutoff: Of the potentials (length).
        failed: Why structures can no longer be evaluated.
        n_lists: How many neighbour lists were made.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        potentials: Potential | Sequence[Potential],
        *,
        skin: float,
        ignore_missing_species: bool,
        precision: Precision,
        device: str,
    ) -> None:
        """Lists the neighbours where the atoms are; what has none has failed.

        Raises:
            ValueError: A skin that is not positive and finite, or no potential.
        """
        check_positive("skin", skin)
        self._potentials = listed_potentials(potentials)
        if not self._potentials:
            raise ValueError("`potentials` is empty but atoms need a potential to have forces")
        self.cells = list(cells)
        self.cutoff = max(p.cutoff for p in self._potentials)
        self._skin, self._precision, self._device = float(skin), precision, device
        self.failed: dict[int, Exception] = {}
        self.n_lists = 0
        sizes = [cell.size for cell in self.cells]
        self.first = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        self.of_atom = np.repeat(np.arange(len(self.cells)), sizes)
        self._made_positions = self.positions()
        self._made_vectors = self.vectors()
        self._tables: dict[int, PairTable] = {}
        for s in range(len(sizes)):
            self._list_first(s, ignore_missing_species)
        self._compiled: dict[tuple[str, ...], Evaluator] = {}
        self._blocks: list[_Block] = []
        self.regroup(np.array(sorted(self._tables), np.int64))

    def positions(self) -> Float64[ndarray, "n_atoms 3"]:
        """Of the atoms of all structures as they were given (length)."""
        return np.concatenate([np.zeros((0, 3)), *(cell.cartesian() for cell in self.cells)])

    def vectors(self) -> Float64[ndarray, "n_structures 3 3"]:
        """Cell vectors as they were given (length)."""
        return np.array([cell.vectors for cell in self.cells]).reshape(-1, 3, 3)

    def failure(self, s: int, step: int, reasons: str) -> StructureFailure:
        """What became of a structure that failed after so many steps, and why that happens."""
        error = self.failed[s]
        if step and not isinstance(error, FloatingPointError):
            error = explosion(step, error, reasons)
        return failure(s, self.cells[s], error)

    def regroup(self, structures: Int64[ndarray, " n"]) -> None:
        """From now on only these are evaluated."""
        self._blocks = []
        sizes = np.diff(self.first)[structures]
        number = np.cumsum(sizes) // ATOMS_OF_BLOCK
        for block in np.unique(number):
            own, n = structures[number == block], sizes[number == block]
            atoms = np.concatenate([np.arange(*self.first[s : s + 2]) for s in own])
            self._blocks.append(_Block(own, atoms, np.cumsum(n) - n))

    def table_of(
        self, s: int, positions: Float64[ndarray, "n_own 3"], vectors: Float64[ndarray, "3 3"]
    ) -> PairTable:
        """The neighbours of a structure with its atoms and cell here, as they were listed last."""
        return self._tables[s].moved(positions, vectors[None])

    def evaluate(
        self,
        positions: Float64[ndarray, "n_atoms 3"],
        vectors: Float64[ndarray, "n_structures 3 3"],
    ) -> TableEvaluation:
        """Energies and their derivatives; nan for structures that failed or are left out.

        Args:
            positions: Of the atoms of all structures (length).
            vectors: Cell vectors of all (length).
        """
        while True:
            result = self._of_blocks(positions, vectors)
            looked_at = self._looked_at()
            left = [s for s in looked_at if s not in self.failed]
            if len(left) == len(looked_at):
                return result
            self.regroup(np.array(left, np.int64))

    def _of_blocks(self, positions: ndarray, vectors: ndarray) -> TableEvaluation:
        n_atoms, n_structures = len(positions), len(vectors)
        result = TableEvaluation(
            np.full(n_atoms, np.nan),
            np.full(n_structures, np.nan),
            np.full((n_atoms, 3), np.nan),
            np.full((n_structures, 3, 3), np.nan),
            np.full((n_atoms, 2), np.nan),
        )
        for block in self._blocks:
            table = self._table(block, positions, vectors)
            try:
                found = self._ready(table.names).evaluate(table)
            except ValueError:
                self._find_culprits(block, positions, vectors)
                continue
            result.energies[block.atoms] = found.energies
            result.gradient[block.atoms] = found.gradient
            result.grades[block.atoms] = found.grades
            result.energy[block.structures] = found.energy
            result.strain_derivative[block.structures] = found.strain_derivative
            self._note_no_numbers(block, result)
        return result

    def _looked_at(self) -> list[int]:
        return [s for block in self._blocks for s in block.structures.tolist()]

    def _find_culprits(self, block: _Block, positions: ndarray, vectors: ndarray) -> None:
        """Which structures of a block cannot be evaluated, one by one."""
        for s in block.structures.tolist():
            atoms = slice(*self.first[s : s + 2])
            table = self._tables[s].moved(positions[atoms], vectors[s : s + 1])
            try:
                self._ready(table.names).evaluate(table)
            except ValueError as error:
                self.failed[s] = error

    def _table(self, block: _Block, positions: ndarray, vectors: ndarray) -> PairTable:
        """The block's table with its atoms at these places; lists are made where it must be."""
        here, box = positions[block.atoms], vectors[block.structures]
        share = self._share_of_reach(block, here, box)
        if block.table is None or not (share <= 1).all():
            if not (share <= 1).all():
                for s in block.structures[~(share <= SOON)]:
                    self._list_again(int(s), positions, vectors)
            block.table = join([self._tables[s] for s in block.structures])
        return block.table.moved(here, box)

    def _share_of_reach(
        self, block: _Block, here: ndarray, box: ndarray
    ) -> Float64[ndarray, " n_structures"]:
        """How far the atoms of each structure are on their way to where a list must be made."""
        then, before = self._made_vectors[block.structures], self._made_positions[block.atoms]
        reach = np.full(len(box), self._skin)
        if not np.array_equal(then, box):
            deformation = np.broadcast_to(np.eye(3), box.shape).copy()
            strained = (then != box).any(axis=(1, 2))
            deformation[strained] = np.linalg.solve(then[strained], box[strained])
            shortest = np.linalg.svd(deformation, compute_uv=False)[:, -1]
            reach = (self.cutoff + self._skin) * shortest - self.cutoff
            counts = np.diff(np.append(block.first, len(here)))
            before = np.einsum("ix,ixy->iy", before, np.repeat(deformation, counts, axis=0))
        moved = here - before
        farthest = np.maximum.reduceat(np.einsum("ix,ix->i", moved, moved), block.first)
        with np.errstate(divide="ignore", invalid="ignore"):
            share: ndarray = np.where(reach > 0, 2 * np.sqrt(farthest) / reach, inf)
        return share

    def _list_first(self, s: int, ignore_missing_species: bool) -> None:
        cell, reach = self.cells[s], self.cutoff + self._skin
        try:
            if cell.size == 0:
                raise ValueError("there are no atoms")
            if not ignore_missing_species:
                refuse_uncovered_species(self._potentials, cell.values)
            self._tables[s] = find_pairs(
                cell.cartesian(),
                cell.vectors,
                cell.pbc,
                cell.values,
                reach,
                charges=GivenCharges.from_meta(cell.meta, cell.size),
            )
        except ValueError as error:
            self.failed[s] = error
            return
        self.n_lists += 1

    def _list_again(self, s: int, positions: ndarray, vectors: ndarray) -> None:
        if s in self.failed:
            return
        atoms = slice(*self.first[s : s + 2])
        try:
            self._tables[s] = find_pairs_again(
                self._tables[s], positions[atoms].copy(), vectors[s], self.cells[s].pbc
            )
        except (ValueError, np.linalg.LinAlgError) as error:
            self.failed[s] = error
            return
        self._made_positions[atoms], self._made_vectors[s] = positions[atoms], vectors[s]
        self.n_lists += 1

    def _ready(self, names: tuple[str, ...]) -> Evaluator:
        if names not in self._compiled:
            self._compiled[names] = ready_potentials(
                self._potentials, names, precision=self._precision, device=self._device
            )
        return self._compiled[names]

    def _note_no_numbers(self, block: _Block, result: TableEvaluation) -> None:
        """Structures of a block whose energy is no number have failed."""
        for s in block.structures[~np.isfinite(result.energy[block.structures])].tolist():
            own = result.gradient[slice(*self.first[s : s + 2])]
            words, _ = words_for_no_number(float(result.energy[s]), own)
            self.failed[s] = ValueError(words)


def listed_structures(cells: Sequence[Cell | Atoms]) -> list[Cell | Atoms]:
    """A list of structures and nothing else.

    Raises:
        TypeError: Something else.
    """
    if isinstance(cells, Cell | Atoms | str) or not isinstance(cells, Sequence):
        advice = "" if isinstance(cells, Atoms) else how_to_make_one(cells)
        raise TypeError(
            f"`cells` is {type(cells).__name__} but must be a list of structures{advice}"
        )
    for s, cell in enumerate(cells):
        if not isinstance(cell, Cell | Atoms):
            raise TypeError(
                f"`cells` has {type(cell).__name__} at {s} but must have Cells, or ASE's Atoms"
            )
    return list(cells)


def name_of(cells: Sequence[Cell], s: int) -> str:
    """Words for a structure: where it comes from, or which one it is."""
    return str(cells[s].meta.get("source") or f"structure {s} (counted from 0)")
