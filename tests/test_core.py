"""The compiled module takes arrays of the very type and shape, or refuses."""

import numpy as np
import pytest
from refusals import refuses

from miniff import _core


def make_arrays():
    """Two atoms that see each other."""
    return {
        "start": np.array([0, 1, 2]),
        "neighbor": np.array([1, 0], np.int32),
        "atom": np.array([0, 1], np.int32),
        "shift": np.zeros((2, 3), np.int32),
        "species": np.zeros(2, np.int32),
        "structure": np.zeros(2, np.int64),
    }


def make_table(**changes):
    return _core.ImageTable(**(make_arrays() | changes), n_species=1, n_structures=1)


PLACES = np.array([[0.0, 0, 0], [1, 0, 0]])
CELLS = np.zeros((1, 3, 3))


def make_set():
    functions = _core.FunctionSet(1)
    functions.lennard_jones(0, -1, 3.0, 1.0, 1.0)
    return functions


def strided(array):
    """The same numbers, not one after the other."""
    return np.repeat(array, 2, axis=0)[::2]


@pytest.mark.parametrize("name", [*make_arrays()])
@pytest.mark.parametrize(
    "change",
    [strided, lambda a: a.astype(np.float32), lambda a: a.astype(np.int16), np.ndarray.tolist],
    ids=["strided", "float32", "int16", "list"],
)
def test_arrays_are_never_converted(name, change):
    """Another type, stride or container is a TypeError, not a silent copy."""
    make_table()
    with pytest.raises(TypeError, match="incompatible function arguments"):
        make_table(**{name: change(make_arrays()[name])})


def test_shifts_have_three_components():
    """Shapes are part of the type."""
    with pytest.raises(TypeError, match="incompatible function arguments"):
        make_table(shift=np.zeros((2, 2), np.int32))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"start": np.array([0, 2])}, "`start` must have one entry more than there are atoms"),
        ({"start": np.array([0, 1, 3])}, "`start` must end at the number of pairs"),
        ({"start": np.array([1, 1, 2])}, "`start` must end at the number of pairs"),
        ({"start": np.array([0, 3, 2])}, "`start` must not fall"),
        ({"shift": np.zeros((1, 3), np.int32)}, "`atom` and `shift` differ in length"),
        ({"structure": np.zeros(1, np.int64)}, "`species` and `structure` differ in length"),
        (
            {"atom": np.array([1, 0], np.int32)},
            "the first images must be the atoms themselves",
        ),
        (
            {"atom": np.array([0], np.int32), "shift": np.zeros((1, 3), np.int32)},
            "the first images must be the atoms themselves",
        ),
        (
            {"neighbor": np.array([1, 2], np.int32)},
            "`neighbor` names an image that does not exist",
        ),
        (
            {"neighbor": np.array([-1, 0], np.int32)},
            "`neighbor` names an image that does not exist",
        ),
        ({"species": np.array([0, 1], np.int32)}, "`species` must be in [0, n_species)"),
        ({"structure": np.array([0, 1])}, "`structure` names one that does not exist"),
    ],
)
def test_arrays_must_describe_one_table(changes, sentence):
    """Nothing is read or written beyond the arrays."""
    with refuses(sentence):
        make_table(**changes)


def test_sums_refuse_arrays_that_do_not_fit():
    """Rows are [n_centres, n_functions], images [n_images, 3]."""
    functions, table, centres = make_set(), make_table(), np.arange(2)
    rows, images = np.zeros((2, 1)), PLACES
    for wrong in (np.zeros((1, 1)), np.zeros((2, 2))):
        for call in (
            lambda w: functions.values(table, images, centres, w),
            lambda w: functions.vjp(table, images, centres, w, images.copy()),
            lambda w: functions.pair_vjp(table, images, centres, w, images.copy()),
            lambda w: functions.jvp(table, images, centres, images, w),
        ):
            with refuses("rows must be [n_centres, n_functions]"):
                call(wrong)
    with refuses("`images` must be [n_images, 3]"):
        functions.values(table, images[:1], centres, rows)
    with refuses("`by_image` must be [n_images, 3]"):
        functions.vjp(table, images, centres, rows, np.zeros((1, 3)))
    with refuses("`by_pair` must be [n_pairs, 3]"):
        functions.pair_vjp(table, images, centres, rows, np.zeros((1, 3)))
    with refuses("`direction` must be [n_images, 3]"):
        functions.jvp(table, images, centres, np.zeros((3, 3)), rows)
    for wrong in (rows[::-1], rows.astype(np.float32), rows[:, 0]):
        with pytest.raises(TypeError, match="incompatible function arguments"):
            functions.values(table, images, centres, wrong)


def test_table_refuses_arrays_that_do_not_fit():
    """Positions are of atoms, derivatives of images, strains of structures."""
    table, one, two = make_table(), np.zeros((1, 3)), np.zeros((2, 3))
    strain = np.zeros((1, 3, 3))
    with refuses("`positions` must be [n_atoms, 3]"):
        table.positions(one, CELLS, two)
    with refuses("`cells` must be [n_structures, 3, 3]"):
        table.positions(two, np.zeros((2, 3, 3)), two)
    with refuses("`out` must be [n_images, 3]"):
        table.positions(PLACES, CELLS, one)
    with refuses("`images` and `by_image` must be [n_images, 3]"):
        table.fold(two, one, two, strain)
    with refuses("`gradient` must be [n_atoms, 3]"):
        table.fold(two, two, one, strain)
    with refuses("`strain` must be [n_structures, 3, 3]"):
        table.fold(two, two, two, np.zeros((2, 3, 3)))
    with refuses("`images` and `out` must be [n_images, 3]"):
        table.move(two, two, strain, one)
    with refuses("`moves` must be [n_atoms, 3]"):
        table.move(two, one, strain, two)
    with refuses("`strain` must be [n_structures, 3, 3]"):
        table.move(two, two, np.zeros((2, 3, 3)), two)
    with refuses("`cells` must be [n_structures, 3, 3]"):
        table.closest_pair(PLACES, np.zeros((2, 3, 3)))


