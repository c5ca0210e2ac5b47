"""Distributions of distances and angles: brute sums, crystals and ideal gases."""

from itertools import combinations

import contract
import numpy as np
import pytest
import reference
from refusals import refuses
from scipy.integrate import trapezoid
from scipy.special import ndtr

from miniff.kernel import Cell, batch_adf, batch_rdf, compute_images

DIAMOND = Cell(
    5.43 * np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]),
    [[0, 0, 0], [0.25, 0.25, 0.25]],
    ["Si", "Si"],
)


def gaussian(x, sigma):
    return np.exp(-(x**2) / (2 * sigma**2)) / np.sqrt(2 * np.pi * sigma**2)


@pytest.mark.parametrize("name", contract.STRUCTURES)
def test_rdf_is_the_brute_sum(name):
    """Every Gaussian of every directed pair, in any order of the grid."""
    cell = contract.STRUCTURES[name]()
    r, sigma = np.array([3.0, 0.5, 1.2, 2.7, 2.1]), 0.13
    found = compute_images(cell, 4.2).rdf(r, sigma)
    species = sorted(set(cell.values))
    assert list(found) == [f"{s}-{t}" for n, s in enumerate(species) for t in species[n:]]
    for key, values in found.items():
        one, other = key.split("-")
        brute = np.zeros_like(r)
        for name_i, (names, vectors) in zip(
            cell.values, reference.environments(cell, 4.2), strict=True
        ):
            distances = np.linalg.norm(vectors[names == other], axis=-1)
            if name_i == one:
                brute += gaussian(r[:, None] - distances, sigma).sum(axis=1)
        brute /= 4 * np.pi * r**2 * cell.values.count(one)
        np.testing.assert_allclose(values, brute, rtol=1e-7, atol=1e-8 * brute.max())


@pytest.mark.parametrize("name", contract.STRUCTURES)
def test_adf_is_the_brute_sum(name):
    """Every Gaussian of every unordered triple."""
    cell = contract.STRUCTURES[name]()
    theta, sigma, cutoff = np.linspace(0, np.pi, 20)[::-1], 0.1, 3.1
    found = compute_images(cell, 3.3).adf(theta, sigma, cutoff)
    brute = {key: np.zeros_like(theta) for key in found}
    for centre, (names, vectors) in zip(
        cell.values, reference.environments(cell, cutoff), strict=True
    ):
        for j, k in combinations(range(len(names)), 2):
            cosine = vectors[j] @ vectors[k] / np.linalg.norm(vectors[j])
            angle = np.arccos(np.clip(cosine / np.linalg.norm(vectors[k]), -1, 1))
            one, other = sorted((names[j], names[k]))
            brute[f"{centre}-[{one},{other}]"] += gaussian(theta - angle, sigma)
    for key, values in found.items():
        np.testing.assert_allclose(values, brute[key], rtol=1e-6, atol=1e-7 * brute[key].max())


def test_many_values_come_in_parts(monkeypatch):
    """The size of a part changes nothing but rounding."""
    images = compute_images(contract.lettered(), 4.0)
    r, theta = np.linspace(0.5, 3, 30), np.linspace(0, np.pi, 30)
    whole = images.rdf(r, 0.1) | images.adf(theta, 0.1, 3.5)
    monkeypatch.setattr("miniff.kernel._distributions.MOST_VALUES", 7)
    parts = images.rdf(r, 0.1) | images.adf(theta, 0.1, 3.5)
    for key, values in whole.items():
        np.testing.assert_allclose(parts[key], values, rtol=1e-12)


def test_integrals_count_neighbours_and_triples():
    """The integral of 4 pi r^2 rdf is the number of neighbours; that of adf, of triples."""
    cell = contract.lettered()
    r = np.linspace(0.8, 3.4, 20001)
    found = compute_images(cell, 4.0).rdf(r, 0.01)
    for key, values in found.items():
        one, other = key.split("-")
        inside = [
            ndtr((3.4 - np.linalg.norm(vectors[names == other], axis=-1)) / 0.01).sum()
            for name, (names, vectors) in zip(
                cell.values, reference.environments(cell, 4.0), strict=True
            )
            if name == one
        ]
        integral = trapezoid(4 * np.pi * r**2 * values, r)
        assert integral == pytest.approx(np.mean(inside), rel=1e-6)
    theta = np.linspace(0, np.pi, 4001)
    adf = compute_images(DIAMOND, 4.0).adf(theta, 0.02, 2.6)["Si-[Si,Si]"]
    assert trapezoid(adf, theta) == pytest.approx(2 * 6, rel=1e-6)


def test_shells_of_diamond():
    """4, 12 and 12 neighbours at sqrt(3)/4, sqrt(2)/2 and sqrt(11)/4 of the lattice constant."""
    r = np.linspace(2.0, 4.8, 5601)
    (rdf,) = compute_images(DIAMOND, 5.0).rdf(r, 0.02).values()
    shell = 4 * np.pi * r**2 * rdf
    for place, count in ((3**0.5 / 4, 4), (0.5**0.5, 12), (11**0.5 / 4, 12)):
        near = np.abs(r - 5.43 * place) < 0.13
        assert trapezoid(shell[near], r[near]) == pytest.approx(count, rel=1e-6)
        assert r[near][shell[near].argmax()] == pytest.approx(5.43 * place, abs=1e-3)
        shell = np.where(near, 0, shell)
    assert np.abs(shell).max() < 1e-6


