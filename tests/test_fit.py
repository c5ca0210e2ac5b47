"""From structures to potentials and back, on silicon labelled by Stillinger and Weber's formula."""

import json
import re
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from numpy import testing
from silicon_fit import JOB
from silicon_fit import silicon as silicon  # a fixture

from miniff import ml_util
from miniff.io import StructureError
from miniff.kernel import Cell
from miniff.kernel import eval as evaluate
from miniff.potentials import lj_potential_family


def test_job_of_the_manual_runs_from_data_to_errors(silicon: Path) -> None:
    """`fit`, then `test-direct`: files as documented, and errors well below the spread."""
    job = {"fit": JOB, "test-direct": {"prepare": {"fn_cells": "test.xyz"}}}
    fit, _ = ml_util.exec_workflows(job)
    report = json.loads(Path("fit.json").read_text())
    keys = {"errors", "wall_time_s", "versions", "seed", "data_sha256", "stress_offset", "findings"}
    assert set(report) == keys | {"records"}
    assert report["records"] == [record.as_plain() for record in fit.records]
    assert set(report["errors"]) == {"train", "validation"}
    assert report["errors"]["train"] == fit.errors["train"].as_json()
    assert report["seed"] == 3
    tested = json.loads(Path("test-direct.json").read_text())["errors"]
    reference = ase.io.read("test.xyz", ":")
    spread = {
        "energy": np.std([a.get_potential_energy() / len(a) for a in reference]),
        "forces": np.std([a.get_forces() for a in reference]),
        "stress": np.std([a.get_stress() for a in reference]),
    }
    for name, value in spread.items():
        assert tested[name]["rmse"] < 0.25 * value
    for name in ("fit-convergence.png", "fit-parity.png", "test-direct-parity.png"):
        assert Path(name).read_bytes().startswith(b"\x89PNG")


def test_errors_written_are_those_of_the_potentials_saved(silicon: Path) -> None:
    """ASE reads predictions beside untouched references; their differences are the errors."""
    ml_util.exec_workflows({"fit": JOB, "test-direct": {"prepare": {"fn_cells": "test.xyz"}}})
    potentials = ml_util.load_potentials("potentials.pt")
    errors = json.loads(Path("test-direct.json").read_text())["errors"]
    written, given = ase.io.read("test-direct.extxyz", ":"), ase.io.read("test.xyz", ":")
    off = []
    for atoms, reference in zip(written, given, strict=True):
        assert atoms.get_potential_energy() == reference.get_potential_energy()
        testing.assert_allclose(atoms.get_forces(), reference.get_forces())
        testing.assert_allclose(atoms.get_stress(), reference.get_stress())
        result = evaluate(potentials, Cell.from_ase(reference))
        testing.assert_allclose(atoms.info["energy_pred"], result.energy, rtol=1e-9)
        testing.assert_allclose(atoms.arrays["forces_pred"], result.forces, atol=1e-7)
        testing.assert_allclose(atoms.info["stress_pred"], result.stress, atol=1e-7)
        off.append((result.energy - reference.get_potential_energy()) / len(atoms))
    testing.assert_allclose(errors["energy"]["mae"], np.abs(off).mean(), rtol=1e-6)
    testing.assert_allclose(errors["energy"]["rmse"], np.sqrt(np.mean(np.square(off))), rtol=1e-6)


def test_one_seed_gives_one_potential(silicon: Path) -> None:
    """The same job twice gives the same numbers; another seed gives others."""
    first, again = (ml_util.exec_workflows({"fit": JOB})[0] for _ in range(2))
    other = ml_util.exec_workflows({"fit": JOB | {"init": {"seed": 4, "threads": 1}}})[0]
    assert first.errors == again.errors
    assert first.errors != other.errors


