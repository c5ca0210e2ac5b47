"""Energies along grids of structures: the manual's tutorial, and each one by one."""

from itertools import product

import numpy as np
import pytest
from refusals import refuses
from skewed_cell import LJ, make_cell

from miniff import kernel
from miniff.kernel import Cell
from miniff.potentials import sw2_potential_family, sw3_potential_family

TUTORIAL_3 = {
    "sc": (np.eye(3), [[0, 0, 0]], -1.87312, 0.512),
    "bcc": (np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], -1.87022, 0.537),
    "fcc": (
        np.eye(3),
        [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
        -1.81629,
        0.512,
    ),
    "diamond": (
        [[0, 1, 1], [1, 0, 1], [1, 1, 0]],
        [[0, 0, 0], [0.25, 0.25, 0.25]],
        -1.99978,
        0.463,
    ),
}


def silicon():
    """The potentials of the tutorial."""
    scale = {"epsilon": 0.5, "sigma": 1, "a": 1.8}
    return [
        sw2_potential_family(gauge_a=7.049556227, gauge_b=0.6022245584, p=4, q=0, **scale),
        sw3_potential_family(l=21, gamma=1.2, cos_theta0=-1.0 / 3, **scale),
    ]


@pytest.mark.usefixtures("as_installed")  # the manual's whole numbers stand for floats
@pytest.mark.parametrize("crystal", TUTORIAL_3)
def test_tutorial_3_finds_the_minima_of_stillinger_and_weber(crystal):
    """Fig. 1 of Phys. Rev. B 31, 5262 (1985): depth and density of each crystal's minimum."""
    vectors, sites, depth, place = TUTORIAL_3[crystal]
    cell = Cell(vectors, sites, ["si"] * len(sites), meta={"tag": crystal})
    density = np.linspace(0.3, 0.7)
    strain = (cell.size / cell.volume / density) ** (1.0 / 3)
    energies = kernel.profile_directed_strain(silicon(), cell, strain, (1, 1, 1)) / cell.size
    assert energies.min() == pytest.approx(depth, abs=1e-5)
    assert density[energies.argmin()] == pytest.approx(place, abs=1e-3)


def test_profiles_are_energies_one_by_one():
    """The product of grids is walked in order; each value is that of one evaluation."""
    first, second = np.array([0.9, 1.0, 1.2]), np.array([1.0, 1.1])
    cell = make_cell()
    found = kernel.profile_strain([LJ], cell, first, second)
    assert found.shape == (3, 2)
    for (i, x), (j, y) in product(enumerate(first), enumerate(second)):
        there = Cell(cell.vectors * np.array([[x], [y], [1]]), cell.coordinates, cell.values)
        assert found[i, j] == pytest.approx(kernel.eval([LJ], there).energy, rel=1e-12)
    directed = kernel.profile_directed_strain([LJ], cell, first, (1.0, 0.0, 0.0))
    np.testing.assert_allclose(directed, found[:, 0], rtol=1e-12)
    r = np.array([1.0, 1.5, 2.0])
    dimer = kernel.profile(
        [LJ], lambda x: Cell(np.eye(3), [[0, 0, 0], [x, 0, 0]], list("aa"), pbc=False), r
    )
    np.testing.assert_allclose(dimer, 8 * (r**-12 - r**-6), rtol=1e-12)


def test_profiles_of_nothing():
    """Empty cells have no energy, empty grids no values."""
    empty = Cell(np.eye(3), np.zeros((0, 3)), ())
    np.testing.assert_array_equal(kernel.profile_strain([LJ], empty, np.ones(2)), [0.0, 0.0])
    assert kernel.profile_strain([LJ], make_cell(), np.ones(0)).shape == (0,)
    with refuses("0 grids of strain are given but 1 to 3 are needed"):
        kernel.profile_strain([LJ], make_cell())
