"""Sums of symmetry functions over neighbours and pairs of them in torch, of all species at once.

Pairs (j, k) of neighbours of a centre are listed once, those of two species next to each other:
blocks. With A of the angle, and W the product of the factors of the distances, the sums of a block
are the product of matrices A W^T.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from miniff.ml._device._angular import Entry, Part
from miniff.ml._device._cutoffs import NUMBERS, AngleWindows, Cutoffs
from miniff.ml._device._factors import Factor, FactorTable, PlacedFactors
from miniff.ml._device._powers import Powers
from miniff.ml._device._shell import Places, Shell
from miniff.potentials._symmetry import (
    ANY_SPECIES,
    AngleWindow,
    AngularFunction,
    CosinePower,
    RadialFunction,
)

__all__ = ["symmetry_sums"]

SMALLEST_SQUARE = 1e-12
"""Of r_jk: below are places that are not taken."""


@dataclass(frozen=True, eq=False)
class _Neighbors:
    """Places of the blocks of a sum over neighbours.

    Attributes:
        places: One block after the other; None if they are all places as they are.
        block: 1 for the places of each block.
        factors: Numbers of the places.
    """

    places: Int64[Tensor, " n_own"] | None
    block: Float[Tensor, "n_own n_blocks"]
    factors: PlacedFactors


@dataclass(frozen=True, eq=False)
class _Distances:
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

    def with_third(self, cosine: Float[Tensor, "n_centres n_pairs"]) -> "_Distances":
        """With the third side of triangles with this cosine."""
        first, second = self.distances
        square = self.sum_of_squares - 2 * (first * second * cosine)
        square = square.clamp(min=SMALLEST_SQUARE)
        return _Distances([first, second, square.sqrt()], self.sum_of_squares + square)


class RadialSums:
    """Sums over neighbours: a block for each species."""

    def __init__(self, functions: Sequence[RadialFunction], cutoffs: Cutoffs, like: Tensor) -> None:
        self._blocks = sorted({f.neighbor for f in functions})
        self._cutoffs, self._like = cutoffs, like
        placed = [(self._blocks.index(f.neighbor), _factor(f)) for f in functions]
        self._factors = FactorTable(placed, len(self._blocks), cutoffs, like)
        self.n_sums = self._factors.n_rows * len(self._blocks)
        self.entries = [
            Entry(self._factors.row(*own) * len(self._blocks) + own[0], f.column, f.prefactor)
            for own, f in zip(placed, functions, strict=True)
        ]

    def __call__(self, shell: Shell) -> Float[Tensor, "n_centres n_sums"]:
        own = shell.places.known(self, self._at)
        r, squares, fc = shell.r, shell.squares, shell.cutoffs(self._cutoffs)
        if own.places is not None:
            r, squares = (found.index_select(1, own.places) for found in (r, squares))
            fc = fc.index_select(2, own.places)
        distances = _Distances([r], squares)
        values = self._factors.values(distances.squares, fc, own.factors)
        sums: Tensor = values @ own.block
        return sums.flatten(1)

    def _at(self, places: Places) -> _Neighbors:
        slices = [places.of(code) for code in self._blocks]
        sizes = [own.stop - own.start for own in slices]
        like = self._like
        block = torch.block_diag(*(like.new_ones(size, 1) for size in sizes))
        index = None
        if slices != [slice(*ends) for ends in pairwise(places.bounds)]:
            index = torch.cat(
                [torch.arange(own.start, own.stop, device=like.device) for own in slices]
            )
        return _Neighbors(index, block, self._factors.at(sizes))

    def n_numbers(self, n_neighbors: Callable[[int], float]) -> float:
        """About how many are in memory for a centre with so many neighbours of each species."""
        of_place = self._factors.n_numbers() + self._cutoffs.n_numbers()
        return sum(n_neighbors(code) for code in self._blocks) * of_place


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Pairs of places, one block after the other.

    Attributes:
        ends: The first place of all pairs, then the second.
        places: Of the pairs in a matrix of all places.
        sizes: Of the blocks.
        wide: Numbers of the pairs.
        narrow: The same.
    """

    ends: Int64[Tensor, " n_pairs_and_n_pairs"]
    places: Int64[Tensor, " n_pairs"]
    sizes: tuple[int, ...]
    wide: PlacedFactors
    narrow: PlacedFactors


