"""Plots of fits: what is drawn, its units and words, and what is refused."""

import re

import numpy as np
import pytest
from drawn import legend_of
from matplotlib.figure import Figure

from miniff.kernel import Cell
from miniff.ml_util import Errors, Properties, PropertyError
from miniff.ml_util._outputs import write_parities
from miniff.ml_util._progress import EpochRecord
from miniff.presentation import (
    labels_of,
    plot_convergence,
    plot_diagonal,
    plot_parities,
)

GPA = 160.2176634


def pair(n, *, with_stress=True):
    rng = np.random.default_rng(0)
    sizes = np.full(n, 2)
    values = rng.normal(size=n), rng.normal(size=(2 * n, 3)), rng.normal(size=(n, 6))
    stress = values[2] if with_stress else np.full((n, 6), np.nan)
    reference = Properties(sizes, values[0], values[1], stress)
    return reference, Properties(sizes, values[0] + 0.2, values[1] - 0.5, values[2] + 1)


def points_of(ax, n=0):
    return np.asarray(ax.collections[n].get_offsets())


def distribution_of(ax, n=0):
    """Heights and edges of the n-th curve of the inset."""
    steps = [patch.get_data() for patch in ax.child_axes[-1].patches if not patch.get_fill()]
    return steps[n].values, steps[n].edges


def test_parity_draws_every_reference_and_says_the_errors():
    """Points are reference against prediction; the legend has MAE and RMSE."""
    reference, predicted = pair(7)
    ax = plot_diagonal(reference.forces, predicted.forces, "forces")
    np.testing.assert_allclose(np.sort(points_of(ax)[:, 0]), np.sort(reference.forces.ravel()))
    np.testing.assert_allclose(points_of(ax)[:, 1] - points_of(ax)[:, 0], -0.5)
    assert legend_of(ax) == ["0.5 / 0.5"]
    assert ax.get_legend().get_title().get_text() == "MAE / RMSE (eV/Å)"
    assert ax.get_xlim() == ax.get_ylim()
    assert (ax.get_xlabel(), ax.get_ylabel()) == (
        "reference forces (eV/Å)",
        "predicted forces (eV/Å)",
    )


def test_energies_are_per_atom_from_the_lowest():
    """The lowest reference of all sets stands at 0; units are divided by."""
    x = {"train": np.array([-2.0, -1.0]), "test": np.array([-3.0, np.nan])}
    y = {"train": np.array([-1.9, -1.1]), "test": np.array([-2.6, np.nan])}
    ax = plot_diagonal(x, y, "energy", unit="meV", error_unit="Ry")
    np.testing.assert_allclose(points_of(ax), [[1000, 1100], [2000, 1900]])
    np.testing.assert_allclose(points_of(ax, 1), [[0, 400]])
    rydberg = 13.605693
    assert legend_of(ax) == [
        f"train: {0.1 / rydberg:.3g} / {0.1 / rydberg:.3g}",
        f"test: {0.4 / rydberg:.3g} / {0.4 / rydberg:.3g}",
    ]
    assert ax.get_xlabel() == "reference energy (meV/atom)"


def test_stress_is_in_gigapascal():
    """One electronvolt per cubic angstrom is 160 of them."""
    ax = plot_diagonal(np.array([[0.0, 1.0]]), np.array([[0.0, 2.0]]), "stress")
    np.testing.assert_allclose(points_of(ax), [[0, 0], [GPA, 2 * GPA]], rtol=1e-8)
    assert legend_of(ax) == [f"{GPA * 500:.0f} / {GPA * 1000 / np.sqrt(2):.0f}"]


