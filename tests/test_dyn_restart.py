"""Runs that are stopped against runs that are left alone."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase_silicon import SILICON, committee, silicon
from crystal_runs import CRYSTAL, FS, RUNS, moved

from miniff import dyn
from miniff.kernel import Cell
from miniff.kernel import eval as evaluate
from miniff.ml import save_potentials


@pytest.mark.parametrize("name", RUNS)
def test_a_run_in_two_parts_is_the_run_in_one(folder: Path, name: str) -> None:
    """To the bit: positions, velocities, energies and all that was written, new lists included."""
    whole = moved(name, 90, record=dyn.Record("whole.extxyz", every=10))
    record = dyn.Record("parts.extxyz", checkpoint="parts.checkpoint", every=10)
    for n_steps in (0, 47, 90, 90):
        parts = moved(name, n_steps, record=record)
        assert parts.step == n_steps
    np.testing.assert_array_equal(parts.positions, whole.positions)
    np.testing.assert_array_equal(parts.velocities, whole.velocities)
    np.testing.assert_array_equal(parts.vectors, whole.vectors)
    assert parts.energy == whole.energy
    assert parts.conserved == whole.conserved
    assert Path("parts.extxyz").read_bytes() == Path("whole.extxyz").read_bytes()
    assert len(ase.io.read("whole.extxyz", ":")) == 10


def test_what_was_written_after_the_checkpoint_is_cut_off(folder: Path) -> None:
    """In all three kinds of files, also a part of a frame."""
    whole = moved("langevin", 60, record=dyn.Record("whole.traj", "whole.csv", every=10))
    for ending in (".traj", ".extxyz"):
        record = dyn.Record(f"a{ending}", "a.csv", checkpoint=f"a{ending}.checkpoint", every=10)
        moved("langevin", 30, record=record)
        checkpoint = Path(record.checkpoint).read_bytes()
        moved("langevin", 50, record=record)
        Path(record.checkpoint).write_bytes(checkpoint)
        with open("a.csv", "a") as file:
            file.write("55,")
        if ending == ".extxyz":
            with open("a.extxyz", "a") as file:
                file.write("64\nLattice=")
        end = moved("langevin", 60, record=record)
        assert end.energy == whole.energy
        frames = ase.io.read(record.trajectory, ":")
        expected = ase.io.read("whole.traj", ":")
        assert [f.info.get("step", k * 10) for k, f in enumerate(frames)] == list(range(0, 70, 10))
        for ours, theirs in zip(frames, expected, strict=True):
            np.testing.assert_array_equal(ours.positions, theirs.positions)
        ours, theirs = (np.genfromtxt(n, delimiter=",", names=True) for n in ("a.csv", "whole.csv"))
        for column in ours.dtype.names[:-1]:
            np.testing.assert_array_equal(ours[column], theirs[column])


KILLED = """
import sys
from miniff import dyn, ml
from miniff.kernel import Cell
from ase import units

