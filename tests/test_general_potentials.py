"""Potentials from Python functions: how they are called, differentiated and refused."""

import math
from itertools import product

import contract
import numpy as np
import pytest
import python_potentials
import reference
from refusals import refuses
from torch import nn

from miniff import _triples, dyn, kernel
from miniff.kernel import Cell
from miniff.ml import NNPotential, learn_cauldron, save_potentials
from miniff.potentials import (
    Functions,
    general_pair_potential_family,
    general_triple_potential_family,
    lj_potential_family,
    sw3_potential_family,
)

LJ = {"epsilon": 0.3, "sigma": 1.9, "a": 2.2}
SW3 = {"epsilon": 0.5, "sigma": 2.1, "l": 21, "gamma": 1.2, "cos_theta0": -1 / 3, "a": 1.8}


def pair(f, a=4.0, **more):
    return general_pair_potential_family(f=f, a=a, **more)


def dimer(r):
    return contract.molecule([r, 0.0, 0.0])


@pytest.mark.filterwarnings("ignore::miniff.potentials.OneSidedPairWarning")
@pytest.mark.parametrize(
    ("python", "compiled", "parameters", "tag"),
    [
        (python_potentials.lennard_jones, lj_potential_family, LJ, "b-a"),
        (python_potentials.stillinger_weber_3, sw3_potential_family, SW3, "a-b-b"),
    ],
)
def test_everything_agrees_with_the_compiled_family(python, compiled, parameters, tag):
    """Totals, energies and dense gradients, alone and beside compiled potentials."""
    cell = contract.large()
    ours, theirs = python(**parameters), compiled(**parameters)
    for several in (
        ([ours], [theirs]),
        ([ours.copy(tag), theirs], [theirs.copy(tag), theirs]),
    ):
        found, expected = (kernel.eval(each, cell, ignore_missing_species=True) for each in several)
        scale = np.abs(expected.gradient).max()
        np.testing.assert_allclose(found.energies, expected.energies, rtol=1e-10)
        np.testing.assert_allclose(found.gradient, expected.gradient, atol=1e-11 * scale)
        np.testing.assert_allclose(
            found.strain_derivative, expected.strain_derivative, rtol=1e-10, atol=1e-9 * scale
        )
    images = kernel.compute_images(contract.lettered(), 5.0)  # longer than any cutoff
    for name in ("kernel", "kernel_gradient"):
        found, expected = (images.eval([p, p.copy(tag)], name) for p in (ours, theirs))
        np.testing.assert_allclose(found, expected, atol=1e-11 * np.abs(expected).max())


def test_profiles_and_moving_atoms_take_them():
    """Scans of strain, and forces with a list longer than the cutoff."""
    cell = contract.lettered()
    ours, theirs = (make(**LJ) for make in (python_potentials.lennard_jones, lj_potential_family))
    strain = np.array([0.95, 1.0, 1.1])
    np.testing.assert_allclose(
        kernel.profile_strain([ours], cell, strain),
        kernel.profile_strain([theirs], cell, strain),
        rtol=1e-11,
    )
    positions = cell.cartesian() + np.random.default_rng(0).normal(scale=0.05, size=(5, 3))
    found, expected = (dyn.SkinForces(p, cell)(positions) for p in (ours, theirs))
    scale = np.abs(expected.gradient).max()
    np.testing.assert_allclose(found.gradient, expected.gradient, atol=1e-11 * scale)


