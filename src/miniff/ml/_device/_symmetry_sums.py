"""Sums of symmetry functions over neighbours and pairs of them in torch, of all species at once.

Wide functions and what kernels compute have files of their own. For narrow functions pairs (j, k)
of neighbours of a centre are listed once, those of two species next to each other: blocks. With A
of the angle, and W the product of the factors of the distances, the sums of a block are the product
of matrices A W^T.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from miniff.ml._device._angular import Entry, Part
from miniff.ml._device._angular_terms import AngularTerms, norm_of
from miniff.ml._device._cutoffs import Cutoffs
from miniff.ml._device._factors import Distances, Factor, FactorTable, PlacedFactors
from miniff.ml._device._kernel_sums import has_kernel, kernel_sums
from miniff.ml._device._legs import Legs, legs_of
from miniff.ml._device._shell import Places, Shell
from miniff.ml._device._wide_sums import wide_sums
from miniff.potentials._symmetry import ANY_SPECIES, AngularFunction, RadialFunction

__all__ = ["symmetry_sums"]


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
        distances = Distances([r], squares)
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
        factors: Numbers of the pairs.
    """

    ends: Int64[Tensor, " n_pairs_and_n_pairs"]
    places: Int64[Tensor, " n_pairs"]
    sizes: tuple[int, ...]
    factors: PlacedFactors


class NarrowSums:
    """Sums over pairs of neighbours with factors of r_jk: a block for each two species."""

    def __init__(
        self, functions: Sequence[AngularFunction], cutoffs: Cutoffs, like: Tensor
    ) -> None:
        self._blocks = sorted({(f.first, f.second) for f in functions})
        self._cutoffs, self._like = cutoffs, like
        self._terms = AngularTerms([f.angle for f in functions], like)
        placed = [(self._blocks.index((f.first, f.second)), _factor(f)) for f in functions]
        self._factors = FactorTable(placed, len(self._blocks), cutoffs, like)
        self.n_sums = len(self._blocks) * len(self._terms.angles) * self._factors.n_rows
        self.entries = [self._entry(f, *own) for f, own in zip(functions, placed, strict=True)]

    def _entry(self, f: AngularFunction, block: int, factor: Factor) -> Entry:
        term = block * len(self._terms.angles) + self._terms.angles.index(f.angle)
        place = term * self._factors.n_rows + self._factors.row(block, factor)
        times = 2 if f.first == f.second else 1  # each pair is listed once
        return Entry(place, f.column, times * f.prefactor * norm_of(f.angle))

    def __call__(self, shell: Shell) -> Float[Tensor, "n_centres n_sums"]:
        own = shell.places.known(self, self._at)
        cosine = shell.cosines(ANY_SPECIES, ANY_SPECIES).flatten(1).index_select(1, own.places)
        legs, fc = self._legs(shell, own)
        sides = legs.with_third(cosine)
        fc = fc * self._cutoffs(sides.distances[2])
        factors = self._factors.values(sides.squares, fc, own.factors)
        terms = [*self._terms.powers(cosine), *self._terms.windows(cosine)]
        together = terms[0] if len(terms) == 1 else torch.cat(terms, dim=1)
        return _products(together, factors, own.sizes)

    def _legs(self, shell: Shell, own: _Pairs) -> tuple[Distances, Tensor]:
        """r_ij and r_ik of the pairs, and the product of their cutoff functions."""
        of_place = [shell.r[:, None], shell.squares[:, None], shell.cutoffs(self._cutoffs)]
        of_end = torch.cat(of_place, dim=1).index_select(2, own.ends)
        of_end = of_end.unflatten(2, (2, len(own.places)))
        r, square, fc = of_end.split([1, 1, len(self._cutoffs)], dim=1)
        fc_j, fc_k = fc.unbind(2)
        return Distances(r[:, 0].unbind(1), square[:, 0].sum(1)), fc_j * fc_k

    def _at(self, places: Places) -> _Pairs:
        device = self._like.device
        own = [_pairs_of(places.of(one), places.of(other), device) for one, other in self._blocks]
        sizes = [pairs.shape[1] for pairs in own]
        first, second = torch.cat(own, dim=1)
        ends, both = torch.cat([first, second]), first * places.n + second
        return _Pairs(ends, both, tuple(sizes), self._factors.at(sizes))

    def n_numbers(self, n_neighbors: Callable[[int], float]) -> float:
        """About how many are in memory for a centre with so many neighbours of each species."""
        n_pairs = 0.0
        for first, second in self._blocks:
            n = n_neighbors(first)
            n_pairs += n * (n - 1) / 2 if first == second else n * n_neighbors(second)
        n_cutoffs = self._cutoffs.n_numbers()
        of_pair = 18 + 4 * len(self._cutoffs) + n_cutoffs + self._factors.n_numbers()
        of_pair += len(self._terms.angles) + self._terms.n_numbers()
        n = n_neighbors(ANY_SPECIES)
        return n * (n + n_cutoffs + 10) + n_pairs * of_pair


def symmetry_sums(
    radial: Sequence[RadialFunction],
    angular: Sequence[AngularFunction],
    like: Tensor,
    *,
    by_kernels: bool,
) -> list[Part]:
    """Sums over neighbours and sums over pairs of them.

    Args:
        radial: What is summed over neighbours.
        angular: What is summed over pairs.
        like: Of the device and type in which sums are computed.
        by_kernels: Whether functions that have a kernel use it.
    """
    cutoffs = Cutoffs([*(f.fc for f in radial), *(f.fc for f in angular)], like)
    found: list[Part] = []
    if radial:
        found.append(RadialSums(radial, cutoffs, like))
    of_kernels = [f for f in angular if by_kernels and has_kernel(f)]
    others = [f for f in angular if not (by_kernels and has_kernel(f))]
    wide = [f for f in others if not f.narrow]
    narrow = [f for f in others if f.narrow]
    legs = Legs([leg for f in (*of_kernels, *wide) for leg in legs_of(f)], cutoffs, like)
    found += [*kernel_sums(of_kernels, legs, like), *wide_sums(wide, legs, like)]
    if narrow:
        found.append(NarrowSums(narrow, cutoffs, like))
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
