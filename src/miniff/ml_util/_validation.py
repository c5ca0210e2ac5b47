"""Jobs checked whole against the signatures they will call, before anything runs."""

import glob
import inspect
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

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
}
"""What pydantic's kinds of errors demand."""
NUMBER_AS_TEXT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")
OUTPUTS = (".json", ".log", ".extxyz", "-convergence.png", "-parity.png")
"""What every workflow may write, after its name."""


@dataclass(frozen=True)
class Step:
    """One workflow of a job, ready to run.

    Attributes:
        name: Of the workflow.
        workflow: Its class.
        init, prepare, run: Checked arguments of each stage.
    """

    name: str
    workflow: Callable[..., Any]
    init: dict[str, object]
    prepare: dict[str, object]
    run: dict[str, object]


def check_job(job: Job, known: Mapping[str, type]) -> list[Step]:
    """The steps of a job.

    Raises:
        JobError: Everything that is wrong, one sentence a line.
    """
    problems: list[str] = []
    steps = []
    if not job.workflows:
        problems.append(f"{job.source} is empty but must name at least one workflow")
    for name, sections in job.workflows.items():
        if name not in known:
            problems.append(f"{job.at((name,))}: {unknown_name('workflow', name, known)}")
            continue
        arguments = {
            section: _check_section(job, (name, section), function, values, problems)
            for section, function, values in _sections(job, name, sections, known[name], problems)
        }
        steps.append(Step(name, known[name], *(arguments.get(s, {}) for s in SECTIONS)))
    if not problems:
        _check_files(job, steps, problems)
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
    try:
        model.model_validate({k: v for k, v in values.items() if k in model.model_fields})
    except ValidationError as error:
        problems += _sentences(job, key, error, values)
    return values


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
    job: Job, key: Key, error: ValidationError, values: Mapping[str, object]
) -> list[str]:
    """One sentence per key, joining what the members of a union demand."""
    demands: dict[str, list[str]] = {}
    for problem in error.errors():
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
        given = values[name]
        hint = ""
        if isinstance(given, str) and NUMBER_AS_TEXT.fullmatch(given):
            mantissa, exponent = re.split("[eE]", given)
            mantissa += "" if "." in mantissa else ".0"
            sign = "" if exponent[0] in "+-" else "+"
            hint = f"; YAML reads it as text, write {mantissa}e{sign}{exponent}"
        sentences.append(f"{where}: {what} is {given!r} but must be {' or '.join(wanted)}{hint}")
    return sentences


def _check_files(job: Job, steps: list[Step], problems: list[str]) -> None:
    """Files that are read must be there by then, and none of them may be written over."""
    written: dict[str, str] = {}
    read: dict[str, Key] = {}
    for step in steps:
        functions = stages(step.workflow)  # type: ignore[arg-type]
        outputs: dict[str, Key] = {f"{step.name}{ending}": (step.name,) for ending in OUTPUTS}
        for section in ("prepare", "run"):
            for name, value, mark in _marked(functions[section], getattr(step, section)):
                key: Key = (step.name, section, name)
                for pattern in [value] if isinstance(value, str) else value:
                    if mark is Writes:
                        outputs[pattern] = key
                    elif _same(pattern) in written:
                        continue
                    elif found := _existing(pattern):
                        read.update({_same(path): key for path in found})
                    else:
                        problems.append(_missing(job, key, pattern))
        for path, writer in outputs.items():
            if _same(path) in read:
                reader = ".".join(read[_same(path)])
                problems.append(
                    f"{job.at(writer)}: `{'.'.join(writer)}` would write over {path}, which "
                    f"`{reader}` reads"
                )
            written[_same(path)] = step.name


def _marked(
    function: Callable[..., object], given: Mapping[str, object]
) -> list[tuple[str, Any, type]]:
    """Arguments that name files, defaults included, and whether they are read or written."""
    hints = get_type_hints(function, include_extras=True)
    found: list[tuple[str, Any, type]] = []
    for name, parameter in inspect.signature(function).parameters.items():
        value = given.get(name, parameter.default)
        for mark in (Reads, Writes):
            if isinstance(value, str | list) and _has_mark(hints.get(name), mark):
                found.append((name, value, mark))
    return found


def _has_mark(annotation: object, mark: type) -> bool:
    metadata = getattr(annotation, "__metadata__", ())
    return any(isinstance(item, mark) for item in metadata) or any(
        _has_mark(part, mark) for part in get_args(annotation)
    )


def _existing(pattern: str) -> list[str]:
    name = os.path.expanduser(pattern)
    return [name] if os.path.exists(name) else glob.glob(name, recursive=True)


def _same(path: str) -> str:
    """One name for each file."""
    return os.path.realpath(os.path.expanduser(path))


def _missing(job: Job, key: Key, pattern: str) -> str:
    folder = os.path.dirname(os.path.expanduser(pattern)) or "."
    there = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    names = [name if folder == "." else os.path.join(folder, name) for name in there]
    visible = [name for name in names if not os.path.basename(name).startswith(".")]
    return f"{job.at(key)}: `{'.'.join(key)}`: {unknown_name('file', pattern, visible)}"
