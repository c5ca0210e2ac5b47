"""Atoms outside of the training set: told once for each time that some leave it.

An episode lasts from the evaluation in which an atom is outside until ``QUIET`` evaluations have
gone by in which none was; so an atom at the border does not cause a warning at every step.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff._neighbors import NeighborTable
from miniff.potentials import OUTSIDE, Potential, larger_grade

__all__ = ["Episodes", "ExtrapolationError", "ExtrapolationWarning", "words_of_farthest"]

QUIET = 100
MOST_TOLD = 10


class ExtrapolationWarning(UserWarning):
    """An atom is outside of what the network was trained on: energies and forces are guesses.

    To read no more of it: ``warnings.simplefilter("ignore", ExtrapolationWarning)``.
    """


class ExtrapolationError(FloatingPointError):
    """An atom is further outside of the training set than was allowed.

    Code that handles a run that explodes, a FloatingPointError, handles this one too.
    """


class Episodes:
    """Counts the episodes of a run, and tells of the first ones.

    Attributes:
        n_episodes: How many there were.
        n_outside: In how many evaluations an atom was outside.
        largest: The largest grade of all; nan if none is known.
    """

    def __init__(self, potentials: Sequence[Potential], tell: Callable[[str], None]) -> None:
        """Nothing is looked at yet.

        Args:
            potentials: Whose training sets matter.
            tell: Called with a sentence when an episode begins, at most ``MOST_TOLD`` times.
        """
        self.is_blind = all(p.training is None for p in potentials)
        self._potentials, self._tell = potentials, tell
        self._since = QUIET  # evaluations since an atom was outside
        self.n_episodes = self.n_outside = 0
        self.largest = np.nan

    def see(
        self,
        when: str,
        grades: Float64[ndarray, "n_atoms 2"],
        table: Callable[[], NeighborTable],
        ids: ndarray | None = None,
    ) -> float:
        """Looks at an evaluation; the largest grade, nan if none is known.

        Args:
            when: Begins the sentence, as "at step 10".
            grades: Of all atoms.
            table: Their neighbours, for the sentence.
            ids: What they are called, if not by their places.
        """
        if self.is_blind or not len(grades):
            return np.nan
        largest = float(np.fmax.reduce(grades, axis=None))
        self.largest = np.fmax(self.largest, largest)
        if not largest > OUTSIDE:
            self._since += 1
            return largest
        if self._since >= QUIET:
            self.n_episodes += 1
            if self.n_episodes <= MOST_TOLD:
                self._begin(when, words_of_farthest(self._potentials, table(), grades, ids))
        self._since = 0
        self.n_outside += 1
        return largest

    def _begin(self, when: str, words: str) -> None:
        sentence = f"{when} {words}"
        if self.n_episodes == MOST_TOLD:
            sentence += f"; this is the time number {MOST_TOLD}, and others are not told"
        self._tell(sentence)


def words_of_farthest(
    potentials: Sequence[Potential],
    table: NeighborTable,
    grades: Float64[ndarray, "n_atoms 2"],
    ids: ndarray | None = None,
) -> str:
    """Which atom is farthest outside of the training set, and by which of its descriptors.

    Args:
        potentials: Those that gave the grades.
        table: Neighbours of the atoms; they are counted from its first.
        grades: Of its atoms; at least one is known.
        ids: What they are called, if not by their places.
    """
    larger = larger_grade(grades)
    atom = int(np.nanargmax(larger))
    species = table.names[table.species[atom]]
    listed = table.on_host()  # descriptors of one atom, of the core
    found = [known.farthest(listed, atom) for p in potentials for known in p.training_sets(species)]
    worst = max(found, key=lambda one: one.grade)
    others = int((larger > OUTSIDE).sum()) - 1
    more = f", as {others} more" if others > 0 else ""
    name = f"{atom} ({species}, counted from 0)" if ids is None else f"{ids[atom]} ({species})"
    return f"atom {name} is outside of the training set{more}: {worst}"
