"""Kill runs at random moments, and see that nothing is lost: `python tests/faults.py --kills 100`.

A fit and a run of molecular dynamics are killed, each again and again until they come to their end.
After each kill all files must be whole and readable, and no checkpoint may be older than one before
it; at the end all numbers must be those of runs that were left alone.
"""

import argparse
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # a process with threads cannot be forked

import numpy as np
import torch
import yaml
from ase_silicon import SILICON, silicon
from PIL import Image
from silicon import labelled

import miniff.presentation  # noqa: F401 - here, not in each of the processes that are killed
from miniff.io import write_extxyz
from miniff.kernel import Cell
from miniff.ml import load_potentials, save_potentials
from miniff.ml._tensor_files import read_tensors
from miniff.ml_util import run_job_file

FIT = {
    "init": {"seed": 1, "threads": 1},
    "prepare": {"fn_cells": "train.xyz", "cutoff": 4.5, "validation_set": 0.2, "n_models": 2},
    "run": {"n_epochs": 25, "checkpoint_s": 0},
}
MD = {
    "init": {"seed": 1, "threads": 1},
    "prepare": {"fn_cells": "start.xyz", "potentials": "formula.pt", "repeat": [2, 2, 2]},
    "run": {"n_steps": 2000, "every": 5, "checkpoint_s": 0.02},
}
JOBS: dict[str, dict[str, Any]] = {"fit": {"fit": FIT}, "md": {"md": MD}}


def prepare(folder: Path, name: str) -> None:
    """The files that a job reads."""
    folder.mkdir()
    write_extxyz(folder / "train.xyz", labelled(12, seed=0))
    Cell.save(Cell.from_ase(silicon(1, rattle=0.05)), folder / "start.xyz")
    save_potentials(folder / "formula.pt", SILICON)
    (folder / "jobs.yml").write_text(yaml.safe_dump(JOBS[name]))


def start(folder: Path) -> int:
    """A process that runs the job of a folder: its number."""
    number = os.fork()
    if number:
        return number
    code = 1
    try:
        os.chdir(folder)
        said = os.open("said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(said, 1)
        os.dup2(said, 2)
        torch.set_num_threads(1)
        run_job_file("jobs.yml")
        code = 0
    finally:
        sys.stdout.flush()
        os._exit(code)


def is_over(number: int, seconds: float) -> bool:
    """Waits so long at most."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(number, os.WNOHANG)
        if done:
            assert status == 0, f"the run ended with {status}"
            return True
        time.sleep(0.001)
    return False


def whole_table(path: Path) -> None:
    """All lines have as many columns, and end."""
    text = path.read_text()
    assert not text or text.endswith("\n")
    assert len({line.count(",") for line in text.splitlines()}) <= 1


def whole_picture(path: Path) -> None:
    """It can be opened, to its last byte."""
    with Image.open(path) as image:
        image.load()


LOOK: dict[str, Callable[[Path], object]] = {
    ".json": lambda path: json.loads(path.read_text()),
    ".pt": load_potentials,
    ".checkpoint": read_tensors,
    ".extxyz": lambda path: Cell.load(path) if path.stat().st_size else None,
    ".xyz": Cell.load,
    ".csv": whole_table,
    ".png": whole_picture,
}


def look(folder: Path) -> float:
    """Reads every file; how far the checkpoint is, -1 without one."""
    far = -1.0
    for path in folder.iterdir():
        if path.suffix in LOOK:
            found = LOOK[path.suffix](path)
            if path.suffix == ".checkpoint":
                far = progress(found["state"])  # type: ignore[index]
    return far


def progress(state: Any) -> float:
    """Steps or epochs."""
    if "integrator" in state:
        return float(state["integrator"]["step"])
    return float(len(state["records"]))


def numbers(folder: Path) -> dict[str, Any]:
    """All that must be the same to the bit."""
    found: dict[str, Any] = {}
    for path in sorted(folder.glob("*.extxyz")):
        found[path.name] = path.read_bytes()
    for path in folder.glob("*.csv"):
        found[path.name] = [line.rpartition(",")[0] for line in path.read_text().splitlines()]
    for path in folder.glob("*.json"):
        report = json.loads(path.read_text())
        found[path.name] = {k: report.get(k) for k in ("errors", "averages", "n_steps")}
    for path in folder.glob("potentials.pt"):
        states = [potential.state_dict() for potential in load_potentials(path)]
        found[path.name] = repr([_plain(state) for state in states])
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def kill_often(name: str, n_kills: int, rng: random.Random, above: Path) -> None:
    """Kills runs of a job so often, and lets the last one come to its end."""
    alone = above / "alone"
    prepare(alone, name)
    begun = time.monotonic()
    assert is_over(start(alone), 600)
    seconds = time.monotonic() - begun
    expected = numbers(alone)
    n_killed, n_ended, n_resumed, far = 0, 0, 0, -1.0
    folder = above / "0"
    prepare(folder, name)
    while n_killed < n_kills or far >= 0 or not n_ended:
        number = start(folder)
        wait = rng.uniform(0, 0.7 * seconds) if n_killed < n_kills else 600.0
        if is_over(number, wait):
            look(folder)
            assert numbers(folder) == expected, f"{folder} has other numbers than {alone}"
            left = [path.name for path in folder.glob(".miniff-*")]
            n_ended, far = n_ended + 1, -1.0
            folder = above / str(n_ended)
            prepare(folder, name)
            print(f"{name}: {n_killed} kills, {n_ended} ends, left over {left}", flush=True)
            continue
        os.kill(number, signal.SIGKILL)
        os.waitpid(number, 0)
        n_killed += 1
        now = look(folder)
        assert now >= far, f"the checkpoint went back from {far} to {now}"
        n_resumed += now >= 0
        far = now
    print(
        f"{name}: {n_killed} kills, {n_resumed} of them with a checkpoint, in runs of "
        f"{seconds:.1f} s; {n_ended} came to their end, with the same numbers"
    )


def main() -> None:
    """Half of the kills for each of the jobs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    for place, name in enumerate(JOBS):
        n = given.kills // 2 + (place < given.kills % 2)
        with TemporaryDirectory(prefix=f"miniff-faults-{name}-") as folder:
            kill_often(name, n, rng, Path(folder))


if __name__ == "__main__":
    main()
