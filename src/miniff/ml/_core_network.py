"""Networks for the compiled core, which spares each evaluation torch's overhead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from torch import Tensor, nn

from miniff import _core
from miniff.ml._layers import network_state
from miniff.potentials import CoreNetworks, Precision

__all__ = ["DenseLayer", "Layer", "core_networks", "dense_layers", "is_affine", "is_softplus"]

Layer = Mapping[str, object]

IN_CORE = (
    "cosine",
    "exponential",
    "gaussian",
    "identity",
    "relu",
    "sigmoid",
    "silu",
    "softplus",
    "square",
    "tanh",
)
"""Activations that the core has."""

SOFTPLUS_THRESHOLD = 20.0
"""From here on ln(1 + exp(x)) is x for torch, as it is to 2e-9; the core's has no threshold."""


@dataclass(frozen=True, eq=False)
class DenseLayer:
    """f(W x + b): linear and affine layers with nothing between them are one.

    Attributes:
        weight: W [n_out, n_in].
        shift: b [n_out].
        activation: The layer that is f; None for the last one without.
    """

    weight: ndarray
    shift: ndarray
    activation: Layer | None


def core_networks(network: nn.Module, precision: Precision = "double") -> CoreNetworks | None:
    """Networks of the core whose mean is the same function; None if only torch can be."""
    try:
        layers = network_state(network)
    except ValueError:
        return None
    found = [_core_network(member, precision) for member in _members(layers)]
    return None if any(one is None for one in found) else found  # type: ignore[return-value]


def _members(layers: Sequence[Layer]) -> list[list[Layer]]:
    """The networks whose mean it is, each with the layers before and after the mean."""
    for place, layer in enumerate(layers):
        members = layer.get("members")
        if isinstance(members, list):
            if not all(is_affine(after) for after in layers[place + 1 :]):
                return [list(layers)]  # the mean is not the last but for a shift: torch's
            return [
                whole
                for member in members
                for whole in _members([*layers[:place], *member, *layers[place + 1 :]])
            ]
    return [list(layers)]


def _core_network(
    layers: Sequence[Layer], precision: Precision
) -> _core.Network | _core.Network32 | None:
    if not all(is_affine(layer) or _is_in_core(layer) for layer in layers):
        return None
    merged = dense_layers(layers)
    if merged is None:
        return None
    core = _core.Network32() if precision == "single" else _core.Network()
    for one in merged:
        name = "identity" if one.activation is None else str(one.activation["layer"])
        core.add(one.weight, one.shift, name)
    return core


def dense_layers(layers: Sequence[Layer]) -> list[DenseLayer] | None:
    """The layers of a network with linear ones merged; None where one cannot be told.

    The last one has no activation. Layers that are neither linear nor affine are activations.
    """
    merged: list[DenseLayer] = []
    weight: ndarray | None = None
    shift = np.zeros(0)
    for layer in layers:
        if is_affine(layer):
            own, own_shift = _numbers(layer)
            if weight is not None:
                if own.shape[1] != len(weight):
                    return None  # torch repeats the one number of an affine layer
                own, own_shift = own @ weight, own @ shift + own_shift
            weight, shift = np.ascontiguousarray(own), own_shift
            continue
        if weight is None:
            return None  # an activation of the descriptors themselves
        merged.append(DenseLayer(weight, shift, layer))
        weight, shift = np.eye(len(shift)), np.zeros(len(shift))
    if weight is None:
        return None
    return [*merged, DenseLayer(weight, shift, None)]


def is_affine(layer: Layer) -> bool:
    """Whether a layer multiplies and adds, and nothing else."""
    return layer["layer"] in ("affine", "linear")


def _is_in_core(layer: Layer) -> bool:
    if layer["layer"] == "softplus":
        return is_softplus(layer, SOFTPLUS_THRESHOLD)
    return layer["layer"] in IN_CORE and not layer.get("options")


def is_softplus(layer: Layer, least_threshold: float) -> bool:
    """Whether it is ln(1 + exp(x)), replaced by x only from some threshold on."""
    options = layer.get("options")
    return (
        isinstance(options, Mapping)
        and options["beta"] == 1
        and bool(options["threshold"] >= least_threshold)
    )


def _numbers(layer: Layer) -> tuple[ndarray, ndarray]:
    """Weight [n_out, n_in] and shift of a layer without an activation."""
    tensors = {
        name: value.detach().double().numpy()
        for name, value in layer.items()
        if isinstance(value, Tensor)
    }
    if layer["layer"] == "affine":
        return np.diag(tensors["scale"]), np.array(tensors["shift"])
    weight = np.ascontiguousarray(tensors["weight"])
    return weight, np.array(tensors.get("bias", np.zeros(len(weight))))