def test_triples_come_in_parts_of_bounded_size():
    """Each ordered triple once whatever the size of a part; unordered ones are half of them."""
    table = kernel.compute_images(contract.lettered(), 3.5).table
    brute = {
        (p, q)
        for p, q in product(range(table.n_pairs), repeat=2)
        if p != q and table.centre[p] == table.centre[q]
    }
    most_neighbors = np.diff(table.start).max()
    for most in (1, 50, 10**6):
        parts = list(_triples.triples_of(table, None, 3.5, most=most))
        found = [(p, q) for t in parts for p, q in zip(t.first, t.second, strict=True)]
        assert set(found) == brute
        assert len(found) == len(brute)
        assert max(len(t.first) for t in parts) <= most + most_neighbors
        half = list(_triples.triples_of(table, None, 3.5, ordered=False, most=most))
        unordered = [{p, q} for t in half for p, q in zip(t.first, t.second, strict=True)]
        assert 2 * len(unordered) == len(brute)
        assert {tuple(sorted(pq)) for pq in unordered} == {tuple(sorted(pq)) for pq in brute}


def test_arrays_are_given_whole():
    """On evaluation an array function is called once for all pairs; one of numbers for each."""
    cell, calls = contract.lettered(), []

    def f(r):
        calls.append(np.shape(r))
        return r**2

    def by_numbers(r):
        calls.append(np.shape(r))
        return math.pow(r, 2)

    whole, numbers = pair(f, df_dr=lambda r: 2 * r), pair(by_numbers, df_dr=lambda r: 2 * r)
    n_pairs = kernel.compute_images(cell, 4.0).table.n_pairs
    calls.clear()
    expected = kernel.eval(whole, cell)
    assert calls == [(n_pairs,)]
    calls.clear()
    found = kernel.eval(numbers, cell)
    assert calls == [()] * n_pairs
    np.testing.assert_allclose(found.gradient, expected.gradient, atol=1e-11)


@pytest.mark.parametrize(
    "f",
    [
        lambda r: 2.5,
        lambda r: 2.5 if r < 10 else 0,
        lambda r: np.full_like(r, 2.5),
        lambda r: np.array(5, int) / 2,
        lambda r: max(r, 2.5) if r < 2.5 else 2.5,
    ],
)
def test_constants_count_neighbours_however_they_are_written(f):
    """A number for an array is the value at each place, not their sum."""
    cell = contract.lettered()
    n = np.diff(kernel.compute_images(cell, 4.0).table.start)
    result = kernel.eval(pair(f), cell)
    np.testing.assert_allclose(result.energies, 2.5 * n, rtol=1e-14)
    np.testing.assert_allclose(result.gradient, 0, atol=1e-9)


def test_arguments_may_be_written_to():
    """A function that spoils its argument spoils nothing else."""

    def f(r):
        r *= 2
        return r

    cell = contract.lettered()
    expected = reference.pair_energies(cell, None, 4.0, lambda r: 2 * r)
    np.testing.assert_allclose(kernel.eval(pair(f), cell).energies, expected, rtol=1e-12)


# --- derivatives


@pytest.mark.parametrize(
    ("f", "df_dr"),
    [
        (lambda r: r**-12 - r**-6, lambda r: -12 * r**-13 + 6 * r**-7),
        (lambda r: np.exp(1 / (r - 4.0)), lambda r: -np.exp(1 / (r - 4.0)) / (r - 4.0) ** 2),
        (lambda r: np.cos(3 * r), lambda r: -3 * np.sin(3 * r)),
        (lambda r: np.sqrt(4.0 - r), lambda r: -0.5 / np.sqrt(4.0 - r)),
    ],
)
def test_numerical_derivatives_are_good_to_many_digits(f, df_dr):
    """Against the analytic one, from small distances to just below the cutoff."""
    r = np.linspace(0.5, 3.9, 200)
    (slope,) = pair(f).slopes
    found, expected = slope(r), df_dr(r)
    tolerance = 1e-9 * np.maximum(np.abs(expected), np.abs(f(r)))
    assert (np.abs(found - expected) < np.maximum(tolerance, 1e-10)).all()
    assert np.isfinite(slope(np.array([4.0 * (1 - 1e-12)]))).all()


