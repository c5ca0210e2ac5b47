"""Data sets whose last feature is the charge of the atom, for networks that see charges."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray
from torch import Tensor

from miniff._neighbors import PairTable, join
from miniff._stress import VOIGT
from miniff.kernel import Cell, compute_images
from miniff.ml._charge_data import ChargeResponse, Rows, groups_of
from miniff.ml._charge_potential import ChargePotential
from miniff.ml._dataset import Dataset, Derivatives
from miniff.ml._points import PerPointDataset

__all__ = ["charge_response", "response_bytes", "seeing_charges"]


def seeing_charges(dataset: Dataset, cells: Sequence[Cell], potential: ChargePotential) -> Dataset:
    """The same data with one more feature for every species: the charge of the atom.

    Args:
        dataset: Of these structures.
        cells: Structures.
        potential: Gives the charges.
    """
    table = join([compute_images(cell, potential.cutoff).table for cell in cells])
    charges = potential.charges(table)
    species = []
    for points in dataset.per_point_datasets:
        own = torch.from_numpy(charges[table.atoms_of(points.tag)])
        seen = PerPointDataset.ragged(
            torch.cat([points.features, own[:, None]], 1),
            points.structure,
            len(points),
            points.environment,
            points.tag,
        )
        seen.weight, seen.functions = points.weight, points.functions
        species.append(seen)
    known = dataset.derivatives
    if known is None:
        return Dataset(dataset.per_cell_dataset, *species)
    response = charge_response(potential, cells)
    derivatives = Derivatives(known.table, known.volume, response)
    return Dataset(dataset.per_cell_dataset, *species, derivatives=derivatives)


def charge_response(potential: ChargePotential, cells: Sequence[Cell]) -> ChargeResponse:
    """How the charges of each structure change with its positions and strain."""
    tables = [compute_images(cell, potential.cutoff).table for cell in cells]
    structure = np.repeat(np.arange(len(cells)), [cell.size for cell in cells])
    groups = groups_of(structure, len(cells))
    jacobians = [
        _jacobian(potential, join([tables[s] for s in rows.structures.tolist()]), rows)
        for rows in groups
    ]
    return ChargeResponse(len(cells), groups, tuple(jacobians))


def _jacobian(
    potential: ChargePotential, table: PairTable, rows: Rows
) -> Float64[Tensor, "n_structures n_rows n_moves"]:
    """Of a group, by as many adjoint derivatives of all its structures as they have rows."""
    n, n_structures = rows.n_rows, table.n_structures
    jacobian = np.zeros((n_structures, n, 3 * n + 6))
    places = rows.structure.numpy(), rows.row.numpy()
    pull = potential.charge_pull(table)
    for k in range(n):
        gradient, strain = pull((places[1] == k).astype(float))
        moves = np.zeros((n_structures, n, 3))
        moves[places] = gradient
        jacobian[:, k, : 3 * n] = moves.reshape(n_structures, 3 * n)
        symmetric = (strain + strain.transpose(0, 2, 1)) / 2
        jacobian[:, k, 3 * n :] = symmetric[:, VOIGT[0], VOIGT[1]]
    return torch.from_numpy(jacobian)


def response_bytes(sizes: Float64[ndarray, " n_structures"]) -> float:
    """What the derivatives of the charges of structures of so many atoms take."""
    return float(8 * np.sum(sizes * (3 * sizes + 6)))
