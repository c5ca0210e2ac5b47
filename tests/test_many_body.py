"""Tersoff and embedded atoms with several species of neighbours, and what they refuse."""

import json
from itertools import product

import contract
import numpy as np
import pytest
from contract import TERSOFF
from many_body import EAM, ROWS, TWO_EAM, TWO_TERSOFF
from refusals import refuses

from miniff import kernel
from miniff.kernel import Cell
from miniff.ml import load_potentials, save_potentials
from miniff.potentials import (
    eam_potential_family,
    lj_potential_family,
    potential_from_state_dict,
    sw3_mixed_potential_family,
    tersoff_potential_family,
)

rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
tags = pytest.mark.parametrize("tag", ["a-a-b", "a-b-a", "b-a-b", "b-b-x"])


@rows
@tags
def test_values_are_those_of_the_brute_sum(row, tag):
    """Lists are in the order of the tag."""
    contract.assert_values_match_reference(row, contract.lettered(), tag)


@rows
@pytest.mark.parametrize("tag", ["a-a-b", "b-a-b"])
def test_derivatives_are_slopes(row, tag):
    """Forces, stresses and both directions of differentiation."""
    potential, cell = row.potential(tag), contract.lettered()
    contract.assert_gradient_is_slope(potential, cell)
    contract.assert_strain_derivative_is_slope(potential, cell)
    contract.assert_jvp_is_slope_and_transpose_of_vjp(potential, cell)


@rows
def test_files_hold_lists(row, tmp_path):
    """Plain data, JSON and files that load without running code give the same potential."""
    potential = row.potential("a-b-a")
    assert potential_from_state_dict(json.loads(json.dumps(potential.state_dict()))) == potential
    save_potentials(tmp_path / "file.pt", [potential])
    (again,) = load_potentials(tmp_path / "file.pt")
    assert again == potential
    cell = contract.lettered()
    assert contract.energy(again, cell) == contract.energy(potential, cell)
    assert len(str(potential)) < 1500


def test_a_number_is_good_for_all_neighbours():
    """As lists of that number are."""
    cell = contract.lettered()
    lists = {name: [x] * 2 for name, x in TERSOFF.items() if name in ("A", "n", "beta")}
    lists |= {name: [[TERSOFF[name]] * 2] * 2 for name in ("R", "D", "c")}
    one, two = (
        kernel.eval(tersoff_potential_family("a-a-b", **p), cell, ignore_missing_species=True)
        for p in (TERSOFF, TERSOFF | lists)
    )
    np.testing.assert_array_equal(one.energies, two.energies)
    np.testing.assert_array_equal(one.gradient, two.gradient)


def test_dimer_has_its_bond_alone():
    """Nothing weakens the bond of two atoms: fC (A exp - B exp), and 1 for fC below R - D."""
    cell = Cell(np.eye(3), [[0, 0, 0], [0, 0, 2.3]], ["a"] * 2, pbc=False)
    energy = kernel.eval(tersoff_potential_family(**TERSOFF), cell).energy
    assert energy == pytest.approx(
        1830.8 * np.exp(-2.4799 * 2.3) - 471.18 * np.exp(-1.7322 * 2.3), rel=1e-14
    )


@pytest.mark.parametrize("lambda3", [-1.6, 1.6])
def test_a_longer_list_changes_nothing(lambda3):
    """Neighbours beyond the cutoff that another potential needs have no exponential."""
    bonds = tersoff_potential_family(**(TERSOFF | {"lambda3": lambda3}))
    longer = lj_potential_family(epsilon=0.01, sigma=3.0, a=4.0)
    cell = contract.crystal().repeated(2, 1, 1)
    one, other, both = (kernel.eval(own, cell) for own in (bonds, longer, [bonds, longer]))
    np.testing.assert_allclose(both.energies, one.energies + other.energies, rtol=1e-12)
    np.testing.assert_allclose(both.gradient, one.gradient + other.gradient, atol=1e-10)


