"""What checks of a data set look at, gathered once: labels, and the surroundings of atoms.

The surroundings of atom i are sums over its neighbours j of each species b,

    f_ibk = sum_j exp(-(r_ij - r_k)^2 / 2 w^2) (1 + cos(pi r_ij / R)) / 2,

which do not change when a structure is moved, turned or mirrored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy import ndarray

from miniff._neighbors import AtomsError, PairTable, find_pairs
from miniff.kernel._cell import Cell
from miniff.kernel._meta import group_of

__all__ = ["Shortest", "Surroundings", "Survey"]

CUTOFF = 5.0
"""R, how far neighbours are looked for (length)."""
SHELLS = np.linspace(0.8, 4.4, 7)
"""r_k (length)."""
WIDTH = 0.6
"""w (length)."""


@dataclass(frozen=True)
class Shortest:
    """The closest two atoms of two species in a structure.

    Attributes:
        species: Of both.
        distance: Between them (length).
        atoms: Their numbers, counted from 0.
    """

    species: tuple[str, str]
    distance: float
    atoms: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What the atoms of a structure have around them.

    Attributes:
        mean: Of f over the atoms of each species, then of f^2 and f^3, [n_numbers].
        odd: The longest sum of unit vectors to neighbours that an atom has, weighted as f: 0 where
            its neighbours lie as many on one side as on the other.
        shortest: Of each pair of species that meets within R.
        nearest: Of the atoms that have a neighbour within R, how far the nearest is (length), and
            the species of both by their places in ``Survey.species``, [n, 3].
        n_pairs: Directed pairs within R.
        problem: Why there is no neighbour list; empty where there is one.
    """

    mean: ndarray
    odd: float
    shortest: Sequence[Shortest]
    nearest: ndarray
    n_pairs: int
    problem: str = ""


@dataclass(frozen=True, eq=False)
class Survey:
    """All structures of a data set, one after the other.

    Attributes:
        cells: The structures.
        part: The name of the set that each belongs to.
    """

    cells: Sequence[Cell]
    part: Sequence[str]

    @staticmethod
    def of(sets: Mapping[str, Sequence[Cell]]) -> "Survey":
        """Of all sets."""
        cells = [cell for own in sets.values() for cell in own]
        return Survey(cells, [name for name, own in sets.items() for _ in own])

    @cached_property
    def sizes(self) -> ndarray:
        """Atoms of each structure."""
        return np.array([cell.size for cell in self.cells], np.int64)

    @cached_property
    def species(self) -> list[str]:
        """All names, sorted."""
        return sorted({name for cell in self.cells for name in cell.values})

    @cached_property
    def counts(self) -> ndarray:
        """Atoms of each species in each structure, [n_structures, n_species]."""
        found = [[cell.values.count(name) for name in self.species] for cell in self.cells]
        return np.array(found, float).reshape(len(self.cells), len(self.species))

    @cached_property
    def energies(self) -> ndarray:
        """Of each structure, nan where there is none (energy)."""
        return np.array([_number(cell.meta.get("energy")) for cell in self.cells])

    @cached_property
    def forces(self) -> list[ndarray | None]:
        """Of each structure, [n_atoms, 3] (energy/length)."""
        return [_array(cell.meta.get("forces")) for cell in self.cells]

    @cached_property
    def stresses(self) -> ndarray:
        """Of each structure, nan where there is none, [n_structures, 6] (energy/length^3)."""
        nothing = np.full(6, np.nan)
        found = [_array(cell.meta.get("stress")) for cell in self.cells]
        rows = [nothing if one is None else one for one in found]
        return np.array(rows, float).reshape(len(self.cells), 6)

    @cached_property
    def files(self) -> list[str]:
        """The file of each structure, by its own words."""
        named = zip(self.cells, self.part, strict=True)
        sources = [str(cell.meta.get("source", f"the {part} set")) for cell, part in named]
        return [source.rsplit(", structure ", 1)[0] for source in sources]

    @cached_property
    def groups(self) -> list[str]:
        """The group of each structure; empty where it has none."""
        return [group_of(cell.meta) for cell in self.cells]

    @cached_property
    def surroundings(self) -> list[Surroundings]:
        """Of each structure."""
        place = {name: k for k, name in enumerate(self.species)}
        return [_surroundings(cell, place) for cell in self.cells]

    def source(self, number: int) -> str:
        """Where a structure is from, in words."""
        part = self.part[number]
        place = number - list(self.part).index(part)
        unknown = f"structure {place} of the {part} set (counted from 0)"
        return str(self.cells[number].meta.get("source", unknown))


