"""How far predictions are from references: mean absolute and root mean square errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from miniff.kernel import Cell
from miniff.units import three_digits

__all__ = [
    "PROPERTIES",
    "Errors",
    "Properties",
    "PropertyError",
    "compare",
    "spread_sentence",
    "typical_spread",
]

PROPERTIES = ("energy", "forces", "stress", "stress_shear", "charges")
SHEAR = (3, 4, 5)
"""Where yz, xz and xy stand among the six components of a stress."""


@dataclass(frozen=True)
class PropertyError:
    """Errors of one property.

    Attributes:
        mae: Mean absolute error.
        rmse: Root of the mean square error.
        n: Numbers compared.
    """

    mae: float
    rmse: float
    n: int


@dataclass(frozen=True)
class Errors:
    """Errors of a set of structures; None where there is no reference.

    Attributes:
        energy: Per atom (energy).
        forces: Per component (energy/length).
        stress: Per component, over all six (energy/length^3).
        stress_shear: Per component, over yz, xz and xy.
        charges: Of each atom (charge); None also where nothing predicts charges.
    """

    energy: PropertyError | None
    forces: PropertyError | None
    stress: PropertyError | None
    stress_shear: PropertyError | None
    charges: PropertyError | None = None

    def as_json(self) -> dict[str, dict[str, float] | None]:
        """Plain data; a property that is absent is null."""
        by_name = {name: getattr(self, name) for name in PROPERTIES}
        return {
            name: None if error is None else {"mae": error.mae, "rmse": error.rmse, "n": error.n}
            for name, error in by_name.items()
        }

    @staticmethod
    def from_json(data: Mapping[str, Mapping[str, float] | None]) -> "Errors":
        """The errors whose ``as_json`` this is."""
        own = {name: data.get(name) for name in PROPERTIES}
        return Errors(
            **{
                name: None
                if error is None
                else PropertyError(error["mae"], error["rmse"], int(error["n"]))
                for name, error in own.items()
            }
        )


@dataclass(frozen=True, eq=False)
class Properties:
    """Values of many structures, nan where something is missing.

    Attributes:
        n_atoms: Of each structure.
        energy: Total (energy).
        forces: Of the atoms of all structures one after the other (energy/length).
        stress: xx yy zz yz xz xy, positive under tension (energy/length^3).
        charges: Of the atoms of all structures (charge); none at all stands for nan.
    """

    n_atoms: Int[ndarray, " n_structures"]
    energy: Float[ndarray, " n_structures"]
    forces: Float[ndarray, "n_all_atoms 3"]
    stress: Float[ndarray, "n_structures 6"]
    charges: Float[ndarray, " n_charges"] = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        if len(self.charges) == 0:
            object.__setattr__(self, "charges", np.full(len(self.forces), np.nan))

    @staticmethod
    def known(cells: Sequence[Cell]) -> "Properties":
        """The reference values that structures have in ``meta``."""

        def label(cell: Cell, name: str, shape: tuple[int, ...]) -> ndarray:
            value = cell.meta.get(name)
            return np.full(shape, np.nan) if value is None else np.asarray(value, float)

        def charges(cell: Cell) -> ndarray:
            return label(cell, "charges", (cell.size,)).reshape(cell.size)

        return Properties(
            n_atoms=np.array([cell.size for cell in cells]),
            energy=np.array([label(cell, "energy", ()) for cell in cells], float),
            forces=np.concatenate([label(cell, "forces", (cell.size, 3)) for cell in cells]),
            stress=np.stack([label(cell, "stress", (6,)) for cell in cells]),
            charges=np.concatenate([charges(cell) for cell in cells]),
        )

    @staticmethod
    def join(parts: "Sequence[Properties]") -> "Properties":
        """The structures of all parts, one after the other."""
        return Properties(
            *(np.concatenate(values) for values in zip(*map(_arrays, parts), strict=True))
        )

    @staticmethod
    def mean(models: "Sequence[Properties]") -> "Properties":
        """What several models say on average of the same structures."""
        own = [_arrays(model)[1:] for model in models]
        return Properties(
            models[0].n_atoms, *(np.mean(values, axis=0) for values in zip(*own, strict=True))
        )

    @staticmethod
    def spread(models: "Sequence[Properties]") -> "Properties":
        """Standard deviations of what several models say of the same structures.

        Raises:
            ValueError: Fewer than two models.
        """
        if len(models) < 2:
            raise ValueError(f"{len(models)} model has no spread: at least two are needed")
        own = [_arrays(model)[1:] for model in models]
        return Properties(
            models[0].n_atoms,
            *(np.std(values, axis=0, ddof=1) for values in zip(*own, strict=True)),
        )

    def taken(self, structures: Int[ndarray, " n_taken"]) -> "Properties":
        """Of some structures, in the given order."""
        first = np.cumsum([0, *self.n_atoms])
        atoms = [np.arange(first[s], first[s + 1]) for s in structures]
        own = np.concatenate([np.zeros(0, np.int64), *atoms])
        return Properties(
            self.n_atoms[structures],
            self.energy[structures],
            self.forces[own],
            self.stress[structures],
            self.charges[own],
        )

    @property
    def energy_per_atom(self) -> Float[ndarray, " n_structures"]:
        """Of each structure (energy)."""
        per_atom: ndarray = self.energy / self.n_atoms
        return per_atom


def _arrays(properties: Properties) -> tuple[ndarray, ...]:
    own = properties.energy, properties.forces, properties.stress, properties.charges
    return properties.n_atoms, *own


def compare(reference: Properties, predicted: Properties) -> Errors:
    """Errors of a prediction over all references that are there; charges only if it has some.

    Raises:
        ValueError: Different structures, or a reference without a prediction.
    """
    if not np.array_equal(reference.n_atoms, predicted.n_atoms):
        raise ValueError("reference and prediction are of different structures")
    structure = np.arange(len(reference.n_atoms))
    of_atom = np.repeat(structure, reference.n_atoms)
    pairs = {
        "energy": (reference.energy_per_atom, predicted.energy_per_atom, structure),
        "forces": (reference.forces, predicted.forces, of_atom),
        "stress": (reference.stress, predicted.stress, structure),
        "stress_shear": (reference.stress[:, SHEAR], predicted.stress[:, SHEAR], structure),
    }
    if not np.isnan(predicted.charges).all():
        pairs["charges"] = (reference.charges, predicted.charges, of_atom)
    return Errors(**{name: _error(name, *pair) for name, pair in pairs.items()})


def _error(
    name: str,
    reference: Float[ndarray, " *shape"],
    predicted: Float[ndarray, " *shape"],
    structure: Int[ndarray, " n_structures_or_atoms"],
) -> PropertyError | None:
    """Errors over the components that have a reference; None if none has."""
    known = ~np.isnan(reference)
    lacking = known & np.isnan(predicted)
    if lacking.any():
        where = int(structure[np.argwhere(lacking)[0][0]])
        raise ValueError(
            f"structure {where} (counted from 0) has {name} as a reference but no prediction of it"
        )
    if not known.any():
        return None
    off = (predicted - reference)[known]
    return PropertyError(
        mae=float(np.abs(off).mean()), rmse=float(np.sqrt(np.square(off).mean())), n=int(off.size)
    )


def spread_sentence(spread: Properties) -> str:
    """How far the members of a committee differ, in the units of errors.

    Args:
        spread: Standard deviations.
    """
    of_energies, of_forces = typical_spread(spread).values()
    return (
        f"members of the committee differ by {three_digits(1e3 * of_energies)} meV/atom and "
        f"{three_digits(of_forces)} eV/Å (root mean squares)"
    )


def typical_spread(spread: Properties) -> dict[str, float]:
    """Root mean squares of standard deviations, of energies per atom and of forces."""
    return {
        "energy": float(np.sqrt(np.mean(np.square(spread.energy_per_atom)))),
        "forces": float(np.sqrt(np.mean(np.square(spread.forces)))),
    }