def test_networks_in_single_precision_learn_the_same(silicon: Path) -> None:
    """The same path for as long as rounding does not matter; what is saved is in float64."""
    losses = {}
    for dtype in ("float64", "float32"):
        run = {"n_epochs": 1, "optimizer_kwargs": {"max_iter": 5}}
        prepare = {"fn_cells": "train.xyz", "n_models": 2}
        job = {"init": {"dtype": dtype}, "prepare": prepare, "run": run}
        (result,) = ml_util.exec_workflows({"fit": job})
        losses[dtype] = result.records[-1].loss
        test = {"init": {"dtype": dtype}, "prepare": {"fn_cells": "train.xyz"}}
        (tested,) = ml_util.exec_workflows({"test-direct": test})
        expected = [evaluate(result.potentials, cell).forces for cell in tested.cells]
        testing.assert_allclose(tested.predicted.forces, np.concatenate(expected), atol=1e-4)
    assert losses["float32"] != losses["float64"]
    assert losses["float32"] == pytest.approx(losses["float64"], rel=1e-4)


def test_optimizers_that_need_double_precision_say_so(silicon: Path) -> None:
    """From a job file, before anything is read, and from Python."""
    job = {
        "init": {"dtype": "float32"},
        "prepare": {"fn_cells": "train.xyz"},
        "run": {"optimizer": "kalman"},
    }
    with pytest.raises(ml_util.JobError, match=r"`fit\.init\.dtype` is float32 but kalman needs"):
        ml_util.exec_workflows({"fit": job})
    prepared = ml_util.FitWorkflow(dtype="float32").prepare(fn_cells="train.xyz")
    with pytest.raises(ValueError, match="`dtype` is float32 but levenberg needs float64"):
        prepared.run(optimizer="levenberg")


def test_energies_forces_and_stresses_improve_together(silicon: Path) -> None:
    """With default weights every one of the three falls by more than half within six epochs."""
    (result,) = ml_util.exec_workflows({"fit": JOB})
    first, last = result.records[0].train, result.records[-1].train
    for name in ("energy", "forces", "stress"):
        assert getattr(last, name).rmse < 0.5 * getattr(first, name).rmse


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"values": ["Si", "Six"]}, "odd.json, structure 1 (counted from 0): species 'Six' is not"),
        (
            {"meta": {"virial": [0.0] * 6}},
            "odd.json, structure 1 (counted from 0): `virial` of `info` is list, which extended",
        ),
    ],
)
def test_what_cannot_be_written_is_refused_before_it_is_evaluated(
    folder: Path, change: dict[str, object], sentence: str
) -> None:
    """Not after hours of evaluation, and with the structure's name."""
    cell = {"vectors": [[5, 0, 0], [0, 5, 0], [0, 0, 5]], "values": ["Si", "Si"]}
    cell |= {"coordinates": [[0, 0, 0], [0.5, 0.5, 0.5]]}
    Path("odd.json").write_text(json.dumps([cell, cell | change]))
    ml_util.save_potentials("p.pt", [lj_potential_family(epsilon=1.0, sigma=2.0, a=2.0)])
    with pytest.raises(ValueError, match=re.escape(sentence)):
        ml_util.OneShotWorkflow().prepare(fn_cells="odd.json", potentials="p.pt")


def test_a_structure_that_cannot_be_evaluated_is_named(folder: Path) -> None:
    """By its file and place, among others that can be."""
    cell = {"vectors": [[5, 0, 0], [0, 5, 0], [0, 0, 5]], "values": ["Si", "Si"]}
    places = [[[0, 0, 0], [0.5, 0.5, 0.5]], [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]]
    Path("odd.json").write_text(json.dumps([cell | {"coordinates": xyz} for xyz in places]))
    ml_util.save_potentials("p.pt", [lj_potential_family(epsilon=1.0, sigma=2.0, a=2.0)])
    prepared = ml_util.OneShotWorkflow().prepare(fn_cells="odd.json", potentials="p.pt")
    sentence = r"odd.json, structure 1 .*: atoms 0 and 1 are at the same place \(counted from 0\)"
    with pytest.raises(StructureError, match=sentence):
        prepared.run()


