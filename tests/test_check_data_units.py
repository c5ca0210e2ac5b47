"""Exact labels of atoms that are rattled: slopes are 1, and every mix of units is told."""

import re

import numpy as np
import pytest
from ase.data import atomic_numbers
from rattled import BOHR, EV, GPA, KBAR, in_units, rattled
from sound_data import changed, kinds, own

from miniff.kernel import Cell, check_data
from miniff.kernel._doctor._survey import Survey
from miniff.kernel._doctor._units import readings_of
from miniff.kernel._doctor._work import steps_between
from miniff.kernel._doctor._yardstick import functions_for

HARTREE, RY, KCAL = EV["Hartree"], EV["Ry"], EV["kcal/mol"]


def slopes_said(cells: list[Cell]) -> dict[str, tuple[float, float]]:
    """Slopes and errors of forces and stress, as they are told."""
    (said,) = check_data({"data": cells}).seen
    found = re.findall(r"(-?[\d.]+) ± ([\d.]+) times the work of the (\w+)", said)
    return {what: (float(slope), float(error)) for slope, error, what in found}


@pytest.mark.parametrize("element", ["Cu", "Ar", "Si"])
@pytest.mark.parametrize("size", [0.02, 0.15, 0.3])
def test_slopes_of_rattled_atoms_are_1(element: str, size: float) -> None:
    """However far atoms are from their sites, where the rule of the ends alone has 0.4."""
    slope, error = slopes_said(list(rattled(element, size)))["forces"]
    assert error < 0.1
    assert abs(slope - 1) < 3 * error + 1e-3


@pytest.mark.parametrize(
    ("element", "size"), [("Cu", 0.05), ("Cu", 0.15), ("Ar", 0.15), ("Si", 0.05)]
)
def test_slopes_of_strained_crystals_are_1(element: str, size: float) -> None:
    """Of forces and of stress."""
    found = slopes_said(list(rattled(element, size, 0.02)))
    assert found.keys() == {"forces", "stress"}
    for slope, error in found.values():
        assert error < 0.06
        assert abs(slope - 1) < 3 * error + 1e-3


def test_rule_of_the_ends_is_biased() -> None:
    """Which is why more than that is needed."""
    steps = steps_between(Survey.of({"data": list(rattled("Cu", 0.15))}))
    slope = (steps.energy @ steps.of_forces) / (steps.of_forces @ steps.of_forces)
    assert slope < 0.8


@pytest.mark.parametrize("seed", range(3))
def test_error_of_the_slope_is_that_of_repetitions(seed: int) -> None:
    """Noise in the forces: slopes of other draws scatter by the error that is told."""
    slopes, errors = [], []
    for k in range(6):
        rng = np.random.default_rng((seed, k))
        cells = rattled("Cu", 0.05, n=48)[8 * k : 8 * k + 8] + rattled("Cu", 0.05, n=48)[:8]
        noisy = [
            changed(c, forces=own(c, "forces") + rng.normal(scale=0.1, size=(c.size, 3)))
            for c in cells
        ]
        found = slopes_said(noisy)
        slopes.append(found["forces"][0])
        errors.append(found["forces"][1])
    assert np.std(slopes) < 3 * np.mean(errors)
    assert abs(np.mean(slopes) - 1) < 3 * np.mean(errors)


MIXES = {
    **{
        f"energies in {name}": ({"energy": e}, f"the energies were in {name}")
        for name, e in EV.items()
    },
    **{
        f"forces in {name}/angstrom": ({"forces": e}, f"the forces were in {name}/angstrom")
        for name, e in EV.items()
    },
    "forces in Hartree/bohr": ({"forces": HARTREE / BOHR}, "the forces were in Hartree/bohr"),
    "forces in Ry/bohr": ({"forces": RY / BOHR}, "the forces were in Ry/bohr"),
    "forces in eV/bohr": ({"forces": 1 / BOHR}, "the forces were in eV/bohr"),
    "atomic units": (
        {"energy": HARTREE, "forces": HARTREE / BOHR},
        "the energies were in Hartree and the forces in Hartree/bohr",
    ),
    "Rydberg units": (
        {"energy": RY, "forces": RY / BOHR},
        "the energies were in Ry and the forces in Ry/bohr",
    ),
    "Ry beside Hartree/bohr": (
        {"energy": RY, "forces": HARTREE / BOHR},
        "the energies were in Ry and the forces in Hartree/bohr",
    ),
}


@pytest.mark.parametrize("name", MIXES)
def test_units_of_energies_and_forces_are_told(name: str) -> None:
    """One unit, or several where the slope is the same; the sign beside it."""
    units, hint = MIXES[name]
    found = kinds(in_units(rattled("Cu", 0.15), **units))
    assert f"as if {hint}" in found["unit of forces"].sentence
    assert "opposite sign" not in found["unit of forces"].sentence


