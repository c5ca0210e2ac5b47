"""From vesin's unordered pairs to pairs of a centre and an image: nothing lost, nothing doubled."""

import gc
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refuses

from miniff import _core, _vesin
from miniff._neighbors import find_pairs
from miniff._vesin import search


def random_structure(seed, n_atoms):
    """A skewed box with edges between 2 and 5 and atoms anywhere in and around it."""
    rng = np.random.default_rng(seed)
    cell = np.diag(rng.uniform(2, 5, size=3)) + np.tril(rng.uniform(-1.5, 1.5, size=(3, 3)), -1)
    cell = cell @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return rng.uniform(-1.5, 1.5, size=(n_atoms, 3)) @ cell, cell


def grouped(positions, cell, periodic, cutoff):
    return _core.group_images(*search(positions, cell, periodic, cutoff), len(positions))


def listed(start, neighbor, image_atom, image_shift):
    """Every (i, j, shift) of a table, in its order."""
    centre = np.repeat(np.arange(len(start) - 1), np.diff(start))
    rows = np.column_stack([centre, image_atom[neighbor], image_shift[neighbor]])
    return [tuple(row) for row in rows.tolist()]


def by_centre(pairs, shifts):
    """The same of an unordered list, sorted by nothing but i."""
    rows = np.column_stack([pairs.astype(np.int64), shifts])
    return [tuple(row) for row in rows[np.argsort(rows[:, 0], kind="stable")].tolist()]


def random_list(seed, n_atoms, n_pairs):
    """Any list: pairs may repeat, and an atom may have many images."""
    rng = np.random.default_rng(seed)
    pairs = rng.integers(max(n_atoms, 1), size=(n_pairs, 2)).astype(np.uint64)
    shifts = rng.integers(-2, 3, size=(n_pairs, 3)) * rng.integers(2, size=(n_pairs, 1))
    return pairs, shifts.astype(np.int32)


# --- the search and the table


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_atoms=st.sampled_from([0, 1, 2, 5, 50]),
    cutoff=st.floats(0.1, 5),
    periodic=st.tuples(*[st.booleans()] * 3),
)
def test_pairs_are_those_of_brute_force(seed, n_atoms, cutoff, periodic):
    """Each directed pair once; cells smaller than the cutoff and atoms outside the cell too."""
    positions, cell = random_structure(seed, n_atoms)
    pairs, _ = reference.neighbor_list(positions, cell, periodic, cutoff)
    assert Counter(listed(*grouped(positions, cell, periodic, cutoff))) == Counter(pairs)


@pytest.mark.parametrize("periodic", [(0, 0, 0), (1, 0, 0), (0, 1, 1), (1, 1, 1)])
@pytest.mark.parametrize("n_atoms", [0, 1, 2, 50])
def test_pairs_are_those_of_the_pair_table(n_atoms, periodic):
    """The table of pair vectors lists the same, in the same order."""
    positions, cell = random_structure(7, n_atoms)
    periodic = tuple(map(bool, periodic))
    table = find_pairs(positions, cell, periodic, ["a"] * n_atoms, 4.0)
    old = np.column_stack([table.centre, table.other, table.shifts])
    assert listed(*grouped(positions, cell, periodic, 4.0)) == [tuple(x) for x in old.tolist()]


@pytest.mark.parametrize(("n_atoms", "n_pairs"), [(1, 500), (7, 0), (7, 300), (300, 20000)])
def test_order_within_a_centre_is_that_of_the_list(n_atoms, n_pairs):
    """Grouping is a stable sort by i."""
    pairs, shifts = random_list(0, n_atoms, n_pairs)
    assert listed(*_core.group_images(pairs, shifts, n_atoms)) == by_centre(pairs, shifts)


def test_images_are_numbered_as_they_appear():
    """Atoms come first; then each other image once, in the order of the list."""
    pairs, shifts = random_list(1, 40, 3000)
    start, neighbor, image_atom, image_shift = _core.group_images(pairs, shifts, 40)
    images = [(j, *s) for j, s in zip(pairs[:, 1].tolist(), shifts.tolist(), strict=True) if any(s)]
    atoms = [(i, 0, 0, 0) for i in range(40)]
    numbered = np.column_stack([image_atom, image_shift]).tolist()
    assert [tuple(row) for row in numbered] == atoms + list(dict.fromkeys(images))
    assert [x.dtype for x in (start, neighbor, image_atom, image_shift)] == [np.int64] + [
        np.int32
    ] * 3


