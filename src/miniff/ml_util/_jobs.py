"""Workflows run one after the other, in the order of the job file."""

from collections.abc import Mapping
from pathlib import Path

from miniff.ml_util._fit import FitWorkflow
from miniff.ml_util._jobfile import Job, job_from_mapping, read_job_file
from miniff.ml_util._oneshot import OneShotWorkflow
from miniff.ml_util._validation import check_job

__all__ = ["WORKFLOWS", "exec_workflows", "run_job_file"]

WORKFLOWS: dict[str, type] = {"fit": FitWorkflow, "test-direct": OneShotWorkflow}
"""Workflows by the names that job files use."""


def exec_workflows(description: Mapping[str, object]) -> list[object]:
    """Runs a job given as a mapping, which is not changed.

    Args:
        description: Workflow name -> ``init``, ``prepare``, ``run`` -> arguments.

    Returns:
        The result of each workflow, in order.

    Raises:
        JobError: Everything that is wrong with the job; then nothing has run.
    """
    return _run(job_from_mapping(description))


def run_job_file(path: str | Path) -> list[object]:
    """Runs a job file; relative names in it start in the current folder.

    Raises:
        JobError: Everything that is wrong with the job; then nothing has run.
    """
    return _run(read_job_file(path))


def _run(job: Job) -> list[object]:
    results = []
    for step in check_job(job, WORKFLOWS):
        prepared = step.workflow(**step.init).prepare(**step.prepare)
        results.append(prepared.run(**step.run))
    return results
