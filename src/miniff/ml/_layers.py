"""Networks as plain data: layer names, shapes and tensors, no code.

Only layers listed here can be saved, so that what is read back is what was trained.
"""

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from miniff._checks import unknown_name

__all__ = ["ACTIVATIONS", "Affine", "activation", "network_from_state", "network_state"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
}


class Affine(nn.Module):
    """Multiplies by a fixed scale and adds a fixed shift."""

    scale: Tensor
    shift: Tensor

    def __init__(self, scale: Float[Tensor, " _"], shift: Float[Tensor, " _"]) -> None:
        super().__init__()
        self.register_buffer("scale", scale.clone())
        self.register_buffer("shift", shift.clone())

    def forward(self, x: Float[Tensor, "n_points _"]) -> Float[Tensor, "n_points _"]:
        return x * self.scale + self.shift


def activation(name: str) -> type[nn.Module]:
    """The activation of that name.

    Raises:
        ValueError: An unknown name.
    """
    if name not in ACTIVATIONS:
        raise ValueError(unknown_name("activation", name, ACTIVATIONS))
    return ACTIVATIONS[name]


def network_state(network: nn.Module) -> list[dict[str, object]]:
    """The layers of a network, in order.

    Raises:
        ValueError: A layer that is not in the list, or an activation with options of its own.
    """
    return [_layer_state(layer) for layer in _flat(network)]


def network_from_state(state: Sequence[Mapping[str, object]]) -> nn.Sequential:
    """The network whose ``network_state`` this is."""
    return nn.Sequential(*(_layer_from_state(layer) for layer in state))


def _flat(network: nn.Module) -> list[nn.Module]:
    if type(network) is nn.Sequential:  # a subclass may do something else with its parts
        return [layer for part in network for layer in _flat(part)]
    return [network]


def _layer_state(layer: nn.Module) -> dict[str, object]:
    tensors = {name: tensor.detach().cpu().clone() for name, tensor in layer.state_dict().items()}
    if type(layer) is nn.Linear:
        return {"layer": "linear", **tensors}
    if type(layer) is Affine:
        return {"layer": "affine", **tensors}
    for name, kind in ACTIVATIONS.items():
        if type(layer) is kind and repr(layer) == repr(kind()):
            return {"layer": name}
    raise ValueError(
        f"a network with the layer {layer} cannot be saved; known: linear, affine, "
        f"{', '.join(ACTIVATIONS)}, each without options"
    )


def _layer_from_state(state: Mapping[str, object]) -> nn.Module:
    kind = state.get("layer")
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    if kind == "linear" and "weight" in tensors:
        n_out, n_in = tensors["weight"].shape
        linear = nn.Linear(n_in, n_out, bias="bias" in tensors, dtype=tensors["weight"].dtype)
        linear.load_state_dict(tensors)
        return linear
    if kind == "affine" and {"scale", "shift"} == set(tensors):
        return Affine(tensors["scale"], tensors["shift"])
    if tensors:
        raise ValueError(f"a layer {kind!r} cannot hold the tensors {', '.join(tensors)}")
    return activation(str(kind))()