def test_shifts_may_be_any_numbers():
    """Images differ if any of 32 bits does."""
    shifts = np.array([[2**31 - 1, 0, 0], [-(2**31), 0, 0], [0, 1, -1], [0, -1, 1], [0, 0, 1]])
    shifts = shifts.repeat(2, axis=0).astype(np.int32)
    _, neighbor, _, image_shift = _core.group_images(np.zeros((10, 2), np.uint64), shifts, 1)
    np.testing.assert_array_equal(neighbor, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
    np.testing.assert_array_equal(image_shift[neighbor], shifts)


def test_one_atom_has_thirty_thousand_images():
    """As many points of a simple cubic lattice as a numpy grid has within the sphere."""
    start, neighbor, image_atom, _ = grouped(np.zeros((1, 3)), np.eye(3), (True,) * 3, 19.3)
    axis = np.arange(-20, 21) ** 2
    inside = axis[:, None, None] + axis[:, None] + axis < 19.3**2
    assert start.tolist() == [0, inside.sum() - 1]
    np.testing.assert_array_equal(neighbor, np.arange(1, inside.sum()))
    np.testing.assert_array_equal(image_atom, 0)


# --- positions of images


def test_arrays_outlive_another_search():
    """Buffers that an array shows are not written to."""
    positions, cell = random_structure(4, 50)
    pairs, shifts = search(positions, cell, (True,) * 3, 4.0)
    kept = pairs.copy(), shifts.copy()
    other = search(positions + 0.3, 0.9 * cell, (True,) * 3, 4.0)
    assert not np.shares_memory(pairs, other[0])
    np.testing.assert_array_equal(pairs, kept[0])
    np.testing.assert_array_equal(shifts, kept[1])
    assert not pairs.flags.writeable


def test_buffers_serve_again():
    """One search after the other needs no second list."""
    positions, cell = random_structure(4, 50)
    gc.collect()
    _vesin._idle.clear()
    for _ in range(3):
        pairs = search(positions, cell, (True,) * 3, 4.0)[0]
        assert _vesin._idle == []
        del pairs
        assert len(_vesin._idle) == 1


def test_large_buffers_are_freed(monkeypatch):
    """Nothing above the limit waits."""
    positions, cell = random_structure(4, 50)
    pairs, _ = search(positions, cell, (True,) * 3, 4.0)
    _vesin._idle.clear()
    monkeypatch.setattr(_vesin, "KEPT_BYTES", 28 * len(pairs) - 1)
    del pairs, _
    assert _vesin._idle == []


def test_threads_search_at_once():
    """Each gets its own pairs, and they stay when the thread has ended."""
    structures = [random_structure(seed, 50) for seed in range(8)]
    alone = [by_centre(*search(*s, (True,) * 3, 3.0)) for s in structures]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda s: search(*s, (True,) * 3, 3.0), structures * 4))
    assert [by_centre(*found) for found in together] == alone * 4


def test_vesin_is_loaded_once():
    """Also when threads need it at the same moment."""
    _vesin._load_vesin.cache_clear()
    _vesin._idle.clear()
    positions, cell = random_structure(4, 5)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: search(positions, cell, (True,) * 3, 2.0), range(64)))
    assert _vesin._load_vesin.cache_info().misses == 1


def test_order_is_the_same_every_time():
    """Also when the buffers have held something else."""
    positions, cell = random_structure(5, 50)
    first = [x.copy() for x in search(positions, cell, (True, True, False), 4.0)]
    search(positions, cell, (True,) * 3, 5.0)
    for x, y in zip(first, search(positions, cell, (True, True, False), 4.0), strict=True):
        np.testing.assert_array_equal(x, y)


