"""One thing that looks wrong in a data set."""

from dataclasses import dataclass
from typing import Literal

from miniff._checks import unknown_name

__all__ = ["SEVERITIES", "Finding", "Severity"]

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""The gravest first."""


@dataclass(frozen=True)
class Finding:
    """One thing that looks wrong in a data set.

    Attributes:
        severity: ``"error"`` where nothing good can come of it, ``"warning"`` where something is
            most likely wrong, ``"note"`` for what one should know.
        kind: A short name, the same for all of a kind: ``"duplicates"``.
        sentence: What it is, where, why it looks wrong, and what to do.
        where: The structures it is about, by their ``source``; all of them.
    """

    severity: Severity
    kind: str
    sentence: str
    where: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(unknown_name("severity", self.severity, SEVERITIES))

    def as_json(self) -> dict[str, object]:
        """Plain data."""
        return {
            "severity": self.severity,
            "kind": self.kind,
            "sentence": self.sentence,
            "where": list(self.where),
        }
