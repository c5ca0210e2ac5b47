"""A run that is interrupted goes on where it was: its state in a file, whole or not at all."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from miniff.ml._tensor_files import DamagedFileError, read_tensors, write_tensors

__all__ = ["Checkpoint", "Progress", "progress_in"]

FORMAT = "miniff checkpoint 2"
"""1 did not say how far the run was."""
HASH = re.compile(r"[0-9a-f]{40,}")
MOST_TOLD = 4
"""Differences between two runs."""
LONGEST = 60
"""Letters of a value that is told."""


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        done: Steps that were made.
        total: Steps that were asked for.
        what: What they are called.
    """

    done: int
    total: int
    what: str

    @property
    def is_complete(self) -> bool:
        """Whether all are made."""
        return self.done >= self.total

    def __str__(self) -> str:
        if self.is_complete:
            return f"which is complete ({self.done} {self.what})"
        return f"of which {self.done} of {self.total} {self.what} are made"


@dataclass
class Checkpoint:
    """The file of a run.

    Attributes:
        path: Where it is.
        run: All that decides the numbers of the run, as plain data.
        every_s: Seconds between two writings.
        writes: Whether this process does.
        units: Size and name of the unit in which numbers of ``run`` are told.
    """

    path: Path
    run: Mapping[str, object]
    every_s: float
    writes: bool = True
    units: Mapping[str, tuple[float, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._written = monotonic()

    def load(self) -> Mapping[str, object] | None:
        """The state to go on from, or None if there is none.

        Raises:
            ValueError: A file of another run, or one that is damaged.
        """
        if not self.path.exists():
            return None
        anew = f"delete {self.path} to start anew"
        try:
            content = read_tensors(self.path)
        except DamagedFileError as error:
            raise ValueError(f"{self.path} is damaged ({error}): {anew}") from error
        if not isinstance(content, dict) or "format" not in content:
            raise ValueError(f"{self.path} is no checkpoint: {anew}")
        if content["format"] != FORMAT:
            raise ValueError(f"{self.path} is of another version of miniff: {anew}")
        state, progress = content.get("state"), _progress(content)
        try:
            found = json.loads(content["run"])
        except (ValueError, TypeError, KeyError):
            found = None
        if not isinstance(found, dict) or not isinstance(state, dict) or progress is None:
            raise ValueError(f"{self.path} is no checkpoint: {anew}")
        differences = _differences(found, json.loads(_text(self.run)))
        if differences:
            raise ValueError(self._refusal(progress, differences))
        return state

    def _refusal(
        self, progress: Progress, differences: Sequence[tuple[str, object, object]]
    ) -> str:
        """Whose the file is, in what that run differs, and what to do."""
        told = [self._difference(*one) for one in differences[:MOST_TOLD]]
        if len(differences) > MOST_TOLD:
            told.append(f"and {len(differences) - MOST_TOLD} more")
        else_ = "run this one in another folder"
        if not progress.is_complete:
            else_ = "give this one what that one had, and it goes on"
        return (
            f"{self.path} belongs to another run, {progress}: {', '.join(told)}. Delete "
            f"{self.path} to start anew, which writes over what that run has written, or {else_}"
        )

    def _difference(self, key: str, there: object, here: object) -> str:
        words = [self._words(key, value) for value in (there, here)]
        if None in words or words[0] == words[1]:
            return f"`{key.removesuffix('_sha256')}` is another"
        return f"`{key}` was {words[0]} but here it is {words[1]}"

    def _words(self, key: str, value: object) -> str | None:
        """A value for people; None if it tells them nothing."""
        if value is None:
            return "not given"
        if key in self.units and isinstance(value, int | float):
            size, name = self.units[key]
            return f"{value / size:.6g} {name}"
        text = str(value)
        return None if HASH.fullmatch(text) or len(text) > LONGEST else text

    def save_if_due(self, state: Mapping[str, object], progress: Progress) -> None:
        """Writes the state if enough time has gone by since the last writing."""
        if self.is_due():
            self.save(state, progress)

    def is_due(self) -> bool:
        """Whether enough time has gone by since the last writing."""
        return monotonic() - self._written >= self.every_s

    def save(self, state: Mapping[str, object], progress: Progress) -> None:
        """Writes the state."""
        if not self.writes:
            return
        content = {
            "format": FORMAT,
            "run": _text(self.run),
            "state": dict(state),
            "progress": vars(progress),
        }
        write_tensors(self.path, content)
        self._written = monotonic()

    def remove(self) -> None:
        """The run is complete."""
        if self.writes:
            self.path.unlink(missing_ok=True)


def progress_in(path: Path) -> Progress | None:
    """How far the run is that a file is of, whichever that is; None if there is no such file, or
    it does not say."""
    if not path.exists():
        return None
    try:
        content = read_tensors(path)
    except DamagedFileError:  # which `load` tells
        return None
    return _progress(content) if isinstance(content, dict) else None


def _progress(content: Mapping[Any, Any]) -> Progress | None:
    """None if the file does not say it."""
    match content.get("progress"):
        case {"done": int(done), "total": int(total), "what": str(what)}:
            return Progress(done, total, what)
    return None


def _text(run: Mapping[str, object]) -> str:
    return json.dumps(run, sort_keys=True)


def _differences(
    found: object, wanted: object, key: tuple[str, ...] = ()
) -> list[tuple[str, object, object]]:
    """Where two nested mappings differ."""
    if not (isinstance(found, dict) and isinstance(wanted, dict)):
        return [] if found == wanted else [(".".join(key), found, wanted)]
    return [
        difference
        for name in sorted({*found, *wanted})
        for difference in _differences(found.get(name), wanted.get(name), (*key, name))
    ]
