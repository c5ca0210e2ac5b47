"""Every family keeps the contract."""

import os
import re
import subprocess
import sys
from pathlib import Path

import contract
import numpy as np
import pytest

from miniff import kernel
from miniff.kernel import Cell
from miniff.potentials import Functions, known_families, potential_from_state_dict

rows = pytest.mark.parametrize("row", contract.ROWS, ids=lambda row: row.name)
# Each function by itself, a one-way pair too.
pytestmark = pytest.mark.filterwarnings("ignore::miniff.potentials.OneSidedPairWarning")
compiled_rows = pytest.mark.parametrize("row", contract.COMPILED, ids=lambda row: row.name)
ranged = pytest.mark.parametrize(
    "row", [row for row in contract.ROWS if row.n_bodies > 1], ids=lambda row: row.name
)
structures = pytest.mark.parametrize("name", contract.STRUCTURES)
species = pytest.mark.parametrize("species", [None, "CCC", "CCO", "OCO", "OOO", "XCC", "CXC"])


def test_every_family_has_a_row():
    """The contract leaves no family out."""
    assert {row.make.name for row in contract.COMPILED} == set(known_families)


@rows
@structures
def test_values_are_those_of_the_brute_sum(row, name):
    """Untagged sums act on all species, in any periodicity and in boxes below the cutoff."""
    contract.assert_values_match_reference(row, contract.STRUCTURES[name](), None)


@rows
@species
def test_tags_choose_species(row, species):
    """Equal neighbour species are summed twice, different ones once, absent ones not at all."""
    tag = row.tag(*species) if species else None
    contract.assert_values_match_reference(row, contract.crystal(), tag)


@rows
def test_untagged_is_the_sum_over_tags(row):
    """All ordered species together are what the potential without a tag gives."""
    cell = contract.crystal()
    everything = kernel.eval(row.potential(), cell)
    parts = kernel.eval([row.potential().copy(tag=tag) for tag in row.all_tags("CO")], cell)
    scale = np.abs(everything.gradient).max()
    np.testing.assert_allclose(parts.energies, everything.energies, rtol=1e-11)
    np.testing.assert_allclose(parts.gradient, everything.gradient, atol=1e-11 * scale)


@rows
@structures
def test_gradient_is_the_slope(row, name):
    """Forces are derivatives of the energy."""
    contract.assert_gradient_is_slope(row.potential(), contract.STRUCTURES[name]())


@rows
def test_gradient_of_tagged_species_is_the_slope(row):
    """So they are where centre and neighbours differ."""
    contract.assert_gradient_is_slope(row.potential(row.tag("O", "C", "O")), contract.crystal())


@rows
@pytest.mark.parametrize("name", ["periodic", "slab", "tiny"])
def test_strain_derivative_is_the_slope(row, name):
    """The stress is the derivative by a finite strain."""
    contract.assert_strain_derivative_is_slope(row.potential(), contract.STRUCTURES[name]())


@rows
@pytest.mark.parametrize("name", ["periodic", "tiny", "cluster"])
def test_parts_of_atoms_are_slopes(row, name):
    """Virials and sparse gradients of single atoms are derivatives of their energies."""
    contract.assert_parts_of_atoms_are_slopes(row.potential(), contract.STRUCTURES[name]())


@compiled_rows
@pytest.mark.parametrize("species", [None, "OCO", "OCC"])
def test_jvp_and_vjp_are_adjoint_derivatives(row, species):
    """The two directions of differentiation agree, with each other and with differences."""
    tag = row.tag(*species) if species else None
    contract.assert_jvp_is_slope_and_transpose_of_vjp(row.potential(tag), contract.crystal())


@rows
@pytest.mark.parametrize("name", ["periodic", "slab", "cluster"])
def test_rigid_motion_is_free(row, name):
    """Nothing depends on where the structure is and how it is turned."""
    contract.assert_rigid_motion_is_free(row.potential(), contract.STRUCTURES[name]())


@rows
@pytest.mark.parametrize("name", ["periodic", "wire"])
def test_order_and_images_do_not_matter(row, name):
    """Trap 1: atoms far outside the box count as their images inside."""
    contract.assert_order_and_images_do_not_matter(row.potential(), contract.STRUCTURES[name]())


@rows
def test_fractional_coordinates_may_be_anything(row):
    """Fractional 2.3 and -7.6 are 0.3 and 0.4."""
    inside, outside = (
        Cell(3.9 * np.eye(3), [[0, 0, 0], [x, y, 0.5]], list("CO"))
        for x, y in ((0.3, 0.4), (2.3, -7.6))
    )
    expected, found = (contract.energy(row.potential(), cell) for cell in (inside, outside))
    np.testing.assert_allclose(found, expected, rtol=1e-11)


@rows
@pytest.mark.parametrize("name", ["periodic", "tiny"])
def test_a_supercell_has_twice_the_energy(row, name):
    """Energy is extensive and strictly local."""
    contract.assert_supercell_multiplies(row.potential(), contract.STRUCTURES[name]())


@ranged
def test_the_cutoff_is_where_it_ends(row):
    """Forms that promise it end smoothly; LJ and `none` end with a step."""
    contract.assert_ends_at_cutoff(row)


@rows
@pytest.mark.parametrize("pbc", [True, False])
def test_no_atom_and_one_atom(row, pbc):
    """Where nothing is to be summed, arrays have the right shapes and are zero but on site."""
    for n in (0, 1):
        cell = Cell(50 * np.eye(3), np.full((n, 3), 0.3), ["C"] * n, pbc=pbc)
        result = kernel.eval(row.potential(), cell)
        assert result.energy == row.reference(cell).sum()
        np.testing.assert_array_equal(result.energies, row.reference(cell))
        np.testing.assert_array_equal(result.gradient, np.zeros((n, 3)))
        np.testing.assert_array_equal(result.strain_derivative, np.zeros((3, 3)))


