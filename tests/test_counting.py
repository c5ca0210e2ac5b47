"""Each bond and each angle once: against sums over them, and LAMMPS."""

import doctest
import json
import re
from itertools import combinations
from pathlib import Path

import contract
import numpy as np
import pytest
import reference

from miniff import kernel
from miniff.kernel import Cell
from miniff.potentials import (
    behler2_descriptor_family,
    buckingham_potential_family,
    counted_once,
    general_pair_potential_family,
    general_triple_potential_family,
    lj_potential_family,
    morse_potential_family,
    on_site_potential_family,
    sw2_potential_family,
    sw3_mixed_potential_family,
    sw3_potential_family,
    tersoff_potential_family,
    weighted_angular_descriptor_family,
    zbl_potential_family,
)

GOLDEN, ZBL = (
    json.loads((Path(__file__).parent / "data" / folder / "golden.json").read_text())
    for folder in ("lammps_golden", "lammps_zbl")
)
Z = {"Si": 14.0, "C": 6.0}
LJ = {
    "a-a": {"epsilon": 0.3, "sigma": 1.9, "a": 2.2},
    "b-a": {"epsilon": 0.5, "sigma": 1.7, "a": 2.3},
    "b-b": {"epsilon": 0.2, "sigma": 2.0, "a": 2.0},
}
SW3 = {"sigma": 2.1, "l": 21.0, "gamma": 1.2, "cos_theta0": -1 / 3, "a": 1.8}


def cell_of(case):
    vectors = np.array(case["cell"])
    coordinates = np.linalg.solve(vectors.T, np.array(case["positions"]).T).T
    return Cell(vectors, coordinates, case["symbols"])


def test_a_mixture_is_the_sum_over_bonds():
    """Pairs i < j of a cluster, each once, with the parameters of its two species."""
    cell = contract.lettered(pbc=False)
    positions = cell.cartesian()
    expected = 0.0
    for i, j in combinations(range(cell.size), 2):
        names = "-".join(sorted((cell.values[i], cell.values[j]), reverse=True))
        p = LJ[names]
        r = np.linalg.norm(positions[i] - positions[j])
        if r < p["a"] * p["sigma"]:
            expected += 4 * p["epsilon"] * ((p["sigma"] / r) ** 12 - (p["sigma"] / r) ** 6)
    potentials = counted_once(lj_potential_family, LJ)
    assert sorted(p.tag for p in potentials) == ["a-a", "a-b", "b-a", "b-b"]
    assert kernel.eval(potentials, cell).energy == pytest.approx(expected, rel=1e-12)


def test_angles_are_counted_once():
    """Unordered pairs of neighbours of each centre, of equal species or not."""
    strengths = {
        f"{c}-{pair}": 0.1 * (1 + n + m)
        for n, c in enumerate("ab")
        for m, pair in enumerate(("a-a", "b-a", "b-b"))
    }
    strengths["b-b-b"] = 0.0
    cell = contract.lettered()
    expected = np.zeros(cell.size)
    cutoff = SW3["a"] * SW3["sigma"]
    environments = reference.environments(cell, cutoff)
    for i, (names, vectors) in enumerate(environments):
        r = np.linalg.norm(vectors, axis=-1)
        for j, k in combinations(range(len(r)), 2):
            pair = "-".join(sorted((names[j], names[k]), reverse=True))
            cosine = vectors[j] @ vectors[k] / (r[j] * r[k])
            reach = sum(1.2 / (x / SW3["sigma"] - SW3["a"]) for x in (r[j], r[k]))
            term = SW3["l"] * (cosine + 1 / 3) ** 2 * np.exp(reach)
            expected[i] += strengths[f"{cell.values[i]}-{pair}"] * term
    parameters = {
        key: {**SW3, "epsilon": epsilon} if epsilon else None for key, epsilon in strengths.items()
    }
    potentials = counted_once(sw3_potential_family, parameters)
    assert len(potentials) == 5
    np.testing.assert_allclose(kernel.eval(potentials, cell).energies, expected, rtol=1e-11)


def test_a_binary_mixture_is_that_of_lammps():
    """The parameters of `pair_coeff i j` as they stand: Kob and Andersen's mixture."""
    (case,) = [c for c in GOLDEN["cases"] if c["name"] == "lj_binary_KobAndersen32"]
    potentials = counted_once(
        lj_potential_family,
        {
            "Ar-Ar": {"epsilon": 1.0, "sigma": 1.0, "a": 2.5},
            "Ar-Kr": {"epsilon": 1.5, "sigma": 0.8, "a": 2.5},
            "Kr-Kr": {"epsilon": 0.5, "sigma": 0.88, "a": 2.5},
        },
    )
    result = kernel.eval(potentials, cell_of(case))
    assert result.energy == pytest.approx(case["energy"], rel=1e-9)
    forces = np.array(case["forces"])
    np.testing.assert_allclose(result.forces, forces, atol=1e-9 * np.abs(forces).max())


