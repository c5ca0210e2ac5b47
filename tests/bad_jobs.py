"""Bad jobs, and bad files that an earlier run of a job left."""

from pathlib import Path

import yaml
from bad_inputs import BOX, GOOD, Words, bad, job_of

from miniff.ml._checkpoint import Checkpoint, Progress
from miniff.ml_util import run_job_file


def job(words: str, content: str) -> None:
    """A job file with this content."""

    def make() -> Words:
        Path("jobs.yml").write_text(content)
        return ["jobs.yml"]

    bad(words)(make)


job("a tab", "fit:\n\tprepare: {fn_cells: good.xyz}\n")
job("a key given twice", "fit:\n  prepare: {fn_cells: good.xyz, fn_cells: good.xyz}\n")
job("a number as text", "fit:\n  prepare: {fn_cells: good.xyz}\n  run: {n_epochs: 1e5}\n")
job("a wrong type", "fit:\n  prepare: {fn_cells: good.xyz}\n  run: {n_epochs: many}\n")
job("a number out of range", "fit:\n  prepare: {fn_cells: good.xyz}\n  run: {n_epochs: 0}\n")
job("a misspelt key", "fit:\n  prepare: {fn_cells: good.xyz}\n  run: {n_epoch: 10}\n")
job("a misspelt workflow", "fitt:\n  prepare: {fn_cells: good.xyz}\n")
job("a key that is missing", "fit:\n  run: {n_epochs: 10}\n")
job("a misspelt file", "fit:\n  prepare: {fn_cells: god.xyz}\n")
job("an output over an input", "fit:\n  prepare: {fn_cells: good.xyz}\n  run: {save: good.xyz}\n")
job("an output over the job", "fit:\n  prepare: {fn_cells: good.xyz}\n  run: {save: jobs.yml}\n")
job("an output in no folder", "fit:\n  prepare: {fn_cells: good.xyz}\n  run: {save: out/p.pt}\n")
job("an object of Python", "fit: !!python/object/apply:os.system ['touch run']\n")
job(
    "keys that do not go together",
    "md:\n  prepare: {fn_cells: good.xyz, potentials: lj.json}\n"
    "  run: {n_steps: 5, ensemble: nve, pressure_gpa: 1.0}\n",
)
job("an empty job", "")
job("a list in place of a job", "- fit\n")
job("brackets that do not close", "fit: {prepare: {fn_cells: good.xyz}\n")


@bad("aliases without end")
def _() -> Words:
    lines = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for old, new in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]")
    Path("jobs.yml").write_text("\n".join(lines))
    return ["jobs.yml"]


@bad("no label at all")
def _() -> Words:
    Path("a.xyz").write_text(9 * GOOD.replace(" energy=-1.5", ""))
    job_of("a.xyz")
    return ["jobs.yml"]


@bad("a species in the test set alone")
def _() -> Words:
    Path("a.xyz").write_text(GOOD.replace("Si 2", "Ge 2"))
    Path("jobs.yml").write_text("fit:\n  prepare: {fn_cells: good.xyz, test_set: a.xyz}\n")
    return ["jobs.yml"]


@bad("a test set that was trained on")
def _() -> Words:
    Path("b.xyz").write_bytes(Path("good.xyz").read_bytes())
    Path("jobs.yml").write_text("fit:\n  prepare: {fn_cells: good.xyz, test_set: b.xyz}\n")
    return ["jobs.yml"]


@bad("a structure without atoms")
def _() -> Words:
    Path("a.xyz").write_text(f"0\n{BOX} energy=0\n")
    job_of("[good.xyz, a.xyz]")
    return ["jobs.yml"]


@bad("a time step that is too long")
def _() -> Words:
    Path("a.xyz").write_text(GOOD)
    Path("jobs.yml").write_text(
        "md:\n  prepare: {fn_cells: a.xyz, potentials: lj.json}\n"
        "  run: {n_steps: 50, timestep_fs: 1000000}\n"
    )
    return ["jobs.yml"]


# --- what runs leave


@bad("a damaged checkpoint")
def _() -> Words:
    Path("fit.checkpoint").write_bytes(b"PK\x03\x04" + bytes(100))
    job_of("good.xyz")
    return ["jobs.yml"]


@bad("a checkpoint of another run")
def _() -> Words:
    Checkpoint(Path("fit.checkpoint"), {"run": {"n_epochs": 3}}, 0.0).save(
        {}, Progress(2, 3, "epochs")
    )
    job_of("good.xyz")
    return ["jobs.yml"]


@bad("a trajectory that is gone")
def _() -> Words:
    job = {
        "init": {"threads": 1, "log": "warning"},
        "prepare": {"fn_cells": "a.xyz", "potentials": "lj.json"},
        "run": {"n_steps": 4, "every": 1},
    }
    Path("a.xyz").write_text(GOOD)
    Path("jobs.yml").write_text(yaml.safe_dump({"md": job}))
    run_job_file("jobs.yml")
    Path("md.extxyz").write_text("")
    job["run"]["n_steps"] = 6
    Path("jobs.yml").write_text(yaml.safe_dump({"md": job}))
    return ["jobs.yml"]