@rows
@pytest.mark.parametrize("turn", [0.0, 0.3, 1.1])
def test_collinear_triples_give_numbers(row, turn):
    """Trap 5: at angles of exactly 0 and 180 degrees nothing is nan, and gradients are slopes."""
    u = np.array([np.cos(turn), np.sin(turn), 0.1])
    cell = contract.molecule(1.5 * u, -1.7 * u, 3.4 * u)
    result = kernel.eval(row.potential(), cell)
    assert np.isfinite(result.energies).all()
    assert np.isfinite(result.gradient).all()
    if row.compiled:
        functions, table, centres, _, direction = contract.functions_of(row.potential(), cell)
        assert np.isfinite(functions.jvp(table, centres, direction)).all()
    np.testing.assert_allclose(result.energies, row.reference(cell), rtol=1e-10, atol=1e-12)
    scale = np.abs(result.gradient).max()
    np.testing.assert_allclose(np.cross(result.gradient, u), 0, atol=1e-6 * scale + 1e-14)


@ranged
def test_a_short_neighbour_list_is_refused(row):
    """An energy that misses neighbours is never given."""
    potential = row.potential()
    images = kernel.compute_images(contract.crystal(), 0.99 * potential.cutoff)
    sentence = (
        f"`cutoff` of the neighbour list is {images.cutoff} but must be at least "
        f"{potential.cutoff}, the cutoff of {potential}"
    )
    calls = [
        lambda: kernel.eval(potential, images),
        lambda: images.eval(potential),
        lambda: images.eval(potential, "kernel_gradient"),
    ]
    if row in contract.COMPILED:
        calls.append(lambda: Functions([potential]).values(images.table, np.arange(5)))
    for call in calls:
        with pytest.raises(ValueError, match=re.escape(sentence)):
            call()


@rows
def test_unknown_species_are_refused(row):
    """A misspelt species would be a silent zero; it may be asked for."""
    potential = row.potential(row.tag("N", "C", "O"))
    cell = contract.crystal()
    images = kernel.compute_images(cell, potential.cutoff)
    sentence = f"{potential}: `N` is not a known species. Known: `C`, `O`"
    for call in (
        lambda: kernel.eval(potential, cell),
        lambda: images.eval(potential),
        lambda: images.eval([potential], "kernel_gradient"),
    ):
        with pytest.raises(ValueError, match=re.escape(sentence)):
            call()
    assert kernel.eval(potential, cell, ignore_missing_species=True).energy == 0
    assert not images.eval(potential, ignore_missing_species=True).any()


@compiled_rows
def test_unknown_and_missing_parameters_are_refused(row):
    """Nothing is ignored, and nothing is guessed."""
    family, given = row.make, row.parameters
    with pytest.raises(
        TypeError, match=re.escape(f"{family.name}: `qwx` is not a known parameter. Known: `")
    ):
        family(**given, qwx=1.0)
    first = next(iter(family.parameters))
    without = {name: value for name, value in given.items() if name != first}
    with pytest.raises(TypeError, match=re.escape(f"{family.name}: `{first}` is missing; known: ")):
        family(**without)


@rows
def test_inputs_are_left_alone(row):
    """Evaluation writes to nothing it was given."""
    images = kernel.compute_images(contract.crystal(), 4.4)
    cell, table = images.cell, images.table
    arrays = [cell.vectors, cell.coordinates, table.positions, table.cells, table.images]
    arrays += [table.species, table.start, table.neighbor, table.structure]
    arrays += [table.image_atom, table.image_shift]
    before = [array.copy() for array in arrays]
    potential = row.potential()
    kernel.eval([potential], images)
    images.eval([potential], "kernel_gradient")
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@compiled_rows
def test_derivatives_leave_inputs_alone(row):
    """Neither weights nor directions nor the potential itself change."""
    potential = row.potential()
    state = potential.state_dict()
    functions, table, centres, weight, direction = contract.functions_of(
        potential, contract.crystal()
    )
    given = weight.copy(), direction.copy()
    functions.vjp(table, centres, weight, np.zeros_like(direction))
    functions.jvp(table, centres, direction)
    for array, copy in zip([weight, direction], given, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert potential.state_dict() == state


@compiled_rows
def test_plain_data_make_the_same_potential(row):
    """What is saved comes back, tag included, and `copy` changes only the tag."""
    potential = row.potential(row.tag("C", "O", "C"))
    again = potential_from_state_dict(potential.state_dict())
    assert again == potential
    assert again.state_dict() == potential.state_dict()
    other = potential.copy(tag=row.tag("O", "O", "O"))
    assert other.parameters == potential.parameters
    assert other.tag == row.tag("O", "O", "O")
    assert other.copy(tag=None) == row.potential()
    assert potential.tag == row.tag("C", "O", "C")
    cell = contract.crystal()
    assert contract.energy(again, cell) == contract.energy(potential, cell)


def test_threads_do_not_change_a_bit():
    """One thread and four give the same bits."""
    digests = set()
    for threads in "14":
        environment = os.environ | {
            "OMP_NUM_THREADS": threads,
            "OMP_DYNAMIC": "false",
            "OMP_WAIT_POLICY": "passive",
        }
        digests.add(
            subprocess.run(
                [sys.executable, "-c", "import contract; print(contract.fingerprint())"],
                cwd=Path(__file__).parent,
                env=environment,
                capture_output=True,
                check=True,
            ).stdout
        )
    assert len(digests) == 1
