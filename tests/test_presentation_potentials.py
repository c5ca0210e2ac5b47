"""Plots of potentials: the numbers drawn, their units, and what is refused."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from miniff.kernel import Cell
from miniff.potentials import (
    behler5_descriptor_family,
    lj_potential_family,
    on_site_potential_family,
    sw2_potential_family,
    sw3_potential_family,
)
from miniff.presentation import plot_potential_2, plot_strain_profile
from miniff.units import factor

LJ = {"epsilon": 0.5, "sigma": 2.0, "a": 2.5}
DIAMOND = Cell(
    [[0, 1, 1], [1, 0, 1], [1, 1, 0]], [[0, 0, 0], [0.25] * 3], ["si"] * 2, meta={"tag": "DIA"}
)


def silicon():
    scale = {"epsilon": 0.5, "sigma": 1.0, "a": 1.8}
    return [
        sw2_potential_family(gauge_a=7.049556277, gauge_b=0.6022245584, p=4, q=0, **scale),
        sw3_potential_family(l=21, gamma=1.2, cos_theta0=-1 / 3, **scale),
    ]


def lennard_jones(r):
    return 4 * LJ["epsilon"] * ((LJ["sigma"] / r) ** 12 - (LJ["sigma"] / r) ** 6)


def curve_of(ax):
    (line,) = [line for line in ax.lines if len(line.get_xdata()) > 2]
    return line.get_xydata().T


@pytest.mark.parametrize("tag", [None, "a-a", "a-b"])
def test_the_curve_is_the_formula(tag):
    """Once, whatever the species are: of a bond both atoms have their share."""
    ax = plot_potential_2(lj_potential_family(tag, **LJ))
    r, energy = curve_of(ax)
    assert (r[0], r[-1]) == (0.5, 5.0)
    np.testing.assert_allclose(energy[:-1], lennard_jones(r[:-1]), rtol=1e-9)
    assert ax.get_xlabel() == "r (Å)"
    assert ax.get_ylabel() == "energy (eV)"


def test_units_limits_and_several_potentials():
    """Numbers are divided by the units; potentials of a list are summed."""
    one = lj_potential_family("a-a", **LJ)
    ax = plot_potential_2([one, one], (1.9, 4.0), energy_unit="Ry", length_unit="bohr", label="2 x")
    r, energy = curve_of(ax)
    bohr, rydberg = factor("bohr"), factor("Ry")
    np.testing.assert_allclose((r[0] * bohr, r[-1] * bohr), (1.9, 4.0))
    np.testing.assert_allclose(energy * rydberg, 2 * lennard_jones(r * bohr), rtol=1e-9)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["2 x"]


def test_a_steep_wall_does_not_flatten_the_well():
    """At a tenth of the cutoff the energy is 1e7 times the depth: the axis shows the well."""
    low, high = plot_potential_2(lj_potential_family(**LJ)).get_ylim()
    assert low < -0.5
    assert high < 5.0


def test_pair_chooses_the_species():
    """Potentials on other pairs add nothing; where there is none for a pair, nothing is drawn."""
    potentials = [lj_potential_family(tag, **LJ) for tag in ("a-b", "b-b", None)]
    for pair, count in (("ab", 2), ("bb", 2), ("ba", 1)):
        r, energy = curve_of(plot_potential_2(potentials, pair=tuple(pair)))
        np.testing.assert_allclose(energy[:-1], count * lennard_jones(r[:-1]), rtol=1e-9)
    sentence = (
        r"`pair` is \('b', 'a'\) but no potential gives atoms of b an energy for neighbours of a"
    )
    with pytest.raises(ValueError, match=sentence):
        plot_potential_2(potentials[:2], pair=("b", "a"))


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ((0.0, 3.0), r"`limits` are \(0\.0, 3\.0\) but must be two rising positive numbers"),
        ((3.0, 2.0), r"`limits` are \(3\.0, 2\.0\) but must be two rising positive numbers"),
    ],
)
def test_limits_that_are_no_range_are_refused(limits, sentence):
    """With what was given."""
    with pytest.raises(ValueError, match=sentence):
        plot_potential_2(lj_potential_family(**LJ), limits)
    with pytest.raises(ValueError, match=sentence):
        plot_strain_profile(silicon(), DIAMOND, limits)


def test_limits_are_needed_where_nothing_ends():
    """An energy of the atoms alone has no distance to draw up to."""
    sentence = "`limits` are missing but no potential has a cutoff to draw up to"
    with pytest.raises(ValueError, match=sentence):
        plot_potential_2(on_site_potential_family(v0=1.0))


def test_triples_have_no_energy_for_two_atoms():
    """They draw as zero; unknown units are refused."""
    descriptor = behler5_descriptor_family(a=3.0, eta=0.1, l=1, zeta=1)
    assert np.all(curve_of(plot_potential_2(descriptor))[1] == 0)
    with pytest.raises(ValueError, match="`furlong` is not a known unit of length"):
        plot_potential_2(descriptor, length_unit="furlong")
    with pytest.raises(
        ValueError, match=r"`bohr` is not a known unit of energy.* Known: `1`, `Har"
    ):
        plot_potential_2(descriptor, energy_unit="bohr")


def test_strain_profile_is_the_energy_of_scaled_cells():
    """The minimum of diamond is at -2 epsilon per atom and a density of 0.46 (the 1985 paper)."""
    edge = (2 / 0.4601) ** (1 / 3) / DIAMOND.volume ** (1 / 3)
    cell = Cell(DIAMOND.vectors * edge, DIAMOND.coordinates, DIAMOND.values, DIAMOND.meta)
    ax = plot_strain_profile(silicon(), cell, energy_unit="1", mark_points=[1.0])
    strain, energy = curve_of(ax)
    np.testing.assert_allclose(energy.min(), -2, atol=1e-4)
    np.testing.assert_allclose(strain[energy.argmin()], 1, atol=2e-3)
    ((x, y),) = next(line for line in ax.lines if len(line.get_xdata()) == 1).get_xydata()
    np.testing.assert_allclose((x, y), (1, -2), atol=1e-4)
    assert ax.get_legend().get_texts()[0].get_text() == "DIA"


@pytest.mark.parametrize(
    ("origin", "zero"), [("left", 0), ("right", -1), ("median", None), (-2.0, None), (None, None)]
)
def test_origin_of_a_strain_profile(origin, zero):
    """The chosen point of the curve, or the number, is drawn as zero."""
    plain = curve_of(plot_strain_profile(silicon(), DIAMOND, (1.2, 1.5)))[1]
    moved = curve_of(plot_strain_profile(silicon(), DIAMOND, (1.2, 1.5), origin=origin))[1]
    if zero is not None:
        assert moved[zero] == 0
    shift = {None: 0.0, "median": np.median(plain), -2.0: -2.0}.get(origin)
    if shift is not None:
        np.testing.assert_allclose(moved, plain - shift, atol=1e-12)


def test_an_unknown_origin_is_refused():
    """With those that are known."""
    sentence = "`origin` is 'top' but must be left, right, median or a number"
    with pytest.raises(ValueError, match=sentence):
        plot_strain_profile(silicon(), DIAMOND, origin="top")


def test_a_second_strain_profile_narrows_no_axis():
    """Limits are those of both."""
    ax = plot_strain_profile(silicon(), DIAMOND, (1.1, 1.5))
    plot_strain_profile(silicon(), DIAMOND, (1.2, 1.6), ax=ax)
    assert ax.get_xlim() == (1.1, 1.6)


def test_a_second_curve_narrows_no_axis():
    """Both are seen whole, and differ in colour and dashes."""
    short, long = (lj_potential_family(**{**LJ, "a": a}) for a in (2.0, 4.0))
    ax = plot_potential_2(long, label="long")
    plot_potential_2(short, label="short", ax=ax)
    assert ax.get_xlim() == (0.8 * 0.5, 8.0)
    first, second = (line for line in ax.lines if line.get_label() in ("long", "short"))
    assert first.get_color() != second.get_color()
    assert first.get_linestyle() != second.get_linestyle()


def test_axes_given_are_axes_returned():
    """So that several curves share them."""
    ax = Figure().subplots()
    assert plot_potential_2(lj_potential_family(**LJ), label="LJ", ax=ax) is ax
    assert plot_strain_profile(silicon(), DIAMOND, ax=ax) is ax