def test_the_distribution_holds_every_error():
    """It integrates to one, outliers in its last bins, and is about 0 for errors about 0."""
    rng = np.random.default_rng(0)
    off = rng.normal(scale=0.1, size=4000)
    off[:40] = 5.0
    ax = plot_diagonal(np.zeros(4000), off, "forces")
    heights, edges = distribution_of(ax)
    np.testing.assert_allclose(heights @ np.diff(edges), 1)
    reach = 3 * np.sqrt(np.square(off).mean())
    np.testing.assert_allclose(edges[[0, -1]], [-reach, reach])
    np.testing.assert_allclose(heights[-1] * np.diff(edges)[-1], 0.01)
    counted = np.histogram(off[40:], edges)[0] / 4000 / np.diff(edges)
    np.testing.assert_allclose(heights[:-1], counted[:-1])
    assert ax.child_axes[-1].get_xlabel() == "error (eV/Å)"


def test_many_groups_have_one_distribution():
    """Five curves on each other would tell nothing: it is that of all errors."""
    values = {name: np.arange(3.0) for name in "abcde"}
    off = {name: np.arange(3.0) + n for n, name in enumerate(values)}
    heights, edges = distribution_of(plot_diagonal(values, off))
    every = np.repeat(1000.0 * np.arange(5), 3)
    np.testing.assert_allclose(heights * np.diff(edges) * 15, np.histogram(every, edges)[0])
    assert distribution_of(plot_diagonal({"a": values["a"]}, {"a": off["b"]}))[0].any()


