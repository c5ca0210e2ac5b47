"""Parts of the Coulomb energy one by one, and sums that stop at a cutoff.

Wolf, Keblinski, Phillpot and Eggebrecht, J. Chem. Phys. 110, 8254 (1999),
https://doi.org/10.1063/1.478738: charges within the cutoff are neutralised on its sphere,

    phi_i = sum_j q_j (erfc(alpha r_ij) / r_ij - erfc(alpha a) / a)
            - q_i (erfc(alpha a) / a + 2 alpha / sqrt(pi))

Fennell and Gezelter, J. Chem. Phys. 124, 234104 (2006), https://doi.org/10.1063/1.2206581: forces
too vanish at the cutoff,

    phi_i = that + sum_j q_j c (r_ij - a) - q_i c a,
    c = erfc(alpha a) / a^2 + 2 alpha / sqrt(pi) exp(-alpha^2 a^2) / a

with the energy of LAMMPS's ``coul/dsf``; its ``coul/wolf`` has the energy of the former and the
forces of the latter.
"""

from math import erfc, exp, pi, sqrt

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff import _core
from miniff._pair_table import PairTable, TableError
from miniff.ewald._splitting import Splitting
from miniff.ewald._sums import Sums
from miniff.ewald._waves import add_waves

__all__ = [
    "add_background",
    "add_near",
    "add_self",
    "add_self_of_crystals",
    "add_waves_of_crystals",
    "add_wolf",
]


def add_near(
    sums: Sums,
    a: float,
    eta: Float64[ndarray, " n_structures"],
    squared_widths: Float64[ndarray, " n_images"] | None = None,
    *,
    shift: float = 0.0,
    slope: float = 0.0,
) -> None:
    """Adds what neighbours do to each other: erfc(eta r) / r - shift + slope (r - a).

    Args:
        sums: What is added to.
        a: Cutoff (length).
        eta: Of each structure (1/length); negative for those that are left out.
        squared_widths: Of Gaussian charges (length^2); points by default.
        shift: Of the potential (1/length).
        slope: Of the potential (1/length^2).
    """
    table = sums.table
    _core.screened_pairs(
        *(table.core, table.positions, table.cells, sums.charges, squared_widths),
        *(_core.ScreenedCoulomb(a, shift, slope), eta),
        *(sums.potential, sums.gradient, sums.strain),
    )


def add_self(sums: Sums, structure: int, eta: float) -> None:
    """Takes away what each charge has of its own smooth part."""
    atoms = sums.atoms_of(structure)
    sums.potential[atoms] -= 2 * eta / sqrt(pi) * sums.charges[atoms]


def add_background(
    sums: Sums, structure: int, eta: float, widths: Float64[ndarray, " n_atoms"] | None = None
) -> None:
    """Adds the uniform background that neutralises a cell: the waves have no part of k = 0."""
    atoms = sums.atoms_of(structure)
    charges = sums.charges[atoms]
    volume = float(abs(np.linalg.det(sums.table.cells[structure])))
    total = float(charges.sum())
    square = np.zeros(len(charges)) if widths is None else widths[atoms] ** 2
    potential = (
        2 * pi / volume * (square * total + charges @ square) - pi / (eta**2 * volume) * total
    )
    sums.potential[atoms] += potential
    sums.strain[structure] -= np.eye(3) * float(charges @ potential) / 2


def add_waves_of_crystals(sums: Sums, splitting: Splitting) -> None:
    """Adds the sum over waves of every structure.

    Raises:
        ValueError: A structure that does not repeat along all cell vectors.
    """
    for s in range(sums.table.n_structures):
        _refuse_open(sums.table, s)
        add_waves(sums, s, sums.table.cells[s], splitting)


def add_self_of_crystals(sums: Sums, eta: float) -> None:
    """The self term and the background of every structure.

    Raises:
        ValueError: A structure that does not repeat along all cell vectors.
    """
    for s in range(sums.table.n_structures):
        _refuse_open(sums.table, s)
        add_self(sums, s, eta)
        add_background(sums, s, eta)


def add_wolf(sums: Sums, a: float, alpha: float, *, shifted_force: bool) -> None:
    """Adds the sum of Wolf et al., or with forces that vanish at the cutoff.

    Args:
        sums: What is added to.
        a: Cutoff (length).
        alpha: How fast charges are screened (1/length).
        shifted_force: As Fennell and Gezelter.
    """
    shift = erfc(alpha * a) / a
    slope = (shift + 2 * alpha / sqrt(pi) * exp(-((alpha * a) ** 2))) / a if shifted_force else 0.0
    eta = np.full(sums.table.n_structures, alpha)
    add_near(sums, a, eta, shift=shift, slope=slope)
    sums.potential[:] -= (shift + slope * a + 2 * alpha / sqrt(pi)) * sums.charges


def _refuse_open(table: PairTable, structure: int) -> None:
    if not table.periodic[structure].all():
        what = (
            f"`pbc` is {table.periodic[structure].tolist()} but the parts of Ewald's sum one by "
            "one are for structures that repeat along all cell vectors: take the total"
        )
        raise TableError.of(table, structure, what)
