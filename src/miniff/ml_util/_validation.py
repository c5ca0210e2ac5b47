"""Jobs checked whole against the signatures they will call, before anything runs."""

import glob
import inspect
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic_core import ErrorDetails

from miniff._checks import unknown_name
from miniff.ml_util._jobfile import Job, JobError, Key
from miniff.ml_util._types import Reads, Writes

__all__ = ["SECTIONS", "Step", "check_job"]

SECTIONS = ("init", "prepare", "run")

WORDS = {
    "int_type": "an integer",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "none_required": "null",
    "invalid-json-value": "plain data",
}
"""What pydantic's kinds of errors demand."""
NUMBER_AS_TEXT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


@dataclass(frozen=True)
class Step:
    """One workflow of a job, ready to run.

    Attributes:
        name: Of the workflow.
        workflow: Its class.
        init, prepare, run: Checked arguments of each stage.
    """

    name: str
    workflow: Any
    init: dict[str, object]
    prepare: dict[str, object]
    run: dict[str, object]


def check_job(job: Job, known: Mapping[str, type]) -> list[Step]:
    """The steps of a job.

    Raises:
        JobError: Everything that is wrong, one sentence a line.
    """
    problems: list[str] = []
    steps, checkable = [], []
    if not job.workflows:
        problems.append(f"{job.source} is empty but must name at least one workflow")
    for name, sections in job.workflows.items():
        is_certain = not problems  # what workflows before this one leave behind
        if name not in known:
            problems.append(f"{job.at((name,))}: {unknown_name('workflow', name, known)}")
            continue
        arguments = {
            section: _check_section(job, (name, section), function, values, problems)
            for section, function, values in _sections(job, name, sections, known[name], problems)
        }
        steps.append(Step(name, known[name], *(arguments.get(s, {}) for s in SECTIONS)))
        checkable += steps[-1:] if is_certain else []
    _check_files(job, checkable, problems)
    if problems:
        raise JobError("\n".join(problems))
    return steps


def stages(workflow: type) -> dict[str, Callable[..., object]]:
    """The function behind each section; `run` belongs to what `prepare` returns."""
    prepare: Callable[..., object] = workflow.prepare  # type: ignore[attr-defined]
    prepared = get_type_hints(prepare)["return"]
    initialize: Callable[..., object] = workflow.__init__  # type: ignore[misc]
    return {"init": initialize, "prepare": prepare, "run": prepared.run}


def _sections(
    job: Job, name: str, sections: object, workflow: type, problems: list[str]
) -> list[tuple[str, Callable[..., object], dict[str, object]]]:
    """All three sections with what is given for them; nothing where they are left out."""
    given = {} if sections is None else sections
    if not isinstance(given, Mapping):
        problems.append(
            f"{job.at((name,))}: `{name}` is {given!r} but must be a mapping of "
            f"{', '.join(SECTIONS)}"
        )
        return []
    for section in given:
        if section not in SECTIONS:
            what = unknown_name(f"section of `{name}`", section, SECTIONS)
            problems.append(f"{job.at((name, section))}: {what}")
    found = []
    for section, function in stages(workflow).items():
        values = given.get(section)
        if values is not None and not isinstance(values, Mapping):
            problems.append(
                f"{job.at((name, section))}: `{name}.{section}` is {values!r} but must be a mapping"
            )
            continue
        found.append((section, function, dict(values or {})))
    return found


def _check_section(
    job: Job,
    key: Key,
    function: Callable[..., object],
    values: dict[str, object],
    problems: list[str],
) -> dict[str, object]:
    model = _model(function)
    place = ".".join(key)
    for name in values:
        if name not in model.model_fields:
            what = unknown_name(f"key of `{place}`", name, model.model_fields)
            problems.append(f"{job.at((*key, name))}: {what}")
    texts = {name: _numbers_as_text(value) for name, value in values.items()}
    for name, found in texts.items():
        for inner, text in found.items():
            what = f"`{place}.{name}.{inner}` is {text!r} but must be a number"
            problems.append(f"{job.at((*key, name, inner))}: {what}{_advice(text, 'a number')}")
    try:
        model.model_validate({k: v for k, v in values.items() if k in model.model_fields})
    except ValidationError as error:
        new = [one for one in error.errors() if not texts.get(str(one["loc"][0]))]
        problems += _sentences(job, key, new, values)
    return values


def _numbers_as_text(value: object) -> dict[str, str]:
    """The numbers within a mapping that YAML takes for text."""
    items = value.items() if isinstance(value, Mapping) else ()
    return {name: inner for name, inner in items if _advice(inner, "a number")}


