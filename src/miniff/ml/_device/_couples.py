"""Sums of couples of factors of neighbours with functions of the angle, and what they are for."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from miniff.ml._device._angular import Entry
from miniff.ml._device._angular_terms import Angle, norm_of
from miniff.ml._device._legs import Legs, index_of, legs_of, rows_of
from miniff.ml._device._shell import Shell
from miniff.potentials._symmetry import AngularFunction

__all__ = ["CoupleSums"]


@dataclass(frozen=True, eq=False)
class _Couples:
    """Legs that go together.

    Attributes:
        n: How many.
        first: A leg of each couple; None if they are all legs in their order.
        second: The other one; the same tensor if they are the same.
    """

    n: int
    first: Int64[Tensor, " n"] | None
    second: Int64[Tensor, " n"] | None

    @staticmethod
    def of(couples: Sequence[tuple[int, int]], n_legs: int, like: Tensor) -> "_Couples":
        """Couples of so many legs."""
        one, other = ([couple[k] for couple in couples] for k in (0, 1))
        first = index_of(one, n_legs, like)
        return _Couples(len(one), first, first if one == other else index_of(other, n_legs, like))

    def products(
        self,
        one: Float[Tensor, "n_centres n_legs ..."],
        other: Float[Tensor, "n_centres n_legs ..."],
    ) -> Float[Tensor, "n_centres n ..."]:
        """What belongs to the first leg times what belongs to the second."""
        first = rows_of(one, self.first)
        if one is other and self.first is self.second:
            return first.square()
        return first * rows_of(other, self.second)


class CoupleSums:
    """Where sums are: of each couple of legs with each function of the angle, then of p^2.

    Attributes:
        n: How many.
        rows: Of the legs of each couple.
        couples: The same on the device.
        entries: Which columns the sums go to.
    """

    def __init__(
        self,
        functions: Sequence[AngularFunction],
        legs: Legs,
        angles: dict[Angle, float],
        like: Tensor,
    ) -> None:
        """Gives each sum its place.

        Args:
            functions: What the sums are for.
            legs: With all of theirs.
            angles: What each function of the angle adds where j = k, in the order of its sums.
            like: Of the device.
        """
        self._legs = legs
        of_functions = [_rows_of(f, legs) for f in functions]
        self.rows = list(dict.fromkeys(of_functions))
        self.couples = _Couples.of(self.rows, legs.n, like)
        n_products, places = len(self.rows) * len(angles), list(angles)
        self.entries, squares = [], []
        for f, (first, second) in zip(functions, of_functions, strict=True):
            scale = f.prefactor * norm_of(f.angle)
            place = self.rows.index((first, second)) * len(angles) + places.index(f.angle)
            self.entries.append(Entry(place, f.column, scale))
            if first == second and angles[f.angle] != 0:
                squares.append(Entry(n_products + first, f.column, -scale * angles[f.angle]))
        self.entries += squares
        self._has_squares = bool(squares)
        self.n = n_products + legs.n * self._has_squares

    def together(
        self, products: Float[Tensor, "n_centres n_couples n_angles"], shell: Shell
    ) -> Float[Tensor, "n_centres n"]:
        """All sums."""
        own: Tensor = products.flatten(1)
        return torch.cat([own, self._legs.squares(shell)], dim=1) if self._has_squares else own


def _rows_of(f: AngularFunction, legs: Legs) -> tuple[int, int]:
    first, second = (legs.rows[leg] for leg in legs_of(f))
    return first, second
