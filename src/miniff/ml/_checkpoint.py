"""A run that is interrupted goes on where it was: its state in a file, whole or not at all."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from miniff.ml._tensor_files import DamagedFileError, read_tensors, write_tensors

__all__ = ["Checkpoint"]

FORMAT = "miniff checkpoint 1"


@dataclass
class Checkpoint:
    """The file of a run.

    Attributes:
        path: Where it is.
        run: All that decides the numbers of the run, as plain data.
        every_s: Seconds between two writings.
        writes: Whether this process does.
    """

    path: Path
    run: Mapping[str, object]
    every_s: float
    writes: bool = True

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
        state = content.get("state")
        try:
            found = json.loads(content["run"])
        except (ValueError, TypeError, KeyError):
            found = None
        if not (isinstance(found, dict) and isinstance(state, dict)):
            raise ValueError(f"{self.path} is no checkpoint: {anew}")
        for key, there, here in _differences(found, json.loads(_text(self.run))):
            raise ValueError(
                f"{self.path} is of a run that was interrupted, in which `{key}` was {there}, but "
                f"here it is {here}: {anew}"
            )
        return state

    def save_if_due(self, state: Mapping[str, object]) -> None:
        """Writes the state if enough time has gone by since the last writing."""
        if self.is_due():
            self.save(state)

    def is_due(self) -> bool:
        """Whether enough time has gone by since the last writing."""
        return monotonic() - self._written >= self.every_s

    def save(self, state: Mapping[str, object]) -> None:
        """Writes the state."""
        if not self.writes:
            return
        content = {"format": FORMAT, "run": _text(self.run), "state": dict(state)}
        write_tensors(self.path, content)
        self._written = monotonic()

    def remove(self) -> None:
        """The run is complete."""
        if self.writes:
            self.path.unlink(missing_ok=True)


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
