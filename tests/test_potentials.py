"""Families refuse what they cannot mean, and gauges are where they say."""

import pickle
from copy import copy as shallow_copy
from copy import deepcopy
from math import inf, nan

import contract
import numpy as np
import pytest
from refusals import refuses

from miniff import kernel
from miniff.kernel import Cell
from miniff.potentials import (
    FunctionPotential,
    behler2_descriptor_family,
    behler4_descriptor_family,
    behler5_descriptor_family,
    behler5x_descriptor_family,
    buckingham_potential_family,
    harmonic_repulsion_potential_family,
    lj_potential_family,
    morse_potential_family,
    on_site_potential_family,
    potential_from_state_dict,
    sigmoid_descriptor_family,
    sw2_potential_family,
    sw3_potential_family,
    zbl_potential_family,
)

LJ = {"epsilon": 1.0, "sigma": 1.0, "a": 2.5}
SW2 = {"epsilon": 1.0, "sigma": 1.0, "gauge_a": 7.0, "gauge_b": 0.6, "a": 1.8, "p": 4, "q": 0}
SW3 = {"epsilon": 1.0, "sigma": 1.0, "l": 21, "gamma": 1.2, "cos_theta0": -1 / 3, "a": 1.8}
B2 = {"a": 3.0, "eta": 0.1}
B5 = {"a": 3.0, "eta": 0.1, "l": 1, "zeta": 2}
B5X = {"a": 3.0, "eta1": 0.1, "eta2": 0.4, "cos_theta0": 0.0}
HARMONIC = {"a": 3.0, "epsilon": 1.0}
MORSE = {"d0": 0.3, "alpha": 1.4, "r0": 2.9, "a": 6.0}
BUCKINGHAM = {"amplitude": 1200.0, "rho": 0.3, "c": 20.0, "a": 6.0}
ZBL = {"z1": 14, "z2": 6, "a_inner": 2.0, "a": 3.0}
SIGMOID = {"a": 3.0, "dr": 0.3, "r0": 2.0}