def test_angles_of_diamond():
    """All angles between bonds are arccos(-1/3)."""
    theta = np.linspace(0, np.pi, 3001)
    (adf,) = compute_images(DIAMOND, 4.0).adf(theta, 0.03, 2.6).values()
    assert theta[adf.argmax()] == pytest.approx(np.arccos(-1 / 3), abs=2e-3)
    assert adf.max() == pytest.approx(12 * gaussian(0, 0.03), rel=1e-3)
    assert (adf[np.abs(theta - np.arccos(-1 / 3)) > 0.2] == 0).all()


def test_collinear_triples_have_an_angle():
    """Trap 5: 0 and 180 degrees exactly, whatever rounding makes of the cosine."""
    for turn in (0.0, 0.3, 1.1):
        u = np.array([np.cos(turn), np.sin(turn), 0.1])
        cell = contract.molecule(1.5 * u, -1.7 * u, 3.4 * u)
        (adf,) = compute_images(cell, 8.0).adf(np.array([0, np.pi]), 0.01, 7.9).values()
        # Four atoms on a line: the outer ones see all others on one side.
        np.testing.assert_allclose(adf, gaussian(0, 0.01) * np.array([8, 4]), rtol=1e-6)


def test_an_ideal_gas_has_its_density_everywhere():
    """Local densities are N/V within the statistical error; normalised, they are 1."""
    rng = np.random.default_rng(0)
    cell = Cell(20 * np.eye(3), rng.random((1500, 3)), ["a"] * 1000 + ["b"] * 500)
    images = compute_images(cell, 6.0)
    r = np.arange(2.0, 5.5, 0.5)
    density, g = images.rdf(r, 0.08), images.rdf(r, 0.08, normalize=True)
    assert list(g) == ["a-a", "a-b", "b-b"]
    for key, n in (("a-a", 1000), ("a-b", 500), ("b-b", 500)):
        np.testing.assert_allclose(density[key], n / 8000 * g[key], rtol=1e-12)
        pairs = n / 8000 * 4 * np.pi * r**2 * 0.28 * (500 if key == "b-b" else 1000) / 2
        assert (np.abs(g[key] - 1) < 4.5 / np.sqrt(pairs)).all()


def test_means_over_structures():
    """The mean where all have the species; where some do not, over those that do."""
    a, b = (compute_images(c, 4.2) for c in (contract.crystal(), contract.crystal(pbc=False)))
    alone = compute_images(contract.tiny(), 4.2)  # has no O
    r, theta = np.linspace(1, 3, 9), np.linspace(0, np.pi, 9)
    one, two, three = (each.rdf(r, 0.1) for each in (a, b, alone))
    mean = batch_rdf([a, b, alone], r, 0.1)
    assert list(mean) == ["C-C", "C-O", "O-O"]
    np.testing.assert_allclose(mean["C-O"], (one["C-O"] + two["C-O"]) / 2)
    np.testing.assert_allclose(mean["C-C"], (one["C-C"] + two["C-C"] + three["C-C"]) / 3)
    one, two = (each.adf(theta, 0.1, 3.0) for each in (a, b))
    mean = batch_adf([a, b], theta, 0.1, 3.0)
    for key, values in mean.items():
        np.testing.assert_allclose(values, (one[key] + two[key]) / 2)
    normalized = batch_rdf([a, alone], r, 0.1, normalize=True)
    np.testing.assert_allclose(normalized["O-O"], a.rdf(r, 0.1, normalize=True)["O-O"])
    assert batch_rdf([], r, 0.1) == {}


def test_no_atom_has_no_distribution():
    """And a lone one has zeros."""
    r = np.array([1.0])
    assert compute_images(Cell(np.eye(3), np.zeros((0, 3)), []), 3.0).rdf(r, 0.1) == {}
    lone = compute_images(contract.molecule(), 3.0)
    np.testing.assert_array_equal(lone.rdf(r, 0.1)["C-C"], [0])
    np.testing.assert_array_equal(lone.adf(r, 0.1, 2.0)["C-[C,C]"], [0])


@pytest.mark.usefixtures("as_installed")
def test_unfit_questions_are_refused():
    """Grids, widths, and lists too short for an answer."""
    images = compute_images(contract.lettered(pbc=(True, True, False)), 4.0)
    r = np.array([1.0, 2.0])
    for call, sentence in (
        (lambda: images.rdf(r - 1, 0.1), "`r` goes down to 0.0 but must be in (0, inf)"),
        (lambda: images.rdf(r[None], 0.1), "`r` has shape (1, 2) but must be (n_points,)"),
        (lambda: images.rdf(r * np.nan, 0.1), "`r` is nan at [0] but must be finite"),
        (lambda: images.rdf(r, 0.0), "`sigma` is 0.0 but must be in (0, inf)"),
        (
            lambda: images.rdf(r, 0.4),
            "`cutoff` of the neighbour list is 4.0 but must be at least 4.4, the largest r and 6",
        ),
        (
            lambda: images.rdf(r, 0.1, normalize=True),
            "`pbc` is (True, True, False): a structure that does not repeat along all cell vectors",
        ),
        (lambda: images.adf(r, -1.0, 3.0), "`sigma` is -1.0 but must be in (0, inf)"),
        (lambda: images.adf(r, 0.1, 4.1), "`cutoff` is 4.1 but must be in (0, 4.0], within the"),
        (lambda: images.adf(r, 0.1, np.nan), "`cutoff` is nan but must be in (0, 4.0]"),
        (
            lambda: images.adf(90 * r, 0.1, 3.0),
            "`theta` goes from 90.0 to 180.0 but must be in [0, pi], in radians",
        ),
    ):
        with refuses(sentence):
            call()
