"""Energies and forces of a small structure as one fixed sequence of operations.

Starting an operation on a device takes about as long for ten atoms as for a thousand. Here rows of
neighbours are made once for each list, of all pairs in it: functions are zero beyond their cutoff.
A step is then a function of positions and cells, in which nothing waits for a number, so that it
can be recorded and replayed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int64
from numpy import ndarray
from torch import Tensor

from miniff.ml._device._choice import on
from miniff.ml._device._energies import SpeciesEnergies
from miniff.ml._device._table import Rows, TensorTable, neighbors_in

__all__ = ["SMALL_NUMBERS", "FixedStep", "Found"]

SMALL_NUMBERS = 2.0**29
"""A structure is small if its step needs at most so many numbers. On an H200 4096 atoms with 8 + 24
functions, the last that are small, take 4.2 ms so, and 5.7 ms with pairs beyond the cutoff left out
in every step, which then pays."""
SMALL_PAIRS = 2**21
"""Nor has it more pairs. Kernels need few numbers, but work for pairs beyond the cutoff too."""


class Found(NamedTuple):
    """What a step finds.

    Attributes:
        energies: Of the atoms (energy).
        gradient: dE/dr of the atoms (energy/length).
        strain: dE/d(strain) of the structures (energy).
        grades: How far atoms are outside of the training set; nan where nothing is known.
    """

    energies: Float64[Tensor, " n_atoms"]
    gradient: Float64[Tensor, "n_atoms 3"]
    strain: Float64[Tensor, "n_structures 3 3"]
    grades: Float64[Tensor, "n_atoms 2"]


@dataclass(frozen=True, eq=False)
class _Group:
    """Atoms of one species in one row.

    Attributes:
        parts: What is summed for each of them.
        row: Their neighbours.
    """

    parts: Sequence[SpeciesEnergies]
    row: Rows

    @property
    def n_places(self) -> int:
        return self.row.images.numel()

    def of(
        self, vectors: Float64[Tensor, "n_centres n_places 3"]
    ) -> tuple[Float64[Tensor, " n_centres"], Float64[Tensor, "n_centres 2"] | None]:
        """Energies, and grades if they are known."""
        energies, grades = None, None
        for part in self.parts:
            values = part.values(vectors, self.row.species_places)
            own = part.of(values)
            energies = own if energies is None else energies + own
            if part.training is not None:
                known = part.training.grades(values.detach())
                grades = known if grades is None else grades.fmax(known)
        assert energies is not None
        return energies, grades


class FixedStep:
    """From positions and cells to energies and their derivatives, as long as a list holds.

    Attributes:
        n_atoms: Of the list.
        n_structures: Of the list.
    """

    def __init__(self, table: TensorTable, groups: Sequence[_Group]) -> None:
        """Puts all that stays on the device of a table.

        Args:
            table: With all pairs.
            groups: Atoms of several species, each in one of them at most.
        """
        device = table.images.device
        self.n_atoms, self.n_structures = table.n_atoms, table.n_structures
        self._groups = tuple(groups)
        self._image_atom, self._image_shift = table.image_atom, table.image_shift
        self._image_structure = table.structure[table.image_atom]
        self._structures = [table.structure[group.row.centres] for group in groups]
        self._images = _joined([group.row.images.flatten() for group in groups], device)
        self._taken = _joined([group.row.taken.flatten() for group in groups], device).bool()
        self._centres = _joined([_centre_of_place(group.row) for group in groups], device)
        self._neighbors = table.image_atom[self._images]
        far = max((part.functions.far for g in groups for part in g.parts), default=1.0)
        self._far = on(device).new_tensor(far)
        self._places = _inverse([group.row.centres for group in groups], table.n_atoms, device)
        self._nothing = on(device).new_zeros(1)
        self._unknown = on(device).new_full((table.n_atoms, 2), torch.nan)

    @staticmethod
    def of(
        table: TensorTable,
        atoms: Mapping[str, Int64[Tensor, " n_of_species"]],
        parts: Sequence[SpeciesEnergies],
        most: float,
    ) -> "FixedStep | None":
        """The step of a list; None if that is not small.

        Args:
            table: The list.
            atoms: Of each species.
            parts: What is summed.
            most: So many numbers are in memory together.
        """
        if len(table.neighbor) > SMALL_PAIRS:
            return None
        own = {name: [part for part in parts if part.name == name] for name in atoms}
        wanted = [name for name in atoms if own[name] and len(atoms[name])]
        widths = {name: table.widths(atoms[name]) for name in wanted}
        needed = sum(
            len(atoms[name]) * part.functions.n_numbers(neighbors_in(widths[name]))
            for name in wanted
            for part in own[name]
        )
        if needed > most:
            return None
        rows = {name: table.row(atoms[name], widths[name]) for name in wanted}
        return FixedStep(table, [_Group(own[name], rows[name]) for name in wanted])

    def __call__(
        self,
        positions: Float64[Tensor, "n_atoms 3"],
        cells: Float64[Tensor, "n_structures 3 3"],
    ) -> Found:
        """Where atoms and cells are (length)."""
        vectors = self._vectors(positions, cells)
        with torch.enable_grad():
            vectors = vectors.detach().requires_grad_()
            found = [
                group.of(own) for group, own in zip(self._groups, self._split(vectors), strict=True)
            ]
            by_vector = _slope([energies for energies, _ in found], vectors)
        gradient = positions.new_zeros(self.n_atoms, 3)
        gradient.index_add_(0, self._neighbors, by_vector)
        gradient.index_add_(0, self._centres, by_vector, alpha=-1)
        return Found(
            self._in_order([energies.detach() for energies, _ in found], self._nothing),
            gradient,
            self._strain(vectors.detach(), by_vector),
            self._grades([grades for _, grades in found]),
        )

    @property
    def n_numbers(self) -> int:
        """How many :meth:`flat` takes."""
        return 3 * self.n_atoms + 9 * self.n_structures

    def flat(self, numbers: Float64[Tensor, " n_numbers"]) -> Float64[Tensor, " n_found"]:
        """From positions and cells in a row to what is found, in a row."""
        n = 3 * self.n_atoms
        found = self(numbers[:n].view(-1, 3), numbers[n:].view(-1, 3, 3))
        return torch.cat([part.flatten() for part in found])

    def parts_of(self, found: Float64[ndarray, " n_found"]) -> list[Float64[ndarray, "*shape"]]:
        """What is in a row that :meth:`flat` gave: energies, gradient, strain and grades."""
        n, m = self.n_atoms, self.n_structures
        shapes = ((n,), (n, 3), (m, 3, 3), (n, 2))
        ends = np.cumsum([prod(shape) for shape in shapes])
        return [
            own.reshape(shape)
            for own, shape in zip(np.split(found, ends[:-1]), shapes, strict=True)
        ]

    def _vectors(self, positions: Tensor, cells: Tensor) -> Float64[Tensor, "n_places 3"]:
        """r_j - r_i of all places of all groups; longer than every cutoff where none is taken."""
        images = positions[self._image_atom]
        if self.n_structures == 1:
            images = torch.addmm(images, self._image_shift, cells[0])
        else:
            of_image = cells[self._image_structure]
            images = torch.baddbmm(images[:, None], self._image_shift[:, None], of_image)[:, 0]
        vectors = images[self._images] - positions[self._centres]
        return torch.where(self._taken[:, None], vectors, self._far)

    def _split(self, flat: Tensor) -> list[Float64[Tensor, "n_centres n_places 3"]]:
        parts = flat.split([group.n_places for group in self._groups])
        return [
            own.unflatten(0, tuple(group.row.images.shape))
            for own, group in zip(parts, self._groups, strict=True)
        ]

    def _strain(self, vectors: Tensor, by_vector: Tensor) -> Float64[Tensor, "n_structures 3 3"]:
        if self.n_structures == 1:  # all threads of a device would wait for nine numbers
            return (vectors.T @ by_vector)[None]
        strain = vectors.new_zeros(self.n_structures, 3, 3)
        for structure, r, slope in zip(
            self._structures, self._split(vectors), self._split(by_vector), strict=True
        ):
            strain.index_add_(0, structure, r.transpose(1, 2) @ slope)
        return strain

    def _grades(self, found: Sequence[Tensor | None]) -> Float64[Tensor, "n_atoms 2"]:
        if all(grades is None for grades in found):
            return self._unknown
        known = [
            self._unknown[: len(group.row.centres)] if grades is None else grades
            for grades, group in zip(found, self._groups, strict=True)
        ]
        return self._in_order(known, self._unknown[:1])

    def _in_order(self, found: Sequence[Tensor], other: Tensor) -> Tensor:
        """Of all atoms from those of the groups; something else for atoms in none."""
        return torch.cat([*found, other])[self._places]


def _slope(energies: Sequence[Tensor], vectors: Tensor) -> Tensor:
    """dE/dr of the vectors; zero if no function sees a neighbour."""
    own = [energy for energy in energies if energy.requires_grad]
    if not own:
        return torch.zeros_like(vectors)
    seeds = [torch.ones_like(energy) for energy in own]
    slope: Tensor = torch.autograd.grad(own, vectors, seeds)[0]
    return slope


def _centre_of_place(row: Rows) -> Int64[Tensor, " n_places"]:
    return row.centres[:, None].expand(row.images.shape).flatten()


def _joined(parts: Sequence[Tensor], device: torch.device) -> Tensor:
    return torch.cat([torch.zeros(0, dtype=torch.int64, device=device), *parts])


def _inverse(
    centres: Sequence[Tensor], n_atoms: int, device: torch.device
) -> Int64[Tensor, " n_atoms"]:
    """Where each atom is among the centres, one after the last if it is not there."""
    atoms = _joined(centres, device)
    places = torch.full((n_atoms,), len(atoms), device=device)
    places[atoms] = torch.arange(len(atoms), device=device)
    return places
