"""Derivatives of Coulomb energies are slopes, matrices the same sums, and symmetries hold."""

import numpy as np
import pytest
from ions import CRYSTAL, MOLECULE, SLAB, ions, table_of
from numpy import ndarray
from numpy.testing import assert_allclose

from miniff.ewald import Coulomb, CoulombEnergies

KINDS = {
    "crystal": (CRYSTAL, {}, {}),
    "mesh": (CRYSTAL, {}, {"method": "mesh"}),
    "charged crystal": (CRYSTAL, {"total": 0.8}, {"background": True}),
    "slab": (SLAB, {}, {}),
    "slab along another": ((True, False, True), {}, {}),
    "molecule": (MOLECULE, {"total": 0.8}, {}),
    "clouds in a crystal": (CRYSTAL, {"total": 0.8}, {"background": True, "widths": {"A": 0.6}}),
    "clouds in a slab": (SLAB, {}, {"widths": {"A": 0.6, "B": 0.5}}),
    "clouds in a molecule": (MOLECULE, {}, {"widths": {"A": 0.6}}),
}


@pytest.fixture(params=KINDS)
def system(request: pytest.FixtureRequest) -> tuple:
    """How charges are summed, cell vectors, positions, charges, periodicity."""
    pbc, options, choices = KINDS[request.param]
    vectors, r, q = ions(6)
    q = q + options.get("total", 0.0) / 6
    return Coulomb(8.0, accuracy=1e-11, **choices), vectors, r, q, pbc


def evaluated(
    system: tuple, *, r: ndarray | None = None, vectors: object = None, q: object = None
) -> CoulombEnergies:
    coulomb, own_vectors, own_r, own_q, pbc = system
    where = own_vectors if vectors is None else vectors
    table = table_of(where, own_r if r is None else r, 8.0, pbc, list("ABABAB"))
    return coulomb.evaluate(table, own_q if q is None else q)


def test_derivatives_are_slopes(system: tuple) -> None:
    """By positions, charges and strain, the energy changes as they say."""
    _, vectors, r, q, _ = system
    found = evaluated(system)
    rng = np.random.default_rng(0)
    step, move = 1e-4, rng.normal(size=r.shape)
    strain = rng.normal(size=(3, 3)) / 3
    strain = (strain + strain.T) / 2
    shift = rng.normal(size=len(q))
    shift -= shift.mean()

    def slope(at) -> float:
        rise = (at(step) - at(-step)) * 8 - (at(2 * step) - at(-2 * step))
        return rise / (12 * step)

    def moved(x: float) -> float:
        return evaluated(system, r=r + x * move).energies.sum()

    def strained(x: float) -> float:
        f = np.eye(3) + x * strain
        return evaluated(system, r=r @ f, vectors=vectors @ f).energies.sum()

    def charged(x: float) -> float:
        return evaluated(system, q=q + x * shift).energies.sum()

    assert_allclose(np.vdot(found.gradient, move), slope(moved), rtol=2e-8)
    assert_allclose(np.vdot(found.strain_derivative[0], strain), slope(strained), rtol=2e-8)
    assert_allclose(found.potential @ shift, slope(charged), rtol=2e-8)
    assert_allclose(found.energies, q * found.potential / 2, rtol=1e-12, atol=1e-12)


def test_matrices_are_the_same_sums(system: tuple) -> None:
    """Dense matrices, made in numpy alone, give energy, potential, gradient and strain."""
    coulomb, vectors, r, q, pbc = system
    (matrix,) = coulomb.matrices(table_of(vectors, r, 8.0, pbc, list("ABABAB")))
    found = evaluated(system)
    strain = found.strain_derivative[0]
    potential = matrix.energy @ q
    if sum(pbc) == 2:  # of a neutral slab: a constant is free
        potential += (found.potential - potential).mean()
    assert_allclose(potential, found.potential, atol=1e-8)
    gradient = q[:, None] * np.einsum("xij,j->ix", matrix.gradient, q)
    assert_allclose(gradient, found.gradient, atol=1e-8)
    voigt = [strain[x, y] for x, y in zip((0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1), strict=True)]
    assert_allclose(np.einsum("i,vij,j->v", q, matrix.strain, q) / 2, voigt, atol=1e-7)


def test_free_motions(system: tuple) -> None:
    """Turning or moving all changes nothing; another cell's atom is as good as one's own."""
    _, vectors, r, _, pbc = system
    found = evaluated(system)
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    turned = evaluated(system, r=r @ turn, vectors=vectors @ turn)
    assert_allclose(turned.energies, found.energies, rtol=1e-9, atol=1e-9)
    assert_allclose(turned.gradient, found.gradient @ turn, atol=1e-8)
    assert_allclose(found.gradient.sum(0), 0, atol=1e-8)
    shifts = np.array([[2, 0, -8], [0, 5, 0], [-3, 1, 0], [0, 0, 0], [7, -7, 1], [1, 1, 1]])
    elsewhere = evaluated(system, r=r + (shifts * np.array(pbc)) @ vectors + 0.37)
    assert_allclose(elsewhere.energies, found.energies, rtol=1e-9, atol=1e-9)
