"""Pairs of (i, j, shift) on a device, grouped into the images and rows of a :class:`TensorTable`.

Beside what a search found and what is kept, pairs are in memory as whole numbers: three for each
while they are sorted, and some others for ``PAIRS_AT_A_TIME`` together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import torch
from jaxtyping import Float64, Int32, Int64
from torch import Tensor

from miniff.ml._device._table import PAIRS_AT_A_TIME, TensorTable

__all__ = ["Found", "Grouped", "SearchFailedError", "number_pairs"]


class SearchFailedError(RuntimeError):
    """A device cannot find pairs; the CPU may."""


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found, in any order.

    Attributes:
        pairs: (i, j).
        shifts: Whole cell vectors added to r_j.
        owner: Whose memory they are.
    """

    pairs: Int64[Tensor, "n_pairs 2"]
    shifts: Int32[Tensor, "n_pairs 3"]
    owner: object

    def parts(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Centres, neighbours and shifts of some pairs at a time."""
        for pairs, shifts in zip(
            self.pairs.split(PAIRS_AT_A_TIME), self.shifts.split(PAIRS_AT_A_TIME), strict=True
        ):
            yield pairs[:, 0], pairs[:, 1], shifts


@dataclass(frozen=True)
class _Code:
    """A whole number for an atom and a shift: atom, then shift, in rising order.

    Attributes:
        low: The least component of shifts along each cell vector.
        span: How many values it may have.
    """

    low: tuple[int, ...]
    span: tuple[int, ...]

    @staticmethod
    def of(shifts: Int32[Tensor, "n_pairs 3"], n_atoms: int) -> "_Code":
        """One that can tell these apart.

        Raises:
            SearchFailedError: They are too many for 63 bits.
        """
        if len(shifts) == 0:
            return _Code((0, 0, 0), (1, 1, 1))
        low, high = (tuple(own.tolist()) for own in torch.aminmax(shifts, dim=0))
        span = tuple(last - first + 1 for first, last in zip(low, high, strict=True))
        if n_atoms * prod(span) >= 2**63:
            raise SearchFailedError(
                f"atoms are up to {max(span)} cell vectors away from each other, too many to be "
                "numbered there: put them into the cell"
            )
        return _Code(low, span)

    def number(self, atom: Int64[Tensor, " n"], shift: Int32[Tensor, "n 3"]) -> Int64[Tensor, " n"]:
        code = atom
        for k, (low, span) in enumerate(zip(self.low, self.span, strict=True)):
            code = code * span + (shift[:, k] - low)
        return code

    def meaning(self, code: Int64[Tensor, " n"]) -> tuple[Int64[Tensor, " n"], Tensor]:
        """Atom and shift."""
        shift = []
        for low, span in zip(reversed(self.low), reversed(self.span), strict=True):
            shift.append(code % span + low)
            code = code // span
        return code, torch.stack(shift[::-1], dim=1)


@dataclass(frozen=True, eq=False)
class Grouped:
    """Images, and pairs of a centre and an image.

    Attributes:
        image_atom: The atom an image is of; the first images are the atoms themselves.
        image_shift: Whole cell vectors added to its position.
        first: Where pairs of each centre and species begin, and where the last ones end.
        neighbor: The neighbouring image of each pair, in this order.
    """

    image_atom: Int64[Tensor, " n_images"]
    image_shift: Int64[Tensor, "n_images 3"]
    first: Int64[Tensor, " n_atoms_by_species_and_one"]
    neighbor: Int64[Tensor, " n_pairs"]

    def table(
        self,
        names: tuple[str, ...],
        cutoff: float,
        points: Float64[Tensor, "n_atoms 3"],
        box: Float64[Tensor, "3 3"],
    ) -> TensorTable:
        """With the atoms and their box at these places."""
        n_atoms, device = len(points), points.device
        counts = self.first.diff().reshape(n_atoms, -1)
        atoms = torch.arange(n_atoms, device=device)
        shift = self.image_shift.double()
        return TensorTable(
            names=names,
            cutoff=cutoff,
            images=points[self.image_atom] + shift @ box,
            structure=torch.zeros_like(atoms),
            image_atom=self.image_atom,
            image_shift=shift,
            centre=atoms.repeat_interleave(counts.sum(1), output_size=len(self.neighbor)),
            neighbor=self.neighbor,
            counts=counts,
            n_structures=1,
        )


@dataclass(frozen=True, eq=False)
class Numbered:
    """Pairs as whole numbers: what orders them, and all that they are.

    Attributes:
        keys: (centre * n_species + species of the neighbour) * n_images + image.
        code: Of atoms that cell vectors have moved.
        moved: Codes of those that are neighbours, rising: images beyond the atoms.
        n_atoms: How many there are.
        n_species: How many there are.
    """

    keys: Int64[Tensor, " n_pairs"]
    code: _Code
    moved: Int64[Tensor, " n_moved"]
    n_atoms: int
    n_species: int

    def grouped(self) -> Grouped:
        """In the order of the numbers."""
        n_images = self.n_atoms + len(self.moved)
        keys, _ = self.keys.sort()
        rows = torch.arange(self.n_atoms * self.n_species + 1, device=keys.device)
        first = torch.searchsorted(keys, rows * n_images)
        atom, shift = self.code.meaning(self.moved)
        return Grouped(
            image_atom=torch.cat([torch.arange(self.n_atoms, device=keys.device), atom]),
            image_shift=torch.cat([shift.new_zeros(self.n_atoms, 3), shift]),
            first=first,
            neighbor=keys.remainder_(n_images),
        )


def number_pairs(found: Found, species: Int64[Tensor, " n_atoms"], n_species: int) -> Numbered:
    """Numbers images and pairs; what was found is not needed any more then.

    Args:
        found: Each pair once in each direction.
        species: Codes of the atoms.
        n_species: How many there are.

    Raises:
        SearchFailedError: More shifts than can be numbered.
    """
    n_atoms = len(species)
    code = _Code.of(found.shifts, n_atoms)
    moved = _moved(found, code)
    keys = found.pairs.new_empty(len(found.pairs))
    for out, (i, j, shift) in zip(keys.split(PAIRS_AT_A_TIME), found.parts(), strict=True):
        is_moved = (shift != 0).any(1)
        of_moved = torch.searchsorted(moved, code.number(j[is_moved], shift[is_moved]))
        image = j.clone()
        image[is_moved] = n_atoms + of_moved
        out.copy_((i * n_species + species[j]) * (n_atoms + len(moved)) + image)
    return Numbered(keys, code, moved, n_atoms, n_species)


def _moved(found: Found, code: _Code) -> Int64[Tensor, " n_moved"]:
    codes = [found.pairs.new_empty(0)]
    for _, j, shift in found.parts():
        is_moved = (shift != 0).any(1)
        codes.append(code.number(j[is_moved], shift[is_moved]).unique())
    together: Tensor = torch.cat(codes).unique()
    return together
