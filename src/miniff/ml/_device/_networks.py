"""Outputs of networks and their slopes by the inputs in torch, for all members of a committee.

Plain networks of one form are one product of matrices per layer for all members; their slopes are
written down, so that a loss of both is differentiated once. Others are differentiated twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

__all__ = ["outputs_and_slopes"]

Slope = Callable[[Tensor], Tensor]

SLOPES: dict[type[nn.Module], Slope] = {
    nn.Tanh: lambda y: 1 - y.square(),
    nn.Sigmoid: lambda y: y * (1 - y),
}
"""Derivatives of activations from their values."""


def outputs_and_slopes(
    networks: Sequence[nn.Module], x: Float[Tensor, "n_points n_inputs"]
) -> tuple[Float[Tensor, "n_models n_points"], Float[Tensor, "n_models n_points n_inputs"]]:
    """In the type of the inputs, whatever that of the parameters; differentiable in these.

    Args:
        networks: Of each member.
        x: Not differentiated.
    """
    plain = [_Plain.of(network) for network in networks]
    first = plain[0]
    if first is not None and all(own is not None and own.form == first.form for own in plain):
        return _together([own for own in plain if own is not None], x)
    found = [_by_torch(network, x) for network in networks]
    outputs, slopes = (torch.stack(parts) for parts in zip(*found, strict=True))
    return outputs, slopes


@dataclass(frozen=True, eq=False)
class _Plain:
    """Linear layers with constants, and one activation between them."""

    layers: list[nn.Linear]
    between: type[nn.Module]

    @property
    def form(self) -> tuple[object, ...]:
        return self.between, *((layer.in_features, layer.out_features) for layer in self.layers)

    @staticmethod
    def of(network: nn.Module) -> "_Plain | None":
        """None for another network."""
        if not isinstance(network, nn.Sequential) or len(network) % 2 == 0 or len(network) < 3:
            return None
        layers = list(network)
        linear = [layer for layer in layers[::2] if type(layer) is nn.Linear]
        between = {type(layer) for layer in layers[1::2]}
        is_plain = (
            len(linear) == len(layers[::2])
            and all(layer.bias is not None for layer in linear)
            and len(between) == 1
            and between <= set(SLOPES)
            and not any(layer._forward_hooks or layer._forward_pre_hooks for layer in layers)
        )
        return _Plain(linear, between.pop()) if is_plain else None


def _together(networks: Sequence[_Plain], x: Tensor) -> tuple[Tensor, Tensor]:
    activation, slope_of = networks[0].between(), SLOPES[networks[0].between]
    steps = list(zip(*(network.layers for network in networks), strict=True))
    weights = [torch.stack([layer.weight for layer in own]).to(x.dtype) for own in steps]
    shifts = [torch.stack([layer.bias for layer in own])[:, None].to(x.dtype) for own in steps]
    h = x.detach().expand(len(networks), -1, -1)
    slopes = []
    for weight, shift in zip(weights[:-1], shifts[:-1], strict=True):
        h = activation(torch.baddbmm(shift, h, weight.transpose(1, 2)))
        slopes.append(slope_of(h))
    output = torch.baddbmm(shifts[-1], h, weights[-1].transpose(1, 2))[..., 0]
    by_input = weights[-1]
    for weight, slope in zip(weights[-2::-1], slopes[::-1], strict=True):
        by_input = (by_input * slope) @ weight
    return output, by_input


def _by_torch(network: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    differentiable = torch.is_grad_enabled()
    numbers = {name: p.to(x.dtype) for name, p in network.named_parameters()}
    fixed = {name: b.to(x.dtype) for name, b in network.named_buffers()}
    with torch.enable_grad():
        inputs = x.detach().requires_grad_()
        output = functional_call(network, {**numbers, **fixed}, (inputs,))[:, 0]
        (slope,) = torch.autograd.grad(output.sum(), inputs, create_graph=differentiable)
    return (output if differentiable else output.detach()), slope
