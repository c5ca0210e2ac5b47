"""What a local potential is: an energy per atom that depends on the atom's pair vectors alone."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from jaxtyping import Float64
from numpy import ndarray

from miniff._neighbors import PairTable

if TYPE_CHECKING:
    from miniff.potentials._model import ModelBuilder
    from miniff.potentials._training import TrainingSet

__all__ = ["LocalEnergies", "LocalPotential", "listed_potentials"]


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


class LocalPotential(ABC):
    """An energy per atom as a function of its neighbourhood: a formula or a network.

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
        """Distance beyond which it sees nothing (length)."""

    @property
    @abstractmethod
    def species(self) -> tuple[str, ...]:
        """Every species it names."""

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

    @abstractmethod
    def state_dict(self) -> Mapping[str, object]:
        """Plain data from which ``potential_from_state_dict`` makes it again."""


def listed_potentials(
    potentials: LocalPotential | Sequence[LocalPotential],
) -> list[LocalPotential]:
    """One potential or several, as a list.

    Raises:
        TypeError: Something else, as a family that was not called yet.
    """
    several = [potentials] if isinstance(potentials, LocalPotential) else potentials
    for one in several if isinstance(several, Iterable) else [several]:
        if not isinstance(one, LocalPotential):
            hint = "; call a family with its parameters" if callable(one) else ""
            raise TypeError(f"`potentials` has {one!r:.80} but must have potentials{hint}")
    return list(several)


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


def refuse_short_table(potentials: Sequence[LocalPotential], table: PairTable) -> None:
    """A list shorter than a cutoff would give energies that are silently wrong."""
    for potential in potentials:
        if potential.cutoff > table.cutoff:
            raise ValueError(
                f"`cutoff` of the neighbour list is {table.cutoff} but must be at least "
                f"{potential.cutoff}, the cutoff of {potential}"
            )
