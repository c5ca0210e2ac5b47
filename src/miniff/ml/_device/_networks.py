"""Outputs of networks and their slopes by the inputs in torch, for all members of a committee.

Networks of one form are one product of matrices per layer for all members. Slopes of those whose
activation is known are written down, so that a loss of both is differentiated once. Others are
differentiated twice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from miniff.ml._device._slopes import BENDS, Layers, outputs_and_slopes_of

__all__ = ["Form", "MeanTogether", "Together", "form_of", "outputs_and_slopes"]


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
    if first is not None and first.has_slope and _are_alike(plain):
        return _together([own for own in plain if own is not None], x)
    found = [_by_torch(network, x, dict(network.named_parameters())) for network in networks]
    outputs, slopes = (torch.stack(parts) for parts in zip(*found, strict=True))
    return outputs, slopes


@dataclass(frozen=True, eq=False)
class Together:
    """Networks of one form at some points.

    Attributes:
        outputs: Of each, [n_models, n_points].
        slopes: By what is looked at, [n_models, n_points, n_features]; None if not asked for.
        changes: From what a number changes by with outputs and slopes to what it changes by with
            the parameters, [n_models, _] in parts.
    """

    outputs: Float[Tensor, "n_models n_points"]
    slopes: Float[Tensor, "n_models n_points _"] | None
    changes: Callable[[Tensor, Tensor | None], list[Tensor]]


Form = Callable[[Tensor, Tensor, Tensor | None], Together]
"""From parameters of networks, [n_models, n_parameters], inputs, [n_points, n_inputs], and what
takes features to the inputs, [n_inputs, n_features], if slopes are asked for."""


def form_of(network: nn.Module) -> Form:
    """What evaluates networks of the form of one, whose own parameters are not used."""
    plain = _Plain.of(network)
    if plain is not None and plain.has_slope:
        return plain.together
    return _Other(network).together


@dataclass(frozen=True, eq=False)
class _Other:
    """A network that torch differentiates twice."""

    network: nn.Module

    def together(self, numbers: Tensor, x: Tensor, spread: Tensor | None) -> Together:
        """As :data:`Form` says."""
        with torch.enable_grad():
            own = numbers.detach().requires_grad_()
            found = [_by_torch(self.network, x, self._named(one)) for one in own]
            outputs, slopes = (torch.stack(parts) for parts in zip(*found, strict=True))
            parts = [outputs] if spread is None else [outputs, slopes @ spread]

        def changes(by_outputs: Tensor, by_slopes: Tensor | None) -> list[Tensor]:
            seeds = [by_outputs] if by_slopes is None else [by_outputs, by_slopes]
            return list(torch.autograd.grad(parts, [own], seeds))

        asked = None if spread is None else parts[1].detach()
        return Together(outputs.detach(), asked, changes)

    def _named(self, numbers: Tensor) -> dict[str, Tensor]:
        """Parameters of one network by name, from all of its numbers in a row."""
        known = dict(self.network.named_parameters())
        parts = numbers.split([p.numel() for p in known.values()])
        return {
            name: part.view(p.shape) for (name, p), part in zip(known.items(), parts, strict=True)
        }


@dataclass(frozen=True, eq=False)
class _Plain:
    """Linear layers with constants, and one activation without numbers between them."""

    layers: list[nn.Linear]
    activation: nn.Module

    @property
    def form(self) -> tuple[object, ...]:
        shapes = [(layer.in_features, layer.out_features) for layer in self.layers]
        return type(self.activation), str(self.activation), *shapes

    @property
    def has_slope(self) -> bool:
        """Whether slopes are written down: known from the values of the activation."""
        return type(self.activation) in BENDS

    def together(self, numbers: Tensor, x: Tensor, spread: Tensor | None) -> Together:
        """As :data:`Form` says."""
        parts = numbers.split([p.numel() for own in self.layers for p in own.parameters()], 1)
        weights = [
            part.unflatten(1, own.weight.shape)
            for part, own in zip(parts[::2], self.layers, strict=True)
        ]
        shifts = [part[:, None] for part in parts[1::2]]
        passed = Layers(weights, shifts, type(self.activation)).passed(x)
        slopes = None if spread is None else passed.slopes(spread)

        def changes(by_outputs: Tensor, by_slopes: Tensor | None) -> list[Tensor]:
            return [one.flatten(1) for one in passed.changes(by_outputs, by_slopes, spread)]

        return Together(passed.outputs, slopes, changes)

    @staticmethod
    def of(network: nn.Module) -> "_Plain | None":
        """None for another network."""
        if not isinstance(network, nn.Sequential) or len(network) % 2 == 0 or len(network) < 3:
            return None
        layers = list(network)
        linear = [layer for layer in layers[::2] if type(layer) is nn.Linear]
        between = {(type(layer), str(layer)) for layer in layers[1::2]}
        is_plain = (
            len(linear) == len(layers[::2])
            and all(layer.bias is not None for layer in linear)
            and len(between) == 1
            and not layers[1].state_dict()
            and not any(layer._forward_hooks or layer._forward_pre_hooks for layer in layers)
        )
        return _Plain(linear, layers[1]) if is_plain else None


def _are_alike(plain: Sequence[_Plain | None]) -> bool:
    return len({None if own is None else own.form for own in plain}) == 1 and plain[0] is not None


class MeanTogether(nn.Module):
    """The mean of networks of one form, with their numbers side by side."""

    def __init__(self, networks: Sequence[_Plain]) -> None:
        """Copies the numbers."""
        super().__init__()
        first, *middle, last = zip(*(network.layers for network in networks), strict=True)
        self._n = len(networks)
        self._activation = networks[0].activation
        self._first = _joined(first, dim=0)
        self._middle = nn.ModuleList([_Side(layers) for layers in middle])
        self._last = _joined(last, dim=1)

    @staticmethod
    def of(networks: Sequence[nn.Module]) -> "MeanTogether | None":
        """None for networks of several forms."""
        plain = [_Plain.of(network) for network in networks]
        if not _are_alike(plain):
            return None
        return MeanTogether([own for own in plain if own is not None])

    def forward(self, x: Float[Tensor, "n_points n_inputs"]) -> Float[Tensor, "n_points _"]:
        h = self._activation(self._first(x))
        if len(self._middle):
            h = h.unflatten(1, (self._n, -1)).transpose(0, 1)
            for layer in self._middle:
                h = self._activation(layer(h))
            h = h.transpose(0, 1).flatten(1)
        result: Tensor = self._last(h)
        return result


class _Side(nn.Module):
    """A linear layer of each network: [n_models, n_points, n_inputs] to the same of outputs."""

    _weight: Tensor
    _bias: Tensor

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.register_buffer("_weight", torch.stack([own.weight.detach().T for own in layers]))
        self.register_buffer("_bias", torch.stack([own.bias.detach() for own in layers])[:, None])

    def forward(self, h: Tensor) -> Tensor:
        return torch.baddbmm(self._bias, h, self._weight)


def _joined(layers: Sequence[nn.Linear], dim: int) -> nn.Linear:
    """All outputs for the same inputs (0), or the mean of the outputs for inputs in a row (1)."""
    weight = torch.cat([own.weight.detach() for own in layers], dim=dim)
    biases = torch.stack([own.bias.detach() for own in layers])
    if dim == 1:
        weight, biases = weight / len(layers), biases.mean(0)
    n_out, n_in = weight.shape
    made = nn.Linear(n_in, n_out, device="meta")
    made.load_state_dict({"weight": weight, "bias": biases.flatten()}, assign=True)
    return made


def _together(networks: Sequence[_Plain], x: Tensor) -> tuple[Tensor, Tensor]:
    steps = list(zip(*(network.layers for network in networks), strict=True))
    weights = [torch.stack([layer.weight for layer in own]).to(x.dtype) for own in steps]
    shifts = [torch.stack([layer.bias for layer in own])[:, None].to(x.dtype) for own in steps]
    return outputs_and_slopes_of(Layers(weights, shifts, type(networks[0].activation)), x.detach())


def _by_torch(
    network: nn.Module, x: Tensor, parameters: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor]:
    differentiable = torch.is_grad_enabled()
    numbers = {name: p.to(x.dtype) for name, p in parameters.items()}
    fixed = {name: b.to(x.dtype) for name, b in network.named_buffers()}
    with torch.enable_grad():
        inputs = x.detach().requires_grad_()
        output = functional_call(network, {**numbers, **fixed}, (inputs,))[:, 0]
        (slope,) = torch.autograd.grad(output.sum(), inputs, create_graph=differentiable)
    return (output if differentiable else output.detach()), slope
