"""Whether kernels can be used on a device: they are there, and were found to be right."""

import warnings
from collections.abc import Callable
from functools import cache, partial
from importlib.util import find_spec
from math import pi

import torch
from torch import Tensor

from miniff.ml._device._pair_powers import PairPowers, ThirdSide

__all__ = ["has_kernels", "kernel_problem"]

COUPLES = [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1)]
LAMBDAS, ZETAS = [-1.0, 1.0], [1, 4, 7]
CUTOFF, GAUSSIANS = 0.6, [(0.0, 0.0), (3.0, 0.0), (1.0, 0.2), (9.0, 0.0), (0.5, 0.0)]
DIGITS_LOST = 1e4
"""Of an example, in rounding errors."""


@cache
def has_kernels(device: torch.device, dtype: torch.dtype) -> bool:
    """Looks once at each device and type; warns if kernels that are there are of no use."""
    if device.type != "cuda" or find_spec("triton") is None:
        return False
    problem = kernel_problem(device, dtype)
    if problem is None:
        return True
    warnings.warn(
        f"the kernels of miniff for sums over pairs of neighbours cannot be used on {device}, so "
        f"that torch computes them operation by operation, which is slower: {problem}",
        RuntimeWarning,
        stacklevel=2,
    )
    return False


def kernel_problem(device: torch.device, dtype: torch.dtype) -> str | None:
    """What is wrong with the kernels there; None if an example has the numbers of torch."""
    generator = torch.Generator().manual_seed(0)
    vectors, legs = (
        torch.rand(2, 3, 40, generator=generator, dtype=torch.float64).to(device, dtype) - shift
        for shift in (0.5, 0.0)
    )
    for narrow in (False, True):
        try:
            found = _with_slopes(partial(_by_kernel, narrow), vectors, legs)
        except Exception as error:  # whatever a compiler or a driver raises
            return f"{type(error).__name__}: {str(error).strip()}".split("\n")[0]
        wanted = _with_slopes(partial(_by_torch, narrow), vectors, legs)
        for own, other in zip(found, wanted, strict=True):
            off = float((own - other).abs().max() / other.abs().max())
            if not off < DIGITS_LOST * torch.finfo(dtype).eps:
                return f"in an example they are off by {off:.1e} of the largest number"
    return None


def _with_slopes(
    sums: Callable[[Tensor, Tensor], Tensor], vectors: Tensor, legs: Tensor
) -> list[Tensor]:
    """The sums, and the derivatives of that of their squares."""
    with torch.enable_grad():
        at = [own.clone().requires_grad_() for own in (vectors, legs)]
        found = sums(*at)
        return [found.detach(), *torch.autograd.grad(found.square().sum(), at)]


def _by_kernel(narrow: bool, vectors: Tensor, legs: Tensor) -> Tensor:
    third = ThirdSide(CUTOFF, GAUSSIANS) if narrow else None
    r = vectors.norm(dim=1)
    return PairPowers(COUPLES, LAMBDAS, ZETAS, legs, third)(vectors / r[:, None], r, legs)


def _by_torch(narrow: bool, vectors: Tensor, legs: Tensor) -> Tensor:
    units = vectors / vectors.norm(dim=1, keepdim=True)
    cosines = units.transpose(1, 2) @ units
    d = (vectors[..., None] - vectors[:, :, None]).square().sum(1).clamp(min=1e-12).sqrt()
    fc = torch.cos(pi / 2 * (d / CUTOFF).clamp(max=1)).square()
    others = 1 - torch.eye(vectors.shape[2], dtype=vectors.dtype, device=vectors.device)
    sums = []
    for (f, s), (eta, shift) in zip(COUPLES, GAUSSIANS, strict=True):
        w = others * torch.exp(-eta * (d - shift).square()) * fc if narrow else others
        matrices = [((1 + a * cosines) / 2) ** z * w for a in LAMBDAS for z in ZETAS]
        sums.append(torch.einsum("cj,tcjk,ck->ct", legs[:, f], torch.stack(matrices), legs[:, s]))
    return torch.stack(sums, dim=1)
