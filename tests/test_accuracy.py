"""The benchmark of accuracy: its published numbers, its jobs, and the errors it takes from them."""

import json
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
from numpy import testing
from silicon import labelled
from typer.testing import CliRunner

from benchmarks.accuracy.__main__ import app, ratios_of
from benchmarks.accuracy.datasets import DATASETS, Dataset, Published
from benchmarks.accuracy.optimizers import app as optimizers_app
from benchmarks.accuracy.run import Outcome, Settings, run
from miniff.io import write_extxyz

SMALL = Dataset(
    train=("train.xyz",), test=("test.xyz",), by_group={"Si": Published(1, 1)}, note="small"
)


@pytest.fixture
def data(folder: Path) -> Path:
    """Structures whose energies are those of the formula plus 5 eV for each atom."""
    for name, n, seed in (("train.xyz", 12, 0), ("test.xyz", 3, 1)):
        shifted = [
            replace(s, energy=s.energy + 40, info={"group": "Si_Test"}) for s in labelled(n, seed)
        ]
        write_extxyz(name, shifted)
    return folder


def test_published_errors_are_those_of_the_data(shared_data: Path) -> None:
    """Against the file beside the structures."""
    recomputed = json.loads((shared_data / "mlearn" / "published_accuracy.json").read_text())
    for element in ("Ni", "Cu", "Li", "Mo", "Si", "Ge"):
        for method, errors in DATASETS[element].published.items():
            table = recomputed["recomputed_test"][method]
            assert errors == Published(table["E_MAE"][element], table["F_MAE"][element])
        assert (shared_data / DATASETS[element].train[0]).exists()


def test_errors_are_those_of_the_predictions(data: Path) -> None:
    """Of the test set as a whole, and of a group after one energy for each element is fitted."""
    outcome = run(SMALL, Settings(data, seed=1, quality="fast", n_epochs=3, threads=1), Path("run"))
    frames = ase.io.read("run/test-direct.extxyz", ":")
    off = np.array([a.info["energy_pred"] - a.get_potential_energy() for a in frames]) / 8
    forces = np.concatenate([a.arrays["forces_pred"] - a.get_forces() for a in frames])
    assert outcome.which == "test"
    testing.assert_allclose(outcome.errors.energy, 1e3 * np.abs(off).mean(), rtol=1e-5)
    testing.assert_allclose(outcome.errors.forces, np.abs(forces).mean(), rtol=1e-5)
    testing.assert_allclose(outcome.rmse.forces, np.sqrt(np.square(forces).mean()), rtol=1e-5)
    (group,) = outcome.by_group.values()
    shifted = 1e3 * np.abs(off - off.mean()).mean()
    testing.assert_allclose(group.energy, shifted, rtol=1e-4)
    testing.assert_allclose(group.forces, outcome.errors.forces, rtol=1e-5)


def test_a_share_is_held_out_where_there_is_no_test_set(data: Path) -> None:
    """And an absent test file leaves the validation set, which is no match for published tests."""
    settings = Settings(data, seed=1, quality="fast", n_epochs=3, threads=1)
    held = run(Dataset(("train.xyz",), held_out=0.2), settings, Path("held"))
    assert held.which == "test"
    assert json.loads(Path("held/fit.json").read_text())["errors"]["test"]["energy"]["n"] == 2
    absent = run(Dataset(("train.xyz",), ("absent.xyz",)), settings, Path("absent"))
    assert absent.which == "validation"
    assert ratios_of("Si", absent) == []
    testing.assert_allclose(ratios_of("Si", held)[1], held.errors.forces / 0.1086)


def test_job_that_fails_says_why(data: Path) -> None:
    """With what the command line said."""
    with pytest.raises(RuntimeError, match=r"(?s)the job in .* failed:.*there is no file"):
        run(Dataset(("nowhere.xyz",)), Settings(data, 0, None, None, None), Path("run"))


def test_table_has_ours_beside_theirs(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the geometric mean of the ratios."""
    made = Outcome("test", Published(2.0, 0.05), Published(3, 0.1), {}, 60, 61)
    groups = replace(made, by_group={"Mo": Published(1, 2)})
    monkeypatch.setattr(
        "benchmarks.accuracy.__main__.run", lambda data, *_: groups if data.by_group else made
    )
    Path("accuracy-runs").mkdir()
    result = CliRunner().invoke(app, [str(data), "--sets", "Si,MoNbTaW"])
    assert result.exit_code == 0, result.output
    assert "NNP 5.63, 0.1086" in result.output
    assert "SNAP 2.48, 0.1264" in result.output
    mean = np.sqrt(2.0 / 5.633 * 0.05 / 0.1086)
    assert f"geometric mean of 2 errors of test sets: {mean:.3f}" in result.output
    assert CliRunner().invoke(app, [str(data), "--sets", "Xx"]).exit_code == 2


def test_optimisers_are_timed_until_they_are_as_good(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first epoch whose errors are below both published ones; or it is said that none is."""
    within_reach = replace(SMALL, published={"NNP": Published(1000, 10)})
    out_of_reach = replace(SMALL, published={"NNP": Published(1000, 0)})
    known = {"easy": within_reach, "hard": out_of_reach}
    monkeypatch.setattr("benchmarks.accuracy.optimizers.DATASETS", known)
    options = [str(data), "--sets", "easy,hard", "--optimizers", "kalman", "--epochs", "2"]
    result = CliRunner().invoke(optimizers_app, options)
    assert result.exit_code == 0, result.output
    easy, hard = (
        next(line for line in result.output.splitlines() if line.startswith(f"{name} kalman"))
        for name in known
    )
    assert easy.split()[3:5] == ["s", "1"]
    assert "not reached -" in hard
    wrong = CliRunner().invoke(optimizers_app, [str(data), "--optimizers", "sgd"])
    assert wrong.exit_code == 2
