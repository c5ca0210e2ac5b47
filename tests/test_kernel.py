"""Neighbours and evaluation: shapes, signs, and what a user may give."""

import subprocess
import sys
from itertools import product

import numpy as np
import pytest
import reference
from refusals import refuses
from skewed_cell import LJ, SKEWED, make_cell

from miniff import kernel
from miniff.kernel import Cell, compute_images
from miniff.potentials import behler2_descriptor_family, lj_potential_family, sw3_potential_family

# --- CellImages


@pytest.mark.parametrize("pbc", list(product((True, False), repeat=3)))
def test_distances_are_those_of_a_search_over_all_images(pbc):
    """The sparse matrix has each atom's distances, with the columns of the images they are in."""
    cell, cutoff = make_cell(), 4.6
    images = compute_images(cell, cutoff, pbc=pbc)
    pairs, vectors = reference.neighbor_list(cell.cartesian(), SKEWED, pbc, cutoff)
    expected = {pair: np.linalg.norm(d) for pair, d in zip(pairs, vectors, strict=True)}
    assert images.cutoff == cutoff
    assert images.cell.pbc == pbc
    assert images.distances.shape == (3, 3 * len(images.shift_vectors))
    np.testing.assert_array_equal(images.shift_vectors[0], 0)
    found = images.distances.tocoo()
    for i, column, r in zip(found.row, found.col, found.data, strict=True):
        m, j = divmod(int(column), 3)
        shift = map(int, images.shift_vectors[m])
        assert r == pytest.approx(expected.pop((int(i), j, *shift)), rel=1e-12)
    assert not expected


def test_periodicity_given_to_images_replaces_that_of_the_cell():
    """The cell itself stays as it was."""
    cell = make_cell(pbc=False)
    assert compute_images(cell, 2.0).cell is cell
    assert compute_images(cell, 2.0, pbc=True).cell.pbc == (True, True, True)
    assert cell.pbc == (False, False, False)
    with refuses("`pbc` is [True] but must be one or three of True and False"):
        compute_images(cell, 2.0, pbc=[True])


def test_refusals_of_images():
    """Coincident atoms, images included, and cutoffs that are no distance."""
    with refuses("atoms 0 and 1 are at the same place (counted from 0)"):
        compute_images(Cell(np.eye(3), [[0, 0, 0], [1, 0, 0]], list("ab")), 0.5)
    with refuses("`cutoff` is nan but must be in [0, inf)"):
        compute_images(make_cell(), np.nan)


@pytest.mark.usefixtures("as_installed")
def test_an_unknown_kernel_is_refused():
    """The nearest known one is offered."""
    with refuses("`kernel_grad` is not a known kernel; did you mean `kernel_gradient`? Known: "):
        compute_images(make_cell(), 3.0).eval(LJ, "kernel_grad")


def test_an_unknown_species_is_refused():
    """A misspelt species is no silent zero, unless that is asked for."""
    images, potential = compute_images(make_cell(), 3.0), LJ.copy(tag="a-x")
    for call in (images.eval, lambda p: kernel.eval(p, images)):
        with refuses("`x` is not a known species. Known: `a`, `b`"):
            call(potential)
    assert kernel.eval(potential, images, ignore_missing_species=True).energy == 0
    assert not images.eval(potential, ignore_missing_species=True).any()


def test_virials_of_atoms_sum_over_potentials_and_to_the_stress():
    """Several potentials at once, beside the total of the compiled model."""
    potentials = [
        LJ,
        sw3_potential_family(epsilon=0.5, sigma=1.2, l=21, gamma=1.2, cos_theta0=0, a=2),
    ]
    images = compute_images(make_cell(), 3.0)
    found = kernel.atomic_virials(potentials, images)
    parts = [kernel.atomic_virials(p, images) for p in potentials]
    np.testing.assert_allclose(found, sum(parts), atol=1e-12 * np.abs(found).max())
    result = kernel.eval(potentials, images)
    np.testing.assert_allclose(found.sum(axis=0), result.virial, atol=1e-11 * np.abs(found).max())
    np.testing.assert_allclose(found, found.transpose(0, 2, 1), atol=1e-11 * np.abs(found).max())
    np.testing.assert_array_equal(kernel.atomic_virials([], make_cell()), np.zeros((3, 3, 3)))


