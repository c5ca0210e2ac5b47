"""A job with every key written out, as the job file that would say so."""

import inspect
from collections.abc import Iterator, Sequence
from math import inf

import yaml

from miniff.ml_util._steps import Step, stages

__all__ = ["resolved"]


def resolved(steps: Sequence[Step]) -> str:
    """The steps as a job file; keys that were not given are marked."""
    return "\n".join(line for step in steps for line in _lines(step))


def _lines(step: Step) -> Iterator[str]:
    yield f"{step.name}:"
    for section, function in stages(step.workflow).items():
        given = getattr(step, section)
        parameters = inspect.signature(function).parameters.items()
        keys = {name: p.default for name, p in parameters if name != "self"}
        if keys:
            yield f"  {section}:"
        for name, default in keys.items():
            note = "" if name in given else "  # default"
            yield f"    {name}: {_yaml(given.get(name, default))}{note}"


def _yaml(value: object) -> str:
    """A value on one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=inf, sort_keys=False)
    return text.removesuffix("...\n").strip()
