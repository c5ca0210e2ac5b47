"""The pair table lists exactly the pairs there are."""

import re
from collections import Counter

import numpy as np
import pytest
import reference
from hypothesis import example, given, settings
from hypothesis import strategies as st

from miniff._neighbors import find_pairs, find_pairs_again, join

FAR_SETTINGS = settings(max_examples=60)


def listed(table):
    """(i, j, shift) of a table with the number of times each is listed."""
    return Counter(
        (int(i), int(j), *map(int, shift))
        for i, j, shift in zip(table.centre, table.other, table.shifts, strict=True)
    )


def random_structure(seed, n_atoms, spread=1.0):
    """A skewed box with edges between 1 and 4 and atoms anywhere in and around it."""
    rng = np.random.default_rng(seed)
    cell = np.diag(rng.uniform(1, 4, size=3)) + np.tril(rng.uniform(-2, 2, size=(3, 3)), -1)
    cell = cell @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    positions = rng.uniform(-spread, spread, size=(n_atoms, 3)) @ cell
    return positions, cell, [("a", "b")[x] for x in rng.integers(2, size=n_atoms)]


@FAR_SETTINGS
@given(
    seed=st.integers(0, 2**32 - 1),
    n_atoms=st.integers(0, 5),
    cutoff=st.floats(0.05, 5),
    periodic=st.tuples(*[st.booleans()] * 3),
    spread=st.sampled_from([0.5, 1.0, 4.0]),
)
@example(seed=0, n_atoms=1, cutoff=5.0, periodic=(True, True, True), spread=4.0)
def test_pairs_are_those_of_a_search_over_all_images(seed, n_atoms, cutoff, periodic, spread):
    """In any box, periodic or not, each pair within the cutoff is listed once in each direction."""
    positions, cell, species = random_structure(seed, n_atoms, spread)
    table = find_pairs(positions, cell, periodic, species, cutoff)
    pairs, vectors = reference.neighbor_list(positions, cell, periodic, cutoff)
    r = np.linalg.norm(vectors, axis=-1)
    certain = {p for p, x in zip(pairs, r, strict=True) if x < cutoff * (1 - 1e-12)}
    nearly = {*pairs, *reference.neighbor_list(positions, cell, periodic, cutoff * (1 + 1e-12))[0]}
    found = listed(table)
    assert certain <= set(found) <= nearly
    assert all(count == 1 for count in found.values())
    vector_of = dict(zip(pairs, vectors, strict=True))
    for p, (i, j, shift) in enumerate(zip(table.centre, table.other, table.shifts, strict=True)):
        expected = vector_of.get((int(i), int(j), *map(int, shift)))
        if expected is not None:
            np.testing.assert_allclose(table.vectors[p], expected, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_pairs_are_those_of_ase(seed):
    """ASE's neighbour list, written by others, has the same pairs and distances."""
    from ase import Atoms
    from ase.neighborlist import neighbor_list

    positions, cell, species = random_structure(seed, 12, 2.0)
    periodic = [(True, True, True), (True, False, True), (False, False, False)][seed]
    table = find_pairs(positions, cell, periodic, species, 3.1)
    atoms = Atoms(f"H{len(positions)}", positions=positions, cell=cell, pbc=periodic)
    i, j, d = neighbor_list("ijd", atoms, 3.1)
    assert Counter(zip(i.tolist(), j.tolist(), strict=True)) == Counter(
        zip(table.centre.tolist(), table.other.tolist(), strict=True)
    )
    r = np.linalg.norm(table.vectors, axis=1)
    for atom in range(len(positions)):
        np.testing.assert_allclose(np.sort(r[table.centre == atom]), np.sort(d[i == atom]))


def test_every_pair_has_its_reverse():
    """The list is a full one: i -> j with a shift and j -> i with the opposite shift."""
    table = find_pairs(*random_structure(5, 4)[:2], (True, True, True), list("abab"), 3.0)
    found = listed(table)
    assert found == Counter((j, i, -a, -b, -c) for i, j, a, b, c in found)


def test_moved_atoms_keep_their_pairs():
    """Vectors follow positions and cell, exactly as if they were made there."""
    positions, cell, species = random_structure(6, 4)
    table = find_pairs(positions, cell, (True, True, True), species, 2.5)
    rng = np.random.default_rng(7)
    there, box = positions + 0.01 * rng.normal(size=positions.shape), cell @ np.diag([1, 1.1, 1])
    moved = table.moved(there, box[None])
    expected = there[table.other] - there[table.centre] + table.shifts @ box
    np.testing.assert_allclose(moved.vectors, expected, atol=1e-14)
    np.testing.assert_array_equal(moved.other, table.other)


def test_joined_tables_are_one_table():
    """Atoms, pairs and species codes of each structure are where the structure is."""
    structures = [random_structure(seed, n) for seed, n in ((8, 3), (9, 0), (10, 2))]
    structures[2] = (*structures[2][:2], ["c", "a"])
    tables = [
        find_pairs(positions, cell, (True, True, False), species, 2.0 + n)
        for n, (positions, cell, species) in enumerate(structures)
    ]
    table = join(tables)
    assert table.cutoff == 2.0
    assert (table.n_structures, table.n_atoms) == (3, 5)
    assert table.n_pairs == sum(t.n_pairs for t in tables)
    assert [table.names[code] for code in table.species] == [*structures[0][2], "c", "a"]
    np.testing.assert_array_equal(table.structure, [0, 0, 0, 2, 2])
    vectors = np.concatenate([t.vectors for t in tables])
    np.testing.assert_array_equal(table.vectors, vectors)
    for s, first in ((0, 0), (2, 3)):
        of_structure = table.structure[table.centre] == s
        np.testing.assert_array_equal(table.other[of_structure] - first, tables[s].other)
    np.testing.assert_array_equal(table.totals(np.arange(5.0)), [3, 0, 7])
    moved = table.moved(table.positions, table.cells)
    np.testing.assert_array_equal(moved.vectors, table.vectors)


def test_no_table_joins_to_an_empty_one():
    """No structure is not an error."""
    table = join([])
    assert (table.n_structures, table.n_atoms, table.n_pairs) == (0, 0, 0)
    assert table.totals(np.zeros(0)).dtype == np.float64


@pytest.mark.parametrize("cutoff", [-1.0, np.inf, np.nan])
def test_a_cutoff_that_is_no_distance_is_refused(cutoff):
    """The sentence has the number."""
    sentence = f"`cutoff` is {cutoff} but must be in [0, inf)"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        find_pairs(np.zeros((1, 3)), np.eye(3), (True, True, True), ["a"], cutoff)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_coincident_atoms_are_refused(shift):
    """Also where the second atom lies a lattice vector away."""
    positions = np.array([[0.25, 0, 0], [0.5, 0.5, 0.5], [0.25 + 4 * shift, 0, 0]])
    with pytest.raises(ValueError, match=r"^atoms 0 and 2 are at the same place"):
        find_pairs(positions, 4 * np.eye(3), (True, True, True), ["a"] * 3, 1.0)


@pytest.mark.parametrize("far", [np.nan, np.inf, 1e300, -4e6])
def test_atoms_absurdly_far_away_are_refused(far):
    """A search would not end, or not come back."""
    positions = np.array([[0.0, 0, 0], [0, far, 0]])
    with pytest.raises(ValueError, match=r"^atom 1 \(counted from 0\) is at \[0\.0, .* but coord"):
        find_pairs(positions, np.eye(3), (True, False, False), ["a", "a"], 3.0)


@pytest.mark.parametrize("periodic", [(True, True, True), (False, False, False)])
@pytest.mark.parametrize("edge", [5.0, 1.9e6])
def test_a_search_ends_right_up_to_the_limits(edge, periodic):
    """The largest coordinates and cells that are allowed are searched."""
    positions = np.array(
        [[-1.9e6 + 0.3, 1.1, 0.7], [1.9e6, 1.9e6, 1.9e6], [1.9e6, 1.9e6, 1.9e6 + 1]]
    )
    table = find_pairs(positions, edge * np.eye(3), periodic, ["a"] * 3, 2.0)
    assert table.n_pairs >= 2


def test_absurd_cells_are_refused():
    """Larger than a search can count, or far smaller than the cutoff."""
    with pytest.raises(
        ValueError, match=r"^a cell vector has the component 1e\+08 but it must be in"
    ):
        find_pairs(np.zeros((1, 3)), 1e8 * np.eye(3), (True, True, True), ["a"], 3.0)
    with pytest.raises(ValueError, match=r"^`cutoff` is 3\.0, within which .* 1e\+29 pairs"):
        find_pairs(np.zeros((1, 3)), 1e-9 * np.eye(3), (True, True, True), ["a"], 3.0)


def test_pairs_found_again_are_those_found_anew():
    """The same atoms and box elsewhere, without naming the species again."""
    positions, cell, species = random_structure(14, 5)
    table = find_pairs(positions, cell, (True, False, True), species, 3.0)
    there = positions + 0.4 * np.random.default_rng(15).normal(size=positions.shape)
    strained = cell @ (np.eye(3) + 0.1 * np.random.default_rng(16).normal(size=(3, 3)))
    again = find_pairs_again(table, there, strained, (True, False, True))
    anew = find_pairs(there, strained, (True, False, True), species, 3.0)
    assert listed(again) == listed(anew)
    assert again.names == anew.names
    np.testing.assert_array_equal(again.species, anew.species)
    np.testing.assert_array_equal(again.vectors, anew.vectors)


@pytest.mark.parametrize(
    ("vectors", "periodic"),
    [
        ([[1, 0, 0], [2, 0, 0], [0, 0, 1]], (True, True, False)),
        ([[1, 2, 3], [1, 2, 3 + 1e-13], [0, 0, 1]], (True, True, False)),
        ([[0, 0, 0], [1, 0, 0], [0, 1, 0]], (True, False, False)),
        ([[1, 0, 0], [0, 1, 0], [1, 1, 0]], (True, True, True)),
    ],
    ids=["parallel", "nearly", "zero", "in a plane"],
)
def test_cell_vectors_must_be_independent_where_they_repeat(vectors, periodic):
    """vesin would divide by zero, which ends the process."""
    repeated = [v for v, on in zip(np.array(vectors, float).tolist(), periodic, strict=True) if on]
    sentence = f"atoms repeat, {repeated}, are zero or not independent"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        find_pairs(np.array([[0.1, 0.2, 0.3]]), np.array(vectors, float), periodic, ["a"], 1.0)
    found = find_pairs(np.zeros((1, 3)), np.array(vectors, float), (False,) * 3, ["a"], 1.0)
    assert found.n_pairs == 0
