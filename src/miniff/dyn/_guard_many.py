"""Which of many structures leave the training set, and when each does so first."""

from collections.abc import Sequence
from dataclasses import dataclass
from warnings import warn

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff.dyn._batch import Batch, name_of
from miniff.dyn._guard import ROUNDING, Limits
from miniff.dyn._state import labelled
from miniff.dyn._to_label import frame_to_label
from miniff.kernel import Cell, ExtrapolationWarning, words_of_farthest
from miniff.potentials import OUTSIDE, TableEvaluation, larger_grade

__all__ = ["GuardMany", "Left", "keep_frames", "warn_of_left"]

MOST_NAMED = 3


@dataclass(frozen=True, eq=False)
class Left:
    """A structure as it left the training set.

    Attributes:
        step: When.
        words: Which atom, and by which descriptor.
        frame: What :func:`frame_to_label` gives.
    """

    step: int
    words: str
    frame: Cell


class GuardMany:
    """Looks at the structures of a batch; one that is further out than allowed has failed.

    Attributes:
        left: Those that left, as they did so first.
    """

    def __init__(self, limits: Limits, batch: Batch) -> None:
        self._limits, self._batch = limits, batch
        self._is_blind = all(p.training is None for p in limits.potentials)
        self.left: dict[int, Left] = {}

    def look(
        self,
        step: int,
        result: TableEvaluation,
        positions: Float64[ndarray, "n_atoms 3"],
        vectors: Float64[ndarray, "n_structures 3 3"],
    ) -> list[int]:
        """At all structures; those that left for the first time.

        Args:
            step: Of all.
            result: Of the batch; what is nan is not looked at.
            positions: Of all atoms (length).
            vectors: Of all cells (length).
        """
        if self._is_blind:
            return []
        new = []
        stop = self._limits.stop + ROUNDING
        is_of_interest = larger_grade(result.grades) > min(OUTSIDE, stop)
        for s in np.unique(self._batch.of_atom[is_of_interest]).tolist():
            atoms = slice(*self._batch.first[s : s + 2])
            grades = result.grades[atoms]
            is_too_far = float(np.nanmax(larger_grade(grades))) > stop
            if s in self._batch.failed or (s in self.left and not is_too_far):
                continue
            table = self._batch.table_of(s, positions[atoms], vectors[s])
            words = words_of_farthest(self._limits.potentials, table, grades)
            if s not in self.left:
                here = labelled(
                    self._batch.cells[s],
                    vectors[s],
                    positions[atoms],
                    {"energy": float(result.energy[s]), "forces": -result.gradient[atoms]},
                )
                frame = frame_to_label(here, grades, self._limits.run, step)
                self.left[s] = Left(step, words, frame)
                new.append(s)
            if is_too_far:
                self._batch.failed[s] = self._limits.refusal(step, words)
        return new


def warn_of_left(cells: Sequence[Cell], left: dict[int, Left]) -> None:
    """One sentence about all of them, if there are any."""
    if not left:
        return
    named = [
        f"{name_of(cells, s)} at step {left[s].step}: {left[s].words}"
        for s in sorted(left)[:MOST_NAMED]
    ]
    more = "; ..." if len(left) > MOST_NAMED else ""
    warn(
        f"{len(left)} of {len(cells)} structures left the training set: {'; '.join(named)}{more}",
        ExtrapolationWarning,
        stacklevel=3,
    )


def keep_frames(limits: Limits, cells: Sequence[Cell], left: dict[int, Left]) -> None:
    """Has structures written as they left, if that is asked for."""
    if limits.to_label is None or not left:
        return
    frames = []
    for s, one in sorted(left.items()):
        frame, own = one.frame, {"run": limits.run, "origin": name_of(cells, s)}
        meta = {**frame.meta, **own}
        frames.append(Cell(frame.vectors, frame.coordinates, frame.values, meta, pbc=frame.pbc))
    limits.to_label.add_all(frames)