def test_neither_torch_nor_vesin_is_imported():
    """The C library is all that is loaded."""
    script = (
        "import sys, numpy as np; from miniff._vesin import search;"
        "assert len(search(np.zeros((1, 3)), np.eye(3), (True,) * 3, 1.1)[0]) == 6;"
        "assert not {'torch', 'cupy', 'vesin'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# --- refusals


@pytest.mark.parametrize(
    ("positions", "cell", "cutoff", "sentence"),
    [
        (np.zeros((1, 3)), np.zeros((3, 3)), 1.0, "the box matrix is not invertible"),
        (np.zeros((1, 3)), np.eye(3), -1.0, "cutoff must be a finite, positive number"),
        (np.zeros((1, 3)), np.eye(3), np.inf, "cutoff must be a finite, positive number"),
        (np.full((1, 3), np.nan), np.eye(3), 1.0, "point 0 has non-finite coordinate"),
        (np.zeros((1, 2)), np.eye(3), 1.0, "`positions` has shape (1, 2) but must be (n_atoms, 3)"),
        (np.zeros((1, 3)), np.eye(2), 1.0, "`cell` has shape (2, 2) but must be (3, 3)"),
    ],
)
@pytest.mark.usefixtures("as_installed")
def test_what_vesin_refuses_is_refused_in_its_words(positions, cell, cutoff, sentence):
    """And the next search works."""
    with refuses(sentence):
        search(positions, cell, (True,) * 3, cutoff)
    assert len(search(np.zeros((1, 3)), np.eye(3), (True,) * 3, 1.1)[0]) == 6


@pytest.mark.usefixtures("as_installed")
def test_periodic_is_three_flags():
    with refuses("`periodic` has shape (2,) but must be (3,)"):
        search(np.zeros((1, 3)), np.eye(3), (True, True), 1.0)


def test_there_are_no_pairs_within_no_distance():
    """Nor without atoms, and no vesin is needed to know."""
    for n_atoms, cutoff in [(0, 1.0), (2, 0.0)]:
        pairs, shifts = search(np.zeros((n_atoms, 3)), np.eye(3), (True,) * 3, cutoff)
        assert (pairs.shape, pairs.dtype) == ((0, 2), np.uint64)
        assert (shifts.shape, shifts.dtype) == ((0, 3), np.int32)


def test_an_unknown_vesin_is_refused(tmp_path):
    """The sentence says which file or option is missing, and which versions have it."""
    with refuses(f"{tmp_path / '_c_api.py'} but has not; vesin 0.6.0 to 0.6.2 are", ImportError):
        _vesin._load_vesin(tmp_path)
    description = tmp_path / "_c_api.py"
    description.write_text("class VesinOptions: _fields_ = [('cutoff', float)]")
    with refuses(f"{tmp_path} is a vesin without the option `n_threads`", ImportError):
        _vesin._load_vesin(tmp_path)
    description.write_text("class VesinOptions: _fields_ = [('n_threads', int)]")
    with pytest.raises(ImportError, match=r"the file .*vesin\.(so|dylib|dll) but has not"):
        _vesin._load_vesin(tmp_path)


def test_a_missing_vesin_is_refused(monkeypatch):
    monkeypatch.setattr(_vesin, "find_spec", lambda name: None)
    with refuses("no package `vesin` is installed; vesin 0.6.0 to 0.6.2", ImportError):
        _vesin._package_folder.__wrapped__()


@pytest.mark.parametrize(
    ("pairs", "n_shifts", "n_atoms", "sentence"),
    [
        ([[0, 2]], 1, 2, "a pair names an atom that does not exist"),
        ([[2, 0]], 1, 2, "a pair names an atom that does not exist"),
        ([[0, 0]], 1, 0, "a pair names an atom that does not exist"),
        ([[0, 2**64 - 1]], 1, 2, "a pair names an atom that does not exist"),
        ([[0, 1]], 2, 2, "`pairs` and `shifts` differ in length"),
        ([[0, 1]], 1, -1, "`n_atoms` must not be negative"),
        ([[0, 1]], 1, 2**31, "more atoms than 32-bit indices can name"),
    ],
)
def test_impossible_lists_are_refused(pairs, n_shifts, n_atoms, sentence):
    with refuses(sentence):
        _core.group_images(np.array(pairs, np.uint64), np.zeros((n_shifts, 3), np.int32), n_atoms)


def test_arrays_are_never_converted():
    """Of another type, they are refused and not copied."""
    with pytest.raises(TypeError, match="incompatible function arguments"):
        _core.group_images(np.zeros((1, 2), np.int64), np.zeros((1, 3), np.int32), 1)
