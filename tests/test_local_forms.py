"""What single forms promise beyond the contract: limits, special values, other forms."""

import contract
import numpy as np
import pytest
import reference

from miniff import kernel
from miniff.potentials import (
    behler2_descriptor_family,
    behler5_descriptor_family,
    behler5x_descriptor_family,
    lj_potential_family,
    morse_potential_family,
    on_site_potential_family,
    sigmoid_descriptor_family,
    zbl_potential_family,
)

MORSE = {"d0": 0.3, "alpha": 1.4, "r0": 2.9, "a": 6.0}
ZBL = {"z1": 14, "z2": 6, "a_inner": 2.0, "a": 3.0}


def test_on_site_terms_change_energies_only():
    """v0 for every atom of the species, no force, no stress, and pairs stay mutual."""
    cell = contract.large()
    pairs = lj_potential_family(epsilon=0.3, sigma=1.9, a=2.2)
    levels = [on_site_potential_family("C", v0=-2.5), on_site_potential_family("O", v0=0.75)]
    alone, both = kernel.eval(pairs, cell), kernel.eval([levels[0], pairs, levels[1]], cell)
    shift = np.where(np.array(cell.values) == "C", -2.5, 0.75)
    np.testing.assert_allclose(both.energies, alone.energies + shift, rtol=1e-13)
    # Bit by bit: the gradient is found in the same, faster way.
    np.testing.assert_array_equal(both.gradient, alone.gradient)
    np.testing.assert_array_equal(both.strain_derivative, alone.strain_derivative)


@pytest.mark.parametrize("pbc", [True, False])
def test_on_site_terms_need_no_neighbours(pbc):
    """A list of nothing else is evaluated without a search, with triples it adds to them."""
    cell = contract.lettered(pbc=pbc)
    level = on_site_potential_family("b", v0=1.25)
    expected = np.array([0, 1.25, 0, 0, 1.25])
    assert level.cutoff == 0
    result = kernel.eval([level], cell, ignore_missing_species=True)
    assert result.energy == 2.5
    np.testing.assert_array_equal(result.energies, expected)
    assert not result.gradient.any()
    assert not result.strain_derivative.any()
    images = kernel.compute_images(cell, 3.0)
    np.testing.assert_array_equal(images.eval(level), expected)
    np.testing.assert_array_equal(images.eval([level, level]), [expected, expected])
    np.testing.assert_array_equal(images.eval(level, "kernel_gradient"), np.zeros((5, 5, 3)))
    triples = behler5_descriptor_family(a=3.0, eta=0.1, l=1, zeta=2)
    alone, both = kernel.eval(triples, images), kernel.eval([triples, level], images)
    np.testing.assert_allclose(both.energies, alone.energies + expected, rtol=1e-13)
    np.testing.assert_array_equal(both.gradient, alone.gradient)


def dimer(potential, r):
    """Energy and gradient of one of two atoms at a distance, the other's left out."""
    images = kernel.compute_images(contract.molecule([r, 0, 0]), potential.cutoff)
    gradient = images.eval(potential, "kernel_gradient")
    return images.eval(potential)[0], gradient[0, 1, 0]


@pytest.mark.parametrize("dr", [1e-100, 1e-30, 1e-9])
def test_a_sharp_sigmoid_is_a_step(dr):
    """Nothing overflows: 1 inside, 0 outside, one half on the step."""
    potential = sigmoid_descriptor_family(a=3.0, dr=dr, r0=2.0)
    slope = -np.pi / 6 * np.sin(np.pi * 1.9 / 3)
    np.testing.assert_allclose(
        dimer(potential, 1.9), [(1 + np.cos(np.pi * 1.9 / 3)) / 2, slope], rtol=1e-12
    )
    assert dimer(potential, 2.1) == (0, 0)
    value, slope = dimer(potential, 2.0)
    np.testing.assert_allclose(value, 0.125, rtol=1e-12)
    np.testing.assert_allclose(slope, -0.25 / 4 / dr, rtol=1e-6)
    result = kernel.eval(potential, contract.molecule([2.0, 0, 0]))
    assert np.isfinite(result.gradient).all()
    assert np.isfinite(result.strain_derivative).all()


