"""Formulas of one distance in torch; symbols are those of :mod:`miniff.potentials`."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from miniff.ml._device._cutoffs import cutoff_function
from miniff.potentials._symmetry import CutoffFunction

__all__ = [
    "Form",
    "PairForm",
    "buckingham",
    "gaussian_leg",
    "harmonic_repulsion",
    "lennard_jones",
    "morse",
    "sigmoid",
    "stillinger_weber_2",
    "stillinger_weber_leg",
    "zbl",
]

Form = Callable[[Tensor], Tensor]
"""r -> f(r), for r below the cutoff."""


@dataclass(frozen=True, eq=False)
class PairForm:
    """A formula up to its cutoff (length), zero from there on."""

    cutoff: float
    form: Form

    def __call__(self, r: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        # Beyond the cutoff a formula may have no value, and no slope either.
        inside = r < self.cutoff
        return torch.where(inside, self.form(torch.where(inside, r, self.cutoff / 2)), 0.0)


def lennard_jones(epsilon: float, sigma: float) -> Form:
    def form(r: Tensor) -> Tensor:
        x2 = (sigma / r).square()
        x6 = x2 * x2 * x2
        return 4 * epsilon * x6 * (x6 - 1)

    return form


def harmonic_repulsion(cutoff: float, epsilon: float) -> Form:
    return lambda r: epsilon / 2 * (r / cutoff - 1).square()


def morse(d0: float, alpha: float, r0: float) -> Form:
    def form(r: Tensor) -> Tensor:
        e = torch.exp(-alpha * (r - r0))
        return d0 * e * (e - 2)

    return form


def buckingham(amplitude: float, rho: float, c: float) -> Form:
    return lambda r: amplitude * torch.exp(-r / rho) - c * (1 / (r * r * r)).square()


def sigmoid(cutoff: float, dr: float, r0: float) -> Form:
    fc = CutoffFunction("cosine", cutoff)
    return lambda r: cutoff_function(fc, r) * torch.sigmoid((r0 - r) / dr)


def gaussian_leg(cutoff: float, eta: float) -> Form:
    fc = CutoffFunction("cosine", cutoff)
    return lambda r: cutoff_function(fc, r) * torch.exp(-eta * r * r)


def stillinger_weber_2(
    cutoff: float, sigma: float, strengths: tuple[float, float], powers: tuple[float, float]
) -> Form:
    """A (B x^-p - x^-q) exp(1/(x - a)) of strengths A B and A, and powers p and q."""

    def form(r: Tensor) -> Tensor:
        y = sigma / r
        value = strengths[0] * y ** powers[0] - strengths[1] * y ** powers[1]
        return value * torch.exp(sigma / (r - cutoff))

    return form


def stillinger_weber_leg(cutoff: float, sigma: float, gamma: float) -> Form:
    return lambda r: torch.exp(gamma * sigma / (r - cutoff))


WEIGHTS = (0.18175, 0.50986, 0.28022, 0.02817)
DECAYS = (3.19980, 0.94229, 0.40290, 0.20162)


def zbl(cutoff: float, inner: float, strength: float, length: float) -> Form:
    """The screened repulsion k z1 z2 phi(r/u)/r with its switch.

    Args:
        cutoff: Where energy, slope and curvature are zero (length).
        inner: Where switching begins (length).
        strength: k z1 z2 (energy length).
        length: u (length).
    """
    # In double precision on the CPU, whatever the formula is evaluated in.
    at = torch.tensor(cutoff, dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        value = _screened(at, strength, length)
        (slope,) = torch.autograd.grad(value, at, create_graph=True)
        (curvature,) = torch.autograd.grad(slope, at)
    v, s, c = (float(own.detach()) for own in (value, slope, curvature))
    width = cutoff - inner
    cubic = (width * c - 3 * s) / width**2
    quartic = (2 * s - width * c) / width**3
    constant = width / 2 * s - width**2 / 12 * c - v

    def form(r: Tensor) -> Tensor:
        t = (r - inner).clamp(min=0)
        return _screened(r, strength, length) + t * t * t * (cubic / 3 + quartic / 4 * t) + constant

    return form


def _screened(r: Tensor, strength: float, length: float) -> Tensor:
    phi = torch.zeros_like(r)
    for weight, decay in zip(WEIGHTS, DECAYS, strict=True):
        phi = phi + weight * torch.exp(-decay / length * r)
    return strength * phi / r
