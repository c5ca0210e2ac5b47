"""A fit says when it knows its training set much better than other structures."""

import json
from pathlib import Path

import pytest
from silicon import labelled

from miniff import ml_util
from miniff.io import write_extxyz
from miniff.ml_util._errors import Errors, PropertyError
from miniff.ml_util._overfit import overfitting


def errors(energy: float, forces: float | None, n: int = 20) -> Errors:
    """Mean absolute ones; with outliers, so that the others are larger."""
    return Errors(
        energy=PropertyError(energy, 9 * energy, n),
        forces=None if forces is None else PropertyError(forces, 9 * forces, 24 * n),
        stress=PropertyError(1e-4, 1e-3, 6 * n),
        stress_shear=None,
    )


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        (
            {"validation": errors(0.0041, 0.05)},
            "3.9 times those of the training set in energy (4",
        ),
        ({"validation": errors(0.0041, 0.05)}, "against 1.04 meV/atom): the networks know"),
        (
            {"validation": errors(0.001, 0.12)},
            "on the validation set are 4 times those of the training set in forces (0.12 against "
            "0.03 eV/Å)",
        ),
        ({"validation": errors(0.0041, 0.12)}, "meV/atom) and 4 times those"),
        ({"test": errors(0.0041, 0.05)}, "errors on the test set are 3.9 times"),
    ],
)
def test_much_larger_errors_are_told(sets: dict[str, Errors], words: str) -> None:
    """In the units of the tables, with what helps."""
    (found,) = overfitting({"train": errors(0.00104, 0.03), **sets})
    assert (found.severity, found.kind) == ("note", "overfitting")
    assert words in found.sentence
    assert "more structures, of the kinds with the largest errors first" in found.sentence


@pytest.mark.parametrize(
    "sets",
    [
        {"validation": errors(0.002, 0.059)},
        {"validation": errors(0.0041, None, n=4)},
        {"validation": errors(0.001, 0.03), "test": errors(0.1, 1.0)},  # tells what it is
        {},
    ],
)
def test_nothing_is_told_of_errors_that_are_alike(sets: dict[str, Errors]) -> None:
    """Or of too few, or where nothing was set aside."""
    assert overfitting({"train": errors(0.00104, 0.03), **sets}) == []


def test_fit_of_few_structures_says_so(folder: Path) -> None:
    """In the log, the numbers, and the page."""
    write_extxyz("train.xyz", labelled(5, seed=0))
    write_extxyz("other.xyz", labelled(6, seed=1, strain=0.06))
    prepare = {"fn_cells": "train.xyz", "validation_set": "other.xyz", "quality": "fast"}
    init, run = {"log": "warning", "threads": 1}, {"n_epochs": 12}
    (fit,) = ml_util.exec_workflows({"fit": {"init": init, "prepare": prepare, "run": run}})
    ratio = fit.errors["validation"].forces.mae / fit.errors["train"].forces.mae
    assert ratio > 2
    (found,) = (
        one for one in json.loads(Path("fit.json").read_text())["findings"]
        if one["kind"] == "overfitting"
    )  # fmt: skip
    assert f"{ratio:.1f} times those of the training set in forces" in found["sentence"]
    assert f"note: {found['sentence']}" in Path("fit.log").read_text()
    assert "errors on the validation set are" in Path("report.html").read_text()