class AngularSums:
    """Sums over pairs of neighbours, wide and narrow: a block for each two species."""

    def __init__(
        self, functions: Sequence[AngularFunction], cutoffs: Cutoffs, like: Tensor
    ) -> None:
        self._blocks = sorted({(f.first, f.second) for f in functions})
        self._cutoffs, self._like = cutoffs, like
        self._terms = _AngularTerms([f.angle for f in functions], like)
        self._wide, self._narrow = (
            FactorTable(
                [(self._block(f), _factor(f)) for f in functions if f.narrow == narrow],
                len(self._blocks),
                cutoffs,
                like,
            )
            for narrow in (False, True)
        )
        self._n_rows = self._wide.n_rows + self._narrow.n_rows
        self.n_sums = len(self._blocks) * self._terms.n * self._n_rows
        self.entries = [self._entry(f) for f in functions]

    def _block(self, f: AngularFunction) -> int:
        return self._blocks.index((f.first, f.second))

    def _entry(self, f: AngularFunction) -> Entry:
        block = self._block(f)
        if f.narrow:
            row = self._wide.n_rows + self._narrow.row(block, _factor(f))
        else:
            row = self._wide.row(block, _factor(f))
        place = (block * self._terms.n + self._terms.place(f.angle)) * self._n_rows + row
        norm = 2 ** (1 - f.angle.zeta) if isinstance(f.angle, CosinePower) else 1.0
        times = 2 if f.first == f.second else 1  # each pair is listed once
        return Entry(place, f.column, times * f.prefactor * norm)

    def __call__(self, shell: Shell) -> Float[Tensor, "n_centres n_sums"]:
        own = shell.places.known(self, self._at)
        cosine = shell.cosines(ANY_SPECIES, ANY_SPECIES).flatten(1).index_select(1, own.places)
        legs, fc = self._legs(shell, own)
        factors = []
        if self._wide.n_rows:
            factors.append(self._wide.values(legs.squares, fc, own.wide))
        if self._narrow.n_rows:
            sides = legs.with_third(cosine)
            fc = fc * self._cutoffs(sides.distances[2])
            factors.append(self._narrow.values(sides.squares, fc, own.narrow))
        together = factors[0] if len(factors) == 1 else torch.cat(factors, dim=1)
        return _products(self._terms(cosine), together, own.sizes)

    def _legs(self, shell: Shell, own: "_Pairs") -> tuple["_Distances", Tensor]:
        """r_ij and r_ik of the pairs, and the product of their cutoff functions."""
        of_place = [shell.r[:, None], shell.squares[:, None], shell.cutoffs(self._cutoffs)]
        of_end = torch.cat(of_place, dim=1).index_select(2, own.ends)
        of_end = of_end.unflatten(2, (2, len(own.places)))
        r, square, fc = of_end.split([1, 1, len(self._cutoffs)], dim=1)
        fc_j, fc_k = fc.unbind(2)
        return _Distances(r[:, 0].unbind(1), square[:, 0].sum(1)), fc_j * fc_k

    def _at(self, places: Places) -> _Pairs:
        device = self._like.device
        own = [_pairs_of(places.of(one), places.of(other), device) for one, other in self._blocks]
        sizes = [pairs.shape[1] for pairs in own]
        first, second = torch.cat(own, dim=1)
        return _Pairs(
            torch.cat([first, second]),
            first * places.n + second,
            tuple(sizes),
            self._wide.at(sizes),
            self._narrow.at(sizes),
        )

    def n_numbers(self, n_neighbors: Callable[[int], float]) -> float:
        """About how many are in memory for a centre with so many neighbours of each species."""
        n_pairs = 0.0
        for first, second in self._blocks:
            n = n_neighbors(first)
            n_pairs += n * (n - 1) / 2 if first == second else n * n_neighbors(second)
        n_cutoffs = self._cutoffs.n_numbers()
        of_pair = 10 + 4 * len(self._cutoffs) + self._terms.n_numbers() + self._wide.n_numbers()
        if self._narrow.n_rows:
            of_pair += 8 + n_cutoffs + self._narrow.n_numbers()
        n = n_neighbors(ANY_SPECIES)
        return n * (n + n_cutoffs + 10) + n_pairs * of_pair


