"""A neighbour list for atoms and boxes that move, made again only when it must be.

Pairs are listed up to cutoff + skin. When the list was made, atoms were at r and cell vectors were
the rows of h; now they are at r' and h'. With F = h^-1 h', which takes the old vectors to the new
ones, and u = r' - r F, what an atom did besides, a pair that was d apart is d F + u_j - u_i apart
now, images included. One that was not listed was at least cutoff + skin apart, so it is at least

    (cutoff + skin) s - 2 max |u|

apart now, where s is the smallest singular value of F, by which F shortens the most. While that is
not less than the cutoff the list has every pair within it. Where the box stays (F = s = 1) this is
the usual rule: no atom has moved by more than half of the skin. A motion that all atoms share
changes no distance and is taken out of u.

Verlet, Phys. Rev. 159, 98 (1967), https://doi.org/10.1103/PhysRev.159.98
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64
from numpy import ndarray

from miniff._checks import check_finite, check_not_negative
from miniff._neighbors import ListedAtoms, NeighborTable, PairSearch, search_pairs

__all__ = ["Placement", "SkinList"]


@dataclass(frozen=True, eq=False)
class Placement:
    """Where the atoms of a structure and its box are.

    Attributes:
        positions: Cartesian, in the box or outside (length).
        vectors: Rows are the cell vectors (length); three that are independent, even where nothing
            repeats.
    """

    positions: Float[ndarray, "n_atoms 3"]
    vectors: Float[ndarray, "3 3"]

    def copy(self) -> "Placement":
        """The same with arrays of its own."""
        return Placement(self.positions.copy(), self.vectors.copy())


class SkinList:
    """The neighbour pairs of one structure wherever its atoms and cell vectors are.

    Attributes:
        pbc: Whether the structure repeats along each cell vector.
        cutoff: All pairs closer than this are listed (length).
        skin: How far beyond the cutoff pairs are listed (length).
        made_at: Where atoms and box were when the list was made.
        n_lists: How many times a list was made.
    """

    def __init__(
        self,
        placement: Placement,
        atoms: ListedAtoms,
        *,
        pbc: Sequence[bool],
        cutoff: float,
        skin: float,
        search: PairSearch = search_pairs,
    ) -> None:
        """Lists the pairs of atoms where they are.

        Args:
            placement: Positions and cell vectors.
            atoms: Their species, and what is known of their charges.
            pbc: Whether the structure repeats along each cell vector.
            cutoff: Below this every pair is wanted (length).
            skin: What is listed beyond it (length); with 0 the list is new after every motion.
            search: What finds pairs, on the CPU by default; see
                :func:`miniff.potentials.ready_search`.

        Raises:
            ValueError: A cutoff or skin that is negative or infinite, and what
                :func:`compute_images` refuses.
        """
        check_not_negative("cutoff", cutoff)
        check_not_negative("skin", skin)
        self.pbc = tuple(bool(repeats) for repeats in pbc)
        self.cutoff, self.skin = float(cutoff), float(skin)
        self._atoms, self._search = atoms, search
        self.n_lists = 0
        self.make_at(placement)

    @property
    def names(self) -> tuple[str, ...]:
        """The species that occur, sorted."""
        return self._atoms.names

    def table(self, placement: Placement) -> NeighborTable:
        """The pairs with atoms and box at another place; it has some beyond the cutoff too.

        Raises:
            ValueError: As the constructor, for the new place.
        """
        if not self._still_holds(placement):
            self.make_at(placement)
        return self._table.moved(placement.positions, placement.vectors[None])

    def make_at(self, placement: Placement) -> None:
        """Makes the list anew, of atoms and box at this place.

        The order of sums, and so the last bits of energies, depends on where a list was made: a run
        that goes on from a file needs the list it had.

        Raises:
            ValueError: As the constructor.
        """
        check_finite("vectors", placement.vectors)
        new = placement.copy()
        reach = self.cutoff + self.skin
        self._table = self._search(self._atoms, new.positions, new.vectors, self.pbc, reach)
        self.made_at = new
        self.n_lists += 1

    def _still_holds(self, now: Placement) -> bool:
        """Whether no pair that is not listed can be within the cutoff; not if a number is nan."""
        then, reach = self.made_at, self.skin
        if not any(self.pbc) or (now.vectors == then.vectors).all():
            moved = now.positions - then.positions
        else:
            deformation = np.linalg.solve(then.vectors, now.vectors)
            if not np.isfinite(deformation).all():
                return False
            shortest = float(np.linalg.svd(deformation, compute_uv=False)[-1])
            reach = (self.cutoff + self.skin) * shortest - self.cutoff
            moved = now.positions - then.positions @ deformation
        # No component of a vector is longer than it is: most calls end here.
        if np.abs(moved).max(initial=0.0) <= reach / 2 / 3**0.5:
            return True
        return _longest(moved) <= reach / 2 or _longest(moved - moved.mean(axis=0)) <= reach / 2


def _longest(vectors: Float64[ndarray, "n 3"]) -> float:
    return float(np.sqrt(np.einsum("ix,ix->i", vectors, vectors).max(initial=0.0)))