(cell,) = Cell.load("start.extxyz")
record = dyn.Record(sys.argv[1], "md.csv", checkpoint="md.checkpoint", every=2, checkpoint_s=0.05)
dyn.nvt(
    cell, ml.load_potentials("p.pt"), n_steps=10**8, timestep=units.fs, temperature=900,
    record=record, skin=0.3,
)
"""


@pytest.mark.parametrize("trajectory", ["md.extxyz", "md.traj"])
def test_a_killed_run_goes_on(folder: Path, trajectory: str) -> None:
    """kill -9 at any time leaves files that can be read; in the end the numbers are the same."""
    Cell.save(CRYSTAL, "start.extxyz")
    save_potentials("p.pt", SILICON)
    process = subprocess.Popen([sys.executable, "-c", KILLED, trajectory])
    waited = time.monotonic()
    while not Path("md.checkpoint").exists() or len(Path("md.csv").read_text()) < 4000:
        assert process.poll() is None
        assert time.monotonic() - waited < 300
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    frames = ase.io.read(trajectory, ":")
    n_rows = len(Path("md.csv").read_text().splitlines()) - 1
    assert len(frames) > 20
    assert abs(len(frames) - n_rows) <= 1
    np.testing.assert_allclose(
        frames[20].get_potential_energy(),
        evaluate(SILICON, Cell.from_ase(frames[20].copy())).energy,
        rtol=1e-12,
    )
    (cell,) = Cell.load("start.extxyz")
    given = {"n_steps": 2 * len(frames) + 40, "timestep": FS, "temperature": 900, "skin": 0.3}
    record = dyn.Record(
        trajectory, "md.csv", checkpoint="md.checkpoint", every=2, checkpoint_s=0.05
    )
    end = dyn.nvt(cell, SILICON, record=record, **given)
    alone = dyn.nvt(cell, SILICON, record=dyn.Record(f"alone-{trajectory}", every=2), **given)
    np.testing.assert_array_equal(end.positions, alone.positions)
    np.testing.assert_array_equal(end.velocities, alone.velocities)
    there, expected = (ase.io.read(name, ":") for name in (trajectory, f"alone-{trajectory}"))
    assert len(there) == len(expected) == len(frames) + 21
    for ours, theirs in zip(there, expected, strict=True):
        np.testing.assert_array_equal(ours.positions, theirs.positions)


def test_a_full_disk_leaves_whole_frames(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written of a frame is taken back; with room again the run goes on."""
    record = dyn.Record("a.extxyz", checkpoint="a.checkpoint", every=10)
    moved("nve", 20, record=record)
    before = Path("a.extxyz").read_bytes()
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: write(file, data[: len(data) // 2]))
        with pytest.raises(OSError, match=r"a\.extxyz.*is the disk full\?"):
            moved("nve", 40, record=record)
    assert Path("a.extxyz").read_bytes() == before
    moved("nve", 40, record=record)
    assert len(ase.io.read("a.extxyz", ":")) == 5


def test_ctrl_c_leaves_a_checkpoint(folder: Path) -> None:
    """Of the step it came in; the run goes on to the same numbers."""
    record = dyn.Record(checkpoint="c", every=5)

    def interrupt(state: dyn.State) -> None:
        if state.step == 20:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        moved("langevin", 60, record=record, observe=interrupt, every=5)
    assert signal.getsignal(signal.SIGINT) is before
    steps: list[int] = []
    end = moved("langevin", 60, record=record, observe=lambda s: steps.append(s.step), every=5)
    assert steps[0] == 25
    assert end.energy == moved("langevin", 60).energy


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"temperature": 800}, "c belongs to another run, which is complete (10 steps): `temper"),
        ({"temperature": 800}, ": `temperature` was 1500 K but here it is 800 K. Delete c to"),
        ({"seed": 4}, ": `seed` was 3 but here it is 4. Delete c to start anew"),
        ({"skin": 0.4}, ": `skin` was 0.3 but here it is 0.4. Delete c to start anew"),
        ({"n_steps": 3}, "`n_steps` is 3 but the run that c is of has made 10 steps: ask for more"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(folder: Path, change, sentence) -> None:
    """With the difference."""
    record = dyn.Record("a.extxyz", checkpoint="c")
    moved("langevin", 10, record=record)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        moved("langevin", **{"n_steps": 20, **change}, record=record)


def test_other_atoms_or_potentials_are_another_run(folder: Path) -> None:
    """By a hash of all their numbers."""
    record = dyn.Record(checkpoint="c")
    given = {"n_steps": 5, "timestep": FS, "temperature": 100, "record": record}
    dyn.nvt(CRYSTAL, SILICON, **given)
    with pytest.raises(ValueError, match=r"steps\): `potentials` is another\. Delete c"):
        dyn.nvt(CRYSTAL, [SILICON[0], SILICON[1], committee()[0]], **given)
    with pytest.raises(ValueError, match=r"steps\): `structure` is another\. Delete c"):
        dyn.nvt(Cell.from_ase(silicon(2, rattle=0.03)), SILICON, **given)
    with pytest.raises(ValueError, match=r"`atoms` was Si\d+ but here it is Si8, `structure` is"):
        dyn.nvt(Cell.from_ase(silicon(1, rattle=0.05)), SILICON, **given)
    Path("c").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"c is damaged \(.*\): delete c to start anew"):
        dyn.nvt(CRYSTAL, SILICON, **given)


@pytest.mark.parametrize("name", ["a.extxyz", "a.traj"])
def test_a_trajectory_that_is_gone_is_missed(folder: Path, name: str) -> None:
    """Else a run would go on without its beginning."""
    record = dyn.Record(name, checkpoint="c", every=5)
    moved("nve", 10, record=record)
    Path(name).unlink()
    with pytest.raises(ValueError, match=rf"^{re.escape(name)} ha.* when the checkpoint was"):
        moved("nve", 20, record=record)
