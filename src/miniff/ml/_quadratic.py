"""The interaction of charges as an exact quadratic form, whatever the size of the charges."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff._neighbors import PairTable
from miniff.ewald import Coulomb, CoulombEnergies

__all__ = ["QuadraticForm"]


@dataclass(frozen=True, eq=False)
class QuadraticForm:
    """E = q.A q / 2 of each structure of a table.

    How an interaction is summed may depend on the size of the charges, which then would not enter
    as a quadratic form. Here all structures are summed with charges of root mean square 1.

    Attributes:
        coulomb: The interaction.
        table: Whose atoms.
    """

    coulomb: Coulomb
    table: PairTable

    def evaluate(self, charges: Float64[ndarray, " n_atoms"]) -> CoulombEnergies:
        """The energy of charges and its derivatives; see :meth:`miniff.ewald.Coulomb.evaluate`."""
        sizes = np.maximum(np.bincount(self.table.structure, minlength=self.table.n_structures), 1)
        scale = np.sqrt(self.table.totals(charges**2) / sizes)
        scale = np.where(scale > 0, scale, 1.0)
        of_atom = scale[self.table.structure]
        found = self.coulomb.evaluate(self.table, charges / of_atom)
        return replace(
            found,
            energies=found.energies * of_atom**2,
            potential=found.potential * of_atom,
            gradient=found.gradient * of_atom[:, None] ** 2,
            strain_derivative=found.strain_derivative * scale[:, None, None] ** 2,
        )

    def potential(self, charges: Float64[ndarray, " n_atoms"]) -> Float64[ndarray, " n_atoms"]:
        """A q (energy/charge)."""
        return self.evaluate(charges).potential
