"""What every family of potentials promises, as assertions on one row of `contract_rows.py`.

Each assertion takes the potential and a structure; `test_contract.py` runs all of them for all
rows.
"""

import hashlib

import numpy as np
from contract_rows import COMPILED
from contract_rows import ROWS as ROWS  # for those who ask for a contract
from contract_rows import TERSOFF as TERSOFF
from contract_rows import Row as Row
from contract_rows import eam_tables as eam_tables

from miniff import kernel
from miniff.kernel import Cell
from miniff.potentials import Functions

FAR = np.array([[2, 0, -8], [0, 5, 0], [-3, 1, 0], [0, 0, 0], [7, -7, 1]])


# --- structures


def crystal(*, pbc=True):
    """Five atoms of two elements in a skewed box shorter than the cutoffs of the rows."""
    rng = np.random.default_rng(0)
    sites = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5], [0.52, 0.47, 0.51]]
    coordinates = sites + rng.normal(scale=0.03, size=(5, 3))
    vectors = [[3.6, 0, 0], [0.9, 3.5, 0], [-0.6, 0.8, 3.8]]
    return Cell(vectors, coordinates, ["C", "O", "C", "C", "O"], pbc=pbc)


def lettered(*, pbc=True):
    """The same with species a and b."""
    cell = crystal(pbc=pbc)
    names = [{"C": "a", "O": "b"}[name] for name in cell.values]
    return Cell(cell.vectors, cell.coordinates, names, cell.meta, pbc=cell.pbc)


def tiny():
    """One atom in a primitive cell far smaller than the cutoffs of the rows."""
    return Cell([[0, 1.5, 1.5], [1.5, 0, 1.5], [1.6, 1.5, 0.1]], [[0.2, 0.3, 0.4]], ["C"])


def large():
    """Enough atoms for several threads."""
    return crystal().repeated(3, 3, 4)


STRUCTURES = {
    "periodic": crystal,
    "wire": lambda: crystal(pbc=(False, True, False)),
    "slab": lambda: crystal(pbc=(True, False, True)),
    "cluster": lambda: crystal(pbc=False),
    "tiny": tiny,
}


def moved(cell, change):
    """The cell with cartesian positions changed (length)."""
    coordinates = cell.coordinates + np.linalg.solve(cell.vectors.T, change.T).T
    return Cell(cell.vectors, coordinates, cell.values, pbc=cell.pbc)


def deformed(cell, matrix):
    """The cell with positions and vectors multiplied by a matrix from the right."""
    return Cell(cell.vectors @ matrix, cell.coordinates, cell.values, pbc=cell.pbc)


def energy(potential, cell):
    return kernel.eval(potential, cell, ignore_missing_species=True).energy


# --- assertions


