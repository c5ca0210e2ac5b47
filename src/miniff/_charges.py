"""What a structure says of charges: of its atoms, and in total."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from numbers import Real

import numpy as np
from jaxtyping import Float, Float64
from numpy import ndarray

__all__ = ["IN_TOTAL", "OF_ATOMS", "GivenCharges"]

OF_ATOMS, IN_TOTAL = ("charges", "initial_charges"), ("total_charge", "charge")
"""How ``meta`` of a structure calls them."""


@dataclass(frozen=True, eq=False)
class GivenCharges:
    """Charges that are given and not computed.

    Attributes:
        of_atoms: Of each atom (charge); None if nothing is known.
        total: Of the structure (charge).
    """

    of_atoms: Float[ndarray, " n_atoms"] | None = None
    total: float = 0.0

    @staticmethod
    def from_meta(meta: Mapping[str, object], n_atoms: int) -> "GivenCharges":
        """``charges`` (or ASE's ``initial_charges``) and ``total_charge`` (or ``charge``) of a
        structure, which is neutral by default.

        Raises:
            ValueError: Another number of charges than atoms, or what is no finite number.
        """
        total = next((_number(n, meta[n]) for n in IN_TOTAL if meta.get(n) is not None), 0.0)
        for name in OF_ATOMS:
            if meta.get(name) is not None:
                return GivenCharges(_of_atoms(name, meta[name], n_atoms), total)
        return GivenCharges(None, total)

    def arrays(self, n_atoms: int) -> tuple[Float64[ndarray, " n_atoms"], Float64[ndarray, " one"]]:
        """Both as a table of one structure has them; nan where nothing is known."""
        known = np.full(n_atoms, np.nan) if self.of_atoms is None else self.of_atoms
        return np.ascontiguousarray(known, float), np.array([self.total])


def _number(name: str, given: object) -> float:
    value = given.item() if isinstance(given, ndarray) and given.size == 1 else given
    if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(value):
        raise ValueError(f"`{name}` is {given!r} but must be a finite number")
    return float(value)


def _of_atoms(name: str, given: object, n_atoms: int) -> Float64[ndarray, " n_atoms"]:
    charges = np.asarray(given)
    if charges.shape == (n_atoms, 1):
        charges = charges[:, 0]
    if charges.shape != (n_atoms,):
        raise ValueError(f"`{name}` has shape {charges.shape} but must be ({n_atoms},)")
    if charges.dtype.kind not in "iuf" or not np.isfinite(charges).all():
        raise ValueError(f"`{name}` must be finite numbers")
    return charges.astype(float)
