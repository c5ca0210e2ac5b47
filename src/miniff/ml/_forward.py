"""From networks and a data set to predicted energies, gradients and stress."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from miniff.ml._dataset import Dataset, sum_by_structure
from miniff.ml._normalization import Normalization, unnormalized
from miniff.ml._ops import Environment, gather, image_gradient

__all__ = ["Prediction", "forward_cauldron"]

VOIGT = ((0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1))


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the networks say about a data set; differentiable in their weights.

    Attributes:
        energy: Of each structure (energy).
        gradient: dE/dr (energy/length); None if it was not asked for.
        stress: Positive under tension, xx yy zz yz xz xy (energy/length^3); nan where nothing
            repeats; None if it was not asked for.
    """

    energy: Float[Tensor, "n_structures 1"]
    gradient: Float[Tensor, "n_atoms 3"] | None = None
    stress: Float[Tensor, "n_structures 6"] | None = None


def forward_cauldron(
    modules: Sequence[nn.Module],
    dataset: Dataset,
    grad: bool = False,
    normalization: Normalization | None = None,
) -> Prediction:
    """Energies of the structures, and their gradients and stress if asked for.

    Args:
        modules: One network per species, [n_points, n_features] to [n_points, 1].
        dataset: Features of the same species in the same order.
        grad: Whether to give gradient and stress too.
        normalization: What the networks see and give; as it stands in the data set by default.

    Raises:
        ValueError: Another number of networks than species, or derivatives of a data set that has
            only the values of its features.
    """
    species = dataset.per_point_datasets
    if len(modules) != len(species):
        raise ValueError(f"{len(modules)} networks are given but there are {len(species)} species")
    if normalization is None:
        sizes = [points.features.shape[1] for points in species]
        normalization = unnormalized(sizes, dataset.per_cell_dataset.dtype)
    if not grad:
        return Prediction(_energy(modules, dataset, normalization, [p.features for p in species]))
    features = [points.features.detach().requires_grad_() for points in species]
    differentiable = torch.is_grad_enabled()
    with torch.enable_grad():
        energy = _energy(modules, dataset, normalization, features)
        weights = torch.autograd.grad(energy.sum(), features, create_graph=differentiable)
    return _with_derivatives(energy if differentiable else energy.detach(), weights, dataset)


def _energy(
    modules: Sequence[nn.Module],
    dataset: Dataset,
    normalization: Normalization,
    features: Sequence[Tensor],
) -> Tensor:
    """Total energies at given features."""
    energies = []
    for s, (module, values) in enumerate(zip(modules, features, strict=True)):
        output = module(normalization.features(s, values))[:, 0]
        weight = dataset.per_point_datasets[s].weight
        energies.append(weight * normalization.energies(s, output))
    return sum_by_structure(energies, dataset)


def _with_derivatives(energy: Tensor, weights: Sequence[Tensor], dataset: Dataset) -> Prediction:
    """Adds gradient and stress from dE/dF."""
    derivatives = dataset.derivatives
    if derivatives is None:
        raise ValueError("the data set has only the values of its features, no derivatives")
    table = derivatives.table
    by_image = image_gradient(derivatives.images, table, _environments(dataset), weights)
    gradient, strain = gather(by_image, table)
    no_volume = torch.isnan(derivatives.volume)
    volume = torch.where(no_volume, 1.0, derivatives.volume)
    symmetric = (strain + strain.transpose(1, 2)) / 2 / volume[:, None, None]
    stress = symmetric[:, VOIGT[0], VOIGT[1]].masked_fill(no_volume[:, None], torch.nan)
    return Prediction(energy, gradient, stress)


def _environments(dataset: Dataset) -> list[Environment]:
    environments = [points.environment for points in dataset.per_point_datasets]
    assert all(e is not None for e in environments)
    return [e for e in environments if e is not None]