def assert_values_match_reference(row, cell, tag):
    """Energies of the atoms are those of the sum written out in plain numpy."""
    potential = row.potential(tag)
    expected = row.reference(cell, tag)
    result = kernel.eval(potential, cell, ignore_missing_species=True)
    scale = max(1.0, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(result.energies, expected, rtol=1e-11, atol=1e-13 * scale)
    np.testing.assert_allclose(result.energy, expected.sum(), rtol=1e-11, atol=1e-12 * scale)


def assert_gradient_is_slope(potential, cell, *, step=1e-5):
    """Along random directions the energy changes as the gradient says."""
    rng = np.random.default_rng(1)
    gradient = kernel.eval(potential, cell, ignore_missing_species=True).gradient
    for _ in range(3):
        along = rng.normal(size=(cell.size, 3))
        rise = energy(potential, moved(cell, step * along))
        rise -= energy(potential, moved(cell, -step * along))
        scale = np.linalg.norm(gradient) * np.linalg.norm(along)
        np.testing.assert_allclose(
            np.vdot(gradient, along), rise / (2 * step), rtol=1e-6, atol=1e-7 * max(scale, 1)
        )


def assert_strain_derivative_is_slope(potential, cell, *, step=1e-5):
    """Under a finite strain of any kind, rotations included, the energy changes as it says."""
    rng = np.random.default_rng(2)
    result = kernel.eval(potential, cell, ignore_missing_species=True)
    for _ in range(3):
        strain = rng.normal(size=(3, 3))
        rise = energy(potential, deformed(cell, np.eye(3) + step * strain))
        rise -= energy(potential, deformed(cell, np.eye(3) - step * strain))
        scale = max(1, np.linalg.norm(result.strain_derivative))
        np.testing.assert_allclose(
            np.vdot(result.strain_derivative, strain),
            rise / (2 * step),
            rtol=1e-6,
            atol=1e-7 * scale,
        )
    np.testing.assert_allclose(
        result.strain_derivative, result.strain_derivative.T, atol=1e-11 * scale
    )


def assert_parts_of_atoms_are_slopes(potential, cell, *, step=1e-5):
    """Each atom's energy changes with strain as its virial, with moves as its gradients say."""
    rng = np.random.default_rng(6)
    strain, along = rng.normal(size=(3, 3)), rng.normal(size=(cell.size, 3))
    result = kernel.eval(potential, cell)
    images = kernel.compute_images(cell, potential.cutoff)
    virials = kernel.atomic_virials(potential, images)
    gradient = images.sparse_gradient(potential)
    scale = max(1, np.abs(result.gradient).max(), np.abs(virials).max())
    np.testing.assert_allclose(virials.sum(axis=0), result.virial, atol=1e-10 * scale)
    np.testing.assert_allclose(
        gradient.sum(axis=0).reshape(-1, 3), result.gradient, atol=1e-11 * scale
    )
    dense = images.eval(potential, "kernel_gradient").reshape(cell.size, -1)
    np.testing.assert_allclose(gradient.toarray(), dense, atol=1e-12 * scale)
    for found, change in (
        (
            np.einsum("ixy,xy->i", -virials, strain),
            lambda s: deformed(cell, np.eye(3) + s * strain),
        ),
        (gradient @ along.ravel(), lambda s: moved(cell, s * along)),
    ):
        after, before = (kernel.eval(potential, change(s)).energies for s in (step, -step))
        np.testing.assert_allclose(
            found, (after - before) / (2 * step), rtol=1e-6, atol=1e-7 * scale
        )


def functions_of(potential, cell):
    """The potential as an environment function, its table and centres, weights and directions."""
    rng = np.random.default_rng(3)
    functions = Functions([potential])
    table = kernel.compute_images(cell, potential.cutoff).table
    centres = table.atoms_of(functions.centre)
    weight = rng.normal(size=(len(centres), 1))
    direction = rng.normal(size=(table.n_images, 3))
    return functions, table, centres, weight, direction


def assert_jvp_is_slope_and_transpose_of_vjp(potential, cell, *, step=1e-6):
    """<w, jvp(t)> = <vjp(w), t>, and jvp(t) is the difference quotient of the values along t."""
    functions, table, centres, weight, direction = functions_of(potential, cell)
    forward = functions.jvp(table, centres, direction)
    backward = np.zeros((table.n_images, 3))
    functions.vjp(table, centres, weight, backward)
    scale = max(1.0, np.linalg.norm(backward) * np.linalg.norm(direction))
    np.testing.assert_allclose(
        np.vdot(weight, forward), np.vdot(backward, direction), rtol=1e-11, atol=1e-13 * scale
    )
    after, before = (
        functions.values(table, centres, table.images + s * direction) for s in (step, -step)
    )
    atol = 1e-7 * max(1, np.abs(forward).max())
    np.testing.assert_allclose(forward, (after - before) / (2 * step), rtol=1e-6, atol=atol)


def assert_set_is_its_functions(together, cell, cutoff, *, atol=1e-15):
    """Functions of O that are grouped have the values and derivatives that each has alone.

    Args:
        together: Those of the set.
        cell: Atoms.
        cutoff: Of the pairs that are listed.
        atol: Of values, relative to 1 or the largest of a function; a hundred times it of changes.
    """
    rng = np.random.default_rng(0)
    table = kernel.compute_images(cell, cutoff).table
    centres = table.atoms_of("O")
    weight = rng.normal(size=(len(centres), len(together)))
    direction = rng.normal(size=(table.n_images, 3))
    grouped = Functions(together)
    values, changes = grouped.values(table, centres), grouped.jvp(table, centres, direction)
    gradient, expected = np.zeros((2, table.n_images, 3))
    grouped.vjp(table, centres, weight, gradient)
    for column, potential in enumerate(together):
        alone, here = Functions([potential]), [column]
        near = atol * max(1.0, np.abs(values[:, here]).max())
        np.testing.assert_allclose(
            values[:, here], alone.values(table, centres), rtol=1e-11, atol=near
        )
        change = alone.jvp(table, centres, direction)
        np.testing.assert_allclose(changes[:, here], change, rtol=1e-9, atol=100 * near)
        alone.vjp(table, centres, weight[:, here].copy(), expected)
    np.testing.assert_allclose(gradient, expected, atol=1e-11 * np.abs(expected).max())


def assert_rigid_motion_is_free(potential, cell):
    """Energy ignores translation and rotation; gradients sum to zero and turn along."""
    turn, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))  # may also reflect
    here = kernel.eval(potential, cell)
    scale = max(1, np.abs(here.gradient).max())
    shifted = kernel.eval(potential, moved(cell, np.full((cell.size, 3), 0.37)))
    turned = kernel.eval(potential, deformed(cell, turn))
    for there in (shifted, turned):
        np.testing.assert_allclose(there.energies, here.energies, rtol=1e-10, atol=1e-12 * scale)
    np.testing.assert_allclose(here.gradient.sum(axis=0), 0, atol=1e-11 * scale)
    np.testing.assert_allclose(shifted.gradient, here.gradient, atol=1e-10 * scale)
    np.testing.assert_allclose(turned.gradient, here.gradient @ turn, atol=1e-10 * scale)


