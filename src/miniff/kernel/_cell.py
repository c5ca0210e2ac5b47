"""A structure: cell vectors, fractional coordinates and a species name per atom."""

from collections.abc import Mapping, Sequence, Sized
from copy import deepcopy
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Float64
from numpy import ndarray

from miniff._checks import check_finite, check_shape
from miniff.io import (
    Structure,
    StructureError,
    read_structures,
    structure_from_ase,
    structure_to_ase,
)
from miniff.kernel._meta import knowledge_of, meta_of
from miniff.kernel._saving import save_cells

if TYPE_CHECKING:
    import ase

__all__ = ["Cell", "how_to_make_one"]

SMALLEST_HEIGHT = 1e-10
"""A cell flatter than this, relative to its longest vector, spans no volume."""


@dataclass(frozen=True, eq=False, init=False)
class Cell:
    """Atoms in a box. Arrays are copied in and cannot be written to.

    Attributes:
        vectors: Rows are the cell vectors (length).
        coordinates: Fractional; they may lie anywhere, also outside [0, 1).
        values: A species name per atom.
        meta: Whatever is known about the structure, e.g. ``energy``, ``forces``, ``tag``.
        pbc: Whether the structure repeats along each cell vector.
    """

    vectors: Float64[ndarray, "3 3"]
    coordinates: Float64[ndarray, "n_atoms 3"]
    values: tuple[str, ...]
    meta: Mapping[str, object] = field(default_factory=dict)
    pbc: tuple[bool, bool, bool] = (True, True, True)

    def __init__(
        self,
        vectors: object,
        coordinates: object,
        values: Sequence[str],
        meta: Mapping[str, object] | None = None,
        *,
        pbc: bool | Sequence[bool] = True,
    ) -> None:
        """Checks shapes and numbers.

        Raises:
            TypeError: One text as ``values``, whose letters would be taken for species.
            ValueError: Wrong shapes, infinite or missing numbers, or no volume along a direction
                that repeats.
        """
        if isinstance(values, str):
            raise TypeError(
                f"`values` is {values!r} but must be a list of names, one for each atom"
            )
        names = tuple(str(value) for value in values)
        set_field = object.__setattr__
        set_field(self, "vectors", _read_only("vectors", vectors, (3, 3)))
        set_field(self, "coordinates", _read_only("coordinates", coordinates, (len(names), 3)))
        set_field(self, "values", names)
        set_field(self, "meta", dict(meta or {}))
        set_field(self, "pbc", as_directions(pbc))
        if any(self.pbc) and self._is_flat():
            raise ValueError("`vectors` span no volume but the cell is periodic")

    def __reduce__(self) -> tuple[object, ...]:
        """How it is sent to other processes, where its arrays cannot be written to either."""
        return _again, (self.vectors, self.coordinates, self.values, self.meta, self.pbc)

    @property
    def size(self) -> int:
        """Number of atoms."""
        return len(self.values)

    @property
    def volume(self) -> float:
        """Volume of the cell (length^3), positive for left-handed vectors too."""
        return float(abs(np.linalg.det(self.vectors)))

    @property
    def has_volume(self) -> bool:
        """Whether it has a stress: it repeats somewhere, and no vector stands in for none.

        Vectors that are left out in a file, or zero in ASE, are unit vectors at right angles to
        all others here; nothing repeats along them.
        """
        return any(self.pbc) and not self._stand_ins().any()

    def cartesian(self) -> Float64[ndarray, "n_atoms 3"]:
        """Cartesian positions (length)."""
        positions: ndarray = self.coordinates @ self.vectors
        return positions

    def copy(self) -> "Cell":
        """An independent cell with the same content."""
        return Cell(self.vectors, self.coordinates, self.values, deepcopy(self.meta), pbc=self.pbc)

    def transform_from_cartesian(
        self, positions: Float[ndarray, "n_points 3"]
    ) -> Float64[ndarray, "n_points 3"]:
        """Fractional coordinates of cartesian positions (length)."""
        return np.linalg.solve(self.vectors.T, np.asarray(positions, float).T).T

    def repeated(self, n1: int, n2: int, n3: int) -> "Cell":
        """The supercell of n1 x n2 x n3 copies; each copy's atoms stay together, in their order.

        ``meta`` is kept where it describes the cell as a whole (strings); energies, forces and the
        like are those of the small cell and are left out.
        """
        counts = np.array([n1, n2, n3])
        if (counts < 1).any():
            raise ValueError(f"the numbers of copies are {(n1, n2, n3)} but must be at least 1")
        steps = np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), -1).reshape(-1, 3)
        coordinates = (steps[:, None] + self.coordinates).reshape(-1, 3) / counts
        meta = self._description()
        return Cell(
            self.vectors * counts[:, None],
            coordinates,
            self.values * len(steps),
            meta,
            pbc=self.pbc,
        )

    def strained(self, factors: Sequence[float] | ndarray) -> "Cell":
        """The same fractional coordinates with cell vector i multiplied by factors[i].

        Of ``meta`` only text is kept: energies, forces and the like are those of the other cell.
        """
        scale = np.asarray(factors, float)
        check_shape("factors", scale, (3,))
        return Cell(
            self.vectors * scale[:, None],
            self.coordinates,
            self.values,
            self._description(),
            pbc=self.pbc,
        )

    @staticmethod
    def load(
        path: str | Path | Sequence[str | Path],
        *,
        length_unit: str | float | None = None,
        energy_unit: str | float | None = None,
    ) -> "list[Cell]":
        """All structures of a file, or of several.

        Reads extended XYZ, the JSON cells of the manual, ``input.data`` of n2p2 and RuNNer, and
        whatever else ASE reads. Energy
        (energy), forces (energy/length) and stress (energy/length^3, positive under tension) come
        into ``meta`` under these names, with all else that the file says of the structure or its
        atoms; ``source`` says where it was read.

        Args:
            path: A file name or glob, or a list of them.
            length_unit: Of ``input.data``, which does not say it and is turned into angstrom: a
                name of :data:`miniff.units.UNITS`, or its size in angstrom.
            energy_unit: The same for energies, which are turned into eV.

        Raises:
            StructureError: A file or structure that cannot be used; the message names it.
        """
        read = read_structures(path, length_unit=length_unit, energy_unit=energy_unit)
        return [Cell.from_structure(structure) for structure in read]

    @staticmethod
    def save(
        cells: "Cell | Sequence[Cell]",
        path: str | Path,
        *,
        length_unit: str | float | None = None,
        energy_unit: str | float | None = None,
    ) -> None:
        """Writes cells to a file, which is complete or, if this fails, stays as it was.

        Names in ``.json`` get the manual's format, in which structures repeat along all three
        vectors and energies are called ``total-energy``; those in ``.xyz`` or ``.extxyz`` extended
        XYZ, with cartesian positions; those in ``.data`` what n2p2 and RuNNer call ``input.data``.
        All keep all digits, and can be packed (``.json.gz``).
        :meth:`load` gives the same cells back, with ``source`` anew; of lists and arrays in
        ``meta`` one may come back for the other.

        Args:
            cells: One or several.
            path: Of the file; its ending says the format.
            length_unit: To write ``input.data`` in, from angstrom; other formats have no unit.
            energy_unit: The same for energies, from eV.

        Raises:
            ValueError: No cell, an unknown ending, or content that the format cannot hold.
        """
        save_cells([cells] if isinstance(cells, Cell) else cells, path, length_unit, energy_unit)

    @staticmethod
    def from_structure(structure: Structure) -> "Cell":
        """The cell of a structure read from a file, with all that is known of it in ``meta``.

        Cell vectors that are zero become unit vectors; nothing repeats there. A stress where
        nothing repeats has no meaning and is left out.

        Raises:
            StructureError: One name for something of the structure and something of its atoms.
        """
        return _cell(structure, {**meta_of(structure), "source": structure.source})

    def to_structure(self) -> Structure:
        """What is written to files; :meth:`from_structure` makes the cell again.

        Of ``meta`` what has a row for each atom becomes one of ``arrays``. A box that is the unit
        cube and does not repeat is none, as that of a molecule.

        Raises:
            StructureError: Energy, forces or stress that are none.
        """
        stand_ins = self._stand_ins()
        return Structure(
            vectors=np.where(stand_ins[:, None], 0.0, self.vectors),
            positions=self.cartesian(),
            species=self.values,
            periodic=self.pbc,
            coordinates=None if stand_ins.any() else self.coordinates,
            source=str(self.meta.get("source", "structure")),
            **vars(knowledge_of(self.meta, self.size)),
        )

    @staticmethod
    def from_ase(atoms: "ase.Atoms") -> "Cell":
        """The cell of ASE's atoms; ``meta`` has what they know, as :meth:`load` would.

        Cell vectors that are zero, as a molecule's, become unit vectors; nothing repeats there.
        """
        structure = structure_from_ase(atoms)
        return _cell(structure, meta_of(structure))

    def to_ase(self) -> "ase.Atoms":
        """ASE's atoms; energy, forces and stress from ``meta`` come as a calculator's results."""
        return structure_to_ase(self.to_structure())

    def _description(self) -> dict[str, object]:
        """What stays true of a cell that is made from this one."""
        return {key: value for key, value in self.meta.items() if isinstance(value, str)}

    def _stand_ins(self) -> Bool[ndarray, " 3"]:
        """Which vectors are there in place of none: of a molecule that is a unit cube, all."""
        if not any(self.pbc):
            return np.full(3, np.array_equal(self.vectors, np.eye(3)))
        products = self.vectors @ self.vectors.T
        lengths = np.sqrt(np.diag(products))
        across = np.abs(products - np.diag(np.diag(products))).max(axis=1) < 1e-12 * lengths.max()
        found: ndarray = ~np.array(self.pbc) & across & (np.abs(lengths - 1) < 1e-12)
        return found

    def _is_flat(self) -> bool:
        longest = np.linalg.norm(self.vectors, axis=1).max()
        return bool(self.volume <= SMALLEST_HEIGHT * longest**3)


