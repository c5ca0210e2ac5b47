"""The table of neighbour pairs, grouped by centre atom: what every local function is a function of.

A neighbour is an *image*: an atom, or an atom moved by whole cell vectors. Functions depend on
positions through those of the images alone, so derivatives by images are all that forces, virials
and derivatives by the cell are made of. A structure and a batch of structures are the same table:
``join`` concatenates atoms, images and pairs, and ``structure`` says whose atom each one is. Pairs
are found by `vesin <https://luthaf.fr/vesin>`_.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf

import numpy as np
from jaxtyping import Bool, Float, Float64, Int32, Int64
from numpy import ndarray

from miniff import _core

__all__ = [
    "NeighborTable",
    "PairTable",
    "TableError",
    "contiguous",
    "join",
    "make_table",
    "table_from_arrays",
]

MOST_IMAGES = 2**31
"""Numbers of images, and of cell vectors between an image and its atom, have 32 bits."""


class TableError(ValueError):
    """A refusal because of one structure of a table.

    Attributes:
        structure: Which one, counted from 0.
        what: Is wrong with it, without saying which it is.
    """

    def __init__(self, message: str, structure: int = 0, what: str = "") -> None:
        super().__init__(message)
        self.structure, self.what = structure, what

    @staticmethod
    def of(table: "NeighborTable", structure: int, what: str) -> "TableError":
        """What is wrong with a structure; which one, where there are several."""
        which = f"structure {structure} (counted from 0): " if table.n_structures > 1 else ""
        return TableError(which + what, structure, what)


@dataclass(frozen=True)
class NeighborTable(ABC):
    """Structures with a list of their neighbour pairs, wherever that lies.

    What is known of atoms and structures is here, in the memory of the host.

    Attributes:
        names: Species names; ``species`` holds indices into them.
        cutoff: All pairs with r_ij < cutoff are listed (length).
        positions: Cartesian positions (length).
        cells: Rows are cell vectors (length), zero where there is no cell.
        species: Of each atom.
        structure: Which structure an atom belongs to.
        periodic: Whether a structure repeats along each of its cell vectors.
        charges: What structures say of their atoms (charge); nan where they say nothing.
        total_charge: Of each structure (charge).
    """

    names: tuple[str, ...]
    cutoff: float
    positions: Float64[ndarray, "n_atoms 3"]
    cells: Float64[ndarray, "n_structures 3 3"]
    species: Int32[ndarray, " n_atoms"]
    structure: Int64[ndarray, " n_atoms"]
    periodic: Bool[ndarray, "n_structures 3"]
    charges: Float64[ndarray, " n_atoms"]
    total_charge: Float64[ndarray, " n_structures"]

    @property
    def n_atoms(self) -> int:
        return len(self.species)

    @property
    def n_structures(self) -> int:
        return len(self.cells)

    @property
    @abstractmethod
    def n_pairs(self) -> int: ...

    @abstractmethod
    def moved(
        self, positions: Float[ndarray, "n_atoms 3"], cells: Float[ndarray, "n_structures 3 3"]
    ) -> "NeighborTable":
        """The same pairs with atoms and cells elsewhere (length); no pair is added or dropped."""

    @abstractmethod
    def on_host(self) -> "PairTable":
        """The same pairs as the compiled core takes them."""

    def atoms_of(self, name: str | None) -> Int64[ndarray, " n_of_species"]:
        """Indices of the atoms of one species; all of them for None, none if it does not occur."""
        if name is None:
            return np.arange(self.n_atoms)
        if name not in self.names:
            return np.zeros(0, np.int64)
        return np.flatnonzero(self.species == self.names.index(name))

    def totals(self, values: Float64[ndarray, " n_atoms"]) -> Float64[ndarray, " n_structures"]:
        """The sum over the atoms of each structure."""
        sums = np.bincount(self.structure, values, minlength=self.n_structures)
        return sums.astype(np.float64)  # integers where there is no atom at all


@dataclass(frozen=True)
class PairTable(NeighborTable):
    """Directed pairs i -> m within a cutoff, an atom's own periodic images included.

    It has what :class:`NeighborTable` says, and the pairs.

    Attributes:
        start: The pairs of centre i are start[i] ... start[i + 1] - 1.
        neighbor: The neighbouring image. Images 0 ... n_atoms - 1 are the atoms themselves.
        image_atom: The atom an image is of.
        image_shift: Whole cell vectors added to its position.
        core: The same list as the compiled core sees it.
    """

    start: Int64[ndarray, " n_atoms_and_one"]
    neighbor: Int32[ndarray, " n_pairs"]
    image_atom: Int32[ndarray, " n_images"]
    image_shift: Int32[ndarray, "n_images 3"]
    core: _core.ImageTable = field(repr=False)

    @property
    def n_pairs(self) -> int:
        return len(self.neighbor)

    @property
    def n_images(self) -> int:
        return len(self.image_atom)

    @property
    def n_bytes(self) -> int:
        """Memory of the list, positions of the images included."""
        arrays = (
            self.positions,
            self.cells,
            self.species,
            self.structure,
            self.start,
            self.neighbor,
            self.image_atom,
            self.image_shift,
            self.periodic,
            self.charges,
            self.total_charge,
        )
        return sum(array.nbytes for array in arrays) + 3 * 8 * self.n_images

    @cached_property
    def images(self) -> Float64[ndarray, "n_images 3"]:
        """Positions of the images (length)."""
        out = np.empty((self.n_images, 3))
        self.core.positions(self.positions, self.cells, out)
        return out

    @cached_property
    def centre(self) -> Int64[ndarray, " n_pairs"]:
        """The centre atom of each pair."""
        return np.repeat(np.arange(self.n_atoms), np.diff(self.start))

    @cached_property
    def other(self) -> Int32[ndarray, " n_pairs"]:
        """The neighbouring atom of each pair."""
        other: ndarray = self.image_atom[self.neighbor]
        return other

    @cached_property
    def shifts(self) -> Int32[ndarray, "n_pairs 3"]:
        """Whole cell vectors added to the neighbour's position."""
        shifts: ndarray = self.image_shift[self.neighbor]
        return shifts

    @cached_property
    def vectors(self) -> Float64[ndarray, "n_pairs 3"]:
        """r_j - r_i of each pair with the shift added (length)."""
        vectors: ndarray = self.images[self.neighbor] - self.positions[self.centre]
        return vectors

    def moved(
        self, positions: Float[ndarray, "n_atoms 3"], cells: Float[ndarray, "n_structures 3 3"]
    ) -> "PairTable":
        """The same pairs with atoms and cells elsewhere (length); no pair is added or dropped."""
        return replace(self, positions=contiguous(positions), cells=contiguous(cells))

    def on_host(self) -> "PairTable":
        """Itself."""
        return self

    def gather(
        self, by_image: Float64[ndarray, "n_images 3"]
    ) -> tuple[Float64[ndarray, "n_atoms 3"], Float64[ndarray, "n_structures 3 3"]]:
        """dE/dr of the atoms (energy/length) and dE/d(strain) of the structures (energy).

        Args:
            by_image: dE by the positions of the images (energy/length).
        """
        gradient, strain = np.empty((self.n_atoms, 3)), np.empty((self.n_structures, 3, 3))
        self.core.fold(self.images, by_image, gradient, strain)
        return gradient, strain

    def spread(
        self, moves: Float64[ndarray, "n_atoms 3"], strain: Float64[ndarray, "n_structures 3 3"]
    ) -> Float64[ndarray, "n_images 3"]:
        """How images move with atoms and with strained structures (length).

        Args:
            moves: Of the atoms (length).
            strain: Of the structures: x moves by x @ strain.
        """
        out = np.empty((self.n_images, 3))
        self.core.move(self.images, moves, strain, out)
        return out