class _AngularTerms:
    """Distinct A(t), powers without their factor 2^(1 - zeta): each exponent with each lambda.

    Attributes:
        n: How many.
    """

    def __init__(self, angles: Sequence[CosinePower | AngleWindow], like: Tensor) -> None:
        powers = [angle for angle in angles if isinstance(angle, CosinePower)]
        self._lambdas = sorted({angle.lambda_ for angle in powers})
        self._zetas = sorted({angle.zeta for angle in powers})
        windows = [angle for angle in angles if isinstance(angle, AngleWindow)]
        self._windows = AngleWindows(windows, like)
        self._lambda = like.new_tensor(self._lambdas)[:, None]
        self._one = like.new_ones(1)
        self._n_powers = len(self._lambdas) * len(self._zetas)
        self.n = self._n_powers + len(self._windows.places)

    def place(self, angle: CosinePower | AngleWindow) -> int:
        """Where a term is."""
        if isinstance(angle, AngleWindow):
            return self._n_powers + self._windows.places[angle]
        place = self._zetas.index(angle.zeta) * len(self._lambdas)
        return place + self._lambdas.index(angle.lambda_)

    def __call__(
        self, cosine: Float[Tensor, "n_centres n_pairs"]
    ) -> Float[Tensor, "n_centres n_terms n_pairs"]:
        found = self._windows(cosine)
        if self._zetas:
            x = torch.addcmul(self._one, cosine[:, None], self._lambda)
            powers = Powers(x, self._zetas[-1])
            found = [*(powers.of(zeta) for zeta in self._zetas), *found]
        return found[0] if len(found) == 1 else torch.cat(found, dim=1)

    def n_numbers(self) -> float:
        """About how many are in memory for each pair, until derivatives are formed."""
        squares = max((int(zeta).bit_length() for zeta in self._zetas), default=0)
        others = sum(4 if zeta % 1 else int(zeta).bit_count() - 1 for zeta in self._zetas)
        of_windows = sum(NUMBERS[window.form] for window in self._windows.places)
        return self.n + len(self._lambdas) * (squares + others) + of_windows


def symmetry_sums(
    radial: Sequence[RadialFunction], angular: Sequence[AngularFunction], like: Tensor
) -> list[Part]:
    """Sums over neighbours and sums over pairs of them."""
    cutoffs = Cutoffs([*(f.fc for f in radial), *(f.fc for f in angular)], like)
    found: list[Part] = []
    if radial:
        found.append(RadialSums(radial, cutoffs, like))
    if angular:
        found.append(AngularSums(angular, cutoffs, like))
    return found


def _factor(f: RadialFunction | AngularFunction) -> Factor:
    return f.fc, f.eta, f.shift


def _products(terms: Tensor, factors: Tensor, sizes: Sequence[int]) -> Tensor:
    """Sums over the pairs of each block [n_centres, n_blocks n_terms n_rows]."""
    parts = [
        torch.bmm(own, other.transpose(1, 2))
        for own, other in zip(terms.split(sizes, dim=2), factors.split(sizes, dim=2), strict=True)
    ]
    together = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
    result: Tensor = together.flatten(1)
    return result


def _pairs_of(one: slice, other: slice, device: torch.device) -> Int64[Tensor, "2 n_pairs"]:
    """Each pair of places once."""
    n, m = one.stop - one.start, other.stop - other.start
    if one == other:
        start: int = one.start
        return torch.triu_indices(n, n, 1, device=device) + start
    first = torch.arange(one.start, one.stop, device=device).repeat_interleave(m, output_size=n * m)
    second = torch.arange(other.start, other.stop, device=device).repeat(n)
    return torch.stack([first, second])
