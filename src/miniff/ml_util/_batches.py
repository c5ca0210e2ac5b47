"""Mini-batches: which structures an optimiser looks at in a step."""

from collections.abc import Iterator, Mapping, Sequence
from math import log2

import torch
from torch import Tensor

from miniff.ml import Dataset, cut
from miniff.ml_util._loss import term_counts
from miniff.ml_util._objective import Objective

__all__ = ["Batches", "datasets_in_pieces", "structures_of_batch"]

FEWEST_PIECES = 4
"""Batches are drawn from pieces of the training set, at least so many for each if it has as many
structures. In a piece structures are together that were read one after the other."""


def structures_of_batch(datasets: Sequence[Dataset], atoms: int) -> int:
    """How many structures have about so many atoms, on average: a power of two."""
    n_structures = sum(len(part) for part in datasets)
    n_atoms = sum(float(part.n_atoms().sum()) for part in datasets)
    wanted = atoms * n_structures / max(n_atoms, 1.0)
    return int(2 ** max(0, round(log2(max(wanted, 1.0)))))


def datasets_in_pieces(
    datasets: Mapping[str, Sequence[Dataset]], batch_size: int
) -> dict[str, Sequence[Dataset]]:
    """The training set in pieces, the other sets as they are."""
    size = batch_size // _pieces_of_batch(batch_size)
    pieces = [piece for part in datasets["train"] for piece in cut(part, size)]
    return {**datasets, "train": pieces}


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
        self._parts = [k for k, part in enumerate(objective.parts) if _teaches(objective, part)]
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


def _teaches(objective: Objective, part: Dataset) -> bool:
    own = objective.weights
    counts = term_counts(part).tolist()
    return any(
        w > 0 and n > 0 for w, n in zip((own.energy, own.forces, own.stress), counts, strict=True)
    )
