"""What `test_processes.py` runs in two processes and in one: fits that must not differ."""

import atexit
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from miniff.ml import ProcessError, processes_of_torchrun
from miniff.ml_util import exec_workflows
from miniff.ml_util._progress import TrainingProgress

OPTIONS: dict[str, dict[str, Any]] = {
    "lbfgs": {"optimizer_kwargs": {"max_iter": 4}},
    "levenberg": {"optimizer_kwargs": {"max_iter": 2, "n_rows": 60}},
    "kalman": {"batch_size": 4},
    "adam": {"batch_size": 6},
}


def job(optimizer: str, **run: Any) -> dict[str, Any]:
    """Two models of two species, some structures without forces, a baseline, components."""
    prepare = {
        "fn_cells": "train.json",
        "cutoff": 3.2,
        "descriptors": "default",
        "validation_set": 0.2,
        "test_set": 0.15,
        "forces_fraction": 0.7,
        "pca_features": 0.02,
        "min_spread": 1e-4,
        "baseline": {"family": "lj", "epsilon": 0.1, "sigma": 1.2, "a": 3.0},
        "n_models": 2,
    }
    init = {"seed": 3, "threads": 1, "log": "warning"}
    own = {"n_epochs": 3, "optimizer": optimizer, **OPTIONS[optimizer], **run}
    return {"fit": {"init": init, "prepare": prepare, "run": own}}


def numbers(result: Any) -> dict[str, Any]:
    """All that a fit tells, in its order."""
    return {
        "losses": [record.loss for record in result.records],
        "validation": [record.validation.energy.rmse for record in result.records],
        "pressure": result.pressure,
        **{
            f"{name}_{of}": getattr(result.predicted[name], of).ravel().tolist()
            for name in result.predicted
            for of in ("n_atoms", "energy", "forces")
        },
        **{f"{name}_reference": own.energy.tolist() for name, own in result.reference.items()},
        "ranges": [x for p in result.potentials[1:] for x in p.ranges.ravel().tolist()],
    }


def interrupted(optimizer: str) -> bool:
    """Goes as far as two epochs, as if stopped by hand."""
    update, records = TrainingProgress.update, []

    def stop(self: TrainingProgress, record: Any) -> None:
        update(self, record)
        records.append(record)
        if len(records) == 3:
            raise KeyboardInterrupt

    TrainingProgress.update = stop  # type: ignore[method-assign]
    try:
        exec_workflows(job(optimizer, save=None))
    except KeyboardInterrupt:
        return True
    finally:
        TrainingProgress.update = update  # type: ignore[method-assign]
    return False


def note_threads() -> None:
    """Writes the names of the threads that are alive."""
    tasks = Path("/proc/self/task").iterdir()
    names = [(task / "comm").read_text().strip() for task in tasks]
    Path(f"threads-{os.environ['RANK']}.json").write_text(json.dumps(names))


def main() -> None:
    """Writes what came out, once."""
    if sys.platform == "linux":
        atexit.register(note_threads)  # after what is registered later
    processes, found = processes_of_torchrun(), {}
    for optimizer in OPTIONS:
        (result,) = exec_workflows(job(optimizer))
        found[optimizer] = numbers(result)
    assert interrupted("kalman")
    processes.wait()
    if processes.is_first:
        shutil.copy("fit.checkpoint", "of-two.checkpoint")
    (again,) = exec_workflows(job("kalman"))
    found["resumed"] = numbers(again)
    test = {"prepare": {"fn_cells": "train.json"}, "init": {"log": "warning"}}
    (tested,) = exec_workflows({"test-direct": test})
    found["tested"] = tested.predicted.energy.tolist()
    try:
        processes.refuse_drift([np.array([float(processes.rank)])])
    except ProcessError as error:
        found["drift"] = str(error)
    if processes.is_first:
        shutil.copy("potentials.pt", "of-two.pt")
        Path(sys.argv[1]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
