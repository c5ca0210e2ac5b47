"""Energies of atoms and their derivatives by the features, for all members of a committee.

What a loss of both changes by with the parameters is computed in the core, without the graph that
torch would keep. Networks the core cannot train are differentiated twice by torch.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy import ndarray
from torch import Tensor, nn

from miniff import _core
from miniff.ml._device._networks import outputs_and_slopes
from miniff.ml._layers import network_state
from miniff.ml._normalization import Normalization
from miniff.ml._points import PerPointDataset

__all__ = ["energies_and_slopes"]

Form = tuple[tuple[int, ...], str]
"""Widths of the layers but the last, and the activation between them."""


def energies_and_slopes(
    networks: Sequence[nn.Module],
    points: PerPointDataset,
    normalization: Normalization,
    species: int,
    dtype: torch.dtype,
) -> tuple[Float[Tensor, "n_models n_points"], Float[Tensor, "n_models n_points n_features"]]:
    """Energies of the atoms of a species, and dE/dF; differentiable in the parameters.

    Args:
        networks: Of each model.
        points: Features of the atoms; not differentiated.
        normalization: What the networks see and give.
        species: Which of its species these are.
        dtype: Of dE/dF, and of the layers where the core trains them.
    """
    if points.on_device is not None:
        return _on_device(networks, points, normalization, species, dtype)
    forms = {core_form(network) for network in networks}
    form = forms.pop() if len(forms) == 1 and points.dtype == torch.float64 else None
    direct = form is not None and not normalization.features_projection
    x = points.features if direct else normalization.features(species, points.features)
    if form is not None:
        scale = _scale(normalization, species) if direct else _no_scale(x.shape[1])
        vectors = [nn.utils.parameters_to_vector(network.parameters()) for network in networks]
        outputs, slopes = _Outputs.apply(  # type: ignore[no-untyped-call]
            torch.stack(vectors), x.detach(), scale, form, dtype if direct else x.dtype
        )
    else:
        found = [_by_torch(network, x) for network in networks]
        outputs, slopes = (torch.stack(parts) for parts in zip(*found, strict=True))
    if not direct:
        slopes = normalization.slopes(species, slopes).to(dtype)
    energies = normalization.energies(species, outputs)
    if bool((points.weight != 1).any()):
        energies = points.weight * energies
        slopes = points.weight.to(dtype)[:, None] * slopes
    return energies, slopes


def _on_device(
    networks: Sequence[nn.Module],
    points: PerPointDataset,
    normalization: Normalization,
    species: int,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """The same without the core, and without anything that waits for the device."""
    x = normalization.features(species, points.features).to(dtype)
    outputs, slopes = outputs_and_slopes(networks, x)
    energies = normalization.energies(species, outputs.to(points.dtype))
    slopes = normalization.slopes(species, slopes.to(points.dtype))
    return points.weight * energies, (points.weight[:, None] * slopes).to(dtype)


def core_form(network: nn.Module) -> Form | None:
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
    return (tuple(p.shape[1] for p in parameters[::2]), names.pop()) if is_plain else None


def _scale(normalization: Normalization, species: int) -> Float64[ndarray, "3 n_features"]:
    """Offset and factor of each feature, and what makes dE/dF of derivatives by the inputs."""
    factor = 1 / normalization.features_scale[species]
    rows = [normalization.features_offset[species], factor, normalization.energy_scale * factor]
    return torch.stack(rows).double().numpy()


def _no_scale(n_inputs: int) -> Float64[ndarray, "3 n_inputs"]:
    return np.repeat([[0.0], [1.0], [1.0]], n_inputs, axis=1)


def _by_torch(
    network: nn.Module, x: Float[Tensor, "n_points n_inputs"]
) -> tuple[Float[Tensor, " n_points"], Float[Tensor, "n_points n_inputs"]]:
    differentiable = torch.is_grad_enabled()
    with torch.enable_grad():
        inputs = x.detach().requires_grad_()
        output = network(inputs)[:, 0]
        (slope,) = torch.autograd.grad(output.sum(), inputs, create_graph=differentiable)
    return (output if differentiable else output.detach()), slope


class _Outputs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        parameters: Float64[Tensor, "n_models n_parameters"],
        x: Float64[Tensor, "n_points n_inputs"],
        scale: Float64[ndarray, "3 n_inputs"],
        form: Form,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        ctx.form, ctx.scale = _core.NetworkForm(*form), scale
        ctx.save_for_backward(parameters, x)
        outputs = torch.empty(len(parameters), len(x), dtype=torch.float64)
        slopes = torch.empty(len(parameters), *x.shape, dtype=dtype)
        inputs = x.contiguous().numpy()
        for own, *out in zip(parameters, outputs, slopes, strict=True):
            ctx.form.outputs(own.numpy(), inputs, scale, *(one.numpy() for one in out))
        return outputs, slopes

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, by_output: Tensor, by_slope: Tensor) -> tuple[Tensor | None, ...]:
        parameters, x = ctx.saved_tensors
        if ctx.needs_input_grad[1]:
            raise NotImplementedError("the inputs of a network are not differentiated here")
        gradient = torch.empty_like(parameters)
        inputs = x.contiguous().numpy()
        changes = by_output.contiguous(), by_slope.contiguous()
        for own, *along, out in zip(parameters, *changes, gradient, strict=True):
            along_both = (one.numpy() for one in along)
            ctx.form.slopes(own.numpy(), inputs, ctx.scale, *along_both, out.numpy())
        return gradient, None, None, None, None
