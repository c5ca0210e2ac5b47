"""Workflows run one after the other, in the order of the job file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from miniff.ml import processes_of_torchrun
from miniff.ml_util._charge_fit import ChargeFitWorkflow
from miniff.ml_util._fit import FitWorkflow
from miniff.ml_util._jobfile import Job, job_from_mapping, read_job_file
from miniff.ml_util._md import MdWorkflow
from miniff.ml_util._oneshot import OneShotWorkflow
from miniff.ml_util._progress import Level, show
from miniff.ml_util._relax import RelaxWorkflow
from miniff.ml_util._resolved import resolved
from miniff.ml_util._steps import Step
from miniff.ml_util._test_relax import RelaxTestWorkflow
from miniff.ml_util._validation import check_job

__all__ = ["WORKFLOWS", "exec_workflows", "run_job_file"]

WORKFLOWS: dict[str, type] = {
    "charge-fit": ChargeFitWorkflow,
    "fit": FitWorkflow,
    "test-direct": OneShotWorkflow,
    "test-relax": RelaxTestWorkflow,
    "relax": RelaxWorkflow,
    "md": MdWorkflow,
}
"""Workflows by the names that job files use."""


def exec_workflows(description: Mapping[str, object], *, log: Level | None = None) -> list[object]:
    """Runs a job given as a mapping, which is not changed.

    Args:
        description: Workflow name -> ``init``, ``prepare``, ``run`` -> arguments.
        log: What to tell where ``init`` does not say: ``"warning"``, ``"info"``, or ``"debug"``,
            which also shows every key of the job with its value.

    Returns:
        The result of each workflow, in order.

    Raises:
        JobError: Everything that is wrong with the job; then nothing has run.
    """
    return _run(lambda: job_from_mapping(description), log)


def run_job_file(path: str | Path, *, log: Level | None = None) -> list[object]:
    """Runs a job file; relative names in it start in the current folder.

    Args:
        path: Of the file.
        log: As in :func:`exec_workflows`.

    Raises:
        JobError: Everything that is wrong with the job; then nothing has run.
    """
    return _run(lambda: read_job_file(path), log)


def _run(read: Callable[[], Job], log: Level | None) -> list[object]:
    processes = processes_of_torchrun()
    results = []
    steps = _with_level(check_job(read(), WORKFLOWS), log)
    processes.wait()  # files that were looked for may be written now
    told = [step for step in steps if step.init.get("log") == "debug"]
    if told and processes.is_first:
        show(resolved(told))
    for step in steps:
        prepared = step.workflow(**step.init).prepare(**step.prepare)
        results.append(prepared.run(**step.run))
    return results


def _with_level(steps: Sequence[Step], log: Level | None) -> list[Step]:
    """What to tell, where a step does not say."""
    if log is None:
        return list(steps)
    return [replace(step, init={"log": log, **step.init}) for step in steps]
