"""Plots of angular descriptors: the curves, and legends that tell several parameters apart."""

import re

import numpy as np
import pytest
from drawn import curves_of, legend_of
from matplotlib.figure import Figure

from miniff.potentials import (
    behler2_descriptor_family,
    behler4_descriptor_family,
    behler5_descriptor_family,
    general_triple_potential_family,
    polynomial_wide_descriptor_family,
    weighted_angular_descriptor_family,
)
from miniff.presentation import plot_descriptors_2, plot_descriptors_3
from miniff.units import factor

A = 6.0


def cutoff(r):
    return np.where(r < A, (1 + np.cos(np.pi * r / A)) / 2, 0.0)


def behler5(degrees, r1, r2, eta, l, zeta):  # noqa: E741 - as in the formula
    radial = np.exp(-eta * (r1**2 + r2**2)) * cutoff(r1) * cutoff(r2)
    return 2 ** (1 - zeta) * (1 + l * np.cos(np.radians(degrees))) ** zeta * radial


def dashes_of(line):
    """matplotlib tells only that a line is dashed; how, it keeps to itself."""
    return line._unscaled_dash_pattern


def test_curves_are_the_formula():
    """Twice for two neighbours of one species, in whose sum they come in both orders."""
    sets = {
        "Si": [
            behler5_descriptor_family("Si-Si-Si", a=A, eta=0.02, l=-1, zeta=4),
            behler2_descriptor_family("Si-Si", a=A, eta=0.02),
            behler4_descriptor_family("Si-O-Si", a=A, eta=0.02, l=1, zeta=1),
        ]
    }
    same, other = plot_descriptors_3(sets, (2.0, 2.5))
    ((degrees, values),) = curves_of(same)
    np.testing.assert_allclose(values, 2 * behler5(degrees, 2, 2.5, 0.02, -1, 4), atol=1e-12)
    ((degrees, values),) = curves_of(other)
    far = np.sqrt(4 + 6.25 - 10 * np.cos(np.radians(degrees)))
    third = np.exp(-0.02 * far**2) * cutoff(far)
    np.testing.assert_allclose(values, third * behler5(degrees, 2, 2.5, 0.02, 1, 1), atol=1e-12)
    assert same.get_title() == "Si with Si, Si at 2 and 2.5 Å"
    assert other.get_title() == "Si with O, Si at 2 and 2.5 Å"
    assert same.get_xlim() == (0, 180)


def test_neighbours_come_in_the_order_of_their_names():
    """The tag's order does not matter for a panel; the first distance is of the first name."""

    def nearer_oxygen(r1, r2, cosine):
        return r1 + 10 * r2 + 0 * cosine

    one = general_triple_potential_family("Si-O-Si", f=nearer_oxygen, a=A)
    two = general_triple_potential_family("Si-Si-O", f=nearer_oxygen, a=A)
    (ax,) = plot_descriptors_3({"Si": [one, two]}, (2.0, 3.0))
    first, second = curves_of(ax)
    np.testing.assert_allclose(first[1], 2 + 10 * 3)
    np.testing.assert_allclose(second[1], 3 + 10 * 2)


def test_half_of_the_cutoff_is_the_distance():
    """In the unit of the title; functions without a tag have any neighbours."""
    bohr = factor("bohr")
    function = behler5_descriptor_family(a=6 * bohr, eta=0, l=1, zeta=1)
    (ax,) = plot_descriptors_3({"a": [function]}, length_unit="bohr")
    assert ax.get_title() == "a with any neighbour at 3 bohr"
    np.testing.assert_allclose(curves_of(ax)[0][1].max(), 2 * 2 / 4, rtol=1e-4)


def test_colours_dashes_and_widths_tell_parameters():
    """As many entries as values, not as many as functions; curves look as the entries say."""
    numbers = [
        (eta, zeta, sign) for eta in (0.0, 0.1, 0.3) for zeta in (1, 2, 4, 8) for sign in (1, -1)
    ]
    functions = [
        behler5_descriptor_family(a=A, eta=eta, l=sign, zeta=zeta) for eta, zeta, sign in numbers
    ]
    (ax,) = plot_descriptors_3({"a": functions})
    assert legend_of(ax) == [
        *(rf"$\zeta$ = {zeta}" for zeta in (1, 2, 4, 8)),
        *(rf"$\eta$ = {eta}" for eta in (0, 0.1, 0.3)),
        *(rf"$\lambda$ = {sign}" for sign in ("1", "−1")),  # noqa: RUF001 - as it is printed
    ]
    lines = [line for line in ax.lines if len(line.get_xdata()) > 2]
    looks = [(x.get_color(), str(dashes_of(x)), x.get_linewidth()) for x in lines]
    assert len(set(looks)) == len(functions)
    handles = dict(zip(legend_of(ax), ax.get_legend().get_lines(), strict=True))
    for (eta, zeta, sign), line in zip(numbers, lines, strict=True):
        minus = str(sign).replace("-", "−")  # noqa: RUF001
        assert line.get_color() == handles[rf"$\zeta$ = {zeta}"].get_color()
        assert line.get_linewidth() == handles[rf"$\lambda$ = {minus}"].get_linewidth()
        assert dashes_of(line) == dashes_of(handles[rf"$\eta$ = {eta:g}"])


def test_functions_of_several_families_have_an_entry_each():
    """Their parameters have no common names."""
    functions = [
        behler5_descriptor_family(a=A, eta=0.1, l=1, zeta=1),
        polynomial_wide_descriptor_family(low=1.0, a=A, left=30.0, right=150.0, form="p2"),
    ]
    (ax,) = plot_descriptors_3({"a": functions})
    assert len(legend_of(ax)) == 2
    degrees, values = curves_of(ax)[1]
    assert np.all(values[(degrees < 29) | (degrees > 151)] == 0)
    assert values.max() > 0


def test_radial_functions_use_dashes_too():
    """Three widths at four places: seven entries, not twelve."""
    functions = [
        behler2_descriptor_family(a=A, eta=eta, r_sphere=r)
        for r in (1.0, 2.0, 3.0, 4.0)
        for eta in (0.5, 1.0, 2.0)
    ]
    (ax,) = plot_descriptors_2({"a": functions})
    assert len(legend_of(ax)) == 7


@pytest.mark.parametrize(
    ("descriptors", "distances", "sentence"),
    [
        ({}, None, "`descriptors` have no function of an angle to draw"),
        (
            {"Si": [weighted_angular_descriptor_family("Si", a=A, eta=0.1, l=1, zeta=1)]},
            None,
            "`descriptors` have no function of an angle to draw",
        ),
        (
            {"O": [behler5_descriptor_family("Si-O-O", a=A, eta=0, l=1, zeta=1)]},
            None,
            "is listed as a descriptor of O",
        ),
        (
            {"O": [behler5_descriptor_family(a=A, eta=0, l=1, zeta=1)]},
            (0.0, 1.0),
            "`distances` are (0.0, 1.0) but must be two positive numbers",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(descriptors, distances, sentence):
    """With what was given."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        plot_descriptors_3(descriptors, distances)


def test_axes_can_be_given():
    """As many as there are panels."""
    functions = {"a": [behler5_descriptor_family("a-a-b", a=A, eta=0, l=1, zeta=1)]}
    axes = Figure().subplots(1, 2)
    assert plot_descriptors_3(functions, axes=axes[:1]) == [axes[0]]
    with pytest.raises(ValueError, match="2 axes are given but there are 1 panels"):
        plot_descriptors_3(functions, axes=axes)
