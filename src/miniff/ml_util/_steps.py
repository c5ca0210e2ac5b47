"""What the checks of a job share: its steps, the functions they call, marks of arguments."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_type_hints

__all__ = ["Step", "advice", "marks", "outputs_of", "owners", "stages"]

Mark = TypeVar("Mark")
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


def outputs_of(name: str, workflow: Any) -> list[str]:
    """The files that a workflow writes besides those that its arguments name.

    In its ``OUTPUTS`` endings begin with a dot or a dash and follow its name; others are whole.
    """
    return [name + own if own[0] in ".-" else own for own in workflow.OUTPUTS]


def owners(workflow: type) -> dict[str, Any]:
    """The class whose method is behind a section: `run` is of what `prepare` returns.

    It may have a function `conflicts`, which finds what is wrong with arguments of that section
    only beside each other.
    """
    return {"prepare": workflow, "run": get_type_hints(workflow.prepare)["return"]}  # type: ignore[attr-defined]


def stages(workflow: type) -> dict[str, Callable[..., object]]:
    """The function behind each section."""
    of = owners(workflow)
    initialize: Callable[..., object] = workflow.__init__  # type: ignore[misc]
    return {"init": initialize, "prepare": of["prepare"].prepare, "run": of["run"].run}


def marks(annotation: object, kind: type[Mark]) -> list[Mark]:
    """The marks of one kind in an annotation and its parts."""
    own = [m for m in getattr(annotation, "__metadata__", ()) if isinstance(m, kind)]
    return own + [mark for part in get_args(annotation) for mark in marks(part, kind)]


def advice(given: object, demand: str) -> str:
    """How to write a number that YAML takes for text; nothing for anything else."""
    if not isinstance(given, str) or not NUMBER_AS_TEXT.fullmatch(given):
        return ""
    mantissa, exponent = re.split("[eE]", given)
    mantissa += "" if "." in mantissa else ".0"
    number = f"{mantissa}e{exponent if exponent[0] in '+-' else '+' + exponent}"
    if demand == "an integer" and float(given).is_integer():
        number = str(int(float(given)))
    return f"; YAML reads it as text, write {number}"
