"""Training from start to end: committees, stopping early, going on, stresses that contradict."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from numpy import testing
from silicon import SILICON, labelled

from miniff import ml_util
from miniff.io import write_extxyz
from miniff.kernel import Cell
from miniff.kernel import eval as evaluate
from miniff.ml import Mean, NNPotential, committee_members, eval_committee, load_potentials

JOB = {
    "init": {"seed": 3, "threads": 1},
    "prepare": {"fn_cells": "train.xyz", "cutoff": 4.5, "validation_set": 0.2, "n_models": 1},
    "run": {"n_epochs": 5},
}


def job(**sections: dict[str, object]) -> dict[str, object]:
    """The job above with changes."""
    return {"fit": {name: {**own, **sections.get(name, {})} for name, own in JOB.items()}}


@pytest.fixture
def silicon(folder: Path) -> Path:
    """A folder with 24 structures for training."""
    write_extxyz("train.xyz", labelled(24, seed=0))
    return folder


def tensors(path: str = "potentials.pt") -> list[torch.Tensor]:
    """All numbers of the networks in a file."""
    return [t for p in load_potentials(path) for t in p.network.state_dict().values()]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_committee_is_the_mean_of_its_members(silicon: Path) -> None:
    """Energies, forces and stress, in the file and in `fit.json`; members differ, and do so by
    the spread that is reported."""
    (result,) = ml_util.exec_workflows(job(prepare={"n_models": 3}))
    (potential,) = load_potentials("potentials.pt")
    assert isinstance(potential, NNPotential)
    members = potential.members()
    assert len(members) == 3
    (cell,) = [Cell(np.eye(3) * 5.5, np.random.default_rng(1).random((5, 3)), ["Si"] * 5)]
    whole = evaluate(potential, cell)
    parts = [evaluate(member, cell) for member in members]
    for name in ("energies", "gradient", "strain_derivative"):
        own = [getattr(part, name) for part in parts]
        testing.assert_allclose(getattr(whole, name), np.mean(own, axis=0), rtol=1e-9, atol=1e-12)
        assert np.std(own, axis=0).max() > 1e-4
    expected = potential.local_energies(result_table(cell, potential.cutoff), gradient=True)
    testing.assert_allclose(whole.energies, expected.energies, rtol=1e-12)  # torch's mean
    assert set(result.spread) == {"train", "validation"}
    validation = result.spread["validation"]
    assert (validation.energy > 0).all()
    assert validation.forces.shape == (5 * 8, 3)


def test_spread_of_a_committee_is_reported_with_energies_and_forces(silicon: Path) -> None:
    """From Python, in `test-direct.json` and beside the predictions in the structures' file."""
    write_extxyz("test.xyz", labelled(3, seed=5))
    fit = job(prepare={"n_models": 3}, run={"n_epochs": 2})
    ml_util.exec_workflows({**fit, "test-direct": {"prepare": {"fn_cells": "test.xyz"}}})
    potentials = load_potentials("potentials.pt")
    members = committee_members([*potentials, SILICON[0]])
    assert [len(own) for own in members] == [2, 2, 2]
    written = ase.io.read("test-direct.extxyz", ":")
    for atoms in written:
        cell = Cell.from_ase(atoms)
        found = eval_committee(potentials, cell)
        own = [evaluate(member[:1], cell) for member in members]
        testing.assert_allclose(found.energy_std, np.std([e.energy for e in own], ddof=1))
        forces = np.std([e.forces for e in own], axis=0, ddof=1)
        testing.assert_allclose(found.forces_std, forces, rtol=1e-12)
        testing.assert_allclose(found.mean.energy, evaluate(potentials, cell).energy)
        testing.assert_allclose(atoms.info["energy_std"], found.energy_std, rtol=1e-7)
        testing.assert_allclose(atoms.arrays["forces_std"], forces, atol=1e-7)
    typical = json.loads(Path("test-direct.json").read_text())["spread"]
    squares = [np.square(atoms.info["energy_std"] / len(atoms)) for atoms in written]
    testing.assert_allclose(typical["energy"], np.sqrt(np.mean(squares)), rtol=1e-6)


def test_what_is_no_committee_is_refused(silicon: Path) -> None:
    """One network has no spread, and committees must be of one size."""
    with pytest.raises(ValueError, match="no potential has members that could differ"):
        eval_committee(SILICON, Cell(np.eye(3) * 9, [[0, 0, 0]], ["Si"]))
    ml_util.exec_workflows(job(prepare={"n_models": 3}, run={"n_epochs": 1}))
    (three,) = load_potentials("potentials.pt")
    two = NNPotential(Mean([m.network for m in three.members()[:2]]), three.descriptors, three.tag)
    with pytest.raises(ValueError, match=r"committees of 2 and of 3 members but all must have"):
        committee_members([three, two])
    with pytest.raises(ValueError, match="a mean of networks needs at least one of them"):
        Mean([])


