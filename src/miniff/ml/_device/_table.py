"""The table of neighbour pairs as tensors on a device, and rows of it of bounded size.

Neighbours of a centre are sorted by species. Rows of several centres are padded to the same length,
centres with as many neighbours together, so that sums over neighbours are products of matrices.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from numpy import ndarray
from torch import Tensor

from miniff._neighbors import NeighborTable, PairTable
from miniff._pair_table import contiguous, make_table
from miniff.ml._device._shell import Places
from miniff.potentials._symmetry import ANY_SPECIES

__all__ = ["PAIRS_AT_A_TIME", "DeviceTable", "Rows", "TensorTable", "neighbors_in", "tensor_of"]

PAIRS_AT_A_TIME = 2**22
"""What is computed of each pair is in memory for so many together."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Some centres with their neighbours, padded.

    Attributes:
        places: Of the centres in the list they were taken from.
        centres: The atoms.
        images: The neighbouring images, 0 where a place is not taken.
        taken: Which places are.
        bounds: Neighbours of species s have the places bounds[s] ... bounds[s + 1] - 1.
    """

    places: Int64[Tensor, " n_centres"]
    centres: Int64[Tensor, " n_centres"]
    images: Int64[Tensor, "n_centres n_places"]
    taken: Bool[Tensor, "n_centres n_places"]
    bounds: tuple[int, ...]

    @cached_property
    def species_places(self) -> Places:
        """Where neighbours of each species are."""
        return Places(self.bounds)

    def vectors(
        self, images: Float64[Tensor, "n_images 3"], far: float
    ) -> Float64[Tensor, "n_centres n_places 3"]:
        """r_j - r_i of the neighbours; as long as ``far`` in places that are not taken (length)."""
        found = images[self.images] - images[self.centres][:, None]
        return torch.where(self.taken[..., None], found, far)

    def differences(
        self, by_image: Float[Tensor, "n_models n_images 3"]
    ) -> Float[Tensor, "n_models n_centres n_places 3"]:
        """What changes of the images are for the vectors; 0 in places that are not taken."""
        found = by_image[:, self.images] - by_image[:, self.centres][:, :, None]
        return found * self.taken[..., None]

    def add(
        self,
        by_vector: Float[Tensor, "n_models n_centres n_places 3"],
        by_image: Float64[Tensor, "n_models n_images 3"],
    ) -> None:
        """by_image += what derivatives by the vectors are by the images."""
        by_vector = (by_vector * self.taken[..., None]).to(by_image.dtype)
        by_image.index_add_(1, self.images.flatten(), by_vector.flatten(1, 2))
        by_image.index_add_(1, self.centres, -by_vector.sum(2))


@dataclass(frozen=True, eq=False)
class TensorTable:
    """A :class:`PairTable` on a device; attributes are those of the table.

    Attributes:
        names: Species names.
        cutoff: All pairs with r_ij < cutoff are listed (length).
        images: Positions of the images (length).
        structure: Which structure an atom belongs to.
        image_atom: The atom an image is of.
        image_shift: Whole cell vectors added to its position.
        centre: The centre atom of each pair.
        neighbor: The neighbouring image of each pair; those of a centre sorted by species.
        counts: How many pairs each centre has with each species.
        n_structures: How many there are.
    """

    names: tuple[str, ...]
    cutoff: float
    images: Float64[Tensor, "n_images 3"]
    structure: Int64[Tensor, " n_atoms"]
    image_atom: Int64[Tensor, " n_images"]
    image_shift: Float64[Tensor, "n_images 3"]
    centre: Int64[Tensor, " n_pairs"]
    neighbor: Int64[Tensor, " n_pairs"]
    counts: Int64[Tensor, "n_atoms n_species"]
    n_structures: int

    @staticmethod
    def of(table: PairTable, device: torch.device) -> "TensorTable":
        """A copy of a table on a device."""
        n_species = max(len(table.names), 1)
        species = _moved(table.species, device)
        image_atom, neighbor = _moved(table.image_atom, device), _moved(table.neighbor, device)
        start = _moved(table.start, device)
        atoms = torch.arange(table.n_atoms, device=device)
        centre = atoms.repeat_interleave(start.diff(), output_size=table.n_pairs)
        key = centre * n_species + species[image_atom[neighbor]]
        if n_species > 1:
            key, order = key.sort(stable=True)
            neighbor = neighbor[order]
        return TensorTable(
            names=table.names,
            cutoff=table.cutoff,
            images=tensor_of(table.images, device),
            structure=_moved(table.structure, device),
            image_atom=image_atom,
            image_shift=_moved(table.image_shift, device).double(),
            centre=centre,
            neighbor=neighbor,
            counts=_counted(key, table.n_atoms, n_species),
            n_structures=table.n_structures,
        )

    @property
    def n_atoms(self) -> int:
        return len(self.structure)

    @property
    def n_images(self) -> int:
        return len(self.image_atom)

    @cached_property
    def first(self) -> Int64[Tensor, "n_atoms n_species"]:
        """Place of the first pair of each centre and species."""
        flat = self.counts.flatten()
        return (flat.cumsum(0) - flat).reshape(self.counts.shape)

    def at(self, table: NeighborTable) -> "TensorTable":
        """The same pairs with atoms and cells where another table has them."""
        device = self.images.device
        positions, cells = (tensor_of(own, device) for own in (table.positions, table.cells))
        return replace(self, images=self.image_positions(positions, cells))

    def image_positions(
        self,
        positions: Float[Tensor, "n_atoms 3"],
        cells: Float[Tensor, "n_structures 3 3"],
    ) -> Float[Tensor, "n_images 3"]:
        """Positions of the images, differentiable in positions and cells (length)."""
        shift = self.image_shift.to(positions.dtype)
        if self.n_structures == 1:
            return torch.addmm(positions[self.image_atom], shift, cells[0])
        of_image = cells[self.structure[self.image_atom]]
        moved = torch.einsum("ma,max->mx", shift, of_image)  # [image, cell vector, xyz]
        return positions[self.image_atom] + moved

    def within(self, cutoff: float) -> "TensorTable":
        """With the pairs closer than a cutoff alone (length)."""
        if len(self.neighbor) == 0 or cutoff >= self.cutoff:
            return self
        near = torch.cat(
            [
                (self.images[m] - self.images[i]).square().sum(1) < cutoff**2
                for i, m in zip(
                    self.centre.split(PAIRS_AT_A_TIME),
                    self.neighbor.split(PAIRS_AT_A_TIME),
                    strict=True,
                )
            ]
        )
        n_species = self.counts.shape[1]
        cells = torch.arange(self.counts.numel(), device=near.device)
        key = cells.repeat_interleave(self.counts.flatten(), output_size=len(near))[near]
        return replace(
            self,
            cutoff=min(cutoff, self.cutoff),
            centre=self.centre[near],
            neighbor=self.neighbor[near],
            counts=_counted(key, self.n_atoms, n_species),
        )

    def rows(
        self,
        centres: Int64[Tensor, " n_centres"],
        n_numbers: Callable[[Callable[[int], float]], float],
        most: float,
        most_empty: float = inf,
    ) -> Iterator[Rows]:
        """All pairs of some centres, in rows that need little memory.

        Args:
            centres: Atoms.
            n_numbers: What a centre needs, from a function that gives the number of its neighbours
                of a species code.
            most: Each part needs at most so much, or has one centre.
            most_empty: Each part has at most so many places that no neighbour takes.
        """
        counts = self.counts[centres]
        order = counts.sum(1).argsort(stable=True)
        # The one time that the host has to know something.
        sorted_counts = counts[order].cpu().numpy()
        for chosen, widths in _parts(sorted_counts, n_numbers, most, most_empty):
            places = order[chosen]
            yield self._rows(places, centres[places], widths)

    def widths(self, centres: Int64[Tensor, " n_centres"]) -> list[int]:
        """The greatest number of neighbours of each species that one of some centres has."""
        if len(centres) == 0:
            return [0] * self.counts.shape[1]
        found: list[int] = self.counts[centres].amax(0).tolist()
        return found

    def row(self, centres: Int64[Tensor, " n_centres"], widths: Sequence[int]) -> Rows:
        """All pairs of some centres, with so many places for neighbours of each species."""
        places = torch.arange(len(centres), device=centres.device)
        return self._rows(places, centres, widths)

    def _rows(self, places: Tensor, atoms: Tensor, widths: Sequence[int]) -> Rows:
        pairs, taken = [], []
        for species, width in enumerate(widths):
            step = torch.arange(width, device=atoms.device)
            is_taken = step < self.counts[atoms, species][:, None]
            pair = self.first[atoms, species][:, None] + step
            pairs.append(torch.where(is_taken, pair, 0))
            taken.append(is_taken)
        place = torch.cat(pairs, dim=1)
        return Rows(
            places=places,
            centres=atoms,
            images=self.neighbor[place] if place.numel() else place,
            taken=torch.cat(taken, dim=1),
            bounds=(0, *np.cumsum(widths).tolist()),
        )

    def gather(
        self, by_image: Float64[Tensor, "n_models n_images 3"]
    ) -> tuple[Float64[Tensor, "n_models n_atoms 3"], Float64[Tensor, "n_models n_structures 3 3"]]:
        """dE/dr of the atoms and dE/d(strain) of the structures from dE/dx of the images."""
        n_models = len(by_image)
        gradient = by_image.new_zeros(n_models, self.n_atoms, 3)
        gradient = gradient.index_add(1, self.image_atom, by_image)
        if self.n_structures == 1:  # all threads of a device would wait for nine numbers
            return gradient, (self.images.T @ by_image)[:, None]
        products = self.images[:, :, None] * by_image[:, :, None]  # [model, image, x, by x]
        strain = by_image.new_zeros(n_models, self.n_structures, 3, 3)
        return gradient, strain.index_add(1, self.structure[self.image_atom], products)


@dataclass(frozen=True, eq=False)
class DeviceTable(NeighborTable):
    """One structure whose pairs were found on a device and lie there.

    It has what :class:`NeighborTable` says, and the pairs.

    Attributes:
        pairs: With the images where they were when the list was made.
    """

    pairs: TensorTable

    @property
    def n_pairs(self) -> int:
        return len(self.pairs.neighbor)

    def moved(
        self, positions: Float[ndarray, "n_atoms 3"], cells: Float[ndarray, "n_structures 3 3"]
    ) -> "DeviceTable":
        """The same pairs with atoms and cells elsewhere (length); no pair is added or dropped."""
        return replace(self, positions=contiguous(positions), cells=contiguous(cells))

    def on_host(self) -> PairTable:
        """A copy of the pairs as the compiled core takes them; it takes 4 bytes for each."""
        pairs = self.pairs
        start = np.zeros(self.n_atoms + 1, np.int64)
        start[1:] = pairs.counts.sum(1).cumsum(0).cpu().numpy()
        return make_table(
            names=self.names,
            cutoff=self.cutoff,
            positions=self.positions,
            cells=self.cells,
            species=self.species,
            structure=self.structure,
            start=start,
            neighbor=pairs.neighbor.int().cpu().numpy(),
            image_atom=pairs.image_atom.int().cpu().numpy(),
            image_shift=pairs.image_shift.int().cpu().numpy(),
            periodic=self.periodic,
            charges=self.charges,
            total_charge=self.total_charge,
        )


def _parts(
    counts: Int64[ndarray, "n_centres n_species"],
    n_numbers: Callable[[Callable[[int], float]], float],
    most: float,
    most_empty: float,
) -> Iterator[tuple[slice, list[int]]]:
    """Runs of centres, and the greatest number of neighbours of each species in them."""

    def needed(widths: ndarray) -> float:
        return n_numbers(neighbors_in(widths))

    taken = np.concatenate([[0], counts.sum(1).cumsum()])
    begin = 0
    while begin < len(counts):
        # No more than if all were as the first, which has the fewest neighbours.
        limit = max(1, min(len(counts) - begin, int(most / needed(counts[begin]))))
        widths = np.maximum.accumulate(counts[begin : begin + limit])
        fits = bisect_right(range(1, limit + 1), most, key=lambda n: n * needed(widths[n - 1]))
        n_places = np.arange(1, limit + 1) * widths.sum(1)
        n_empty = n_places - (taken[begin + 1 : begin + 1 + limit] - taken[begin])
        n = max(1, min(fits, int(np.searchsorted(n_empty, most_empty, side="right"))))
        yield slice(begin, begin + n), widths[n - 1].tolist()
        begin += n


def neighbors_in(widths: Sequence[int] | ndarray) -> Callable[[int], float]:
    """How many neighbours of a species code there are in places of such widths."""

    def n_neighbors(code: int) -> float:
        if code == ANY_SPECIES:
            return float(sum(widths))
        return float(widths[code]) if code < len(widths) else 0.0

    return n_neighbors


def _counted(key: Tensor, n_atoms: int, n_species: int) -> Int64[Tensor, "n_atoms n_species"]:
    counts = torch.zeros(n_atoms * n_species, dtype=torch.int64, device=key.device)
    return counts.index_add_(0, key, torch.ones_like(key)).reshape(n_atoms, n_species)


def tensor_of(array: ndarray, device: torch.device) -> Tensor:
    """On a device; torch wants to be able to write to what it shares."""
    return torch.from_numpy(np.require(array, requirements=["C", "W"])).to(device)


def _moved(array: ndarray, device: torch.device) -> Int64[Tensor, "*shape"]:
    return tensor_of(array, device).long()