def join(tables: Sequence[PairTable]) -> PairTable:
    """One table of many structures, in their order; the cutoff is the smallest of theirs."""
    n_images = sum(int(table.n_images) for table in tables)
    if n_images >= MOST_IMAGES:
        raise ValueError(
            f"the structures have {n_images} atoms and images together but a table must have less "
            f"than {MOST_IMAGES}: evaluate fewer at once"
        )
    names = tuple(sorted({name for table in tables for name in table.names}))
    first_atom = np.cumsum([0, *(table.n_atoms for table in tables)])
    first_pair = np.cumsum([0, *(table.n_pairs for table in tables)])
    first_structure = np.cumsum([0, *(table.n_structures for table in tables)])
    image_atom, image_shift = _joined_images(tables, first_atom)
    return make_table(
        names=names,
        cutoff=min((table.cutoff for table in tables), default=inf),
        positions=_stack([t.positions for t in tables], (0, 3), np.float64),
        cells=_stack([t.cells for t in tables], (0, 3, 3), np.float64),
        species=_stack(_joined_species(tables, names), (0,), np.int32),
        structure=_stack(
            [t.structure + s for t, s in zip(tables, first_structure, strict=False)], (0,), np.int64
        ),
        start=np.concatenate(
            [t.start[:-1] + p for t, p in zip(tables, first_pair, strict=False)] + [first_pair[-1:]]
        ),
        neighbor=_stack(_joined_neighbors(tables, first_atom), (0,), np.int32),
        image_atom=_stack(image_atom, (0,), np.int32),
        image_shift=_stack(image_shift, (0, 3), np.int32),
        periodic=_stack([t.periodic for t in tables], (0, 3), np.bool_),
        charges=_stack([t.charges for t in tables], (0,), np.float64),
        total_charge=_stack([t.total_charge for t in tables], (0,), np.float64),
    )


