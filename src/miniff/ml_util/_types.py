"""Marks for arguments that name files, so that a job can be checked before it runs."""

from dataclasses import dataclass
from typing import Annotated

__all__ = ["InputFile", "InputFiles", "OutputFile", "Reads", "Writes"]


@dataclass(frozen=True)
class Reads:
    """The argument names files that must be there.

    Attributes:
        patterns: Whether ``*``, ``?`` and ``[]`` stand for any name.
    """

    patterns: bool = False


@dataclass(frozen=True)
class Writes:
    """The argument names a file that the workflow makes."""


InputFile = Annotated[str, Reads()]
"""A file name."""
InputFiles = Annotated[str | list[str], Reads(patterns=True)]
"""A file name or pattern (``*``, ``?``, ``[]``), or a list of them."""
OutputFile = Annotated[str, Writes()]
"""The name of a file to be written."""