def result_table(cell: Cell, cutoff: float) -> object:
    from miniff.kernel import compute_images

    return compute_images(cell, cutoff).table


def test_members_go_their_ways_as_if_alone(silicon: Path) -> None:
    """The first member of a committee is, to the bit, what a fit of one network gives."""
    ml_util.exec_workflows(job())
    alone = load_potentials("potentials.pt")[0]
    ml_util.exec_workflows(job(prepare={"n_models": 2}))
    committee = load_potentials("potentials.pt")[0]
    assert [type(layer) for layer in committee.network].count(Mean) == 1
    first, second = committee.members()
    own = list(alone.network.state_dict().values())
    assert same(own, list(first.network.state_dict().values()))
    assert not same(own, list(second.network.state_dict().values()))


RUN = """
import json, os, sys
from miniff.ml_util import exec_workflows
from miniff.ml_util._progress import TrainingProgress

last, number, shown = int(sys.argv[2]), int(sys.argv[3]), TrainingProgress.update

def update(self, record):
    shown(self, record)
    if record.epoch == last + 1:
        os.kill(os.getpid(), number)

TrainingProgress.update = update
exec_workflows(json.loads(sys.argv[1]))
"""


def killed_after(n_epochs: int, description: dict[str, object], number: int) -> None:
    """Runs the job in another process, which is sent a signal in the epoch after so many."""
    run = [sys.executable, "-c", RUN, json.dumps(description), str(n_epochs), str(int(number))]
    ended = subprocess.run(run, capture_output=True, check=False)
    assert ended.returncode != 0, "it was over before it could be killed"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_run_that_was_killed_goes_on_to_the_same_bits(silicon: Path, number: int) -> None:
    """Networks, errors and learning curves are those of a run that was left alone."""
    description = job(prepare={"n_models": 2}, run={"n_epochs": 12, "checkpoint_s": 0})
    (whole,) = ml_util.exec_workflows(description)
    expected = tensors()
    for name in ("potentials.pt", "fit.log", "fit.json"):
        os.remove(name)
    killed_after(3, description, number)
    assert Path("fit.checkpoint").exists()
    assert not Path("fit.json").exists()
    (result,) = ml_util.exec_workflows(description)
    assert "going on after epoch" in Path("fit.log").read_text()
    assert same(tensors(), expected)
    assert result.errors == whole.errors
    assert [r.loss for r in result.records] == [r.loss for r in whole.records]
    assert not Path("fit.checkpoint").exists()


def test_run_of_other_settings_does_not_go_on(silicon: Path) -> None:
    """What differs is named; more epochs are no difference."""
    description = job(run={"n_epochs": 40, "checkpoint_s": 0})
    killed_after(2, description, signal.SIGKILL)
    sentence = (
        r"fit\.checkpoint belongs to another run, of which \d+ of 40 epochs are made: "
        r"`run\.w_forces` was 0\.02 but here it is 0\.1\. Delete fit\.checkpoint to start anew, "
    )
    with pytest.raises(ValueError, match=sentence):
        ml_util.exec_workflows(job(run={"w_forces": 0.1}))
    (result,) = ml_util.exec_workflows(job(run={"n_epochs": 4}))
    assert len(result.records) >= 4
    assert "going on after epoch" in Path("fit.log").read_text()


def test_damaged_checkpoint_is_refused(silicon: Path) -> None:
    """With what to do."""
    Path("fit.checkpoint").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(ValueError, match=r"fit\.checkpoint is damaged \(.*\): delete"):
        ml_util.exec_workflows(job())


def test_models_that_become_no_better_stop(silicon: Path) -> None:
    """After so many epochs without a better one on the validation set; the best is kept."""
    (result,) = ml_util.exec_workflows(job(run={"n_epochs": 200, "patience": 3}))
    done = len(result.records)
    assert done < 200
    said = Path("fit.log").read_text()
    found = re.search(rf"stopped after {done} epochs: 3 without a better one", said)
    assert found, said
    assert f"kept epoch {done - 3}," in said
    again = ml_util.exec_workflows(job(run={"n_epochs": done - 3}))[0]
    assert again.errors == result.errors


