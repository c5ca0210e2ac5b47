"""What workflows say and do about atoms outside of the training set."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from pydantic import Field

from miniff._neighbors import PairTable
from miniff.dyn import ToLabel
from miniff.kernel import ExtrapolationWarning
from miniff.ml import ChargePotential, NNPotential
from miniff.ml_util._progress import Reporter
from miniff.ml_util._types import OutputFile
from miniff.potentials import OUTSIDE, Potential

__all__ = [
    "TO_LABEL",
    "ExtrapolationLimit",
    "LabelFile",
    "Limits",
    "file_to_label",
    "grades_of",
    "outside_sentence",
    "tell_frames",
    "telling",
]

ExtrapolationLimit = Annotated[float, Field(ge=1, allow_inf_nan=False)]
"""A grade; 1 is the border of the training set."""
LabelFile = OutputFile
TO_LABEL = "to-label.xyz"


@dataclass(frozen=True)
class Limits:
    """What may happen outside of the training set.

    Attributes:
        stop: The largest grade that is allowed; None if any is.
        to_label: For structures as they leave; None for none.
    """

    stop: float | None
    to_label: ToLabel | None


def file_to_label(
    name: str | None,
    run: str,
    potentials: Sequence[Potential],
    *,
    spacing: int = 10,
    most: int = 5,
) -> ToLabel | None:
    """For frames with atoms outside; none where nobody asked and nobody knows what outside is.

    Args:
        name: Of the file; None for none.
        run: Name of the workflow.
        potentials: Those that move the atoms.
        spacing: What :class:`miniff.dyn.ToLabel` takes.
        most: The same.

    Raises:
        ValueError: A name with another ending, or a file with something else in it.
    """
    if name is None or (name == TO_LABEL and all(p.training is None for p in potentials)):
        return None
    return ToLabel(name, run, spacing=spacing, most=most)


def grades_of(potentials: Sequence[Potential], table: PairTable) -> Float64[ndarray, "n_atoms 2"]:
    """What decides which atoms are outside of the training set: the largest grades of all networks,
    by range and by distance; nan where they are not known.

    They are in double precision, whatever the forces are in.
    """
    grades = np.full((table.n_atoms, 2), np.nan)
    for potential in potentials:
        if isinstance(potential, NNPotential | ChargePotential):
            np.fmax(grades, potential.grades(table), out=grades)
    return grades


def outside_sentence(n_outside: int, n_atoms: int) -> str:
    """How many of some atoms are outside, in the same words everywhere."""
    return (
        f"{n_outside} of {n_atoms} atoms are outside of the training set (extrapolation above "
        f"{OUTSIDE}): trust them less"
    )


@contextmanager
def telling(reporter: Reporter, where: str = "") -> Iterator[None]:
    """Warnings of atoms that leave the training set go to the log, at once.

    Args:
        reporter: Whose log.
        where: Begins each sentence.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("always", ExtrapolationWarning)
        show = warnings.showwarning

        def tell(
            message: Warning | str, category: type[Warning], *place: object, **more: object
        ) -> None:
            if issubclass(category, ExtrapolationWarning):
                reporter.warning(f"{where}{message}")
            else:
                show(message, category, *place, **more)  # type: ignore[arg-type]

        warnings.showwarning = tell
        yield


def tell_frames(reporter: Reporter, to_label: ToLabel | None) -> None:
    """Where frames are, if there are any."""
    if to_label is not None and to_label.n_frames:
        reporter.warning(
            f"{to_label.n_frames} frames with atoms outside of the training set are in "
            f"{to_label.path}: label them and add them to the training set"
        )
