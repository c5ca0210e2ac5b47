"""Potentials under the networks, which then learn what is left: E = E_baseline + E_networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
from numpy import ndarray

import miniff.potentials as all_potentials
from miniff.kernel import Cell, Evaluation
from miniff.kernel import eval as evaluate
from miniff.ml import load_potentials, plain_or_name, potential_from_plain
from miniff.ml_util._errors import Properties
from miniff.ml_util._types import Checked, Problem, Reads
from miniff.potentials import FunctionPotential, Potential

__all__ = ["Baseline", "BaselineArgument", "baseline_potentials", "subtract_baseline"]

DESCRIPTORS = [
    getattr(all_potentials, name)
    for name in all_potentials.__all__
    if name.endswith("_descriptor_family")
]
"""Families whose values are no energies."""


def _load(path: str) -> list[Potential]:
    """The potentials of a file.

    Raises:
        ValueError: A file that cannot be read, or that holds something else.
    """
    potentials = load_potentials(path)
    for potential in potentials:
        if what := _refusal(potential):
            raise ValueError(f"{path}: {what}")
    if not potentials:
        raise ValueError(f"{path} holds no potentials")
    return potentials


def _problems(choice: object) -> list[Problem]:
    if isinstance(choice, str):
        return []
    if isinstance(choice, list) and not choice:
        return [((), "no potential is given")]
    if not isinstance(choice, list):
        what = _problem(choice)
        return [((), what)] if what else []
    found = [((str(i),), _problem(item)) for i, item in enumerate(choice)]
    return [(at, what) for at, what in found if what]


def _problem(item: object) -> str:
    if isinstance(item, Potential):
        return _refusal(item)
    try:
        return _refusal(potential_from_plain(item))
    except ValueError as error:
        return str(error)


def _refusal(potential: Potential) -> str:
    if isinstance(potential, FunctionPotential) and potential.family in DESCRIPTORS:
        return f"{potential} is a descriptor, whose values are no energies"
    return ""


BaselineArgument = Annotated[
    str | dict[str, Any] | list[Any], Reads(load=_load), Checked(_problems)
]
"""A file of potentials, one potential, or a list of them."""


def baseline_potentials(choice: str | dict[str, Any] | list[Any] | None) -> list[Potential]:
    """The potentials that are asked for.

    Raises:
        ValueError: What is no potential.
    """
    if choice is None:
        return []
    if isinstance(choice, str):
        return _load(choice)
    for at, what in _problems(choice):
        raise ValueError(f"`{'.'.join(('baseline', *at))}`: {what}")
    items = choice if isinstance(choice, list) else [choice]
    return [p if isinstance(p, Potential) else potential_from_plain(p) for p in items]


@dataclass(frozen=True)
class Baseline:
    """Potentials that are not trained, and what they give.

    Attributes:
        potentials: None at all, if there is no baseline.
        properties: Of the structures of each set, by its name.
        known_charges: Those that the structures have, by the name of the set.
    """

    potentials: tuple[Potential, ...]
    properties: Mapping[str, Properties]
    known_charges: Mapping[str, ndarray] = field(default_factory=dict)

    def restored(self, name: str, rest: Properties) -> Properties:
        """The references of a set, from what was left of them."""
        whole = self.added(name, rest)
        return replace(whole, charges=self.known_charges[name]) if self.potentials else whole

    def added(self, name: str, rest: Properties) -> Properties:
        """What is left of a set, with the baseline's part."""
        if not self.potentials:
            return rest
        part = self.properties[name]
        return Properties(
            n_atoms=rest.n_atoms,
            energy=rest.energy + part.energy,
            forces=rest.forces + part.forces,
            stress=rest.stress + part.stress,
            charges=np.where(np.isnan(part.charges), rest.charges, part.charges),
        )

    def as_plain(self) -> list[object] | None:
        """The same as plain data; networks are named only."""
        if not self.potentials:
            return None
        return [plain_or_name(p) for p in self.potentials]


def subtract_baseline(
    potentials: Sequence[Potential], sets: Mapping[str, Sequence[Cell]]
) -> tuple[Baseline, dict[str, list[Cell]]]:
    """The baseline of each set, and the structures with what it leaves of their references.

    Raises:
        ValueError: Species that the training set lacks, or energies that are not finite.
    """
    if not potentials:
        return Baseline((), {}), {name: list(cells) for name, cells in sets.items()}
    trained = sorted({value for cell in sets["train"] for value in cell.values})
    for potential in potentials:
        for name in potential.species:
            if name not in trained:
                raise ValueError(
                    f"the baseline {potential} names {name} but the training set has only "
                    f"{', '.join(trained)}"
                )
    parts = {name: [_evaluated(potentials, cell) for cell in cells] for name, cells in sets.items()}
    left = {
        name: [_rest(cell, part) for cell, part in zip(cells, parts[name], strict=True)]
        for name, cells in sets.items()
    }
    properties = {name: _properties(some) for name, some in parts.items()}
    charges = {name: Properties.known(cells).charges for name, cells in sets.items()}
    return Baseline(tuple(potentials), properties, charges), left


def _evaluated(potentials: Sequence[Potential], cell: Cell) -> Evaluation:
    source = cell.meta.get("source", "a structure")
    try:
        result = evaluate(potentials, cell, ignore_missing_species=True)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    if not (np.isfinite(result.energy) and np.isfinite(result.gradient).all()):
        raise ValueError(
            f"{source}: the baseline gives an energy of "
            f"{result.energy}, with forces up to {np.abs(result.gradient).max()}: atoms may be too "
            "near to each other for it"
        )
    return result


def _rest(cell: Cell, part: Evaluation) -> Cell:
    """The structure with its references less the baseline's; what is not known stays so."""
    own: dict[str, Any] = {"energy": part.energy, "forces": part.forces, "stress": _stress(part)}
    labels = {
        name: np.asarray(cell.meta[name], float) - value
        for name, value in own.items()
        if cell.meta.get(name) is not None
    }
    meta = {**cell.meta, **labels}
    return Cell(cell.vectors, cell.coordinates, cell.values, meta, pbc=cell.pbc)


def _stress(part: Evaluation) -> np.ndarray:
    return np.full(6, np.nan) if part.volume is None else part.stress


def _properties(parts: Sequence[Evaluation]) -> Properties:
    return Properties(
        n_atoms=np.array([len(part.energies) for part in parts]),
        energy=np.array([part.energy for part in parts]),
        forces=np.concatenate([part.forces for part in parts]),
        stress=np.stack([_stress(part) for part in parts]),
        charges=np.concatenate([_charges(part) for part in parts]),
    )


def _charges(part: Evaluation) -> np.ndarray:
    return np.full(len(part.energies), np.nan) if part.charges is None else part.charges
