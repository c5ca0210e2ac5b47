"""Job files: YAML with its line numbers.

A job file is a mapping: workflow name -> section (``init``, ``prepare``, ``run``) -> key -> value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from miniff.io._yaml import Key, read_yaml

__all__ = ["Job", "JobError", "Key", "job_from_mapping", "read_job_file"]


class JobError(ValueError):
    """A job that cannot be run; the message lists all that is wrong with it."""


@dataclass(frozen=True)
class Job:
    """What a job file says, before it is checked.

    Attributes:
        source: The file's name.
        workflows: Content as it stands in the file, in its order.
        lines: The line of each key (workflow, section, key; within it keys, and places in lists
            from 0), counted from 1.
    """

    source: str
    workflows: Mapping[str, object]
    lines: Mapping[Key, int] = field(default_factory=dict)

    def at(self, key: Key) -> str:
        """Words for where a key stands, or the nearest key around it that does."""
        while key and key not in self.lines:
            key = key[:-1]
        return f"{self.source}, line {self.lines[key]}" if key else self.source


def job_from_mapping(description: Mapping[str, object]) -> Job:
    """A job written in Python; it has no lines."""
    if not isinstance(description, Mapping):
        raise JobError(
            f"a job is {description!r:.80} but must be a mapping of workflows; `run_job_file` runs "
            "those of a file"
        )
    return Job("job", dict(description))


def read_job_file(path: str | Path) -> Job:
    """A job file.

    Raises:
        FileNotFoundError: There is no such file.
        JobError: A file that is not YAML, is not a mapping, has a key twice, or asks for objects.
    """
    source = str(path)
    try:
        file = read_yaml(Path(path), "a job file")
    except ValueError as error:
        raise JobError(str(error)) from None
    if file.content is None:
        raise JobError(f"{source} is empty but must name at least one workflow")
    if not isinstance(file.content, dict):
        raise JobError(
            f"{source}, line {file.first_line}: a job file must be a mapping of workflows"
        )
    return Job(source, file.content, file.lines)
