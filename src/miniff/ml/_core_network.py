"""Networks for the compiled core, which spares each evaluation torch's overhead."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy import ndarray
from torch import Tensor, nn

from miniff import _core
from miniff.ml._layers import network_state
from miniff.potentials import CoreNetworks, Precision

__all__ = ["core_networks"]

Layer = Mapping[str, object]

IN_CORE: dict[str, dict[str, float]] = {
    "identity": {},
    "relu": {},
    "sigmoid": {},
    "silu": {},
    "softplus": {"beta": 1.0, "threshold": 20.0},
    "tanh": {},
}
"""Activations that the core has, with the options it has them with."""


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
            if not all(_is_affine(after) for after in layers[place + 1 :]):
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
    if not all(_is_affine(layer) or _is_in_core(layer) for layer in layers):
        return None
    core = _core.Network32() if precision == "single" else _core.Network()
    weight: ndarray | None = None
    shift = np.zeros(0)
    for layer in layers:
        if _is_affine(layer):
            own, own_shift = _numbers(layer)
            if weight is not None:
                if own.shape[1] != len(weight):
                    return None  # torch repeats the one number of an affine layer
                own, own_shift = own @ weight, own @ shift + own_shift
            weight, shift = np.ascontiguousarray(own), own_shift
            continue
        if weight is None:
            return None  # an activation of the descriptors themselves
        core.add(weight, shift, str(layer["layer"]))
        weight, shift = np.eye(len(shift)), np.zeros(len(shift))
    if weight is None:
        return None
    core.add(weight, shift, "identity")
    return core


def _is_affine(layer: Layer) -> bool:
    return layer["layer"] in ("affine", "linear")


def _is_in_core(layer: Layer) -> bool:
    return IN_CORE.get(str(layer["layer"])) == layer.get("options", {})


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
