"""Networks for the compiled core, which spares each evaluation torch's overhead."""

from collections.abc import Mapping

import numpy as np
from numpy import ndarray
from torch import Tensor, nn

from miniff import _core
from miniff.ml._layers import network_state
from miniff.potentials import Precision

__all__ = ["core_network"]

IN_CORE = ("identity", "relu", "sigmoid", "silu", "softplus", "tanh")


def core_network(
    network: nn.Module, precision: Precision = "double"
) -> _core.Network | _core.Network32 | None:
    """The same function in the core; None if it has layers that only torch knows."""
    try:
        layers = network_state(network)
    except ValueError:
        return None
    if any(not _is_affine(layer) and layer["layer"] not in IN_CORE for layer in layers):
        return None
    core = _core.Network32() if precision == "single" else _core.Network()
    weight: ndarray | None = None
    shift = np.zeros(0)
    for layer in layers:
        if _is_affine(layer):
            weight, shift = _after(weight, shift, layer)
            continue
        if weight is None:
            return None  # an activation of the descriptors themselves
        core.add(weight, shift, str(layer["layer"]))
        weight, shift = np.eye(len(shift)), np.zeros(len(shift))
    if weight is None:
        return None
    core.add(weight, shift, "identity")
    return core


def _is_affine(layer: Mapping[str, object]) -> bool:
    return layer["layer"] in ("affine", "linear")


def _after(
    weight: ndarray | None, shift: ndarray, layer: Mapping[str, object]
) -> tuple[ndarray, ndarray]:
    """Weight and shift of the layer applied after those given."""
    own, own_shift = _numbers(layer)
    if weight is None:
        return own, own_shift
    return np.ascontiguousarray(own @ weight), own @ shift + own_shift


def _numbers(layer: Mapping[str, object]) -> tuple[ndarray, ndarray]:
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
