"""Plots: what is drawn, and that nothing global is touched."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from miniff.ml_util import Properties
from miniff.presentation import plot_convergence, plot_diagonal, plot_parities


def pair(n: int, *, with_stress: bool = True) -> tuple[Properties, Properties]:
    rng = np.random.default_rng(0)
    sizes = np.full(n, 2)
    values = rng.normal(size=n), rng.normal(size=(2 * n, 3)), rng.normal(size=(n, 6))
    stress = values[2] if with_stress else np.full((n, 6), np.nan)
    reference = Properties(sizes, values[0], values[1], stress)
    return reference, Properties(sizes, values[0] + 0.2, values[1] - 0.5, values[2] + 1)


def test_parity_draws_every_reference_and_says_the_errors() -> None:
    """Points are reference against prediction; the legend has their MAE and RMSE."""
    reference, predicted = pair(7)
    ax = plot_diagonal({"train": reference}, {"train": predicted}, "forces")
    points = ax.collections[0].get_offsets()
    np.testing.assert_allclose(np.sort(points[:, 0]), np.sort(reference.forces.ravel()))
    np.testing.assert_allclose(points[:, 1] - points[:, 0], -0.5)
    assert ax.get_legend().get_texts()[0].get_text() == "train: 0.5 / 0.5"
    assert ax.get_xlim() == ax.get_ylim()


def test_energies_are_per_atom_from_the_lowest() -> None:
    """The lowest reference stands at 0; 0.2 eV on two atoms are 100 meV/atom."""
    reference, predicted = pair(7)
    ax = plot_diagonal({"test": reference}, {"test": predicted}, "energy")
    points = ax.collections[0].get_offsets()
    assert points[:, 0].min() == 0
    np.testing.assert_allclose(points[:, 1] - points[:, 0], 100)


def test_absent_properties_have_no_panel() -> None:
    """Without reference stresses only energies and forces are drawn."""
    reference, predicted = pair(5, with_stress=False)
    figure = plot_parities({"train": reference}, {"train": predicted})
    assert isinstance(figure, Figure)
    assert [ax.get_xlabel() for ax in figure.axes] == [
        "reference energy (meV/atom)",
        "reference forces (eV/Å)",
    ]


def test_no_label_is_cut_off() -> None:
    """With three sets in the legend every label still lies within the figure."""
    reference, predicted = pair(7)
    names = ("train", "validation", "test")
    figure = plot_parities(dict.fromkeys(names, reference), dict.fromkeys(names, predicted))
    figure.draw_without_rendering()
    for ax in figure.axes:
        for item in (ax.xaxis.label, ax.yaxis.label, ax.get_legend()):
            box = item.get_window_extent().transformed(figure.transFigure.inverted())
            assert min(box.x0, box.y0) >= 0
            assert max(box.x1, box.y1) <= 1


def test_learning_curves_are_what_was_given() -> None:
    """One panel per property, one line per set, in the units of the tables."""
    axes = plot_convergence([1, 2], {"stress": {"train": [2.0, 1.0], "validation": [3.0, 2.0]}})
    (ax,) = axes
    assert [line.get_label() for line in ax.get_lines()] == ["train", "validation"]
    np.testing.assert_allclose(ax.get_lines()[0].get_ydata(), [320435.3, 160217.7], rtol=1e-6)
    assert plot_convergence([1], {"energy": {"train": [1.0]}}, axes=axes) == axes


def test_pyplot_is_left_alone() -> None:
    """No window, no global figure: pyplot is not even imported."""
    script = (
        "import sys; from test_presentation import pair, plot_parities; "
        "plot_parities(*({'train': p} for p in pair(3))); "
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", script], cwd=Path(__file__).parent, check=False
        ).returncode
        == 0
    )
