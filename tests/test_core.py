"""The compiled module takes arrays of the very type and shape, or refuses."""

import re

import numpy as np
import pytest

from miniff import _core


def make_arrays():
    """Two atoms that see each other."""
    return {
        "start": np.array([0, 1, 2]),
        "other": np.array([1, 0], np.int32),
        "species": np.zeros(2, np.int32),
        "vectors": np.array([[1.0, 0, 0], [-1, 0, 0]]),
    }


def make_set():
    functions = _core.FunctionSet(1)
    functions.lennard_jones(0, -1, 3.0, 1.0, 1.0)
    return functions


def refuses(sentence):
    """Expect a ValueError that contains the sentence, word for word."""
    return pytest.raises(ValueError, match=re.escape(sentence))


def strided(array):
    """The same numbers, not one after the other."""
    return np.repeat(array, 2, axis=0)[::2]


@pytest.mark.parametrize("name", ["start", "other", "species", "vectors"])
@pytest.mark.parametrize(
    "change",
    [strided, lambda a: a.astype(np.float32), lambda a: a.astype(np.int16), np.ndarray.tolist],
    ids=["strided", "float32", "int16", "list"],
)
def test_arrays_are_never_converted(name, change):
    """Another type, stride or container is a TypeError, not a silent copy."""
    arrays = make_arrays()
    _core.Pairs(**arrays)
    arrays[name] = change(arrays[name])
    with pytest.raises(TypeError, match="incompatible function arguments"):
        _core.Pairs(**arrays)


def test_vectors_have_three_components():
    """Shapes are part of the type."""
    arrays = make_arrays() | {"vectors": np.zeros((2, 2))}
    with pytest.raises(TypeError, match="incompatible function arguments"):
        _core.Pairs(**arrays)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"start": np.array([0, 2])}, "`start` must have one entry more than there are atoms"),
        ({"start": np.array([0, 1, 3])}, "`start` must end at the number of pairs"),
        ({"start": np.array([1, 1, 2])}, "`start` must end at the number of pairs"),
        ({"vectors": np.zeros((1, 3))}, "`other` and `vectors` differ in length"),
    ],
)
def test_lengths_must_fit(changes, sentence):
    """Arrays that do not describe one table are refused."""
    with refuses(sentence):
        _core.Pairs(**make_arrays() | changes)


def test_sums_refuse_arrays_that_do_not_fit():
    """Rows are [n_centres, n_functions], pair arrays [n_pairs, 3]."""
    functions, pairs, centres = make_set(), _core.Pairs(**make_arrays()), np.arange(2)
    rows, vectors = np.zeros((2, 1)), np.zeros((2, 3))
    for wrong in (np.zeros((1, 1)), np.zeros((2, 2))):
        for call in (
            lambda w: functions.values(pairs, centres, w),
            lambda w: functions.vjp(pairs, centres, w, vectors),
            lambda w: functions.jvp(pairs, centres, vectors, w),
        ):
            with refuses("rows must be [n_centres, n_functions]"):
                call(wrong)
    with refuses("`gradient` must be [n_pairs, 3]"):
        functions.vjp(pairs, centres, rows, np.zeros((1, 3)))
    with refuses("`direction` must be [n_pairs, 3]"):
        functions.jvp(pairs, centres, np.zeros((3, 3)), rows)
    with refuses("`pair_gradient` must be [n_pairs, 3] and `out` [n_atoms, 3]"):
        pairs.gather_gradient(np.zeros((1, 3)), np.zeros((2, 3)))
    with refuses("`pair_gradient` must be [n_pairs, 3] and `structure` [n_atoms]"):
        pairs.gather_strain(np.arange(1), vectors, np.zeros((1, 3, 3)))
    for wrong in (rows[::-1], rows.astype(np.float32), rows[:, 0]):
        with pytest.raises(TypeError, match="incompatible function arguments"):
            functions.values(pairs, centres, wrong)


def test_outputs_that_cannot_be_written_are_refused():
    """A read-only array is not an output."""
    out = np.zeros((2, 1))
    out.setflags(write=False)
    with pytest.raises(TypeError, match="incompatible function arguments"):
        make_set().values(_core.Pairs(**make_arrays()), np.arange(2), out)