def test_atoms_outside_training_are_told(silicon: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A compressed crystal is far from what was seen."""
    ml_util.exec_workflows({"fit": {**JOB, "run": {"n_epochs": 1}}})
    (atoms,) = ase.io.read("test.xyz", ":1")
    atoms.set_cell(atoms.cell * 0.8, scale_atoms=True)
    ase.io.write("test.xyz", atoms)
    (result,) = ml_util.exec_workflows({"test-direct": {"prepare": {"fn_cells": "test.xyz"}}})
    assert result.n_outside == 8
    assert "8 of 8 atoms are outside of the training set" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("section", "key", "value", "sentence"),
    [
        ("init", "threads", 0, "`fit.init.threads` is 0 but must be in [1, inf)"),
        ("init", "seed", -1, "`fit.init.seed` is -1 but must be in [0, 9223372036854775808)"),
        ("prepare", "cutoff", -1.0, "`fit.prepare.cutoff` is -1.0 but must be in (0, inf)"),
        ("prepare", "cutoff", float("nan"), "`fit.prepare.cutoff` is nan but must be in (0, inf)"),
        ("prepare", "validation_set", 1, "`fit.prepare.validation_set` is 1 but must be in [0, 1)"),
        ("prepare", "test_set", -0.1, "`fit.prepare.test_set` is -0.1 but must be in [0, 1)"),
        ("init", "memory_gb", 0, "`fit.init.memory_gb` is 0 but must be in (0, inf)"),
        ("run", "w_stress", -1.0, "`fit.run.w_stress` is -1.0 but must be in [0, inf)"),
        ("run", "n_epochs", 0, "`fit.run.n_epochs` is 0 but must be in [1, inf)"),
    ],
)
def test_numbers_out_of_range_are_refused(
    silicon: Path, section: str, key: str, value: float, sentence: str
) -> None:
    """With the key, what was given, and the range; before any data are read."""
    Path("train.xyz").write_text("nothing that could be read")
    job = {**JOB, section: {**JOB[section], key: value}}
    with pytest.raises(ValueError, match=re.escape(sentence)):
        ml_util.exec_workflows({"fit": job})


def test_real_data_are_learned(folder: Path, shared_data: Path) -> None:
    """One epoch on published silicon data is far better than knowing nothing."""
    data = shared_data / "mlearn"
    fit = {
        "init": {"log": "warning"},
        "prepare": {"fn_cells": str(data / "Si_train.xyz.gz")},
        "run": {"n_epochs": 1},
    }
    test = {"prepare": {"fn_cells": str(data / "Si_test.xyz.gz")}}
    _, result = ml_util.exec_workflows({"fit": fit, "test-direct": test})
    assert result.errors.energy.rmse < 0.228 / 5  # the standard deviation of the energies
    assert result.errors.forces.rmse < 0.881 / 1.5  # the root mean square of the forces


@pytest.mark.parametrize("optimizer", ["lbfgs", "levenberg", "kalman", "adam", "adamw"])
def test_every_optimizer_lowers_the_loss(silicon: Path, optimizer: str) -> None:
    """Each runs all its epochs as it comes, and forces get better."""
    run = {"n_epochs": 4, "optimizer": optimizer}
    (result,) = ml_util.exec_workflows({"fit": {**JOB, "run": run}})
    assert len(result.records) == 4
    assert result.records[-1].loss < result.records[0].loss
    assert result.errors["train"].forces.rmse < result.records[0].train.forces.rmse


def test_converged_fit_stops(silicon: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When no step lowers the loss there is nothing left to do, and it is said."""
    run = {"n_epochs": 50, "optimizer_kwargs": {"tolerance_grad": 1e9}}
    (result,) = ml_util.exec_workflows({"fit": {**JOB, "init": {"threads": 1}, "run": run}})
    assert len(result.records) == 1
    assert "converged after 1 epochs: no step lowers the loss" in capsys.readouterr().out


def test_potential_file_says_what_made_it(silicon: Path) -> None:
    """Versions, seed, hash of the data, and every setting of the job."""
    ml_util.exec_workflows({"fit": {**JOB, "run": {"n_epochs": 1, "w_forces": 0.1}}})
    made_by = torch.load("potentials.pt", weights_only=True)["provenance"]
    report = json.loads(Path("fit.json").read_text())
    assert {key: made_by[key] for key in ("seed", "versions", "data_sha256")} == {
        key: report[key] for key in ("seed", "versions", "data_sha256")
    }
    assert made_by["job"]["prepare"]["cutoff"] == 4.5
    assert made_by["job"]["run"]["w_forces"] == 0.1
