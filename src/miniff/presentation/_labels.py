"""Energies, forces, stresses and charges of many structures, as plots of errors take them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from miniff.kernel import Cell

__all__ = ["Labelled", "Labels", "labels_of"]


@runtime_checkable
class Labelled(Protocol):
    """Values of many structures, nan where something is missing: ``ml_util.Properties``, Labels."""

    @property
    def n_atoms(self) -> ndarray: ...
    @property
    def energy_per_atom(self) -> ndarray: ...
    @property
    def forces(self) -> ndarray: ...
    @property
    def stress(self) -> ndarray: ...
    @property
    def charges(self) -> ndarray: ...


@dataclass(frozen=True, eq=False)
class Labels:
    """What is known about structures, nan where something is not; made by :func:`labels_of`.

    Attributes:
        n_atoms: Of each structure.
        energy_per_atom: Of each structure (energy).
        forces: On the atoms of all structures one after the other (energy/length).
        stress: xx yy zz yz xz xy, positive under tension (energy/length^3).
        charges: Of the atoms of all structures (charge).
    """

    n_atoms: Int64[ndarray, " n_structures"]
    energy_per_atom: Float64[ndarray, " n_structures"]
    forces: Float64[ndarray, "n_all_atoms 3"]
    stress: Float64[ndarray, "n_structures 6"]
    charges: Float64[ndarray, " n_all_atoms"]


def labels_of(cells: Sequence[Cell], suffix: str = "") -> Labels:
    """The energy, forces, stress and charges in the ``meta`` of each cell; nan where it has none.

    Args:
        cells: The structures.
        suffix: After the names: ``"_pred"`` for the predictions in ``test-direct.extxyz``.

    Raises:
        ValueError: No cell, an array of another shape, or no cell that has any of them.
    """
    if not len(cells):
        raise ValueError("`cells` are empty but at least one structure is needed")
    names = [f"{name}{suffix}" for name in ("energy", "forces", "stress", "charges")]
    if not any(cell.meta.get(name) is not None for cell in cells for name in names):
        raise ValueError(f"no cell has {', '.join(names[:-1])} or {names[-1]} in its `meta`")
    sizes = np.array([cell.size for cell in cells], np.int64)
    energy, forces, stress, charges = (
        [_label(n, cell, name, shape) for n, cell in enumerate(cells)]
        for name, shape in zip(names, ((), (-1, 3), (6,), (-1,)), strict=True)
    )
    return Labels(
        n_atoms=sizes,
        energy_per_atom=np.stack(energy) / sizes,
        forces=np.concatenate(forces),
        stress=np.stack(stress),
        charges=np.concatenate(charges),
    )


def _label(number: int, cell: Cell, name: str, shape: tuple[int, ...]) -> ndarray:
    demanded = tuple(cell.size if n < 0 else n for n in shape)
    value = cell.meta.get(name)
    array = np.full(demanded, np.nan) if value is None else np.asarray(value, np.float64)
    if array.shape != demanded:
        raise ValueError(
            f"`{name}` of cell {number} (counted from 0) has shape {array.shape} "
            f"but must be {demanded}"
        )
    return array