def test_numerical_derivatives_by_the_cosine_stay_in_its_range():
    """Up to both ends, where arccos has no value beyond."""

    def f(r1, r2, cos_t):
        return r1 * r2**2 * np.arccos(cos_t) ** 4

    cos_t = np.array([-0.9999, -0.5, 0.0, 0.7, 0.99])
    r1, r2 = np.full(5, 1.1), np.full(5, 0.9)
    by_r1, by_r2, by_cosine = general_triple_potential_family(f=f, a=2.0).slopes
    angle = np.arccos(cos_t)
    np.testing.assert_allclose(by_r1(r1, r2, cos_t), r2**2 * angle**4, rtol=1e-10)
    np.testing.assert_allclose(by_r2(r1, r2, cos_t), 2 * r1 * r2 * angle**4, rtol=1e-10)
    np.testing.assert_allclose(
        by_cosine(r1, r2, cos_t)[1:4],
        (-4 * r1 * r2**2 * angle**3 / np.sqrt(1 - cos_t**2))[1:4],
        rtol=1e-9,
    )
    assert np.isfinite(by_cosine(r1, r2, np.array([-1.0, 1.0, -1.0, 1.0, 0.0]))).all()


# --- refusals


@pytest.mark.parametrize(
    ("f", "sentence", "kind"),
    [
        (
            lambda r: np.where(r > 2, r, np.nan),
            "`f` gives nan at r = 1.5 but must be finite",
            ValueError,
        ),
        (
            lambda r: math.inf if r < 2 else 1,
            "`f` gives inf at r = 1.5 but must be finite",
            ValueError,
        ),
        (
            lambda r: "x" if r < 1.6 else 1.0,
            "`f` gives 'x' at r = 1.5 but must give a real number",
            TypeError,
        ),
        (
            lambda r: r[:3] if r.max() < 2 else r,
            "`f` gives shape (1,) for 1 places, the first at r = 1.5, but must give",
            ValueError,
        ),
        (
            lambda r: r + (0j if r.min() < 1.55 else 0),
            "`f` gives numbers of type complex128 at r = 1.5 but they must be real",
            TypeError,
        ),
    ],
)
def test_results_that_are_no_numbers_are_refused(f, sentence, kind):
    """The function and the distance are named."""
    potential = pair(f)
    if "shape" in sentence:
        sentence = "`f` gives shape (3,) for 4 places, the first at r = 1.5, but must give (4,)"
        cell = contract.molecule([1.5, 0, 0], [-1.5, 40, 0], [0, 40, 0])
    else:
        cell = dimer(1.5)
    with refuses(sentence, kind):
        kernel.eval(potential, cell)


def test_a_triple_that_is_not_finite_is_refused():
    """With both distances and the cosine; derivatives too."""
    cell = contract.molecule([1.0, 0, 0], [0, 1.5, 0])
    potential = general_triple_potential_family(
        f=lambda r1, r2, cos_t: np.log(np.abs(cos_t) + (cos_t == 0)),
        df_dt=lambda r1, r2, cos_t: 1 / cos_t,
        a=1.7,
    )
    with refuses("`df_dt` gives inf at r1 = 1, r2 = 1.5, cos_t = 0 but must be finite"):
        kernel.eval(potential, cell)


@pytest.mark.usefixtures("as_installed")
@pytest.mark.parametrize(
    ("given", "sentence", "kind"),
    [
        ({"f": 3.0}, "`f` is 3.0 but must be a function", TypeError),
        ({"f": abs, "df_dr": "x"}, "`df_dr` is 'x' but must be a function", TypeError),
        ({"f": abs, "a": 0.0}, "`a` is 0.0 but must be in (0.0, inf)", ValueError),
        ({"f": abs, "a": math.inf}, "`a` is inf but must be in (0.0, inf)", ValueError),
        ({"f": abs, "tag": "a-b-c"}, "`tag` is 'a-b-c' but must name 2 species", ValueError),
        ({"f": lambda r: r[:-1]}, "`f` gives shape (4,) for 5 places, the first at", ValueError),
        ({"f": lambda r: None}, "`f` gives None at r = 1.64 but must give a real", TypeError),
        ({"f": lambda r: r / r.max()}, "it must treat each element by itself", ValueError),
        ({"f": lambda r: np.sort(r)[::-1]}, "it must treat each element by itself", ValueError),
    ],
)
def test_what_is_no_function_of_distances_is_refused(given, sentence, kind):
    """When the potential is made."""
    with refuses(sentence, kind):
        general_pair_potential_family(**{"a": 4.0} | given)


