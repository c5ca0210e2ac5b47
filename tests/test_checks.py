"""Refusals say what was given and what is demanded."""

import re
from math import inf, nan

import numpy as np
import pytest

from miniff._checks import (
    check_at_least,
    check_finite,
    check_not_negative,
    check_positive,
    check_shape,
    unknown_name,
    words_for_no_number,
)


@pytest.mark.parametrize(
    ("given", "demanded", "sentence"),
    [
        ((2, 3), (3, 3), "`cell` has shape (2, 3) but must be (3, 3)"),
        ((4, 2), ("n_atoms", 3), "`cell` has shape (4, 2) but must be (n_atoms, 3)"),
        ((4, 3), (6,), "`cell` has shape (4, 3) but must be (6,)"),
        ((2,), (), "`cell` has shape (2,) but must be ()"),
    ],
)
def test_a_wrong_shape_is_named_with_the_right_one(given, demanded, sentence):
    """The sentence has both shapes."""
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        check_shape("cell", np.zeros(given), demanded)


@pytest.mark.parametrize("demanded", [(2, 3), ("n_atoms", 3), ("n", "m")])
def test_a_fitting_shape_passes(demanded):
    """Words stand for any length."""
    check_shape("cell", np.zeros((2, 3)), demanded)


def test_the_first_number_that_is_none_is_shown():
    """The sentence has the value and its place."""
    positions = np.zeros((3, 3))
    positions[1, 2] = np.nan
    positions[2, 0] = np.inf
    with pytest.raises(ValueError, match=r"^`positions` is nan at \[1, 2\] but must be finite$"):
        check_finite("positions", positions)
    with pytest.raises(ValueError, match=r"^`energy` is -inf but must be finite$"):
        check_finite("energy", float("-inf"))
    check_finite("positions", np.zeros((0, 3)))


def test_an_unknown_name_meets_the_nearest_known_one():
    """A near miss is recognised; without one the known names are listed all the same."""
    known = ["test-direct", "fit"]
    assert unknown_name("workflow", "fitt", known) == (
        "`fitt` is not a known workflow; did you mean `fit`? Known: `fit`, `test-direct`"
    )
    assert unknown_name("workflow", "zzz", known) == (
        "`zzz` is not a known workflow. Known: `fit`, `test-direct`"
    )
    assert unknown_name("workflow", "fit", []) == "`fit` is not a known workflow. Known: none"


def test_a_name_in_other_letters_is_found():
    """Capitals are a common slip; the name comes as it is spelt."""
    assert "did you mean `eV`?" in unknown_name("unit", "ev", ["eV", "meV", "Ry"])
    assert "did you mean `Hartree`?" in unknown_name("unit", "HARTREE", ["eV", "Hartree"])


@pytest.mark.parametrize("value", [0, -1.0, inf, nan])
def test_positive_numbers_are_above_zero_and_finite(value):
    with pytest.raises(ValueError, match=rf"^`skin` is {value} but must be in \(0, inf\)$"):
        check_positive("skin", value)
    check_positive("skin", 5e-324)


@pytest.mark.parametrize("value", [-5e-324, inf, nan])
def test_numbers_that_are_not_negative_may_be_zero(value):
    with pytest.raises(ValueError, match=rf"^`eta` is {value} but must be in \[0, inf\)$"):
        check_not_negative("eta", value)
    check_not_negative("eta", 0)


def test_counts_reach_the_least():
    with pytest.raises(ValueError, match=r"^`every` is 1 but must be in \[2, inf\)$"):
        check_at_least("every", 1, 2)
    check_at_least("every", 2, 2)


def test_the_first_atom_without_a_finite_force_is_named():
    """What is finite is not blamed."""
    gradient = np.zeros((3, 3))
    assert words_for_no_number(nan, gradient) == ("the energy is nan, no finite number", [])
    gradient[1, 2], gradient[2, 0] = inf, nan
    sentence = "the force on atom 1 (counted from 0) is no finite number"
    assert words_for_no_number(1.0, gradient) == (sentence, [1])
    assert words_for_no_number(inf, gradient) == (f"the energy is inf and {sentence}", [1])
