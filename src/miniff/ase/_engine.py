"""Potentials evaluated on ASE's atoms as they move, one structure after the other."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ase import Atoms
from jaxtyping import Float64
from numpy import ndarray

from miniff._charges import GivenCharges
from miniff._checks import check_finite
from miniff._neighbors import ListedAtoms, NeighborTable, PairSearch
from miniff.ase._given import Given
from miniff.kernel import Placement, SkinList
from miniff.ml import committee_members
from miniff.potentials import (
    Evaluator,
    Potential,
    TableEvaluation,
    ready_potentials,
    ready_search,
    refuse_uncovered_species,
)

__all__ = ["Engine", "charges_of", "volume_of"]

SMALLEST = 1e-10
"""Cells flatter than this, relative to their longest vector, span no volume."""

Names = tuple[str, ...]


class Engine:
    """Keeps the neighbour list of the last atoms, and the potentials ready for their species.

    Attributes:
        n_members: Of the committee among the potentials; 1 without one.
        n_lists: How many neighbour lists were made.
    """

    def __init__(self, given: Given) -> None:
        """Nothing is compiled or listed before there are atoms.

        Raises:
            ValueError: Committees of different sizes.
        """
        self._given = given
        self._members = committee_members(given.listed)
        self._mean_for: dict[Names, Evaluator] = {}
        self._members_for: dict[Names, list[Evaluator]] = {}
        self._last: _Listed | None = None
        self.n_members = len(self._members)
        self.n_lists = 0

    def table(self, atoms: Atoms) -> NeighborTable:
        """The neighbours of the atoms, from the list at hand if it still holds.

        Raises:
            ValueError: Atoms that no potential is for, two at one place, or a cell that spans no
                volume where it repeats.
        """
        here = Placement(atoms.positions, _box(atoms))
        if self._last is None or not self._last.is_of(atoms, self._given.has_charges):
            self._last = self._new(atoms, here)
            self.n_lists += 1
        before = self._last.pairs.n_lists
        table = self._last.pairs.table(here)
        self.n_lists += self._last.pairs.n_lists - before
        return table

    def listed_at(self) -> Placement:
        """Where the atoms were when the list at hand was made.

        Raises:
            ValueError: There is none yet.
        """
        if self._last is None:
            raise ValueError("there is no neighbour list before the first calculation")
        return self._last.pairs.made_at.copy()

    def list_at(self, atoms: Atoms) -> None:
        """Makes the list anew, of atoms at this place."""
        self._last = self._new(atoms, Placement(atoms.positions, _box(atoms)))
        self.n_lists += 1

    def mean(self, table: NeighborTable) -> TableEvaluation:
        """All potentials; of a committee, the mean of its members."""
        if table.names not in self._mean_for:
            self._mean_for[table.names] = self._compiled(self._given.listed, table.names)
        return self._mean_for[table.names].evaluate(table)

    def of_members(
        self, table: NeighborTable
    ) -> tuple[Float64[ndarray, " n_members"], Float64[ndarray, "n_members n_atoms 3"]]:
        """Total energy and forces of each member (energy), (energy/length)."""
        if table.names not in self._members_for:
            self._members_for[table.names] = [
                self._compiled(own, table.names) for own in self._members
            ]
        found = [member.evaluate(table) for member in self._members_for[table.names]]
        return np.array([f.energy[0] for f in found]), np.array([-f.gradient for f in found])

    def _compiled(self, potentials: list[Potential], names: Names) -> Evaluator:
        return ready_potentials(
            potentials, names, precision=self._given.precision, device=self._given.device
        )

    @cached_property
    def _search(self) -> PairSearch:
        return ready_search(self._given.listed, device=self._given.device)

    def _new(self, atoms: Atoms, here: Placement) -> "_Listed":
        symbols = atoms.get_chemical_symbols()
        if not self._given.ignore_missing_species:
            refuse_uncovered_species(
                self._given.listed, sorted(set(symbols)), where="the structure"
            )
        pairs = SkinList(
            here,
            ListedAtoms.of(symbols, charges_of(atoms) if self._given.has_charges else None),
            pbc=atoms.pbc.tolist(),
            cutoff=self._given.cutoff,
            skin=self._given.skin,
            search=self._search,
        )
        charges = _initial_charges(atoms) if self._given.has_charges else None
        total = charges_of(atoms).total if self._given.has_charges else 0.0
        return _Listed(atoms.numbers.copy(), atoms.pbc.copy(), charges, total, pairs)


@dataclass(frozen=True, eq=False)
class _Listed:
    """A neighbour list and the atoms it is of, wherever they are."""

    numbers: ndarray
    pbc: ndarray
    charges: ndarray | None
    total: float
    pairs: SkinList

    def is_of(self, atoms: Atoms, has_charges: bool) -> bool:
        return (
            np.array_equal(self.numbers, atoms.numbers)
            and np.array_equal(self.pbc, atoms.pbc)
            and (not has_charges or self._has_charges_of(atoms))
        )

    def _has_charges_of(self, atoms: Atoms) -> bool:
        same = _are_same(self.charges, atoms.arrays.get("initial_charges"))
        return same and self.total == charges_of(atoms).total


def charges_of(atoms: Atoms) -> GivenCharges:
    """The initial charges of atoms, and ``total_charge`` or ``charge`` in ``info``, or their sum.

    Raises:
        ValueError: Charges that are no finite numbers.
    """
    given = atoms.arrays.get("initial_charges")
    meta = dict(atoms.info) if given is None else {**atoms.info, "initial_charges": given}
    meta.pop("charges", None)
    known = GivenCharges.from_meta(meta, len(atoms))
    if given is None or {"total_charge", "charge"} & set(atoms.info):
        return known
    return GivenCharges(known.of_atoms, float(given.sum()))


def _initial_charges(atoms: Atoms) -> ndarray | None:
    given = atoms.arrays.get("initial_charges")
    return None if given is None else given.copy()


def _are_same(one: ndarray | None, other: ndarray | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)


def volume_of(atoms: Atoms) -> float | None:
    """Of the cell (length^3); None if its vectors are zero or in one plane.

    Raises:
        ValueError: Vectors that are no finite numbers.
    """
    vectors = atoms.cell.array
    check_finite("cell", vectors)
    longest = float(np.abs(vectors).max())
    volume = float(abs(np.linalg.det(vectors)))
    return volume if volume > SMALLEST * longest**3 else None


def _box(atoms: Atoms) -> Float64[ndarray, "3 3"]:
    """Three cell vectors that are independent; where nothing repeats they may be made up.

    Raises:
        ValueError: Vectors along which the atoms repeat that are not independent.
    """
    vectors: ndarray = atoms.cell.array
    if volume_of(atoms) is not None:
        return vectors
    repeated = vectors[atoms.pbc]
    _, lengths, directions = np.linalg.svd(repeated)
    if len(repeated) and lengths.min() <= SMALLEST * lengths.max():
        raise ValueError(
            f"`pbc` is {atoms.pbc.tolist()} but the cell vectors along which the atoms repeat, "
            f"{repeated.tolist()}, are zero or not independent"
        )
    box = np.empty((3, 3))
    box[atoms.pbc], box[~atoms.pbc] = repeated, directions[len(repeated) :]
    return box
