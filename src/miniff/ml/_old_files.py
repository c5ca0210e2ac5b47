"""Potential files of release 0.1.4: a list of dictionaries, whose networks lack their activations.

A network is kept as weights and constants of linear layers at even places, ``0.weight``,
``0.bias``, ``2.weight``, ... What stands between them is not in the file.
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from miniff.ml._activations import activation
from miniff.ml._potential import NN_TAG, NNPotential
from miniff.potentials import Potential, function_from_state_dict, potential_from_state_dict

__all__ = ["old_potential"]

LAYER = re.compile(r"(\d+)\.(weight|bias)")


def old_potential(state: Mapping[str, Any], between: str | None) -> Potential:
    """A potential from the data that release 0.1.4 wrote for it.

    Args:
        state: Its dictionary.
        between: Name of the activation between linear layers.

    Raises:
        ValueError: What is not known here, or a network whose activation is not known.
    """
    if state.get("tag") != NN_TAG:
        return potential_from_state_dict(state)
    wanted = {"tag", "ptag", "parameters", "descriptors"}
    parameters, descriptors = state.get("parameters"), state.get("descriptors")
    if set(state) != wanted or not isinstance(parameters, Mapping):
        raise ValueError(
            f"a network's data have the keys {', '.join(sorted(wanted))}, but here are "
            f"{', '.join(map(str, state))}"
        )
    if set(parameters) - {"nn", "descriptor_fidelity_histograms"} or not isinstance(
        parameters.get("nn"), Mapping
    ):
        raise ValueError(
            "a network's parameters are nn and descriptor_fidelity_histograms, but here are "
            f"{', '.join(map(str, parameters))}"
        )
    if parameters.get("descriptor_fidelity_histograms") is not None:
        raise ValueError("histograms of descriptors are not read: save it with None for them")
    if not isinstance(descriptors, list):
        raise ValueError(f"`descriptors` is {type(descriptors).__name__} but must be a list")
    network = _network(parameters["nn"], between)
    functions = [function_from_state_dict(d) for d in descriptors]
    return NNPotential(network, functions, str(state["ptag"]))


def _network(tensors: Mapping[str, object], between: str | None) -> nn.Sequential:
    layers = _linear_layers(tensors)
    places = sorted(layers)
    if not places or places != list(range(0, 2 * len(places), 2)):
        raise ValueError(
            f"a network with tensors at the places {', '.join(map(str, places)) or 'none'} is not "
            "read: linear layers stand at 0, 2, 4, ..., and other layers are not known"
        )
    if len(places) > 1 and between is None:
        raise ValueError(
            "the file does not say what stands between the linear layers of its network: a Tanh "
            "network cannot be told from a Sigmoid one. Say it: load_potentials(path, "
            'old_activation="sigmoid"), which was the default of release 0.1.4, and save it anew'
        )
    parts: list[nn.Module] = []
    for place in places:
        parts += [_linear(layers[place]), activation(between or "identity")()]
    return nn.Sequential(*parts[:-1])


def _linear_layers(tensors: Mapping[str, object]) -> dict[int, dict[str, Tensor]]:
    layers: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        match = LAYER.fullmatch(name)
        if match is None or not isinstance(tensor, Tensor):
            raise ValueError(f"a network with `{name}` is not read: its layers are not known")
        layers.setdefault(int(match[1]), {})[match[2]] = tensor
    return layers


def _linear(tensors: Mapping[str, Tensor]) -> nn.Linear:
    weight = tensors.get("weight")
    if weight is None or weight.ndim != 2:
        shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        raise ValueError(f"a layer with tensors of the shapes {shapes} is not linear")
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias="bias" in tensors, device="meta")
    layer.load_state_dict({name: t.clone() for name, t in tensors.items()}, assign=True)
    return layer
