"""What is compared with references, and the units in which it is read most easily."""

from dataclasses import dataclass
from typing import Literal

from miniff.presentation._units import Kind

__all__ = ["QUANTITIES", "Quantity"]

Quantity = Literal["energy", "forces", "stress", "charges"]


@dataclass(frozen=True)
class Measured:
    """How one quantity is shown.

    Attributes:
        kind: Of unit.
        unit: For values.
        error_unit: For errors, as in the tables of the workflows.
        per: After the unit.
    """

    kind: Kind
    unit: str
    error_unit: str
    per: str = ""


QUANTITIES: dict[Quantity, Measured] = {
    "energy": Measured("energy", "eV", "meV", "/atom"),
    "forces": Measured("force", "eV/angstrom", "meV/angstrom"),
    "stress": Measured("stress", "GPa", "MPa"),
    "charges": Measured("charge", "e", "e"),
}
