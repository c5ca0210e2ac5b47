"""How the structures of a data set are dealt to processes, part by part."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from miniff.kernel import Cell, compute_images
from miniff.ml import Dataset, Processes, cut_at
from miniff.ml_util._errors import Properties

__all__ = ["Deal", "deal_evenly", "gathered", "gathered_atoms", "pairs_of"]


@dataclass(frozen=True, eq=False)
class Deal:
    """Who has which structures of a part of a data set.

    Attributes:
        owner: The rank of the process that has each structure.
        sizes: Atoms of each structure.
    """

    owner: Int64[ndarray, " n_structures"]
    sizes: Int64[ndarray, " n_structures"]

    @staticmethod
    def whole(part: Dataset) -> "Deal":
        """One process has all structures."""
        sizes = part.n_atoms()[:, 0].cpu().numpy().round().astype(np.int64)
        return Deal(np.zeros(len(part), np.int64), sizes)

    @staticmethod
    def together(deals: "Sequence[Deal]") -> "Deal":
        """Of parts that are joined."""
        owners, sizes = ([getattr(deal, name) for deal in deals] for name in ("owner", "sizes"))
        return Deal(np.concatenate(owners), np.concatenate(sizes))

    def structures(self, rank: int) -> Int64[ndarray, " n_own"]:
        """Those of a process, in the order in which it has them."""
        return np.flatnonzero(self.owner == rank)

    def atoms(self, rank: int) -> Int64[ndarray, " n_own_atoms"]:
        """Where the atoms of a process are among those of the part."""
        return np.flatnonzero(np.repeat(self.owner == rank, self.sizes))

    def cut(
        self, part: Dataset, n_structures: int, rank: int
    ) -> tuple[list[Dataset], list["Deal"]]:
        """Pieces of so many structures: what a process has of them, and who has the rest."""
        edges = [*range(0, len(self.owner), n_structures), len(self.owner)]
        own_edges = np.searchsorted(self.structures(rank), edges).tolist()
        deals = [Deal(self.owner[a:b], self.sizes[a:b]) for a, b in pairwise(edges)]
        return cut_at(part, own_edges), deals


def deal_evenly(
    work: Float64[ndarray, " n_structures"],
    sizes: Int64[ndarray, " n_structures"],
    most_atoms: int,
    n_processes: int,
) -> list[Deal]:
    """Structures one after the other in parts, each dealt so that all have as much to do.

    Parts are the same whatever the number of processes: so are batches that are drawn from them.

    Args:
        work: That each structure makes.
        sizes: Atoms of each structure.
        most_atoms: Of a part, which has at least one structure.
        n_processes: How many share.
    """
    deals, load = [], np.zeros(n_processes)
    for part in _parts(sizes, most_atoms):
        owner = np.zeros(len(part), np.int64)
        for s in np.argsort(-work[part], kind="stable"):
            owner[s] = np.argmin(load)
            load[owner[s]] += work[part][s]
        deals.append(Deal(owner, sizes[part]))
    return deals


def _parts(sizes: ndarray, most_atoms: int) -> list[ndarray]:
    """Structures one after the other, until they have enough atoms."""
    parts: list[list[int]] = []
    n_atoms = most_atoms
    for s, size in enumerate(sizes.tolist()):
        n_atoms += size
        if n_atoms > most_atoms:
            parts.append([])
            n_atoms = size
        parts[-1].append(s)
    return [np.array(part) for part in parts]


def pairs_of(
    cells: Sequence[Cell], cutoff: float, processes: Processes
) -> Float64[ndarray, " n_structures"]:
    """Pairs of neighbours in each structure; processes count some each."""
    counts = np.zeros(len(cells))
    for s in range(processes.rank, len(cells), processes.size):
        counts[s] = compute_images(cells[s], cutoff).table.n_pairs
    return processes.sum(counts)


def gathered(own: Properties, deals: Sequence[Deal], processes: Processes) -> Properties:
    """Properties of all structures of a data set, in their order.

    Args:
        own: Of the structures of this process, part by part.
        deals: Of the parts.
        processes: All must call this.
    """
    if processes.size == 1:
        return own
    n_atoms, energy, *rest = (
        processes.gather(np.asarray(getattr(own, name), float))
        for name in ("n_atoms", "energy", "forces", "stress", "charges")
    )
    everyone = Properties(n_atoms.astype(np.int64), energy, *rest)
    return everyone.taken(_places(deals, processes))


def gathered_atoms(
    own: Float64[ndarray, "n_own_atoms n"], deals: Sequence[Deal], processes: Processes
) -> Float64[ndarray, "n_atoms n"]:
    """Rows of the atoms of all structures of a data set, in their order; as :func:`gathered`."""
    if processes.size == 1:
        return own
    rows, order = processes.gather(own), np.argsort(_places(deals, processes))
    sizes = np.concatenate([deal.sizes for deal in deals])[order]
    last = np.cumsum(sizes)
    atoms = [np.arange(end - n, end) for end, n in zip(last, sizes, strict=True)]
    places = [atoms[place] for place in _places(deals, processes)]
    found: ndarray = rows[np.concatenate([np.zeros(0, np.int64), *places])]
    return found


def _places(deals: Sequence[Deal], processes: Processes) -> Int64[ndarray, " n_structures"]:
    """Where each structure of a data set is among those of all processes, the first's first."""
    first = np.cumsum([0, *(len(deal.owner) for deal in deals)])
    order = np.concatenate(
        [
            deal.structures(rank) + start
            for rank in range(processes.size)
            for deal, start in zip(deals, first, strict=False)
        ]
    )
    places: ndarray = np.argsort(order)
    return places
