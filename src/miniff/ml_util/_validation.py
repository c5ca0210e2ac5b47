"""Jobs checked whole against the signatures they will call, before anything runs."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from miniff._checks import unknown_name
from miniff.ml_util._job_inputs import check_files
from miniff.ml_util._jobfile import Job, JobError, Key
from miniff.ml_util._steps import Step, advice, marks, owners, stages
from miniff.ml_util._types import Checked

__all__ = ["SECTIONS", "check_job"]

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
OUT_OF_RANGE = (
    "finite_number",
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
)


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
        for section, owner in owners(known[name]).items():
            if conflicts := getattr(owner, "conflicts", None):
                for at, what in conflicts(arguments.get(section, {})):
                    key = (name, section, *at)
                    problems.append(f"{job.at(key)}: `{'.'.join(key)}` {what}")
        if between := getattr(known[name], "conflicts_of_sections", None):
            for at, what in between({section: arguments.get(section, {}) for section in SECTIONS}):
                problems.append(f"{job.at((name, *at))}: `{'.'.join((name, *at))}` {what}")
        steps.append(Step(name, known[name], *(arguments.get(s, {}) for s in SECTIONS)))
        checkable += steps[-1:] if is_certain else []
    check_files(job, checkable, problems)
    if problems:
        raise JobError("\n".join(problems))
    return steps


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
    texts = {name: _numbers_as_text(value, ()) for name, value in values.items()}
    for name, found in texts.items():
        for at, text in found:
            where = (*key, name, *at)
            what = f"`{'.'.join(where)}` is {text!r} but must be a number"
            problems.append(f"{job.at(where)}: {what}{advice(text, 'a number')}")
    hints = get_type_hints(function, include_extras=True)
    refused = {name for name, found in texts.items() if found}
    try:
        model.model_validate({k: v for k, v in values.items() if k in model.model_fields})
    except ValidationError as error:
        new = [one for one in error.errors() if str(one["loc"][0]) not in refused]
        problems += _sentences(job, key, new, values, hints)
        refused |= {str(one["loc"][0]) for one in new}
    given = [name for name in values if name in hints and values[name] is not None]
    for name in [name for name in given if name not in refused]:
        for mark in marks(hints[name], Checked):
            for at, what in mark.problems(values[name]):
                where = (*key, name, *at)
                problems.append(f"{job.at(where)}: `{'.'.join(where)}`: {what}")
    return values


def _numbers_as_text(value: object, at: Key) -> list[tuple[Key, str]]:
    """Where in a mapping, at any depth, are numbers that YAML takes for text."""
    if isinstance(value, Mapping):
        items = [(str(name), inner) for name, inner in value.items()]
    elif (isinstance(value, list) and any(isinstance(inner, Mapping) for inner in value)) or (
        isinstance(value, list) and at
    ):
        items = [(str(i), inner) for i, inner in enumerate(value)]
    else:
        return [(at, value)] if at and isinstance(value, str) and advice(value, "a number") else []
    return [found for name, inner in items for found in _numbers_as_text(inner, (*at, name))]


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
    job: Job,
    key: Key,
    errors: Sequence[ErrorDetails],
    values: Mapping[str, object],
    hints: Mapping[str, object],
) -> list[str]:
    """One sentence per key, joining what the members of a union demand."""
    demands: dict[str, list[str]] = {}
    outside = {str(one["loc"][0]) for one in errors if one["type"] in OUT_OF_RANGE}
    for problem in errors:
        name = str(problem["loc"][0])
        if name in outside:  # of a type that would do
            demands[name] = [_interval(hints[name])]
            continue
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
        hint = advice(given, demand)
        sentences.append(f"{where}: {what} is {given!r} but must be {demand}{hint}")
    return sentences


def _interval(annotation: object) -> str:
    """The range that an argument may lie in; ranges, if it may be of several types."""
    found = []
    for mark in marks(annotation, FieldInfo):
        limits = {
            key: getattr(limit, key)
            for limit in mark.metadata
            for key in ("ge", "gt", "le", "lt")
            if hasattr(limit, key)
        }
        low = f"[{limits['ge']}" if "ge" in limits else f"({limits.get('gt', '-inf')}"
        high = f"{limits['le']}]" if "le" in limits else f"{limits.get('lt', 'inf')})"
        found.append(f"in {low}, {high}")
    return " or ".join(found)
