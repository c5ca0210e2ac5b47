"""Units by name, against ASE's table of constants."""

import re

import ase.units
import pytest

from miniff.units import UNITS, convert, factor, size, three_digits

ASE = {
    "meV": 1e-3,
    "Ry": ase.units.Ry,
    "Hartree": ase.units.Hartree,
    "hartree": ase.units.Hartree,
    "kcal/mol": ase.units.kcal / ase.units.mol,
    "kJ/mol": ase.units.kJ / ase.units.mol,
    "bohr": ase.units.Bohr,
    "nm": ase.units.nm,
    "Hartree/bohr": ase.units.Hartree / ase.units.Bohr,
    "Ry/bohr": ase.units.Ry / ase.units.Bohr,
    "GPa": ase.units.GPa,
    "MPa": ase.units.GPa / 1e3,
    "kbar": 1e8 * ase.units.Pascal,
    "fs": ase.units.fs,
    "ps": 1e3 * ase.units.fs,
    "ns": 1e6 * ase.units.fs,
}


@pytest.mark.parametrize("name", sorted(ASE))
def test_factors_agree_with_ase(name: str) -> None:
    """To the digits in which editions of CODATA agree."""
    assert factor(name) == pytest.approx(ASE[name], rel=1e-7)


def test_every_unit_is_compared_or_one() -> None:
    """No unit escapes the comparison."""
    for names in UNITS.values():
        assert {n for n in names if factor(n) != 1 and n not in ASE} == {"meV/angstrom"} & set(
            names
        )


def test_conversion_there_and_back() -> None:
    """160.2 GPa are one eV per cubic angstrom."""
    assert convert(1.0, "eV/angstrom^3", "GPa") == pytest.approx(160.2176634)
    assert convert(convert(3.0, "Ry", "kJ/mol"), "kJ/mol", "Ry") == pytest.approx(3.0)


def test_refusals() -> None:
    """A misspelt unit lists the known ones; a length is no energy."""
    with pytest.raises(
        ValueError, match=re.escape("`eVs` is not a known unit; did you mean `eV`?")
    ):
        factor("eVs")
    with pytest.raises(ValueError, match="bohr cannot be converted to eV"):
        convert(1.0, "bohr", "eV")


def test_sizes_are_of_one_kind() -> None:
    """A name of the kind, or the size itself; 1 leaves numbers as they are."""
    assert size("bohr", "length") == factor("bohr")
    assert size(0.5, "energy") == 0.5
    assert size("1", "energy") == size(1, "length") == 1.0
    with pytest.raises(ValueError, match="`eV` is not a known unit of length"):
        size("eV", "length")
    for wrong in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match=f"unit of energy is {wrong} but must be a name or in"):
            size(wrong, "energy")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((0.0, "0"), (3.5e-5, "0.000035"), (0.04302, "0.043"), (0.07864, "0.0786")),
        *((5.86, "5.86"), (99.96, "100"), (100.4, "100"), (3574.5, "3574")),
        *((1.2345e-7, "0.000000123"), (9.876e-8, "9.88e-08")),
    ],
)
def test_numbers_are_printed_with_three_digits(value: float, text: str) -> None:
    """And in powers of ten below 1e-7 alone."""
    assert three_digits(value) == text