@pytest.mark.parametrize(("beta", "n"), [(1e200, 30.0), (1e-200, 30.0), (1e-300, 2.0), (0.0, 0.7)])
def test_extreme_bond_orders_do_not_overflow(beta, n):
    """b is (beta zeta)^(-1/2) for large beta zeta, 1 for small; energies and forces are numbers."""
    numbers = TERSOFF | {"beta": beta, "n": n}
    cell = contract.molecule([2.0, 0, 0], [0, 2.1, 0.3])
    result = kernel.eval(tersoff_potential_family(**numbers), cell)
    bare = kernel.eval(tersoff_potential_family(**(numbers | {"B": 0})), cell)
    free = kernel.eval(tersoff_potential_family(**(numbers | {"beta": 0})), cell)
    assert np.isfinite(result.gradient).all()
    expected = bare if beta > 1 else free
    np.testing.assert_allclose(result.energies, expected.energies, rtol=1e-12)
    np.testing.assert_allclose(result.gradient, expected.gradient, rtol=1e-11, atol=1e-12)


def test_densities_beyond_the_table_go_on_straight():
    """F is a straight line there; below zero the first cubic goes on."""
    r = 0.1 * np.arange(30)
    linear = {
        "a": 2.9,
        "dr": 0.1,
        "d_rho": 0.1,
        "embedding": 3 * 0.1 * np.arange(6),
        "r_phi": 0 * r,
    }
    cell = Cell(np.eye(3), [[0, 0, 0], [1.05, 0, 0]], ["a"] * 2, pbc=False)
    for height in (0.2, 7.0, -0.4):
        potential = eam_potential_family(density=height * r, **linear)
        result = kernel.eval(potential, cell)
        np.testing.assert_allclose(result.energies, 3 * height * 1.05, rtol=1e-12)
        np.testing.assert_allclose(result.gradient[1, 0], 2 * 3 * height, rtol=1e-12)


def test_tables_keep_their_last_value_up_to_the_cutoff():
    """Where the table ends a step before the cutoff; slopes are those of what is summed."""
    r = 0.1 * np.arange(30)
    tables = {"a": 3.0, "dr": 0.1, "d_rho": 0.1, "embedding": np.zeros(6), "density": r}
    potential = eam_potential_family(r_phi=5 - r, **tables)
    cell = Cell(np.eye(3), [[0, 0, 0], [2.95, 0, 0]], ["a"] * 2, pbc=False)
    result = kernel.eval(potential, cell)
    assert result.energy == pytest.approx(2.1 / 2.95, rel=1e-13)
    assert result.gradient[1, 0] == pytest.approx(-2.1 / 2.95**2, rel=1e-13)
    assert contract.energy(potential, contract.deformed(cell, 3.0001 / 2.95 * np.eye(3))) == 0


def test_exchanged_legs_are_those_of_the_other_neighbour():
    """Nothing changes where the legs are exchanged in parameters and tag."""
    (row,) = (row for row in contract.ROWS if row.name == "sw3-mixed")
    cell, p = contract.lettered(), row.parameters
    legs = product(("a", "sigma", "gamma"), (1, 2))
    swapped = p | {f"{name}_{n}": p[f"{name}_{3 - n}"] for name, n in legs}
    one = kernel.eval(sw3_mixed_potential_family("a-a-b", **p), cell, ignore_missing_species=True)
    other = kernel.eval(
        sw3_mixed_potential_family("a-b-a", **swapped), cell, ignore_missing_species=True
    )
    np.testing.assert_allclose(one.energies, other.energies, rtol=1e-13)
    np.testing.assert_allclose(one.gradient, other.gradient, atol=1e-12)


# --- what is refused