def test_a_derivative_of_something_else_is_refused():
    """The other sign, a factor, or the derivative by the angle instead of its cosine."""
    for factor in (-1, 2):
        with refuses(f"gives {2 * factor * 1.64:g} at r = 1.64, where the derivative of `f` by r"):
            pair(lambda r: r**2, df_dr=lambda r, x=factor: 2 * x * r)

    def f(r1, r2, cos_t):
        return r1 * r2 * cos_t**2

    def by_angle(r1, r2, cos_t):
        return -2 * r1 * r2 * cos_t * np.sqrt(1 - cos_t**2)

    with refuses("where the derivative of `f` by cos_t is"):
        general_triple_potential_family(f=f, df_dt=by_angle, a=4.0)
    # A kink at one of the probes is no reason.
    pair(lambda r: np.abs(r - 0.73 * 4.0), df_dr=lambda r: np.sign(r - 0.73 * 4.0))


def test_exceptions_of_the_function_say_where_it_was_called():
    """They come as they are, with a note."""
    with pytest.raises(ZeroDivisionError) as caught:
        kernel.eval(pair(lambda r: 1.0 if r > 1.6 else math.sqrt(r) / 0), dimer(1.5))
    assert caught.value.__notes__ == ["in `f`, called at r = 1.5"]


@pytest.mark.usefixtures("as_installed")
def test_they_are_no_descriptors_and_are_not_saved(tmp_path):
    """The core and files cannot hold Python functions."""
    potential = general_pair_potential_family("a-a", f=np.exp, a=3.0)
    images = kernel.compute_images(contract.tiny(), 3.0)
    for call in (
        lambda: Functions([potential]),
        lambda: learn_cauldron([images], {"a": [potential]}),
        lambda: NNPotential(nn.Linear(1, 1), [potential], "a"),
    ):
        with refuses("<general pair a-a: f=exp, a=3.0> cannot be a descriptor", TypeError):
            call()
    for call in (potential.state_dict, lambda: save_potentials(tmp_path / "x.pt", [potential])):
        with refuses("<general pair a-a: f=exp, a=3.0> is made of Python functions, which cannot"):
            call()
    assert not list(tmp_path.iterdir())


def test_short_lists_and_wrong_tags_are_refused():
    """As for all families."""
    potential = pair(np.exp, a=3.0)
    images = kernel.compute_images(contract.lettered(), 2.9)
    for call in (
        lambda: kernel.eval(potential, images),
        lambda: images.eval(potential),
        lambda: images.eval(potential, "kernel_gradient"),
    ):
        with refuses("`cutoff` of the neighbour list is 2.9 but must be at least 3.0, the cutoff"):
            call()
    with refuses("`tag` is 'a' but must name 2 species like 'a-b'"):
        potential.copy("a")
    with refuses("`tag` is 'a-b' but must name 3 species like 'a-b-c'"):
        python_potentials.unequal_triple(a=3.0).copy("a-b")


def test_empty_tables_need_no_call():
    """No pair, no triple: zero, and nothing is asked of the function."""
    cell = Cell(np.eye(3), [[0, 0, 0]], ["a"], pbc=False)
    potential = pair(lambda r: 1 / r)
    np.testing.assert_array_equal(kernel.compute_images(cell, 4.0).eval(potential), [0])
