"""Energies of the atoms of one species on a device: functions, and a network of them."""

from copy import deepcopy
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from miniff.ml._device._functions import TensorFunctions
from miniff.ml._device._networks import MeanTogether
from miniff.ml._device._shell import Places
from miniff.ml._layers import Affine, Mean
from miniff.potentials import TrainingSet

__all__ = ["Network", "SpeciesEnergies", "Training"]


@dataclass(frozen=True, eq=False)
class SpeciesEnergies:
    """Energies of the atoms of one species.

    Attributes:
        name: The species.
        functions: Of their neighbours.
        network: Of the functions; their sum if it is None.
        training: What tells how far atoms are outside of the training set, if it is known.
    """

    name: str
    functions: TensorFunctions
    network: "Network | None" = None
    training: "Training | None" = None

    def values(
        self, vectors: Float64[Tensor, "n_centres n_places 3"], places: Places
    ) -> Float[Tensor, "n_centres _"]:
        """Of the functions, from the vectors to neighbours."""
        return self.functions.values(vectors.to(self.functions.dtype), places)

    def of(self, values: Float[Tensor, "n_centres _"]) -> Float64[Tensor, " n_centres"]:
        """From the values of the functions."""
        return values.sum(1) if self.network is None else self.network(values)


class Training:
    """What :class:`miniff.potentials.TrainingSet` is, on a device."""

    def __init__(self, training: TrainingSet, like: Tensor) -> None:
        self._middle, self._half_width = (
            like.new_tensor(own) for own in (training.middle, training.half_width)
        )
        self._mean: Tensor | None = None
        if training.moments is not None:
            self._mean = like.new_tensor(training.moments.mean)
            self._whitening = like.new_tensor(training.whitening)

    def grades(self, values: Float[Tensor, "n_centres _"]) -> Float64[Tensor, "n_centres 2"]:
        """By range and by distance; nan where it is not known."""
        scaled = ((values - self._middle) / self._half_width).abs()
        by_range = scaled.amax(1) if scaled.shape[1] else scaled.sum(1)
        by_distance = torch.full_like(by_range, torch.nan)
        if self._mean is not None:
            by_distance = ((values - self._mean) @ self._whitening.T).norm(dim=1)
        return torch.stack([by_range, by_distance], dim=1).double()


class Network:
    """A network on a device; its last scale and shift are in double precision."""

    def __init__(self, network: nn.Module, like: Tensor) -> None:
        layers = list(network) if isinstance(network, nn.Sequential) else [network]
        last, self._last = layers[-1], None
        if len(layers) > 1 and isinstance(last, Affine):
            self._last = _ScaleAndShift(last).to(like.device)
            layers = layers[:-1]
        made = nn.Sequential(*map(_with_fewer_operations, layers))
        self._layers = deepcopy(made).to(like).requires_grad_(False)

    def __call__(self, values: Float[Tensor, "n_atoms _"]) -> Float64[Tensor, " n_atoms"]:
        output: Tensor = self._layers(values).double()
        if self._last is not None:
            output = self._last(output)
        return output[:, 0]


class _ScaleAndShift(nn.Module):
    """What :class:`Affine` is, in one operation."""

    _scale: Tensor
    _shift: Tensor

    def __init__(self, layer: Affine) -> None:
        super().__init__()
        self.register_buffer("_scale", layer.scale)
        self.register_buffer("_shift", layer.shift)

    def forward(self, x: Float[Tensor, "n_points _"]) -> Float[Tensor, "n_points _"]:
        return torch.addcmul(self._shift, x, self._scale)


def _with_fewer_operations(layer: nn.Module) -> nn.Module:
    """The same function."""
    if isinstance(layer, Affine):
        return _ScaleAndShift(layer)
    if isinstance(layer, Mean):
        return MeanTogether.of(list(layer.members)) or layer
    return layer
