"""What charges are learned from, and how charges that are known change with positions.

Numbers of the atoms of a structure, and of their pairs, are padded to the largest one of a group of
structures of about the same size, so that all of a group are multiplied and solved together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from numpy import ndarray
from torch import Tensor

from miniff._neighbors import PairTable
from miniff.ewald import Coulomb

__all__ = ["ChargeData", "ChargeResponse", "Interaction", "Rows", "groups_of", "interactions_of"]


SPREAD = 1.25
"""Structures of a group differ in their number of atoms by at most this factor."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Where the atoms of a group of structures stand among padded numbers.

    Attributes:
        atom: Their places among all atoms.
        structures: Their places among all structures.
        structure: Of each atom, within the group.
        row: Of each atom, within its structure.
        n_rows: Of each structure, padding included.
    """

    atom: Int64[Tensor, " n_own"]
    structures: Int64[Tensor, " n_structures"]
    structure: Int64[Tensor, " n_own"]
    row: Int64[Tensor, " n_own"]
    n_rows: int

    @property
    def _shape(self) -> tuple[int, int]:
        return len(self.structures), self.n_rows

    @property
    def _place(self) -> Int64[Tensor, " n_own"]:
        return self.structure * self.n_rows + self.row

    def padded(
        self, values: Float64[Tensor, "*more n_atoms"]
    ) -> Float64[Tensor, "*more n_structures n_rows"]:
        """Numbers of all atoms structure by structure, with zeros at the end."""
        out = values.new_zeros(*values.shape[:-1], self._shape[0] * self._shape[1])
        filled = out.index_copy(-1, self._place, values.index_select(-1, self.atom))
        return filled.reshape(*values.shape[:-1], *self._shape)

    def put(
        self,
        padded: Float64[Tensor, "*more n_structures n_rows"],
        into: Float64[Tensor, "*more n_atoms"],
    ) -> Float64[Tensor, "*more n_atoms"]:
        """Numbers of all atoms, with those of the group."""
        flat = padded.reshape(*padded.shape[:-2], self._shape[0] * self._shape[1])
        return into.index_copy(-1, self.atom, flat.index_select(-1, self._place))

    @property
    def present(self) -> Bool[Tensor, "n_structures n_rows"]:
        """Where there are atoms."""
        out = torch.zeros(self._shape[0] * self._shape[1], dtype=torch.bool)
        out[self._place] = True
        return out.reshape(self._shape)

    def cut(self, first: int, last: int, first_atom: int) -> tuple["Rows", Bool[Tensor, " n"]]:
        """Those of structures ``first`` to ``last - 1``, and which of the group they are."""
        kept = (self.structures >= first) & (self.structures < last)
        inside, renumbered = kept[self.structure], kept.cumsum(0) - 1
        rows = Rows(
            self.atom[inside] - first_atom,
            self.structures[kept] - first,
            renumbered[self.structure[inside]],
            self.row[inside],
            self.n_rows,
        )
        return rows, kept


def groups_of(structure: Int64[ndarray, " n_atoms"], n_structures: int) -> tuple[Rows, ...]:
    """Structures that have atoms, by their size; atoms stand structure by structure.

    Args:
        structure: Of each atom.
        n_structures: How many.
    """
    sizes = np.bincount(structure, minlength=n_structures)
    first = np.cumsum([0, *sizes])[:-1]
    order = [s for s in np.argsort(sizes, kind="stable").tolist() if sizes[s]]
    groups: list[list[int]] = []
    for s in order:
        if not groups or sizes[s] > SPREAD * sizes[groups[-1][0]]:
            groups.append([])
        groups[-1].append(s)
    return tuple(_rows(np.array(sorted(own)), sizes, first) for own in groups)


def _rows(own: ndarray, sizes: ndarray, first: ndarray) -> Rows:
    row = np.concatenate([np.arange(sizes[s]) for s in own])
    local = np.repeat(np.arange(len(own)), sizes[own])
    parts = (first[own][local] + row, own, local, row)
    atom, structures, structure, rows = (torch.from_numpy(p.astype(np.int64)) for p in parts)
    return Rows(atom, structures, structure, rows, int(sizes[own].max()))


@dataclass(frozen=True, eq=False)
class Interaction:
    """The matrices of electrostatic energies E = q.A q / 2 of a group of structures, padded.

    Attributes:
        energy: A (energy/charge^2).
        gradient: G, dE/dr_i,x = q_i sum_j G[x, i, j] q_j; None where only energies are learned.
        strain: S, dE/deps_v = q.S[v] q / 2, v as in stresses; None like ``gradient``.
    """

    energy: Float64[Tensor, "n_structures n_rows n_rows"]
    gradient: Float64[Tensor, "n_structures 3 n_rows n_rows"] | None = None
    strain: Float64[Tensor, "n_structures 6 n_rows n_rows"] | None = None

    def of(self, kept: Bool[Tensor, " n_structures"]) -> "Interaction":
        """Some of the structures."""
        return Interaction(
            self.energy[kept],
            None if self.gradient is None else self.gradient[kept],
            None if self.strain is None else self.strain[kept],
        )


@dataclass(frozen=True, eq=False)
class ChargeData:
    """Structures whose charges are learned.

    Attributes:
        structure: Of each atom.
        groups: The structures by their size.
        reference: Charges of the atoms; nan where they are not known (charge).
        total: Of each structure (charge).
        species: Of each atom, as a number.
        atoms: For each species, its atoms in the order of the points of the data set.
        weight: How much the charges of each structure count in a loss.
        interactions: Of the charges of each group; none where nothing depends on them.
    """

    structure: Int64[Tensor, " n_atoms"]
    groups: tuple[Rows, ...]
    reference: Float64[Tensor, " n_atoms"]
    total: Float64[Tensor, " n_structures"]
    species: Int64[Tensor, " n_atoms"]
    atoms: tuple[Int64[Tensor, " _"], ...]
    weight: Float64[Tensor, " n_structures"]
    interactions: tuple[Interaction, ...] = ()

    @property
    def n_structures(self) -> int:
        return len(self.total)

    def of_atoms(
        self, of_species: Sequence[Float64[Tensor, "n_models _"]]
    ) -> Float64[Tensor, "n_models n_atoms"]:
        """In the order of the atoms, from numbers of the points of each species."""
        order = torch.cat(self.atoms)
        joined = torch.cat(list(of_species), -1)
        return torch.zeros_like(joined).index_copy(-1, order, joined)

    def cut(self, first: int, last: int) -> "ChargeData":
        """Structures ``first`` to ``last - 1``, whose atoms stand together."""
        begin, end = torch.searchsorted(self.structure, torch.tensor([first, last])).tolist()
        inside = [(own >= begin) & (own < end) for own in self.atoms]
        cut = [rows.cut(first, last, begin) for rows in self.groups]
        some = [g for g, (rows, _) in enumerate(cut) if len(rows.structures)]
        return ChargeData(
            structure=self.structure[begin:end] - first,
            groups=tuple(cut[g][0] for g in some),
            reference=self.reference[begin:end],
            total=self.total[first:last],
            species=self.species[begin:end],
            atoms=tuple(own[i] - begin for own, i in zip(self.atoms, inside, strict=True)),
            weight=self.weight[first:last],
            interactions=tuple(self.interactions[g].of(cut[g][1]) for g in some)
            if self.interactions
            else (),
        )

    @staticmethod
    def of(
        table: PairTable,
        names: Sequence[str],
        reference: Float64[ndarray, " n_atoms"],
        interactions: Sequence[Interaction] = (),
        weight: Float64[ndarray, " n_structures"] | None = None,
    ) -> "ChargeData":
        """Of all structures of a table.

        Args:
            table: With the total charges.
            names: The species of the data set, in its order.
            reference: Charges of the atoms; nan where they are not known.
            interactions: What :func:`interactions_of` gives for the table.
            weight: Of each structure; 1 by default.
        """
        atoms = [table.atoms_of(name) for name in names]
        species = np.zeros(table.n_atoms, np.int64)
        for code, own in enumerate(atoms):
            species[own] = code
        return ChargeData(
            structure=torch.from_numpy(table.structure.copy()),
            groups=groups_of(table.structure, table.n_structures),
            reference=torch.from_numpy(reference),
            total=torch.from_numpy(table.total_charge.copy()),
            species=torch.from_numpy(species),
            atoms=tuple(torch.from_numpy(own) for own in atoms),
            weight=torch.from_numpy(np.ones(table.n_structures) if weight is None else weight),
            interactions=tuple(interactions),
        )


def interactions_of(
    coulomb: Coulomb, table: PairTable, *, derivatives: bool
) -> tuple[Interaction, ...]:
    """The matrices of all structures of a table, group by group.

    Args:
        coulomb: The interaction.
        table: With neighbours up to its cutoff.
        derivatives: Whether those by positions and strain are wanted too.
    """
    matrices = coulomb.matrices(table)
    kinds = (3, 6) if derivatives else ()
    found = []
    for rows in groups_of(table.structure, table.n_structures):
        shape = (len(rows.structures), rows.n_rows, rows.n_rows)
        energy = torch.zeros(shape, dtype=torch.float64)
        more = [torch.zeros(shape[0], k, *shape[1:], dtype=torch.float64) for k in kinds]
        for place, s in enumerate(rows.structures.tolist()):
            one = matrices[s]
            own = one.energy.shape[0]
            energy[place, :own, :own] = torch.from_numpy(one.energy)
            for into, matrix in zip(more, (one.gradient, one.strain), strict=False):
                into[place, :, :own, :own] = torch.from_numpy(matrix)
        found.append(Interaction(energy, *more))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class ChargeResponse:
    """How charges that a potential gives change with positions and strain.

    Attributes:
        n_structures: How many.
        groups: The structures by their size.
        jacobians: Of each group, dq of each row by positions, [row, xyz] in one axis, and then by
            the six strains.
    """

    n_structures: int
    groups: tuple[Rows, ...]
    jacobians: tuple[Float64[Tensor, "_ _ _"], ...]

    def pulled(
        self,
        by_charge: Sequence[Float[Tensor, "n_models _"]],
        atoms: Sequence[Int64[ndarray, " _"]],
    ) -> tuple[Float64[Tensor, "n_models n_atoms 3"], Float64[Tensor, "n_models n_structures 6"]]:
        """dE/dr and dE/d(strain) through the charges, from dE/dq of the points of each species.

        Args:
            by_charge: dE/dq.
            atoms: Whose it is, for each species.
        """
        joined = torch.cat([one.double() for one in by_charge], -1)
        order = torch.from_numpy(np.concatenate(list(atoms)))
        of_atoms = torch.zeros_like(joined).index_copy(-1, order, joined)
        n_models, n_atoms = of_atoms.shape
        gradient = of_atoms.new_zeros(n_models, 3, n_atoms)
        strain = of_atoms.new_zeros(n_models, self.n_structures, 6)
        for rows, jacobian in zip(self.groups, self.jacobians, strict=True):
            moved = torch.einsum("msi,sik->msk", rows.padded(of_atoms), jacobian)
            n = 3 * rows.n_rows
            by_row = moved[..., :n].reshape(*moved.shape[:2], rows.n_rows, 3)
            gradient = rows.put(by_row.permute(0, 3, 1, 2), gradient)
            strain = strain.index_copy(1, rows.structures, moved[..., n:])
        return gradient.transpose(1, 2), strain

    def cut(self, first: int, last: int, first_atom: int) -> "ChargeResponse":
        """Structures ``first`` to ``last - 1``."""
        cut = [rows.cut(first, last, first_atom) for rows in self.groups]
        some = [g for g, (rows, _) in enumerate(cut) if len(rows.structures)]
        return ChargeResponse(
            last - first,
            tuple(cut[g][0] for g in some),
            tuple(self.jacobians[g][cut[g][1]] for g in some),
        )
