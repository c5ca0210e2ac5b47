"""What moves atoms step by step, and how its failure is told."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import isfinite

import numpy as np
from numpy import ndarray

from miniff._checks import WHY_NO_NUMBER, words_for_no_number
from miniff.dyn._state import State

__all__ = ["Integrator", "degrees_of_freedom", "explosion", "refuse_fast_atoms", "refuse_no_number"]

REASONS = "atoms came too close, the time step is too long, or the potential fails here"
LONGEST_STEP = 0.1
"""An atom that moves further in one step, in cutoffs, does not see what it flies through."""


class Integrator(ABC):
    """Equations of motion on their way.

    Attributes:
        step: Steps made.
    """

    step: int

    @abstractmethod
    def look(self) -> None:
        """Has its guard look at where it is; :meth:`advance` does so at each step.

        Raises:
            ExtrapolationError: An atom is further outside of the training set than is allowed.
        """

    @abstractmethod
    def advance(self, n_steps: int) -> None:
        """Makes steps; in how many calls does not matter to the numbers.

        Raises:
            FloatingPointError: Something explodes, or leaves the training set too far: the step and
                an atom are named.
        """

    @abstractmethod
    def state(self) -> State:
        """Where the run is. What is given is not changed later."""

    @abstractmethod
    def memory(self) -> dict[str, object]:
        """All that decides the steps to come: arrays and plain data."""

    @abstractmethod
    def remember(self, memory: Mapping[str, object]) -> None:
        """Goes back to where the memory was taken, to the bit."""


def refuse_no_number(step: int, energy: float, gradient: ndarray) -> None:
    """Stops where the energy is infinite or nan.

    Raises:
        FloatingPointError: With the step and an atom.
    """
    if isfinite(energy):
        return
    words, _ = words_for_no_number(energy, gradient)
    raise FloatingPointError(f"at step {step} {words}: {REASONS}")


def refuse_fast_atoms(step: int, moves: ndarray, cutoff: float) -> None:
    """Stops where atoms are too fast for the time step.

    Args:
        step: Steps made.
        moves: Of the atoms in one step (length).
        cutoff: Of the potentials (length).

    Raises:
        FloatingPointError: With the step and the fastest atom.
    """
    limit = LONGEST_STEP * cutoff
    if np.vdot(moves, moves) <= limit**2:  # few atoms: all together move by less
        return
    if np.abs(moves).max(initial=0.0) <= limit:
        return
    lengths = np.abs(moves).max(axis=1)
    fastest = int(np.argmax(np.nan_to_num(lengths, nan=np.inf)))
    raise FloatingPointError(
        f"at step {step} atom {fastest} (counted from 0) is so fast that it moves by "
        f"{lengths[fastest]:.3g} in one step but must not by more than {limit:.3g}, "
        f"{LONGEST_STEP} cutoffs: {REASONS}"
    )


def explosion(step: int, error: Exception, reasons: str = REASONS) -> FloatingPointError:
    """What atoms at impossible places lead to, with the step; reasons stand there once."""
    words = str(error).removesuffix(f": {WHY_NO_NUMBER}")
    return FloatingPointError(f"at step {step} {words}: {reasons}")


def degrees_of_freedom(n_atoms: int, *, momentum_is_conserved: bool) -> int:
    """Degrees of freedom that share the kinetic energy."""
    return 3 * n_atoms - 3 if momentum_is_conserved and n_atoms > 1 else max(3 * n_atoms, 1)
