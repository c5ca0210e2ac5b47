"""How a structure repeats, and so how its charges are summed."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff._pair_table import PairTable, TableError
from miniff.ewald._splitting import Splitting

__all__ = ["Kind", "SlabCell", "kind_of", "slab_cell"]

Kind = Literal["molecule", "slab", "crystal"]


def kind_of(table: PairTable, structure: int) -> Kind:
    """Whether a structure repeats along no, two or three cell vectors.

    Raises:
        TableError: It repeats along one.
    """
    n = int(table.periodic[structure].sum())
    if n == 1:
        what = (
            f"`pbc` is {table.periodic[structure].tolist()}: charges that repeat along one "
            "direction are not summed; repeat them along none, two or three"
        )
        raise TableError.of(table, structure, what)
    return "crystal" if n == 3 else "slab" if n == 2 else "molecule"


@dataclass(frozen=True, eq=False)
class SlabCell:
    """The crystal of slabs, far apart, that stands for one slab.

    Attributes:
        vectors: Rows are the cell vectors (length): two of the slab's, and one along its normal.
        normal: Of the slab, of length 1.
    """

    vectors: Float64[ndarray, "3 3"]
    normal: Float64[ndarray, " 3"]


def slab_cell(table: PairTable, structure: int, a: float, splitting: Splitting) -> SlabCell:
    """Slabs so far apart that what neutral ones do to each other is that of their dipoles alone.

    The rest decays as exp(-2 pi d / l) with their distance d and the length l of the longest vector
    along which they repeat, and is made smaller than exp(-k_cutoff^2 / 4 eta^2).

    Args:
        table: The atoms.
        structure: Which structure repeats along two directions.
        a: Cutoff of the sum over neighbours (length).
        splitting: Says how exact the sum is to be.
    """
    periodic = table.periodic[structure]
    own = table.cells[structure]
    along = own[periodic]
    normal = np.cross(along[0], along[1])
    area = np.linalg.norm(normal)
    if not area > 0:
        what = "the two cell vectors along which it repeats are parallel"
        raise TableError.of(table, structure, what)
    normal /= area
    heights = table.positions[table.structure == structure] @ normal
    thickness = float(np.ptp(heights)) if len(heights) else 0.0
    longest = float(np.linalg.norm(along, axis=1).max())
    digits = splitting.k_cutoff**2 / (4 * splitting.eta**2)
    gap = max(a, digits * longest / (2 * np.pi))
    vectors = own.copy()
    vectors[~periodic] = (thickness + gap) * normal
    return SlabCell(vectors, normal)
