"""Sums of powers of (1 + lambda cos t)/2 as a torch operation, by kernels."""

from collections.abc import Sequence
from typing import Any

import torch
import triton
from jaxtyping import Float
from torch import Tensor

from miniff.ml._device._kernels import pair_power_slopes, pair_power_sums

__all__ = ["PairPowers"]

LANES = 32
"""Numbers of j in a program: a warp."""
MOST_SUMS, MOST_COUPLES = 32, 4
"""Of a program: each sum is in a register, each couple takes some tiles."""
MOST_BYTES = 64
"""Of a tile in the registers of a lane."""


class PairPowers:
    """The sums of certain couples and powers."""

    def __init__(
        self,
        couples: Sequence[tuple[int, int]],
        lambdas: Sequence[float],
        zetas: Sequence[int],
        like: Tensor,
    ) -> None:
        """Puts numbers on the device.

        Args:
            couples: Of legs.
            lambdas: Numbers of x.
            zetas: Exponents, from 1 to 127.
            like: Of the device and type in which sums are computed.
        """
        self._n = len(couples)
        self._zetas = tuple(zetas)
        n_angles = len(lambdas) * len(zetas)
        self._chunk = min(self._n, MOST_COUPLES, max(1, MOST_SUMS // n_angles))
        # The last couple stands for those that a chunk lacks.
        filled = [*couples, *[couples[-1]] * (-self._n % self._chunk)]
        index = torch.tensor(filled, dtype=torch.int32, device=like.device)
        self._first, self._second = index.T.contiguous()
        self._halves = like.new_tensor(lambdas) / 2
        self._n_columns = MOST_BYTES // like.element_size()

    def __call__(
        self,
        units: Float[Tensor, "n_centres 3 n_places"],
        legs: Float[Tensor, "n_centres n_legs n_places"],
    ) -> Float[Tensor, "n_centres n_couples n_angles"]:
        """G, each lambda with each zeta; differentiable once."""
        found: Tensor = _PairPowers.apply(units, legs, self)  # type: ignore[no-untyped-call]
        return found[:, : self._n]

    def sums(self, units: Tensor, legs: Tensor) -> Tensor:
        """G, with couples that fill the last chunk."""
        n_angles = len(self._halves) * len(self._zetas)
        sums = units.new_zeros(len(units), len(self._first), n_angles)
        self._launch(pair_power_sums, self._n_columns, units, legs, sums)
        return sums

    def slopes(self, units: Tensor, legs: Tensor, by_sum: Tensor) -> tuple[Tensor, Tensor]:
        """The derivatives of the sum of by_sum G."""
        by_unit, by_leg = torch.zeros_like(units), torch.zeros_like(legs)
        self._launch(pair_power_slopes, self._n_columns // 2, units, legs, by_sum, by_unit, by_leg)
        return by_unit, by_leg

    def _launch(
        self, kernel: Any, columns: int, units: Tensor, legs: Tensor, *sums: Tensor
    ) -> None:
        _, n_legs, n = legs.shape
        if legs.numel() == 0:
            return
        blocks = triton.cdiv(n, LANES), len(self._first) // self._chunk
        with torch.cuda.device_of(units):
            kernel[len(units), *blocks](
                *(units, legs, self._first, self._second, self._halves, *sums),
                *(n, n_legs, len(self._first)),
                ZETAS=self._zetas,
                N_LAMBDAS=len(self._halves),
                CHUNK=self._chunk,
                LANES=LANES,
                COLUMNS=columns,
                num_warps=1,
            )


class _PairPowers(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, units: Tensor, legs: Tensor, powers: PairPowers) -> Tensor:
        units, legs = units.contiguous(), legs.contiguous()
        ctx.save_for_backward(units, legs)
        ctx.powers = powers
        return powers.sums(units, legs)

    @staticmethod
    def backward(ctx: Any, by_sum: Tensor) -> tuple[Tensor, Tensor, None]:
        if torch.is_grad_enabled():
            raise NotImplementedError(
                "kernels form first derivatives of symmetry functions alone: make the functions "
                "without them"
            )
        units, legs = ctx.saved_tensors
        return *ctx.powers.slopes(units, legs, by_sum.contiguous()), None