@pytest.mark.parametrize(
    ("family", "given", "sentence"),
    [
        (lj_potential_family, LJ | {"sigma": 0}, "`sigma` is 0 but must be in (0.0, inf)"),
        (lj_potential_family, LJ | {"a": 1.1}, "`a` is 1.1 but must be in [1.122462"),
        (lj_potential_family, LJ | {"epsilon": nan}, "`epsilon` is nan but must be in (-inf, inf)"),
        (sw2_potential_family, SW2 | {"a": 1}, "`a` is 1 but must be in (1.0, inf)"),
        (sw2_potential_family, SW2 | {"p": 1.0}, "`p` is 1.0 but must be in (1.0, inf)"),
        (sw2_potential_family, SW2 | {"gauge_a": nan}, "`gauge_a` is nan but must be"),
        (sw3_potential_family, SW3 | {"a": 0.5}, "`a` is 0.5 but must be in (1.0, inf)"),
        (
            sw3_potential_family,
            SW3 | {"cos_theta0": -1.1},
            "`cos_theta0` is -1.1 but must be in [-1.0, 1.0]",
        ),
        (behler2_descriptor_family, B2 | {"a": 0.0}, "`a` is 0.0 but must be in (0.0, inf)"),
        (
            behler2_descriptor_family,
            B2 | {"eta": -1.0},
            "`eta` is -1.0 but must be in [0.0, 1e+100]",
        ),
        (behler2_descriptor_family, B2 | {"r_sphere": -inf}, "`r_sphere` is -inf but must be in"),
        (behler2_descriptor_family, B2 | {"cutoff_alpha": 1.0}, "`cutoff_alpha` is 1.0 but must"),
        (
            behler2_descriptor_family,
            B2 | {"cutoff_function": "cosin"},
            "`cosin` is not a known `cutoff_function`; did you mean `cosine`? Known: `cosine`, ",
        ),
        (behler4_descriptor_family, B5 | {"l": 1.01}, "`l` is 1.01 but must be in [-1.0, 1.0]"),
        (
            behler4_descriptor_family,
            B5 | {"zeta": 0.5},
            "`zeta` is 0.5 but must be in [1.0, 256.0]",
        ),
        (behler5_descriptor_family, B5 | {"l": -2}, "`l` is -2 but must be in [-1.0, 1.0]"),
        (
            behler5_descriptor_family,
            B5 | {"zeta": nan},
            "`zeta` is nan but must be in [1.0, 256.0]",
        ),
        (behler5x_descriptor_family, B5X | {"a": 0}, "`a` is 0 but must be in (0.0, inf)"),
        (
            behler5x_descriptor_family,
            B5X | {"eta1": -1},
            "`eta1` is -1 but must be in [0.0, 1e+100",
        ),
        (
            behler5x_descriptor_family,
            B5X | {"eta2": inf},
            "`eta2` is inf but must be in [0.0, 1e+1",
        ),
        (
            behler5x_descriptor_family,
            B5X | {"cos_theta0": 1.1},
            "`cos_theta0` is 1.1 but must be in [-1.0, 1.0]",
        ),
        (sigmoid_descriptor_family, SIGMOID | {"a": -1}, "`a` is -1 but must be in (0.0, inf)"),
        (sigmoid_descriptor_family, SIGMOID | {"dr": 0}, "`dr` is 0 but must be in [1e-100, inf)"),
        (sigmoid_descriptor_family, SIGMOID | {"dr": -0.1}, "`dr` is -0.1 but must be in [1e-100"),
        (
            sigmoid_descriptor_family,
            SIGMOID | {"r0": inf},
            "`r0` is inf but must be in (-inf, inf)",
        ),
        (on_site_potential_family, {"v0": nan}, "`v0` is nan but must be in (-inf, inf)"),
        (
            harmonic_repulsion_potential_family,
            HARMONIC | {"a": 0},
            "`a` is 0 but must be in (0.0, inf)",
        ),
        (
            harmonic_repulsion_potential_family,
            HARMONIC | {"epsilon": 0},
            "`epsilon` is 0 but must be in (0.0, inf)",
        ),
        (morse_potential_family, MORSE | {"alpha": 0}, "`alpha` is 0 but must be in (0.0, inf)"),
        (morse_potential_family, MORSE | {"r0": -1}, "`r0` is -1 but must be in (0.0, inf)"),
        (morse_potential_family, MORSE | {"a": 0}, "`a` is 0 but must be in (0.0, inf)"),
        (buckingham_potential_family, BUCKINGHAM | {"rho": 0}, "`rho` is 0 but must be in (0.0, "),
        (
            buckingham_potential_family,
            BUCKINGHAM | {"a": -6},
            "`a` is -6 but must be in (0.0, inf)",
        ),
        (zbl_potential_family, ZBL | {"z1": 0}, "`z1` is 0 but must be in (0.0, inf)"),
        (zbl_potential_family, ZBL | {"z2": -6}, "`z2` is -6 but must be in (0.0, inf)"),
        (zbl_potential_family, ZBL | {"a_inner": -1}, "`a_inner` is -1 but must be in [0.0, inf)"),
        (
            zbl_potential_family,
            ZBL | {"a_inner": 3},
            "ZBL: `a_inner` is 3.0 but must be below `a`, which is 3.0",
        ),
        (
            zbl_potential_family,
            ZBL | {"coulomb_constant": 0},
            "`coulomb_constant` is 0 but must be",
        ),
        (
            zbl_potential_family,
            ZBL | {"screening_length": 0},
            "`screening_length` is 0 but must be",
        ),
    ],
)
def test_values_out_of_range_are_refused(family, given, sentence):
    """Trap 2: bounds are enforced when a potential is made."""
    with refuses(sentence):
        family(**given)


