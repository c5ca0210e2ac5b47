"""Sums over pairs of neighbours in torch, as products of matrices over places of neighbours.

With T_jk = A(t_jik), which is 0 for j = k, and p the factors of the distances, a wide function is
``p T p`` and a narrow one the sum of T_jk p_j p_k p_jk.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from miniff.ml._device._cutoffs import angle_window, numbers_of_cutoff
from miniff.ml._device._pair_forms import PairForm
from miniff.ml._device._powers import Powers
from miniff.ml._device._shell import Factor, Factors, Shell
from miniff.potentials._symmetry import AngleWindow, AngularFunction, CosinePower

__all__ = ["AngularSums", "Entry", "LegSums", "Part", "angular_parts"]


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


Angle = CosinePower | AngleWindow


class AngularSums:
    """Functions of the same two species, wide or narrow: all factors with all angular terms."""

    def __init__(self, functions: Sequence[AngularFunction], like: Tensor) -> None:
        one = functions[0]
        self.first, self.second, self.narrow = one.first, one.second, one.narrow
        self._factors = Factors([_factor(f) for f in functions], like)
        self._angles = list(dict.fromkeys(f.angle for f in functions))
        self._angles.sort(key=_order)
        powers = [angle.zeta for angle in self._angles if isinstance(angle, CosinePower)]
        self._largest = max(powers, default=1.0)
        self.n_sums = len(self._angles) * len(self._factors)
        self.entries = [self._entry(f) for f in functions]

    def _entry(self, f: AngularFunction) -> Entry:
        place = self._angles.index(f.angle) * len(self._factors) + self._factors.places[_factor(f)]
        norm = 2 ** (1 - f.angle.zeta) if isinstance(f.angle, CosinePower) else 1.0
        return Entry(place, f.column, f.prefactor * norm)

    def __call__(self, shell: Shell) -> Float[Tensor, "n_centres n_sums"]:
        one = self._factors(shell.r[:, shell.of(self.first)])
        other = (
            one if self.first == self.second else self._factors(shell.r[:, shell.of(self.second)])
        )
        sums = self._narrow(shell, one, other) if self.narrow else self._wide(shell, one, other)
        return sums.flatten(1)

    def _wide(self, shell: Shell, one: Tensor, other: Tensor) -> Tensor:
        found = [((one @ t) * other).sum(-1) for t in self._terms(shell)]
        return torch.stack(found, dim=1)  # [centre, angle, factor]

    def _narrow(self, shell: Shell, one: Tensor, other: Tensor) -> Tensor:
        sides = self._factors(shell.sides(self.first, self.second))
        legs = one[..., None] * other[:, :, None] * sides
        terms = torch.stack(self._terms(shell), dim=1)
        return terms.flatten(2) @ legs.flatten(2).transpose(1, 2)

    def _terms(self, shell: Shell) -> list[Tensor]:
        """T of each angular term, 0 for a neighbour with itself."""
        cosine = shell.cosines(self.first, self.second)
        mask = shell.others(self.first) if self.first == self.second else None
        powers: dict[float, Powers] = {}
        found = []
        for angle in self._angles:
            if isinstance(angle, AngleWindow):
                window = angle_window(angle, cosine)
                found.append(window if mask is None else window * mask)
                continue
            if angle.lambda_ not in powers:
                x = 1 + angle.lambda_ * cosine
                x = x if mask is None else x * mask
                powers[angle.lambda_] = Powers(x, self._largest)
            found.append(powers[angle.lambda_].of(angle.zeta))
        return found

    def n_numbers(self, n_neighbors: Callable[[int], float]) -> float:
        """About how many are in memory for a centre with so many neighbours of each species."""
        n_first, n_second = n_neighbors(self.first), n_neighbors(self.second)
        n_factors, n_angles = len(self._factors), len(self._angles)
        of_leg = self._factors.n_numbers()
        of_triple: float = 8 + sum(map(_n_numbers, self._angles))
        if self.narrow:
            of_triple += 2 * n_angles + of_leg + 2 * n_factors
        legs = (n_first + n_second) * of_leg + 4 * n_second * n_factors * n_angles
        return n_first * n_second * of_triple + legs


def _factor(f: AngularFunction) -> Factor:
    return f.fc, f.eta, f.shift


def _n_numbers(angle: Angle) -> int:
    """Of a term, kept for its derivative and while that is formed."""
    if isinstance(angle, AngleWindow):
        return numbers_of_cutoff(angle)
    return 2 if angle.zeta == int(angle.zeta) else 5


def _order(angle: Angle) -> tuple[float, ...]:
    """Powers of one lambda follow each other; windows come last."""
    if isinstance(angle, CosinePower):
        return 0.0, angle.lambda_, angle.zeta
    return 1.0, angle.centre, angle.half_width


def angular_parts(functions: Sequence[AngularFunction], like: Tensor) -> list[Part]:
    """Functions sorted by what their sums run over."""
    groups: dict[tuple[int, int, bool], list[AngularFunction]] = {}
    for f in functions:
        groups.setdefault((f.first, f.second, f.narrow), []).append(f)
    return [AngularSums(own, like) for own in groups.values()]


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
