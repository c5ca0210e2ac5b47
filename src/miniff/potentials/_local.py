"""What a potential is: local, where an atom's energy depends on its own pair vectors alone, or of
long range, where it depends on the whole structure."""

import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from jaxtyping import Float64
from numpy import ndarray

from miniff._neighbors import NeighborTable, PairTable

if TYPE_CHECKING:
    from miniff.potentials._model import ModelBuilder
    from miniff.potentials._training import TrainingSet

__all__ = [
    "LocalEnergies",
    "LocalPotential",
    "LongRangePotential",
    "Potential",
    "TableEvaluation",
    "listed_potentials",
    "refuse_long_range",
]


@dataclass(frozen=True)
class LocalEnergies:
    """What a potential gives for a table of pairs.

    Attributes:
        energies: Per atom (energy).
        image_gradient: Derivative of the sum of all energies by the position of each image
            (energy/length); None if it was not asked for.
        grades: How far atoms are outside of the training set, by range and by distance, nan where
            it is not known; None if there is none. See :class:`TrainingSet`.
    """

    energies: Float64[ndarray, " n_atoms"]
    image_gradient: Float64[ndarray, "n_images 3"] | None
    grades: Float64[ndarray, "n_atoms 2"] | None = None


@dataclass(frozen=True)
class TableEvaluation:
    """Energies and their derivatives for the atoms and structures of one table.

    Attributes:
        energies: Per atom (energy).
        energy: Per structure (energy).
        gradient: dE/dr (energy/length); forces are its negative.
        strain_derivative: dE/d(strain) per structure (energy); the virial is its negative.
        grades: How far each atom is outside of the training set, by range and by distance, 1 at the
            border; nan where it is not known. See :class:`miniff.potentials.TrainingSet`.
        charges: Of the atoms (charge), if there are any that energies depend on.
    """

    energies: Float64[ndarray, " n_atoms"]
    energy: Float64[ndarray, " n_structures"]
    gradient: Float64[ndarray, "n_atoms 3"]
    strain_derivative: Float64[ndarray, "n_structures 3 3"]
    grades: Float64[ndarray, "n_atoms 2"]
    charges: Float64[ndarray, " n_atoms"] | None = None


class Potential(ABC):
    """An energy per atom: a formula, a network, or the interaction of charges.

    Attributes:
        tag: Species it acts on, separated by dashes, the centre first; None for all.
        is_learned: Whether it was fitted, to atoms of its own species alone.
        training: What it was fitted to; None if that is not known, or it was not.
    """

    tag: str | None
    is_learned: ClassVar[bool] = False
    training: "TrainingSet | None" = None

    @property
    @abstractmethod
    def cutoff(self) -> float:
        """Distance up to which it needs neighbours (length)."""

    @property
    @abstractmethod
    def species(self) -> tuple[str, ...]:
        """Every species it names."""

    @property
    def centres(self) -> tuple[str, ...]:
        """The species whose atoms it gives an energy of short range to, if it names any."""
        return self.species[:1]

    def training_sets(self, species: str) -> "list[TrainingSet]":
        """What is known of the atoms of a species that it was fitted to."""
        known = self.training is not None and self.species == (species,)
        return [self.training] if known and self.training is not None else []

    def acts_in(self, names: Collection[str]) -> bool:
        """Whether it can act in a structure of these species: all that it names are there."""
        return set(self.species) <= set(names)

    @abstractmethod
    def copy(self, tag: str | None) -> "Potential":
        """The same potential for other species."""

    @abstractmethod
    def state_dict(self) -> Mapping[str, object]:
        """Plain data from which ``potential_from_state_dict`` makes it again."""


class LocalPotential(Potential):
    """An energy per atom as a function of its neighbourhood: a formula or a network."""

    @abstractmethod
    def local_energies(self, table: PairTable, *, gradient: bool) -> LocalEnergies:
        """Energies of all atoms of the table; zero for atoms of species it does not act on."""

    @abstractmethod
    def pair_gradient(self, table: PairTable) -> Float64[ndarray, "n_pairs 3"]:
        """Derivative of each centre's energy by its pair vectors r_j - r_i (energy/length)."""

    @abstractmethod
    def contribute(self, model: "ModelBuilder") -> bool:
        """Adds itself to a compiled model; False if the core cannot hold it."""

    @abstractmethod
    def copy(self, tag: str | None) -> "LocalPotential":
        """The same potential for other species."""


