"""Words and numbers of the text files that potentials come in, with the lines they stand in."""

import re
from collections import deque
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff.io._text import read_text

__all__ = ["Line", "Lines", "PotentialFileError", "split_lines"]


LONGEST_SHOWN = 40


class PotentialFileError(ValueError):
    """A file with a potential is unfit for use; the message names file and line."""


@dataclass(frozen=True)
class Line:
    """The words of one line.

    Attributes:
        path: The file.
        number: Counted from 1.
        words: What is between blanks, comments left out.
    """

    path: Path
    number: int
    words: tuple[str, ...]

    def refuse(self, sentence: str) -> PotentialFileError:
        """The error that says what is wrong in this line."""
        return PotentialFileError(f"{self.path}, line {self.number}: {sentence}")

    def _shown(self, place: int) -> str:
        """A word as a message has it."""
        word = self.words[place]
        return word if len(word) <= LONGEST_SHOWN else f"{word[:LONGEST_SHOWN]}..."

    def number_at(self, place: int, name: str) -> float:
        """A word as a finite number."""
        word = self.words[place]
        try:
            value = float(word)
        except ValueError:
            raise self.refuse(f"`{name}` is {self._shown(place)!r} but must be a number") from None
        if not isfinite(value):
            raise self.refuse(f"`{name}` is {self._shown(place)} but must be finite")
        return value

    def count_at(self, place: int, name: str, least: int) -> int:
        """A word as a whole number."""
        value = self.number_at(place, name)
        if value != int(value) or value < least:
            raise self.refuse(
                f"`{name}` is {self._shown(place)} but must be a whole number of at least {least}"
            )
        return int(value)

    def positive_at(self, place: int, name: str) -> float:
        """A word as a number above zero."""
        value = self.number_at(place, name)
        if value <= 0:
            raise self.refuse(f"`{name}` is {self._shown(place)} but must be in (0, inf)")
        return value


def split_lines(path: Path, *, comments_from: int = 1, marks: str = "#") -> list[Line]:
    """The lines of a file that say something; from a line on, any of ``marks`` starts a comment."""
    lines = []
    for number, line in enumerate(read_text(path, PotentialFileError).split("\n"), start=1):
        said = re.split(f"[{marks}]", line)[0] if number >= comments_from else line
        lines.append(Line(path, number, tuple(said.split())))
    return [line for line in lines if line.words or line.number < comments_from]


class Lines:
    """Lines one after the other, with what is expected of each."""

    def __init__(self, path: Path, lines: list[Line]) -> None:
        self._path = path
        self._lines = deque(lines)

    def is_at_end(self) -> bool:
        """Whether there is no other line."""
        return not self._lines

    def next(self, what: str) -> Line:
        """The next line, or the refusal of a file that ends before it."""
        if not self._lines:
            raise PotentialFileError(f"{self._path}: the file ends where {what} must be")
        return self._lines.popleft()

    def with_words(self, what: str, n: int) -> Line:
        """The next line, which must have at least `n` words."""
        line = self.next(what)
        if len(line.words) < n:
            raise line.refuse(f"there are {len(line.words)} words but must be {n}: {what}")
        return line

    def numbers(self, what: str, n: int) -> Float64[ndarray, " n"]:
        """`n` numbers from as many lines as it takes; the last line ends with the last number."""
        values: list[float] = []
        while len(values) < n:
            line = self.next(f"{what}, of which there are {len(values)} of {n} numbers,")
            values += [line.number_at(place, what) for place in range(len(line.words))]
            if len(values) > n:
                raise line.refuse(
                    f"{what} must end with the line that has its number {n}, but there are "
                    f"{len(values) - n} more in it"
                )
        return np.array(values)

    def end(self) -> None:
        """Refuse what follows."""
        if self._lines:
            raise self._lines[0].refuse("the file must end here, after the last table")
