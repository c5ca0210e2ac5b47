"""Weighted symmetry functions and those with compact support, beyond what the contract asks."""

import contract
import numpy as np
import pytest
from refusals import refuses

from miniff import kernel
from miniff.kernel import Cell
from miniff.potentials import (
    Functions,
    behler2_descriptor_family,
    behler4_descriptor_family,
    behler5_descriptor_family,
    polynomial_narrow_descriptor_family,
    polynomial_radial_descriptor_family,
    polynomial_wide_descriptor_family,
    weighted_angular_descriptor_family,
    weighted_polynomial_narrow_descriptor_family,
    weighted_polynomial_radial_descriptor_family,
    weighted_polynomial_wide_descriptor_family,
    weighted_radial_descriptor_family,
)
from miniff.potentials._functions import compiled_single_set

RADIAL = {"low": 0.5, "a": 4.0}
WINDOW = RADIAL | {"left": 30.0, "right": 120.0}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"low": 4}, "`low` is 4.0 but must be below `a`, which is 4.0"),
        ({"a": 0.0}, "`a` is 0.0 but must be in (0.0, inf)"),
        ({"form": "p5"}, "`p5` is not a known `form`. Known: `e`, `ea`, `p1`, `p1a`"),
        ({"left": 120}, "`left` is 120.0 but must be below `right`, which is 120.0"),
        ({"left": -181}, "`left` is -181 but must be in [-180.0, 180.0]"),
        ({"right": 361}, "`right` is 361 but must be in [0.0, 360.0]"),
        (
            {"left": -30},
            "`left` is -30.0 and `right` is 120.0, but below 0 degrees `left` must be -`right`",
        ),
        (
            {"right": 200},
            "`left` is 30.0 and `right` is 200.0, but beyond 180 degrees `right` must be "
            "360 - `left`",
        ),
    ],
)
@pytest.mark.parametrize(
    "family", [polynomial_narrow_descriptor_family, weighted_polynomial_wide_descriptor_family]
)
def test_limits_that_make_no_sense_are_refused(family, changes, sentence):
    """Each sentence says what was given and what is demanded."""
    with refuses(sentence):
        family(**WINDOW | changes)


@pytest.mark.parametrize(
    "family",
    [polynomial_radial_descriptor_family, weighted_polynomial_radial_descriptor_family],
)
def test_ends_in_the_wrong_order_are_refused(family):
    """So it is without angles."""
    with refuses("`low` is 5.0 but must be below `a`, which is 4.0"):
        family(**RADIAL | {"low": 5.0})


WEIGHTED = [
    weighted_radial_descriptor_family(a=4.0, eta=0.1),
    weighted_angular_descriptor_family(a=4.0, eta=0.1, l=1, zeta=2),
    weighted_polynomial_radial_descriptor_family(**RADIAL),
    weighted_polynomial_narrow_descriptor_family(**WINDOW),
    weighted_polynomial_wide_descriptor_family(**WINDOW),
]
weighted = pytest.mark.parametrize("potential", WEIGHTED, ids=lambda p: p.family.name)


@weighted
def test_weights_need_elements(potential):
    """Species without an atomic number are named; the placeholder X of ASE has none either."""
    cell = Cell(4 * np.eye(3), [[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0]], ["Fe", "grey", "X"])
    with refuses(
        "weighted symmetry functions need atomic numbers, but there are species that are no "
        "chemical elements: X, grey"
    ):
        kernel.eval(potential.copy(tag="Fe"), cell, ignore_missing_species=True)


@weighted
def test_weighted_tags_name_the_centre(potential):
    """Neighbours are of all species always."""
    with refuses("`tag` is 'C-O' but must name 1 species like 'a'"):
        potential.copy(tag="C-O")


def test_a_window_about_zero_is_a_cutoff_function():
    """With `low` = -`a` it falls from 1 at r = 0 as the polynomial cutoff functions do."""
    images = kernel.compute_images(contract.crystal(), 4.0)
    for form, name in (("p1", "poly1"), ("p4", "poly4"), ("e", "exponential")):
        whole = polynomial_radial_descriptor_family(low=-4.0, a=4.0, form=form)
        plain = behler2_descriptor_family(a=4.0, eta=0.0, cutoff_function=name)
        for what in ("kernel", "kernel_gradient"):
            np.testing.assert_allclose(
                images.eval(whole, what), images.eval(plain, what), rtol=1e-12, atol=1e-13
            )