def unlike_legs(tag, one, other):
    """The Stillinger-Weber angle in LAMMPS between bonds of different lengths."""
    cutoffs = [p["a"] * p["sigma"] for p in (one, other)]

    def leg(r, p, cutoff):
        near = np.minimum(r, cutoff - 1e-3)
        return np.where(r < cutoff - 1e-3, np.exp(1.2 * p["sigma"] / (near - cutoff)), 0.0)

    def f(r1, r2, cos_t):
        reach = leg(r1, one, cutoffs[0]) * leg(r2, other, cutoffs[1])
        return 1.6136914 * 32.5 * (cos_t + 0.333333333333) ** 2 * reach

    return general_triple_potential_family(tag, f=f, a=max(cutoffs))


def test_gallium_nitride_is_that_of_lammps(shared_data):
    """Two species with bonds and angles: Bere and Serra, Philos. Mag. 86, 2159 (2006).

    Angles between unlike neighbours have a length for each leg, as no family has: they are Python
    functions here, with the geometric mean of two strengths.
    """
    golden = json.loads((shared_data / "lammps_golden/golden.json").read_text())
    (case,) = [c for c in golden["cases"] if c["name"] == "sw_GaN_wurtzite_rattled16"]
    gallium = {"epsilon": 1.2, "sigma": 2.1, "a": 1.6}
    nitrogen = {"epsilon": 1.2, "sigma": 1.3, "a": 1.8}
    mixed = {"epsilon": 2.17, "sigma": 1.695, "a": 1.8}
    two = {"gauge_a": 7.917, "gauge_b": 0.72, "p": 4.0, "q": 0.0}
    three = {"l": 32.5, "gamma": 1.2, "cos_theta0": -0.333333333333}
    pairs = {"Ga-Ga": gallium | two, "Ga-N": mixed | two, "N-N": nitrogen | two}
    triples = {
        "Ga-Ga-Ga": gallium | three,
        "Ga-N-N": mixed | three,
        "Ga-Ga-N": None,
        "N-N-N": nitrogen | three,
        "N-Ga-Ga": mixed | three,
        "N-Ga-N": None,
    }
    potentials = counted_once(sw2_potential_family, pairs)
    potentials += counted_once(sw3_potential_family, triples)
    potentials.append(unlike_legs("Ga-Ga-N", gallium, mixed))
    potentials.append(unlike_legs("N-Ga-N", mixed, nitrogen))
    result = kernel.eval(potentials, cell_of(case))
    assert result.energy == pytest.approx(case["energy"], rel=1e-9)
    forces, stress = np.array(case["forces"]), np.array(case["stress_ase_voigt"])
    np.testing.assert_allclose(result.forces, forces, atol=1e-9 * np.abs(forces).max())
    np.testing.assert_allclose(result.stress, stress, atol=1e-9 * np.abs(stress).max())


@pytest.mark.parametrize(
    ("name", "family", "parameters"),
    [
        (
            "morse_Cu32",
            morse_potential_family,
            {"Cu-Cu": {"d0": 0.3429, "alpha": 1.3588, "r0": 2.866, "a": 6.0}},
        ),
        (
            "buck_NaCl8",
            buckingham_potential_family,
            {
                "Cl-Cl": {"amplitude": 1227.2, "rho": 0.3214, "c": 0.0, "a": 6.0},
                "Na-Cl": {"amplitude": 2500.0, "rho": 0.30, "c": 20.0, "a": 6.0},
                "Na-Na": {"amplitude": 3485.0, "rho": 0.33, "c": 72.4, "a": 6.0},
            },
        ),
        (
            "zbl_SiC8",
            zbl_potential_family,
            {
                f"{one}-{two}": {"z1": Z[one], "z2": Z[two], "a_inner": 2.5, "a": 4.0}
                for one, two in (("Si", "Si"), ("Si", "C"), ("C", "C"))
            },
        ),
    ],
)
def test_parameters_of_lammps_are_taken_as_they_stand(name, family, parameters):
    """Whatever the parameters are called that the energy is proportional to."""
    (case,) = [c for c in GOLDEN["cases"] + ZBL["cases"] if c["name"].startswith(name)]
    result = kernel.eval(counted_once(family, parameters), cell_of(case))
    assert result.energy == pytest.approx(case["energy"], rel=1e-9)
    forces = np.array(case["forces"])
    np.testing.assert_allclose(result.forces, forces, atol=1e-9 * np.abs(forces).max())


