"""Networks as plain data: layer names, shapes and tensors, no code.

Only layers listed here can be saved, so that what is read back is what was trained.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from miniff.ml._activations import SAVED, activation_from_options, activation_options

__all__ = ["Affine", "Mean", "network_from_state", "network_state"]


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


class Mean(nn.Module):
    """The mean of several networks: a committee, whose members were trained apart."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        """At least one member.

        Raises:
            ValueError: No member.
        """
        super().__init__()
        if not members:
            raise ValueError("a mean of networks needs at least one of them")
        self.members = nn.ModuleList(members)

    def forward(self, x: Float[Tensor, "n_points _"]) -> Float[Tensor, "n_points _"]:
        return torch.stack([member(x) for member in self.members]).mean(0)


def network_state(network: nn.Module) -> list[dict[str, object]]:
    """The layers of a network, in order; a network within a network adds its layers.

    Raises:
        ValueError: A layer that is not known here, or one with hooks, which may change anything.
    """
    return [_layer_state(layer) for layer in _flat(network)]


def network_from_state(state: Sequence[Mapping[str, object]]) -> nn.Sequential:
    """The network whose ``network_state`` this is: the same numbers, to the bit.

    Raises:
        ValueError: Data that are not a network's.
    """
    return nn.Sequential(*(_layer_from_state(layer) for layer in state))


def _flat(network: nn.Module) -> list[nn.Module]:
    if network._forward_hooks or network._forward_pre_hooks:
        raise ValueError(f"a network with hooks cannot be saved: {network}")
    if isinstance(network, nn.Sequential) and type(network).forward is nn.Sequential.forward:
        # Other subclasses may do something else with their parts.
        return [layer for part in network for layer in _flat(part)]
    return [network]


def _layer_state(layer: nn.Module) -> dict[str, object]:
    if type(layer) is Mean:
        return {"layer": "mean", "members": [network_state(member) for member in layer.members]}
    tensors = {name: tensor.detach().cpu().clone() for name, tensor in layer.state_dict().items()}
    if type(layer) is nn.Linear:
        return {"layer": "linear", **tensors}
    if type(layer) is Affine:
        return {"layer": "affine", **tensors}
    named = activation_options(layer)
    if named is None:
        raise ValueError(
            f"a network with the layer {layer} cannot be saved; known: linear, affine, mean, "
            f"{', '.join(sorted(SAVED))}"
        )
    name, options = named
    return {"layer": name, **({"options": options} if options else {}), **tensors}


def _layer_from_state(state: Mapping[str, object]) -> nn.Module:
    kind, options = str(state.get("layer")), state.get("options", {})
    members = state.get("members")
    if kind == "mean" and isinstance(members, list):
        return Mean([network_from_state(member) for member in members])
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    if kind == "affine" and set(tensors) == {"scale", "shift"}:
        return Affine(tensors["scale"], tensors["shift"])
    if kind == "linear" and "weight" in tensors and tensors["weight"].ndim == 2:
        n_out, n_in = tensors["weight"].shape
        # On no device: numbers drawn only to be replaced would disturb those drawn elsewhere.
        return _filled(nn.Linear(n_in, n_out, bias="bias" in tensors, device="meta"), tensors)
    if kind in ("affine", "linear") or not isinstance(options, Mapping):
        raise ValueError(f"a layer {kind!r} cannot have the data {', '.join(map(str, state))}")
    return _filled(activation_from_options(kind, options), tensors)


def _filled(layer: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The layer with copies of these tensors, in their own type."""
    wanted = dict(layer.state_dict())
    if set(wanted) != set(tensors) or any(wanted[n].shape != tensors[n].shape for n in wanted):
        shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        raise ValueError(f"a layer {layer} cannot hold tensors of the shapes {shapes}")
    layer.load_state_dict({name: t.clone() for name, t in tensors.items()}, assign=True)
    return layer
