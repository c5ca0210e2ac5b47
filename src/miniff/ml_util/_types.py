"""Marks for arguments, so that a job can be checked before it runs: files, ranges, contents."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

__all__ = [
    "Checked",
    "Count",
    "Fraction",
    "InputFile",
    "InputFiles",
    "NonNegative",
    "OutputFile",
    "OutputFolder",
    "Positive",
    "Problem",
    "Reads",
    "Seed",
    "Share",
    "Writes",
    "folder_problems",
    "may_write",
]

Problem = tuple[tuple[str, ...], str]
"""The way to a place within an argument, and what is wrong there."""


@dataclass(frozen=True)
class Reads:
    """The argument names files that must be there.

    Attributes:
        patterns: Whether ``*``, ``?`` and ``[]`` stand for any name.
        besides: Words that name no file.
        load: Reads the file, to refuse one that cannot be used.
    """

    patterns: bool = False
    besides: tuple[str, ...] = ()
    load: Callable[[str], object] | None = None


@dataclass(frozen=True)
class Writes:
    """The argument names a file that the workflow makes."""


@dataclass(frozen=True)
class Checked:
    """The argument holds data that a function looks through.

    Attributes:
        problems: What is wrong with an argument of the right type.
    """

    problems: Callable[[Any], list[Problem]]


def may_write(folder: str) -> bool:
    """Whether the system lets this process write there."""
    return os.access(folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def folder_problems(name: str) -> list[Problem]:
    """Why files cannot be put into a folder of this name."""
    path = os.path.realpath(os.path.expanduser(name))
    if not name:
        return [((), "no folder is named")]
    if os.path.isdir(path):
        return [] if may_write(path) else [((), f"{name} cannot be written to")]
    if os.path.exists(path):
        return [((), f"{name} is a file but must be a folder")]
    above = os.path.dirname(path)
    return [] if os.path.isdir(above) else [((), f"{name} cannot be made: there is no {above}")]


InputFile = Annotated[str, Reads()]
"""A file name."""
InputFiles = Annotated[str | list[str], Reads(patterns=True)]
"""A file name or pattern (``*``, ``?``, ``[]``), or a list of them."""
OutputFile = Annotated[str, Writes()]
"""The name of a file to be written."""
OutputFolder = Annotated[str, Checked(folder_problems)]
"""The name of a folder that is made if it is not there."""
Count = Annotated[int, Field(ge=1)]
"""At least one."""
Seed = Annotated[int, Field(ge=0, lt=2**63)]
"""Of a generator of random numbers."""
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
"""A share of something, but not all of it."""
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
"""A part of something, or all of it."""
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""A number above 0."""
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""0 or a number above."""