def _again(
    vectors: ndarray,
    coordinates: ndarray,
    values: tuple[str, ...],
    meta: Mapping[str, object],
    pbc: tuple[bool, bool, bool],
) -> Cell:
    """A cell from a pickle."""
    return Cell(vectors, coordinates, values, meta, pbc=pbc)


def _cell(structure: Structure, meta: Mapping[str, object]) -> Cell:
    """With a box where there is none."""
    vectors, coordinates = structure.vectors, structure.coordinates
    if np.linalg.matrix_rank(vectors) < 3:
        from ase.cell import Cell as AseCell

        missing = np.linalg.norm(vectors, axis=1) == 0
        vectors = np.where(missing[:, None], AseCell(vectors).complete()[:], vectors)
    try:
        if coordinates is None:
            coordinates = np.linalg.solve(vectors.T, structure.positions.T).T
        return Cell(vectors, coordinates, structure.species, meta, pbc=structure.periodic)
    except ValueError as error:
        raise StructureError(f"{structure.source}: {error}") from None


def as_directions(pbc: bool | Sequence[bool]) -> tuple[bool, bool, bool]:
    """Three truths from one or three."""
    directions = np.asarray(pbc)
    if directions.shape not in ((), (3,)) or directions.dtype != np.bool_:
        raise ValueError(f"`pbc` is {pbc!r} but must be one or three of True and False")
    a, b, c = np.broadcast_to(directions, 3).tolist()
    return (a, b, c)


def _read_only(name: str, given: object, shape: tuple[int, ...]) -> ndarray:
    array = np.array(given, dtype=np.float64)
    if array.size == 0 and shape[0] == 0:
        array = array.reshape(shape)
    check_shape(name, array, shape)
    check_finite(name, array)
    array.setflags(write=False)
    return array


def how_to_make_one(given: object) -> str:
    """Advice to whoever gave something in place of a cell, to end a sentence with."""
    if isinstance(given, str | PathLike):
        return f": `Cell.load({fspath(given)!r})` gives the list of those in a file"
    if isinstance(given, Sized) and hasattr(given, "get_atomic_numbers"):
        return ": `Cell.from_ase(atoms)` makes one of ASE's atoms"
    return ""
