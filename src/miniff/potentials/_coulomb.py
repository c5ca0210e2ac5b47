"""Charges in a list of potentials: Ewald's sum, whole or in its parts, and sums with a cutoff.

e_i = scale q_i phi_i / 2, with phi_i as :mod:`miniff.ewald` has it. Charges are those of
``charges`` by species; where it names none, those that each structure has in its ``meta``, under
``charges`` or ASE's ``initial_charges``.

Ewald, Ann. Phys. 369, 253 (1921), https://doi.org/10.1002/andp.19213690304. Wolf, Keblinski,
Phillpot and Eggebrecht, J. Chem. Phys. 110, 8254 (1999), https://doi.org/10.1063/1.478738. Fennell
and Gezelter, J. Chem. Phys. 124, 234104 (2006), https://doi.org/10.1063/1.2206581.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff._neighbors import PairTable
from miniff._pair_table import TableError
from miniff.ewald import COULOMB_CONSTANT, Coulomb, CoulombEnergies, Splitting
from miniff.ewald._sums import Sums
from miniff.ewald._terms import add_near, add_self_of_crystals, add_waves_of_crystals, add_wolf
from miniff.potentials._local import LongRangePotential, TableEvaluation
from miniff.potentials._parameters import (
    ByName,
    Choice,
    Known,
    Parameter,
    Switch,
    Value,
    check_parameters,
)

__all__ = [
    "ChargeFamily",
    "FixedChargePotential",
    "dsf_potential_family",
    "ewald_k_potential_family",
    "ewald_real_potential_family",
    "ewald_self_potential_family",
    "ewald_total_potential_family",
    "wolf_potential_family",
]

Values = Mapping[str, Value]
Evaluate = Callable[[Values, PairTable, Float64[ndarray, " n_atoms"]], CoulombEnergies]


@dataclass(frozen=True)
class ChargeFamily:
    """A factory of potentials of charges: call it with the form's parameters.

    Attributes:
        name: What files call it.
        parameters: Names and ranges.
        evaluate: The energies of charges for given parameters.
        formula: The energy of one atom, for people.
        optional: Parameters that need not be given and have no default.
        check: Refuses parameters that do not go together.
        has_cutoff: Whether it needs neighbours up to ``a``.
    """

    name: str
    parameters: Mapping[str, Known]
    evaluate: Evaluate
    formula: str
    optional: tuple[str, ...] = ()
    check: Callable[[Values], object] = dict
    has_cutoff: bool = True

    def __call__(self, tag: str | None = None, **parameters: object) -> "FixedChargePotential":
        """A potential of this family.

        Args:
            tag: Must be None: charges act on all atoms.
            parameters: The family's ``parameters`` by name.

        Raises:
            TypeError: Unknown, missing or wrongly typed parameters.
            ValueError: Values out of range, or a tag.
        """
        _refuse_tag(tag)
        given = {name: value for name, value in parameters.items() if value is not None}
        left_out = set(self.optional) - set(given)
        known = {name: own for name, own in self.parameters.items() if name not in left_out}
        values = check_parameters(self.name, known, given)
        self.check(values)
        return FixedChargePotential(self, values)

    def __repr__(self) -> str:
        return f"<{self.name}: {', '.join(self.parameters)}>"


@dataclass(frozen=True, eq=False)
class FixedChargePotential(LongRangePotential):
    """The energy of charges that do not depend on where the atoms are.

    Attributes:
        family: How they act on each other.
        parameters: Its numbers, which cannot be changed: make another potential instead.
        tag: None: charges act on all atoms.
    """

    family: ChargeFamily
    parameters: Values
    tag: None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))

    def __reduce__(self) -> tuple[object, ...]:
        """How it is copied and sent to other processes; a mapping proxy cannot be."""
        return FixedChargePotential, (self.family, dict(self.parameters))

    @property
    def cutoff(self) -> float:
        return float(self.parameters["a"]) if self.family.has_cutoff else 0.0

    @property
    def species(self) -> tuple[str, ...]:
        return ()

    def copy(self, tag: str | None) -> "FixedChargePotential":
        """The same; charges act on all atoms."""
        _refuse_tag(tag)
        return self

    def state_dict(self) -> dict[str, object]:
        return {"tag": self.family.name, "parameters": dict(self.parameters), "ptag": None}

    def charges(self, table: PairTable) -> Float64[ndarray, " n_atoms"]:
        """Of the atoms of a table (charge).

        Raises:
            ValueError: An atom without one.
        """
        by_species = self.parameters["charges"]
        if not by_species:
            charges = table.charges
            where = "`charges` in `meta` of the structure, or by species in the potential"
        else:
            known = np.array([by_species.get(name, np.nan) for name in table.names])
            charges = known[table.species]
            where = f"one for it among `charges`, which names {', '.join(by_species)}"
        if np.isnan(charges).any():
            atom = int(np.flatnonzero(np.isnan(charges))[0])
            name, s = table.names[table.species[atom]], int(table.structure[atom])
            place = atom - int(np.searchsorted(table.structure, s))
            what = (
                f"{self.family.name}: atom {place} (counted from 0), {name}, has no charge: give "
                f"{where}"
            )
            raise TableError.of(table, s, what)
        return charges

    def evaluate(self, table: PairTable) -> TableEvaluation:
        charges = self.charges(table)
        found = self.family.evaluate(self.parameters, table, charges)
        return TableEvaluation(
            energies=found.energies,
            energy=table.totals(found.energies),
            gradient=found.gradient,
            strain_derivative=found.strain_derivative,
            grades=np.full((table.n_atoms, 2), np.nan),
            charges=charges,
        )

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"<{self.family.name}: {numbers}>"


def _refuse_tag(tag: object) -> None:
    if tag is not None:
        raise ValueError(
            f"`tag` is {tag!r} but must be None: charges act on all atoms, name species in "
            "`charges`"
        )


_A = Parameter(low=0, above=True, text="cutoff (length)")
_ETA = Parameter(low=0, above=True, text="how fast the sum over neighbours decays (1/length)")
_K = Parameter(low=0, above=True, text="longest wave vector (1/length)")
_ALPHA = Parameter(low=0, text="how fast charges are screened (1/length)")
_COMMON: dict[str, Known] = {
    "charges": ByName(Parameter(), text="of each species (charge); those of structures by default"),
    "scale": Parameter(
        low=0,
        above=True,
        default=COULOMB_CONSTANT,
        text="energy of two unit charges one length unit apart; in eV and angstrom by default",
    ),
}


def _near(p: Values, table: PairTable, charges: ndarray) -> CoulombEnergies:
    sums = Sums.zero(table, charges)
    add_near(sums, p["a"], np.full(table.n_structures, p["eta"]))
    return sums.scaled(p["scale"])


def _waves(p: Values, table: PairTable, charges: ndarray) -> CoulombEnergies:
    sums = Sums.zero(table, charges)
    add_waves_of_crystals(sums, Splitting(p["eta"], p["k_cutoff"]))
    return sums.scaled(p["scale"])


def _own(p: Values, table: PairTable, charges: ndarray) -> CoulombEnergies:
    sums = Sums.zero(table, charges)
    add_self_of_crystals(sums, p["eta"])
    return sums.scaled(p["scale"])


def _total(p: Values, table: PairTable, charges: ndarray) -> CoulombEnergies:
    return _sum_of(p).evaluate(table, charges)


def _sum_of(p: Values) -> Coulomb:
    return Coulomb(
        a=p["a"],
        accuracy=p["accuracy"],
        scale=p["scale"],
        widths=p["widths"],
        background=p["background"],
        method=p["method"],
        splitting=Splitting(p["eta"], p["k_cutoff"]) if "eta" in p else None,
    )


def _check_total(p: Values) -> None:
    if ("eta" in p) != ("k_cutoff" in p):
        one, other = ("eta", "k_cutoff") if "eta" in p else ("k_cutoff", "eta")
        raise TypeError(
            f"Ewald-total: `{one}` is given but `{other}` is missing: give both or none"
        )
    _sum_of(p)


def _wolf(p: Values, table: PairTable, charges: ndarray) -> CoulombEnergies:
    sums = Sums.zero(table, charges)
    add_wolf(sums, p["a"], p["alpha"], shifted_force=False)
    return sums.scaled(p["scale"])


def _dsf(p: Values, table: PairTable, charges: ndarray) -> CoulombEnergies:
    sums = Sums.zero(table, charges)
    add_wolf(sums, p["a"], p["alpha"], shifted_force=True)
    return sums.scaled(p["scale"])


ewald_real_potential_family = ChargeFamily(
    "Ewald-real",
    {"a": _A, "eta": _ETA, **_COMMON},
    _near,
    formula="scale q_i / 2 sum_j q_j erfc(eta r_ij) / r_ij",
)
ewald_k_potential_family = ChargeFamily(
    "Ewald-k",
    {"eta": _ETA, "k_cutoff": _K, **_COMMON},
    _waves,
    formula="scale q_i 2 pi / V sum_k exp(-k^2 / 4 eta^2) / k^2 Re[S(k)* exp(i k.r_i)]",
    has_cutoff=False,
)
ewald_self_potential_family = ChargeFamily(
    "Ewald-self",
    {"eta": _ETA, **_COMMON},
    _own,
    formula="-scale q_i (eta / sqrt(pi) q_i + pi / (2 eta^2 V) sum_j q_j)",
    has_cutoff=False,
)
ewald_total_potential_family = ChargeFamily(
    "Ewald-total",
    {
        "a": _A,
        **_COMMON,
        "accuracy": Parameter(
            low=0,
            above=True,
            default=1e-6,
            text="error of forces, relative to two unit charges one length unit apart",
        ),
        "widths": ByName(
            Parameter(low=0, above=True),
            text="standard deviations of Gaussian charges by species (length); points by default",
        ),
        "background": Switch(text="let cells be charged and a uniform background neutralise them"),
        "method": Choice(("auto", "waves", "mesh"), "auto", text="of the smooth part"),
        "eta": _ETA,
        "k_cutoff": _K,
    },
    _total,
    formula="scale q_i phi_i / 2: crystals by Ewald's sum, slabs, molecules pair by pair",
    optional=("eta", "k_cutoff"),
    check=_check_total,
)
wolf_potential_family = ChargeFamily(
    "Wolf",
    {"a": _A, "alpha": _ALPHA, **_COMMON},
    _wolf,
    formula=(
        "scale q_i / 2 [sum_j q_j (erfc(alpha r_ij) / r_ij - erfc(alpha a) / a) - q_i "
        "(erfc(alpha a) / a + 2 alpha / sqrt(pi))]"
    ),
)
dsf_potential_family = ChargeFamily(
    "Fennell-Gezelter",
    {"a": _A, "alpha": _ALPHA, **_COMMON},
    _dsf,
    formula=(
        "scale q_i / 2 [sum_j q_j (f(r_ij) - f(a) - f'(a) (r_ij - a)) - q_i (f(a) - f'(a) a + 2 "
        "alpha / sqrt(pi))], f(r) = erfc(alpha r) / r"
    ),
)
