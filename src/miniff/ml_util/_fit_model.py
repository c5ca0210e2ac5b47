"""What a fit trains, and what potentials come out of it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from miniff.ml import (
    ChargedNetwork,
    ChargePotential,
    Dataset,
    Equilibrate,
    Hardness,
    Mean,
    NNPotential,
    Normalization,
    Shift,
    forward_committee,
    potentials_from_ml_data,
)
from miniff.ml._potential import physical_networks
from miniff.ml_util._charge_use import FittedCharges, LearnedCharges, SeenCharges
from miniff.ml_util._objective import Forward
from miniff.potentials import Potential, TrainingMoments

__all__ = ["ChargesAlone", "EnergiesAlone", "EnergiesOfCharges", "EnergiesWithCharges", "FitModel"]

FIT, CHARGE_FIT = "fit", "charge-fit"


@dataclass(frozen=True, eq=False)
class Learned:
    """Where trained networks come from.

    Attributes:
        part: Of the training set.
        normalization: What the networks see and give.
        ranges: Of the features of each species in the training set.
        moments: Their mean and covariance there.
    """

    part: Dataset
    normalization: Normalization
    ranges: Sequence[Any]
    moments: Sequence[TrainingMoments]


class FitModel(ABC):
    """The networks of a fit, and what they stand for.

    Attributes:
        name: Of the workflow.
    """

    name: str

    @property
    def page(self) -> str:
        """The file with its page."""
        return "report.html" if self.name == FIT else f"{self.name}.html"

    @property
    @abstractmethod
    def forward(self) -> Forward:
        """What they say of a data set."""

    @abstractmethod
    def potentials(
        self, baseline: Sequence[Potential], models: Sequence[Sequence[nn.Module]], of: Learned
    ) -> list[Potential]:
        """The baseline and what was trained, whose sum is what was fitted."""


@dataclass(frozen=True)
class EnergiesAlone(FitModel):
    """A network per species, for the energies of its atoms."""

    name = FIT

    @property
    def forward(self) -> Forward:
        return forward_committee

    def potentials(
        self, baseline: Sequence[Potential], models: Sequence[Sequence[nn.Module]], of: Learned
    ) -> list[Potential]:
        return [*baseline, *_potentials(_means(models), of, of.normalization)]


@dataclass(frozen=True)
class EnergiesOfCharges(FitModel):
    """The same, with networks that see charges; the baseline contains the energy of the charges."""

    use: SeenCharges
    name = FIT

    @property
    def forward(self) -> Forward:
        return forward_committee

    def potentials(
        self, baseline: Sequence[Potential], models: Sequence[Sequence[nn.Module]], of: Learned
    ) -> list[Potential]:
        made = physical_networks(_means(models), of.part, of.normalization, of.ranges, of.moments)
        seeing = [ChargedNetwork(m.network, m.descriptors, m.tag, ranges=m.ranges) for m in made]
        rest = [p for p in baseline if p is not self.use.potential]
        return [*rest, self.use.potential.with_energies(seeing)]


@dataclass(frozen=True)
class EnergiesWithCharges(FitModel):
    """A network per species for energies, and then one for charges.

    Attributes:
        use: The interaction.
        of_charges: What networks for charges see and give.
    """

    use: LearnedCharges
    of_charges: Normalization
    name = FIT

    @property
    def forward(self) -> Forward:
        return self.use.forward(self.of_charges)

    def potentials(
        self, baseline: Sequence[Potential], models: Sequence[Sequence[nn.Module]], of: Learned
    ) -> list[Potential]:
        networks = _means(models)
        n = len(networks) // 2
        charges = ChargePotential(
            _potentials(networks[n:], of, self.of_charges), Shift(), self.use.coulomb
        )
        return [*baseline, *_potentials(networks[:n], of, of.normalization), charges]


@dataclass(frozen=True)
class ChargesAlone(FitModel):
    """A network per species for charges or electronegativities, and hardness for the latter."""

    use: FittedCharges
    name = CHARGE_FIT

    @property
    def forward(self) -> Forward:
        return self.use.forward

    def potentials(
        self, baseline: Sequence[Potential], models: Sequence[Sequence[nn.Module]], of: Learned
    ) -> list[Potential]:
        (own,) = models
        networks = [module for module in own if not isinstance(module, Hardness)]
        made = _potentials(networks, of, of.normalization)
        if self.use.rule == "shift":
            return [ChargePotential(made, Shift(), self.use.coulomb)]
        (hardness,) = (module for module in own if isinstance(module, Hardness))
        values = hardness().detach().tolist()
        rule = Equilibrate({str(p.tag): v for p, v in zip(made, values, strict=True)})
        return [ChargePotential(made, rule, self.use.coulomb)]


def _means(models: Sequence[Sequence[nn.Module]]) -> list[nn.Module]:
    """Of the networks at each place."""
    places = map(list, zip(*models, strict=True))
    return [own[0] if len(own) == 1 else Mean(own) for own in places]


def _potentials(
    networks: Sequence[nn.Module], of: Learned, normalization: Normalization
) -> list[NNPotential]:
    return potentials_from_ml_data(networks, of.part, normalization, of.ranges, of.moments)