def test_legs_of_an_angle_stay_with_their_species():
    """In whichever order the two neighbours are named, each has its own leg."""
    base = {"epsilon": 1.3, "l": 21.0, "cos_theta0": -1 / 3}
    short = {"sigma": 1.7, "gamma": 1.2, "a": 1.8}
    long = {"sigma": 2.3, "gamma": 0.9, "a": 1.7}

    def legs(one, other):
        numbers = [(one, 1), (other, 2)]
        return base | {f"{name}_{n}": value for leg, n in numbers for name, value in leg.items()}

    cell, nothing = contract.lettered(), dict.fromkeys(("a-a-a", "a-b-b", "b-a-a", "b-b-b"))
    other = {"b-a-b": None}
    energies = [
        kernel.eval(
            counted_once(sw3_mixed_potential_family, {**nothing, **other, tag: parameters}),
            cell,
            ignore_missing_species=True,
        ).energies
        for tag, parameters in (("a-a-b", legs(short, long)), ("a-b-a", legs(long, short)))
    ]
    assert energies[0].any()
    np.testing.assert_allclose(energies[0], energies[1], rtol=1e-12)


@pytest.mark.parametrize(
    "row", [row for row in contract.COMPILED if row.make.scales], ids=lambda row: row.name
)
def test_energies_are_proportional_to_the_scales(row):
    """Of every family: three times the scales, three times each energy."""
    potential = row.potential()
    scales = {name: 3.0 * potential.parameters[name] for name in row.make.scales}
    larger = row.make(**{**potential.parameters, **scales})
    images = kernel.compute_images(contract.STRUCTURES["periodic"](), potential.cutoff)
    np.testing.assert_allclose(images.eval(larger), 3 * images.eval(potential), rtol=1e-12)


def test_a_gauge_left_out_is_found_for_the_whole():
    """The minimum of a bond is -epsilon, that given."""
    (potential,) = counted_once(
        sw2_potential_family,
        {"C-C": {"epsilon": 0.7, "sigma": 2.0, "a": 1.8, "p": 4.0, "q": 0.0}},
    )
    cell = contract.molecule([2 ** (1 / 6) * 2.0, 0, 0])
    assert kernel.eval(potential, cell).energy == pytest.approx(-0.7, rel=1e-12)


@pytest.mark.parametrize(
    ("family", "parameters", "sentence", "kind"),
    [
        (
            lj_potential_family,
            {"a-b": LJ["a-a"], "b-a": LJ["a-a"], "a-a": LJ["a-a"], "b-b": None},
            "`a-b` is given in both orders but must be given in one",
            ValueError,
        ),
        (
            lj_potential_family,
            {"a-b": LJ["a-a"]},
            "Lennard-Jones: parameters for a-a, b-b are missing; give None where there is no",
            ValueError,
        ),
        (
            sw3_potential_family,
            {"a-a-a": None, "b-a-b": None, "b-b-b": None, "b-a-a": None, "a-b-b": None},
            "Stillinger-Weber type 3: parameters for a-a-b are missing",
            ValueError,
        ),
        (lj_potential_family, {"a": None}, "`tag` is 'a' but must name 2 species", ValueError),
        (
            lj_potential_family,
            {"a-a": {"epsilon": 1.0, "sigma": 1.0}},
            "Lennard-Jones: `a` is missing",
            TypeError,
        ),
        (
            behler2_descriptor_family,
            {},
            "Behler type 2 has no parameter that its energy is proportional to, so that no half of "
            "it can be made: it is a descriptor, which is tagged for each centre and neighbour",
            TypeError,
        ),
        (
            tersoff_potential_family,
            {},
            "Tersoff is no sum over bonds: take its parameters as they are published",
            TypeError,
        ),
        (
            weighted_angular_descriptor_family,
            {},
            "weighted angular has no bonds or angles between named species that could be counted",
            TypeError,
        ),
        (on_site_potential_family, {}, "on-site has no bonds or angles", TypeError),
        (
            general_pair_potential_family,
            {},
            "`family` is 'general_pair_potential_family' but must be a family of formulas; write "
            "the share of each bond or angle into the Python function itself",
            TypeError,
        ),
    ],
)
@pytest.mark.usefixtures("as_installed")
def test_incomplete_and_contradictory_sets_are_refused(family, parameters, sentence, kind):
    """Nothing is guessed."""
    with pytest.raises(kind, match=re.escape(sentence)):
        counted_once(family, parameters)


def test_the_example_is_true():
    """What the docstring shows is what is printed."""
    (example,) = doctest.DocTestFinder(recurse=False).find(counted_once, globs={})
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0
