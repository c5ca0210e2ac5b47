"""Sums of powers of (1 + lambda cos t)/2 as a torch operation, by kernels."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["PairPowers", "ThirdSide"]

LANES = 32
"""Numbers of j in a program: a warp."""
MOST_SUMS, MOST_COUPLES = 32, 4
"""Of a program: each sum is in a register, each couple takes some tiles."""
MOST_BYTES = 64
"""Of a tile in the registers of a lane."""


@dataclass(frozen=True)
class ThirdSide:
    """Factors of the distance between two neighbours, with half a cosine as cutoff function.

    Attributes:
        cutoff: Where they are zero (length).
        gaussians: Eta and shift of each couple.
    """

    cutoff: float
    gaussians: Sequence[tuple[float, float]]


class PairPowers:
    """The sums of certain couples and powers."""

    def __init__(
        self,
        couples: Sequence[tuple[int, int]],
        lambdas: Sequence[float],
        zetas: Sequence[int],
        like: Tensor,
        third: "ThirdSide | None" = None,
    ) -> None:
        """Puts numbers on the device.

        Args:
            couples: Of legs.
            lambdas: Numbers of x.
            zetas: Exponents, from 1 to 127.
            like: Of the device and type in which sums are computed.
            third: Of narrow sums.
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
        self._third = self._halves[:0]
        if third is not None:
            last = -self._n % self._chunk
            numbers = [*third.gaussians, *[third.gaussians[-1]] * last]
            self._third = like.new_tensor([third.cutoff, *chain.from_iterable(numbers)])
        self._n_columns = MOST_BYTES // like.element_size() // (1 if third is None else 2)

    def __call__(
        self,
        units: Float[Tensor, "n_centres 3 n_places"],
        lengths: Float[Tensor, "n_centres n_places"],
        legs: Float[Tensor, "n_centres n_legs n_places"],
    ) -> Float[Tensor, "n_centres n_couples n_angles"]:
        """G, each lambda with each zeta; differentiable once."""
        found: Tensor = _PairPowers.apply(units, lengths, legs, self)  # type: ignore[no-untyped-call]
        return found[:, : self._n]

    def sums(self, *given: Tensor) -> Tensor:
        """G of units, lengths and legs, with couples that fill the last chunk."""
        n_angles = len(self._halves) * len(self._zetas)
        sums = given[0].new_zeros(len(given[0]), len(self._first), n_angles)
        self._launch("pair_power_sums", self._n_columns, given, sums)
        return sums

    def slopes(self, given: Sequence[Tensor], by_sum: Tensor) -> list[Tensor]:
        """The derivatives of the sum of by_sum G by what was given."""
        found = [torch.zeros_like(own) for own in given]
        self._launch("pair_power_slopes", self._n_columns // 2, given, by_sum, *found)
        return found

    def _launch(self, kernel: str, columns: int, given: Sequence[Tensor], *sums: Tensor) -> None:
        from miniff.ml._device import _kernels  # needs Triton, which torch has beside CUDA

        units, lengths, legs = given
        _, n_legs, n = legs.shape
        if legs.numel() == 0:
            return
        blocks = -(-n // LANES), len(self._first) // self._chunk
        with torch.cuda.device_of(units):
            getattr(_kernels, kernel)[len(units), *blocks](
                *(units, lengths, legs, self._first, self._second, self._halves, self._third),
                *(*sums, n, n_legs, len(self._first)),
                ZETAS=self._zetas,
                N_LAMBDAS=len(self._halves),
                NARROW=len(self._third) > 0,
                CHUNK=self._chunk,
                LANES=LANES,
                COLUMNS=columns,
                num_warps=1,
            )


class _PairPowers(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, units: Tensor, lengths: Tensor, legs: Tensor, powers: PairPowers
    ) -> Tensor:
        given = [own.contiguous() for own in (units, lengths, legs)]
        ctx.save_for_backward(*given)
        ctx.powers = powers
        return powers.sums(*given)

    @staticmethod
    def backward(ctx: Any, by_sum: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise NotImplementedError(
                "kernels form first derivatives of symmetry functions alone: make the functions "
                "without them"
            )
        return *ctx.powers.slopes(ctx.saved_tensors, by_sum.contiguous()), None
