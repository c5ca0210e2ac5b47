"""One job for each data set, by the command line as a user would, and the errors it reports."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import yaml

from benchmarks.accuracy.datasets import Dataset, Published

__all__ = ["Outcome", "Settings", "run"]


@dataclass(frozen=True)
class Settings:
    """What is the same for all data sets.

    Attributes:
        data: The folder with the data sets.
        seed: Of the job.
        quality: Of the job; its default if None.
        n_epochs: Of the job; what its quality says if None.
        threads: Of the job; what the environment says if None.
    """

    data: Path
    seed: int
    quality: str | None
    n_epochs: int | None
    threads: int | None


@dataclass(frozen=True)
class Outcome:
    """What a job reached.

    Attributes:
        which: The set whose errors these are.
        errors: Over all its structures.
        rmse: The same, root mean squares.
        by_group: Of the structures of each group, of a test set.
        train_s: Seconds of the training.
        wall_s: Seconds of the whole job.
    """

    which: str
    errors: Published
    rmse: Published
    by_group: dict[str, Published]
    train_s: float
    wall_s: float


def run(dataset: Dataset, settings: Settings, folder: Path) -> Outcome:
    """Runs the job in a folder, which keeps all that it writes.

    Raises:
        RuntimeError: The job failed; the message is what it said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    test = [name for name in dataset.test if (settings.data / name).exists()]
    (folder / "jobs.yml").write_text(yaml.safe_dump(_job(dataset, settings, test), sort_keys=False))
    start = os.times().elapsed
    command = [sys.executable, "-m", "miniff", "jobs.yml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    wall_s = os.times().elapsed - start
    (folder / "out.log").write_text(done.stdout + done.stderr)
    if done.returncode != 0:
        raise RuntimeError(f"the job in {folder} failed:\n{done.stderr}")
    fit = json.loads((folder / "fit.json").read_text())
    which = "test" if test or dataset.held_out else "validation"
    errors = (
        json.loads((folder / "test-direct.json").read_text())["errors"]
        if test
        else (fit["errors"][which])
    )
    return Outcome(
        which=which,
        errors=Published(1e3 * errors["energy"]["mae"], errors["forces"]["mae"]),
        rmse=Published(1e3 * errors["energy"]["rmse"], errors["forces"]["rmse"]),
        by_group=_by_group(folder / "test-direct.extxyz", dataset) if test else {},
        train_s=fit["wall_time_s"],
        wall_s=wall_s,
    )


def _job(dataset: Dataset, settings: Settings, test: list[str]) -> dict[str, object]:
    init: dict[str, object] = {"seed": settings.seed}
    if settings.threads is not None:
        init["threads"] = settings.threads
    prepare: dict[str, object] = {"fn_cells": [str(settings.data / n) for n in dataset.train]}
    if dataset.held_out:
        prepare["test_set"] = dataset.held_out
    if settings.quality is not None:
        prepare["quality"] = settings.quality
    fit: dict[str, object] = {"init": init, "prepare": prepare}
    if settings.n_epochs is not None:
        fit["run"] = {"n_epochs": settings.n_epochs}
    job: dict[str, object] = {"fit": fit}
    if test:
        job["test-direct"] = {"prepare": {"fn_cells": [str(settings.data / n) for n in test]}}
    return job


def _by_group(path: Path, dataset: Dataset) -> dict[str, Published]:
    """Errors of each group, after one energy for each element is fitted, as others did."""
    if not dataset.by_group:
        return {}
    frames: list[Any] = list(ase.io.iread(path, ":"))
    names = sorted({name for atoms in frames for name in atoms.symbols})
    counts = np.array([[atoms.symbols.count(name) for name in names] for atoms in frames])
    off = np.array([a.info["energy_pred"] - a.get_potential_energy() for a in frames])
    shift = np.linalg.lstsq(counts, off, rcond=None)[0]
    energy = np.abs(off - counts @ shift) / counts.sum(axis=1)
    found = {}
    for group in dataset.by_group:
        mine = [i for i, atoms in enumerate(frames) if _group(atoms) == group]
        if mine:
            forces = [
                np.abs(frames[i].arrays["forces_pred"] - frames[i].get_forces()) for i in mine
            ]
            mae = float(np.concatenate(forces).mean())
            found[group] = Published(1e3 * float(energy[mine].mean()), mae)
    return found


def _group(atoms: ase.Atoms) -> str:
    """The published group that a structure's own name of it begins with."""
    return str(atoms.info.get("group", "")).split("_")[0]
