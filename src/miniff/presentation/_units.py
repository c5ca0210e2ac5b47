"""Units by name in plots: their size, and how they are printed."""

from typing import Literal

from miniff._checks import unknown_name
from miniff.units import UNITS, factor

__all__ = ["Kind", "labelled", "printed", "size_of"]

Kind = Literal["energy", "length", "force", "stress", "charge", "time"]
SIGNS = {"angstrom": "Å", "^3": "³"}


def size_of(unit: str, kind: Kind) -> float:
    """Size of a unit in the package's own; ``"1"``, for what has none, is 1.

    Raises:
        ValueError: An unknown unit, or one of something else.
    """
    if unit not in ("1", *UNITS[kind]):
        raise ValueError(unknown_name(f"unit of {kind}", unit, ["1", *UNITS[kind]]))
    return factor(unit)


def printed(unit: str, power: int = 1) -> str:
    """As in print: "eV/Å³" for eV/angstrom^3; in a power of 3 or -3 where asked."""
    text = unit
    for name, sign in SIGNS.items():
        text = text.replace(name, sign)
    if unit == "1" or power == 1:
        return text
    return f"{text}³" if power == 3 else f"1/{text}³"


def labelled(quantity: str, unit: str, per: str = "") -> str:
    """The label of an axis, ``quantity (unit/per)``."""
    return f"{quantity} ({printed(unit)}{per})"
