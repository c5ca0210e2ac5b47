"""Factors p(r) = exp(-eta (r - shift)^2) fc(r) of symmetry functions, many in one evaluation.

Places of neighbours, or of pairs of them, come in blocks: one for each species, or two. A table has
the factors of a block in a column; a row of it is evaluated at once, each place with the numbers of
its block.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from miniff.ml._device._cutoffs import Cutoffs
from miniff.potentials._symmetry import CutoffFunction, RadialWindow

__all__ = ["Distances", "Factor", "FactorTable", "PlacedFactors"]

Factor = tuple[CutoffFunction | RadialWindow, float, float]
"""Cutoff function, eta and shift."""


SMALLEST_SQUARE = 1e-12
"""Of r_jk: below are places that are not taken."""


@dataclass(frozen=True, eq=False)
class Distances:
    """Those that a factor is a product over.

    Attributes:
        distances: Of a neighbour, or the sides of a triangle (length).
        sum_of_squares: Of them.
    """

    distances: Sequence[Float[Tensor, "n_centres n_places"]]
    sum_of_squares: Float[Tensor, "n_centres n_places"]

    def squares(self, shift: Tensor | None) -> Float[Tensor, "n_centres _ n_places"]:
        """The sum of (r - shift)^2 for each row of shifts; one row where there is none."""
        if shift is None:
            return self.sum_of_squares[:, None]
        first, *others = [(r[:, None] - shift).square() for r in self.distances]
        for other in others:
            first = first + other
        return first

    def with_third(self, cosine: Float[Tensor, "n_centres n_pairs"]) -> "Distances":
        """With the third side of triangles with this cosine."""
        first, second = self.distances
        square = self.sum_of_squares - 2 * (first * second * cosine)
        square = square.clamp(min=SMALLEST_SQUARE)
        return Distances([first, second, square.sqrt()], self.sum_of_squares + square)


@dataclass(frozen=True, eq=False)
class PlacedFactors:
    """The numbers of a table at certain places: of each row, and of each place if they differ.

    Attributes:
        minus_eta: None if all are 0.
        shift: None if all are 0.
    """

    minus_eta: Float[Tensor, "n_rows _"] | None
    shift: Float[Tensor, "n_rows _"] | None


class FactorTable:
    """Distinct factors of each block.

    Attributes:
        n_rows: As many as the block with the most factors has of each cutoff function.
    """

    def __init__(
        self, factors: Sequence[tuple[int, Factor]], n_blocks: int, cutoffs: Cutoffs, like: Tensor
    ) -> None:
        """Sorts factors.

        Args:
            factors: Each with its block.
            n_blocks: How many there are.
            cutoffs: With all of their cutoff functions.
            like: Of the device and type in which values are computed.
        """
        self._rows: dict[tuple[int, Factor], int] = {}
        own_cutoffs = sorted({factor[0] for _, factor in factors}, key=cutoffs.places.__getitem__)
        of_row: list[int] = []
        for fc in own_cutoffs:
            counts = [0] * n_blocks
            for block, factor in dict.fromkeys(factors):
                if factor[0] == fc:
                    self._rows[block, factor] = len(of_row) + counts[block]
                    counts[block] += 1
            of_row += [cutoffs.places[fc]] * max(counts)
        self.n_rows = len(of_row)
        etas, shifts = torch.zeros(2, self.n_rows, n_blocks, dtype=torch.float64)
        for (block, (_, eta, shift)), row in self._rows.items():
            etas[row, block], shifts[row, block] = eta, shift
        self._has_eta, self._has_shift = map(_any, (etas, shifts))
        self._alike = all(bool((own == own[:, :1]).all()) for own in (etas, shifts))
        self._minus_eta, self._shift = -etas.to(like), shifts.to(like)
        self._cutoff_of_row = None
        if len(cutoffs) > 1:
            self._cutoff_of_row = torch.tensor(of_row, device=like.device)

    def row(self, block: int, factor: Factor) -> int:
        """Where a factor of a block is."""
        return self._rows[block, factor]

    def at(self, sizes: Sequence[int]) -> PlacedFactors:
        """The numbers for places of the blocks, so many of each."""
        return PlacedFactors(
            self._at(self._minus_eta, sizes) if self._has_eta else None,
            self._at(self._shift, sizes) if self._has_shift else None,
        )

    def _at(self, numbers: Tensor, sizes: Sequence[int]) -> Tensor:
        if self._alike:
            return numbers[:, :1]
        parts = numbers.split(1, dim=1)
        return torch.cat(
            [own.expand(-1, size) for own, size in zip(parts, sizes, strict=True)], dim=1
        )

    def n_numbers(self) -> float:
        """About how many are in memory for each place, until derivatives are formed."""
        return 3.0 * self.n_rows

    def values(
        self,
        squares: Callable[[Tensor | None], Tensor],
        cutoffs: Float[Tensor, "n_centres n_functions n_places"],
        numbers: PlacedFactors,
    ) -> Float[Tensor, "n_centres n_rows n_places"]:
        """exp(-eta s) fc of all rows.

        Args:
            squares: From shifts to s [n_centres, n_rows or 1, n_places], the sum of (r - shift)^2
                over the distances of a place.
            cutoffs: The product of fc over them.
            numbers: Of the places.
        """
        own = (
            cutoffs if self._cutoff_of_row is None else cutoffs.index_select(1, self._cutoff_of_row)
        )
        if numbers.minus_eta is None:
            return own.expand(-1, self.n_rows, -1)
        return torch.exp(numbers.minus_eta * squares(numbers.shift)) * own


def _any(numbers: Tensor) -> bool:
    return bool((numbers != 0).any())