def test_of_very_many_points_none_is_lost():
    """Counts add up to all of them, each within a cell of its place; the outlier is there."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=50_000)
    y = x + 0.1 * rng.normal(size=len(x))
    y[0] = 9.0
    ax = plot_diagonal(x, y, "forces")
    drawn = points_of(ax)
    assert len(drawn) < 10_000
    assert ax.collections[0].get_array().sum() == len(x)
    low, high = ax.get_xlim()
    cell = (high - low) / 220
    assert np.abs(drawn - [x[0], 9.0]).max(axis=1).min() <= cell / 2 * (1 + 1e-9)
    two = plot_diagonal({"a": x, "b": x[:9]}, {"a": y, "b": y[:9]}, "forces")
    assert 0 < len(points_of(two, 1)) <= 9
    assert two.collections[0].get_array() is None


@pytest.mark.parametrize(
    ("reference", "predicted", "more", "sentence"),
    [
        ([1.0], [1.0, 2.0], {}, "`predicted` has shape (2,) but must be (1,)"),
        ([np.nan], [1.0], {}, "`reference` has no number to compare with"),
        ([1.0], [np.nan], {}, "prediction and reference are nan and 1.0 but both must be finite"),
        ([1.0], [1.0], {"unit": "GPa"}, "`GPa` is not a known unit of energy"),
        ({"a": [1.0]}, [1.0], {}, "`reference` is of a but `predicted` of one unnamed set"),
    ],
)
def test_what_cannot_be_compared_is_refused(reference, predicted, more, sentence):
    """With what was given and what is demanded."""
    given = [
        {k: np.array(v) for k, v in values.items()}
        if isinstance(values, dict)
        else np.array(values)
        for values in (reference, predicted)
    ]
    with pytest.raises(ValueError, match=re.escape(sentence)):
        plot_diagonal(*given, **more)


@pytest.mark.usefixtures("as_installed")
def test_words_that_nobody_knows_are_refused():
    """With those that are known."""
    one = np.ones(1)
    with pytest.raises(ValueError, match="`force` is not a known quantity; did you mean `forces`"):
        plot_diagonal(one, one, "force")
    with pytest.raises(ValueError, match="`rms` is not a known measure; did you mean `rmse`"):
        plot_convergence([record(1, 0.1, None)], measure="rms")
    with pytest.raises(ValueError, match="`epochs` is not a known scale; did you mean `epoch`"):
        plot_convergence([record(1, 0.1, None)], against="epochs")
    with pytest.raises(
        TypeError, match="`records` is a dict but must be a list of what each epoch"
    ):
        plot_convergence({"records": []})
    with pytest.raises(TypeError, match=r"record 0 \(counted from 0\) is a int"):
        plot_convergence([1])
    with pytest.raises(
        TypeError, match="a list is given but it must have n_atoms, energy_per_atom"
    ):
        plot_parities([], [])


def test_absent_properties_have_no_panel():
    """Without reference stresses only energies and forces are drawn; axes can be given."""
    reference, predicted = pair(5, with_stress=False)
    axes = plot_parities({"train": reference}, {"train": predicted})
    assert [ax.get_xlabel() for ax in axes] == [
        "reference energy (eV/atom)",
        "reference forces (eV/Å)",
    ]
    given = Figure().subplots(1, 2)
    assert plot_parities(reference, predicted, axes=given) == list(given)
    sentence = "1 axes are given but there are 2 quantities: energy, forces"
    with pytest.raises(ValueError, match=sentence):
        plot_parities(reference, predicted, axes=given[:1])
    nothing = Properties(np.array([1]), *(np.full(s, np.nan) for s in ((1,), (1, 3), (1, 6))))
    with pytest.raises(ValueError, match="no reference to compare with: neither energy, forces"):
        plot_parities(nothing, nothing)


def test_structures_without_references_have_a_picture_that_says_so(folder):
    """`test-direct` takes them too; a picture of an earlier run does not stay."""
    nothing = Properties(np.array([1]), *(np.full(s, np.nan) for s in ((1,), (1, 3), (1, 6))))
    write_parities("test-direct", {"test": nothing}, {"test": pair(1)[0]})
    assert (folder / "test-direct-parity.png").read_bytes().startswith(b"\x89PNG")


def test_groups_are_of_structures():
    """All three components of the forces on all atoms of a structure are in its group."""
    reference, predicted = pair(3)
    axes = plot_parities(reference, predicted, groups=["hot", "cold", "hot"])
    assert [len(points_of(axes[0], n)) for n in (0, 1)] == [2, 1]
    np.testing.assert_allclose(points_of(axes[1], 1)[:, 0], reference.forces[2:4].ravel())
    assert legend_of(axes[0]) == ["hot: 100 / 100", "cold: 100 / 100"]
    with pytest.raises(ValueError, match="2 `groups` are given but there are 3 structures"):
        plot_parities(reference, predicted, groups=["hot", "cold"])
    with pytest.raises(ValueError, match="`groups` are given beside several sets"):
        plot_parities({"a": reference}, {"a": predicted}, groups=["hot"] * 3)


def test_labels_of_cells():
    """From their `meta`, nan where there is nothing; shapes are checked."""
    sites = [[0, 0, 0], [0.5, 0.5, 0.5]]
    meta = {"energy": -4.0, "forces_pred": np.ones((2, 3)), "energy_pred": -3.0}
    cells = [Cell(np.eye(3), sites, ["a"] * 2, meta), Cell(np.eye(3), sites[:1], ["a"])]
    known, predicted = labels_of(cells), labels_of(cells, "_pred")
    np.testing.assert_array_equal(known.energy_per_atom, [-2, np.nan])
    np.testing.assert_array_equal(known.n_atoms, [2, 1])
    assert np.isnan(known.forces).all()
    assert known.stress.shape == (2, 6)
    np.testing.assert_array_equal(predicted.forces, [[1] * 3, [1] * 3, [np.nan] * 3])
    with pytest.raises(ValueError, match="`cells` are empty"):
        labels_of([])
    with pytest.raises(
        ValueError, match="no cell has energy_ml, forces_ml, stress_ml or charges_ml in its"
    ):
        labels_of(cells, "_ml")
    bad = Cell(np.eye(3), sites, ["a"] * 2, {"forces": np.ones((1, 3))})
    sentence = r"`forces` of cell 1 \(counted from 0\) has shape \(1, 3\) but must be \(2, 3\)"
    with pytest.raises(ValueError, match=sentence):
        labels_of([cells[0], bad])


@pytest.mark.parametrize("n", [1, 3, 8])
def test_no_label_is_cut_off(n):
    """Whatever the number of sets, every label lies within the figure and covers no axes."""
    reference, predicted = pair(7)
    names = [f"structures {k}" for k in range(n)]
    axes = plot_parities(dict.fromkeys(names, reference), dict.fromkeys(names, predicted))
    figure = axes[0].figure
    figure.draw_without_rendering()
    for ax in axes:
        for item in (ax.xaxis.label, ax.yaxis.label, ax.get_legend()):
            box = item.get_window_extent().transformed(figure.transFigure.inverted())
            assert min(box.x0, box.y0) >= 0
            assert max(box.x1, box.y1) <= 1
        assert ax.get_legend().get_window_extent().y0 >= ax.get_window_extent().y1


def record(epoch, energy, stress, validation=None):
    def errors(energy, stress):
        return Errors(PropertyError(energy / 2, energy, 3), None, stress, None)

    other = validation and errors(validation, None)
    stress = stress and PropertyError(stress / 2, stress, 6)
    return EpochRecord(epoch, 20 * epoch, 0.1, errors(energy, stress), other, 1.5 * epoch)


def lines_of(ax):
    return {line.get_label(): line.get_xydata().T for line in ax.get_lines()}


def test_learning_curves_are_what_was_given():
    """One panel per property, one line per set, in the units of the tables."""
    records = [record(1, 0.2, 2.0, 0.3), record(2, 0.1, 1.0)]
    energy, stress = plot_convergence(records)
    assert list(lines_of(energy)) == ["train", "validation"]
    np.testing.assert_allclose(lines_of(energy)["train"], [[1, 2], [200, 100]])
    np.testing.assert_allclose(lines_of(energy)["validation"], [[1, 2], [300, np.nan]])
    np.testing.assert_allclose(lines_of(stress)["train"][1], [2000 * GPA, 1000 * GPA], rtol=1e-8)
    assert energy.get_ylabel() == "RMSE of energy (meV/atom)"
    assert energy.get_yscale() == "log"
    plain = [each.as_plain() for each in records]
    (energy, _) = plot_convergence(plain, measure="mae", against="wall_time_s")
    np.testing.assert_allclose(lines_of(energy)["train"], [[1.5, 3.0], [100, 50]])
    assert (energy.get_xlabel(), energy.get_ylabel()) == ("time (s)", "MAE of energy (meV/atom)")


def test_runs_are_compared_in_the_same_axes():
    """A colour and a marker for each run, dashes for its validation set."""
    axes = plot_convergence([record(n, 0.1 / n, None, 0.2 / n) for n in (1, 2)], label="adam")
    again = plot_convergence([record(1, 0.1, None, 0.2)], label="lbfgs", axes=axes)
    assert again == axes
    lines = {line.get_label(): line for line in axes[0].get_lines()}
    assert list(lines) == ["adam, train", "adam, validation", "lbfgs, train", "lbfgs, validation"]
    colors = [line.get_color() for line in lines.values()]
    assert colors[0] == colors[1] != colors[2] == colors[3]
    markers = [line.get_marker() for line in lines.values()]
    assert markers[0] == markers[1] != markers[2] == markers[3]
    assert [line.get_linestyle() for line in lines.values()] == ["-", "--", "-", "--"]


def test_learning_curves_refuse():
    """Nothing to draw, unknown words, and axes that do not fit."""
    with pytest.raises(ValueError, match="`records` are empty"):
        plot_convergence([])
    with pytest.raises(
        ValueError, match="`records` have no errors of energy, forces, stress or charges"
    ):
        plot_convergence([{"epoch": 1, "train": None}])
    with pytest.raises(ValueError, match=r"record 0 \(counted from 0\) has no `n_evaluations`"):
        plot_convergence([{"epoch": 1}], against="n_evaluations")
    with pytest.raises(ValueError, match="2 axes are given but there are 1 panels: energy"):
        plot_convergence([record(1, 0.1, None)], axes=Figure().subplots(1, 2))
