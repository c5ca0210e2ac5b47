"""Sums that are grouped, shared or factorised are the plain sums, to the last digits."""

from fractions import Fraction

import contract
import numpy as np
import pytest
import reference_descriptors
from refusals import refuses

from miniff import kernel
from miniff.potentials import (
    Functions,
    behler2_descriptor_family,
    behler4_descriptor_family,
    behler5_descriptor_family,
    lj_potential_family,
    sw3_potential_family,
)


def test_functions_of_one_set_share_their_centre():
    """Rows of a set are the atoms of one species."""
    potentials = [
        lj_potential_family(tag=tag, epsilon=1.0, sigma=1.0, a=2.5) for tag in ("a-a", "b-a")
    ]
    with refuses("functions of one set must have one centre species, not {"):
        Functions(potentials)


def test_many_functions_at_once_are_those_one_by_one():
    """Grouping by species, cutoff and exponent changes no value and no derivative."""
    rng = np.random.default_rng(0)
    potentials = [
        make(tag=f"O-{s}", a=a, eta=eta, **more)
        for a in (3.0, 4.1)
        for eta in (0.0, 0.07, 0.3)
        for make, species, more in (
            (behler2_descriptor_family, ("C", "O", "X"), {"r_sphere": 0.4}),
            (behler4_descriptor_family, ("C-O", "O-C", "O-O"), {"l": -0.7, "zeta": 3}),
            (behler5_descriptor_family, ("C-O", "C-C", "C-X"), {"l": 1, "zeta": 1.7}),
            (behler5_descriptor_family, ("C-O", "C-C"), {"l": -1, "zeta": 17}),
        )
        for s in species
    ]
    potentials = [potentials[i] for i in rng.permutation(len(potentials))]
    contract.assert_set_is_its_functions(potentials, contract.crystal(), 4.1)


@pytest.mark.filterwarnings("ignore::miniff.potentials.OneSidedPairWarning")
@pytest.mark.parametrize("tags", [("C-O", "O-C"), ("C-C",), (None,)])
def test_mutual_pairs_need_no_scattering(tags):
    """Where each pair has the same terms both ways, the sum is that of the parts that have not."""
    lj = {"epsilon": 0.3, "sigma": 1.9, "a": 2.2}
    cell = contract.crystal()
    whole = kernel.eval(
        [lj_potential_family(tag, **lj) for tag in tags], cell, ignore_missing_species=True
    )
    one_way = [tag for tag in ("C-O", "O-C", "C-C", "O-O") if None in tags or tag in tags]
    # A triple term without strength makes every part go the general way.
    nothing = sw3_potential_family(epsilon=0.0, sigma=1.0, l=1.0, gamma=1.0, cos_theta0=0.0, a=2.0)
    parts = [kernel.eval([lj_potential_family(tag, **lj), nothing], cell) for tag in one_way]
    for name in ("energies", "gradient", "strain_derivative"):
        expected = sum(getattr(part, name) for part in parts)
        np.testing.assert_allclose(getattr(whole, name), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "power", "coefficients"),
    [
        ("poly1", 2, (-3, 2)),
        ("poly2", 3, (-10, 15, -6)),
        ("poly3", 4, (-35, 84, -70, 20)),
        ("poly4", 5, (-126, 420, -540, 315, -70)),
    ],
)
def test_polynomial_cutoffs_keep_their_digits_to_the_end(name, power, coefficients):
    """Where 1 + x^n (c0 + c1 x + ...) is 1e-13, it is right to 12 digits: in exact fractions."""
    r, a = 4 - 2.0**-8, 4.0
    potential = behler2_descriptor_family(a=a, eta=0.0, cutoff_function=name)
    images = kernel.compute_images(contract.molecule([r, 0, 0]), a)
    x = Fraction(r) / Fraction(a)
    value = 1 + sum(c * x ** (power + k) for k, c in enumerate(coefficients))
    slope = sum((power + k) * c * x ** (power + k - 1) for k, c in enumerate(coefficients)) / 4
    np.testing.assert_allclose(images.eval(potential)[0], float(value), rtol=1e-12)
    gradient = images.eval(potential, "kernel_gradient")[0, 1]
    np.testing.assert_allclose(gradient, [float(slope), 0, 0], rtol=1e-12)


FLAT = {"l": 0.0, "zeta": 1.0}


@pytest.mark.parametrize("zeta", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("tag", [None, "a-a-a", "a-a-b"])
def test_moments_are_the_sums_over_triples(zeta, tag):
    """Enough neighbours for moments give the sum over all triples, to 12 digits of its terms."""
    rng = np.random.default_rng(11)
    n = 80
    cell = kernel.Cell(
        np.eye(3) * 8, rng.random((n, 3)), [("a", "b")[x] for x in rng.integers(2, size=n)]
    )
    for sign in (1.0, -1.0, 0.4):
        parameters = {"a": 4.0, "eta": 0.05, "l": sign, "zeta": float(zeta)}
        result = kernel.eval(
            behler5_descriptor_family(tag, **parameters), cell, ignore_missing_species=True
        )
        expected = reference_descriptors.behler_5(cell, tag, **parameters)
        # At least 2^(1-zeta) sum p_j p_k, of which the sum over (1 + |c|)^zeta cannot be less.
        scale = 2.0 ** (1 - zeta) * reference_descriptors.behler_5(cell, tag, **parameters | FLAT)
        assert np.all(np.abs(result.energies - expected) <= 1e-12 * scale)
        contract.assert_gradient_is_slope(behler5_descriptor_family(tag, **parameters), cell)
        contract.assert_jvp_is_slope_and_transpose_of_vjp(
            behler5_descriptor_family(tag, **parameters), cell
        )


def test_moments_keep_the_digits_of_faint_triples():
    """One near neighbour among many that hardly count: nothing is lost by taking off j = k."""
    rng = np.random.default_rng(12)
    direction = rng.normal(size=(60, 3))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    far = direction * rng.uniform(3.6, 3.99, size=(60, 1))
    cell = contract.molecule([1.0, 0, 0], *far)
    parameters = {"a": 4.0, "eta": 1.5, "l": -1.0, "zeta": 4.0}
    energy = kernel.eval(behler5_descriptor_family(**parameters), cell).energies[0]
    np.testing.assert_allclose(
        energy, reference_descriptors.behler_5(cell, None, **parameters)[0], rtol=1e-11
    )
