"""Data sets on a device: everything that a training loop looks at is there from its beginning."""

from dataclasses import replace

import torch
from jaxtyping import Float64
from torch import Tensor

from miniff.ml._dataset import Dataset
from miniff.ml._device._choice import make_ready, numbers_at_a_time, on
from miniff.ml._device._environment import TensorEnvironment
from miniff.ml._device._functions import TensorFunctions
from miniff.ml._device._table import TensorTable
from miniff.ml._normalization import Normalization
from miniff.ml._points import PerCellDataset, PerPointDataset

__all__ = ["dataset_on", "normalization_on"]


def dataset_on(dataset: Dataset, device: torch.device, dtype: torch.dtype) -> Dataset:
    """A copy of a data set on a device, with its descriptors in torch.

    What is known of structures and the values of features stay in double precision.

    Args:
        dataset: As it was learned on the CPU.
        device: Where all tensors go.
        dtype: Of products with derivatives of the descriptors.

    Raises:
        TypeError: Descriptors that have no form in torch.
        ValueError: A data set with charges.
    """
    derivatives, table = dataset.derivatives, None
    responds = derivatives is not None and derivatives.charges is not None
    if responds or dataset.charges is not None:
        raise ValueError("charges are learned on the CPU only: choose the device `cpu`")
    make_ready(device)
    if derivatives is not None:
        table = TensorTable.of(derivatives.table, device)
        volume = derivatives.volume.to(device)
        derivatives = replace(derivatives, volume=volume, on_device=table)
    points = [_points(own, table, device, dtype) for own in dataset.per_point_datasets]
    return Dataset(_cells(dataset.per_cell_dataset, device), *points, derivatives=derivatives)


def _cells(cells: PerCellDataset, device: torch.device) -> PerCellDataset:
    return PerCellDataset.ragged(
        energy=cells.energy.to(device),
        gradient=None if cells.gradient is None else cells.gradient.to(device),
        structure=cells.structure.to(device),
        stress=None if cells.stress is None else cells.stress.to(device),
        weight=cells.weight.to(device),
    )


def _points(
    points: PerPointDataset, table: TensorTable | None, device: torch.device, dtype: torch.dtype
) -> PerPointDataset:
    features, structure = points.features.to(device), points.structure.to(device)
    n = points.n_structures
    moved = PerPointDataset.ragged(features, structure, n, points.environment, points.tag)
    moved.weight, moved.functions = points.weight.to(device), points.functions
    if table is not None and points.environment is not None:
        like = on(device, dtype)
        potentials, centres = points.environment.functions.potentials, points.environment.centres
        functions = TensorFunctions(potentials, table.names, like)
        most = numbers_at_a_time(device, dtype)
        moved.on_device = TensorEnvironment.of(functions, table, centres, most)
    return moved


def normalization_on(normalization: Normalization, device: torch.device) -> Normalization:
    """The same scales and offsets on a device."""

    def moved(tensors: tuple[Tensor, ...]) -> tuple[Float64[Tensor, "*shape"], ...]:
        return tuple(tensor.to(device) for tensor in tensors)

    return replace(
        normalization,
        energy_offsets=normalization.energy_offsets.to(device),
        features_offset=moved(normalization.features_offset),
        features_scale=moved(normalization.features_scale),
        features_projection=moved(normalization.features_projection),
    )