@pytest.mark.parametrize(
    ("family", "given", "tag", "sentence"),
    [
        (
            *(tersoff_potential_family, TERSOFF, "a"),
            "`tag` is 'a' but must name the centre and one or more species of neighbours like",
        ),
        (tersoff_potential_family, TERSOFF, "a-a-", "`tag` is 'a-a-' but must name the centre and"),
        (tersoff_potential_family, TERSOFF, "a-b-b", "`tag` is 'a-b-b' but must name each species"),
        (
            *(tersoff_potential_family, TWO_TERSOFF, None),
            "`tag` is None but must name the centre and 2 species of neighbours: the parameters",
        ),
        (
            *(tersoff_potential_family, TWO_TERSOFF, "a-b"),
            "`tag` is 'a-b' but must name the centre and 2 species of neighbours like 'a-a-b'",
        ),
        (
            *(eam_potential_family, TWO_EAM, "a-a-b-c"),
            "`tag` is 'a-a-b-c' but must name the centre and 2 species of neighbours like 'a-a-b'",
        ),
        (tersoff_potential_family, TERSOFF | {"m": 2}, None, "`m` is 2.0 but must be 1 or 3"),
        (tersoff_potential_family, TERSOFF | {"D": 4}, None, "`D` is 4.0 but must be at most `R`"),
        (tersoff_potential_family, TERSOFF | {"n": 0}, None, "`n` is 0 but must be in (0.0, inf)"),
        (
            *(tersoff_potential_family, TERSOFF | {"lambda3": 2}, None),
            "`lambda3` is 2.0 but must keep (lambda3 (R + D))^m below 500; it is 592.704",
        ),
        (
            *(tersoff_potential_family, TWO_TERSOFF | {"c": [[1, 2]]}, "a-a-b"),
            "`c` has shape (1, 2) but must be a number or (2, 2)",
        ),
        (
            *(tersoff_potential_family, TWO_TERSOFF | {"A": [1, 2, 3]}, "a-a-b"),
            "`lambda2` has shape (2,) but must be a number or (3,)",
        ),
        (
            *(tersoff_potential_family, TWO_TERSOFF | {"c": [[1, 2], [3, -1]]}, "a-a-b"),
            "`c[1][1]` is -1 but must be in [0.0, inf)",
        ),
        (
            *(tersoff_potential_family, TWO_TERSOFF | {"c": [[1, 2], [3]]}, "a-a-b"),
            "`c` must be a number or a list of lists of numbers of equal length",
        ),
        (
            *(tersoff_potential_family, TERSOFF | {"c": [1, 2]}, "a-a-b"),
            "`c` must be a number or a list of lists of numbers of equal length",
        ),
        (
            *(eam_potential_family, EAM | {"embedding": [0, 1, 2, 3]}, None),
            "`embedding` has 4 numbers but must have at least 5",
        ),
        (
            *(eam_potential_family, EAM | {"embedding": [0, 1, 2, np.nan, 3]}, None),
            "`embedding[3]` is nan but must be in (-inf, inf)",
        ),
        (
            *(eam_potential_family, EAM | {"density": EAM["density"][:-1]}, None),
            "`density` has shape (43,) and `r_phi` (44,) but they must have as many points",
        ),
        (
            *(eam_potential_family, EAM | {"a": 4.5}, None),
            "`density` has 44 points, `dr` 0.1 apart, but must reach the cutoff, which is 4.5",
        ),
    ],
)
def test_what_does_not_fit_is_refused(family, given, tag, sentence):
    """Names, shapes and ranges, with what was given and what is demanded."""
    with refuses(sentence):
        family(tag=tag, **given)


def test_words_are_refused():
    """Numbers are demanded."""
    with refuses("`A` must be a number or a list of numbers", TypeError):
        tersoff_potential_family(**(TERSOFF | {"A": "many"}))
    with refuses("`embedding` must be a list of numbers", TypeError):
        eam_potential_family(**(EAM | {"embedding": [True] * 6}))


def test_copy_checks_the_tag():
    """A potential with lists cannot be made one for all species."""
    potential = tersoff_potential_family("a-a-b", **TWO_TERSOFF)
    with refuses("`tag` is None but must name the centre and 2 species"):
        potential.copy(tag=None)
    assert potential.copy(tag="c-a-b").species == ("c", "a", "b")
