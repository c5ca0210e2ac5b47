"""Products with derivatives of descriptors as torch operations, on the device of a table.

The same operations as those of :mod:`miniff.ml._ops` on top of the compiled core, and as often
differentiable in what they multiply. Second derivatives in the positions are there too.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from miniff.ml._device._environment import TensorEnvironment

__all__ = ["tensor_image_gradient"]


def tensor_image_gradient(
    images: Float64[Tensor, "n_images 3"],
    environments: Sequence[TensorEnvironment],
    weights: Sequence[Float[Tensor, "n_models _ _"]],
) -> Float64[Tensor, "n_models n_images 3"]:
    """sum_if weights[:, i, f] dF[i, f]/dx over all environments."""
    result: Tensor = _Vjp.apply(images, tuple(environments), *weights)  # type: ignore[no-untyped-call]
    return result


class _Vjp(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, images: Tensor, environments: tuple[TensorEnvironment, ...], *weights: Tensor
    ) -> Tensor:
        ctx.save_for_backward(images, *weights)
        ctx.environments, ctx.dtype = environments, weights[0].dtype
        by_image = images.new_zeros(len(weights[0]), *images.shape)
        for environment, weight in zip(environments, weights, strict=True):
            environment.add_vjp(images, weight, by_image)
        return by_image

    @staticmethod
    def backward(ctx: Any, direction: Tensor) -> tuple[Tensor | None, ...]:
        images, *weights = ctx.saved_tensors
        by_weight = _Jvp.apply(images, ctx.environments, direction, ctx.dtype)  # type: ignore[no-untyped-call]
        by_images = None
        if ctx.needs_input_grad[0]:
            by_images = _second_derivative(images, ctx.environments, weights, direction)
        return by_images, None, *by_weight


class _Jvp(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        environments: tuple[TensorEnvironment, ...],
        direction: Tensor,
        dtype: torch.dtype,
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(images)
        ctx.environments = environments
        return tuple(e.jvp(images, direction, dtype) for e in environments)

    @staticmethod
    def backward(ctx: Any, *weights: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.needs_input_grad[0]:
            raise NotImplementedError(
                "third derivatives of descriptors by positions are not available: detach the "
                "positions"
            )
        (images,) = ctx.saved_tensors
        return None, None, tensor_image_gradient(images, ctx.environments, weights), None


def _second_derivative(
    images: Tensor,
    environments: Sequence[TensorEnvironment],
    weights: Sequence[Tensor],
    direction: Tensor,
) -> Tensor:
    """d/dx of the product of dE/dx with a direction."""
    total = torch.zeros_like(images)
    for m in range(len(direction)):
        total = total + _hessian_product(
            images, environments, [w[m] for w in weights], direction[m]
        )
    return total


def _hessian_product(
    images: Tensor,
    environments: Sequence[TensorEnvironment],
    weights: Sequence[Tensor],
    direction: Tensor,
) -> Tensor:
    with torch.enable_grad():
        at = images.detach().requires_grad_()
        parts = [
            (weight.detach() * environment.values(at)).sum()
            for environment, weight in zip(environments, weights, strict=True)
        ]
        energy = torch.stack(parts).sum()
        if not energy.requires_grad:
            return torch.zeros_like(images)
        (slope,) = torch.autograd.grad(energy, at, create_graph=True)
        (product,) = torch.autograd.grad((slope * direction.detach()).sum(), at)
    return product