def test_models_refuse_what_does_not_fit():
    """A model is for one list of species; a network takes a number per function and gives one."""
    model, rows = _core.EnergyModel(1), np.zeros(2)
    for species in (-1, 1):
        with refuses("`species` must be in [0, n_species)"):
            model.add_sum(species, make_set())
    with refuses("the network must take one number per function and give one"):
        model.add_networks(0, make_set(), [_core.Network()], None)
    network = _core.Network()
    network.add(np.zeros((2, 1)), np.zeros(2), "tanh")
    with refuses("a layer takes 3 numbers but the one before gives 2"):
        network.add(np.zeros((1, 3)), np.zeros(1), "identity")
    with refuses("`bias` must be [n_out]"):
        network.add(np.zeros((1, 2)), np.zeros(2), "identity")
    with refuses("the core has no activation `gelu`"):
        network.add(np.zeros((1, 2)), np.zeros(1), "gelu")
    with refuses("the network must take one number per function and give one"):
        model.add_networks(0, make_set(), [network], None)
    strain, other = np.zeros((1, 3, 3)), _core.EnergyModel(2)
    grades = np.zeros((2, 2))
    with refuses("the model is for another list of species"):
        other.evaluate(make_table(), PLACES, CELLS, rows, PLACES.copy(), strain, grades)
    with refuses("`energies` must be [n_atoms]"):
        model.evaluate(make_table(), PLACES, CELLS, np.zeros(1), PLACES.copy(), strain, grades)
    with refuses("`gradient` must be [n_atoms, 3]"):
        model.evaluate(make_table(), PLACES, CELLS, rows, np.zeros((1, 3)), strain, grades)
    with refuses("`grades` must be [n_atoms, 2]"):
        model.evaluate(make_table(), PLACES, CELLS, rows, PLACES.copy(), strain, np.zeros((1, 2)))


def test_training_sets_refuse_what_does_not_fit():
    """A range and a mean of each function, a lower triangle, and as many as the network takes."""
    one, two = np.ones(1), np.ones(2)
    with refuses("`half_width` must be [n_functions]"):
        _core.TrainingSet(one, two)
    with refuses("`half_width` must be positive"):
        _core.TrainingSet(two, np.zeros(2))
    training = _core.TrainingSet(two, two)
    with refuses("`mean` must be [n_functions]"):
        training.set_moments(one, np.eye(2))
    for whitening in (np.eye(3), np.zeros((2, 3))):
        with refuses("`whitening` must be [n_functions, n_functions]"):
            training.set_moments(two, whitening)
    with refuses("`whitening` must be zero above its diagonal"):
        training.set_moments(two, np.ones((2, 2)))
    network = _core.Network()
    network.add(np.ones((1, 1)), one, "identity")
    with refuses("the training set must have the functions of the network"):
        _core.EnergyModel(1).add_networks(0, make_set(), [network], training)


def test_outputs_that_cannot_be_written_are_refused():
    """A read-only array is not an output."""
    out = np.zeros((2, 1))
    out.setflags(write=False)
    with pytest.raises(TypeError, match="incompatible function arguments"):
        make_set().values(make_table(), PLACES, np.arange(2), out)


def test_borrowed_arrays_stay_alive():
    """The table keeps the arrays it looks at."""
    out = np.zeros((2, 1))
    table = make_table()
    _trash = [np.full(2, 7, np.int32) for _ in range(100)]
    make_set().values(table, PLACES, np.arange(2), out)
    np.testing.assert_array_equal(out, 0)  # 4 (1 - 1) at r = sigma


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
            "`zeta` must be in [1, 256]",
        ),
        (lambda: _core.RadialWindow(3, 0.0, 1.0, False), "`type` of a window is 4 to 8"),
        (lambda: _core.RadialWindow(9, 0.0, 1.0, False), "`cutoff_type` is 9 but must be in"),
        (lambda: _core.RadialWindow(4, 1.0, 1.0, False), "`low` must be below `cutoff`"),
        (lambda: _core.AngleWindow(3, 0.0, 1.0), "`type` of a window is 4 to 8"),
        (lambda: _core.AngleWindow(4, 0.0, 0.0), "`half_width` must be above 0"),
    ],
)
def test_numbers_out_of_range_are_refused(make, sentence):
    """The core guards what would break it."""
    with refuses(sentence):
        make()


@pytest.mark.parametrize("centres", [[0, 2], [-1, 0], [1, 0], [0, 0]])
def test_centres_are_atoms_in_rising_order(centres):
    """An atom given twice would be written by two threads at once."""
    table, functions = make_table(), make_set()
    rows, vectors = np.zeros((2, 1)), np.zeros((2, 3))
    for call in (
        lambda: functions.values(table, PLACES, np.array(centres), rows),
        lambda: functions.vjp(table, PLACES, np.array(centres), rows, vectors),
        lambda: functions.jvp(table, PLACES, np.array(centres), vectors, rows),
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


def test_number_of_threads_is_set_and_read():
    """One setting, at least 1."""
    before = _core.num_threads()
    _core.set_num_threads(3)
    assert _core.num_threads() == 3
    _core.set_num_threads(before)
    with refuses("`n` must be at least 1"):
        _core.set_num_threads(0)
