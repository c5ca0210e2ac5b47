"""How far atoms are outside of the training set: grades against brute force, and files."""

import warnings

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis
from silicon import SILICON
from trained import CUTOFF, DESCRIPTORS, crystal, trained, training_cells

from miniff import _core
from miniff.kernel import Cell, ExtrapolationWarning, compute_images, eval_many
from miniff.kernel import eval as evaluate
from miniff.kernel._extrapolation import MOST_TOLD, QUIET, Episodes
from miniff.ml import (
    NNPotential,
    Processes,
    feature_moments,
    feature_ranges,
    learn_cauldron,
    load_potentials,
    save_potentials,
)
from miniff.potentials import (
    TrainingMoments,
    TrainingSet,
    behler2_descriptor_family,
    is_outside,
)


def values_of(cells: list[Cell], descriptors=DESCRIPTORS) -> np.ndarray:
    """[atom, descriptor], each formula by itself."""
    images = [compute_images(cell, CUTOFF) for cell in cells]
    return np.concatenate([np.stack([i.eval(d) for d in descriptors], axis=1) for i in images])


def brute_force(train: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The formulas at the head of `_training.py`, atom by atom, with scipy's distance."""
    low, high = train.min(axis=0), train.max(axis=0)
    least = 1e-4 * np.maximum(np.abs(train).max(axis=0), ((high - low) / 2).max())
    half = np.maximum((high - low) / 2, least)
    covariance = np.cov(train.T, bias=True).reshape(len(low), len(low))
    scale2 = np.maximum(np.diag(covariance), least**2)
    regular = covariance + np.diag(scale2 - np.diag(covariance)) + 1e-4 * np.diag(scale2)
    inverse = np.linalg.inv(regular)
    mean = train.mean(axis=0)
    largest = max(1.0, *(mahalanobis(x, mean, inverse) for x in train))
    return np.array(
        [
            [
                max(
                    abs(v - (a + b) / 2) / h for v, a, b, h in zip(x, low, high, half, strict=True)
                ),
                mahalanobis(x, mean, inverse) / largest,
            ]
            for x in values
        ]
    )


@pytest.mark.parametrize("strain", [0.0, -0.1, 0.2])
@pytest.mark.parametrize("precision", ["double", "single"])
def test_grades_are_those_of_brute_force(strain: float, precision: str) -> None:
    """Range and Mahalanobis distance, inside and outside, in both precisions."""
    cell = crystal(strain)
    found = evaluate(trained(), cell, precision=precision)
    wanted = brute_force(values_of(training_cells()), values_of([cell]))
    tolerance = {"double": 1e-8, "single": 2e-3}[precision]
    np.testing.assert_allclose(found.grades, wanted, rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(found.extrapolation, found.grades.max(axis=1))
    assert is_outside(found.grades).any() == (strain != 0)


@pytest.mark.parametrize("keys", [{"activation": "gelu"}, {"n_members": 3}])
def test_grades_do_not_depend_on_the_network(keys: dict) -> None:
    """Networks that the core cannot hold, and committees, have the same descriptors."""
    cell = crystal(0.1)
    plain, other = trained(), trained(**keys)
    wanted = evaluate(plain, cell).grades
    np.testing.assert_allclose(evaluate(other, cell).grades, wanted, rtol=1e-10)
    for member in other.members():
        np.testing.assert_allclose(evaluate(member, cell).grades, wanted, rtol=1e-10)
    table = compute_images(cell, CUTOFF).table
    np.testing.assert_allclose(other.grades(table), wanted, rtol=1e-10)
    np.testing.assert_array_equal(other.outside_training(table), is_outside(wanted))


def test_the_training_set_reaches_the_border_and_not_further() -> None:
    """The largest of its grades are 1, of the range and of the distance."""
    found = eval_many(trained(), training_cells())
    grades = np.concatenate([one.grades for one in found])
    np.testing.assert_allclose(grades.max(axis=0), 1, rtol=1e-12)
    assert not is_outside(grades).any()
    single = eval_many(trained(), training_cells(), precision="single")
    assert not is_outside(np.concatenate([one.grades for one in single])).any()


def test_grades_turn_and_repeat_with_the_structure() -> None:
    """A turned, moved, or repeated structure has the same atoms; so have four threads."""
    cell, potential = crystal(0.05), trained()
    grades = evaluate(potential, cell).grades
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    turned = Cell(cell.vectors @ turn, cell.coordinates + 0.3, cell.values)
    np.testing.assert_allclose(evaluate(potential, turned).grades, grades, rtol=1e-9)
    large = cell.repeated(3, 2, 1)
    before = _core.num_threads()
    results = []
    for n in (1, 4):
        _core.set_num_threads(n)
        results.append(evaluate(potential, large).grades)
    _core.set_num_threads(before)
    np.testing.assert_allclose(results[0], np.tile(grades, (6, 1)), rtol=1e-9)
    np.testing.assert_array_equal(*results)


def test_what_is_not_known_is_nan() -> None:
    """Formulas, networks without ranges, and the distance where there are ranges alone."""
    cell, whole = crystal(0.1), trained()
    assert np.isnan(evaluate(SILICON, cell).grades).all()
    without = NNPotential(whole.network, whole.descriptors, "Si")
    assert np.isnan(evaluate(without, cell).grades).all()
    assert np.isnan(evaluate(without, cell).extrapolation).all()
    ranges = NNPotential(whole.network, whole.descriptors, "Si", ranges=whole.ranges)
    found = evaluate(ranges, cell)
    assert np.isnan(found.grades[:, 1]).all()
    np.testing.assert_array_equal(found.grades[:, 0], evaluate(whole, cell).grades[:, 0])
    np.testing.assert_array_equal(found.extrapolation, found.grades[:, 0])
    beside = evaluate([*SILICON, whole], cell)
    np.testing.assert_array_equal(beside.grades, evaluate(whole, cell).grades)
    mixed = Cell(cell.vectors, cell.coordinates, ["Ge"] + ["Si"] * 7)
    some = evaluate(whole, mixed, ignore_missing_species=True)
    assert np.isnan(some.grades[0]).all()
    assert np.isfinite(some.grades[1:]).all()


def test_few_atoms_and_constant_functions_have_finite_grades() -> None:
    """One structure of one kind of atom: all that differs from it is outside, far or near."""
    perfect = crystal(rattle=0.0)
    potential = trained([perfect])
    np.testing.assert_allclose(evaluate(potential, perfect).grades[:, 0], 0, atol=1e-6)
    near, far = (evaluate(potential, crystal(s, rattle=0.0)).grades for s in (1e-3, 1e-2))
    assert np.isfinite(far).all()
    assert (near > 1).all()
    assert (far > 5 * near).all()
    wanted = brute_force(values_of([perfect]), values_of([crystal(1e-3, rattle=0.0)]))
    np.testing.assert_allclose(near, wanted, rtol=1e-3)  # of differences of 1e-9


def test_a_function_that_was_always_zero_tells_its_first_value() -> None:
    """Nothing came closer than 1.5 angstrom in the training set."""
    short = behler2_descriptor_family("Si-Si", eta=1.0, r_sphere=0.0, a=1.5)
    potential = trained(descriptors=[*DESCRIPTORS, short])
    assert (potential.ranges[:, -1] == 0).all()
    cell = crystal()
    close = Cell(cell.vectors, cell.coordinates.copy(), cell.values)
    coordinates = np.array(close.coordinates)
    coordinates[1] = coordinates[0] + np.array([0.2, 0, 0])
    close = Cell(cell.vectors, coordinates, cell.values)
    found = potential.training.farthest(compute_images(close, CUTOFF).table, 0)
    assert found.function == short
    assert found.range_grade > 100
    assert (found.least, found.largest) == (0, 0)
    assert "was in [0, 0] in the training set" in str(found)


def test_a_combination_never_seen_is_outside_though_each_function_is_in_its_range() -> None:
    """Two functions of one distance: their sum was always the same."""
    train = np.random.default_rng(0).uniform(-1, 1, size=200)
    values = np.stack([train, -train + 1e-2 * np.sin(9 * train)], axis=1)
    ranges = np.stack([values.min(axis=0), values.max(axis=0)])
    functions = trained(descriptors=DESCRIPTORS[:2]).training.functions
    moments = TrainingMoments(values.mean(axis=0), np.cov(values.T, bias=True), 10.0, len(values))
    training = TrainingSet(functions, ranges, moments)
    ((of_range, of_distance),) = training.grades(np.array([[0.7, 0.7]]))
    assert of_range < 1
    assert of_distance > 1


def test_parts_together_have_the_moments_of_the_whole() -> None:
    """In parts, as large data sets come, against numpy's covariance."""
    cells = training_cells()
    parts = [
        learn_cauldron([compute_images(c, CUTOFF) for c in own], {"Si": DESCRIPTORS})
        for own in (cells[:3], cells[3:4], cells[4:])
    ]
    ranges = feature_ranges(parts)
    (found,) = feature_moments(parts, ranges, Processes())
    values = values_of(cells)
    np.testing.assert_allclose(found.mean, values.mean(axis=0), rtol=1e-12)
    covariance = np.cov(values.T, bias=True)
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-12 * covariance.max())
    assert found.n_atoms == len(values)
    with pytest.raises(ValueError, match="there is no atom to take the mean of"):
        feature_moments([learn_cauldron([], {"Si": DESCRIPTORS})], ranges)


def test_files_keep_the_training_set(folder) -> None:
    """Grades to the bit after saving; files of the first version know ranges alone."""
    potential, cell = trained(), crystal(0.1)
    wanted = evaluate(potential, cell).grades
    save_potentials("new.pt", [potential])
    (again,) = load_potentials("new.pt")
    np.testing.assert_array_equal(evaluate(again, cell).grades, wanted)
    assert again.moments.n_atoms == 160
    content = torch.load("new.pt", weights_only=True)
    assert content["version"] == 2
    content["version"] = 1
    del content["potentials"][0]["moments"]
    torch.save(content, "old.pt")
    (old,) = load_potentials("old.pt")
    assert old.moments is None
    np.testing.assert_array_equal(evaluate(old, cell).grades[:, 0], wanted[:, 0])
    moments = {"mean": 1, "covariance": 2, "largest_distance": 3, "n_atoms": 4}
    content["potentials"][0]["moments"] = moments
    torch.save(content, "wrong.pt")
    with pytest.raises(ValueError, match="`covariance` of `moments` must be tensors"):
        load_potentials("wrong.pt")
    content["potentials"][0]["moments"] = {"mean": 1}
    torch.save(content, "wrong.pt")
    with pytest.raises(
        ValueError,
        match=r"wrong\.pt.*: `moments` must have the keys covariance, largest_distance, mean, "
        r"n_atoms",
    ):
        load_potentials("wrong.pt")


def test_what_is_no_training_set_is_refused(as_installed: None) -> None:
    """Shapes, numbers that are none, and a covariance that cannot be one."""
    whole = trained()
    n, moments = len(DESCRIPTORS), whole.moments
    with pytest.raises(ValueError, match=r"`ranges` has shape \(2, 5\) but must be \(2, 6\)"):
        NNPotential(whole.network, DESCRIPTORS, "Si", ranges=whole.ranges[:, 1:])
    with pytest.raises(ValueError, match="`moments` are given without `ranges`"):
        NNPotential(whole.network, DESCRIPTORS, "Si", moments=moments)
    with pytest.raises(ValueError, match=r"`covariance` has shape \(2, 2\) but must be \(6, 6\)"):
        TrainingMoments(np.zeros(n), np.eye(2), 1.0, 1)
    with pytest.raises(ValueError, match="`largest_distance` is nan but must be finite"):
        TrainingMoments(np.zeros(n), np.eye(n), np.nan, 1)
    short = TrainingMoments(np.zeros(2), np.eye(2), 1.0, 1)
    functions = whole.training.functions
    with pytest.raises(ValueError, match=r"`mean` has shape \(2,\) but must be \(6,\)"):
        TrainingSet(functions, whole.ranges, short)
    negative = TrainingMoments(np.zeros(n), np.ones((n, n)) - 3 * np.eye(n), 1.0, 1)
    with pytest.raises(ValueError, match="`covariance` is none: it has a negative eigenvalue"):
        TrainingSet(functions, whole.ranges, negative)


class TestEpisodes:
    """An episode is told once, until all atoms have been back for a while."""

    def episodes(self) -> tuple[Episodes, list[str]]:
        told: list[str] = []
        return Episodes([trained()], told.append), told

    def see(self, episodes: Episodes, when: str, grade: float) -> float:
        """An evaluation of an expanded crystal, with this grade for its atom 2."""
        grades = np.full((8, 2), 0.5)
        grades[2, 0] = grade
        return episodes.see(when, grades, lambda: compute_images(crystal(0.3), CUTOFF).table)

    def test_once_until_all_are_back(self) -> None:
        episodes, told = self.episodes()
        for step, grade in enumerate([0.9, 1.5, 0.9, 1.6, 1.7]):
            assert self.see(episodes, f"at step {step}", grade) == grade
        (sentence,) = told
        assert sentence.startswith("at step 1 atom 2 (Si, counted from 0) is outside of the trai")
        for _ in range(QUIET):
            self.see(episodes, "later", 0.9)
        self.see(episodes, "at last", 1.05)  # a little beyond is common
        self.see(episodes, "at last", 1.2)
        assert [s.split(" atom")[0] for s in told] == ["at step 1", "at last"]
        assert (episodes.n_episodes, episodes.n_outside, episodes.largest) == (2, 4, 1.7)

    def test_sentence_has_function_value_and_range(self) -> None:
        """Numbers are those of the formula and of the training set."""
        episodes, told = self.episodes()
        self.see(episodes, "now", 9.0)
        values, train = values_of([crystal(0.3)])[2], values_of(training_cells())
        low, high = train.min(axis=0), train.max(axis=0)
        f = int(np.argmax(np.abs(values - (low + high) / 2) / (high - low)))
        assert f"{DESCRIPTORS[f]} is {values[f]:.6g} but was in [{low[f]:.6g}, " in told[0]
        assert f"{high[f]:.6g}] in the training set (grade " in told[0]

    def test_the_last_sentence_says_that_it_is(self) -> None:
        episodes, told = self.episodes()
        for k in range(MOST_TOLD + 5):
            self.see(episodes, str(k), 1.5)
            for _ in range(QUIET):
                self.see(episodes, "", 0.5)
        assert len(told) == MOST_TOLD
        assert told[-1].endswith("this is the time number 10, and others are not told")
        assert episodes.n_episodes == MOST_TOLD + 5

    def test_others_outside_are_counted(self) -> None:
        episodes, told = self.episodes()
        cell = crystal(0.3)
        grades = evaluate(trained(), cell).grades
        episodes.see("here", grades, lambda: compute_images(cell, CUTOFF).table)
        assert "is outside of the training set, as 7 more: " in told[0]

    def test_formulas_are_not_looked_at(self) -> None:
        told: list[str] = []
        episodes = Episodes(SILICON, told.append)
        assert np.isnan(self.see(episodes, "now", 9.0))
        assert not told


def test_warning_can_be_silenced() -> None:
    """As the class says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        warnings.warn("outside", ExtrapolationWarning, stacklevel=1)
