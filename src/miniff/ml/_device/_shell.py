"""Neighbours of several centres in one evaluation, and what functions of them share."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from miniff.ml._device._cutoffs import cutoff_function, numbers_of_cutoff
from miniff.potentials._symmetry import ANY_SPECIES, CutoffFunction, RadialWindow

__all__ = ["Factors", "Shell"]

SMALLEST_SQUARE = 1e-12
"""Of r_jk: below are a neighbour and itself, and places that are not taken."""


class Shell:
    """Vectors from centres to their neighbours, those of one species next to each other.

    Rows are padded with vectors that are longer than every cutoff.
    """

    def __init__(
        self, vectors: Float[Tensor, "n_centres n_places 3"], bounds: Sequence[int]
    ) -> None:
        """Takes vectors.

        Args:
            vectors: r_j - r_i (length).
            bounds: Neighbours of the species with code s are bounds[s] ... bounds[s + 1] - 1.
        """
        self.vectors = vectors
        self.bounds = tuple(bounds)
        self.squares: Tensor = vectors.square().sum(-1)
        self.r: Tensor = self.squares.sqrt()
        self._units = vectors / self.r[..., None]
        self._cosines: dict[tuple[int, int], Tensor] = {}
        self._sides: dict[tuple[int, int], Tensor] = {}

    def of(self, code: int) -> slice:
        """The places of a species; of all for ``ANY_SPECIES``, none for one that does not occur."""
        if code == ANY_SPECIES:
            return slice(0, self.bounds[-1])
        if code + 1 >= len(self.bounds):
            return slice(0, 0)
        return slice(self.bounds[code], self.bounds[code + 1])

    def cosines(self, first: int, second: int) -> Float[Tensor, "n_centres n_first n_second"]:
        """Of the angles between the neighbours of two species."""
        key = first, second
        if key not in self._cosines:
            one, other = self._units[:, self.of(first)], self._units[:, self.of(second)]
            self._cosines[key] = one @ other.transpose(1, 2)
        return self._cosines[key]

    def sides(self, first: int, second: int) -> Float[Tensor, "n_centres n_first n_second"]:
        """Distances r_jk between the neighbours of two species (length)."""
        key = first, second
        if key not in self._sides:
            j, k = self.of(first), self.of(second)
            products = self.vectors[:, j] @ self.vectors[:, k].transpose(1, 2)
            squares = self.squares[:, j, None] + self.squares[:, None, k] - 2 * products
            self._sides[key] = squares.clamp(min=SMALLEST_SQUARE).sqrt()
        return self._sides[key]

    def others(self, code: int) -> Float[Tensor, "n_places n_places"]:
        """1 for two neighbours of a species, 0 for one with itself."""
        own = self.of(code)
        like = self.vectors
        return 1 - torch.eye(own.stop - own.start, dtype=like.dtype, device=like.device)


@dataclass(frozen=True)
class _Gaussians:
    """exp(-eta (r - shift)^2) fc(r) of one cutoff function."""

    fc: CutoffFunction | RadialWindow
    eta: Float[Tensor, " n_factors"]
    shift: Float[Tensor, " n_factors"]

    def __call__(self, r: Tensor) -> Tensor:
        places = (-1,) + (1,) * (r.ndim - 1)
        off = r[:, None] - self.shift.reshape(places)
        gaussian = torch.exp(-self.eta.reshape(places) * off.square())
        return gaussian * cutoff_function(self.fc, r)[:, None]


Factor = tuple[CutoffFunction | RadialWindow, float, float]
"""Cutoff function, eta and shift."""


class Factors:
    """Distinct p(r) = exp(-eta (r - shift)^2) fc(r), evaluated together.

    Attributes:
        places: Where each factor is among the values.
    """

    def __init__(self, factors: Sequence[Factor], like: Tensor) -> None:
        by_cutoff: dict[CutoffFunction | RadialWindow, list[Factor]] = {}
        for factor in dict.fromkeys(factors):
            by_cutoff.setdefault(factor[0], []).append(factor)
        in_order = [factor for own in by_cutoff.values() for factor in own]
        self.places = {factor: place for place, factor in enumerate(in_order)}
        self._parts = [
            _Gaussians(
                fc, like.new_tensor([f[1] for f in own]), like.new_tensor([f[2] for f in own])
            )
            for fc, own in by_cutoff.items()
        ]

    def __len__(self) -> int:
        return len(self.places)

    def n_numbers(self) -> float:
        """About how many are in memory for each distance."""
        cutoffs = {fc for fc, _, _ in self.places}
        return sum(map(numbers_of_cutoff, cutoffs)) + 6 * len(self.places)

    def __call__(
        self, r: Float[Tensor, " n_centres *places"]
    ) -> Float[Tensor, "n_centres n_factors *places"]:
        parts = [part(r) for part in self._parts]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
