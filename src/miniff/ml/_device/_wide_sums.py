"""Sums of wide symmetry functions (Behler 5) over pairs of neighbours in torch.

Without a factor of r_jk the factors p of the distances belong to single neighbours, and pairs need
not be listed. Small powers of (1 + lambda cos t)/2 are polynomials of the unit vectors u,

    sum_jk p_j q_k ((1 + lambda cos t_jk)/2)^zeta = sum_a c_a M_a[p] M_a[q]

with M_a[p] = sum_j p_j u_j^a over all monomials a up to the degree zeta, which costs a number of
operations linear in the number of neighbours. What j = k adds, which is no pair, is taken off.
Other functions A of the angle are products p A q with a matrix of all neighbours.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import comb, factorial, pow, prod
from operator import add

import torch
from jaxtyping import Float
from torch import Tensor

from miniff.ml._device._angular import Part
from miniff.ml._device._angular_terms import Angle, AngularTerms
from miniff.ml._device._couples import CoupleSums
from miniff.ml._device._legs import Legs
from miniff.ml._device._shell import Shell
from miniff.potentials._symmetry import ANY_SPECIES, AngularFunction, CosinePower

__all__ = ["wide_sums"]

LARGEST_DEGREE = 4
"""Of monomials that are formed, of which there are 35 for each neighbour: fewer numbers than a
matrix has for it."""


def wide_sums(functions: Sequence[AngularFunction], legs: Legs, like: Tensor) -> list[Part]:
    """By monomials and by matrices; these alone in single precision, whose digits are too few."""
    degree = LARGEST_DEGREE if like.dtype == torch.float64 else 0
    small = [f for f in functions if _is_polynomial(f.angle, degree)]
    others = [f for f in functions if not _is_polynomial(f.angle, degree)]
    found: list[Part] = []
    if small:
        found.append(MomentSums(small, legs, like))
    if others:
        found.append(MatrixSums(others, legs, like))
    return found


class MomentSums:
    """Small powers, from sums of monomials over single neighbours."""

    def __init__(self, functions: Sequence[AngularFunction], legs: Legs, like: Tensor) -> None:
        powers = list(dict.fromkeys(f.angle for f in functions if isinstance(f.angle, CosinePower)))
        itself: dict[Angle, float] = {
            power: pow((1 + power.lambda_) / 2, power.zeta) for power in powers
        }
        self._legs, self._sums = legs, CoupleSums(functions, legs, itself, like)
        self.n_sums, self.entries = self._sums.n, self._sums.entries
        self._monomials = _Monomials(int(max(power.zeta for power in powers)), like)
        self._coefficients = like.new_tensor(
            [[_coefficient(a, power) for power in powers] for a in self._monomials.exponents]
        )

    def __call__(self, shell: Shell) -> Float[Tensor, "n_centres n_sums"]:
        monomials = self._monomials(shell.units.transpose(1, 2))
        moments = self._legs(shell) @ monomials.transpose(1, 2)  # [centre, leg, monomial]
        products = self._sums.couples.products(moments, moments)
        return self._sums.together(products @ self._coefficients, shell)

    def n_numbers(self, n_neighbors: Callable[[int], float]) -> float:
        """About how many are in memory for a centre with so many neighbours of each species."""
        n_monomials = len(self._coefficients)
        of_place = 4 * n_monomials + self._legs.n_numbers()
        of_centre = n_monomials * (self._legs.n + 2 * self._sums.couples.n)
        return of_place * n_neighbors(ANY_SPECIES) + of_centre


class MatrixSums:
    """Any functions of the angle, from their matrices of all neighbours."""

    def __init__(self, functions: Sequence[AngularFunction], legs: Legs, like: Tensor) -> None:
        self._terms = AngularTerms([f.angle for f in functions], like)
        itself = dict.fromkeys(self._terms.angles, 0.0)
        self._legs, self._sums = legs, CoupleSums(functions, legs, itself, like)
        self.n_sums, self.entries = self._sums.n, self._sums.entries

    def __call__(self, shell: Shell) -> Float[Tensor, "n_centres n_sums"]:
        legs, found = self._legs(shell), []
        cosines = shell.cosines(ANY_SPECIES, ANY_SPECIES)
        for matrices in self._matrices(shell, cosines):
            sides = legs @ matrices.flatten(2)
            sides = sides.unflatten(2, matrices.shape[2:])  # [centre, leg, term, k]
            found.append(self._sums.couples.products(sides, legs[:, :, None]).sum(3))
        products = found[0] if len(found) == 1 else torch.cat(found, dim=2)
        return self._sums.together(products, shell)

    def _matrices(
        self, shell: Shell, cosines: Float[Tensor, "n_centres n_places n_places"]
    ) -> Iterator[Float[Tensor, "n_centres n_places _ n_places"]]:
        """A [centre, j, term, k] in parts, 0 where j = k."""
        rows, others = cosines.flatten(0, 1), shell.others(ANY_SPECIES)[:, None]
        for part in (*self._terms.powers(rows), *self._terms.windows(rows)):
            yield part.unflatten(0, cosines.shape[:2]) * others

    def n_numbers(self, n_neighbors: Callable[[int], float]) -> float:
        """About how many are in memory for a centre with so many neighbours of each species."""
        n = n_neighbors(ANY_SPECIES)
        of_side = len(self._terms.angles) * (self._legs.n + 2 * self._sums.couples.n)
        return n * (n * (1 + self._terms.n_numbers()) + of_side + self._legs.n_numbers())


def _is_polynomial(angle: Angle, degree: int) -> bool:
    return isinstance(angle, CosinePower) and angle.zeta % 1 == 0 and angle.zeta <= degree


class _Monomials:
    """Products of coordinates up to a degree, those of two degrees at once from half the degree.

    Attributes:
        exponents: Of x, y and z in each.
    """

    def __init__(self, degree: int, like: Tensor) -> None:
        """Finds which two are multiplied.

        Args:
            degree: At least 1.
            like: Of the device.
        """
        self._half: _Monomials | None = None
        self.exponents: list[tuple[int, ...]] = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
        if degree == 1:
            return
        self._half = _Monomials((degree + 1) // 2, like)
        factors: dict[tuple[int, ...], tuple[int, int]] = {}
        for (i, one), (j, other) in product(enumerate(self._half.exponents), repeat=2):
            exponents = tuple(map(add, one, other))
            if sum(exponents) <= degree:
                factors.setdefault(exponents, (i, j))
        self.exponents = list(factors)
        first, second = zip(*factors.values(), strict=True)
        self._first, self._second = (
            torch.tensor(own, device=like.device) for own in (first, second)
        )

    def __call__(
        self, units: Float[Tensor, "n_centres 3 n_places"]
    ) -> Float[Tensor, "n_centres n_monomials n_places"]:
        """Of unit vectors."""
        if self._half is None:
            return torch.nn.functional.pad(units, (0, 0, 1, 0), value=1.0)
        half = self._half(units)
        return half.index_select(1, self._first) * half.index_select(1, self._second)


def _coefficient(exponents: Sequence[int], power: CosinePower) -> float:
    """Of a monomial squared in ((1 + lambda cos t)/2)^zeta."""
    zeta, d = int(power.zeta), sum(exponents)
    ways = factorial(d) / prod(map(factorial, exponents))
    return comb(zeta, d) * pow(power.lambda_, d) * ways / pow(2, zeta)
