"""What a list of potentials leaves out is refused or told, in one way everywhere."""

import re
import subprocess
import sys
from pathlib import Path

import contract
import numpy as np
import pytest

from miniff import dyn, kernel
from miniff.kernel import Cell
from miniff.potentials import (
    CompiledPotentials,
    OneSidedPairWarning,
    general_pair_potential_family,
    lj_potential_family,
    sw2_potential_family,
)

LJ = {"epsilon": 0.3, "sigma": 1.9, "a": 2.2}
SW2 = {"epsilon": 0.5, "sigma": 2.1, "gauge_a": 7.05, "gauge_b": 0.602, "a": 1.8, "p": 4, "q": 0}
UNCOVERED = (
    "the structure has atoms of b but the potentials give energies only to atoms of a; "
    "add potentials, or let such atoms have none with `ignore_missing_species=True`"
)


def lj(tag):
    return lj_potential_family(tag, **LJ)


def calls(potentials, **options):
    """Both ways to forces on the atoms of the shared crystal."""
    cell = contract.lettered()
    return (
        lambda: kernel.eval(potentials, cell, **options),
        lambda: dyn.SkinForces(potentials, cell, **options)(cell.cartesian()),
        lambda: dyn.nve(
            Cell(cell.vectors, cell.coordinates, ["Si" if x == "a" else "C" for x in cell.values]),
            [p.copy(p.tag.replace("a", "Si").replace("b", "C")) for p in potentials],
            n_steps=0,
            timestep=1.0,
            **options,
        ),
        lambda: kernel.profile_strain(potentials, cell, np.array([0.9, 1.0]), **options),
        lambda: kernel.profile_directed_strain(
            potentials, cell, np.array([0.9, 1.0]), (1, 1, 0), **options
        ),
        lambda: kernel.profile(
            potentials, lambda n: cell.repeated(int(n), 1, 1), np.array([1.0, 2.0]), **options
        ),
    )


def test_atoms_without_an_energy_are_refused_everywhere():
    """Species and the way out are named; asked for, such atoms have none."""
    potentials = [lj("a-a")]
    for n, call in enumerate(calls(potentials)):
        names = ["C", "Si"] if n == 2 else ["b", "a"]
        sentence = UNCOVERED.replace(" b ", f" {names[0]} ").replace(" a;", f" {names[1]};")
        with pytest.raises(ValueError, match=re.escape(sentence)):
            call()
    result, moving, state, *scans = (
        call() for call in calls(potentials, ignore_missing_species=True)
    )
    is_b = np.array(contract.lettered().values) == "b"
    assert (result.energies[is_b] == 0).all()
    assert (result.gradient[is_b] == 0).all()
    assert (result.energies[~is_b] != 0).all()
    np.testing.assert_allclose(moving.gradient, result.gradient, atol=1e-9)
    assert state.potential_energy == pytest.approx(result.energy)
    for scan, points, factor in zip(scans, (-1, -1, 1), (1, 1, 2), strict=True):
        assert scan[points] == pytest.approx(factor * result.energy)


def test_every_atom_with_an_energy_is_enough():
    """An untagged potential is for all; a list without potentials is for none, and says so by 0."""
    cell = contract.lettered()
    kernel.eval([lj("a-a"), lj("b-b")], cell)
    kernel.eval([lj("a-a"), sw2_potential_family(**SW2)], cell)
    assert kernel.eval([], cell).energy == 0


@pytest.mark.parametrize(
    "make", [lj, lambda tag: general_pair_potential_family(tag, f=np.exp, a=3.0)]
)
def test_half_of_a_bond_is_told(make):
    """The tag, and what it means; both halves, of whatever parameters, are silent."""
    cell = contract.lettered()
    sentence = (
        "acts on a-b but not on b-a: pairs are directed, and the half of the energy of each bond "
        "that the atom of b has is absent; "
    )
    sentence += "`potentials.counted_once` makes" if make is lj else "make another for it"
    others = [make("a-a"), make("b-b")]
    for call in (
        lambda: kernel.eval([make("a-b"), *others], cell),
        lambda: CompiledPotentials([make("a-b"), *others], ("a", "b")),
        lambda: dyn.SkinForces([make("a-b"), *others], cell),
        lambda: kernel.profile_strain([make("a-b"), *others], cell, np.linspace(0.9, 1.1, 5)),
    ):
        with pytest.warns(OneSidedPairWarning, match=re.escape(sentence)) as told:
            call()
        assert len(told) == 1
    half = kernel.compute_images(cell, 4.5).eval([make("a-b"), make("b-a")])
    both = kernel.eval([make("a-b"), make("b-a"), *others], cell).energy
    rest = kernel.eval(others, cell).energy
    assert both == pytest.approx(rest + half.sum(), rel=1e-12)
    assert half[0].sum() == pytest.approx(half[1].sum(), rel=1e-12)


def test_another_family_is_no_partner():
    """Lennard-Jones on a-b and Stillinger-Weber on b-a are two halves of different bonds."""
    cell = contract.lettered()
    with pytest.warns(OneSidedPairWarning) as told:
        kernel.eval([lj("a-b"), sw2_potential_family("b-a", **SW2)], cell)
    assert [re.match(r"(.*) acts on (\S+)", str(w.message)).groups() for w in told] == [
        ("Lennard-Jones", "a-b"),
        ("Stillinger-Weber type 2", "b-a"),
    ]


def test_absent_species_make_no_half_bonds():
    """Where one of the two species does not occur, no energy is absent."""
    kernel.eval([lj("a-b"), lj("a-a")], contract.tiny(), ignore_missing_species=True)


SCRIPT = """
import contract
from test_coverage import lj
from miniff import kernel

for _ in range(3):
    kernel.eval([lj("a-b"), lj("b-b")], contract.lettered())
"""


def test_a_warning_is_told_once():
    """However often the same potentials are evaluated, in a process with nothing else set."""
    told = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=Path(__file__).parent,
        capture_output=True,
        check=True,
        text=True,
    ).stderr
    assert told.count("Lennard-Jones acts on a-b but not on b-a") == 1


def test_scans_know_species_that_any_of_their_structures_has():
    """A scan from one species to another; what is in none of them is a misspelt name."""

    def mixed(n):
        return Cell(8 * np.eye(3), [[0, 0, 0], [0.25, 0, 0]], ["a" if n == 0 else "b", "a"])

    potentials = [lj(tag) for tag in ("a-a", "a-b", "b-a", "b-b")]
    found = kernel.profile(potentials, mixed, np.array([0.0, 1.0]))
    np.testing.assert_allclose(found, kernel.eval(potentials[0], mixed(0)).energy)
    with pytest.raises(ValueError, match="`c` is not a known species"):
        kernel.profile([*potentials, lj("c-c")], mixed, np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match=r"`direction` has shape \(2,\) but must be \(3,\)"):
        kernel.profile_directed_strain(potentials, mixed(1), np.ones(2), (1, 1))