def test_borrowed_arrays_stay_alive():
    """The table keeps the arrays it looks at."""
    out = np.zeros((2, 1))
    pairs = _core.Pairs(**make_arrays())
    _trash = [np.full((2, 3), 7.0) for _ in range(100)]
    make_set().values(pairs, np.arange(2), out)
    np.testing.assert_array_equal(out, 0)  # 4 (1 - 1) at r = sigma


@pytest.mark.parametrize(
    ("pairs", "n_atoms"), [([[0, 2]], 2), ([[2, 0]], 2), ([[0, 0]], 0)], ids=["j", "i", "none"]
)
def test_pairs_of_atoms_that_do_not_exist_are_refused(pairs, n_atoms):
    """Indices are checked before anything is written."""
    with refuses("a pair names an atom that does not exist"):
        _core.group_by_centre(
            np.array(pairs, np.uint64),
            np.zeros((1, 3), np.int32),
            np.zeros(n_atoms + 1, np.int64),
            np.zeros(1, np.int32),
            np.zeros((1, 3), np.int32),
        )


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: _core.FunctionSet(-1), "`n_functions` must not be negative"),
        (
            lambda: _core.RadialFunction(0, -1, 0.1, 0.0, 9, 0.0, 3.0),
            "`cutoff_type` is 9 but must be in [0, 8]",
        ),
        (
            lambda: _core.AngularFunction(0, -1, -1, 1.0, 0.1, 1.0, 0.5, 0.0, 1, 0.0, 3.0, True),
            "`zeta` must be at least 1",
        ),
    ],
)
def test_numbers_out_of_range_are_refused(make, sentence):
    """The core guards what would break it."""
    with refuses(sentence):
        make()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"start": np.array([0, 3, 2])}, "`start` must not fall"),
        ({"other": np.array([1, 2], np.int32)}, "`other` names an atom that does not exist"),
        ({"other": np.array([-1, 0], np.int32)}, "`other` names an atom that does not exist"),
    ],
)
def test_indices_outside_the_table_are_refused(changes, sentence):
    """Nothing is read or written beyond the arrays."""
    with refuses(sentence):
        _core.Pairs(**(make_arrays() | changes))


@pytest.mark.parametrize("centres", [[0, 2], [-1, 0], [1, 0], [0, 0]])
def test_centres_are_atoms_in_rising_order(centres):
    """An atom given twice would be written by two threads at once."""
    pairs, functions = _core.Pairs(**make_arrays()), make_set()
    rows = np.zeros((2, 1))
    gradient = np.zeros((2, 3))
    for call in (
        lambda: functions.values(pairs, np.array(centres), rows),
        lambda: functions.vjp(pairs, np.array(centres), rows, gradient),
        lambda: functions.jvp(pairs, np.array(centres), gradient, rows),
    ):
        with refuses("`centres` must be indices of atoms in rising order"):
            call()


def test_columns_lie_in_the_rows():
    """A function writes only into the rows it is given."""
    functions = _core.FunctionSet(1)
    for column in (-1, 1):
        with refuses("`column` must be in [0, n_functions)"):
            functions.lennard_jones(column, -1, 3.0, 1.0, 1.0)
        with refuses("`column` must be in [0, n_functions)"):
            radial = _core.RadialFunction(column, -1, 0.1, 0.0, 1, 0.0, 3.0)
            functions.symmetry_functions([radial], [])


def test_structures_exist():
    """Strain derivatives are gathered into structures that are there."""
    pairs = _core.Pairs(**make_arrays())
    with refuses("`structure` names one that does not exist"):
        pairs.gather_strain(np.array([0, 1]), np.zeros((2, 3)), np.zeros((1, 3, 3)))


def test_number_of_threads_is_set_and_read():
    """One setting, at least 1."""
    before = _core.num_threads()
    _core.set_num_threads(3)
    assert _core.num_threads() == 3
    _core.set_num_threads(before)
    with refuses("`n` must be at least 1"):
        _core.set_num_threads(0)