def _joined_species(tables: Sequence[PairTable], names: Sequence[str]) -> list[ndarray]:
    """The species of the atoms of each, as places in names of them all."""
    return [
        np.array([names.index(name) for name in table.names], np.int32)[table.species]
        if table.n_atoms
        else table.species
        for table in tables
    ]


def _joined_images(
    tables: Sequence[PairTable], first_atom: ndarray
) -> tuple[list[ndarray], list[ndarray]]:
    """The atoms of the images and their shifts: those that are atoms stay the first."""
    own = [t.image_atom[: t.n_atoms] + a for t, a in zip(tables, first_atom, strict=False)]
    moved = [t.image_atom[t.n_atoms :] + a for t, a in zip(tables, first_atom, strict=False)]
    shifts = [np.zeros((t.n_atoms, 3), np.int32) for t in tables]
    return own + moved, shifts + [t.image_shift[t.n_atoms :] for t in tables]


def _joined_neighbors(tables: Sequence[PairTable], first_atom: ndarray) -> list[ndarray]:
    """The images that pairs of each lead to, by their new numbers."""
    first_other = first_atom[-1] + np.cumsum([0, *(t.n_images - t.n_atoms for t in tables)])
    return [
        np.r_[np.arange(t.n_atoms) + a, np.arange(t.n_images - t.n_atoms) + m].astype(np.int32)[
            t.neighbor
        ]
        for t, a, m in zip(tables, first_atom, first_other, strict=False)
    ]


def table_from_arrays(
    names: tuple[str, ...], cutoff: float, arrays: Mapping[str, ndarray]
) -> PairTable:
    """A table from arrays that were those of a table, by the names of its attributes.

    Args:
        names: Of the species.
        cutoff: All pairs with r_ij below this are listed (length).
        arrays: Taken as they are, positions of the images included.
    """
    own = {name: array for name, array in arrays.items() if name != "images"}
    table = make_table(names=names, cutoff=cutoff, **own)
    vars(table)["images"] = arrays["images"]  # where the property keeps what it computed
    return table


def make_table(
    *,
    names: tuple[str, ...],
    cutoff: float,
    positions: ndarray,
    cells: ndarray,
    species: ndarray,
    structure: ndarray,
    start: ndarray,
    neighbor: ndarray,
    image_atom: ndarray,
    image_shift: ndarray,
    periodic: ndarray,
    charges: ndarray,
    total_charge: ndarray,
) -> PairTable:
    """A table of arrays that fit each other; see :class:`PairTable`."""
    core = _core.ImageTable(
        start, neighbor, image_atom, image_shift, species, structure, len(names), len(cells)
    )
    return PairTable(
        names=names,
        cutoff=cutoff,
        positions=positions,
        cells=cells,
        species=species,
        structure=structure,
        periodic=periodic,
        charges=charges,
        total_charge=total_charge,
        start=start,
        neighbor=neighbor,
        image_atom=image_atom,
        image_shift=image_shift,
        core=core,
    )


def contiguous(array: ndarray) -> ndarray:
    """The same in double precision and one piece."""
    return np.ascontiguousarray(array, dtype=np.float64)


def _stack(arrays: list[ndarray], empty: tuple[int, ...], dtype: type) -> ndarray:
    return np.concatenate(arrays).astype(dtype, copy=False) if arrays else np.zeros(empty, dtype)
