"""Data sets: structures, the atoms of each species, and what derivatives are made from."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy import ndarray
from torch import Tensor

from miniff._neighbors import PairTable
from miniff.ml._charge_data import ChargeData, ChargeResponse
from miniff.ml._device._environment import KEPT
from miniff.ml._device._table import TensorTable
from miniff.ml._kept import KeptDerivatives
from miniff.ml._points import PerCellDataset, PerPointDataset
from miniff.ml._processes import Processes
from miniff.potentials import TrainingMoments, distances

__all__ = ["Dataset", "Derivatives", "feature_moments", "feature_ranges", "sum_by_structure"]


@dataclass(frozen=True, eq=False)
class Derivatives:
    """What predicts forces and stress: the pair table, and the volumes of its structures.

    Attributes:
        table: All structures of the data set.
        volume: Of each structure (length^3); nan where nothing repeats.
        charges: How charges change that are the last feature of every species; None where there
            are no such features.
        on_device: The same table where products with derivatives are computed by torch; None where
            the compiled core computes them.
    """

    table: PairTable
    volume: Float[Tensor, " n_structures"]
    charges: ChargeResponse | None = None
    on_device: TensorTable | None = None

    @property
    def images(self) -> Float[Tensor, "n_images 3"]:
        """Positions of the images (length)."""
        if self.on_device is not None:
            return self.on_device.images
        return torch.from_numpy(self.table.images)

    @property
    def place(self) -> PairTable | TensorTable:
        """The table of whom computes."""
        return self.table if self.on_device is None else self.on_device


@dataclass(frozen=True, eq=False)
class Dataset:
    """One data set: structures, and the atoms of each species.

    Attributes:
        per_cell_dataset: Energies and, where known, gradients and stress.
        per_point_datasets: One per species, in the order of the networks.
        derivatives: What forces and stress are predicted from; None if only energies can be.
        charges: What charges are learned from; None if none are.
    """

    per_cell_dataset: PerCellDataset
    per_point_datasets: tuple[PerPointDataset, ...]
    derivatives: Derivatives | None = field(default=None)
    charges: ChargeData | None = field(default=None)

    def __init__(
        self,
        per_cell: PerCellDataset,
        *per_points: PerPointDataset,
        derivatives: Derivatives | None = None,
        charges: ChargeData | None = None,
    ) -> None:
        """Checks that the pieces fit.

        Raises:
            ValueError: Different numbers of structures or types of numbers.
        """
        for place, points in enumerate(per_points):
            name = points.tag or f"per_points[{place}]"
            if len(points) != len(per_cell):
                raise ValueError(
                    f"`{name}` has {len(points)} structures but `per_cell` has {len(per_cell)}"
                )
            if points.dtype != per_cell.dtype:
                raise ValueError(
                    f"`{name}` is {points.dtype} but `per_cell` is {per_cell.dtype}: "
                    "both must be the same"
                )
        object.__setattr__(self, "per_cell_dataset", per_cell)
        object.__setattr__(self, "per_point_datasets", per_points)
        object.__setattr__(self, "derivatives", derivatives)
        object.__setattr__(self, "charges", charges)

    def __len__(self) -> int:
        return len(self.per_cell_dataset)

    def with_charges(self, charges: ChargeData) -> "Dataset":
        """The same data with what charges are learned from."""
        return Dataset(
            self.per_cell_dataset,
            *self.per_point_datasets,
            derivatives=self.derivatives,
            charges=charges,
        )

    @staticmethod
    def join(parts: "Sequence[Dataset]") -> "Dataset":
        """The structures of several data sets, without derivatives: values, ranges, references.

        Args:
            parts: Of the same species and descriptors; at least one.
        """
        points = zip(*(part.per_point_datasets for part in parts), strict=True)
        return Dataset(
            PerCellDataset.join([part.per_cell_dataset for part in parts]),
            *(PerPointDataset.join(of_species) for of_species in points),
        )

    def n_atoms(self) -> Float[Tensor, "n_structures 1"]:
        """Atoms of each structure, counted by their weights."""
        return sum_by_structure([points.weight for points in self.per_point_datasets], self)

    def keep_derivatives(self, limit: float, *, exact: bool = False) -> int:
        """Keeps derivatives of the descriptors in memory, for as many atoms as fit.

        Predictions of forces and stress then are several times faster; they change by about 1e-7 of
        the largest force, since what is kept is in single precision unless it is said otherwise.

        Args:
            limit: Bytes to take; 0 drops what was kept.
            exact: On a device keep them in the precision of products, which changes nothing and
                takes twice as much in double precision.

        Returns:
            The bytes that the derivatives of all atoms take.
        """
        needed = 0
        if self.derivatives is None:
            return needed
        table = self.derivatives.table
        for points in self.per_point_datasets:
            if points.on_device is not None:
                images, room = self.derivatives.images, max(0.0, limit - needed)
                dtype = points.on_device.functions.dtype if exact else KEPT
                points.on_device = points.on_device.keeping(images, room, dtype)
                needed += points.on_device.bytes_needed(dtype)
            elif points.environment is not None:
                functions, centres = points.environment.functions, points.environment.centres
                size = KeptDerivatives.bytes_needed(functions, table, centres)
                room = limit - needed
                kept = KeptDerivatives(functions, table, centres, room) if room > 0 else None
                points.environment = replace(points.environment, kept=kept)
                needed += size
        return needed

    def compositions(self) -> Float[Tensor, "n_structures n_species"]:
        """Atoms of each species in each structure."""
        counts = self.per_cell_dataset.energy.new_zeros(len(self), len(self.per_point_datasets))
        for column, points in enumerate(self.per_point_datasets):
            counts[:, column].index_add_(0, points.structure, points.weight)
        return counts


def sum_by_structure(
    per_point: Sequence[Float[Tensor, " _"]], dataset: Dataset
) -> Float[Tensor, "n_structures 1"]:
    """Sums numbers of the points of every species over the structures."""
    total = dataset.per_cell_dataset.energy.new_zeros(len(dataset))
    for numbers, points in zip(per_point, dataset.per_point_datasets, strict=True):
        total = total.index_add(0, points.structure, numbers)
    return total[:, None]


def feature_ranges(
    parts: Sequence[Dataset], processes: Processes | None = None
) -> list[Float64[ndarray, "2 n_features"]]:
    """Least and greatest value of each feature, for each species.

    Args:
        parts: What this process has of a data set.
        processes: Those that have a share; all must call this. This one alone by default.
    """
    among = processes or Processes()
    found = []
    for own in zip(*(part.per_point_datasets for part in parts), strict=True):
        ends = torch.stack([torch.stack(points.ranges()) for points in own])
        least, greatest = -ends[:, 0].amin(0), ends[:, 1].amax(0)
        both = among.greatest(torch.stack([least, greatest]).double().cpu().numpy())
        found.append(both * np.array([[-1.0], [1.0]]))
    return found


def feature_moments(
    parts: Sequence[Dataset],
    ranges: Sequence[Float64[ndarray, "2 _"]],
    processes: Processes | None = None,
) -> list[TrainingMoments]:
    """Mean and covariance of the features, and the largest distance, for each species.

    Args:
        parts: What this process has of a data set.
        ranges: What :func:`feature_ranges` gives for it.
        processes: Those that have a share; all must call this. This one alone by default.
    """
    among = processes or Processes()
    species = zip(*(part.per_point_datasets for part in parts), strict=True)
    return [
        _moments([points.features for points in own], limits, among)
        for own, limits in zip(species, ranges, strict=True)
    ]


def _moments(
    parts: Sequence[Tensor], ranges: Float64[ndarray, "2 n_features"], among: Processes
) -> TrainingMoments:
    """In three passes, so that no digits are lost: mean, covariance, largest distance."""
    values = [part.double().cpu().numpy() for part in parts]
    n = float(among.sum(np.array([float(sum(map(len, values)))]))[0])
    if not n:
        raise ValueError("there is no atom to take the mean of")
    mean = among.sum(sum((v.sum(axis=0) for v in values), np.zeros(ranges.shape[1]))) / n
    square = np.zeros((len(mean), len(mean)))
    for v in values:
        square += (v - mean).T @ (v - mean)
    covariance = among.sum(square) / n
    own = [distances(v, ranges, mean, covariance).max(initial=0.0) for v in values]
    largest = float(among.greatest(np.array([max(own, default=0.0)]))[0])
    return TrainingMoments(mean, covariance, largest, int(n))
