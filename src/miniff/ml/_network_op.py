"""Outputs of a network and their derivatives by its inputs, as one torch operation.

What a loss of both changes by with the parameters is computed in the core, without the graph that
torch would keep. Networks the core cannot train are differentiated twice by torch.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from miniff import _core
from miniff.ml._layers import network_state

__all__ = ["outputs_and_slopes"]


def outputs_and_slopes(
    network: nn.Module, x: Float[Tensor, "n_points n_inputs"]
) -> tuple[Float[Tensor, " n_points"], Float[Tensor, "n_points n_inputs"]]:
    """What a network gives, and its derivatives by x; differentiable in the parameters.

    Args:
        network: [n_points, n_inputs] to [n_points, 1].
        x: Its inputs; not differentiated.
    """
    form = core_form(network)
    if form is not None and x.dtype == torch.float64:
        output, slope = _Outputs.apply(x.detach(), form, *network.parameters())  # type: ignore[no-untyped-call]
        return output, slope
    differentiable = torch.is_grad_enabled()
    with torch.enable_grad():
        inputs = x.detach().requires_grad_()
        output = network(inputs)[:, 0]
        (slope,) = torch.autograd.grad(output.sum(), inputs, create_graph=differentiable)
    return (output if differentiable else output.detach()), slope


def core_form(network: nn.Module) -> _core.NetworkForm | None:
    """The form of a network the core can train: linear layers with one activation between."""
    try:
        layers = network_state(network)
    except ValueError:
        return None
    linear, between = layers[::2], layers[1::2]
    names = {str(layer["layer"]) for layer in between}
    parameters = list(network.parameters())
    is_plain = (
        len(layers) % 2 == 1
        and len(layers) > 1
        and names in ({"tanh"}, {"sigmoid"})
        and all(layer["layer"] == "linear" and "bias" in layer for layer in linear)
        and len(parameters) == 2 * len(linear)
        and all(p.dtype == torch.float64 for p in parameters)
        and len(parameters[-1]) == 1
    )
    if not is_plain:
        return None
    widths = [p.shape[1] for p in parameters[::2]]
    return _core.NetworkForm(widths, names.pop())


class _Outputs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, form: _core.NetworkForm, *parameters: Tensor
    ) -> tuple[Tensor, Tensor]:
        ctx.form = form
        ctx.save_for_backward(x, *parameters)
        output, slope = np.empty(len(x)), np.empty(x.shape)
        form.outputs(_vector(parameters), x.contiguous().numpy(), output, slope)
        return torch.from_numpy(output), torch.from_numpy(slope)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, by_output: Tensor, by_slope: Tensor) -> tuple[Tensor | None, ...]:
        x, *parameters = ctx.saved_tensors
        if ctx.needs_input_grad[0]:
            raise NotImplementedError("the inputs of a network are not differentiated here")
        gradient = np.empty(ctx.form.n_parameters)
        ctx.form.slopes(
            _vector(parameters),
            x.contiguous().numpy(),
            by_output.contiguous().numpy(),
            by_slope.contiguous().numpy(),
            gradient,
        )
        parts = torch.from_numpy(gradient).split([p.numel() for p in parameters])
        return None, None, *(part.view_as(p) for part, p in zip(parts, parameters, strict=True))


def _vector(parameters: Any) -> np.ndarray:
    """All numbers one after the other."""
    vector: np.ndarray = torch.cat([p.detach().reshape(-1) for p in parameters]).numpy()
    return vector
