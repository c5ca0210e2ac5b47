"""Charges from the outputs of networks, with the total charge Q of each structure conserved.

===========  ======================================================================================
shift        q_i = a_i - (sum_j a_j - Q) / n, where a_i are charges from networks: the third
             generation of networks
equilibrate  q is where sum_i (chi_i q_i + J_i q_i^2 / 2) + q.A q / 2 is least under sum_i q_i = Q:
             the fourth generation, with electronegativities chi_i from networks, hardness J of each
             element, and the interaction A of Gaussian charges
===========  ======================================================================================

Morawietz, Sharma and Behler, J. Chem. Phys. 136, 064103 (2012), https://doi.org/10.1063/1.3682557;
Ghasemi, Hofstetter, Saha and Goedecker, Phys. Rev. B 92, 045131 (2015),
https://doi.org/10.1103/PhysRevB.92.045131; Ko, Finkler, Goedecker and Behler, Nat. Commun. 12, 398
(2021), https://doi.org/10.1038/s41467-020-20427-2
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.linalg import lu_factor, lu_solve
from scipy.sparse.linalg import LinearOperator, cg

from miniff._checks import check_positive
from miniff._neighbors import PairTable
from miniff.ewald import CoulombEnergies
from miniff.ml._quadratic import QuadraticForm

__all__ = ["ChargeRule", "Derivatives", "Equilibrate", "RuleAt", "Shift", "rule_from_state"]

DENSE_ATOMS = 400
"""Larger structures are solved without a matrix."""
TOLERANCE = 1e-10
"""Of that solution: the norm of what is left, relative to that of the right side."""
MOST_ITERATIONS = 1000
ROUNDING = 1e-10
"""A structure whose charges are all smaller has none: their sum would be rounding, too."""

Numbers = Float64[ndarray, " n_atoms"]
Derivatives = tuple[Float64[ndarray, "n_atoms 3"], Float64[ndarray, "n_structures 3 3"]]


class RuleAt(ABC):
    """A rule where the atoms of a table are."""

    @abstractmethod
    def charges(self, outputs: Numbers) -> Numbers:
        """Of all atoms (charge)."""

    @abstractmethod
    def by_output(self, by_charge: Numbers) -> Numbers:
        """dE/d(output of the networks) from dE/dq."""

    @abstractmethod
    def through_interaction(
        self, charges: Numbers, fixed: CoulombEnergies, by_output: Numbers
    ) -> Derivatives:
        """dE/dr (energy/length) and dE/d(strain) (energy) because charges change with A.

        Args:
            charges: Of all atoms.
            fixed: Their interaction.
            by_output: What :meth:`by_output` gives.
        """


class ChargeRule(ABC):
    """What makes charges of what networks give."""

    @abstractmethod
    def at(self, form: QuadraticForm) -> RuleAt:
        """The rule for the atoms of a table and their interaction."""

    @abstractmethod
    def state_dict(self) -> dict[str, object]:
        """Plain data."""


@dataclass(frozen=True)
class Shift(ChargeRule):
    """Networks give charges; all atoms of a structure are shifted alike."""

    def at(self, form: QuadraticForm) -> RuleAt:
        return _ShiftAt(form.table)

    def state_dict(self) -> dict[str, object]:
        return {"rule": "shift"}

    def __repr__(self) -> str:
        return "charges shifted to the total"


@dataclass(frozen=True)
class Equilibrate(ChargeRule):
    """Networks give electronegativities (energy/charge); charges are where the energy is least.

    Attributes:
        hardness: J of each species, above 0 (energy/charge^2).
    """

    hardness: Mapping[str, float]

    def __post_init__(self) -> None:
        for name, value in self.hardness.items():
            check_positive(f"hardness of {name}", value)
        object.__setattr__(self, "hardness", MappingProxyType(dict(self.hardness)))

    def __reduce__(self) -> tuple[object, ...]:
        return Equilibrate, (dict(self.hardness),)

    def at(self, form: QuadraticForm) -> RuleAt:
        table = form.table
        missing = sorted(set(table.names) - set(self.hardness))
        if missing:
            raise ValueError(
                f"there are atoms of {', '.join(missing)} but a hardness only of "
                f"{', '.join(sorted(self.hardness))}"
            )
        of_species = np.array([self.hardness[name] for name in table.names] or [1.0])
        return _EquilibrateAt(form, of_species[table.species])

    def state_dict(self) -> dict[str, object]:
        return {"rule": "equilibrate", "hardness": dict(self.hardness)}

    def __repr__(self) -> str:
        return "charges equilibrated"


def rule_from_state(state: Mapping[str, object]) -> ChargeRule:
    """The rule whose ``state_dict`` this is.

    Raises:
        ValueError: Another one.
    """
    hardness = state.get("hardness")
    if state.get("rule") == "shift" and hardness is None:
        return Shift()
    if state.get("rule") == "equilibrate" and isinstance(hardness, Mapping):
        return Equilibrate({str(name): float(value) for name, value in hardness.items()})
    raise ValueError(f"no rule for charges has the data {state}")


def means(table: PairTable, values: Numbers) -> Float64[ndarray, " n_structures"]:
    """Of the atoms of each structure; 0 without atoms."""
    sizes = np.bincount(table.structure, minlength=table.n_structures)
    mean: ndarray = table.totals(values) / np.maximum(sizes, 1)
    return mean


def _with_totals(
    table: PairTable, values: Numbers, totals: Float64[ndarray, " n_structures"]
) -> Numbers:
    """Shifted alike in each structure, so that they have these sums; nothing but rounding is 0."""
    sizes = np.maximum(np.bincount(table.structure, minlength=table.n_structures), 1)
    shifted: ndarray = values - ((table.totals(values) - totals) / sizes)[table.structure]
    largest = np.zeros(table.n_structures)
    np.maximum.at(largest, table.structure, np.abs(shifted))
    return np.where((largest < ROUNDING)[table.structure], 0.0, shifted)


@dataclass(frozen=True)
class _ShiftAt(RuleAt):
    table: PairTable

    def charges(self, outputs: Numbers) -> Numbers:
        return _with_totals(self.table, outputs, self.table.total_charge)

    def by_output(self, by_charge: Numbers) -> Numbers:
        without: ndarray = by_charge - means(self.table, by_charge)[self.table.structure]
        return without

    def through_interaction(
        self, charges: Numbers, fixed: CoulombEnergies, by_output: Numbers
    ) -> Derivatives:
        """Charges do not depend on A."""
        return np.zeros((self.table.n_atoms, 3)), np.zeros((self.table.n_structures, 3, 3))


@dataclass(frozen=True)
class _EquilibrateAt(RuleAt):
    """H q + mu 1 = -chi with H = J + A. Where chi and A change, charges change by -P (dchi + dA q),
    P the inverse of H among charges of sum 0; E changes by w.(dchi + dA q) with w = -P dE/dq.
    """

    form: QuadraticForm
    hardness: Numbers

    @property
    def table(self) -> PairTable:
        return self.form.table

    def charges(self, outputs: Numbers) -> Numbers:
        return self._solution(-outputs, self.table.total_charge)

    def by_output(self, by_charge: Numbers) -> Numbers:
        return self._solution(-by_charge, np.zeros(self.table.n_structures))

    def through_interaction(
        self, charges: Numbers, fixed: CoulombEnergies, by_output: Numbers
    ) -> Derivatives:
        """w.dA q = (q + w).dA (q + w) / 2 - w.dA w / 2 - q.dA q / 2"""
        both = self.form.evaluate(charges + by_output)
        own = self.form.evaluate(by_output)
        return (
            both.gradient - own.gradient - fixed.gradient,
            both.strain_derivative - own.strain_derivative - fixed.strain_derivative,
        )

    def _solution(self, right: Numbers, totals: Float64[ndarray, " n_structures"]) -> Numbers:
        """u with H u + mu 1 = right and these sums."""
        sizes = np.bincount(self.table.structure, minlength=self.table.n_structures)
        if sizes.max(initial=0) > DENSE_ATOMS:
            return self._by_iterations(right, totals)
        solution = np.zeros(self.table.n_atoms)
        for own, factors in self._factors:
            known = np.append(right[own], totals[self.table.structure[own.start]])
            solution[own] = lu_solve(factors, known)[:-1]
        return _with_totals(self.table, solution, totals)

    @cached_property
    def _factors(self) -> list[tuple[slice, tuple[ndarray, ndarray]]]:
        """Of the equations of each structure that has atoms; its atoms stand together."""
        ends = np.cumsum(np.bincount(self.table.structure, minlength=self.table.n_structures))
        factors = []
        for first, last, found in zip(
            [0, *ends], ends, self.form.coulomb.matrices(self.table), strict=False
        ):
            own, n = slice(int(first), int(last)), int(last - first)
            if n:
                whole = np.ones((n + 1, n + 1))
                whole[n, n] = 0.0
                whole[:n, :n] = found.energy + np.diag(self.hardness[own])
                factors.append((own, lu_factor(whole)))
        return factors

    def _by_iterations(self, right: Numbers, totals: Float64[ndarray, " n_structures"]) -> Numbers:
        """By conjugate gradients among charges of sum 0, all structures together."""
        n = self.table.n_atoms
        start = _with_totals(self.table, np.zeros(n), totals)
        softness = 1 / self._diagonal
        shares = softness / self.table.totals(softness)[self.table.structure]

        def neutral(values: ndarray) -> ndarray:
            flat: ndarray = values.ravel()
            without: ndarray = flat - means(self.table, flat)[self.table.structure]
            return without

        def applied(values: ndarray) -> ndarray:
            here = neutral(values)
            return neutral(self.hardness * here + self.form.potential(here))

        def softened(values: ndarray) -> ndarray:
            moved: ndarray = softness * neutral(values)
            without: ndarray = moved - shares * self.table.totals(moved)[self.table.structure]
            return without

        left = right - self.hardness * start - self.form.potential(start)
        solution, failed = cg(
            LinearOperator((n, n), matvec=applied, dtype=np.float64),
            neutral(left),
            rtol=TOLERANCE,
            maxiter=MOST_ITERATIONS,
            M=LinearOperator((n, n), matvec=softened, dtype=np.float64),
        )
        if failed:
            raise FloatingPointError(
                f"charges are not equilibrated after {MOST_ITERATIONS} iterations, to {TOLERANCE} "
                f"of the electronegativities: the least hardness is {self.hardness.min():.3g}; "
                "larger ones, or wider charges, make it easier"
            )
        return _with_totals(self.table, start + neutral(solution), totals)

    @property
    def _diagonal(self) -> Numbers:
        """Of J and A."""
        widths = np.array([self.form.coulomb.widths[name] for name in self.table.names])
        own = self.form.coulomb.scale / (widths[self.table.species] * np.sqrt(np.pi))
        diagonal: ndarray = self.hardness + own
        return diagonal
