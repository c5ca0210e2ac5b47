"""Factors of single neighbours in torch, as sums over pairs without a factor of r_jk have them."""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from miniff.ml._device._cutoffs import Cutoffs
from miniff.ml._device._factors import Distances, Factor, FactorTable
from miniff.ml._device._shell import Places, Shell
from miniff.potentials._symmetry import AngularFunction

__all__ = ["Leg", "Legs", "index_of", "legs_of", "rows_of"]

Leg = tuple[int, Factor]
"""The species code of neighbours, and their factor."""


def legs_of(f: AngularFunction) -> tuple[Leg, Leg]:
    """Of the two neighbours."""
    factor = f.fc, f.eta, f.shift
    return (f.first, factor), (f.second, factor)


class Legs:
    """Factors p: a row for each leg, 0 at neighbours of other species.

    Attributes:
        rows: Where each leg is.
        n: How many there are.
    """

    def __init__(self, legs: Iterable[Leg], cutoffs: Cutoffs, like: Tensor) -> None:
        """Sorts legs.

        Args:
            legs: Each may come several times.
            cutoffs: With all of their cutoff functions.
            like: Of the device and type in which values are computed.
        """
        self.rows = {leg: row for row, leg in enumerate(dict.fromkeys(legs))}
        self.n = len(self.rows)
        self._cutoffs, self._like = cutoffs, like
        self._table = FactorTable([(0, factor) for _, factor in self.rows], 1, cutoffs, like)
        self._numbers = self._table.at([1])
        factors = [self._table.row(0, factor) for _, factor in self.rows]
        self._factors = index_of(factors, self._table.n_rows, like)

    def __call__(self, shell: Shell) -> Float[Tensor, "n_centres n_legs n_places"]:
        return shell.known(self, self._of)

    def squares(self, shell: Shell) -> Float[Tensor, "n_centres n_legs"]:
        """The sum over neighbours of p^2."""
        return shell.known((self, "squares"), lambda at: self(at).square().sum(2))

    def _of(self, shell: Shell) -> Tensor:
        squares = Distances([shell.r], shell.squares).squares
        found = self._table.values(squares, shell.cutoffs(self._cutoffs), self._numbers)
        found = rows_of(found, self._factors)
        taken = shell.places.known(self, self._taken)
        return found if taken is None else found * taken

    def _taken(self, places: Places) -> Float[Tensor, "n_legs n_places"] | None:
        """1 where a neighbour is of the species of a leg; None if all are."""
        slices = [places.of(code) for code, _ in self.rows]
        if all(own == slice(0, places.n) for own in slices):
            return None
        taken = self._like.new_zeros(self.n, places.n)
        for row, own in zip(taken.unbind(), slices, strict=True):
            row[own].fill_(1)
        return taken

    def n_numbers(self) -> float:
        """About how many are in memory for each place, until derivatives are formed."""
        return self._table.n_numbers() + 2 * self.n


def rows_of(x: Tensor, index: Tensor | None) -> Tensor:
    """Some rows; all if there is no index."""
    return x if index is None else x.index_select(1, index)


def index_of(rows: Sequence[int], n: int, like: Tensor) -> Tensor | None:
    """For :func:`rows_of`: None for all rows in their order."""
    if rows == [*range(n)]:
        return None
    return torch.tensor(rows, dtype=torch.int64, device=like.device)
