"""Units of LAMMPS in electronvolt and angstrom, which the potentials have."""

from dataclasses import dataclass
from typing import Any

from miniff._checks import unknown_name
from miniff.units import factor

__all__ = ["Units", "units_of"]

STYLES = {
    "metal": ("eV", "angstrom"),
    "real": ("kcal/mol", "angstrom"),
    "electron": ("Hartree", "bohr"),
}
"""Energy and length of those that atoms are computed in; `lj` has no scale to convert by."""


@dataclass(frozen=True)
class Units:
    """Sizes of the units of a LAMMPS.

    Attributes:
        energy: In electronvolt.
        length: In angstrom.
    """

    energy: float
    length: float


def units_of(lmp: Any) -> Units:
    """Those that were chosen by its command ``units``.

    Raises:
        ValueError: Others than metal, real and electron.
    """
    style = str(lmp.extract_global("units"))
    if style not in STYLES:
        raise ValueError(unknown_name("style of LAMMPS's `units` to convert to", style, STYLES))
    energy, length = STYLES[style]
    return Units(factor(energy), factor(length))