def test_an_asymmetric_pair_has_its_virial_where_its_energy_is():
    """A bond's energy that only one atom has is all in that atom's virial."""
    cell = Cell(np.eye(3), [[0, 0, 0], [1.3, 0, 0]], ["a", "b"], pbc=False)
    potential = LJ.copy("a-b")
    found = kernel.atomic_virials(potential, cell, ignore_missing_species=True)
    slope = -24 / 1.3 * (2 * 1.3**-12 - 1.3**-6)
    np.testing.assert_allclose(found[0], np.diag([-1.3 * slope, 0, 0]), rtol=1e-12)
    np.testing.assert_array_equal(found[1], 0)


def test_sparse_gradients_hold_neighbours_alone():
    """In a chain of atoms, each energy depends on three positions; its own included."""
    cell = Cell(np.diag([20.0, 9, 9]), [[n / 20, 0, 0] for n in range(20)], ["a"] * 20)
    potential = lj_potential_family(epsilon=1.0, sigma=1.0, a=1.5)
    gradient = compute_images(cell, 1.5).sparse_gradient(potential)
    assert gradient.shape == (20, 60)
    assert gradient.nnz == 20 * 9
    images = compute_images(make_cell(), 2.0)
    with refuses("`x` is not a known species. Known: `a`, `b`"):
        images.sparse_gradient(LJ.copy("a-x"))
    assert (
        images.sparse_gradient(
            lj_potential_family("a-x", epsilon=1, sigma=1, a=1.5), ignore_missing_species=True
        ).nnz
        == 0
    )
    for call in (images.sparse_gradient, lambda p: kernel.atomic_virials(p, images)):
        with refuses("`cutoff` of the neighbour list is 2.0 but must be at least 2.5"):
            call(LJ)


def test_virials_of_atoms_without_an_energy_are_refused():
    """As the total is."""
    with refuses("the structure has atoms of b but the potentials give energies only to"):
        kernel.atomic_virials(LJ.copy("a-a"), make_cell())


def test_shapes_of_kernels():
    """One potential gives [n] or [n, n, 3], a list one axis more; gradients are of each e_i."""
    images = compute_images(make_cell(), 2.5)
    assert images.eval(LJ, "kernel").shape == (3,)
    assert images.eval([LJ], "kernel").shape == (1, 3)
    assert images.eval([], "kernel").shape == (0, 3)
    dense = images.eval([LJ, LJ.copy(tag="a-b")], "kernel_gradient")
    assert dense.shape == (2, 3, 3, 3)
    result = kernel.eval([LJ, LJ.copy(tag="a-b")], images)
    scale = np.abs(dense).max()
    np.testing.assert_allclose(dense.sum(axis=(0, 1)), result.gradient, atol=1e-12 * scale)
    np.testing.assert_array_equal(dense[1, 1], 0)


def test_signs_and_units_of_stress():
    """forces = -gradient, virial = -dE/dstrain, stress = dE/dstrain / V; a molecule has none."""
    result = kernel.eval([LJ], make_cell())
    np.testing.assert_array_equal(result.forces, -result.gradient)
    np.testing.assert_array_equal(result.virial, -result.strain_derivative)
    xx, yy, zz, yz, xz, xy = result.stress * result.volume
    np.testing.assert_allclose(
        result.strain_derivative,
        [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]],
        atol=1e-12 * np.abs(result.virial).max(),
    )
    with refuses("a structure that repeats in no direction has no stress"):
        _ = kernel.eval([LJ], make_cell(pbc=False)).stress


def test_no_potential_is_no_energy():
    """An empty list of potentials is not an error."""
    result = kernel.eval([], make_cell())
    assert result.energy == 0
    np.testing.assert_array_equal(result.gradient, np.zeros((3, 3)))


def test_importing_the_kernel_is_light():
    """Neither torch nor matplotlib nor SciPy is loaded."""
    script = "import sys, miniff.kernel; print({'matplotlib', 'scipy', 'torch'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert loaded.stdout.strip() == b"set()"


# --- the manual


def test_tutorial_2_counts_neighbours():
    """The cosine kernel summed over a dense distance matrix is Behler 2 with eta = 0."""
    n, a = 100, 0.3
    r = np.random.default_rng(0).random((n, 3))
    mdist = np.linalg.norm(r[:, None, :] - r[None, :, :], axis=-1)
    naive = ((1 + np.cos(np.pi * mdist / a)) / 2 * (mdist < a)).sum(axis=0) - 1
    cell = Cell(np.eye(3), r, ["a"] * len(r))
    images = compute_images(cell, cutoff=a, pbc=False)
    assert len(images.distances.data) == (mdist < a).sum() - n
    descriptor = behler2_descriptor_family(a=a, eta=0)
    result = images.eval(descriptor.copy(tag="a-a"), "kernel")
    np.testing.assert_allclose(result, naive, rtol=1e-12, atol=1e-13)
