"""Data sets cut into pieces, for optimisers that look at a few structures at a time, and joined.

Tables of neighbours are cut and joined with them: nothing is searched or computed again.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from miniff._checks import check_at_least
from miniff._pair_table import PairTable, join, make_table
from miniff.ml._dataset import Dataset, Derivatives
from miniff.ml._ops import Environment
from miniff.ml._points import PerCellDataset, PerPointDataset

__all__ = ["cut", "cut_at", "joined"]


def cut(dataset: Dataset, n_structures: int) -> list[Dataset]:
    """Pieces of so many structures, in their order; the last one may have fewer.

    Derivatives that are kept in memory are not: keep those of the pieces.

    Raises:
        ValueError: Fewer than one structure.
    """
    check_at_least("n_structures", n_structures, 1)
    return cut_at(dataset, [*range(0, len(dataset), n_structures), len(dataset)])


def cut_at(dataset: Dataset, edges: Sequence[int]) -> list[Dataset]:
    """Pieces from each edge to the next one; they may be empty."""
    return [_piece(dataset, *ends) for ends in pairwise(edges)]


def joined(parts: Sequence[Dataset]) -> Dataset:
    """The structures of several data sets with their derivatives, as if never cut.

    Derivatives that are kept in memory are not: keep those of the whole.

    Args:
        parts: Of the same species and descriptors; at least one. Derivatives that one of them lacks
            the whole lacks too.

    Raises:
        ValueError: Data sets with charges.
    """
    known = [part.derivatives for part in parts if part.derivatives is not None]
    if any(part.charges is not None for part in parts) or any(
        own.charges is not None for own in known
    ):
        raise ValueError("data sets with charges cannot be joined")
    whole = Dataset.join(parts)
    if len(known) < len(parts):
        return whole
    table = join([own.table for own in known])
    for points, own in zip(whole.per_point_datasets, parts[0].per_point_datasets, strict=True):
        if own.environment is not None:
            points.environment = Environment(own.environment.functions, table.atoms_of(own.tag))
    volume = torch.cat([own.volume for own in known])
    species = whole.per_point_datasets
    return Dataset(whole.per_cell_dataset, *species, derivatives=Derivatives(table, volume))


def _piece(dataset: Dataset, first: int, last: int) -> Dataset:
    """Structures ``first`` to ``last - 1``."""
    whole = dataset.derivatives
    derivatives = None
    if whole is not None:
        atom = int(np.searchsorted(whole.table.structure, first))
        seen = None if whole.charges is None else whole.charges.cut(first, last, atom)
        table = _table(whole.table, first, last)
        derivatives = Derivatives(table, whole.volume[first:last], seen)
    species = [_points(p, first, last, derivatives) for p in dataset.per_point_datasets]
    cells = dataset.per_cell_dataset
    inside = _rows(cells.structure, first, last)
    references = PerCellDataset.ragged(
        energy=cells.energy[first:last],
        gradient=None if cells.gradient is None else cells.gradient[inside],
        structure=cells.structure[inside] - first,
        stress=None if cells.stress is None else cells.stress[first:last],
        weight=cells.weight[first:last],
    )
    charges = None if dataset.charges is None else dataset.charges.cut(first, last)
    return Dataset(references, *species, derivatives=derivatives, charges=charges)


def _points(
    points: PerPointDataset, first: int, last: int, derivatives: Derivatives | None
) -> PerPointDataset:
    inside = _rows(points.structure, first, last)
    environment = None
    if points.environment is not None and derivatives is not None:
        functions, table = points.environment.functions, derivatives.table
        environment = Environment(functions, table.atoms_of(points.tag))
    features, structure = points.features[inside], points.structure[inside] - first
    piece = PerPointDataset.ragged(features, structure, last - first, environment, points.tag)
    piece.weight, piece.functions = points.weight[inside], points.functions
    return piece


def _table(table: PairTable, first: int, last: int) -> PairTable:
    """Of neighbouring structures, whose atoms and pairs lie together."""
    begin, end = np.searchsorted(table.structure, [first, last])
    own = np.arange(begin, end)
    moved = np.flatnonzero(np.isin(table.image_atom[table.n_atoms :], own)) + table.n_atoms
    images = np.concatenate([own, moved])
    renumbered = np.full(table.n_images, -1, np.int32)
    renumbered[images] = np.arange(len(images), dtype=np.int32)
    pairs = slice(table.start[begin], table.start[end])
    start = table.start[begin : end + 1] - table.start[begin]
    neighbor = renumbered[table.neighbor[pairs]]
    image_atom = (table.image_atom[images] - begin).astype(np.int32)
    image_shift = np.ascontiguousarray(table.image_shift[images])
    species, structure = table.species[begin:end], table.structure[begin:end] - first
    return make_table(
        names=table.names,
        cutoff=table.cutoff,
        positions=table.positions[begin:end],
        cells=table.cells[first:last],
        species=species,
        structure=structure,
        start=start,
        neighbor=neighbor,
        image_atom=image_atom,
        image_shift=image_shift,
        periodic=table.periodic[first:last],
        charges=table.charges[begin:end],
        total_charge=table.total_charge[first:last],
    )


def _rows(structure: Tensor, first: int, last: int) -> slice:
    """Those of some structures, which lie together: what is cut out by them is not copied."""
    begin, end = torch.searchsorted(structure, torch.tensor([first, last])).tolist()
    return slice(begin, end)
