"""Plots of radial descriptors: the curves, the dots on them, the words beside them."""

import re
from itertools import pairwise

import numpy as np
import pytest
from drawn import curves_of, legend_of
from matplotlib.figure import Figure

from miniff.potentials import (
    behler2_descriptor_family,
    behler5_descriptor_family,
    behler_turning_point,
    general_pair_potential_family,
    lj_potential_family,
    polynomial_radial_descriptor_family,
    sigmoid_descriptor_family,
    weighted_radial_descriptor_family,
)
from miniff.presentation import plot_descriptors_2
from miniff.units import factor

A = 6.0


def behler2(r, eta, r_sphere=0.0):
    return np.exp(-eta * (r - r_sphere) ** 2) * (1 + np.cos(np.pi * r / A)) / 2


def made(tag, *etas):
    return [behler2_descriptor_family(tag, a=A, eta=eta) for eta in etas]


def dots_of(ax):
    return np.array([line.get_xydata()[0] for line in ax.lines if len(line.get_xdata()) == 1])


@pytest.mark.parametrize("eta", [0.0, 1e-6, 0.03, 0.3, 2.0, 50.0])
def test_the_turning_point_is_where_the_slope_is_greatest(eta):
    """Of the formula on a fine grid; that of each factor alone at both ends of eta."""
    r = np.linspace(0, A, 1_000_001)
    steepest = r[np.gradient(behler2(r, eta), r).argmin()]
    assert behler_turning_point(A, eta) == pytest.approx(steepest, abs=3e-5)
    assert behler_turning_point(A, 0.0) == A / 2
    assert behler_turning_point(A, 1e12) == pytest.approx(1 / np.sqrt(2e12), rel=1e-9)
    with pytest.raises(ValueError, match=re.escape("`a` is 0.0 but must be in (0, inf)")):
        behler_turning_point(0.0, 1.0)
    with pytest.raises(ValueError, match=re.escape("`eta` is -1.0 but must be in [0, inf)")):
        behler_turning_point(A, -1.0)


def test_curves_are_the_formula_with_dots_at_their_turning_points():
    """A panel for each pair of species; of what is tagged a-b only b's are neighbours."""
    etas = (0.0, 0.05, 0.4)
    axes = plot_descriptors_2(
        {
            "Si": [*made("Si-Si", *etas), behler5_descriptor_family(a=A, eta=0, l=1, zeta=1)],
            "O": [*made("O-Si", 0.1), *made("O-O", 0.2)],
        }
    )
    assert [ax.get_title() for ax in axes] == ["Si with Si", "O with Si", "O with O"]
    curves = curves_of(axes[0])
    assert len(curves) == 3
    for (r, values), eta in zip(curves, etas, strict=True):
        np.testing.assert_allclose(values, behler2(r, eta), atol=1e-12)
    places = [behler_turning_point(A, eta) for eta in etas]
    np.testing.assert_allclose(
        dots_of(axes[0]), [(x, behler2(x, eta)) for x, eta in zip(places, etas, strict=True)]
    )
    assert legend_of(axes[0]) == [
        r"$\eta$ = 0",
        r"$\eta$ = 0.05",
        r"$\eta$ = 0.4",
        "turning point",
    ]
    assert legend_of(axes[1]) == ["Behler type 2", "turning point"]


def test_dots_stand_only_where_a_turning_point_is_known():
    """Shells, other cutoff functions and families have none; those out of sight are not drawn."""
    axes = plot_descriptors_2(
        {
            "Si": [
                behler2_descriptor_family("Si-Si", a=A, eta=0.1, r_sphere=2.0),
                behler2_descriptor_family("Si-Si", a=A, eta=0.1, cutoff_function="poly2"),
                behler2_descriptor_family("Si-Si", a=A, eta=0.1, cutoff_alpha=0.5),
                sigmoid_descriptor_family(a=A, dr=0.1, r0=2.0),
                polynomial_radial_descriptor_family(a=A, low=1.0, form="p2"),
                general_pair_potential_family(f=lambda r: (r - A) ** 2, a=A),
            ]
        }
    )
    assert [ax.get_title() for ax in axes] == ["Si with Si", "Si with any neighbour"]
    assert [len(dots_of(ax)) for ax in axes] == [0, 0]
    assert legend_of(axes[1])[2] == "general"
    (r, values) = curves_of(axes[1])[2]
    np.testing.assert_allclose(values[:-1], (r[:-1] - A) ** 2)
    (ax,) = plot_descriptors_2({"Si": made("Si-Si", 0.0, 0.4)}, (2.0, 5.0))
    assert len(dots_of(ax)) == 1
    assert ax.get_xlim() == (2.0, 5.0)


def test_distances_and_numbers_are_in_the_unit():
    """Bohr on the axis and in the legend."""
    bohr = factor("bohr")
    functions = [
        behler2_descriptor_family(a=A, eta=0.2 / bohr**2, r_sphere=n * bohr) for n in (1.0, 2.0)
    ]
    functions.append(behler2_descriptor_family(a=A, eta=0.3 / bohr**2, r_sphere=bohr))
    (ax,) = plot_descriptors_2({"a": functions}, length_unit="bohr")
    numbers = ((0.2, 1), (0.2, 2), (0.3, 1))
    assert legend_of(ax) == [rf"$\eta$ = {eta}, $r_s$ = {place}" for eta, place in numbers]
    r, values = curves_of(ax)[1]
    np.testing.assert_allclose(values, behler2(r * bohr, 0.2 / bohr**2, 2 * bohr), atol=1e-12)
    assert ax.get_xlabel() == "r (bohr)"


def test_ten_curves_keep_their_legend_beside_the_axes():
    """Every entry is inside the figure, under the one before it, and covers no curve."""
    (ax,) = plot_descriptors_2({"a": made("a-a", *np.linspace(0, 2, 10))})
    figure = ax.figure
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.get_legend().get_texts()]
    assert len(boxes) == 11
    assert min(box.x0 for box in boxes) > ax.get_window_extent().x1
    assert all(figure.bbox.contains(box.x1, box.y0) for box in boxes)
    assert all(one.y0 > other.y1 - 1 for one, other in pairwise(boxes))


def test_axes_can_be_given():
    """As many as there are panels, in any shape."""
    axes = Figure().subplots(1, 2)
    functions = {"a": [*made("a-a", 0.1), *made("a-b", 0.1)]}
    assert plot_descriptors_2(functions, axes=axes) == list(axes)
    with pytest.raises(ValueError, match="1 axes are given but there are 2 panels"):
        plot_descriptors_2(functions, axes=axes[:1])


@pytest.mark.parametrize(
    ("descriptors", "limits", "sentence"),
    [
        ({}, None, "`descriptors` have no function of one distance to draw"),
        (
            {"Si": [weighted_radial_descriptor_family("Si", a=A, eta=0.1)]},
            None,
            "`descriptors` have no function of one distance to draw",
        ),
        (
            {"Si": [lj_potential_family("O-Si", epsilon=1.0, sigma=1.0, a=2.0)]},
            None,
            "<Lennard-Jones O-Si: epsilon=1.0, sigma=1.0, a=2.0> is listed as a descriptor of Si",
        ),
        ({"a": made("a-a", 1.0)}, (3.0, 2.0), "`limits` are (3.0, 2.0) but must be two rising"),
    ],
)
def test_what_cannot_be_drawn_is_refused(descriptors, limits, sentence):
    """With what was given."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        plot_descriptors_2(descriptors, limits)
