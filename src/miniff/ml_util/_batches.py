"""Mini-batches: which structures an optimiser looks at in a step."""

from collections.abc import Iterator, Sequence
from math import log2

import numpy as np
import torch
from torch import Tensor

from miniff.ml import Dataset
from miniff.ml_util._deals import Deal
from miniff.ml_util._objective import Objective

__all__ = ["Batches", "in_pieces", "structures_of_batch"]

FEWEST_PIECES = 4
"""Batches are drawn from pieces of the training set, at least so many for each if it has as many
structures. In a piece structures are together that were read one after the other."""


def structures_of_batch(deals: Sequence[Deal], atoms: int) -> int:
    """How many structures have about so many atoms, on average: a power of two."""
    n_structures = sum(len(deal.sizes) for deal in deals)
    n_atoms = sum(float(deal.sizes.sum()) for deal in deals)
    wanted = atoms * n_structures / max(n_atoms, 1.0)
    return int(2 ** max(0, round(log2(max(wanted, 1.0)))))


def in_pieces(
    parts: Sequence[Dataset], deals: Sequence[Deal], rank: int, batch_size: int
) -> tuple[list[Dataset], list[Deal]]:
    """What a process has of a training set in pieces, and who has the rest."""
    size = batch_size // _pieces_of_batch(batch_size)
    pieces: list[Dataset] = []
    owners: list[Deal] = []
    for part, deal in zip(parts, deals, strict=True):
        some, their_deals = deal.cut(part, size, rank)
        pieces += some
        owners += their_deals
    return pieces, owners


class Batches:
    """Parts of a training set in another order in each epoch, some at a time.

    Attributes:
        generator: Of the order, and of what else an optimiser draws.
        n_steps: In an epoch.
    """

    def __init__(self, objective: Objective, batch_size: int, seed: int) -> None:
        """Parts without any reference that has a weight are never drawn.

        Args:
            objective: With its data set in pieces for this size.
            batch_size: Structures in a step, about: pieces where the data set ends are smaller.
            seed: Of the generator.
        """
        both = np.column_stack([objective.counts.numpy(), objective.charge_counts])
        counts = enumerate(both.tolist())
        self._parts = [k for k, own in counts if _teaches(objective, own)]
        self.n_steps = -(-len(self._parts) // _pieces_of_batch(batch_size))
        self.generator = torch.Generator().manual_seed(seed)

    def epoch(self) -> Iterator[list[int]]:
        """Which parts each step looks at; every part once."""
        order = torch.randperm(len(self._parts), generator=self.generator).tolist()
        for step in range(self.n_steps):
            yield sorted(self._parts[k] for k in order[step :: self.n_steps])

    def state(self) -> Tensor:
        """Of the generator."""
        return self.generator.get_state()

    def resume(self, state: Tensor) -> None:
        """Goes on from a state."""
        self.generator.set_state(state)


def _pieces_of_batch(batch_size: int) -> int:
    """The smallest divisor that is large enough, so that pieces are equal."""
    enough = min(FEWEST_PIECES, batch_size)
    return next(n for n in range(enough, batch_size + 1) if batch_size % n == 0)


def _teaches(objective: Objective, counts: Sequence[float]) -> bool:
    own = objective.weights
    return any(
        w > 0 and n > 0
        for w, n in zip((own.energy, own.forces, own.stress, own.charges), counts, strict=True)
    )
