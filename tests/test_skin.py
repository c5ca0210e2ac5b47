"""Neighbour lists that last: never a pair too few, and not made anew without need."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniff._neighbors import find_pairs
from miniff.kernel import ListedAtoms, Placement, SkinList

CELL = np.array([[6.0, 0, 0], [1.0, 5.5, 0], [-0.5, 0.7, 6.5]])
CUTOFF, SKIN = 2.5, 0.6


def atoms(seed=0, n=12):
    return np.random.default_rng(seed).uniform(size=(n, 3)) @ CELL


def named(n):
    return ListedAtoms.of(["a"] * n)


def made(pbc=(True, True, False), positions=None):
    positions = atoms() if positions is None else positions
    place = Placement(positions, CELL)
    return SkinList(place, named(len(positions)), pbc=pbc, cutoff=CUTOFF, skin=SKIN)


def within(table):
    """Pairs closer than the cutoff, as a set."""
    r = np.linalg.norm(table.vectors, axis=1)
    rows = np.column_stack([table.centre, table.other, table.shifts])[r < CUTOFF]
    return set(map(tuple, rows.tolist()))


@given(
    st.integers(0, 2**32),
    st.floats(0, 0.3),
    st.floats(0, 0.05),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_no_pair_is_missed(seed, move, strain, pbc):
    """After any walk and strain of the box, the pairs within the cutoff are those of a new list."""
    rng = np.random.default_rng(seed)
    pairs = made(pbc)
    positions, vectors = atoms(), CELL
    for _ in range(4):
        deformation = np.eye(3) + strain * rng.normal(size=(3, 3))
        vectors = vectors @ deformation
        positions = positions @ deformation + move * rng.normal(size=positions.shape)
        table = pairs.table(Placement(positions, vectors))
        anew = find_pairs(positions, vectors, pbc, ["a"] * len(positions), CUTOFF)
        assert within(table) == within(anew)


def test_two_atoms_may_close_in_by_the_skin_and_no_more():
    """Two atoms just out of reach of the list fly at each other."""
    apart = CUTOFF + SKIN + 1e-6
    positions = np.array([[0, 0, 0], [apart, 0, 0]])
    pairs = made((False,) * 3, positions)
    for closer, lists in ((0.5 * SKIN - 1e-9, 1), (0.5 * SKIN + 1e-5, 2)):
        there = positions + np.array([[closer, 0, 0], [-closer, 0, 0]])
        table = pairs.table(Placement(there, CELL))
        assert pairs.n_lists == lists
        assert len(within(table)) == (2 if apart - 2 * closer < CUTOFF else 0)


def test_a_box_may_shrink_by_the_skin_and_no_more():
    """Uniformly, from cutoff + skin to the cutoff: (cutoff + skin) s = cutoff."""
    limit = CUTOFF / (CUTOFF + SKIN)
    for scale, lists in ((limit + 1e-9, 1), (limit - 1e-9, 2), (1.0, 1), (1.3, 1)):
        pairs = made((True,) * 3)
        pairs.table(Placement(scale * atoms(), scale * CELL))
        assert pairs.n_lists == lists


@pytest.mark.parametrize("pbc", [(False, False, False), (True, False, True)])
def test_common_motion_makes_no_list(pbc):
    """Atoms that fly on together keep their neighbours."""
    pairs = made(pbc)
    table = pairs.table(Placement(atoms() + 50.0, CELL))
    assert pairs.n_lists == 1
    anew = find_pairs(atoms() + 50.0, CELL, pbc, ["a"] * 12, CUTOFF)
    assert within(table) == within(anew)


def test_box_does_not_matter_where_nothing_repeats():
    """Whatever becomes of its vectors."""
    pairs = made((False,) * 3)
    pairs.table(Placement(atoms(), 0.1 * CELL))
    assert pairs.n_lists == 1


def test_a_wrapped_atom_is_found_again():
    """Moved by a cell vector it has the same neighbours."""
    pairs = made((True,) * 3)
    there = atoms()
    there[3] += CELL[1]
    table = pairs.table(Placement(there, CELL))
    here = find_pairs(atoms(), CELL, (True,) * 3, ["a"] * 12, CUTOFF)
    assert len(within(table)) == len(within(here))
    assert pairs.n_lists == 2


def test_caller_may_change_its_arrays():
    """What the list was made for is remembered, not looked up where it was."""
    positions, vectors = atoms(), CELL.copy()
    pairs = SkinList(
        Placement(positions, vectors), named(12), pbc=(True,) * 3, cutoff=CUTOFF, skin=SKIN
    )
    positions += np.random.default_rng(1).normal(size=positions.shape)
    vectors *= 0.7
    table = pairs.table(Placement(positions, vectors))
    assert pairs.n_lists == 2
    assert within(table) == within(find_pairs(positions, vectors, (True,) * 3, ["a"] * 12, CUTOFF))


@pytest.mark.parametrize("skin", [-0.1, np.inf, np.nan])
def test_skins_are_finite(skin):
    """And not negative."""
    with pytest.raises(ValueError, match=re.escape(f"`skin` is {skin} but must be in [0, inf)")):
        SkinList(Placement(atoms(), CELL), named(12), pbc=(True,) * 3, cutoff=1.0, skin=skin)


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("positions", "atom 1 (counted from 0) is at ["),
        ("vectors", "`vectors` is nan at [1, 1] but must be finite"),
    ],
)
def test_places_that_are_none_are_refused(where, sentence):
    """An atom or a box at nan."""
    place = {"positions": atoms(), "vectors": CELL.copy()}
    place[where][1, 1] = np.nan
    with pytest.raises(ValueError, match=re.escape(sentence)):
        made((True,) * 3).table(Placement(**place))
