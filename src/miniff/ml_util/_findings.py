"""Data looked through before a fit; what is found is told and never a reason to stop."""

from collections.abc import Mapping, Sequence

from miniff.kernel import Cell, Checkup, Finding, check_data
from miniff.ml_util._progress import Reporter

__all__ = ["look_through"]

TOLD_ALREADY = ("missing",)
"""Kinds of findings that the fit says in its own words."""


def look_through(sets: Mapping[str, Sequence[Cell]], reporter: Reporter) -> tuple[Finding, ...]:
    """What looks wrong in structures, told as warnings and notes."""
    try:
        found = check_data(sets)
    except Exception as error:
        reporter.warning(f"the data could not be looked through: {type(error).__name__}: {error}")
        found = Checkup((), ())
    findings = tuple(one for one in found.findings if one.kind not in TOLD_ALREADY)
    for one in findings:
        if one.severity == "note":
            reporter.info(f"note: {one.sentence}")
        else:
            reporter.warning(one.sentence)
    for sentence in found.seen:
        reporter.debug(sentence)
    return findings