def mixed(tag="O"):
    """Functions of all kinds, some of which share neighbours, ends or angles."""
    found = [p.copy(tag=tag) for p in WEIGHTED]
    for family in (polynomial_narrow_descriptor_family, polynomial_wide_descriptor_family):
        for neighbors in ("C-C", "C-O", "O-C"):
            for form in ("p2", "e", "p1a"):
                for left, right in ((0, 90), (-60, 60), (40, 180), (100, 260)):
                    angles = {"left": left, "right": right, "form": form}
                    found.append(family(f"{tag}-{neighbors}", **RADIAL | angles))
        found.append(found[-1])  # the same once more
    for family in (behler4_descriptor_family, behler5_descriptor_family):
        for l in (-1, 0, 1):  # noqa: E741
            for zeta in (1, 2.5, 4):
                found.append(family(f"{tag}-C-C", a=4.0, eta=0.0, l=l, zeta=zeta))
    found += [
        polynomial_radial_descriptor_family(f"{tag}-{name}", low=low, a=a, form="p3a")
        for name in ("C", "O")
        for low in (0.0, 1.5)
        for a in (3.1, 4.0)
    ]
    return [found[i] for i in np.random.default_rng(7).permutation(len(found))]


def test_many_functions_at_once_are_those_one_by_one():
    """Grouping by species, ends and angles changes no value and no derivative."""
    contract.assert_set_is_its_functions(mixed(), contract.crystal(), 4.0, atol=1e-14)


def test_single_precision_is_nearly_double():
    """Values, derivatives and changes agree to single precision, also of collinear triples."""
    rng = np.random.default_rng(1)
    for cell in (contract.crystal(), contract.tiny().repeated(1, 1, 2)):
        centre = str(cell.values[-1])
        potentials = mixed(centre)
        table = kernel.compute_images(cell, 4.0).table
        centres, double = table.atoms_of(centre), Functions(potentials)
        single = compiled_single_set(potentials, table.names)
        weight = rng.normal(size=(len(centres), len(potentials)))
        direction = rng.normal(size=(table.n_images, 3))
        values = np.empty(weight.shape, np.float32)
        changes, gradients = np.empty_like(values), np.zeros((2, table.n_images, 3))
        single.values(table.core, table.images, centres, values)
        single.jvp(table.core, table.images, centres, direction, changes)
        single.vjp(table.core, table.images, centres, weight.astype(np.float32), gradients[0])
        double.vjp(table, centres, weight, gradients[1])
        for found, expected in (
            (values, double.values(table, centres)),
            (changes, double.jvp(table, centres, direction)),
        ):
            scale = np.abs(expected).max(axis=0)
            assert np.all(np.abs(found - expected) <= 1e-4 * scale + 1e-5)
        np.testing.assert_allclose(*gradients, atol=1e-5 * np.abs(gradients[1]).max())


BENDS = [0.0, 1e-12, 1e-9, 1e-8, 3e-8, 1e-6, 1e-3]


@pytest.mark.parametrize("bend", BENDS)
@pytest.mark.parametrize("straight", [0.0, np.pi])
@pytest.mark.parametrize("form", ["p1", "p2", "p4", "e"])
@pytest.mark.parametrize(("left", "right"), [(-50, 50), (130, 230), (0, 180), (0, 40)])
@pytest.mark.parametrize(
    "family", [polynomial_narrow_descriptor_family, polynomial_wide_descriptor_family]
)
def test_nothing_happens_on_a_line(family, left, right, form, straight, bend):
    """At and near 0 and 180 degrees energies are those of the formula and gradients slopes."""
    t = straight + bend
    cell = contract.molecule([1.5, 0, 0], [2.6 * np.cos(t), 2.6 * np.sin(t), 0])
    parameters = RADIAL | {"left": left, "right": right, "form": form}
    potential = family("C-C-C", **parameters)
    line = contract.molecule([1.5, 0, 0], [2.6 * np.cos(straight), 0, 0])
    straightened = kernel.eval(potential, line)
    np.testing.assert_allclose(
        kernel.eval(potential, cell).energy, straightened.energy, atol=100 * bend**2 + 1e-13
    )
    contract.assert_gradient_is_slope(potential, cell, step=1e-6)
    contract.assert_jvp_is_slope_and_transpose_of_vjp(potential, cell)


def test_a_straight_line_counts_fully():
    """About 180 degrees A is 1 there; n2p2 would leave the triple out."""
    cell = contract.molecule([1.5, 0, 0], [-1.5, 0, 0])
    potential = polynomial_wide_descriptor_family(
        low=0.5, a=2.5, left=90, right=270, form="p3", epsilon=0.5
    )
    energies = kernel.eval(potential, cell).energies  # C is 1 in the middle of 0.5 and 2.5
    np.testing.assert_allclose(energies[0], 1.0, rtol=1e-14)