@pytest.mark.parametrize(
    ("family", "given", "sentence"),
    [
        (lj_potential_family, LJ | {"epsilon": True}, "`epsilon` is True but must be a number"),
        (lj_potential_family, LJ | {"epsilon": "1"}, "`epsilon` is '1' but must be a number"),
        (lj_potential_family, LJ | {"sigma": 1j}, "`sigma` is 1j but must be a number"),
        (
            lj_potential_family,
            LJ | {"sigmo": 1},
            "Lennard-Jones: `sigmo` is not a known parameter; did you mean `sigma`? "
            "Known: `a`, `epsilon`, `sigma`",
        ),
        (
            sw3_potential_family,
            {k: v for k, v in SW3.items() if k != "gamma"},
            "Stillinger-Weber type 3: `gamma` is missing; known: epsilon, sigma, l, gamma,",
        ),
        (
            sw2_potential_family,
            {k: v for k, v in SW2.items() if k != "gauge_b"},
            "Stillinger-Weber type 2: `gauge_b` is missing",
        ),
        (behler2_descriptor_family, {"a": 3.0}, "Behler type 2: `eta` is missing; known: a, eta"),
        (behler5_descriptor_family, B5 | {"lambda_": 1}, "`lambda_` is not a known parameter"),
        (
            behler2_descriptor_family,
            B2 | {"cutoff_function": 1},
            "`cutoff_function` is 1 but must be one of none, cosine, tanh3",
        ),
    ],
)
def test_unknown_missing_and_mistyped_parameters_are_refused(family, given, sentence):
    """Trap 2: nothing is ignored; the nearest known name is offered."""
    with refuses(sentence, TypeError):
        family(**given)


@pytest.mark.parametrize(
    ("family", "given", "tag", "sentence"),
    [
        (lj_potential_family, LJ, "a", "`tag` is 'a' but must name 2 species like 'a-b'"),
        (lj_potential_family, LJ, "a-b-c", "`tag` is 'a-b-c' but must name 2 species like 'a-b'"),
        (lj_potential_family, LJ, "a-", "`tag` is 'a-' but must name 2 species like 'a-b'"),
        (lj_potential_family, LJ, "", "`tag` is '' but must name 2 species like 'a-b'"),
        (sw3_potential_family, SW3, "a-b", "`tag` is 'a-b' but must name 3 species like 'a-b-c'"),
        (
            on_site_potential_family,
            {"v0": 1.0},
            "a-b",
            "`tag` is 'a-b' but must name 1 species like 'a'",
        ),
        (on_site_potential_family, {"v0": 1.0}, "", "`tag` is '' but must name 1 species like 'a'"),
    ],
)
def test_tags_of_the_wrong_length_are_refused(family, given, tag, sentence):
    """Trap 17: dashes separate species, one for the centre and one for each neighbour."""
    with refuses(sentence):
        family(tag=tag, **given)
    with refuses(sentence):
        family(**given).copy(tag=tag)


def test_both_directions_of_a_mixed_pair_are_one_bond():
    """Trap 17: "a-b" gives the energy to a, "b-a" to b; untagged does both."""
    cell = contract.molecule([1.3, 0, 0])
    cell = Cell(cell.vectors, cell.coordinates, list("ab"), pbc=False)
    images = kernel.compute_images(cell, 2.5)
    potential = lj_potential_family(**LJ)
    term = 4 * (1.3**-12 - 1.3**-6)
    np.testing.assert_allclose(images.eval(potential.copy(tag="a-b")), [term, 0], rtol=1e-13)
    np.testing.assert_allclose(images.eval(potential.copy(tag="b-a")), [0, term], rtol=1e-13)
    np.testing.assert_allclose(images.eval(potential), [term, term], rtol=1e-13)


@pytest.mark.parametrize(("a", "p", "q"), [(1.8, 4, 0), (1.2, 4, 0), (3.0, 12, 6), (1.5, 2.5, -1)])
def test_the_gauge_puts_the_minimum_where_it_says(a, p, q):
    """Trap 13: without A and B the minimum is -epsilon at 2^(1/6) sigma, for short cutoffs too."""
    epsilon, sigma = 0.7, 2.1
    potential = sw2_potential_family(epsilon=epsilon, sigma=sigma, a=a, p=p, q=q)
    assert potential.parameters["gauge_a"] > 0
    assert potential.parameters["gauge_b"] > 0
    place = 2 ** (1 / 6)
    energies = [
        contract.energy(potential, contract.molecule([x * sigma, 0, 0])) / 2
        for x in (place, place - 1e-4, place + 1e-4)
    ]
    np.testing.assert_allclose(energies[0], -epsilon, rtol=1e-12)
    assert min(energies[1:]) > energies[0]
    np.testing.assert_allclose(energies[1:], -epsilon, rtol=1e-3)


