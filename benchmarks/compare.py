"""Whether peers compute the same, and how much longer one takes than another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy import ndarray

from benchmarks.measure import Outcome, Request
from benchmarks.peers import Answer, Peer

__all__ = ["Row", "compare", "difference", "ratio"]

TINY = np.finfo(float).tiny


@dataclass(frozen=True)
class Row:
    """An outcome beside that of the first peer, miniff where it is measured.

    Attributes:
        outcome: What was measured.
        ratio: Its time over miniff's; None if either is missing.
        difference: Largest relative one from ``reference``; None if not compared.
        reference: Whom it was compared with.
    """

    outcome: Outcome
    ratio: float | None = None
    difference: float | None = None
    reference: str | None = None


def compare(outcomes: Sequence[Outcome], peers: Mapping[str, Peer]) -> list[Row]:
    """Rows of one workload and size; whose numbers differ too much has its time taken away."""
    theirs = next((o for o in outcomes if tolerance_of(o.request, peers) and o.answer), None)
    ours = next((o for o in outcomes if o.request.peer == "miniff"), None)
    rows = []
    for outcome in outcomes:
        allowed = tolerance_of(outcome.request, peers)
        row = Row(outcome)
        if theirs and theirs.answer and outcome is not theirs and outcome.answer and allowed:
            found = difference(outcome.answer, theirs.answer)
            row = Row(outcome, difference=found, reference=peers[theirs.request.peer].name)
            if not found <= allowed:
                row = replace(row, outcome=refused(outcome, found, allowed, row.reference))
        rows.append(replace(row, ratio=ratio(row.outcome, ours)))
    return rows


def tolerance_of(request: Request, peers: Mapping[str, Peer]) -> float | None:
    """Largest difference allowed; None if the peer computes something else."""
    return peers[request.peer].methods[request.workload].tolerance


def refused(outcome: Outcome, found: float, allowed: float, reference: str | None) -> Outcome:
    """The same outcome without its numbers."""
    sentence = f"by {found:.1e} from {reference}, at most {allowed:.0e} is allowed"
    result = replace(
        outcome.result,
        status="differs",
        message=sentence,
        microseconds_per_atom=None,
        memory_kb_per_atom=None,
    )
    return replace(outcome, result=result)


def difference(a: Answer, b: Answer) -> float:
    """Largest one of energy and of any column per atom, relative to the largest number of b."""
    if a.per_atom.shape != b.per_atom.shape:
        return float("inf")
    columns = largest(a.per_atom - b.per_atom) / np.maximum(largest(b.per_atom), TINY)
    energy = abs(a.energy - b.energy) / max(abs(b.energy), TINY)
    return float(np.max([energy, *columns]))  # nan if any is


def largest(array: ndarray) -> ndarray:
    """Of each column, without sign; nan where there is one."""
    columns: ndarray = np.abs(array).max(axis=0, initial=0.0)
    return columns


def ratio(outcome: Outcome, reference: Outcome | None) -> float | None:
    """Time over time."""
    if reference is None:
        return None
    time, base = outcome.result.microseconds_per_atom, reference.result.microseconds_per_atom
    return time / base if time is not None and base else None
