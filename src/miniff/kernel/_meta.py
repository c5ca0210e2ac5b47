"""What is known of a structure: labels, and the rest, for the structure or for each atom.

``meta`` of a cell has all of it side by side; files tell what belongs to atoms from the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from miniff.io import Structure

__all__ = ["GROUP_KEYS", "Knowledge", "group_of", "knowledge_of", "meta_of"]

LABELS = ("energy", "forces", "stress")
GROUP_KEYS = ("config_type", "group")
"""Where structures say which group they belong to."""
PER_ATOM = ("charges", "partial-energy", "initial_charges", "magmoms", "masses", "momenta", "tags")
OF_THE_WHOLE = ((3,), (6,), (9,), (3, 3))
"""Shapes of vectors and tensors of the whole structure, whatever the number of atoms is."""


def meta_of(structure: Structure) -> dict[str, object]:
    """All that is known of a structure.

    Raises:
        ValueError: One name for something of the structure and something of its atoms.
    """
    twice = sorted(structure.info.keys() & structure.arrays.keys())
    if twice:
        raise ValueError(
            f"{structure.source}: `{twice[0]}` is given for the structure and for its atoms, but "
            "`meta` has one place for it"
        )
    labels = {
        name: getattr(structure, name)
        for name in LABELS
        if getattr(structure, name) is not None
        and (name != "stress" or any(structure.periodic))  # of a box around a molecule: no meaning
    }
    return {**structure.info, **structure.arrays, **labels}


@dataclass(frozen=True)
class Knowledge:
    """``meta`` of a cell as files have it.

    Attributes:
        energy: Total (energy).
        forces: Minus the gradient (energy/length).
        stress: Positive under tension (energy/length^3).
        info: Of the structure.
        arrays: Of each atom.
    """

    energy: float | None
    forces: Float[ndarray, "n_atoms 3"] | None
    stress: Float[ndarray, " 6"] | None
    info: dict[str, object]
    arrays: dict[str, ndarray]


def knowledge_of(meta: Mapping[str, object], n_atoms: int) -> Knowledge:
    """The entries of ``meta`` sorted; an array with a row for each atom belongs to atoms."""
    rest = {name: value for name, value in meta.items() if name not in LABELS}
    arrays = {
        name: np.asarray(value)
        for name, value in rest.items()
        if _is_of_atoms(name, value, n_atoms)
    }
    energy = _floats(meta.get("energy"))
    return Knowledge(
        energy=None if energy is None else float(energy),
        forces=_floats(meta.get("forces")),
        stress=_floats(meta.get("stress")),
        info={name: value for name, value in rest.items() if name not in arrays},
        arrays=arrays,
    )


def _is_of_atoms(name: str, value: object, n_atoms: int) -> bool:
    if name in PER_ATOM:
        return np.asarray(value).shape[:1] == (n_atoms,)
    return (
        isinstance(value, ndarray)
        and value.shape[:1] == (n_atoms,)
        and value.ndim < 3
        and value.shape not in OF_THE_WHOLE
    )


def _floats(value: object) -> ndarray | None:
    return None if value is None else np.asarray(value, float)


def group_of(meta: Mapping[str, object]) -> str:
    """The group that a structure belongs to, by its own words; empty if it has none."""
    return next((str(meta[key]) for key in GROUP_KEYS if key in meta), "")
