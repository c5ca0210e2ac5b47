"""Neighbour pairs found on a device, by `vesin <https://luthaf.fr/vesin>`_; no pair is on the host.

vesin gives pairs in any order, as rows of (i, j) and the cell vectors added to r_j. What a
:class:`TensorTable` wants is made of them: images, which are the different (j, shift), and pairs in
the order of centre, species of the neighbour, image, so that a list is the same every time.

A search that a device cannot do (a library is missing, memory is short) is done by the CPU.
"""

from collections.abc import Sequence
from math import prod
from warnings import warn

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy import ndarray
from torch import Tensor

from miniff._neighbors import (
    ListedAtoms,
    NeighborTable,
    coincidence,
    coincident,
    refuse_absurd,
    search_pairs,
)
from miniff._pair_table import contiguous
from miniff.ml._device._grouping import SearchFailedError, number_pairs
from miniff.ml._device._table import DeviceTable, TensorTable, tensor_of
from miniff.ml._device._vesin import by_vesin, current

__all__ = ["DeviceSearch", "can_search"]

MOST_CELLS = 2**31
"""vesin numbers the cells into which it sorts atoms with 32 bits on a device."""

FEWEST_ATOMS = 400
"""For fewer the CPU is faster, and little has to be moved: of structures of 64 atoms an H200 listed
18 000 atoms per second, the CPU 41 000; of 512 atoms 121 000 and 104 000."""

WEIGHTS = np.random.default_rng(0).random(9)
"""Of what tells places apart: numbers of no kind, so that no symmetry makes two places equal."""


def can_search(device: torch.device) -> bool:
    """Whether vesin has a search for such a device."""
    return device.type in ("cpu", "cuda")


class DeviceSearch:
    """The :class:`miniff.potentials.PairSearch` of a device.

    Attributes:
        device: Where pairs are found.
        problem: Why the CPU has taken over; None while the device finds them.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.problem: str | None = None

    def __call__(
        self,
        atoms: ListedAtoms,
        positions: Float[ndarray, "n_atoms 3"],
        cell: Float[ndarray, "3 3"],
        periodic: Sequence[bool],
        cutoff: float,
    ) -> NeighborTable:
        """All pairs with r_ij < cutoff; arguments and errors of :func:`search_pairs`.

        The CPU finds those of few atoms. Warns once if the device cannot find them; the CPU does
        from then on.
        """
        if self.problem is not None or len(positions) < max(1, FEWEST_ATOMS) or cutoff == 0:
            return search_pairs(atoms, positions, cell, periodic, cutoff)
        try:
            return self._find(atoms, positions, cell, periodic, cutoff)
        except SearchFailedError as error:
            problem = str(error)
        table = search_pairs(atoms, positions, cell, periodic, cutoff)
        self.problem = problem  # of the device: the CPU would have refused a structure
        warn(
            f"neighbours for the device {self.device} are listed on the CPU, which is slower for "
            f"many atoms: {problem}",
            RuntimeWarning,
            stacklevel=3,
        )
        return table

    def _find(
        self,
        atoms: ListedAtoms,
        positions: ndarray,
        cell: ndarray,
        periodic: Sequence[bool],
        cutoff: float,
    ) -> DeviceTable:
        positions, cell = contiguous(positions), contiguous(cell)
        repeats = np.asarray(periodic, bool)
        refuse_absurd(positions, cell, periodic, cutoff)
        _refuse_uncountable(positions, cell[repeats], repeats, cutoff)
        try:
            with current(self.device):
                pairs = self._pairs(atoms, positions, cell, repeats, cutoff)
        except torch.cuda.OutOfMemoryError as error:
            raise SearchFailedError(f"it has too little memory for the search ({error})") from error
        return DeviceTable(
            names=atoms.names,
            cutoff=float(cutoff),
            positions=positions,
            cells=cell[None],
            species=atoms.species,
            structure=np.zeros(len(positions), np.int64),
            periodic=repeats[None],
            charges=atoms.charges,
            total_charge=atoms.total_charge,
            pairs=pairs,
        )

    def _pairs(
        self,
        atoms: ListedAtoms,
        positions: ndarray,
        cell: ndarray,
        repeats: ndarray,
        cutoff: float,
    ) -> TensorTable:
        points, box = tensor_of(positions, self.device), tensor_of(cell, self.device)
        species = tensor_of(atoms.species, self.device).long()
        _refuse_coincident(points, cell[repeats], coincidence(positions))
        found = by_vesin(points, box, repeats, cutoff)
        numbered = number_pairs(found, species, len(atoms.names))
        del found  # vesin has room for more pairs than there are
        return numbered.grouped().table(atoms.names, float(cutoff), points, box)


# --- what cannot be searched


def _refuse_uncountable(
    positions: Float64[ndarray, "n_atoms 3"],
    vectors: Float64[ndarray, "n_repeats 3"],
    repeats: ndarray,
    cutoff: float,
) -> None:
    """A device would write beyond its memory, or not come to an end.

    Raises:
        SearchFailedError: Atoms or a cell that the CPU may be able to handle.
    """
    widths = np.maximum(1.01 * np.ptp(positions, axis=0), 1.0)
    widths[repeats] = 1 / np.linalg.norm(np.linalg.pinv(vectors), axis=0)
    n_cells = np.maximum(np.floor(widths / cutoff), 1)
    n_looked_at = 2 * np.ceil(cutoff / widths) + 1
    if max(prod(n_cells.tolist()), prod(n_looked_at.tolist())) >= MOST_CELLS:
        raise SearchFailedError(
            f"the atoms fill {widths.tolist()}, which is too large or too flat for the cutoff "
            f"{cutoff:g}: vesin counts cells with 32 bits there"
        )


def _refuse_coincident(
    points: Float64[Tensor, "n_atoms 3"],
    vectors: Float64[ndarray, "n_repeats 3"],
    limit: float,
) -> None:
    """Refuses atoms closer than the limit, of which vesin leaves out pairs on a device.

    Atoms are put in the order of a number that is the same for all periodic images of a place.
    Those at one place follow each other; for rounding, two others may come between.
    """
    repeats = tensor_of(vectors, points.device)
    to_fraction = tensor_of(np.linalg.pinv(vectors), points.device)
    order = _numbers_of_places(points, repeats, to_fraction).argsort()
    for step in range(1, min(4, len(points))):
        one, other = order[step:], order[:-step]
        apart = points[one] - points[other]
        apart = apart - (apart @ to_fraction).round() @ repeats
        distance2, place = apart.square().sum(1).min(0)
        if float(distance2) < limit**2:
            raise coincident(int(one[place]), int(other[place]))


def _numbers_of_places(
    points: Float64[Tensor, "n_atoms 3"],
    repeats: Float64[Tensor, "n_repeats 3"],
    to_fraction: Float64[Tensor, "3 n_repeats"],
) -> Float64[Tensor, " n_atoms"]:
    fraction = points @ to_fraction
    beside = points - fraction @ repeats
    angle = 2 * torch.pi * fraction
    told_by = torch.cat([angle.cos(), angle.sin(), beside / beside.abs().max().clamp(min=1)], dim=1)
    return told_by @ tensor_of(WEIGHTS[: told_by.shape[1]], told_by.device)
