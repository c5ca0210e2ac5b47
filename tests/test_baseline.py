"""Potentials under the networks: what is learned is the difference, what is given is the sum."""

import json
import re
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
import yaml
from silicon import SILICON
from silicon_fit import JOB
from silicon_fit import silicon as silicon  # a fixture

from miniff import ml_util
from miniff.kernel import Cell
from miniff.kernel import eval as evaluate
from miniff.ml import NNPotential, load_potentials, plain_of, save_potentials
from miniff.ml_util import JobError
from miniff.potentials import (
    behler2_descriptor_family,
    lj_potential_family,
)

PLAIN = [plain_of(potential) for potential in SILICON]
NEAR = {"family": "lj", "tag": "Si-Si", "epsilon": 0.05, "sigma": 2.1, "a": 3.5}
"""Its cutoff of 7.35 angstrom is longer than that of the descriptors."""


def fit_with(baseline: object, **more: object) -> dict[str, object]:
    return {**JOB, "prepare": {**JOB["prepare"], "baseline": baseline, **more}}


def test_nothing_is_left_to_learn_beside_the_exact_potential(silicon: Path) -> None:
    """Errors of all sets are those of rounding from the first epoch on."""
    (result,) = ml_util.exec_workflows({"fit": fit_with(PLAIN, test_set="test.xyz")})
    for errors in result.errors.values():
        assert errors.energy.rmse < 1e-7
        assert errors.forces.rmse < 1e-7
        assert errors.stress.rmse < 1e-7
    assert result.potentials[:2] == list(SILICON)


def test_networks_learn_the_difference_and_the_sum_is_given(silicon: Path) -> None:
    """The saved list predicts what `fit` reports, and its parts are baseline and networks."""
    test = {"prepare": {"fn_cells": "test.xyz"}}
    fit = fit_with(NEAR, test_set="test.xyz", validation_set=0.2)
    result, tested = ml_util.exec_workflows({"fit": fit, "test-direct": test})
    potentials = load_potentials("potentials.pt")
    near = lj_potential_family("Si-Si", epsilon=0.05, sigma=2.1, a=3.5)
    assert potentials[0] == near
    assert [type(p) for p in potentials[1:]] == [NNPotential]
    predicted = result.predicted["test"]
    for s, atoms in enumerate(ase.io.read("test.xyz", ":")):
        cell = Cell.from_ase(atoms)
        whole, part = evaluate(potentials, cell), evaluate(near, cell)
        network = evaluate(potentials[1:], cell)
        assert abs(part.energy) > 0.1
        np.testing.assert_allclose(whole.energy, part.energy + network.energy, rtol=1e-12)
        np.testing.assert_allclose(predicted.energy[s], whole.energy, rtol=1e-9)
        forces = predicted.forces[8 * s : 8 * s + 8]
        np.testing.assert_allclose(forces, whole.forces, atol=1e-8)
        np.testing.assert_allclose(predicted.stress[s], whole.stress, atol=1e-9)
        np.testing.assert_allclose(result.reference["test"].energy[s], atoms.get_potential_energy())
    for name in ("energy", "forces", "stress"):
        first = getattr(result.errors["test"], name).rmse
        assert getattr(tested.errors, name).rmse == pytest.approx(first, rel=1e-6)
    spread = np.std([a.get_potential_energy() / len(a) for a in ase.io.read("test.xyz", ":")])
    assert tested.errors.energy.rmse < 0.25 * spread


def test_missing_references_stay_missing(silicon: Path) -> None:
    """A baseline adds no forces where there are none, and learns the rest."""
    frames = ase.io.read("train.xyz", ":")
    for atoms in frames:
        del atoms.calc.results["forces"], atoms.calc.results["stress"]
    ase.io.write("train.xyz", frames)
    (result,) = ml_util.exec_workflows({"fit": fit_with(NEAR)})
    assert result.errors["train"].forces is None
    assert result.errors["train"].stress is None
    assert result.errors["train"].energy.rmse < 0.02


def test_files_hold_baselines(silicon: Path) -> None:
    """Plain data and potential files give the same fit; the job keeps what they held."""
    Path("base.yml").write_text(yaml.safe_dump(PLAIN))
    save_potentials("base.pt", SILICON)
    errors = []
    for baseline in (PLAIN, "base.yml", "base.pt", list(SILICON)):
        job = {**fit_with(baseline), "run": {"n_epochs": 1}}
        (result,) = ml_util.exec_workflows({"fit": job})
        errors.append(result.errors)
        made_by = torch.load("potentials.pt", weights_only=True)["provenance"]["job"]["prepare"]
        assert made_by["baseline"] == PLAIN
    assert all(one == errors[0] for one in errors)


def test_a_fit_goes_on_from_an_earlier_one(silicon: Path) -> None:
    """Networks can be a baseline too, from a file that the job has just written."""
    first = {**JOB, "run": {"n_epochs": 3, "save": "first.pt"}}
    (one,) = ml_util.exec_workflows({"fit": first})
    (two,) = ml_util.exec_workflows({"fit": fit_with("first.pt")})
    assert [type(p) for p in two.potentials] == [NNPotential, NNPotential]
    assert two.records[0].train.energy.rmse < 2 * one.errors["train"].energy.rmse
    assert two.records[-1].loss < one.records[-1].loss


