"""What parts of the Coulomb energy are added up in."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff._pair_table import PairTable

__all__ = ["CoulombEnergies", "Sums"]


@dataclass(frozen=True, eq=False)
class CoulombEnergies:
    """The Coulomb energy of charges, with its derivatives at fixed charges.

    Attributes:
        energies: Of each atom, q_i phi_i / 2 (energy).
        potential: phi_i, the derivative of the whole energy by each charge (energy/charge).
        gradient: dE/dr (energy/length).
        strain_derivative: dE/d(strain) of each structure (energy).
    """

    energies: Float64[ndarray, " n_atoms"]
    potential: Float64[ndarray, " n_atoms"]
    gradient: Float64[ndarray, "n_atoms 3"]
    strain_derivative: Float64[ndarray, "n_structures 3 3"]


@dataclass(frozen=True, eq=False)
class Sums:
    """Arrays that parts add to, in units in which two unit charges at distance r have 1/r.

    Attributes:
        table: The atoms.
        charges: Of them.
        potential: phi_i.
        gradient: Of sum_i q_i phi_i / 2.
        strain: Of the same, for each structure.
    """

    table: PairTable
    charges: Float64[ndarray, " n_atoms"]
    potential: Float64[ndarray, " n_atoms"]
    gradient: Float64[ndarray, "n_atoms 3"]
    strain: Float64[ndarray, "n_structures 3 3"]

    @staticmethod
    def zero(table: PairTable, charges: Float64[ndarray, " n_atoms"]) -> "Sums":
        """Nothing added yet."""
        n = table.n_atoms
        strain = np.zeros((table.n_structures, 3, 3))
        return Sums(table, charges, np.zeros(n), np.zeros((n, 3)), strain)

    def atoms_of(self, structure: int) -> slice:
        """The atoms of one structure, which lie together."""
        first, last = np.searchsorted(self.table.structure, [structure, structure + 1])
        return slice(int(first), int(last))

    def scaled(self, scale: float) -> CoulombEnergies:
        """The same as energies.

        Args:
            scale: Energy of two unit charges one length unit apart.
        """
        return CoulombEnergies(
            energies=scale / 2 * self.charges * self.potential,
            potential=scale * self.potential,
            gradient=scale * self.gradient,
            strain_derivative=scale * self.strain,
        )
