"""One structure with its reference values, checked when made."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from miniff._checks import check_finite, check_shape
from miniff._stress import VOIGT

__all__ = [
    "LABELS",
    "Structure",
    "StructureError",
    "UnwritableError",
    "array_from",
    "number_from",
    "short_source",
    "source_of",
    "stress_from",
]

FLAT = 1e-9
"""Vectors whose volume is so small a share of that of a right-angled box span none."""
LABELS = ("energy", "forces", "stress")
SOURCE = re.compile(r"^(?P<path>.*), structure (?P<index>\d+) \(counted from 0\)$", re.DOTALL)


class StructureError(ValueError):
    """A structure or its file is unfit for use; the message names both."""


class UnwritableError(StructureError):
    """A format has no place for something that is known of a structure.

    Attributes:
        names: What it would do to leave out.
    """

    def __init__(self, sentence: str, names: Sequence[str]) -> None:
        super().__init__(sentence)
        self.names = tuple(names)


@dataclass(frozen=True, eq=False)
class Structure:
    """Atoms, their box, and what a reference calculation says about them.

    Attributes:
        vectors: Box vectors as rows (length); zeros for a molecule without a box, and in place of
            one along which nothing repeats.
        positions: Cartesian coordinates, anywhere in or out of the box (length).
        species: Name of each atom's element.
        periodic: Along which box vectors the structure repeats.
        energy: Total energy (energy).
        forces: Minus the gradient dE/dr (energy/length).
        stress: +dE/dstrain / volume, positive under tension, xx yy zz yz xz xy (energy/length^3).
        info: Whatever else is known about the structure: its group, its name.
        arrays: Whatever else is known about the atoms; the first axis counts them.
        coordinates: Fractional, where the file has these: positions = coordinates @ vectors.
        source: Where it comes from, for messages.
    """

    vectors: Float[ndarray, "3 3"]
    positions: Float[ndarray, "n_atoms 3"]
    species: tuple[str, ...]
    periodic: tuple[bool, bool, bool]
    energy: float | None = None
    forces: Float[ndarray, "n_atoms 3"] | None = None
    stress: Float[ndarray, " 6"] | None = None
    info: Mapping[str, object] = field(default_factory=dict)
    arrays: Mapping[str, ndarray] = field(default_factory=dict)
    coordinates: Float[ndarray, "n_atoms 3"] | None = None
    source: str = "structure"

    def __post_init__(self) -> None:
        try:
            self._check()
        except ValueError as error:
            raise StructureError(f"{self.source}: {error}") from None

    def _check(self) -> None:
        n_atoms = len(self.species)
        self._check_field("vectors", (3, 3))
        self._check_field("positions", (n_atoms, 3))
        self._check_field("coordinates", (n_atoms, 3))
        if self.coordinates is not None and not np.allclose(
            self.coordinates @ self.vectors, self.positions
        ):
            raise ValueError("`coordinates` @ `vectors` differ from `positions` but must be them")
        self._check_field("energy", ())
        self._check_field("forces", (n_atoms, 3))
        self._check_field("stress", (6,))
        for name, array in self.arrays.items():
            check_shape(name, array, (n_atoms, *map(str, array.shape[1:])))
        for name in LABELS:
            if name in self.info or name in self.arrays:
                raise ValueError(f"`{name}` is a field of its own, not one of `info` or `arrays`")
        self._check_volume()

    def _lacks_vectors_alone(self, lengths: Float[ndarray, " 3"]) -> bool:
        """Whether vectors are zero along which nothing repeats, as that of a slab may be."""
        given = self.vectors[lengths > 0] / lengths[lengths > 0, None]
        lacking = [
            length == 0 and not on for length, on in zip(lengths, self.periodic, strict=True)
        ]
        rank = int(np.linalg.matrix_rank(given, FLAT))
        return len(given) + sum(lacking) == 3 and rank == len(given)

    def _check_field(self, name: str, shape: tuple[int, ...]) -> None:
        value = getattr(self, name)
        if value is not None:
            check_shape(name, np.asarray(value), shape)
            check_finite(name, value)

    def _check_volume(self) -> None:
        lengths = np.linalg.norm(self.vectors, axis=1)
        if abs(np.linalg.det(self.vectors)) > FLAT * lengths.prod():
            return
        if any(self.periodic) and not self._lacks_vectors_alone(lengths):
            axes = ", ".join(axis for axis, on in zip("abc", self.periodic, strict=True) if on)
            raise ValueError(
                f"`vectors` span no volume but must, as the box repeats along {axes}: "
                f"they are {self.vectors.tolist()}"
            )
        if self.stress is not None:
            raise ValueError("`stress` is given but `vectors` span no volume")


def source_of(name: str, index: int) -> str:
    """How messages call one structure of a file."""
    return f"{name}, structure {index} (counted from 0)"


def short_source(source: str) -> str:
    """The same for tables: ``a.xyz #3`` is the file without its folder, and the place in it."""
    match = SOURCE.match(source)
    return f"{Path(match['path']).name} #{match['index']}" if match else source


def number_from(name: str, value: object) -> float | None:
    """A single number, of whatever type; None stays None."""
    number = array_from(name, value)
    if number is not None and number.shape != ():
        raise ValueError(f"`{name}` has shape {number.shape} but must be one number")
    return None if number is None else float(number)


def array_from(name: str, value: object) -> ndarray | None:
    """An array of floats from anything that can be one; None stays None."""
    if value is None:
        return None
    refusal = ValueError(f"`{name}` is {value!r:.60} but must be numbers")
    try:
        array = np.asarray(value)
        if array.dtype.kind in "bc":  # "energy" alone on a comment line reads as true
            raise refusal
        return array.astype(float)
    except (TypeError, ValueError, OverflowError):
        raise refusal from None


def stress_from(value: object) -> Float[ndarray, " 6"] | None:
    """Stress in Voigt order from six components or from all nine; None stays None."""
    stress = array_from("stress", value)
    if stress is None or stress.shape == (6,):
        return stress
    if stress.shape not in ((9,), (3, 3)):
        raise ValueError(f"`stress` has shape {stress.shape} but must be (6,), (9,) or (3, 3)")
    full = stress.reshape(3, 3)
    skew = np.abs(full - full.T).max()
    if skew > 1e-3 * np.abs(full).max():
        raise ValueError(f"`stress` differs from its transpose by {skew} but must be symmetric")
    voigt: ndarray = ((full + full.T) / 2)[VOIGT]
    return voigt
