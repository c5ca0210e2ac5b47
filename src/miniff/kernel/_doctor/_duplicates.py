"""The same structure twice: as it is, or moved, turned, mirrored, its atoms in another order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from miniff.kernel._cell import Cell
from miniff.kernel._doctor._finding import Finding
from miniff.kernel._doctor._survey import Survey
from miniff.kernel._doctor._words import digits, of_all, were

__all__ = ["duplicates"]

SAME = 1e-6
"""Difference of all numbers that describe a structure, relative to the largest of its kind: copies
differ by rounding, 1e-15, and what differs by 0.001 of a length by more than this."""
SAME_ENERGY = 5e-8
"""Per atom (energy): as programs print it."""
CONTRADICTION = 5e-3
"""Energies per atom of copies that differ by more are not those of one calculation (energy)."""


@dataclass(frozen=True)
class _Copy:
    """A structure, the one that it is a copy of, and their energies' difference per atom."""

    number: int
    original: int
    energy: float


def duplicates(survey: Survey) -> list[Finding]:
    """Copies inside of sets, between sets, and those whose energies contradict each other."""
    copies = _copies(survey)
    own = [c for c in copies if survey.part[c.number] == survey.part[c.original]]
    shared = [c for c in copies if survey.part[c.number] != survey.part[c.original]]
    found = _contradictions(survey, copies)
    for part in dict.fromkeys(survey.part):
        later = [c for c in shared if survey.part[c.number] == part]
        for other in dict.fromkeys(survey.part[c.original] for c in later):
            between = [c for c in later if survey.part[c.original] == other]
            found.append(_shared(survey, part, other, between))
        inside = [c for c in own if survey.part[c.number] == part]
        if inside:
            found.append(_inside(survey, part, inside))
    return found


def _shared(survey: Survey, part: str, other: str, copies: Sequence[_Copy]) -> Finding:
    n, same = len(copies), sum(abs(c.energy) < SAME_ENERGY for c in copies)
    energies = f" ({same} of them with the same energy)" if same else ""
    first = copies[0]
    return Finding(
        "warning",
        "copies between sets",
        f"{of_all(n, list(survey.part).count(part))} of the {part} set {were(n, 'is a', 'are')} "
        f"symmetry {were(n, 'copy', 'copies')} of structures in the {other} set{energies}, as "
        f"{survey.source(first.number)} of {survey.source(first.original)}: errors on "
        f"{were(n, 'it', 'them')} say nothing about unseen structures; leave "
        f"{were(n, 'it', 'them')} out of one of the sets",
        _sources(survey, copies),
    )


def _inside(survey: Survey, part: str, copies: Sequence[_Copy]) -> Finding:
    n, first = len(copies), copies[0]
    return Finding(
        "note",
        "copies",
        f"{of_all(n, list(survey.part).count(part))} of the {part} set "
        f"{were(n, 'is a symmetry copy', 'are symmetry copies')} of another one, as "
        f"{survey.source(first.number)} of {survey.source(first.original)}: each weighs as often "
        "as it is there, and a part that is drawn for validation or test may share them; leave "
        "them out, or give them a smaller weight",
        _sources(survey, copies),
    )


def _contradictions(survey: Survey, copies: Sequence[_Copy]) -> list[Finding]:
    apart = sorted(
        (c for c in copies if abs(c.energy) > CONTRADICTION), key=lambda c: -abs(c.energy)
    )
    if not apart:
        return []
    worst, n = apart[0], len(apart)
    return [
        Finding(
            "warning",
            "contradicting copies",
            f"{n} {were(n, 'structure has', 'structures have')} another energy than a symmetry "
            f"copy, by up to {digits(1e3 * abs(worst.energy))} meV/atom "
            f"({survey.source(worst.number)} and {survey.source(worst.original)}): one structure "
            "has one energy; look for other settings, other units, or a state that did not "
            "converge",
            _sources(survey, apart),
        )
    ]


def _sources(survey: Survey, copies: Sequence[_Copy]) -> tuple[str, ...]:
    return tuple(survey.source(c.number) for c in copies)


def _copies(survey: Survey) -> list[_Copy]:
    """Each structure that is a copy, once: of an earlier one of its own set if there is, of an
    earlier set else."""
    kinds: dict[tuple[object, ...], list[int]] = {}
    for number, cell in enumerate(survey.cells):
        around = survey.surroundings[number]
        if not around.problem and (around.n_pairs or cell.size == 1):
            kinds.setdefault((tuple(sorted(cell.values)), cell.pbc), []).append(number)
    found = [copy for own in kinds.values() if len(own) > 1 for copy in _of_kind(survey, own)]
    return sorted(found, key=lambda c: c.number)


def _of_kind(survey: Survey, own: Sequence[int]) -> list[_Copy]:
    # Imported here: it takes as long as the rest of miniff.kernel.
    from scipy.spatial import cKDTree

    rows = np.stack([np.r_[survey.surroundings[k].mean, _size(survey.cells[k])] for k in own])
    largest = np.abs(rows).max(axis=0)
    rows /= np.where(largest > 0, largest, 1.0)
    earlier: dict[int, list[int]] = {}
    for a, b in cKDTree(rows).query_pairs(SAME, output_type="ndarray").tolist():
        earlier.setdefault(own[max(a, b)], []).append(own[min(a, b)])
    found = []
    for number, others in earlier.items():
        found += [_copy(survey, number, _best(survey, number, others))]
    return found


def _best(survey: Survey, number: int, others: Sequence[int]) -> int:
    """Between sets if there is such a one, of the nearest energy."""
    shared = [k for k in others if survey.part[k] != survey.part[number]]
    off = {k: abs(survey.energies[k] - survey.energies[number]) for k in shared or others}
    return min(off, key=lambda k: (np.inf if np.isnan(off[k]) else off[k], k))


def _copy(survey: Survey, number: int, original: int) -> _Copy:
    off = (survey.energies[number] - survey.energies[original]) / survey.sizes[number]
    return _Copy(number, original, float(off))


def _size(cell: Cell) -> ndarray:
    """Volume where all directions repeat, else how far atoms are spread in three directions."""
    if all(cell.pbc):
        return np.array([cell.volume, 0.0, 0.0])
    off = cell.cartesian() - cell.cartesian().mean(axis=0)
    spread: ndarray = np.sqrt(np.maximum(np.linalg.eigvalsh(off.T @ off / cell.size), 0.0))
    return spread
