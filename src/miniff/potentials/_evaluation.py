"""The one code path from a list of potentials to energies, gradients and strain derivatives."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff._neighbors import PairTable
from miniff.potentials._functions import FunctionPotential, Functions, by_centre
from miniff.potentials._local import LocalEnergies, LocalPotential, refuse_short_table

__all__ = ["TableEvaluation", "evaluate_table", "sum_local_energies"]


@dataclass(frozen=True)
class TableEvaluation:
    """Sums over a list of potentials for the atoms and structures of one table.

    Attributes:
        energies: Per atom (energy).
        energy: Per structure (energy).
        gradient: dE/dr (energy/length); forces are its negative.
        strain_derivative: dE/d(strain) per structure (energy); the virial is its negative.
    """

    energies: Float64[ndarray, " n_atoms"]
    energy: Float64[ndarray, " n_structures"]
    gradient: Float64[ndarray, "n_atoms 3"]
    strain_derivative: Float64[ndarray, "n_structures 3 3"]


def sum_local_energies(
    potentials: Sequence[LocalPotential], table: PairTable, *, gradient: bool
) -> LocalEnergies:
    """The sum over the potentials; formulas of a common centre species share one pass."""
    refuse_short_table(potentials, table)
    energies = np.zeros(table.n_atoms)
    pair_gradient = np.zeros((table.n_pairs, 3)) if gradient else None
    for centre, members in by_centre(potentials).items():
        functions = Functions([potential for _, potential in members])
        atoms = table.atoms_of(centre)
        energies[atoms] += functions.values(table, atoms).sum(axis=1)
        if pair_gradient is not None:
            functions.vjp(table, atoms, np.ones((len(atoms), len(functions))), pair_gradient)
    for potential in potentials:
        if isinstance(potential, FunctionPotential):
            continue
        part = potential.local_energies(table, gradient=gradient)
        energies += part.energies
        if pair_gradient is not None and part.pair_gradient is not None:
            pair_gradient += part.pair_gradient
    return LocalEnergies(energies, pair_gradient)


def evaluate_table(potentials: Sequence[LocalPotential], table: PairTable) -> TableEvaluation:
    """Energy, gradient and strain derivative of every structure of a table."""
    local = sum_local_energies(potentials, table, gradient=True)
    assert local.pair_gradient is not None
    return TableEvaluation(
        energies=local.energies,
        energy=table.totals(local.energies),
        gradient=table.gather(local.pair_gradient),
        strain_derivative=table.gather_strain(local.pair_gradient),
    )
