"""Errors of predictions, against sums written out by hand."""

import json
import re

import numpy as np
import pytest

from miniff.ml_util import Properties, compare


def properties(energy: list[float], forces: float, stress: list[float]) -> Properties:
    """Two structures of 1 and 2 atoms."""
    return Properties(
        n_atoms=np.array([1, 2]),
        energy=np.array(energy),
        forces=np.full((3, 3), forces),
        stress=np.array([stress, [np.nan] * 6]),
    )


def test_errors_are_what_they_say() -> None:
    """Energy per atom, forces and stress per component; shear over the last three alone."""
    reference = properties([1.0, 2.0], 0.0, [0.0] * 6)
    predicted = properties([1.3, 2.2], -0.5, [1.0, 1, 1, 2, 2, 2])
    errors = compare(reference, predicted)
    assert errors.energy.mae == pytest.approx((0.3 + 0.1) / 2)
    assert errors.energy.rmse == pytest.approx(np.sqrt((0.09 + 0.01) / 2))
    assert (errors.forces.mae, errors.forces.rmse, errors.forces.n) == (0.5, 0.5, 9)
    assert (errors.stress.mae, errors.stress.n) == (1.5, 6)
    assert errors.stress.rmse == pytest.approx(np.sqrt(2.5))
    assert (errors.stress_shear.mae, errors.stress_shear.rmse) == (2.0, 2.0)


def test_missing_references_take_no_part() -> None:
    """They are counted out; a property without any is null in JSON."""
    reference = properties([np.nan, 2.0], np.nan, [np.nan] * 6)
    errors = compare(reference, properties([9.0, 4.0], 1.0, [1.0] * 6))
    assert (errors.energy.mae, errors.energy.n) == (1.0, 1)
    assert errors.forces is None
    assert errors.as_json() == {
        "energy": {"mae": 1.0, "rmse": 1.0, "n": 1},
        "forces": None,
        "stress": None,
        "stress_shear": None,
        "charges": None,
    }


def test_missing_prediction_is_refused() -> None:
    """A reference that nothing is compared with would flatter the errors."""
    reference = properties([1.0, 2.0], 0.0, [0.0] * 6)
    sentence = "structure 1 (counted from 0) has energy as a reference but no prediction of it"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        compare(reference, properties([1.0, np.nan], 0.0, [0.0] * 6))


def test_other_structures_are_refused() -> None:
    """Numbers of atoms must agree."""
    other = Properties(np.array([3]), np.zeros(1), np.zeros((3, 3)), np.zeros((1, 6)))
    with pytest.raises(ValueError, match="of different structures"):
        compare(properties([1.0, 2.0], 0.0, [0.0] * 6), other)


def test_equal_errors_are_equal() -> None:
    """Of the same numbers; of others they are not, and both are what JSON keeps."""
    reference, near = properties([1.0, 2.0], 0.0, [0.0] * 6), properties([1.5, 2.5], 0.5, [1.0] * 6)
    errors = compare(reference, near)
    assert errors == compare(reference, near)
    assert errors != compare(reference, properties([1.5, 2.5], 0.5, [2.0] * 6))
    assert json.loads(json.dumps(errors.as_json())) == errors.as_json()
