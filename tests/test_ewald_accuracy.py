"""Where the sum is split, and by which mesh, costs no more than the accuracy asked for."""

from math import exp, sqrt

import numpy as np
import pytest
from ions import TIGHT, ions, table_of
from numpy.testing import assert_allclose

from miniff.ewald import COULOMB_CONSTANT, Coulomb, Splitting, ewald_cutoffs
from miniff.ewald._mesh import MeshPlan, add_mesh
from miniff.ewald._splitting import choose_splitting
from miniff.ewald._sums import Sums
from miniff.ewald._waves import add_waves


@pytest.mark.parametrize("a", [4.0, 6.0, 9.0])
def test_any_cutoff_gives_the_same(a: float) -> None:
    """Where the sum is split does not matter."""
    vectors, r, q = ions()
    found = Coulomb(a, accuracy=1e-11).evaluate(table_of(vectors, r, 9.0), q)
    other = Coulomb(7.0, accuracy=1e-11).evaluate(table_of(vectors, r, 9.0), q)
    assert_allclose(found.energies, other.energies, rtol=1e-9)
    assert_allclose(found.gradient, other.gradient, atol=1e-8)


@pytest.mark.parametrize("accuracy", [1e-3, 1e-5, 1e-8])
@pytest.mark.parametrize("method", ["waves", "mesh"])
def test_errors_are_as_wanted(accuracy: float, method: str) -> None:
    """Root mean squares of the force's error, for charges at random places, within twice that."""
    rng = np.random.default_rng(5)
    r, q = rng.uniform(0, 15, (200, 3)), np.repeat([1.0, -1.0], 100)
    table = table_of(np.eye(3) * 15, r, 6.0)
    exact = Coulomb(6.0, accuracy=TIGHT, scale=1.0, method="waves").evaluate(table, q)
    found = Coulomb(6.0, accuracy=accuracy, scale=1.0, method=method).evaluate(table, q)
    error = np.sqrt(np.square(found.gradient - exact.gradient).sum(1).mean())
    assert accuracy / 30 < error < 2 * accuracy


@pytest.mark.parametrize("order", [4, 6, 8, 10])
def test_meshes_of_every_order(order: int) -> None:
    """A fine mesh gives the sum over waves, in a skewed cell, and on it cell by cell."""
    vectors, r, q = ions()
    table, splitting = table_of(vectors, r, 1.0), Splitting(0.6, 14.0)
    exact, on_mesh = Sums.zero(table, q), Sums.zero(table, q)
    add_waves(exact, 0, vectors, splitting)
    add_mesh(on_mesh, 0, vectors, splitting, MeshPlan(order, (60, 54, 64)))
    for name in ("potential", "gradient", "strain"):
        one, other = getattr(on_mesh, name), getattr(exact, name)
        assert_allclose(one, other, atol=3 * 0.06**order * 100)


def test_cutoffs_of_an_energy() -> None:
    """The formulas of Kolafa and Perram, and what they bound."""
    vectors, r, q = ions(30)
    volume, square = abs(np.linalg.det(vectors)), float(q @ q)
    a, k = ewald_cutoffs(0.9, volume, square, scale=COULOMB_CONSTANT, eps=1e-6)
    error = square / (0.9**2 * a**1.5 * sqrt(2 * volume)) * exp(-((0.9 * a) ** 2))
    assert_allclose(COULOMB_CONSTANT * error, 1e-6, rtol=1e-9)
    table = table_of(vectors, r, max(a, 8.0))
    chosen = Coulomb(a, splitting=Splitting(0.9, k), method="waves").evaluate(table, q)
    exact = Coulomb(8.0, accuracy=TIGHT).evaluate(table, q)
    assert abs(chosen.energies.sum() - exact.energies.sum()) < 5e-6
    assert ewald_cutoffs(0.9, volume, 0.0)[0] == pytest.approx(0.1 / 0.9)


def test_splittings_of_no_charge() -> None:
    """Formulas that no longer hold give a splitting still."""
    splitting = choose_splitting(5.0, 1e-6, 0, 10.0, 0.0)
    assert splitting.eta == pytest.approx(0.2)
