"""Jobs whose atoms leave the training set: the log tells, frames are kept, or they stop."""

import json
from pathlib import Path

import numpy as np
import pytest
from hot_silicon import far
from hot_silicon import potentials as potentials  # a fixture
from silicon import SILICON
from trained import crystal

from miniff import ml
from miniff.kernel import Cell
from miniff.kernel import eval as evaluate
from miniff.ml_util import JobError, exec_workflows


def job(workflow: str, prepare: dict, **keys) -> object:
    content = {"init": {"log": "warning"}, "prepare": prepare, "run": keys}
    (result,) = exec_workflows({workflow: content})
    return result


@pytest.fixture
def files(potentials, folder: Path) -> Path:
    ml.save_potentials("potentials.pt", potentials)
    Cell.save(crystal(), "start.xyz")
    known = {"energy": -30.0}
    cells = [crystal(), far()]
    cells = [Cell(c.vectors, c.coordinates, c.values, known) for c in cells]
    Cell.save(cells, "two.xyz")
    return folder


def test_job_of_dynamics_keeps_frames_and_stops(files: Path, capsys) -> None:
    """Nothing is asked for: the log tells, and `to-label.xyz` is there."""
    keys = {"n_steps": 60, "temperature_k": 6000.0, "every": 10}
    job("md", {"fn_cells": "start.xyz"}, **keys)
    log = Path("md.log").read_text()
    assert "warning: at step " in log
    assert "(Si, counted from 0) is outside of the training set" in log
    assert "1 frames with atoms outside of the training set are in to-label.xyz" in log
    assert "md: warning: at step " in capsys.readouterr().out
    (frame,) = Cell.load("to-label.xyz")
    assert frame.meta["run"] == "md"
    assert frame.meta["origin"].startswith("start.xyz, structure 0")
    report = json.loads(Path("md.json").read_text())
    assert report["largest_extrapolation"] > 1
    Path("md.checkpoint").unlink()
    with pytest.raises(FloatingPointError, match=r"`stop_extrapolation` is 1.05; kept.xyz has the"):
        job("md", {"fn_cells": "start.xyz"}, stop_extrapolation=1.05, to_label="kept.xyz", **keys)
    assert Cell.load("kept.xyz")[-1].meta["largest_extrapolation"] > 1.05
    Path("to-label.xyz").unlink()
    Path("md.checkpoint").unlink(missing_ok=True)
    job("md", {"fn_cells": "start.xyz"}, to_label=None, **keys)
    assert not Path("to-label.xyz").exists()


@pytest.mark.parametrize("workflow", ["relax", "test-relax"])
@pytest.mark.parametrize("keys", [{}, {"optimizer": "fire"}])
def test_jobs_of_relaxations_keep_frames_and_give_up(
    files: Path, workflow: str, keys: dict
) -> None:
    """Together and one by one; the report has the largest grade of each end."""
    job(workflow, {"fn_cells": "two.xyz"}, free="positions", max_steps=30, **keys)
    log = Path(f"{workflow}.log").read_text()
    assert "two.xyz, structure 1 (counted from 0)" in log
    assert "is outside of the training set" in log
    assert {c.meta["run"] for c in Cell.load("to-label.xyz")} == {workflow}
    inside, outside = json.loads(Path(f"{workflow}.json").read_text())["structures"]
    assert inside["largest_extrapolation"] < 1 < outside["largest_extrapolation"]
    with pytest.raises(FloatingPointError, match=r"structure 1 .*`stop_extrapolation` is 1.1"):
        job(workflow, {"fn_cells": "two.xyz"}, stop_extrapolation=1.1, max_steps=30, **keys)


def test_jobs_of_formulas_need_no_training_set(files: Path) -> None:
    """Nothing is kept, nothing is told; a limit is refused."""
    ml.save_potentials("formulas.pt", SILICON)
    prepare = {"fn_cells": "start.xyz", "potentials": "formulas.pt"}
    job("md", prepare, n_steps=5, temperature_k=6000.0)
    job("relax", prepare)
    assert not Path("to-label.xyz").exists()
    assert json.loads(Path("md.json").read_text())["largest_extrapolation"] is None
    with pytest.raises(ValueError, match=r"`stop_extrapolation` is 2\.0 but no potential knows"):
        job("relax", prepare, stop_extrapolation=2.0)
    with pytest.raises(JobError, match="stop_extrapolation"):
        job("relax", prepare, stop_extrapolation=0.5)


def test_test_direct_has_the_extrapolation(files: Path) -> None:
    """Of each atom in its file, counted in its report; null where it is not known."""
    job("test-direct", {"fn_cells": "two.xyz"})
    report = json.loads(Path("test-direct.json").read_text())
    assert report["n_atoms_outside_training"] == 8
    potentials = ml.load_potentials("potentials.pt")
    for cell in Cell.load("test-direct.extxyz"):
        wanted = evaluate(potentials, cell).extrapolation
        np.testing.assert_allclose(cell.meta["extrapolation"], wanted, rtol=1e-9)
    assert report["largest_extrapolation"] == pytest.approx(wanted.max())
    ml.save_potentials("formulas.pt", SILICON)
    job("test-direct", {"fn_cells": "two.xyz", "potentials": "formulas.pt"})
    report = json.loads(Path("test-direct.json").read_text())
    assert report["n_atoms_outside_training"] is None
    assert "extrapolation" not in Cell.load("test-direct.extxyz")[0].meta
