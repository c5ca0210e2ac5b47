"""Derivatives of descriptors that stay in memory while networks are trained on them."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Float64, Int64
from numpy import ndarray

from miniff import _core
from miniff._neighbors import PairTable
from miniff.potentials import FunctionPotential, Functions

__all__ = ["KeptDerivatives", "derivative_bytes"]

BLOCK = 8
"""Neighbours are kept in blocks of this many."""


class KeptDerivatives:
    """dF[i, f]/dx of the first atoms of one species, where the images of a table are.

    Kept in single precision; products with them are formed in double precision. For structures that
    do not move, reading them is several times faster than computing them.

    Attributes:
        n_rows: For so many atoms.
    """

    def __init__(
        self,
        functions: Functions,
        table: PairTable,
        centres: Int64[ndarray, " n_centres"],
        limit: float,
    ) -> None:
        """Computes them for as many atoms as fit into `limit` bytes."""
        ends = np.cumsum(_bytes_by_row(functions, table, centres))
        self.n_rows = int(np.searchsorted(ends, limit, side="right"))
        self._images = table.images
        self._n_functions = len(functions)
        compiled = functions.compiled(table.names)
        self._core = _core.Jacobian(compiled, table.core, self._images, centres[: self.n_rows])

    @staticmethod
    def bytes_needed(
        functions: Functions, table: PairTable, centres: Int64[ndarray, " n_centres"]
    ) -> int:
        """At most so many bytes for all atoms."""
        return int(_bytes_by_row(functions, table, centres).sum())

    def serve(self, images: Float64[ndarray, "n_images 3"]) -> bool:
        """Whether the images are where the derivatives were computed."""
        return images.shape == self._images.shape and np.may_share_memory(images, self._images)

    def add_vjp(
        self,
        weight: Float[ndarray, "n_models n_rows n_functions"],
        by_image: Float64[ndarray, "n_models n_images 3"],
    ) -> None:
        """by_image += sum_if weight[:, i, f] dF[i, f]/dx, in one reading for all models."""
        self._core.vjp(weight, by_image)

    def jvp(
        self, direction: Float64[ndarray, "n_models n_images 3"], dtype: type = np.float64
    ) -> Float[ndarray, "n_models n_rows n_functions"]:
        """The changes of F when the images move along the directions."""
        out: ndarray = np.empty((len(direction), self.n_rows, self._n_functions), dtype)
        self._core.jvp(direction, out)
        return out


def derivative_bytes(functions: Mapping[str, Sequence[FunctionPotential]], table: PairTable) -> int:
    """What the derivatives of the functions of all atoms of a table would take if they were kept.

    Args:
        functions: Of each species.
        table: With neighbours up to their cutoffs.
    """
    return sum(
        KeptDerivatives.bytes_needed(Functions(own), table, table.atoms_of(name))
        for name, own in functions.items()
    )


def _bytes_by_row(
    functions: Functions, table: PairTable, centres: Int64[ndarray, " n_centres"]
) -> Int64[ndarray, " n_centres"]:
    """At most so many for each atom: three slopes of every function, and a place, per neighbour."""
    n_neighbors = np.diff(table.start)[centres]
    n_blocks: ndarray = -(-n_neighbors // BLOCK)
    size: ndarray = n_blocks * BLOCK * 4 * (3 * len(functions) + 1)
    return size