def _number(value: object) -> float:
    return np.nan if value is None else float(np.asarray(value, float))


def _array(value: object) -> ndarray | None:
    return None if value is None else np.asarray(value, float)


def _surroundings(cell: Cell, place: Mapping[str, int]) -> Surroundings:
    n = len(place)
    try:
        table = find_pairs(cell.cartesian(), cell.vectors, cell.pbc, cell.values, CUTOFF)
    except (AtomsError, ValueError) as error:
        return Surroundings(
            np.full(3 * n * n * len(SHELLS), np.nan), 0.0, [], np.zeros((0, 3)), 0, str(error)
        )
    return _summed(table, np.array([place[name] for name in cell.values]), n)


def _summed(table: PairTable, species: ndarray, n: int) -> Surroundings:
    vectors = table.vectors
    r = np.sqrt(np.einsum("px,px->p", vectors, vectors))  # [pair, xyz]
    row = table.centre * n + species[table.other]
    smooth = (1 + np.cos(np.pi * r / CUTOFF)) / 2
    f = np.empty((table.n_atoms, n, len(SHELLS)))
    for k, r_k in enumerate(SHELLS):
        weight = np.exp(-((r - r_k) ** 2) / (2 * WIDTH**2)) * smooth
        f[:, :, k] = np.bincount(row, weight, minlength=table.n_atoms * n).reshape(-1, n)
    odd = np.stack(
        [
            np.bincount(table.centre, smooth * vectors[:, x] / r, minlength=table.n_atoms)
            for x in range(3)
        ]
    )
    of = np.zeros((n, table.n_atoms))
    of[species, np.arange(table.n_atoms)] = 1.0
    of /= np.maximum(of.sum(axis=1, keepdims=True), 1)
    flat = f.reshape(table.n_atoms, -1)
    mean = np.concatenate([(of @ flat**power).ravel() for power in (1, 2, 3)])
    longest = float(np.sqrt((odd**2).sum(axis=0).max(initial=0.0)))
    return Surroundings(mean, longest, _shortest(table, r), _nearest(table, r, species), len(r))


def _nearest(table: PairTable, r: ndarray, species: ndarray) -> ndarray:
    """Distance and species of each atom and its nearest."""
    order = np.lexsort((r, table.centre))
    _, first = np.unique(table.centre[order], return_index=True)
    at = order[first]
    centre, other = species[table.centre[at]], species[table.other[at]]
    nearest: ndarray = np.stack([r[at], centre, other], axis=1)
    return nearest


def _shortest(table: PairTable, r: ndarray) -> list[Shortest]:
    """Of each two species that meet."""
    found = []
    a, b = table.species[table.centre], table.species[table.other]
    pair = np.minimum(a, b) * len(table.names) + np.maximum(a, b)
    order = np.argsort(r, kind="stable")
    kinds, first = np.unique(pair[order], return_index=True)
    for kind, at in zip(kinds.tolist(), order[first].tolist(), strict=True):
        names = table.names[kind // len(table.names)], table.names[kind % len(table.names)]
        atoms = int(table.centre[at]), int(table.other[at])
        found.append(Shortest(names, float(r[at]), atoms))
    return found
