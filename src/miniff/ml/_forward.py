"""From networks and a data set to predicted energies, gradients and stress."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from miniff.ml._dataset import Dataset, Derivatives, sum_by_structure
from miniff.ml._device._environment import TensorEnvironment
from miniff.ml._device._responses import voigt
from miniff.ml._network_op import energies_and_slopes
from miniff.ml._normalization import Normalization, unnormalized
from miniff.ml._ops import Environment, gather, image_gradient
from miniff.potentials import Precision

__all__ = [
    "Prediction",
    "derivatives_of",
    "forward_cauldron",
    "forward_committee",
    "network_energies",
    "refuse_other_species",
]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the networks say about a data set; differentiable in their weights.

    Attributes:
        energy: Of each structure (energy).
        gradient: dE/dr (energy/length); None if it was not asked for.
        stress: Positive under tension, xx yy zz yz xz xy (energy/length^3); nan where nothing
            repeats; None if it was not asked for.
        charges: Of the atoms, structure by structure (charge); None if none are learned.
    """

    energy: Float[Tensor, "n_structures 1"]
    gradient: Float[Tensor, "n_atoms 3"] | None = None
    stress: Float[Tensor, "n_structures 6"] | None = None
    charges: Float[Tensor, " n_atoms"] | None = None


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
    (prediction,) = forward_committee([modules], dataset, grad, normalization)
    return prediction


def forward_committee(
    members: Sequence[Sequence[nn.Module]],
    dataset: Dataset,
    grad: bool = False,
    normalization: Normalization | None = None,
    *,
    precision: Precision = "double",
) -> list[Prediction]:
    """What each of several models says; together they cost less than one after the other.

    Args:
        members: Networks of each model; see :func:`forward_cauldron` for all arguments.
        dataset: The same for all.
        grad: The same for all.
        normalization: The same for all.
        precision: Of layers and of products with derivatives, if gradients are asked for: with
            ``"single"`` all sums over atoms and structures are still in double precision.

    Raises:
        ValueError: As :func:`forward_cauldron`.
    """
    species = dataset.per_point_datasets
    for modules in members:
        refuse_other_species(modules, dataset)
    if normalization is None:
        sizes = [points.features.shape[1] for points in species]
        normalization = unnormalized(sizes, dataset.per_cell_dataset.energy)
    if not grad:
        return [
            Prediction(sum_by_structure(network_energies(m, dataset, normalization), dataset))
            for m in members
        ]
    if dataset.derivatives is None:
        raise ValueError("the data set has only the values of its features, no derivatives")
    dtype = torch.float32 if precision == "single" else torch.float64
    of_species = zip(*members, strict=True)
    found = [
        energies_and_slopes(networks, points, normalization, s, dtype)
        for s, (networks, points) in enumerate(zip(of_species, species, strict=True))
    ]
    energies = [
        sum_by_structure([parts[k] for parts, _ in found], dataset) for k in range(len(members))
    ]
    gradient, stress = derivatives_of([slopes for _, slopes in found], dataset, dataset.derivatives)
    return [Prediction(*parts) for parts in zip(energies, gradient, stress, strict=True)]


def refuse_other_species(modules: Sequence[nn.Module], dataset: Dataset) -> None:
    """Refuse another number of networks than species."""
    n = len(dataset.per_point_datasets)
    if len(modules) != n:
        raise ValueError(f"{len(modules)} networks are given but there are {n} species")


def network_energies(
    modules: Sequence[nn.Module], dataset: Dataset, normalization: Normalization
) -> list[Float[Tensor, " _"]]:
    """Of the atoms of each species (energy)."""
    energies = []
    for s, (module, points) in enumerate(zip(modules, dataset.per_point_datasets, strict=True)):
        output = module(normalization.features(s, points.features))[:, 0]
        energies.append(points.weight * normalization.energies(s, output))
    return energies


def derivatives_of(
    weights: Sequence[Float[Tensor, "n_models _ _"]],
    dataset: Dataset,
    derivatives: Derivatives,
    more: tuple[Tensor, Tensor] | None = None,
) -> tuple[Float[Tensor, "n_models n_atoms 3"], Float[Tensor, "n_models n_structures 6"]]:
    """Gradient and stress of each model from dE/dF.

    Args:
        weights: dE/dF of each species.
        dataset: Whose atoms.
        derivatives: Those of the data set.
        more: What is added to the gradient, [n_models, n_atoms, 3], and to dE/d(strain), in the
            order of stress, [n_models, n_structures, 6].
    """
    table, environments = derivatives.place, _environments(dataset)
    local = [w[..., : len(e.functions)] for w, e in zip(weights, environments, strict=True)]
    by_image = image_gradient(derivatives.images, table, environments, local)
    gradient, strain = gather(by_image, table)
    symmetric = voigt(strain)
    if derivatives.charges is not None:
        by_charge = [w[..., -1] for w in weights]
        centres = [e.centres for e in environments if isinstance(e, Environment)]
        of_charges = derivatives.charges.pulled(by_charge, centres)
        gradient, symmetric = gradient + of_charges[0], symmetric + of_charges[1]
    if more is not None:
        gradient, symmetric = gradient + more[0], symmetric + more[1]
    no_volume = torch.isnan(derivatives.volume)
    volume = torch.where(no_volume, 1.0, derivatives.volume)
    stress = (symmetric / volume[:, None]).masked_fill(no_volume[:, None], torch.nan)
    return gradient, stress


def _environments(dataset: Dataset) -> Sequence[Environment | TensorEnvironment]:
    environments = [points.on_device or points.environment for points in dataset.per_point_datasets]
    assert all(e is not None for e in environments)
    return [e for e in environments if e is not None]