def test_potentials_as_plain_data_can_be_tested(silicon: Path) -> None:
    """Classical potentials need no Python: the formula that made the labels has no error."""
    Path("sw.json").write_text(json.dumps(PLAIN))
    test = {"prepare": {"fn_cells": "test.xyz", "potentials": "sw.json"}}
    (result,) = ml_util.exec_workflows({"test-direct": test})
    assert result.errors.energy.rmse < 1e-7
    assert result.errors.forces.rmse < 1e-7


def test_no_validation_set_is_null(silicon: Path) -> None:
    """As any other number that is not there."""
    job = {**JOB, "prepare": {**JOB["prepare"], "validation_set": 0}, "run": {"n_epochs": 1}}
    ml_util.exec_workflows({"fit": job})
    errors = json.loads(Path("fit.json").read_text())["errors"]
    assert list(errors) == ["train", "validation"]
    assert errors["validation"] is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("baseline: 3", "line 4: `fit.prepare.baseline` is 3 but must be text or a mapping or a"),
        ("baseline: []", "line 4: `fit.prepare.baseline`: no potential is given"),
        ("baseline: nowhere.pt", "line 4: `fit.prepare.baseline`: there is no file `nowhere.pt`"),
        (
            "baseline: {family: ljj}",
            "line 4: `fit.prepare.baseline`: `ljj` is not a known family; did you mean `lj`?",
        ),
        (
            "baseline:\n      - {family: lj, epsilon: 1.0, sigma: 2.0, a: 1.0}",
            "line 5: `fit.prepare.baseline.0`: `a` is 1.0 but must be in [1.12",
        ),
        (
            "baseline:\n      - family: lj\n        epsilon: 1e-2",
            "line 6: `fit.prepare.baseline.0.epsilon` is '1e-2' but must be a number; YAML reads",
        ),
        (
            "baseline: {family: behler2, tag: Si-Si, a: 4.5, eta: 1.0}",
            "is a descriptor, whose values are no energies",
        ),
        ("baseline: descriptor.yml", "descriptor.yml: <Behler type 2"),
        ("baseline: bad.yml", "bad.yml, potential 1 (counted from 0): Lennard-Jones: `sigma` is"),
        ("baseline: empty.json", "empty.json holds no potentials"),
        (
            "baseline: base.pt\n  run:\n    save: base.pt",
            "`fit.run.save` would write over base.pt, which `fit.prepare.baseline` reads",
        ),
    ],
)
def test_wrong_baselines_are_refused_before_data_are_read(
    folder: Path, text: str, sentence: str
) -> None:
    """Each with its line, its key, and what would do."""
    save_potentials("base.pt", SILICON)
    Path("empty.json").write_text("[]")
    Path("descriptor.yml").write_text("{family: behler2, a: 4.5, eta: 1.0}")
    Path("bad.yml").write_text(yaml.safe_dump([NEAR, {"family": "lj", "epsilon": 1.0}]))
    Path("data.xyz").write_text("nothing that could be read")
    Path("jobs.yml").write_text(f"fit:\n  prepare:\n    fn_cells: data.xyz\n    {text}\n")
    with pytest.raises(JobError, match=re.escape(sentence)):
        ml_util.run_job_file("jobs.yml")


def test_baselines_that_do_not_fit_the_data_are_refused(silicon: Path) -> None:
    """Species that never occur would be a silent zero; atoms on each other have no energy."""
    with pytest.raises(ValueError, match=r"the baseline .* names Ge but the training set has only"):
        ml_util.exec_workflows({"fit": fit_with({**NEAR, "tag": "Si-Ge"})})
    frames = ase.io.read("train.xyz", ":")
    frames[0].positions[1] = frames[0].positions[0] + 0.01
    ase.io.write("train.xyz", frames)
    steep = {**NEAR, "epsilon": 1e300}
    with pytest.raises(ValueError, match=r"train\.xyz, structure \d+ .*: the baseline gives an"):
        ml_util.exec_workflows({"fit": fit_with([steep, steep])})
    descriptor = behler2_descriptor_family("Si-Si", a=4.5, eta=1.0)
    with pytest.raises(ValueError, match=r"`baseline\.0`: .* is a descriptor, whose values"):
        ml_util.FitWorkflow().prepare(fn_cells="train.xyz", baseline=[descriptor])


def test_parts_of_the_formula_and_the_network_add_up(silicon: Path) -> None:
    """With the pair part as baseline, networks learn the three-body part alone."""
    (result,) = ml_util.exec_workflows({"fit": fit_with(PLAIN[:1])})
    pair, *networks = result.potentials
    assert pair == SILICON[0]
    off, size = [], []
    for atoms in ase.io.read("train.xyz", ":"):
        cell = Cell.from_ase(atoms)
        triple = evaluate(SILICON[1], cell).energy / len(atoms)
        off.append(evaluate(networks, cell).energy / len(atoms) - triple)
        size.append(triple)
    assert np.std(off) < 0.25 * np.std(size)
