"""The neighbours of a structure, and potentials evaluated on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float, Float64, Int64
from numpy import ndarray

from miniff._charges import GivenCharges
from miniff._checks import unknown_name
from miniff._neighbors import PairTable, find_pairs
from miniff.kernel._cell import Cell, as_directions, how_to_make_one
from miniff.kernel._distributions import angular_distribution, radial_distribution
from miniff.potentials import (
    LocalPotential,
    Potential,
    listed_potentials,
    potential_values,
    refuse_long_range,
    refuse_short_table,
    refuse_unknown_species,
)

if TYPE_CHECKING:
    import scipy.sparse

__all__ = ["CellImages", "compute_images"]

KERNELS = ("kernel", "kernel_gradient")


@dataclass(frozen=True, eq=False)
class CellImages:
    """A structure with its neighbour pairs; made by :func:`compute_images`.

    Attributes:
        cell: The structure, unchanged.
        table: Its directed pairs, an atom's own periodic images included.
    """

    cell: Cell
    table: PairTable

    @property
    def cutoff(self) -> float:
        """All pairs with r_ij below this are listed (length)."""
        return self.table.cutoff

    @cached_property
    def shift_vectors(self) -> Int64[ndarray, "n_images 3"]:
        """The images that occur, as multiples of the cell vectors; the first is the cell itself."""
        return self._images[0]

    @cached_property
    def distances(self) -> "scipy.sparse.csr_array":
        """Distances r_ij (length), sparse [n_atoms, n_images n_atoms].

        Column m n_atoms + j is atom j in image m of ``shift_vectors``. Pairs are directed, and an
        atom is not its own neighbour, but its images are.
        """
        # Imported here: it takes as long as the rest of miniff.kernel.
        from scipy.sparse import csr_array

        n = self.table.n_atoms
        shift_vectors, image = self._images
        columns = image * n + self.table.other
        r = np.linalg.norm(self.table.vectors, axis=1)
        shape = (n, len(shift_vectors) * n)
        return csr_array((r, (self.table.centre, columns)), shape=shape)

    @cached_property
    def _images(self) -> tuple[Int64[ndarray, "n_images 3"], Int64[ndarray, " n_pairs"]]:
        """The images, and which one the neighbour of each pair lies in."""
        shifts = self.table.shifts.astype(np.int64)
        unique, image = np.unique(
            np.vstack([np.zeros((1, 3), np.int64), shifts]), axis=0, return_inverse=True
        )
        home = image[0]
        order = np.r_[home, np.delete(np.arange(len(unique)), home)]
        place = np.empty(len(unique), np.int64)
        place[order] = np.arange(len(unique))
        return unique[order], place[image[1:]]

    def eval(
        self,
        potentials: Potential | Sequence[Potential],
        kernel: Literal["kernel", "kernel_gradient"] = "kernel",
        *,
        ignore_missing_species: bool = False,
    ) -> Float64[ndarray, "*shape"]:
        """Per-atom energies, or their dense gradients.

        Args:
            potentials: One potential or several.
            kernel: ``"kernel"`` for energies e_i; ``"kernel_gradient"`` for d e_i / d r_j, which
                takes n_atoms^2 numbers per potential: :meth:`sparse_gradient` gives those that are
                not zero, :func:`miniff.kernel.eval` the gradient of the total energy.
            ignore_missing_species: Let a potential name species that are not in the structure.

        Returns:
            [n_atoms] or [n_atoms, n_atoms, 3] for one potential; with one more axis in front for a
            list of them.

        Raises:
            ValueError: A cutoff longer than the neighbour list's, an unknown species or kernel.
        """
        if kernel not in KERNELS:
            raise ValueError(unknown_name("kernel", kernel, KERNELS))
        single = isinstance(potentials, Potential)
        several = listed_potentials(potentials)
        if not ignore_missing_species:
            refuse_unknown_species(several, self.table.names)
        if kernel == "kernel":
            result = potential_values(several, self.table)
        else:
            n = self.table.n_atoms
            result = np.zeros((len(several), n, n, 3))
            local = refuse_long_range(several, 'a "kernel_gradient"')
            for out, potential in zip(result, local, strict=True):
                self._add_gradient(potential, out)
        return result[0] if single else result

    def sparse_gradient(
        self, potential: LocalPotential, *, ignore_missing_species: bool = False
    ) -> "scipy.sparse.csr_array":
        """d e_i / d r_j of one potential as a sparse matrix [n_atoms, 3 n_atoms] (energy/length).

        Row i has the derivatives of the energy of atom i, column 3 j + x that by component x of the
        position of atom j: ``sparse_gradient(p).toarray().reshape(n, n, 3)`` is
        ``eval(p, "kernel_gradient")``. It takes memory for the neighbours alone.

        Args:
            potential: A formula, a network or a Python function.
            ignore_missing_species: Let it name species that are not in the structure.

        Raises:
            ValueError: A cutoff longer than the neighbour list's, or an unknown species.
        """
        from scipy.sparse import coo_array

        if not ignore_missing_species:
            refuse_unknown_species([potential], self.table.names)
        refuse_short_table([potential], self.table)
        gradient = potential.pair_gradient(self.table)
        pairs = np.flatnonzero(gradient.any(axis=1))
        centre, other = self.table.centre[pairs], self.table.other[pairs].astype(np.int64)
        columns = (3 * np.concatenate([other, centre])[:, None] + np.arange(3)).ravel()
        rows = np.repeat(np.concatenate([centre, centre]), 3)
        values = np.concatenate([gradient[pairs], -gradient[pairs]]).ravel()
        n = self.table.n_atoms
        return coo_array((values, (rows, columns)), shape=(n, 3 * n)).tocsr()

    def rdf(
        self, r: Float[ndarray, " n_points"], sigma: float, *, normalize: bool = False
    ) -> dict[str, Float64[ndarray, " n_points"]]:
        """Radial distribution: the density of one species at a distance from another's atoms.

        rdf(r) = 1/(4 pi r^2 N_s1) sum_ij G(r - r_ij; sigma) over directed pairs, G a normalised
        Gaussian cut off at 6 sigma.

        Args:
            r: Distances, in any order (length).
            sigma: Width of the Gaussians (length).
            normalize: Divide by the mean density of s2, which gives the usual g(r) without unit:
                1 for atoms at random places.

        Returns:
            For each ``"s1-s2"``, s1 <= s2, the density of s2 around atoms of s1 (1/length^3). That
            of s1 around s2 is N_s1 / N_s2 times as large; normalised, both are the same.

        Raises:
            ValueError: Distances or widths that are not positive, a neighbour list that does not
                reach 6 sigma beyond the largest distance, or, to be normalised, a structure that
                does not repeat along all cell vectors and so has no density.
        """
        if normalize and not all(self.cell.pbc):
            raise ValueError(
                f"`pbc` is {self.cell.pbc}: a structure that does not repeat along all cell "
                "vectors has no mean density to normalize by"
            )
        volume = self.cell.volume if normalize else None
        return radial_distribution(self.table, volume, r, sigma)

    def adf(
        self, theta: Float[ndarray, " n_points"], sigma: float, cutoff: float
    ) -> dict[str, Float64[ndarray, " n_points"]]:
        """Angular distribution: adf(theta) = sum_jik G(theta - theta_jik; sigma) over all triples.

        Two neighbours j and k of a centre i make one triple, whatever their order; G is a
        normalised Gaussian cut off at 6 sigma. Nothing is divided by the number of atoms.

        Args:
            theta: Angles, in any order (radian).
            sigma: Width of the Gaussians (radian).
            cutoff: Neighbours are those with r_ij < cutoff (length).

        Returns:
            For each ``"s0-[s1,s2]"``, s1 <= s2, around atoms of s0: triples per radian.

        Raises:
            ValueError: Angles outside [0, pi], a width that is not positive, or a cutoff longer
                than that of the neighbour list.
        """
        return angular_distribution(self.table, theta, sigma, cutoff)

    def _add_gradient(self, potential: LocalPotential, out: ndarray) -> None:
        """out[i, j] += d e_i / d r_j"""
        refuse_short_table([potential], self.table)
        gradient = potential.pair_gradient(self.table)
        np.add.at(out, (self.table.centre, self.table.other), gradient)
        np.subtract.at(out, (self.table.centre, self.table.centre), gradient)


def compute_images(
    cell: Cell, cutoff: float, pbc: bool | Sequence[bool] | None = None
) -> CellImages:
    """Finds all neighbours closer than the cutoff.

    Args:
        cell: The structure; atoms may lie outside the box, the box may be smaller than the cutoff.
        cutoff: Largest distance (length).
        pbc: Whether the structure repeats along each cell vector; the cell's own by default.

    Raises:
        ValueError: Two atoms at one place, a cutoff that is no finite number, or periodicity along
            cell vectors that span no volume.
        TypeError: Something else than a cell.
    """
    if not isinstance(cell, Cell):
        raise TypeError(
            f"`cell` is {type(cell).__name__} but must be one Cell{how_to_make_one(cell)}"
        )
    directions = cell.pbc if pbc is None else as_directions(pbc)
    if directions != cell.pbc:
        cell = Cell(cell.vectors, cell.coordinates, cell.values, cell.meta, pbc=directions)
    table = find_pairs(
        cell.cartesian(),
        cell.vectors,
        directions,
        cell.values,
        cutoff,
        charges=GivenCharges.from_meta(cell.meta, cell.size),
    )
    return CellImages(cell, table)