@pytest.mark.parametrize("changes", [{"a": 1.1}, {"a": 2 ** (1 / 6)}, {"q": 4}, {"q": 5.0}])
def test_a_gauge_that_does_not_exist_is_refused(changes):
    """Trap 13: no search wanders off to negative amplitudes."""
    given = {"epsilon": 1.0, "sigma": 1.0, "a": 1.8, "p": 4, "q": 0} | changes
    with refuses("Stillinger-Weber 2: no gauge puts a minimum at 2^(1/6) sigma for a = "):
        sw2_potential_family(**given)
    assert sw2_potential_family(**given, gauge_a=1.0, gauge_b=1.0).parameters["gauge_a"] == 1


def test_a_gauge_is_not_searched_for_parameters_that_are_wrong():
    """The range of `a` is checked first; a missing `p` is missing."""
    with refuses("`a` is 0.9 but must be in (1.0, inf)"):
        sw2_potential_family(epsilon=1, sigma=1, a=0.9, p=4, q=0)
    with refuses("Stillinger-Weber type 2: `gauge_a` is missing", TypeError):
        sw2_potential_family(epsilon=1, sigma=1, a=1.8, q=0)


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({"tag": "Lennard-Jones"}, "keys tag, parameters, ptag, but here are ['tag']"),
        (
            {"tag": "Lenard-Jones", "parameters": LJ, "ptag": None},
            "`Lenard-Jones` is not a known family; did you mean `Lennard-Jones`? Known: ",
        ),
        (
            {"tag": "Lennard-Jones", "parameters": [1], "ptag": None},
            "Lennard-Jones: `parameters` must be a mapping and `ptag` a string or None",
        ),
        (
            {"tag": "Lennard-Jones", "parameters": LJ, "ptag": 3},
            "Lennard-Jones: `parameters` must be a mapping and `ptag` a string or None",
        ),
        ({"tag": "Lennard-Jones", "parameters": LJ | {"a": 1}, "ptag": None}, "`a` is 1 but must"),
    ],
)
def test_data_that_are_no_potential_are_refused(state, sentence):
    """Files are checked like arguments."""
    with refuses(sentence):
        potential_from_state_dict(state)


def test_state_is_a_copy():
    """Changing the data that were given out does not change the potential."""
    potential = lj_potential_family(**LJ)
    potential.state_dict()["parameters"]["sigma"] = 3.0
    assert potential.parameters["sigma"] == 1.0


@pytest.mark.parametrize("copy", [deepcopy, shallow_copy, lambda p: pickle.loads(pickle.dumps(p))])
def test_potentials_can_be_copied_and_sent_to_other_processes(copy):
    """A pickled potential is the same potential."""
    potential = lj_potential_family("a-b", **LJ)
    assert potential.cutoff == 2.5  # kept from now on
    assert copy(potential).state_dict() == potential.state_dict()
    with refuses("does not support item assignment", TypeError):
        copy(potential).parameters["sigma"] = 3.0


def test_parameters_cannot_be_changed():
    """What was checked stays as it is, also where a mapping of one's own was given."""
    given = {"epsilon": 1.0, "sigma": 1.0, "a": 2.5}
    for potential in (
        lj_potential_family(**given),
        lj_potential_family("a-a", **given).copy(None),
        FunctionPotential(lj_potential_family, given),
    ):
        with refuses("does not support item assignment", TypeError):
            potential.parameters["sigma"] = -3.0
        given["sigma"] = -3.0
        assert potential.parameters["sigma"] == 1.0
        given["sigma"] = 1.0
        assert type(potential.state_dict()["parameters"]) is dict