def test_forces_of_a_share_of_the_structures_are_used(silicon: Path) -> None:
    """So many are compared; the others give their energies; a baseline stays where it was."""
    (result,) = ml_util.exec_workflows(job(prepare={"forces_fraction": 0.25}))
    train = result.errors["train"]
    assert (train.energy.n, train.forces.n, train.stress.n) == (19, 5 * 24, 5 * 6)
    assert train.energy.rmse < 0.02
    pair = {"family": "sw2", "tag": "Si-Si", "gauge_a": 7.049556277, "gauge_b": 0.6022245584}
    baseline = {**pair, "p": 4, "q": 0, "epsilon": 1.08415, "sigma": 2.0951, "a": 1.8}
    (result,) = ml_util.exec_workflows(
        job(prepare={"forces_fraction": 0.25, "baseline": baseline}, run={"n_epochs": 2})
    )
    expected = [s.energy for s in labelled(24, seed=0)]
    assert set(result.reference["train"].energy.round(6)) <= set(np.round(expected, 6))
    (other,) = ml_util.exec_workflows(job(prepare={"forces_fraction": 1e-9}, run={"n_epochs": 1}))
    assert other.errors["train"].forces.n == 24  # at least one


def test_loss_that_is_no_number_names_its_cause(silicon: Path) -> None:
    """The structure, and what is wrong with it."""
    cells = Cell.load("train.xyz")
    meta = {**cells[5].meta, "energy": float("inf")}
    odd = Cell(cells[5].vectors, cells[5].coordinates, cells[5].values, meta)
    workflow = ml_util.FitWorkflow(seed=3, threads=1)
    prepared = workflow.prepare(fn_cells="train.xyz", cutoff=4.5, validation_set=0, n_models=1)
    prepared.cells.train[5] = odd
    for part in prepared.datasets["train"]:
        part.per_cell_dataset.energy[5] = float("inf")
    with pytest.raises(
        FloatingPointError,
        match=r"the loss is inf before anything was learned: "
        r"the energy of train\.xyz, structure 5 \(counted from 0\) is inf",
    ):
        prepared.run(n_epochs=1)
    with torch.no_grad():
        prepared.members[0][0][0].weight[0, 0] = float("nan")
    with pytest.raises(
        FloatingPointError, match=r"the networks give train\.xyz, structure 0 .* nan"
    ):
        prepared.run(n_epochs=1)


OFFSET = 0.015  # 2.4 GPa, what the published copper data have


def test_stress_that_contradicts_the_energies_is_told_and_spoils_nothing(folder: Path) -> None:
    """The offset is found, named, and energies come out better than when it must be fitted."""
    write_extxyz("train.xyz", labelled(60, seed=0, pressure=OFFSET))
    run = {"n_epochs": 15, "w_stress": 2.0}
    (free,) = ml_util.exec_workflows(job(run=run))
    testing.assert_allclose(free.pressure, OFFSET, rtol=0.1)
    assert json.loads(Path("fit.json").read_text())["stress_offset"] == free.pressure
    said = " ".join(Path("fit.log").read_text().split())
    assert re.search(r"lies \+2\.[2-6] GPa beside the derivative of its energies", said)
    (bound,) = ml_util.exec_workflows(job(run={**run, "free_pressure": False}))
    assert bound.pressure is None
    errors = [one.errors["validation"].energy.rmse for one in (free, bound)]
    assert errors[0] < 0.5 * errors[1]


def test_an_offset_too_large_for_plane_waves_is_not_said_to_be_theirs(folder: Path) -> None:
    """16 GPa are a mistake in the stress."""
    write_extxyz("train.xyz", labelled(40, seed=0, pressure=0.1))
    ml_util.exec_workflows(job(run={"n_epochs": 10, "w_stress": 2.0}))
    said = " ".join(Path("fit.log").read_text().split())
    assert re.search(r"lies \+1[3-7] GPa beside .*, far more than cut-off plane waves leave", said)
    assert "as cut-off plane waves leave it" not in said


def test_right_stress_is_followed_where_energies_do_not_tell_the_pressure(folder: Path) -> None:
    """Structures of one volume: no pressure is free."""
    write_extxyz("train.xyz", labelled(24, seed=0, strain=0.0))
    (result,) = ml_util.exec_workflows(job(run={"n_epochs": 15}))
    assert result.pressure is None
    assert "beside the derivative" not in Path("fit.log").read_text()
    off = result.predicted["train"].stress - result.reference["train"].stress
    assert abs(off[:, :3].mean()) < 1e-3
