"""Units by name, for the edges: files, plots, the command line.

The package computes in whatever consistent units it is given and never converts. Factors are those
of CODATA as scipy has them; the units with factor 1 are electronvolt and angstrom. Times are in
ASE's unit, which goes with them and the atomic mass unit.
"""

from math import inf

import numpy as np
from scipy import constants

from miniff._checks import unknown_name

__all__ = ["UNITS", "convert", "factor", "size"]

ROUNDING = 1e-7
"""Errors below it have no digits that tell anything, in any unit that they are printed in."""

_HARTREE = constants.value("Hartree energy in eV")
_BOHR = constants.value("Bohr radius") / constants.angstrom
_PASCAL = constants.angstrom**3 / constants.e
_MOLE = constants.Avogadro * constants.e
_SECOND = (constants.e / constants.atomic_mass) ** 0.5 / constants.angstrom

UNITS: dict[str, dict[str, float]] = {
    "energy": {
        "eV": 1.0,
        "meV": 1e-3,
        "Ry": _HARTREE / 2,
        "Hartree": _HARTREE,
        "hartree": _HARTREE,
        "kcal/mol": constants.calorie * 1e3 / _MOLE,
        "kJ/mol": 1e3 / _MOLE,
    },
    "length": {"angstrom": 1.0, "bohr": _BOHR, "nm": 10.0},
    "force": {
        "eV/angstrom": 1.0,
        "meV/angstrom": 1e-3,
        "Ry/bohr": _HARTREE / 2 / _BOHR,
        "Hartree/bohr": _HARTREE / _BOHR,
    },
    "stress": {
        "eV/angstrom^3": 1.0,
        "GPa": 1e9 * _PASCAL,
        "MPa": 1e6 * _PASCAL,
        "kbar": 1e8 * _PASCAL,
    },
    "charge": {"e": 1.0},
    "time": {"fs": 1e-15 * _SECOND, "ps": 1e-12 * _SECOND, "ns": 1e-9 * _SECOND},
}
"""Size of each unit in electronvolt, angstrom, elementary charge and ASE's time, by the kind of
quantity."""


def factor(unit: str) -> float:
    """Size of a unit in electronvolt, angstrom and ASE's time; ``"1"`` is 1.

    Raises:
        ValueError: An unknown unit.
    """
    sizes = {"1": 1.0} | {name: size for kind in UNITS.values() for name, size in kind.items()}
    if unit not in sizes:
        raise ValueError(unknown_name("unit", unit, sizes))
    return sizes[unit]


def size(unit: str | float, kind: str) -> float:
    """Size of a unit of a kind in electronvolt and angstrom; a number is the size itself.

    Args:
        unit: Its name or size; ``"1"`` and 1 leave numbers as they are.
        kind: One of the keys of :data:`UNITS`.

    Raises:
        ValueError: An unknown unit, one of another kind, or a size that is none.
    """
    if not isinstance(unit, str):
        if not 0 < unit < inf:
            raise ValueError(f"the unit of {kind} is {unit} but must be a name or in (0, inf)")
        return float(unit)
    sizes = {"1": 1.0} | UNITS[kind]
    if unit not in sizes:
        raise ValueError(unknown_name(f"unit of {kind}", unit, sizes))
    return sizes[unit]


def convert(value: float, unit: str, to: str) -> float:
    """A value in another unit of the same kind.

    Raises:
        ValueError: An unknown unit, or units of different kinds.
    """
    size, size_to = factor(unit), factor(to)
    kinds = [{kind for kind, names in UNITS.items() if name in names} for name in (unit, to)]
    if kinds[0] != kinds[1]:
        raise ValueError(f"{unit} cannot be converted to {to}: they measure different things")
    return value * size / size_to


def three_digits(value: float) -> str:
    """A number that is not negative as it is printed before its unit.

    In powers of ten only where nothing is left but rounding.
    """
    if value >= 100:
        return f"{value:.0f}"
    if 0 < value < ROUNDING:
        return f"{value:.3g}"
    text: str = np.format_float_positional(float(f"{value:.3g}"), trim="-")
    return text