class LongRangePotential(Potential):
    """An energy per atom that depends on atoms at any distance, as that of charges does."""

    @abstractmethod
    def evaluate(self, table: PairTable) -> TableEvaluation:
        """Energy, gradient and strain derivative of every structure of a table.

        Raises:
            ValueError: A table it cannot be evaluated for.
        """


def listed_potentials(
    potentials: Potential | Sequence[Potential],
) -> list[Potential]:
    """One potential or several, as a list.

    Raises:
        TypeError: Something else, as a family that was not called yet, or the name of a file.
    """
    if isinstance(potentials, str | os.PathLike):
        raise TypeError(f"`potentials` is {_advice_for_file(potentials)}")
    several = [potentials] if isinstance(potentials, Potential) else potentials
    for one in several if isinstance(several, Iterable) else [several]:
        if isinstance(one, str | os.PathLike):
            raise TypeError(f"`potentials` has {_advice_for_file(one)}")
        if not isinstance(one, Potential):
            hint = "; call a family with its parameters" if callable(one) else ""
            raise TypeError(f"`potentials` has {one!r:.80} but must have potentials{hint}")
    return list(several)


def _advice_for_file(given: "str | os.PathLike[str]") -> str:
    name = os.fspath(given)
    return (
        f"{name!r:.80} but must be a list of potentials: `miniff.ml.load_potentials({name!r})` "
        "gives that of a file"
    )


def refuse_long_range(potentials: Sequence[Potential], what: str) -> list[LocalPotential]:
    """The potentials, if each atom's energy is a function of its own pair vectors.

    Args:
        potentials: One or several.
        what: Is asked for and exists for such alone.

    Raises:
        ValueError: One of them is of long range.
    """
    local = [p for p in potentials if isinstance(p, LocalPotential)]
    for potential in potentials:
        if potential not in local:
            raise ValueError(
                f"{potential} is of long range: {what} exists for local potentials alone"
            )
    return local


def check_tag(tag: str | None, n_bodies: int) -> None:
    """Refuse a tag that does not name as many species as a form has bodies."""
    if tag is None:
        return
    if not isinstance(tag, str):
        example = "-".join("abc"[:n_bodies])
        raise TypeError(f"`tag` is {tag!r} but must be text like {example!r}, or None for all")
    parts = tag.split("-")
    if len(parts) != n_bodies or not all(parts):
        example = "-".join("abc"[:n_bodies])
        raise ValueError(f"`tag` is {tag!r} but must name {n_bodies} species like {example!r}")


def check_many_body_tag(tag: str | None, n_neighbors: int | None) -> None:
    """Parameters that tell n species of neighbours apart need a tag that names them."""
    demanded = "one or more species" if n_neighbors is None else f"{n_neighbors} species"
    if tag is None:
        if n_neighbors is not None:
            raise ValueError(
                f"`tag` is None but must name the centre and {demanded} of neighbours: the "
                "parameters tell them apart"
            )
        return
    if not isinstance(tag, str):
        raise TypeError(f"`tag` is {tag!r} but must be text like 'a-a-b'")
    centre, *neighbors = tag.split("-")
    fits = len(neighbors) == n_neighbors if n_neighbors is not None else bool(neighbors)
    if not (fits and centre and all(neighbors)):
        raise ValueError(
            f"`tag` is {tag!r} but must name the centre and {demanded} of neighbours like 'a-a-b'"
        )
    if len(set(neighbors)) < len(neighbors):
        raise ValueError(f"`tag` is {tag!r} but must name each species of neighbours once")


def refuse_short_table(potentials: Sequence[Potential], table: NeighborTable) -> None:
    """A list shorter than a cutoff would give energies that are silently wrong."""
    for potential in potentials:
        if potential.cutoff > table.cutoff:
            raise ValueError(
                f"`cutoff` of the neighbour list is {table.cutoff} but must be at least "
                f"{potential.cutoff}, the cutoff of {potential}"
            )
