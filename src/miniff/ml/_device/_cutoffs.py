"""Cutoff functions and windows in torch, smooth for automatic differentiation everywhere.

Formulas and names are those of :mod:`miniff.potentials._symmetry`; x is 0 where fc is 1 and 1 where
it is 0. Each formula is written such that no digits are lost where it is small.
"""

from collections.abc import Callable
from math import comb, e, pi, tanh

import torch
from jaxtyping import Float
from torch import Tensor

from miniff.potentials._symmetry import AngleWindow, CutoffFunction, RadialWindow

__all__ = ["angle_window", "cutoff_function", "integer_power", "numbers_of_cutoff"]

LEAST_GAP = 1e-3
"""exp(-1/gap) is 0 below it."""


def cutoff_function(
    fc: CutoffFunction | RadialWindow, r: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """fc(r), exactly zero at and beyond the cutoff."""
    if isinstance(fc, RadialWindow):
        return _radial_window(fc, r)
    if fc.form == "none":
        return (r < fc.cutoff).to(r.dtype)
    if fc.form in ("tanh3", "tanh3_one"):
        scale = 1 / tanh(1.0) if fc.form == "tanh3_one" else 1.0
        return integer_power(scale * torch.tanh((1 - r / fc.cutoff).clamp(min=0)), 3)
    inner = fc.alpha * fc.cutoff
    x = ((r - inner) / (fc.cutoff - inner)).clamp(0, 1)
    return SMOOTH[fc.form](x)


def numbers_of_cutoff(fc: CutoffFunction | RadialWindow | AngleWindow) -> int:
    """About how many are in memory for each distance, until derivatives are formed."""
    own = NUMBERS[fc.form]
    return own if isinstance(fc, CutoffFunction) else own + 8


def _radial_window(fc: RadialWindow, r: Tensor) -> Tensor:
    middle, half = (fc.low + fc.cutoff) / 2, (fc.cutoff - fc.low) / 2
    x = ((r - middle) / half).abs().clamp(max=1)
    return SMOOTH[fc.form](x * (2 - x) if fc.asymmetric else x)


def angle_window(window: AngleWindow, cosine: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """A(t) of the angle with this cosine.

    A cosine is not told from 1 or -1 if it is nearer to it than a rounding error, so that the slope
    by it stays finite: it has the value it has close by.
    """
    rounding = torch.finfo(cosine.dtype).eps / 2
    inside = cosine.clamp(rounding - 1, 1 - rounding)
    # The slope goes through the clamp as if it were not there.
    angle = torch.acos(cosine + (inside - cosine).detach())
    x = ((angle - window.centre) / window.half_width).abs().clamp(max=1)
    return SMOOTH[window.form](x)


def integer_power(x: Float[Tensor, "*shape"], n: int) -> Float[Tensor, "*shape"]:
    """x^n for n >= 1 by repeated squaring."""
    result = None
    while True:
        if n & 1:
            result = x if result is None else result * x
        n >>= 1
        if n == 0:
            assert result is not None
            return result
        x = x * x


def _smooth_step(n: int) -> Callable[[Tensor], Tensor]:
    """The polynomial from 1 to 0 with n - 1 derivatives zero at both ends."""
    coefficients = [float(comb(n - 1 + k, k)) for k in range(n)]

    def step(x: Tensor) -> Tensor:
        rest = torch.zeros_like(x)
        for c in reversed(coefficients):
            rest = rest * x + c
        return integer_power(1 - x, n) * rest

    return step


def _bump(x: Tensor) -> Tensor:
    """exp(1 - 1/(1 - x^2))"""
    gap = 1 - x * x
    wide = gap > LEAST_GAP
    return torch.where(wide, e * torch.exp(-1 / torch.where(wide, gap, 1.0)), 0.0)


def _cosine_step(x: Tensor) -> Tensor:
    """(1 + cos(pi x)) / 2"""
    return torch.sin(pi / 2 * (1 - x)).square()


SMOOTH: dict[str, Callable[[Tensor], Tensor]] = {
    "cosine": _cosine_step,
    "exponential": _bump,
    "poly1": _smooth_step(2),
    "poly2": _smooth_step(3),
    "poly3": _smooth_step(4),
    "poly4": _smooth_step(5),
}
"""Formulas of x in [0, 1]."""

NUMBERS = {
    "none": 2,
    "cosine": 6,
    "tanh3": 8,
    "tanh3_one": 8,
    "exponential": 12,
    "poly1": 10,
    "poly2": 12,
    "poly3": 14,
    "poly4": 18,
}
"""What :func:`numbers_of_cutoff` counts."""
