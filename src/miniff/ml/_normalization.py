"""Numbers of order one for the networks, physical ones for everybody else.

x = (F - offset) / scale                       per feature, from the training set alone
y = P x                                        principal components, if asked for; else y = x
E = sum over atoms of [energy_offset(species) + energy_scale net(y)]
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from miniff.ml._dataset import Dataset
from miniff.ml._processes import Processes

__all__ = ["ComponentChoice", "Normalization"]

ComponentChoice = int | float | Callable[[Sequence[float]], int]
"""How many principal components: a number, the least share of the first one's spread that a
component must have, or what makes a number of their spreads, the greatest first."""

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
        features_projection: P, a row for each component; empty where the network sees the features
            themselves.
    """

    energy_scale: float
    energy_offsets: Float[Tensor, " n_species"]
    features_offset: tuple[Float[Tensor, " _"], ...]
    features_scale: tuple[Float[Tensor, " _"], ...]
    features_projection: tuple[Float[Tensor, "_ _"], ...] = ()

    @staticmethod
    def from_dataset(
        dataset: Dataset, *, pca_features: ComponentChoice | None = None
    ) -> "Normalization":
        """Offsets by least squares of the energies on the composition; scales are spreads.

        Features get mean 0 and standard deviation 1; one that is the same for all atoms keeps
        scale 1, so that it is 0 everywhere it was seen. The energy scale is the spread of the
        energy per atom after the offsets, or 1 if there is none.

        Args:
            dataset: The training set, and nothing but the training set.
            pca_features: The networks see so many principal components of the features, each with
                variance 1, instead of the features: an integer, or a share in (0, 1] of the spread
                of the first one, or a callable that gets all spreads. By default they see features.

        Raises:
            ValueError: More components than the features have independent directions.
        """
        return Normalization.from_parts([dataset], pca_features=pca_features)

    @staticmethod
    def from_parts(
        parts: Sequence[Dataset],
        *,
        pca_features: ComponentChoice | None = None,
        processes: Processes | None = None,
    ) -> "Normalization":
        """The same from a training set that comes in parts, and of which processes have shares.

        Args:
            parts: What this process has of the training set: at least one data set, which may be
                empty.
            pca_features: As in :meth:`from_dataset`.
            processes: Those that have a share; all must call this. This one alone by default.

        Raises:
            ValueError: As :meth:`from_dataset`.
        """
        among = processes or Processes()
        energy_scale, energy_offsets = _energies(parts, among)
        species = list(zip(*(part.per_point_datasets for part in parts), strict=True))
        features = [_mean_and_spread([p.features for p in own], among) for own in species]
        projections = [
            principal_components(
                str(own[0].tag),
                [(points.features - mean) / scale for points in own],
                pca_features,
                among,
            )
            for own, (mean, scale) in zip(species, features, strict=True)
            if pca_features is not None
        ]
        return Normalization(
            energy_scale=energy_scale,
            energy_offsets=energy_offsets,
            features_offset=tuple(mean for mean, _ in features),
            features_scale=tuple(scale for _, scale in features),
            features_projection=tuple(projections),
        )

    def n_inputs(self, species: int) -> int:
        """How many numbers the network of a species sees."""
        if self.features_projection:
            return len(self.features_projection[species])
        return len(self.features_scale[species])

    def features(
        self, species: int, values: Float[Tensor, "n_points n_features"]
    ) -> Float[Tensor, "n_points _"]:
        """What the network of a species sees."""
        x = (values - self.features_offset[species]) / self.features_scale[species]
        return x @ self.features_projection[species].T if self.features_projection else x

    def energies(
        self, species: int, output: Float[Tensor, "*models n_points"]
    ) -> Float[Tensor, "*models n_points"]:
        """Energy of each atom from the output of its network (energy)."""
        return self.energy_offsets[species] + self.energy_scale * output

    def slopes(
        self, species: int, by_input: Float[Tensor, "*models n_points _"]
    ) -> Float[Tensor, "*models n_points n_features"]:
        """Derivatives of energies by features from those of the output by what the network sees."""
        by_x = (
            by_input @ self.features_projection[species] if self.features_projection else by_input
        )
        return by_x * (self.energy_scale / self.features_scale[species])


def _energies(parts: Sequence[Dataset], among: Processes) -> tuple[float, Tensor]:
    """Scale and offsets of the energies."""
    dtype = parts[0].per_cell_dataset.dtype
    known = [~torch.isnan(part.per_cell_dataset.energy[:, 0]) for part in parts]
    compositions = torch.cat([p.compositions()[k] for p, k in zip(parts, known, strict=True)])
    energies = torch.cat([p.per_cell_dataset.energy[k] for p, k in zip(parts, known, strict=True)])
    counts, energy = (
        torch.as_tensor(among.gather(own.double().numpy()), dtype=dtype)
        for own in (compositions, energies)
    )
    offsets = _least_squares(counts, energy)
    rest = (energy - counts @ offsets[:, None]) / counts.sum(1, keepdim=True)
    spread = float(rest.std(correction=0)) if len(rest) > 1 else 0.0
    size = float(energy.abs().max()) if len(energy) else 1.0
    return spread if spread > SMALLEST_ENERGY * size else 1.0, offsets


