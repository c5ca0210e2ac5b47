"""A list of potentials as one model of the compiled core."""

from collections import Counter
from typing import Literal

from miniff import _core
from miniff.potentials._functions import (
    FunctionPotential,
    Functions,
    centre_of,
    compiled_set,
    compiled_single_set,
)
from miniff.potentials._training import TrainingSet

__all__ = ["ModelBuilder", "Precision"]

Precision = Literal["double", "single"]

CoreNetworks = list[_core.Network] | list[_core.Network32]
"""Networks of the core, in the precision of the model."""


class ModelBuilder:
    """Collects what potentials contribute to the energies of the atoms of each species.

    Attributes:
        names: The species, in the order of their codes.
        formulas: Summed in one pass for each centre species.
        precision: Of descriptors and networks; sums are in double precision always.
    """

    def __init__(self, names: tuple[str, ...], precision: Precision) -> None:
        self.names = names
        self.formulas: list[FunctionPotential] = []
        self.precision = precision
        self._networks: list[tuple[int, Functions, CoreNetworks, TrainingSet | None]] = []

    def add_networks(
        self,
        name: str,
        functions: Functions,
        networks: CoreNetworks,
        training: TrainingSet | None,
    ) -> None:
        """The mean of networks of functions for the atoms of one species, if there are such."""
        if name in self.names:
            self._networks.append((self.names.index(name), functions, networks, training))

    def finish(self) -> _core.EnergyModel:
        """The model with all that was collected."""
        model = _core.EnergyModel(len(self.names))
        for code, name in enumerate(self.names):
            members = [p for p in self.formulas if centre_of(p) in (None, name)]
            if members:
                model.add_sum(code, compiled_set(members, self.names))
        for code, functions, networks, training in self._networks:
            if self.precision == "single":
                single = compiled_single_set(functions.potentials, self.names)
                seen32 = None if training is None else training.compiled_single()
                model.add_networks(code, single, networks, seen32)  # type: ignore[arg-type]
            else:
                double = functions.compiled(self.names)
                seen = None if training is None else training.compiled()
                model.add_networks(code, double, networks, seen)  # type: ignore[arg-type]
        if not self._networks and self._is_mutual():
            model.set_mutual()
        return model

    def _is_mutual(self) -> bool:
        """Whether all are pair formulas, the same ones both ways, or formulas of no neighbour."""
        if any(not (p.family.is_pair_sum or p.family.is_on_site) for p in self.formulas):
            return False

        def kind(p: FunctionPotential, tag: tuple[str, ...]) -> tuple[object, ...]:
            return p.family.name, tag, *p.parameters.items()

        here = Counter(kind(p, p.species) for p in self.formulas)
        return here == Counter(kind(p, p.species[::-1]) for p in self.formulas)
