"""Full disks, folders that are read-only, files that vanish under way, and runs that are killed.

`nox -s faults` kills a hundred runs; here are a few.

A disk is full where the system lets files grow to a limit alone (RLIMIT_FSIZE): writing fails in
the middle of a file as on a full disk, and no disk need be filled, nor mounted by an administrator.
"""

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import faults
import pytest
import yaml
from ase_silicon import SILICON, silicon
from silicon import labelled
from typer.testing import CliRunner

from miniff import dyn, ml
from miniff.cli import app
from miniff.io import write_extxyz
from miniff.kernel import Cell
from miniff.ml_util import exec_workflows

HERE = Path(__file__).parent


def test_killed_runs_lose_nothing() -> None:
    """Six kills of fits and of dynamics; in the end the numbers are those of runs left alone."""
    command = [sys.executable, str(HERE / "faults.py"), "--kills", "6", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    told = re.findall(r"(\w+): 3 kills, \d of them.*; (\d+) came to their end", done.stdout)
    assert [name for name, _ in told] == ["fit", "md"]
    assert all(int(n_ended) for _, n_ended in told)


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """No file can grow beyond it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def run(job: dict[str, Any]) -> str:
    """The job from the command line, which is refused: what is said."""
    Path("jobs.yml").write_text(yaml.safe_dump(job))
    done = CliRunner().invoke(app, ["jobs.yml"])
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    return " ".join(done.output.split())


def fit(**keys: Any) -> dict[str, Any]:
    prepare = {"fn_cells": "train.xyz", "cutoff": 4.5, "n_models": 1}
    return {
        "fit": {
            "init": {"threads": 1, "log": "warning"},
            "prepare": prepare,
            "run": {"n_epochs": 4, **keys},
        }
    }


@pytest.fixture
def silicon_files(folder: Path) -> Path:
    """What jobs read."""
    write_extxyz("train.xyz", labelled(6, seed=0))
    ml.save_potentials("formula.pt", SILICON)
    Cell.save(Cell.from_ase(silicon(2, rattle=0.05)), "start.xyz")
    return folder


def test_a_fit_on_a_full_disk_goes_on_later(silicon_files: Path) -> None:
    """The file that has no room is named; what there was before it stays as it was."""
    (whole,) = exec_workflows(fit())
    old = Path("potentials.pt").read_bytes()
    with files_of_at_most(4000):
        said = run(fit(checkpoint_s=0, save=None))
    assert "`fit.checkpoint` cannot be written: File too large" in said
    with files_of_at_most(len(old) - 1):
        said = run(fit(n_epochs=4, checkpoint_s=1000.0))
    assert "`potentials.pt` cannot be written: File too large" in said
    assert Path("potentials.pt").read_bytes() == old
    Path("fit.checkpoint").unlink(missing_ok=True)
    assert not list(silicon_files.glob(".miniff-*"))
    (again,) = exec_workflows(fit())
    assert [r.loss for r in again.records] == [r.loss for r in whole.records]


MD = {
    "init": {"threads": 1, "log": "warning"},
    "prepare": {"fn_cells": "start.xyz", "potentials": "formula.pt"},
    "run": {"n_steps": 40, "every": 2, "checkpoint_s": 0},
}


def test_dynamics_on_a_full_disk_keep_whole_frames(silicon_files: Path) -> None:
    """The run ends with a sentence, and goes on to the same bits when there is room."""
    exec_workflows({"md": MD})
    whole = Path("md.extxyz").read_bytes()
    for path in silicon_files.glob("md.*"):
        path.unlink()
    with files_of_at_most(len(whole) // 2):
        said = run({"md": MD})
    assert "md.extxyz: an entry could not be written, those before it are whole" in said
    there = Cell.load("md.extxyz")
    assert 3 < len(there) < 21
    exec_workflows({"md": MD})
    assert Path("md.extxyz").read_bytes() == whole


def test_a_log_on_a_full_disk_is_named(silicon_files: Path) -> None:
    """`/dev/full` is a disk that is always full."""
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    Path("fit.log").symlink_to("/dev/full")
    assert "fit.log cannot be written: No space left on device" in run(fit())
    Path("md.csv").symlink_to("/dev/full")
    assert "md.csv: an entry could not be written" in run({"md": MD})


@contextmanager
def as_nobody() -> Iterator[None]:
    """An administrator may write anywhere: do without the rights for a while."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def test_a_read_only_folder_is_named_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both that of the logs and that of what is saved; nothing is written."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        monkeypatch.chdir(folder)
        write_extxyz("train.xyz", labelled(6, seed=0))
        exec_workflows(fit())  # loads what it needs with all rights
        for path in ("fit.log", "fit.json", "potentials.pt"):
            Path(path).unlink()
        Path("jobs.yml").touch()
        for path in folder.iterdir():
            path.chmod(0o666)
        (folder / "out").mkdir(mode=0o555)
        folder.chmod(0o777)
        with as_nobody():
            said = run(fit(save="out/p.pt"))
            assert "`fit.run.save`: out/p.pt cannot be written: the folder out is read-only" in said
        folder.chmod(0o555)
        before = sorted(folder.iterdir())
        with as_nobody():
            said = run(fit(save=None))
        assert "fit.log: Permission denied" in said
        assert sorted(folder.iterdir()) == before
        folder.chmod(0o777)
        monkeypatch.undo()


@pytest.mark.parametrize("name", ["md.extxyz", "md.csv", "md.traj"])
def test_a_record_that_is_deleted_under_way_is_missed(folder: Path, name: str) -> None:
    """Frames would go to nowhere until the end."""
    table = name if name.endswith(".csv") else None
    record = dyn.Record(None if table else name, table, every=2)

    def delete(state: dyn.State) -> None:
        if state.step == 4:
            Path(name).unlink()

    with pytest.raises(FileNotFoundError, match=rf"{re.escape(name)} was deleted while the run wr"):
        dyn.nve(
            Cell.from_ase(silicon(1, rattle=0.05)),
            SILICON,
            n_steps=20,
            timestep=0.1,
            record=record,
            observe=delete,
            every=2,
        )


def test_a_folder_that_is_deleted_under_way_is_named(silicon_files: Path) -> None:
    """Here that of what is saved, while networks are trained."""
    os.mkdir("out")
    job = fit(save="out/p.pt")
    exec_workflows(job)
    assert json.loads(Path("fit.json").read_text())["errors"]
    from miniff.ml_util._progress import TrainingProgress

    update = TrainingProgress.update

    def delete(self: TrainingProgress, record: Any) -> None:
        update(self, record)
        for path in Path("out").iterdir():
            path.unlink()
        os.rmdir("out")
        TrainingProgress.update = update  # type: ignore[method-assign]

    TrainingProgress.update = delete  # type: ignore[method-assign]
    try:
        said = run(job)
    finally:
        TrainingProgress.update = update  # type: ignore[method-assign]
    assert "`out/p.pt` cannot be written: no folder" in said


def test_looking_finds_what_is_half(folder: Path) -> None:
    """The script that kills runs would notice: half a report, half a table, half a frame."""
    for name, half in [("a.json", '{"a"'), ("a.csv", "1,2\n3"), ("a.extxyz", "2\n\nSi 0 0 0\n")]:
        Path(name).write_text(half)
        with pytest.raises((ValueError, AssertionError)):
            faults.look(folder)
        Path(name).unlink()
    assert faults.look(folder) == -1
