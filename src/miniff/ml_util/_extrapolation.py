"""What workflows that move atoms do about those that leave the training set."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from miniff.dyn import ToLabel
from miniff.kernel import ExtrapolationWarning
from miniff.ml_util._progress import Reporter
from miniff.ml_util._types import OutputFile
from miniff.potentials import Potential

__all__ = [
    "TO_LABEL",
    "ExtrapolationLimit",
    "LabelFile",
    "Limits",
    "file_to_label",
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
