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
        decimals: Of an error in its unit; smaller ones are nothing but rounding.
    """

    kind: Kind
    unit: str
    error_unit: str
    per: str = ""
    decimals: int = 2

    @property
    def as_shown(self) -> str:
        """The format of an error beside the mouse, as bokeh has it."""
        return f"{{0.{self.decimals * '0'}}}"


QUANTITIES: dict[Quantity, Measured] = {
    "energy": Measured("energy", "eV", "meV", "/atom"),
    "forces": Measured("force", "eV/angstrom", "eV/angstrom", decimals=5),
    "stress": Measured("stress", "GPa", "MPa"),
    "charges": Measured("charge", "e", "e", decimals=5),
}
