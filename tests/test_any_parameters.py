"""Every family keeps its contract for parameters, cells, species and cutoffs drawn at random.

A few draws of each here; `nox -s fuzz -- --parameters` makes fifty times as many, other ones each
time.
"""

from contextlib import suppress
from itertools import product

import contract
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from miniff import kernel
from miniff.kernel import Cell

pytestmark = pytest.mark.filterwarnings("ignore::miniff.potentials.OneSidedPairWarning")
compiled = pytest.mark.parametrize("row", contract.COMPILED, ids=lambda row: row.name)
DRAWS = settings(
    max_examples=max(2, settings.default.max_examples // 50),
    suppress_health_check=[HealthCheck.too_slow],
)
drawn = given(
    seed=st.integers(0, 2**32 - 1),
    n_atoms=st.integers(2, 4),
    pbc=st.sampled_from(list(product((True, False), repeat=3))),
)
NEAREST = 1.0
"""Atoms are no nearer: below, energies of some families have no digits."""
KEPT = ("m", "form", "cutoff_function", "z1", "z2", "coulomb_constant", "n", "d_rho", "dr", "low")
KEPT += ("left", "right")
"""Parameters that are of few values, or belong to tables."""


def any_cell(rng: np.random.Generator, n_atoms: int, pbc: tuple[bool, ...]) -> Cell:
    """Two species in a skewed box of either hand, atoms in and out of it."""
    names = ["CO"[x] for x in rng.integers(2, size=n_atoms)]
    while True:
        vectors = np.diag(rng.uniform(2.6, 4.5, size=3))
        vectors += np.tril(rng.uniform(-1, 1, size=(3, 3)), -1)
        vectors = vectors @ np.linalg.qr(rng.normal(size=(3, 3)))[0]  # may also reflect
        cell = Cell(vectors, rng.uniform(-2, 2, size=(n_atoms, 3)), names, pbc=pbc)
        if not len(distances(cell, NEAREST)):
            return cell


def distances(cell: Cell, cutoff: float) -> np.ndarray:
    return np.linalg.norm(kernel.compute_images(cell, cutoff).table.vectors, axis=1)


def row_like(row: contract.Row, rng: np.random.Generator) -> contract.Row:
    """The row with each of its numbers up to a third smaller or larger, as the family allows."""
    while True:
        numbers = {
            name: value * rng.uniform(0.67, 1.33)
            if isinstance(value, int | float) and name not in KEPT
            else value
            for name, value in row.parameters.items()
        }
        changed = contract.Row(row.name, row.make, numbers, row.energies, row.smooth, row.angular)
        with suppress(ValueError):
            changed.potential()
            return changed


@compiled
@DRAWS
@drawn
def test_any_parameters_keep_the_contract(row, seed, n_atoms, pbc) -> None:
    """The brute sum, slopes, rigid motion, order of atoms, images, supercells, and either hand."""
    rng = np.random.default_rng(seed)
    row, cell = row_like(row, rng), any_cell(rng, n_atoms, pbc)
    potential = row.potential()
    tag = (None, row.tag("C", "O", "C"), row.tag("O", "O", "C"))[rng.integers(3)]
    contract.assert_values_match_reference(row, cell, tag)
    contract.assert_rigid_motion_is_free(potential, cell)
    contract.assert_order_and_images_do_not_matter(potential, cell)
    if pbc[0]:
        contract.assert_supercell_multiplies(potential, cell)
    near = abs(distances(cell, 1.1 * potential.cutoff) - potential.cutoff)
    if row.smooth or near.min(initial=np.inf) > 1e-2:
        contract.assert_gradient_is_slope(potential, cell, step=1e-6)
        contract.assert_strain_derivative_is_slope(potential, cell, step=1e-6)
    assert_either_hand_is_the_same(potential, cell)


def assert_either_hand_is_the_same(potential, cell: Cell) -> None:
    """Two cell vectors exchanged change neither energies nor forces nor stress."""
    order = [1, 0, 2]
    other = Cell(
        cell.vectors[order],
        cell.coordinates[:, order],
        cell.values,
        pbc=[cell.pbc[k] for k in order],
    )
    assert np.linalg.det(other.vectors) * np.linalg.det(cell.vectors) < 0
    one, two = kernel.eval(potential, cell), kernel.eval(potential, other)
    scale = max(1, np.abs(one.gradient).max(), np.abs(one.energies).max())
    np.testing.assert_allclose(two.energies, one.energies, atol=1e-11 * scale)
    np.testing.assert_allclose(two.gradient, one.gradient, atol=1e-10 * scale)
    np.testing.assert_allclose(two.strain_derivative, one.strain_derivative, atol=1e-10 * scale)
