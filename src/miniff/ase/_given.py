"""What a calculator is given: potentials in any form, and how to use them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from ase.data import chemical_symbols

from miniff._checks import check_not_negative, unknown_name
from miniff.ml import load_potentials, plain_or_name, potential_from_plain
from miniff.potentials import (
    LongRangePotential,
    Potential,
    Precision,
    listed_potentials,
)

__all__ = ["AnyPotentials", "Given"]

AnyPotentials = Potential | Sequence[Potential | Mapping[str, object]] | str | Path
"""One or several potentials, formulas as plain data among them, or the name of a file."""


@dataclass(frozen=True)
class Given:
    """Potentials and how to use them, checked.

    Attributes:
        potentials: As they were given.
        skin: How far beyond the cutoff neighbours are listed (length).
        precision: Of descriptors and networks.
        device: Where energies and forces are computed.
        ignore_missing_species: Whether atoms that no potential is for have no energy.
        warn_extrapolation: Whether atoms outside of the training set are told.
        listed: The potentials, read if they were in a file.
    """

    potentials: AnyPotentials
    skin: float
    precision: Precision
    device: str
    ignore_missing_species: bool
    warn_extrapolation: bool
    listed: list[Potential] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_not_negative("skin", self.skin)
        if self.precision not in get_args(Precision):
            raise ValueError(unknown_name("precision", self.precision, get_args(Precision)))
        if isinstance(self.potentials, str | Path):
            listed = load_potentials(self.potentials)
        else:
            listed = _made(self.potentials)
        if not listed:
            raise ValueError("`potentials` is empty but atoms need a potential to have forces")
        _refuse_other_than_elements(listed)
        object.__setattr__(self, "listed", listed)

    @property
    def has_charges(self) -> bool:
        """Whether energies may depend on charges of the atoms."""
        return any(isinstance(p, LongRangePotential) for p in self.listed)

    @property
    def cutoff(self) -> float:
        """The longest of the potentials (length)."""
        return max(p.cutoff for p in self.listed)

    def as_parameters(self) -> dict[str, object]:
        """Plain data for ASE's files; a network that came in no file is a text about it."""
        potentials: object = (
            str(self.potentials)
            if isinstance(self.potentials, str | Path)
            else [plain_or_name(p) for p in self.listed]
        )
        return {
            "potentials": potentials,
            "skin": self.skin,
            "precision": self.precision,
            "device": self.device,
            "ignore_missing_species": self.ignore_missing_species,
            "warn_extrapolation": self.warn_extrapolation,
        }


def _made(
    potentials: Potential | Sequence[Potential | Mapping[str, object]],
) -> list[Potential]:
    if isinstance(potentials, Potential | Mapping) or not isinstance(potentials, Sequence):
        potentials = [potentials]
    return listed_potentials(
        [potential_from_plain(p) if isinstance(p, Mapping) else p for p in potentials]
    )


def _refuse_other_than_elements(potentials: Sequence[Potential]) -> None:
    """ASE's atoms are of chemical elements: another name would never meet one."""
    for potential in potentials:
        for name in potential.species:
            if name not in chemical_symbols:
                what = unknown_name("chemical species", name, chemical_symbols[1:])
                raise ValueError(f"{potential}: {what}")
