"""The one code path from a list of potentials to energies, gradients and strain derivatives."""

from collections.abc import Sequence
from typing import get_args

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff._checks import unknown_name
from miniff._neighbors import NeighborTable, PairTable
from miniff.potentials._coverage import warn_of_one_sided_pairs
from miniff.potentials._local import (
    LocalPotential,
    LongRangePotential,
    Potential,
    TableEvaluation,
    refuse_short_table,
)
from miniff.potentials._model import ModelBuilder, Precision

__all__ = ["CompiledPotentials", "evaluate_table", "summed"]


class CompiledPotentials:
    """A list of potentials made ready for tables with certain species: build once, evaluate often.

    Attributes:
        potentials: Their energies are summed.
        names: The species of the tables it can evaluate.
    """

    def __init__(
        self,
        potentials: Sequence[Potential],
        names: tuple[str, ...],
        *,
        precision: Precision = "double",
    ) -> None:
        """Compiles the potentials.

        Warns with :class:`OneSidedPairWarning` of pair potentials on "a-b" but not on "b-a".

        Args:
            potentials: Formulas and networks.
            names: The species of the tables to come.
            precision: Of descriptors and networks: ``"single"`` is about twice as fast, and forces
                agree to about 1e-5 of the largest. Formulas and all sums are in double precision.

        Raises:
            ValueError: An unknown precision.
            TypeError: In single precision, descriptors that are no symmetry functions.
        """
        if precision not in get_args(Precision):
            raise ValueError(unknown_name("precision", precision, get_args(Precision)))
        warn_of_one_sided_pairs(potentials, names)
        self.potentials = tuple(potentials)
        self.names = names
        builder = ModelBuilder(names, precision)
        local = [p for p in potentials if isinstance(p, LocalPotential)]
        self._rest = [p for p in local if not p.contribute(builder)]
        self._long_range = [p for p in potentials if isinstance(p, LongRangePotential)]
        self._model = builder.finish()

    def evaluate(self, table: NeighborTable) -> TableEvaluation:
        """Energy, gradient and strain derivative of every structure of a table.

        Raises:
            ValueError: A table of other species, or with a cutoff shorter than a potential's.
            TypeError: A table whose pairs lie on another device than the CPU.
        """
        if not isinstance(table, PairTable):
            raise TypeError(
                f"`table` is a {type(table).__name__}, whose pairs lie on a device, but the "
                "compiled core takes pairs of the CPU: hand it `table.on_host()`"
            )
        if table.names != self.names:
            raise ValueError(
                f"the table has the species {', '.join(table.names)} but the potentials were made "
                f"ready for {', '.join(self.names)}"
            )
        refuse_short_table(self.potentials, table)
        energies, gradient = np.empty(table.n_atoms), np.empty((table.n_atoms, 3))
        strain, grades = np.empty((table.n_structures, 3, 3)), np.empty((table.n_atoms, 2))
        self._model.evaluate(
            table.core, table.positions, table.cells, energies, gradient, strain, grades
        )
        for potential in self._rest:
            part = potential.local_energies(table, gradient=True)
            assert part.image_gradient is not None
            by_atom, by_strain = table.gather(part.image_gradient)
            energies += part.energies
            gradient += by_atom
            strain += by_strain
            if part.grades is not None:
                np.fmax(grades, part.grades, out=grades)
        local = TableEvaluation(energies, table.totals(energies), gradient, strain, grades)
        return summed(local, [p.evaluate(table) for p in self._long_range], table)


def summed(
    local: TableEvaluation, found: Sequence[TableEvaluation], table: PairTable
) -> TableEvaluation:
    """What local potentials give for a table, and all that others give added to it."""
    if not found:
        return local
    energies, gradient, strain = local.energies, local.gradient, local.strain_derivative
    grades = local.grades
    for one in found:
        energies = energies + one.energies
        gradient = gradient + one.gradient
        strain = strain + one.strain_derivative
        grades = np.fmax(grades, one.grades)
    charges = common_charges([one.charges for one in found if one.charges is not None])
    return TableEvaluation(energies, table.totals(energies), gradient, strain, grades, charges)


def common_charges(
    found: Sequence[Float64[ndarray, " n_atoms"]],
) -> Float64[ndarray, " n_atoms"] | None:
    """The charges that all have; None where there are none, or where they differ."""
    if not found or any(not np.array_equal(found[0], other) for other in found[1:]):
        return None
    return found[0]


def evaluate_table(
    potentials: Sequence[Potential], table: PairTable, *, precision: Precision = "double"
) -> TableEvaluation:
    """Energy, gradient and strain derivative of every structure of a table.

    Arguments and errors are those of :class:`CompiledPotentials`.
    """
    return CompiledPotentials(potentials, table.names, precision=precision).evaluate(table)
