"""The look: put on for a moment, kept by the axes that have it, and not by those of the user."""

import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from miniff.kernel import Cell
from miniff.potentials import lj_potential_family
from miniff.presentation import STYLE, new_axes, plot_potential_2, plot_strain_profile, text_bars
from miniff.presentation._style import LINES, MARKERS, PALETTE

LJ = lj_potential_family(epsilon=1.0, sigma=2.0, a=2.5)
FCC = Cell([[0, 1.6, 1.6], [1.6, 0, 1.6], [1.6, 1.6, 0]], [[0, 0, 0]], ["a"])


def test_settings_of_the_user_are_untouched():
    """Before and after, and where the drawing fails."""
    before = dict(mpl.rcParams)
    plot_potential_2(LJ, label="x")
    with pytest.raises(ValueError, match="unit"):
        plot_potential_2(LJ, energy_unit="ev")
    new_axes(2)
    assert dict(mpl.rcParams) == before


def test_axes_of_the_user_keep_their_type_and_frame():
    """Only labels and limits are set; the legend is as they have it."""
    with mpl.rc_context({"axes.labelsize": 20, "legend.fontsize": 21, "xtick.labelsize": 22}):
        ax = Figure().subplots()
        plot_potential_2(LJ, label="x", ax=ax)
        ax.figure.draw_without_rendering()
        assert ax.xaxis.label.get_fontsize() == 20
        assert ax.get_legend().get_texts()[0].get_fontsize() == 21
        assert ax.get_xticklabels()[0].get_fontsize() == 22


def test_axes_with_the_look_keep_it():
    """A second curve, and ticks that are made while drawing, whatever the user has set."""
    with mpl.rc_context({"axes.labelsize": 20, "legend.fontsize": 21, "xtick.labelsize": 22}):
        ax = plot_strain_profile([LJ], FCC, label="x")
        plot_strain_profile([LJ], FCC, (0.9, 1.2), label="y", ax=ax)
        ax.figure.draw_without_rendering()
        assert ax.xaxis.label.get_fontsize() == STYLE["axes.labelsize"]
        assert {t.get_fontsize() for t in ax.get_legend().get_texts()} == {STYLE["legend.fontsize"]}
        assert {t.get_fontsize() for t in ax.get_xticklabels()} == {STYLE["xtick.labelsize"]}


def test_the_look_can_be_put_on_by_hand():
    """matplotlib takes it as its own settings, for a while or for good."""
    with mpl.rc_context(STYLE):
        assert tuple(Figure().get_size_inches()) == (3.4, 2.5)
    with mpl.rc_context():
        mpl.rcParams.update(STYLE)
        assert mpl.rcParams["legend.frameon"] is False


def test_new_axes_stand_row_by_row():
    """In inches; numbers below one are refused."""
    axes = new_axes(3, 2, width=7.0, height=4.0)
    assert len(axes) == 6
    assert tuple(axes[0].figure.get_size_inches()) == (7.0, 4.0)
    places = [ax.get_subplotspec().num1 for ax in axes]
    assert places == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match=r"`rows` is 0 but must be in \[1, inf\)"):
        new_axes(1, 0)
    with pytest.raises(ValueError, match=r"`width` is -1\.0 but must be in \(0, inf\)"):
        new_axes(width=-1.0)


def lightness(rgb):
    """CIE L*, which grey print shows."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    y = linear @ [0.2126, 0.7152, 0.0722]
    return 116 * np.cbrt(y) - 16


def seen_by(rgb, kind):
    """Linear RGB for eyes without red or green cones: Vienot, Brettel and Mollon (1999)."""
    matrix = {
        "protan": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
        "deutan": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    }[kind]
    return np.asarray(matrix) @ np.asarray(rgb) ** 2.2


@pytest.mark.parametrize("kind", ["protan", "deutan"])
def test_colours_differ_for_colour_blind_eyes(kind):
    """The first four, of which most plots have enough, are far from each other and from white."""
    seen = [seen_by(to_rgb(color), kind) for color in ("#FFFFFF", *PALETTE[:4])]
    gaps = [np.abs(a - b).max() for n, a in enumerate(seen) for b in seen[:n]]
    assert min(gaps) > 0.08
    assert all(lightness(np.array(to_rgb(color))) < 80 for color in PALETTE)


def test_series_differ_without_colour():
    """Dashes and markers stand beside the colours, and pairs come back late."""
    cycle = list(STYLE["axes.prop_cycle"])
    assert len({(each["color"], each["linestyle"]) for each in cycle}) == 42
    assert len(set(LINES)) == len(set(MARKERS)) == len(PALETTE) - 1


def test_pyplot_is_left_alone():
    """No window, no global figure: pyplot is not even imported."""
    script = (
        "import sys; from test_presentation import pair, plot_parities; "
        "plot_parities(*({'train': p} for p in pair(3))); "
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parent, check=False
    )
    assert finished.returncode == 0


def test_bars_of_letters():
    """In eighths between the ends; what lies beyond is at the end."""
    assert text_bars([0, 1, 2, 4, 8]) == " ▁▂▄█"
    assert text_bars([-1, 0, 1]) == " ▄█"
    assert text_bars([5, 10, 99], 2, 10) == "▃██"
    assert text_bars([0, 0]) == "  "
    assert text_bars([]) == ""
    with pytest.raises(ValueError, match=r"`high` is 1\.0 but must be above `low`, 2\.0"):
        text_bars([1], 2.0, 1.0)
    with pytest.raises(ValueError, match=r"`values` is nan at \[1\] but must be finite"):
        text_bars([1, np.nan])