def _advice(given: object, demand: str) -> str:
    """How to write a number that YAML takes for text; nothing for anything else."""
    if not isinstance(given, str) or not NUMBER_AS_TEXT.fullmatch(given):
        return ""
    mantissa, exponent = re.split("[eE]", given)
    mantissa += "" if "." in mantissa else ".0"
    number = f"{mantissa}e{exponent if exponent[0] in '+-' else '+' + exponent}"
    if demand == "an integer" and float(given).is_integer():
        number = str(int(float(given)))
    return f"; YAML reads it as text, write {number}"


def _model(function: Callable[..., object]) -> type[BaseModel]:
    """The keyword arguments of a function as a schema that converts nothing."""
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints[name], ... if p.default is inspect.Parameter.empty else p.default)
        for name, p in inspect.signature(function).parameters.items()
        if name != "self"
    }
    return create_model("Section", __config__=ConfigDict(strict=True), **fields)


def _sentences(
    job: Job, key: Key, errors: Sequence[ErrorDetails], values: Mapping[str, object]
) -> list[str]:
    """One sentence per key, joining what the members of a union demand."""
    demands: dict[str, list[str]] = {}
    for problem in errors:
        name = str(problem["loc"][0])
        if problem["type"] == "missing":
            demands[name] = []
            continue
        words = WORDS.get(problem["type"])
        if problem["type"] == "literal_error":
            words = "one of " + str(problem.get("ctx", {}).get("expected", problem["msg"]))
        demand = words or problem["msg"]
        if demand not in demands.setdefault(name, []):
            demands[name].append(demand)
    sentences = []
    for name, wanted in demands.items():
        where, what = job.at((*key, name)), f"`{'.'.join((*key, name))}`"
        if name not in values:
            sentences.append(f"{where}: {what} is missing")
            continue
        given, demand = values[name], " or ".join(wanted)
        advice = _advice(given, demand)
        sentences.append(f"{where}: {what} is {given!r} but must be {demand}{advice}")
    return sentences


def _check_files(job: Job, steps: list[Step], problems: list[str]) -> None:
    """Files that are read must be there by then, and none of them may be written over."""
    written: set[str] = set()
    read = {_same(job.source): "the job file"} if job.lines else {}
    reports = {
        f"{step.name}{ending}": (step.name,) for step in steps for ending in step.workflow.OUTPUTS
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
                problem = _unreadable(file, found)
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
            names = [value] if isinstance(value, str) else value if isinstance(value, list) else []
            key = (step.name, section, name)
            marks = _marks(hints.get(name))
            found += [_File(key, n, mark) for mark in marks for n in names if isinstance(n, str)]
            if names == [] and isinstance(value, list):
                found += [_File(key, "", mark) for mark in marks]
    return found


def _marks(annotation: object) -> list[Reads | Writes]:
    own = [m for m in getattr(annotation, "__metadata__", ()) if isinstance(m, Reads | Writes)]
    return own + [mark for part in get_args(annotation) for mark in _marks(part)]


def _existing(file: _File) -> list[str]:
    name = os.path.expanduser(file.name)
    if os.path.exists(name):  # brackets may belong to the name
        return [name]
    is_pattern = isinstance(file.mark, Reads) and file.mark.patterns
    return glob.glob(name, recursive=True) if is_pattern else []


def _unreadable(file: _File, found: Sequence[str]) -> str | None:
    """What is wrong with a file to be read."""
    folders = [path for path in found if os.path.isdir(path)]
    if folders:
        return f"{folders[0]} is a folder but must be a file"
    if not file.name:
        return "no file is named"
    return None if found else _missing(file.name) + _advice(file.name, "a number")


def _unwritable(name: str, reports: Mapping[str, Key]) -> str | None:
    """What is wrong with the name of a file to be written."""
    if not name:
        return "no file is named"
    path = os.path.realpath(name)
    if os.path.isdir(path):
        return f"{name} is a folder but must be a file"
    if not os.path.isdir(os.path.dirname(path)):
        return f"{name} cannot be written: there is no folder {os.path.dirname(name)}"
    if path in (_same(report) for report in reports):
        return f"{name} is the name of a report that the job writes"
    return None


def _same(path: str) -> str:
    """One name for each file."""
    return os.path.realpath(os.path.expanduser(path))


def _missing(pattern: str) -> str:
    folder = os.path.dirname(os.path.expanduser(pattern)) or "."
    there = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    names = [name if folder == "." else os.path.join(folder, name) for name in there]
    visible = [name for name in names if not os.path.basename(name).startswith(".")]
    return unknown_name("file", pattern, visible)
