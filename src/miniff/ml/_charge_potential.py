"""Charges from networks and the energy of their interaction: third and fourth generation.

    E = q.A q / 2 + sum_i e_i(F_i, q_i)      q from outputs a_i(F_i) of networks by a rule

=========  =====================================================================================
A          interaction of the charges, that of ``coulomb``
a_i        ``charge_networks``: charges for the rule "shift", electronegativities for "equilibrate"
e_i        ``energy_networks``: of the fourth generation; none for the third, where energies of
           short range are potentials beside this one
=========  =====================================================================================

The derivative through the charges is exact: dE/da, by the adjoint of the rule, times da/dF. See
:mod:`miniff.ml._charge_rules` for the rules and for the papers.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff._neighbors import PairTable
from miniff.ewald import Coulomb, Splitting
from miniff.ml._charge_rules import ChargeRule, Derivatives, Equilibrate, rule_from_state
from miniff.ml._charged_network import ChargedNetwork, Response, response_of
from miniff.ml._potential import NNPotential
from miniff.ml._quadratic import QuadraticForm
from miniff.potentials import Functions, LongRangePotential, TableEvaluation, TrainingSet

__all__ = ["CHARGE_TAG", "ChargePotential"]

CHARGE_TAG = "charge potential"


class ChargePotential(LongRangePotential):
    """Learned charges, which interact, and which networks of short range may see.

    The total charge of a structure is ``total_charge`` (or ``charge``) of its ``meta``, 0 where it
    says nothing.

    Attributes:
        charge_networks: One for each species; what they give is no energy.
        rule: Makes charges of that, which add up to the total charge.
        coulomb: The interaction.
        energy_networks: One for each species, or none.
    """

    is_learned = True
    tag = None

    def __init__(
        self,
        charge_networks: Sequence[NNPotential],
        rule: ChargeRule,
        coulomb: Coulomb,
        *,
        energy_networks: Sequence[ChargedNetwork] = (),
    ) -> None:
        """Nothing is computed yet.

        Raises:
            ValueError: No network, two for one species, a species without what the others have, or
                point charges to be equilibrated.
        """
        self.charge_networks = tuple(sorted(charge_networks, key=lambda one: str(one.tag)))
        self.energy_networks = tuple(sorted(energy_networks, key=lambda one: one.tag))
        self.rule, self.coulomb = rule, coulomb
        names = [str(one.tag) for one in self.charge_networks]
        if not names or len(set(names)) < len(names):
            raise ValueError(
                f"there are networks for the charges of {', '.join(names) or 'no species'} but "
                "there must be one for each species"
            )
        seeing = [one.tag for one in self.energy_networks]
        if seeing and seeing != names:
            raise ValueError(
                f"there are energies for {', '.join(seeing)} but charges for {', '.join(names)}: "
                "both must be for the same species"
            )
        if isinstance(rule, Equilibrate):
            _refuse_lacking("hardness", rule.hardness, names)
            if not coulomb.widths:
                raise ValueError(
                    "charges that are equilibrated must have a width: give `widths` to Coulomb"
                )
        known = [one for name in names for one in self.training_sets(name)]
        self.training = known[0] if known else None
        if coulomb.widths:
            _refuse_lacking("width", coulomb.widths, names)

    def __reduce__(self) -> tuple[object, ...]:
        """How it is copied and sent to other processes, which compile it again."""
        return ChargePotential.from_state_dict, (self.state_dict(),)

    @property
    def cutoff(self) -> float:
        """The longest of the networks, and what the interaction needs (length)."""
        of_charges = [one.cutoff for one in self.charge_networks]
        of_energies = [one.cutoff for one in self.energy_networks]
        return max(self.coulomb.cutoff, *of_charges, *of_energies)

    @property
    def species(self) -> tuple[str, ...]:
        return tuple(str(one.tag) for one in self.charge_networks)

    @property
    def centres(self) -> tuple[str, ...]:
        """Those whose atoms have an energy beside that of the charges."""
        return tuple(one.tag for one in self.energy_networks)

    def acts_in(self, names: Collection[str]) -> bool:
        """Whether one of its species is there: networks of the others have no atoms."""
        return not set(self.species).isdisjoint(names)

    def __repr__(self) -> str:
        seen = ", seen by networks" if self.energy_networks else ""
        return f"<charges of {', '.join(self.species)}: {self.rule}{seen}>"

    def copy(self, tag: str | None) -> "ChargePotential":
        """Refused for other species than those it was trained for."""
        if tag is not None:
            raise ValueError(f"{self} is for all its species and cannot be copied for {tag}")
        return self.with_energies(self.energy_networks)

    def with_energies(self, energy_networks: Sequence[ChargedNetwork]) -> "ChargePotential":
        """The same charges with other networks that see them."""
        return ChargePotential(
            self.charge_networks, self.rule, self.coulomb, energy_networks=energy_networks
        )

    def charges(self, table: PairTable) -> Float64[ndarray, " n_atoms"]:
        """Of all atoms (charge).

        Raises:
            ValueError: Atoms of a species without a network.
        """
        outputs = _of_atoms(table, self._outputs(table))
        return self.rule.at(QuadraticForm(self.coulomb, table)).charges(outputs)

    def charge_pull(
        self, table: PairTable
    ) -> Callable[[Float64[ndarray, " n_atoms"]], Derivatives]:
        """What makes sum_i w_i dq_i/dr and sum_i w_i dq_i/d(strain) of numbers w of the atoms."""
        found = self._outputs(table)
        form = QuadraticForm(self.coulomb, table)
        rule = self.rule.at(form)
        charges = rule.charges(_of_atoms(table, found))
        fixed = form.evaluate(charges)

        def pulled(weights: Float64[ndarray, " n_atoms"]) -> Derivatives:
            by_output = rule.by_output(weights)
            gradient, strain = table.gather(self._pulled(table, found, by_output))
            explicit = rule.through_interaction(charges, fixed, by_output)
            return gradient + explicit[0], strain + explicit[1]

        return pulled

    def _pulled(
        self, table: PairTable, found: Sequence[Response], by_output: Float64[ndarray, " n_atoms"]
    ) -> Float64[ndarray, "n_images 3"]:
        """Through the networks of the charges."""
        by_image = np.zeros((table.n_images, 3))
        for own, one in zip(self.charge_networks, found, strict=True):
            weight = one.by_descriptor * by_output[one.centres, None]
            Functions(own.descriptors).vjp(table, one.centres, weight, by_image)
        return by_image

    def evaluate(self, table: PairTable) -> TableEvaluation:
        found = self._outputs(table)
        form = QuadraticForm(self.coulomb, table)
        rule = self.rule.at(form)
        charges = rule.charges(_of_atoms(table, found))
        fixed = form.evaluate(charges)
        short = [one.response(table, charges) for one in self.energy_networks]
        energies = fixed.energies + _of_atoms(table, short)
        by_output = rule.by_output(fixed.potential + _by_charge(table, short))
        by_image = self._pulled(table, found, by_output)
        for network, one in zip(self.energy_networks, short, strict=True):
            network.functions.vjp(table, one.centres, one.by_descriptor, by_image)
        gradient, strain = table.gather(by_image)
        moved = rule.through_interaction(charges, fixed, by_output)
        return TableEvaluation(
            energies=energies,
            energy=table.totals(energies),
            gradient=gradient + fixed.gradient + moved[0],
            strain_derivative=strain + fixed.strain_derivative + moved[1],
            grades=self._grades(table, charges),
            charges=charges,
        )

    def _outputs(self, table: PairTable) -> list[Response]:
        """What the networks of the charges give."""
        there = sorted({table.names[code] for code in np.unique(table.species)})
        strangers = [name for name in there if name not in self.species]
        if strangers:
            raise ValueError(
                f"there are atoms of {', '.join(strangers)} but charges only of "
                f"{', '.join(self.species)}"
            )
        return [
            response_of(one.network, Functions(one.descriptors), str(one.tag), table, None)
            for one in self.charge_networks
        ]

    def training_sets(self, species: str) -> list[TrainingSet]:
        """Of the networks of a species."""
        of_charges = [one.training for one in self.charge_networks if one.tag == species]
        of_energies = [one.training for one in self.energy_networks if one.tag == species]
        return [one for one in (*of_charges, *of_energies) if one is not None]

    def grades(self, table: PairTable) -> Float64[ndarray, "n_atoms 2"]:
        """How far atoms are outside of the training sets of all networks, 1 at the border: by
        range, that of the charge included, and by distance; nan where it is not known."""
        needed = any(one.training is not None for one in self.energy_networks)
        return self._grades(table, self.charges(table) if needed else np.zeros(table.n_atoms))

    def _grades(
        self, table: PairTable, charges: Float64[ndarray, " n_atoms"]
    ) -> Float64[ndarray, "n_atoms 2"]:
        grades = np.full((table.n_atoms, 2), np.nan)
        for network in self.charge_networks:
            np.fmax(grades, network.grades(table), out=grades)
        for charged in self.energy_networks:
            np.fmax(grades, charged.grades(table, charges), out=grades)
        return grades

    def members(self) -> list["ChargePotential"]:
        """Those of a committee of the networks that see charges, or else of those that give them;
        itself if it is none."""
        if self.energy_networks:
            parts = zip(*(one.members() for one in self.energy_networks), strict=True)
            return [self.with_energies(own) for own in parts]
        networks = zip(*(one.members() for one in self.charge_networks), strict=True)
        return [ChargePotential(own, self.rule, self.coulomb) for own in networks]

    def state_dict(self) -> dict[str, object]:
        """Plain data and tensors."""
        return {
            "tag": CHARGE_TAG,
            "charge_networks": [one.state_dict() for one in self.charge_networks],
            "energy_networks": [one.state_dict() for one in self.energy_networks],
            "rule": self.rule.state_dict(),
            "coulomb": coulomb_state(self.coulomb),
        }

    @staticmethod
    def from_state_dict(state: Mapping[str, object]) -> "ChargePotential":
        """The potential whose ``state_dict`` this is.

        Raises:
            ValueError: Data of something else.
        """
        wanted = {"tag", "charge_networks", "energy_networks", "rule", "coulomb"}
        if set(state) != wanted or state["tag"] != CHARGE_TAG:
            raise ValueError(
                f"a charge potential's data have the keys {', '.join(sorted(wanted))}, but here "
                f"are {', '.join(map(str, state))}"
            )
        networks, seeing = state["charge_networks"], state["energy_networks"]
        rule, coulomb = state["rule"], state["coulomb"]
        if not isinstance(networks, list) or not isinstance(seeing, list):
            raise ValueError("`charge_networks` and `energy_networks` must be lists")
        if not isinstance(rule, Mapping) or not isinstance(coulomb, Mapping):
            raise ValueError("`rule` and `coulomb` must be mappings")
        return ChargePotential(
            [NNPotential.from_state_dict(one) for one in networks],
            rule_from_state(rule),
            coulomb_from_state(coulomb),
            energy_networks=[ChargedNetwork.from_state_dict(one) for one in seeing],
        )


def coulomb_state(coulomb: Coulomb) -> dict[str, object]:
    """The interaction as plain data."""
    own = {field.name: getattr(coulomb, field.name) for field in fields(coulomb)}
    splitting = None if coulomb.splitting is None else asdict(coulomb.splitting)
    return {**own, "widths": dict(coulomb.widths), "splitting": splitting}


def coulomb_from_state(state: Mapping[str, Any]) -> Coulomb:
    """The interaction whose ``coulomb_state`` this is."""
    splitting = state["splitting"]
    return Coulomb(**{**state, "splitting": splitting and Splitting(**splitting)})


def _refuse_lacking(what: str, given: Mapping[str, float], names: Sequence[str]) -> None:
    lacking = [name for name in names if name not in given]
    if lacking:
        raise ValueError(
            f"there is a {what} of {', '.join(sorted(given)) or 'nothing'} but it is needed of "
            f"{', '.join(lacking)} too"
        )


def _of_atoms(table: PairTable, found: Sequence[Response]) -> Float64[ndarray, " n_atoms"]:
    """Values of all atoms; 0 where there is none."""
    values = np.zeros(table.n_atoms)
    for one in found:
        values[one.centres] = one.values
    return values


def _by_charge(table: PairTable, found: Sequence[Response]) -> Float64[ndarray, " n_atoms"]:
    slopes = np.zeros(table.n_atoms)
    for one in found:
        slopes[one.centres] = one.by_charge
    return slopes
