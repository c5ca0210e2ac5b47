"""Sums that a set of functions is made of, and those over pairs of neighbours of one formula."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from miniff.ml._device._pair_forms import PairForm
from miniff.ml._device._shell import Shell

__all__ = ["Entry", "LegSums", "Part"]


@dataclass(frozen=True)
class Entry:
    """How much of a sum goes to a column."""

    place: int
    column: int
    scale: float


@runtime_checkable
class Part(Protocol):
    """Some sums of a set."""

    @property
    def n_sums(self) -> int:
        """How many."""

    @property
    def entries(self) -> Sequence[Entry]:
        """Which columns they go to."""

    def __call__(self, shell: Shell) -> Tensor:
        """The sums [n_centres, n_sums]."""

    def n_numbers(self, n_neighbors: Callable[[int], float]) -> float:
        """About how many are in memory for a centre with so many neighbours of each species."""


@dataclass(frozen=True)
class LegSums:
    """sum over j, k of g(cos t) h1(r_ij) h2(r_ik), over ordered (j, k) where both are of one kind.

    Attributes:
        column: Where it goes.
        species: Codes of j and k.
        legs: h1 and h2.
        scale: Of g.
        cos_theta0: g is the square of the cosine's distance from it.
    """

    column: int
    species: tuple[int, int]
    legs: tuple[PairForm, PairForm]
    scale: float
    cos_theta0: float

    n_sums = 1

    @property
    def entries(self) -> Sequence[Entry]:
        return [Entry(0, self.column, self.scale)]

    def __call__(self, shell: Shell) -> Float[Tensor, "n_centres 1"]:
        first, second = self.species
        h1, h2 = (
            leg(shell.r[:, shell.of(s)]) for leg, s in zip(self.legs, self.species, strict=True)
        )
        g = (shell.cosines(first, second) - self.cos_theta0).square()
        if first == second:
            g = g * shell.others(first)
        return ((h1[:, None] @ g)[:, 0] * h2).sum(-1, keepdim=True)

    def n_numbers(self, n_neighbors: Callable[[int], float]) -> float:
        """About how many are in memory for a centre with so many neighbours of each species."""
        n_first, n_second = map(n_neighbors, self.species)
        return 8 * n_first * n_second + 20 * (n_first + n_second)