def assert_order_and_images_do_not_matter(potential, cell):
    """Permuted atoms permute the answer; whole lattice vectors change nothing."""
    here = kernel.eval(potential, cell)
    scale = max(1, np.abs(here.gradient).max(), np.abs(here.energies).max())
    order = np.random.default_rng(5).permutation(cell.size)
    permuted = Cell(
        cell.vectors, cell.coordinates[order], [cell.values[i] for i in order], pbc=cell.pbc
    )
    far = FAR[: cell.size] * np.array(cell.pbc)
    outside = Cell(cell.vectors, cell.coordinates + far, cell.values, pbc=cell.pbc)
    for there, names in ((permuted, order), (outside, np.arange(cell.size))):
        result = kernel.eval(potential, there)
        np.testing.assert_allclose(result.energies, here.energies[names], atol=1e-11 * scale)
        np.testing.assert_allclose(result.gradient, here.gradient[names], atol=1e-11 * scale)
        np.testing.assert_allclose(
            result.strain_derivative, here.strain_derivative, atol=1e-10 * scale
        )


def assert_supercell_multiplies(potential, cell):
    """A 2x1x1 supercell has twice the energy and strain derivative, and the same gradients."""
    one, two = kernel.eval(potential, cell), kernel.eval(potential, cell.repeated(2, 1, 1))
    scale = max(1, np.abs(one.gradient).max(), np.abs(one.energies).max())
    np.testing.assert_allclose(two.energies, np.tile(one.energies, 2), atol=1e-11 * scale)
    np.testing.assert_allclose(two.gradient, np.tile(one.gradient, (2, 1)), atol=1e-11 * scale)
    np.testing.assert_allclose(two.strain_derivative, 2 * one.strain_derivative, atol=1e-10 * scale)


def molecule(*legs):
    """An atom at the origin with neighbours at the given vectors, nothing periodic."""
    positions = np.array([np.zeros(3), *legs])
    return Cell(np.eye(3), positions, ["C"] * len(positions), pbc=False)


def assert_ends_at_cutoff(row):
    """Value and slope vanish at the cutoff where the form promises it, and are zero beyond."""
    potential = row.potential()
    rc = potential.cutoff
    u, v = np.array([0.6, 0.8, 0]), np.array([0, 0.8, 0.6])
    fixed = [0.55 * rc * v] if row.has_triples else []
    images = [
        kernel.compute_images(molecule(x * rc * u, *fixed), rc) for x in (0.75, 1 - 1e-6, 1 + 1e-12)
    ]
    inside, near, beyond = (abs(each.eval(potential)[0]) for each in images)
    slopes = [np.abs(each.eval(potential, "kernel_gradient")[0, 1]).max() for each in images]
    if row.smooth:
        assert near < 1e-5 * max(1, inside)
        assert slopes[1] < 1e-4 * max(1, slopes[0])
    else:
        assert near > 1e-5
    assert beyond == slopes[2] == 0


def fingerprint():
    """A digest of everything all compiled rows give for a large structure, bit by bit."""
    digest = hashlib.sha256()
    cell = large()
    for row in COMPILED:
        potential = row.potential()
        result = kernel.eval(potential, cell)
        functions, table, centres, _, direction = functions_of(potential, cell)
        for array in (
            result.energies,
            result.gradient,
            result.strain_derivative,
            functions.jvp(table, centres, direction),
        ):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
