"""Cutoff functions and windows in torch, smooth for automatic differentiation everywhere.

Formulas and names are those of :mod:`miniff.potentials._symmetry`; x is 0 where fc is 1 and 1 where
it is 0. Each formula is one of y = 1 - x, such that no digits are lost where it is small.
"""

from collections.abc import Callable, Iterable, Sequence
from math import comb, e, pi, tanh

import torch
from jaxtyping import Float
from torch import Tensor

from miniff.potentials._symmetry import AngleWindow, CutoffFunction, RadialWindow

__all__ = ["NUMBERS", "AngleWindows", "Cutoffs", "cutoff_function", "integer_power"]

LEAST_GAP = 1e-3
"""exp(-1/gap) is 0 below it."""


def cutoff_function(
    fc: CutoffFunction | RadialWindow, r: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """fc(r), exactly zero at and beyond the cutoff."""
    return _cutoff(_kind(fc), _numbers(fc), r)


class Cutoffs:
    """Several cutoff functions, those of one form together.

    Attributes:
        places: Where each is among the values.
    """

    def __init__(self, functions: Iterable[CutoffFunction | RadialWindow], like: Tensor) -> None:
        by_kind: dict[Kind, list[CutoffFunction | RadialWindow]] = {}
        for fc in dict.fromkeys(functions):
            by_kind.setdefault(_kind(fc), []).append(fc)
        in_order = [fc for own in by_kind.values() for fc in own]
        self.places = {fc: place for place, fc in enumerate(in_order)}
        self._parts = [
            (kind, [like.new_tensor(own) for own in zip(*map(_numbers, functions), strict=True)])
            for kind, functions in by_kind.items()
        ]

    def __len__(self) -> int:
        return len(self.places)

    def n_numbers(self) -> int:
        """About how many are in memory for each distance, until derivatives are formed."""
        return sum(NUMBERS[fc.form] + 4 * isinstance(fc, RadialWindow) for fc in self.places)

    def __call__(
        self, r: Float[Tensor, "n_centres n_places"]
    ) -> Float[Tensor, "n_centres n_functions n_places"]:
        found = [
            _cutoff(kind, [own[:, None] for own in numbers], r[:, None])
            for kind, numbers in self._parts
        ]
        return found[0] if len(found) == 1 else torch.cat(found, dim=1)


Kind = tuple[str, str]
"""The form, and what it is a function of."""

Numbers = Sequence[float] | Sequence[Tensor]


def _kind(fc: CutoffFunction | RadialWindow) -> Kind:
    if isinstance(fc, RadialWindow):
        return fc.form, "asymmetric" if fc.asymmetric else "window"
    return fc.form, "inner" if fc.alpha else "cutoff"


def _numbers(fc: CutoffFunction | RadialWindow) -> Sequence[float]:
    """The cutoff, and where fc is not 1 any more; of a window its middle and half width."""
    if isinstance(fc, RadialWindow):
        return (fc.low + fc.cutoff) / 2, (fc.cutoff - fc.low) / 2
    return fc.cutoff, fc.cutoff - fc.alpha * fc.cutoff


def _cutoff(kind: Kind, numbers: Numbers, r: Tensor) -> Tensor:
    form, of = kind
    end, width = numbers
    if of in ("window", "asymmetric"):
        y = torch.relu(1 - ((r - end) / width).abs())
        return SMOOTH[form](y * y if of == "asymmetric" else y)  # 1 - x (2 - x) is (1 - x)^2
    if form == "none":
        return (r < end).to(r.dtype)
    gap = torch.relu(end - r)
    if form in ("tanh3", "tanh3_one"):
        scale = 1 / tanh(1.0) if form == "tanh3_one" else 1.0
        return integer_power(scale * torch.tanh(gap / end), 3)
    y = gap / width
    return SMOOTH[form](y.clamp(max=1) if of == "inner" else y)


class AngleWindows:
    """Several windows of the angle, those of one form together.

    Attributes:
        places: Where each is among the values.
    """

    def __init__(self, windows: Iterable[AngleWindow], like: Tensor) -> None:
        by_form: dict[str, list[AngleWindow]] = {}
        for window in dict.fromkeys(windows):
            by_form.setdefault(window.form, []).append(window)
        in_order = [window for own in by_form.values() for window in own]
        self.places = {window: place for place, window in enumerate(in_order)}
        self._parts = [
            (
                form,
                like.new_tensor([own.centre for own in windows])[:, None],
                like.new_tensor([own.half_width for own in windows])[:, None],
            )
            for form, windows in by_form.items()
        ]

    def __call__(
        self, cosine: Float[Tensor, "n_centres n_triples"]
    ) -> list[Float[Tensor, "n_centres _ n_triples"]]:
        """A(t) of the angles with these cosines, for the windows of each form."""
        if not self._parts:
            return []
        angle = _angle(cosine)[:, None]
        return [
            SMOOTH[form](torch.relu(1 - ((angle - centre) / half_width).abs()))
            for form, centre, half_width in self._parts
        ]


def _angle(cosine: Tensor) -> Tensor:
    """The angle with a cosine.

    A cosine is not told from 1 or -1 if it is nearer to it than a rounding error, so that the slope
    by it stays finite: it has the value it has close by.
    """
    rounding = torch.finfo(cosine.dtype).eps / 2
    inside = cosine.clamp(rounding - 1, 1 - rounding)
    # The slope goes through the clamp as if it were not there.
    return torch.acos(cosine + (inside - cosine).detach())


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
    """The polynomial from 0 to 1 with n - 1 derivatives zero at both ends."""
    *coefficients, highest = [float(comb(n - 1 + k, k)) for k in range(n)]

    def step(y: Tensor) -> Tensor:
        x = 1 - y
        rest = highest * x + coefficients[-1]
        for c in reversed(coefficients[:-1]):
            rest = rest * x + c
        return integer_power(y, n) * rest

    return step


def _bump(y: Tensor) -> Tensor:
    """exp(1 - 1/(1 - x^2))"""
    gap = y * (2 - y)
    wide = gap > LEAST_GAP
    return torch.where(wide, e * torch.exp(-1 / torch.where(wide, gap, 1.0)), 0.0)


def _cosine_step(y: Tensor) -> Tensor:
    """(1 + cos(pi x)) / 2"""
    return torch.sin(pi / 2 * y).square()


SMOOTH: dict[str, Callable[[Tensor], Tensor]] = {
    "cosine": _cosine_step,
    "exponential": _bump,
    "poly1": _smooth_step(2),
    "poly2": _smooth_step(3),
    "poly3": _smooth_step(4),
    "poly4": _smooth_step(5),
}
"""Formulas of y = 1 - x in [0, 1]."""

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
"""About so many are in memory for each x, until derivatives are formed."""
