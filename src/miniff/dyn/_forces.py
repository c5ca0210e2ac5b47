"""Forces on atoms that move, with a neighbour list that is made again when it must be."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from miniff._charges import GivenCharges
from miniff._checks import check_positive
from miniff._neighbors import ListedAtoms, NeighborTable
from miniff.kernel import Cell, Placement, SkinList
from miniff.potentials import (
    Potential,
    Precision,
    TableEvaluation,
    listed_potentials,
    ready_potentials,
    ready_search,
    refuse_uncovered_species,
    refuse_unknown_species,
)

__all__ = ["SkinForces"]


class SkinForces:
    """Energy and forces of one structure wherever its atoms are.

    Attributes:
        cell: The structure.
        pairs: Its neighbours.
    """

    def __init__(
        self,
        potentials: Potential | Sequence[Potential],
        cell: Cell,
        *,
        skin: float = 1.0,
        ignore_missing_species: bool = False,
        precision: Precision = "double",
        device: str = "cpu",
    ) -> None:
        """Compiles the potentials; the first list is made where the atoms are in the cell.

        Args:
            potentials: Their energies are summed.
            cell: Species, box and positions.
            skin: Beyond the cutoff (length).
            ignore_missing_species: As in :func:`miniff.kernel.eval`.
            precision: As in :func:`miniff.kernel.eval`.
            device: As in :func:`miniff.kernel.eval`.

        Raises:
            ValueError: A skin that is not positive and finite, no potential, a species no potential
                gives an energy to, or one that is not in the structure.
        """
        check_positive("skin", skin)
        several = listed_potentials(potentials)
        if not several:
            raise ValueError("`potentials` is empty but atoms need a potential to have forces")
        self.cell = cell
        self.pairs = SkinList(
            Placement(np.ascontiguousarray(cell.cartesian()), cell.vectors),
            ListedAtoms.of(cell.values, GivenCharges.from_meta(cell.meta, cell.size)),
            pbc=cell.pbc,
            cutoff=max(p.cutoff for p in several),
            skin=skin,
            search=ready_search(several, device=device),
        )
        if not ignore_missing_species:
            refuse_unknown_species(several, self.pairs.names)
            refuse_uncovered_species(several, self.pairs.names)
        self._ready = ready_potentials(
            several, self.pairs.names, precision=precision, device=device
        )

    @property
    def n_lists(self) -> int:
        """How many times a list was made."""
        return self.pairs.n_lists

    def __call__(self, positions: Float[ndarray, "n_atoms 3"]) -> TableEvaluation:
        """Energy, gradient and strain derivative with the atoms at these positions (length).

        Raises:
            ValueError: Atoms at the same place.
        """
        return self._ready.evaluate(self.table(positions))

    def table(self, positions: Float[ndarray, "n_atoms 3"]) -> NeighborTable:
        """Neighbours with the atoms at these positions (length).

        Raises:
            ValueError: Atoms at the same place.
        """
        return self.pairs.table(Placement(positions, self.cell.vectors))