def test_a_wide_sigmoid_is_the_cutoff_function():
    """With r0 far away all neighbours count as the cutoff function says."""
    potential = sigmoid_descriptor_family(a=3.0, dr=0.3, r0=30.0)
    cell = contract.lettered()
    flat = behler2_descriptor_family(a=3.0, eta=0.0)
    expected, found = kernel.eval(flat, cell), kernel.eval(potential, cell)
    np.testing.assert_allclose(found.energies, expected.energies, rtol=1e-13)
    np.testing.assert_allclose(found.gradient, expected.gradient, atol=1e-13)


@pytest.mark.parametrize("eta", [(0.1, 0.1), (0.05, 0.7)])
def test_behler_5x_is_a_sum_of_behler_5(eta):
    """With equal etas (c - c0)^2 = (1 + c)^2 for c0 = -1; exchanged etas change nothing."""
    cell = contract.lettered()
    eta1, eta2 = eta
    crossed, turned = (
        kernel.eval(behler5x_descriptor_family(a=4.0, eta1=e1, eta2=e2, cos_theta0=-1), cell)
        for e1, e2 in ((eta1, eta2), (eta2, eta1))
    )
    np.testing.assert_allclose(crossed.energies, turned.energies, rtol=1e-12)
    np.testing.assert_allclose(crossed.gradient, turned.gradient, atol=1e-12)
    if eta1 == eta2:
        plain = kernel.eval(behler5_descriptor_family(a=4.0, eta=eta1, l=1, zeta=2), cell)
        np.testing.assert_allclose(crossed.energies, plain.energies, rtol=1e-12)
        np.testing.assert_allclose(crossed.gradient, plain.gradient, atol=1e-12)


def test_the_minimum_of_morse_is_where_it_says():
    """Depth d0 at r0, and the curvature 2 d0 alpha^2 that gives the vibration of a molecule."""
    potential = morse_potential_family(**MORSE)
    value, slope = dimer(potential, 2.9)
    np.testing.assert_allclose([value, slope], [-0.3, 0], rtol=1e-13, atol=1e-14)
    step = 1e-4
    curvature = (dimer(potential, 2.9 + step)[1] - dimer(potential, 2.9 - step)[1]) / (2 * step)
    np.testing.assert_allclose(curvature, 2 * 0.3 * 1.4**2, rtol=1e-6)


@pytest.mark.parametrize("alpha", [50.0, 300.0])
def test_steep_morse_gives_numbers(alpha):
    """The repulsion may be huge; relative to its size it is exact."""
    potential = morse_potential_family(d0=1.0, alpha=alpha, r0=2.0, a=4.0)
    e = np.exp(alpha)
    np.testing.assert_allclose(
        dimer(potential, 1.0), [e * (e - 2), 2 * alpha * e * (1 - e)], rtol=1e-12
    )


def test_zbl_goes_to_zero_with_slope_and_curvature():
    """At the cutoff it vanishes with the third power, so twice as far inside is eight times."""
    potential = zbl_potential_family(**ZBL)
    for near in (1e-2, 2e-3):
        (one, slope), (two, steeper) = (dimer(potential, 3.0 - n * near) for n in (1, 2))
        assert two / one == pytest.approx(8, rel=4 * near)
        assert steeper / slope == pytest.approx(4, rel=4 * near)


def test_zbl_is_the_repulsion_of_nuclei_inside():
    """Below the inner cutoff only a constant is added; at small r, k z1 z2 / r is left."""
    potential = zbl_potential_family(**ZBL)
    r = np.array([1.99, 1.0, 0.3, 1e-3, 1e-6])
    found = np.array([dimer(potential, x) for x in r]).T
    value, slope, _ = reference.screened_repulsion(r, 14, 6)
    constant = found[0, 0] - value[0]
    assert -1 < constant < 0
    np.testing.assert_allclose(found, [value + constant, slope], rtol=1e-12)
    np.testing.assert_allclose(found[0, -1] * 1e-6, 14.399645 * 14 * 6, rtol=1e-4)


def test_zbl_in_hartree_and_bohr_is_the_same():
    """Both constants are parameters, so that no unit is hidden in the formula."""
    bohr, hartree = 0.529177210903, 27.211386245988
    metal = zbl_potential_family(**ZBL, coulomb_constant=hartree * bohr)
    atomic = zbl_potential_family(
        z1=14,
        z2=6,
        a_inner=2.0 / bohr,
        a=3.0 / bohr,
        coulomb_constant=1.0,
        screening_length=0.4685 / bohr,
    )
    for r in (0.7, 2.4):
        np.testing.assert_allclose(
            dimer(metal, r), np.array(dimer(atomic, r / bohr)) * [hartree, hartree / bohr]
        )
