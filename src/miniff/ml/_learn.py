"""Data sets from structures and descriptors."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray

from miniff._neighbors import PairTable, join
from miniff.kernel import Cell, CellImages
from miniff.ml._dataset import Dataset, Derivatives
from miniff.ml._descriptors import DescriptorChoice, plan_descriptors
from miniff.ml._ops import Environment
from miniff.ml._points import PerCellDataset, PerPointDataset
from miniff.potentials import FunctionPotential, Functions

__all__ = ["dataset_of", "descriptor_tables", "learn_cauldron"]

PROPERTIES = ("energy", "forces", "stress")


def learn_cauldron(
    images: Sequence[CellImages],
    descriptors: DescriptorChoice = "default",
    *,
    derivatives: bool = True,
) -> Dataset:
    """Descriptor values of all atoms beside the reference energies, gradients and stress.

    References are taken from ``meta`` of the cells: ``energy`` (energy), ``forces`` [n_atoms, 3]
    (energy/length), ``stress`` [6] (energy/length^3, positive under tension). Any of them may be
    missing in any structure; it is nan in the data set. How much a structure counts in a loss is
    ``config_weight`` there, and ``config_energy_weight``, ``config_forces_weight`` and
    ``config_stress_weight`` multiply it for one property.

    Args:
        images: Structures with neighbours up to the largest cutoff of the descriptors.
        descriptors: For each species, potentials or plain data (``{"family": "behler2", "tag":
            "Si-Si", "eta": 0.1, "a": 6.0}``); a file with such data, or with potentials whose
            descriptors are taken; ``"default"``, the recipe with the cutoff of the neighbour lists;
            or ``"auto"``, which also looks for a cutoff within theirs. Use a recipe for the
            training set alone, and the functions it chose (``points.functions.potentials``) for any
            other set.
        derivatives: Whether forces and stress can be predicted, and their references are taken.

    Returns:
        Species in sorted order of their names.

    Raises:
        ValueError: Atoms of a species without descriptors, neighbour lists that are too short, or
            weights that are negative or no numbers.
    """
    for one in images:
        if not isinstance(one, CellImages):
            raise TypeError(
                f"`images` has {type(one).__name__} but must have CellImages: structures with "
                "neighbours, as `kernel.compute_images` makes them"
            )
    table = join([one.table for one in images])
    functions = plan_descriptors(descriptors).functions(
        [one.table for one in images],
        min((one.cutoff for one in images), default=0.0),
        is_limit=True,
    )
    values = descriptor_tables(table, functions)
    cells = [one.cell for one in images]
    return dataset_of(cells, table, functions, values, derivatives=derivatives)


def descriptor_tables(
    table: PairTable, functions: Mapping[str, Sequence[FunctionPotential]]
) -> dict[str, Float64[ndarray, "_ _"]]:
    """For each species the values of its functions, a row for each of its atoms.

    Raises:
        ValueError: Atoms of a species without functions, or neighbour lists that are too short.
    """
    without = sorted(set(table.names) - set(functions))
    if without:
        raise ValueError(
            f"there are atoms of {', '.join(without)} but descriptors only for "
            f"{', '.join(sorted(functions)) or 'no species'}"
        )
    return {
        name: Functions(functions[name]).values(table, table.atoms_of(name))
        for name in sorted(functions)
    }


def dataset_of(
    cells: Sequence[Cell],
    table: PairTable,
    functions: Mapping[str, Sequence[FunctionPotential]],
    values: Mapping[str, Float64[ndarray, "_ _"]],
    *,
    derivatives: bool,
) -> Dataset:
    """Structures with their table and the values that :func:`descriptor_tables` gives for it."""
    species = []
    for name in sorted(functions):
        environment = Environment(Functions(functions[name]), table.atoms_of(name))
        species.append(
            PerPointDataset.ragged(
                torch.from_numpy(values[name]),
                torch.from_numpy(table.structure[environment.centres]),
                len(cells),
                environment if derivatives else None,
                name,
            )
        )
        species[-1].functions = environment.functions
    references = _references(cells)
    if not derivatives:
        references.gradient = references.stress = None
        return Dataset(references, *species)
    volume = [cell.volume if cell.has_volume else np.nan for cell in cells]
    of_table = Derivatives(table, torch.tensor(volume, dtype=torch.float64))
    return Dataset(references, *species, derivatives=of_table)


def _references(cells: Sequence[Cell]) -> PerCellDataset:
    sizes = [cell.size for cell in cells]
    structure = np.repeat(np.arange(len(cells)), sizes)
    energy = [_label(cell.meta, "energy", ()) for cell in cells]
    forces = [_label(cell.meta, "forces", (cell.size, 3)) for cell in cells]
    stress = [_label(cell.meta, "stress", (6,)) for cell in cells]
    return PerCellDataset.ragged(
        energy=torch.tensor(np.array(energy, float)[:, None]),
        gradient=torch.tensor(-np.concatenate([*forces, np.zeros((0, 3))])),
        structure=torch.from_numpy(structure),
        stress=torch.tensor(np.array(stress, float).reshape(len(cells), 6)),
        weight=torch.tensor(np.array([_weights(cell) for cell in cells]).reshape(len(cells), 3)),
    )


def _weights(cell: Cell) -> list[float]:
    """Of energy, forces and stress of a structure."""
    whole = _weight(cell, "config_weight")
    return [whole * _weight(cell, f"config_{name}_weight") for name in PROPERTIES]


def _weight(cell: Cell, key: str) -> float:
    given = cell.meta.get(key, 1.0)
    if isinstance(given, int | float | np.number) and not isinstance(given, bool):
        weight = float(given)
        if 0 <= weight < np.inf:
            return weight
    where = cell.meta.get("source", "a structure")
    raise ValueError(f"{where}: `{key}` is {given!r} but must be a number in [0, inf)")


def _label(
    meta: Mapping[str, object], name: str, shape: tuple[int, ...]
) -> Float64[ndarray, "*shape"]:
    """A reference of the wanted shape, nan where there is none."""
    if meta.get(name) is None:
        return np.full(shape, np.nan)
    value = np.asarray(meta[name], dtype=np.float64)
    if value.shape != shape:
        raise ValueError(f"`{name}` has shape {value.shape} but must be {shape}")
    return value