def _least_squares(
    counts: Float[Tensor, "n_structures n_species"], energy: Float[Tensor, "n_structures 1"]
) -> Float[Tensor, " n_species"]:
    """Energies of the species; the smallest ones where the compositions leave a choice."""
    if len(energy) == 0:
        return counts.new_zeros(counts.shape[1])
    solution = np.linalg.lstsq(counts.double().numpy(), energy.double().numpy(), rcond=1e-10)[0]
    return torch.as_tensor(solution[:, 0], dtype=counts.dtype)


def _mean_and_spread(features: Sequence[Tensor], among: Processes) -> tuple[Tensor, Tensor]:
    """Of each feature over all parts, which hold at least one row in some process."""
    like = features[0]
    n = float(among.sum(np.array([sum(map(len, features))], float))[0])
    if n == 0:
        return like.new_zeros(like.shape[1]), like.new_ones(like.shape[1])
    sums = sum((x.double().sum(0) for x in features), torch.zeros(like.shape[1]).double())
    mean = torch.from_numpy(among.sum(sums.numpy())) / n
    squares = sum(((x - mean).square().sum(0) for x in features), torch.zeros_like(mean))
    spread = (torch.from_numpy(among.sum(squares.numpy())) / n).sqrt()
    constant = spread <= SMALLEST_SPREAD * mean.abs()
    scale = torch.where(constant, torch.ones_like(spread), spread)
    return mean.to(like.dtype), scale.to(like.dtype)


def principal_components(
    name: str, parts: Sequence[Tensor], wanted: ComponentChoice, among: Processes
) -> Float[Tensor, "n_components n_features"]:
    """Rows that make components of mean 0 and variance 1 from features of mean 0.

    The triangular factors of all parts together have the singular values and directions of the
    whole: Demmel, Grigori, Hoemmen and Langou, SIAM J. Sci. Comput. 34, A206 (2012),
    https://doi.org/10.1137/080731992.
    """
    n_points = int(among.sum(np.array([sum(map(len, parts))], float))[0])
    if n_points == 0:
        raise ValueError(f"`pca_features` is {wanted!r} but there is no atom of {name}")
    n_features, dtype = parts[0].shape[1], parts[0].dtype
    sizes = [x.abs().amax(0).double() for x in parts if len(x)]
    largest = torch.stack([torch.zeros(n_features).double(), *sizes]).amax(0)
    varies = torch.from_numpy(among.greatest(largest.numpy()))
    varies = varies > SMALLEST_SPREAD  # others are rounding around one value
    triangles = [torch.linalg.qr(x * varies, mode="r").R.double() for x in parts if len(x)]
    own = torch.cat([torch.zeros(0, n_features).double(), *triangles])
    together = torch.from_numpy(among.gather(own.numpy())).to(dtype)
    _, spreads, directions = torch.linalg.svd(together, full_matrices=False)
    rounding = max(n_points, n_features) * torch.finfo(dtype).eps
    rank = int((spreads > rounding * spreads[0]).sum())
    n = _n_components(name, spreads[:rank].tolist(), wanted)
    rows = directions[:n] * n_points**0.5 / spreads[:n, None]
    leading = rows.gather(1, rows.abs().argmax(1, keepdim=True))  # signs are free: fix them
    components: Tensor = rows * leading.sign() * varies
    return components


def _n_components(name: str, spreads: Sequence[float], wanted: ComponentChoice) -> int:
    """How many of the components that rise above rounding are wanted."""
    if callable(wanted):
        n = int(wanted(spreads))
    elif isinstance(wanted, float):
        if not 0 < wanted <= 1:
            raise ValueError(f"`pca_features` is {wanted} but must be in (0, 1], or an integer")
        n = sum(spread >= wanted * spreads[0] for spread in spreads)
    else:
        n = int(wanted)
    if not 1 <= n <= len(spreads):
        raise ValueError(
            f"`pca_features` asks for {n} components but the features of {name} have "
            f"{len(spreads)} independent directions: it must be in [1, {len(spreads)}]"
        )
    return n


def unnormalized(n_features: Sequence[int], like: Tensor) -> Normalization:
    """Networks that see the features as they are and give energies as they are.

    Args:
        n_features: Of each species.
        like: Of the type and on the device of the numbers.
    """
    return Normalization(
        energy_scale=1.0,
        energy_offsets=like.new_zeros(len(n_features)),
        features_offset=tuple(like.new_zeros(n) for n in n_features),
        features_scale=tuple(like.new_ones(n) for n in n_features),
    )
