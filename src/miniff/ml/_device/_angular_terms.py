"""Functions of the angle between neighbours in torch: powers of (1 + lambda cos t)/2, windows."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from miniff.ml._device._cutoffs import NUMBERS, AngleWindows
from miniff.potentials._symmetry import AngleWindow, CosinePower

__all__ = ["Angle", "AngularTerms", "norm_of", "power"]

Angle = CosinePower | AngleWindow


class AngularTerms:
    """Distinct functions, half of them if they are powers: each zeta with each lambda.

    Attributes:
        angles: The functions, in their order.
    """

    def __init__(self, angles: Sequence[Angle], like: Tensor) -> None:
        powers = [angle for angle in angles if isinstance(angle, CosinePower)]
        self._windows = AngleWindows([a for a in angles if isinstance(a, AngleWindow)], like)
        self._lambdas = sorted({power.lambda_ for power in powers})
        self._zetas = sorted({power.zeta for power in powers})
        self.angles: list[Angle] = [
            *(CosinePower(lambda_, zeta) for zeta in self._zetas for lambda_ in self._lambdas),
            *self._windows.places,
        ]
        self._halves = like.new_tensor(self._lambdas)[:, None] / 2
        self._half = like.new_full((1,), 0.5)

    def powers(
        self, cosine: Float[Tensor, "n_rows n_pairs"]
    ) -> list[Float[Tensor, "n_rows n_lambdas n_pairs"]]:
        """Those of each zeta."""
        if not self._zetas:
            return []
        x = torch.addcmul(self._half, cosine[:, None], self._halves)
        return [power(x, zeta) for zeta in self._zetas]

    def windows(
        self, cosine: Float[Tensor, "n_rows n_pairs"]
    ) -> list[Float[Tensor, "n_rows _ n_pairs"]]:
        """Those of each form, which follow."""
        return self._windows(cosine)

    def n_numbers(self) -> float:
        """About how many are in memory for each pair, until derivatives are formed."""
        of_power = sum(1 + 3 * (zeta % 1 > 0) for zeta in self._zetas)
        of_windows = sum(NUMBERS[window.form] for window in self._windows.places)
        return len(self._lambdas) * (1 + of_power) + of_windows


def norm_of(angle: Angle) -> float:
    """What :class:`AngularTerms` has to be multiplied by."""
    return 2.0 if isinstance(angle, CosinePower) else 1.0


def power(x: Float[Tensor, "*shape"], zeta: float) -> Float[Tensor, "*shape"]:
    """x^zeta of numbers that may be as little as minus a rounding error."""
    if zeta == 1:
        return x
    if zeta % 1 == 0:
        return x**zeta
    positive = x > 0  # a power has no second derivative at 0
    return torch.where(positive, torch.where(positive, x, 1.0) ** zeta, 0.0)