def test_units_and_sign_of_forces_are_told() -> None:
    units = {"energy": HARTREE, "forces": -HARTREE / BOHR}
    found = kinds(in_units(rattled("Cu", 0.15), **units))["unit of forces"]
    assert "in Hartree/bohr, with the opposite sign" in found.sentence
    negated = kinds(in_units(rattled("Cu", 0.3), forces=-1))
    assert "look like gradients, of the opposite sign" in negated["sign of forces"].sentence


STRESSES = {
    "GPa": (GPA, "it were in GPa"),
    "kbar": (KBAR, "it were in kbar"),
    "kbar, negated": (-KBAR, "it were in kbar, and positive under compression"),
    "Hartree/bohr^3": (HARTREE / BOHR**3, "it were in Hartree/bohr^3"),
    "virial": (0, "it were a virial, in eV"),
}


@pytest.mark.parametrize("strain", [0.0, 0.02])
@pytest.mark.parametrize("name", STRESSES)
def test_units_of_stress_are_told(name: str, strain: float) -> None:
    """By the work of strains; in one cell by the shear that the forces imply."""
    size, hint = STRESSES[name]
    found = kinds(in_units(rattled("Cu", 0.1, strain), stress=size))["unit of stress"]
    assert f"as if {hint}" in found.sentence


@pytest.mark.parametrize("strain", [0.0, 0.02])
def test_sign_of_stress_is_told(strain: float) -> None:
    found = kinds(in_units(rattled("Cu", 0.1, strain), stress=-1))
    assert "opposite sign, positive under compression" in found["sign of stress"].sentence


def test_unit_of_stress_is_told_beside_other_energies() -> None:
    """The slope of the stress alone would be that of no unit."""
    units = {"energy": HARTREE, "forces": HARTREE / BOHR, "stress": GPA}
    found = kinds(in_units(rattled("Cu", 0.1, 0.02), **units))
    assert "as if the energies were in Hartree and" in found["unit of forces"].sentence
    assert "as if it were in GPa;" in found["unit of stress"].sentence


def test_energies_and_forces_in_one_other_unit_are_told() -> None:
    """By the stress, whose unit is another; without it by how stiff copper were."""
    cells = in_units(rattled("Cu", 0.1), energy=KCAL, forces=KCAL)
    assert "as if the energies were in kcal/mol" in kinds(cells)["unit of stress"].sentence
    without = [changed(cell, stress=None) for cell in cells]
    found = kinds(without)["unit of energies and forces"]
    assert found.severity == "warning"
    assert "kcal/mol (23.1 times as large)" in found.sentence


def test_energies_per_atom_are_told() -> None:
    cells = rattled("Cu", 0.1)
    found = kinds(in_units(cells, energy=float(cells[0].size)))["unit of forces"]
    assert "as if the energies were per atom and not of the whole structure" in found.sentence


@pytest.mark.parametrize("element", ["Cu", "Si"])
def test_one_energy_that_is_off_is_named_as_such(element: str) -> None:
    """It is no unit of energy, whatever ratio it happens to have to the others."""
    cells = list(rattled(element, 0.1))
    cells[7] = changed(cells[7], energy=float(own(cells[7], "energy")) + 30)
    found = kinds(cells)
    assert found.keys() == {"energy against neighbours"}
    (one,) = found.values()
    assert one.where == (f"{element}.xyz, structure 7 (counted from 0)",)
    off = re.search(r"the energy of .*structure 7 .* \(([\d.]+) eV in all\) too high", one.sentence)
    assert off is not None
    assert float(off[1]) == pytest.approx(30, rel=0.05)


def test_rattled_atoms_are_in_no_other_unit_of_length() -> None:
    """The shortest of all bonds says little where atoms are far off their sites."""
    assert "unit of length" not in kinds(list(rattled("Cu", 0.3)))


def test_readings_are_the_simplest_that_explain_both_slopes() -> None:
    """Units that belong together are one choice; what nothing explains has no reading."""
    both = readings_of((1 / BOHR, 0.05), (1 / BOHR**3, 0.05), 100.0, 10)
    assert [r.of_stress for r in both] == ["it were in Ry/bohr^3", "it were in Hartree/bohr^3"]
    assert readings_of((7.7, 0.05), None, 100.0, 10) == []
    (right,) = readings_of((1.01, 0.05), (0.99, 0.05), 100.0, 10)
    assert (right.of_forces, right.of_stress) == ("", "")


def test_too_many_species_have_no_yardstick() -> None:
    """Functions of all pairs of thirty species would be more than the data tell."""
    names = sorted(name for name in atomic_numbers if 0 < atomic_numbers[name] <= 30)
    places = np.arange(30)[:, None] * [0.03, 0.0, 0.0]
    assert functions_for([Cell(60 * np.eye(3), places, names)]) is None
