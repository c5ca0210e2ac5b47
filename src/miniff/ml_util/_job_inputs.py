"""The files that a job names: read ones must be there, and none may be written over."""

import glob
import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_type_hints

from miniff._checks import no_such_file
from miniff.ml_util._jobfile import Job, Key
from miniff.ml_util._steps import Step, advice, marks, outputs_of, stages
from miniff.ml_util._types import Reads, Writes, may_write

__all__ = ["check_files"]


def check_files(job: Job, steps: list[Step], problems: list[str]) -> None:
    """Files that are read must be there by then, and none of them may be written over."""
    written: set[str] = set()
    read = {_same(job.source): "the job file"} if job.lines else {}
    reports = {
        path: (step.name,) for step in steps for path in outputs_of(step.name, step.workflow)
    }
    for step in steps:
        files = _files(step)
        for file in files:
            if isinstance(file.mark, Writes):
                problem = _unwritable(file.name, reports)
            elif _same(file.name) in written:
                continue
            else:
                found = _existing(file)
                read.update({_same(path): f"which `{'.'.join(file.key)}` reads" for path in found})
                problem = _unreadable(file, file.mark, found)
            if problem:
                problems.append(f"{job.at(file.key)}: `{'.'.join(file.key)}`: {problem}")
        saved = {file.name: file.key for file in files if isinstance(file.mark, Writes)}
        own = {path: writer for path, writer in reports.items() if writer == (step.name,)}
        for path, writer in {**own, **saved}.items():
            if _same(path) in read:
                what = f"`{'.'.join(writer)}` would write over {path}, {read[_same(path)]}"
                problems.append(f"{job.at(writer)}: {what}")
            written.add(_same(path))


@dataclass(frozen=True)
class _File:
    """A file or pattern that an argument names."""

    key: Key
    name: str
    mark: Reads | Writes


def _files(step: Step) -> list[_File]:
    """All files that the arguments of a workflow name, defaults included."""
    found = []
    for section, function in stages(step.workflow).items():
        hints = get_type_hints(function, include_extras=True)
        for name, parameter in inspect.signature(function).parameters.items():
            value = getattr(step, section).get(name, parameter.default)
            names = _names(value)
            key = (step.name, section, name)
            found_marks: list[Reads | Writes] = [
                *marks(hints.get(name), Reads),
                *marks(hints.get(name), Writes),
            ]
            for mark in found_marks:
                besides = mark.besides if isinstance(mark, Reads) else ()
                texts = [n for n in names if isinstance(n, str) and n not in besides]
                found += [_File(key, n, mark) for n in texts]
                has_names = isinstance(mark, Writes) or mark.patterns
                if names == [] and isinstance(value, list) and has_names:
                    found.append(_File(key, "", mark))
    return found


def _names(value: object) -> list[object]:
    """Texts that may name files, also in entries with settings of their own."""
    if isinstance(value, dict):
        return _names(value.get("files"))
    if isinstance(value, list):
        return [name for item in value for name in _names(item)]
    return [value] if isinstance(value, str) else []


def _existing(file: _File) -> list[str]:
    name = os.path.expanduser(file.name)
    if os.path.exists(name):  # brackets may belong to the name
        return [name]
    is_pattern = isinstance(file.mark, Reads) and file.mark.patterns
    return glob.glob(name, recursive=True) if is_pattern else []


def _unreadable(file: _File, mark: Reads, found: Sequence[str]) -> str | None:
    """What is wrong with a file to be read."""
    folders = [path for path in found if os.path.isdir(path)]
    if folders:
        return f"{folders[0]} is a folder but must be a file"
    if not file.name:
        return "no file is named"
    if not found:
        return no_such_file(file.name) + advice(file.name, "a number")
    if mark.load is not None:
        try:
            mark.load(found[0])
        except (ValueError, OSError) as error:
            return str(error)
    return None


def _unwritable(name: str, reports: Mapping[str, Key]) -> str | None:
    """What is wrong with the name of a file to be written."""
    if not name:
        return "no file is named"
    path = os.path.realpath(name)
    if os.path.isdir(path):
        return f"{name} is a folder but must be a file"
    if not os.path.isdir(os.path.dirname(path)):
        return f"{name} cannot be written: there is no folder {os.path.dirname(name)}"
    if not may_write(os.path.dirname(path)):
        return f"{name} cannot be written: the folder {os.path.dirname(name) or '.'} is read-only"
    if path in (_same(report) for report in reports):
        return f"{name} is the name of a report that the job writes"
    return None


def _same(path: str) -> str:
    """One name for each file."""
    return os.path.realpath(os.path.expanduser(path))
