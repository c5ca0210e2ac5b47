"""Who looks at each step for atoms outside of the training set: warns, keeps frames, stops."""

from collections.abc import Callable, Sequence
from math import inf
from warnings import warn

from jaxtyping import Float64
from numpy import ndarray

from miniff._neighbors import NeighborTable
from miniff.dyn._to_label import ToLabel, frame_to_label
from miniff.kernel import (
    Cell,
    Episodes,
    ExtrapolationError,
    ExtrapolationWarning,
    words_of_farthest,
)
from miniff.potentials import OUTSIDE, Potential, listed_potentials

__all__ = ["ROUNDING", "Guard", "Limits"]


ROUNDING = 1e-3
"""By so much a grade may be larger in single precision."""
OF_MOTION, OF_RELAXATION = (100, 50), (10, 5)
"""Spacing in steps, and number, of frames of one structure."""


class Limits:
    """What may happen outside of the training set, checked.

    Attributes:
        potentials: Whose training sets matter.
        run: What frames call it.
        stop: The largest grade that is allowed; infinite if any is.
        to_label: For frames with an atom outside; None for none.
    """

    def __init__(
        self,
        potentials: Potential | Sequence[Potential],
        run: str,
        stop_extrapolation: float | None,
        to_label: str | ToLabel | None,
    ) -> None:
        """Opens the file of frames, if there is to be one.

        Raises:
            ValueError: A limit below 1, or potentials of which no grades are known where they are
                needed.
        """
        self.potentials = listed_potentials(potentials)
        if stop_extrapolation is not None and not stop_extrapolation >= 1:
            raise ValueError(
                f"`stop_extrapolation` is {stop_extrapolation} but must be in [1, inf]"
            )
        asked = {"stop_extrapolation": stop_extrapolation, "to_label": to_label}
        for name, value in asked.items():
            if value is not None and all(p.training is None for p in self.potentials):
                raise ValueError(
                    f"`{name}` is {value} but no potential knows its training set: leave it out"
                )
        self.stop = inf if stop_extrapolation is None else stop_extrapolation
        if isinstance(to_label, str):
            spacing, most = OF_RELAXATION if run == "relax" else OF_MOTION
            to_label = ToLabel(to_label, run, spacing=spacing, most=most)
        self.to_label = to_label
        self.run = run if to_label is None else to_label.run

    def refusal(self, step: int, words: str) -> ExtrapolationError:
        """What a run ends with that has gone too far."""
        there = "" if self.to_label is None else f"; {self.to_label.path} has the frame"
        return ExtrapolationError(
            f"at step {step} {words}; `stop_extrapolation` is {self.stop:g}{there}"
        )


class Guard:
    """Looks at one structure step by step."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._episodes = Episodes(limits.potentials, _warn)

    def go_on(self, step: int) -> None:
        """The run goes on from this step."""
        if self._limits.to_label is not None:
            self._limits.to_label.go_on(step)

    def look(
        self,
        step: int,
        grades: Float64[ndarray, "n_atoms 2"],
        table: Callable[[], NeighborTable],
        cell: Callable[[], Cell],
    ) -> None:
        """At a step.

        Args:
            step: Its number.
            grades: Of all atoms.
            table: Their neighbours.
            cell: The structure with what the potentials say of it.

        Raises:
            ExtrapolationError: An atom is further out than is allowed.
        """
        limits = self._limits
        largest = self._episodes.see(f"at step {step}", grades, table)
        is_last = largest > limits.stop + ROUNDING
        if not (largest > OUTSIDE or is_last):
            return
        if limits.to_label is not None:
            frame = frame_to_label(cell(), grades, limits.run, step)
            limits.to_label.add(frame, is_last=is_last)
        if is_last:
            raise limits.refusal(step, words_of_farthest(limits.potentials, table(), grades))


def _warn(sentence: str) -> None:
    warn(sentence, ExtrapolationWarning, stacklevel=2)
