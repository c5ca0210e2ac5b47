"""Forces on atoms that move, with a neighbour list that is made again when it must be."""

from collections.abc import Sequence
from math import inf

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from miniff._neighbors import find_pairs, find_pairs_again
from miniff.kernel import Cell
from miniff.potentials import (
    CompiledPotentials,
    LocalPotential,
    Precision,
    TableEvaluation,
    listed_potentials,
    refuse_uncovered_species,
    refuse_unknown_species,
)

__all__ = ["SkinForces"]


class SkinForces:
    """Energy and forces of one structure wherever its atoms are.

    Neighbours are listed up to the cutoff and a skin. The list is right until an atom has moved by
    half of the skin since it was made; then it is made again.

    Attributes:
        n_lists: How many times a list was made.
    """

    def __init__(
        self,
        potentials: LocalPotential | Sequence[LocalPotential],
        cell: Cell,
        *,
        skin: float = 1.0,
        ignore_missing_species: bool = False,
        precision: Precision = "double",
    ) -> None:
        """Compiles the potentials; the first list is made where the atoms are in the cell.

        Args:
            potentials: Their energies are summed.
            cell: Species, box and positions.
            skin: Beyond the cutoff (length).
            ignore_missing_species: As in :func:`miniff.kernel.eval`.
            precision: As in :func:`miniff.kernel.eval`.

        Raises:
            ValueError: A skin that is not positive and finite, no potential, a species no potential
                gives an energy to, or one that is not in the structure.
        """
        if not 0 < skin < inf:
            raise ValueError(f"`skin` is {skin} but must be in (0, inf)")
        several = listed_potentials(potentials)
        if not several:
            raise ValueError("`potentials` is empty but atoms need a potential to have forces")
        self.cell = cell
        self.skin = float(skin)
        self.n_lists = 1
        cutoff = max((p.cutoff for p in several), default=0.0) + self.skin
        self._table_positions = np.ascontiguousarray(cell.cartesian())
        self._table = find_pairs(self._table_positions, cell.vectors, cell.pbc, cell.values, cutoff)
        if not ignore_missing_species:
            refuse_unknown_species(several, self._table.names)
            refuse_uncovered_species(several, self._table.names)
        self._ready = CompiledPotentials(several, self._table.names, precision=precision)

    def __call__(self, positions: Float[ndarray, "n_atoms 3"]) -> TableEvaluation:
        """Energy, gradient and strain derivative with the atoms at these positions (length).

        Raises:
            ValueError: Atoms at the same place.
        """
        if self._has_moved(positions):
            self._table = find_pairs_again(self._table, positions, self.cell.pbc)
            self._table_positions = positions.copy()
            self.n_lists += 1
        return self._ready.evaluate(self._table.moved(positions, self._table.cells))

    def _has_moved(self, positions: ndarray) -> bool:
        """Whether an atom is further than half of the skin from where it was; also if it is nan."""
        moved = positions - self._table_positions
        half = self.skin / 2
        # No component of a vector is longer than it is: most calls end here.
        if np.abs(moved).max(initial=0.0) <= half / 3**0.5:
            return False
        return not np.einsum("ix,ix->i", moved, moved).max(initial=0.0) <= half**2
