"""Sums of symmetry functions over pairs of neighbours by kernels: nothing of a pair is in memory.

First derivatives come with them, second ones do not: see ``_kernels.py``.
"""

from collections.abc import Callable, Sequence
from itertools import product

from jaxtyping import Float
from torch import Tensor

from miniff.ml._device._angular import Part
from miniff.ml._device._angular_terms import Angle
from miniff.ml._device._couples import CoupleSums
from miniff.ml._device._legs import Legs
from miniff.ml._device._pair_powers import PairPowers, ThirdSide
from miniff.ml._device._shell import Shell
from miniff.potentials._symmetry import (
    ANY_SPECIES,
    AngularFunction,
    CosinePower,
    CutoffFunction,
)

__all__ = ["has_kernel", "kernel_sums"]

LARGEST_POWER = 127


def has_kernel(f: AngularFunction) -> bool:
    """Integer powers; narrow ones with half a cosine as cutoff function alone."""
    if not isinstance(f.angle, CosinePower) or f.angle.zeta % 1 or f.angle.zeta > LARGEST_POWER:
        return False
    of_half_a_cosine = isinstance(f.fc, CutoffFunction) and f.fc == CutoffFunction(
        "cosine", f.fc.cutoff
    )
    return of_half_a_cosine or not f.narrow


def kernel_sums(functions: Sequence[AngularFunction], legs: Legs, like: Tensor) -> list[Part]:
    """Wide functions, and narrow ones of each cutoff."""
    of_cutoff: dict[float | None, list[AngularFunction]] = {}
    for f in functions:
        of_cutoff.setdefault(f.fc.cutoff if f.narrow else None, []).append(f)
    return [KernelSums(own, legs, cutoff, like) for cutoff, own in of_cutoff.items()]


class KernelSums:
    """Wide functions, or narrow ones of one cutoff."""

    def __init__(
        self, functions: Sequence[AngularFunction], legs: Legs, cutoff: float | None, like: Tensor
    ) -> None:
        powers = [f.angle for f in functions if isinstance(f.angle, CosinePower)]
        lambdas = sorted({power.lambda_ for power in powers})
        zetas = sorted({int(power.zeta) for power in powers})
        angles: dict[Angle, float] = {CosinePower(a, z): 0.0 for a, z in product(lambdas, zetas)}
        self._legs, self._sums = legs, CoupleSums(functions, legs, angles, like)
        self.n_sums, self.entries = self._sums.n, self._sums.entries
        third, factors = None, [factor for _, factor in legs.rows]
        if cutoff is not None:
            gaussians = [factors[first][1:] for first, _ in self._sums.rows]
            third = ThirdSide(cutoff, gaussians)
        self._powers = PairPowers(self._sums.rows, lambdas, zetas, like, third)

    def __call__(self, shell: Shell) -> Float[Tensor, "n_centres n_sums"]:
        found = self._powers(shell.units.transpose(1, 2), shell.r, self._legs(shell))
        return self._sums.together(found, shell)

    def n_numbers(self, n_neighbors: Callable[[int], float]) -> float:
        """About how many are in memory for a centre with so many neighbours of each species."""
        return (4 + self._legs.n_numbers()) * n_neighbors(ANY_SPECIES) + 2 * self.n_sums
