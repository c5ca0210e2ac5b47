"""Functions of the angle between neighbours in torch: powers of 1 + lambda cos t, and windows."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from miniff.ml._device._cutoffs import NUMBERS, AngleWindows
from miniff.potentials._symmetry import AngleWindow, CosinePower

__all__ = ["Angle", "AngularTerms", "norm_of", "power"]

Angle = CosinePower | AngleWindow


class AngularTerms:
    """Distinct functions, powers without their factor 2^(1 - zeta): each zeta with each lambda.

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
        self._lambda = like.new_tensor(self._lambdas)[:, None]
        self._one = like.new_ones(1)

    def powers(
        self, cosine: Float[Tensor, "n_rows n_pairs"]
    ) -> list[Float[Tensor, "n_rows n_lambdas n_pairs"]]:
        """Those of each zeta."""
        if not self._zetas:
            return []
        x = torch.addcmul(self._one, cosine[:, None], self._lambda)
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
    """2^(1 - zeta) of a power."""
    return 2 ** (1 - angle.zeta) if isinstance(angle, CosinePower) else 1.0


def power(x: Float[Tensor, "*shape"], zeta: float) -> Float[Tensor, "*shape"]:
    """x^zeta of numbers that may be as little as minus a rounding error."""
    if zeta == 1:
        return x
    if zeta % 1 == 0:
        return x**zeta
    positive = x > 0  # a power has no second derivative at 0
    return torch.where(positive, torch.where(positive, x, 1.0) ** zeta, 0.0)
