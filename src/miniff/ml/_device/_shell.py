"""Neighbours of several centres in one evaluation, and what functions of them share."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor

from miniff.ml._device._cutoffs import Cutoffs
from miniff.potentials._symmetry import ANY_SPECIES

__all__ = ["Places", "Shell"]

Known = TypeVar("Known")


class Places:
    """Where neighbours of each species are in a row, and what follows from it alone.

    Attributes:
        bounds: Neighbours of the species with code s are bounds[s] ... bounds[s + 1] - 1.
    """

    def __init__(self, bounds: Sequence[int]) -> None:
        self.bounds = tuple(bounds)
        self._known: dict[object, Any] = {}

    @property
    def n(self) -> int:
        """How many places there are."""
        return self.bounds[-1]

    def of(self, code: int) -> slice:
        """The places of a species; of all for ``ANY_SPECIES``, none for one that does not occur."""
        if code == ANY_SPECIES:
            return slice(0, self.n)
        if code + 1 >= len(self.bounds):
            return slice(0, 0)
        return slice(self.bounds[code], self.bounds[code + 1])

    def known(self, to: object, make: Callable[["Places"], Known]) -> Known:
        """What someone has to know of the places, made when it is asked for first."""
        if to not in self._known:
            self._known[to] = make(self)
        return cast(Known, self._known[to])


class Shell:
    """Vectors from centres to their neighbours, those of one species next to each other.

    Rows are padded with vectors that are longer than every cutoff.
    """

    def __init__(
        self, vectors: Float[Tensor, "n_centres n_places 3"], places: Places | Sequence[int]
    ) -> None:
        """Takes vectors.

        Args:
            vectors: r_j - r_i (length).
            places: Of each species among them, or their bounds.
        """
        self.vectors = vectors
        self.places = places if isinstance(places, Places) else Places(places)
        self.squares: Tensor = vectors.square().sum(-1)
        self.r: Tensor = self.squares.sqrt()
        self._known: dict[object, Tensor] = {}

    def of(self, code: int) -> slice:
        """The places of a species; of all for ``ANY_SPECIES``, none for one that does not occur."""
        return self.places.of(code)

    def known(self, to: object, make: Callable[["Shell"], Tensor]) -> Tensor:
        """What follows from the vectors, computed when it is asked for first."""
        if to not in self._known:
            self._known[to] = make(self)
        return self._known[to]

    @property
    def units(self) -> Float[Tensor, "n_centres n_places 3"]:
        """Unit vectors to the neighbours."""
        return self.known("units", lambda _: self.vectors / self.r[..., None])

    def cosines(self, first: int, second: int) -> Float[Tensor, "n_centres n_first n_second"]:
        """Of the angles between the neighbours of two species."""
        one, other = self.units[:, self.of(first)], self.units[:, self.of(second)]
        return self.known(("cosines", first, second), lambda _: one @ other.transpose(1, 2))

    def cutoffs(self, functions: Cutoffs) -> Float[Tensor, "n_centres n_functions n_places"]:
        """fc(r) of all places."""
        return self.known(functions, lambda _: functions(self.r))

    def others(self, code: int) -> Float[Tensor, "n_places n_places"]:
        """1 for two neighbours of a species, 0 for one with itself."""
        own = self.of(code)
        like = self.vectors
        return 1 - torch.eye(own.stop - own.start, dtype=like.dtype, device=like.device)
