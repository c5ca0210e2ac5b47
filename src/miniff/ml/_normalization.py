"""Numbers of order one for the networks, physical ones for everybody else.

x = (F - offset) / scale                       per feature, from the training set alone
E = sum over atoms of [energy_offset(species) + energy_scale net(x)]
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from miniff.ml._dataset import Dataset

__all__ = ["Normalization"]

SMALLEST_SPREAD = 1e-6
"""A feature that varies less, relative to its size, is constant; what is left is rounding."""

SMALLEST_ENERGY = 1e-12
"""Energies per atom that vary less, relative to the total, are all the same."""


@dataclass(frozen=True, eq=False)
class Normalization:
    """Scales and offsets, one entry per species in lists.

    Attributes:
        energy_scale: Energy per atom that the network's 1 stands for (energy).
        energy_offsets: Energy of an atom of each species before the network adds to it (energy).
        features_offset: Value of each feature that the network's 0 stands for.
        features_scale: Change of each feature that the network's 1 stands for.
    """

    energy_scale: float
    energy_offsets: Float[Tensor, " n_species"]
    features_offset: tuple[Float[Tensor, " _"], ...]
    features_scale: tuple[Float[Tensor, " _"], ...]

    @staticmethod
    def from_dataset(dataset: Dataset) -> "Normalization":
        """Offsets by least squares of the energies on the composition; scales are spreads.

        Features get mean 0 and standard deviation 1; one that is the same for all atoms keeps
        scale 1, so that it is 0 everywhere it was seen. The energy scale is the spread of the
        energy per atom after the offsets, or 1 if there is none.

        Args:
            dataset: The training set, and nothing but the training set.
        """
        energy = dataset.per_cell_dataset.energy
        known = ~torch.isnan(energy[:, 0])
        counts = dataset.compositions()[known]
        offsets = _least_squares(counts, energy[known])
        rest = (energy[known] - counts @ offsets[:, None]) / dataset.n_atoms()[known]
        spread = float(rest.std(correction=0)) if len(rest) > 1 else 0.0
        features = [_mean_and_spread(points.features) for points in dataset.per_point_datasets]
        return Normalization(
            energy_scale=spread if spread > SMALLEST_ENERGY * _size(energy[known]) else 1.0,
            energy_offsets=offsets,
            features_offset=tuple(mean for mean, _ in features),
            features_scale=tuple(scale for _, scale in features),
        )

    def features(
        self, species: int, values: Float[Tensor, "n_points n_features"]
    ) -> Float[Tensor, "n_points n_features"]:
        """What the network of a species sees."""
        return (values - self.features_offset[species]) / self.features_scale[species]

    def energies(
        self, species: int, output: Float[Tensor, " n_points"]
    ) -> Float[Tensor, " n_points"]:
        """Energy of each atom from the output of its network (energy)."""
        return self.energy_offsets[species] + self.energy_scale * output


def _size(energy: Tensor) -> float:
    return float(energy.abs().max()) if len(energy) else 1.0


def _least_squares(
    counts: Float[Tensor, "n_structures n_species"], energy: Float[Tensor, "n_structures 1"]
) -> Float[Tensor, " n_species"]:
    """Energies of the species; the smallest ones where the compositions leave a choice."""
    if len(energy) == 0:
        return counts.new_zeros(counts.shape[1])
    solution = np.linalg.lstsq(counts.double().numpy(), energy.double().numpy(), rcond=1e-10)[0]
    return torch.as_tensor(solution[:, 0], dtype=counts.dtype)


def _mean_and_spread(features: Tensor) -> tuple[Tensor, Tensor]:
    if len(features) == 0:
        return features.new_zeros(features.shape[1]), features.new_ones(features.shape[1])
    mean, spread = features.mean(0), features.std(0, correction=0)
    constant = spread <= SMALLEST_SPREAD * mean.abs()
    return mean, torch.where(constant, torch.ones_like(spread), spread)


def unnormalized(n_features: Sequence[int], dtype: torch.dtype) -> Normalization:
    """Networks that see the features as they are and give energies as they are."""
    return Normalization(
        energy_scale=1.0,
        energy_offsets=torch.zeros(len(n_features), dtype=dtype),
        features_offset=tuple(torch.zeros(n, dtype=dtype) for n in n_features),
        features_scale=tuple(torch.ones(n, dtype=dtype) for n in n_features),
    )
