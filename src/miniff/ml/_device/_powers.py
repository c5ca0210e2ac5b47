"""Powers of many numbers in torch, with few passes over memory.

A device is as fast as it reads and writes what belongs to pairs of neighbours. By automatic
differentiation a square costs three passes, and one more to add what comes from elsewhere; here it
costs one.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Powers"]


class Powers:
    """Powers of x, which may be as little as minus a rounding error; squares are formed once."""

    def __init__(self, x: Float[Tensor, "*shape"], largest: float) -> None:
        """Forms x^2, x^4 and so on.

        Args:
            x: The numbers.
            largest: The largest power that will be asked for, at least 1.
        """
        n = int(largest).bit_length() - 1
        self._squares: tuple[Tensor, ...] = (x,)
        if n == 0:
            return
        if torch.compiler.is_compiling():  # the compiler joins passes by itself
            self._squares = (x, *_squares(x, n))
        else:
            self._squares = (x, *_Squares.apply(x, n))  # type: ignore[no-untyped-call]

    def of(self, zeta: float) -> Float[Tensor, "*shape"]:
        """x^zeta, from x to the largest."""
        if zeta != int(zeta):
            x = self._squares[0]
            positive = x > 0  # a power has no second derivative at 0
            return torch.where(positive, torch.where(positive, x, 1.0) ** zeta, 0.0)
        bits = [k for k in range(int(zeta).bit_length()) if int(zeta) >> k & 1]
        result = self._squares[bits[0]]
        for k in bits[1:]:
            result = result * self._squares[k]
        return result


def _squares(x: Tensor, n: int) -> tuple[Tensor, ...]:
    """x^2, x^4 ... x^(2^n)."""
    found = [x * x]
    while len(found) < n:
        found.append(found[-1] * found[-1])
    return tuple(found)


class _Squares(torch.autograd.Function):
    """The same, with one pass for the derivative of each."""

    @staticmethod
    def forward(x: Tensor, n: int) -> tuple[Tensor, ...]:
        return _squares(x, n)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        roots = inputs[0], *output[:-1]
        ctx.save_for_backward(*roots)
        ctx.save_for_forward(*roots)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *by_square: Tensor | None) -> tuple[Tensor | None, None]:
        roots = ctx.saved_tensors
        found = by_square[-1]
        for root, own in zip(reversed(roots), (*reversed(by_square[:-1]), None), strict=True):
            if found is None:
                found = own
            else:
                start = root.new_zeros(()) if own is None else own
                found = torch.addcmul(start, found, root, value=2)
        return found, None

    @staticmethod
    def jvp(ctx: Any, along: Tensor, _: None) -> tuple[Tensor, ...]:
        found = []
        for root in ctx.saved_tensors:
            along = torch.addcmul(root.new_zeros(()), along, root, value=2)
            found.append(along)
        return tuple(found)
