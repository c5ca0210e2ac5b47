"""Pictures of whole data sets and of lists of potentials."""

from pathlib import Path

import numpy as np
import pytest
from command_line import data as data  # a fixture
from command_line import originals as originals  # a fixture
from n2p2_folders import own_potentials

from miniff.kernel import Cell
from miniff.potentials import lj_potential_family, on_site_potential_family
from miniff.presentation import plot_data_set, plot_potentials


def test_picture_of_a_data_set_has_what_there_is(data: Path) -> None:
    """A panel each for energies, forces and distances; energies are less constants."""
    cells = Cell.load("train.xyz")
    axes = plot_data_set(cells).axes
    assert [ax.get_xlabel() for ax in axes] == [
        "volume per atom (Å³)",
        "size of the force (eV/Å)",
        "distance (Å)",
    ]
    shown = np.asarray(axes[0].collections[0].get_offsets())
    energies = np.array([c.meta["energy"] / c.size for c in cells])
    np.testing.assert_allclose(shown[:, 0], [c.volume / c.size for c in cells])
    np.testing.assert_allclose(shown[:, 1], 1e3 * (energies - energies.mean()), atol=1e-6)
    molecule = Cell(np.eye(3), [[0, 0, 0], [0, 0, 1]], ["H", "F"], {"energy": -1.0}, pbc=False)
    labels = [ax.get_xlabel() for ax in plot_data_set([molecule]).axes]
    assert labels == ["relative energy (meV/atom)", "distance (Å)"]
    with pytest.raises(ValueError, match="`cells` has no structure to draw"):
        plot_data_set([])


def test_distances_in_the_picture_count_neighbours() -> None:
    """The integral of the curve over the first shell of a crystal is its number of neighbours."""
    fcc = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    ax = plot_data_set([Cell(4 * np.eye(3), fcc, ["Al"] * 4)]).axes[-1]
    r, values = ax.lines[0].get_data()
    shell = np.asarray(r) < 3.3
    area = np.trapezoid(np.asarray(values)[shell], np.asarray(r)[shell])
    assert area == pytest.approx(12, rel=5e-3)


def test_many_compositions_share_a_colour() -> None:
    """The six most frequent have their own."""
    cells = [
        Cell(
            (5 + 0.1 * n) * np.eye(3),
            np.random.default_rng(n).random((n + 1, 3)),
            ["Si"] + ["O"] * n,
            {"energy": -1.0 * n},
        )
        for n in range(9)
    ]
    labels = plot_data_set(cells).axes[0].get_legend_handles_labels()[1]
    assert labels[0] == "Si"
    assert labels[-1] == "3 others"


def test_picture_of_potentials_has_radial_functions() -> None:
    """A panel for each pair of a network, one for all pair potentials; none without any."""
    figure = plot_potentials(
        [*own_potentials(), lj_potential_family("Si-Si", epsilon=1, sigma=2, a=2)]
    )
    assert figure is not None
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[:3] == ["Si with Si", "Si with O", "O with Si"]
    assert len(titles) == 4
    low, high = figure.axes[3].get_ylim()
    assert -1.5 < low < -1 < high < 4
    assert plot_potentials([on_site_potential_family(v0=1.0)]) is None
