"""Whether a fit knows the structures that it learned much better than others."""

from collections.abc import Mapping

from miniff.kernel import Finding
from miniff.ml_util._errors import Errors, PropertyError
from miniff.ml_util._progress import SHOWN
from miniff.units import three_digits

__all__ = ["overfitting"]

MUCH = 2.0
"""Mean absolute errors of others are so many times those of the training set."""
FEWEST = 5
"""References that tell something."""
PROPERTIES = ("energy", "forces", "charges")
ADVICE = (
    "the networks know the structures that they learned better than others. What helps is more "
    "structures, of the kinds with the largest errors first; a larger committee (`quality: high`) "
    "helps a little, and fewer descriptors or smaller networks seldom do"
)


def overfitting(errors: Mapping[str, Errors]) -> list[Finding]:
    """A note, if errors on the validation set, or else on the test set, are much larger than on the
    training set.

    Args:
        errors: Of each set, by name.
    """
    for name in ("validation", "test"):
        if name not in errors:
            continue
        told = [
            _compared(quantity, getattr(errors["train"], quantity), getattr(errors[name], quantity))
            for quantity in PROPERTIES
        ]
        said = [words for words in told if words]
        if said:
            sentence = f"errors on the {name} set are {' and '.join(said)}: {ADVICE}"
            return [Finding("note", "overfitting", sentence)]
        return []
    return []


def _compared(name: str, train: PropertyError | None, other: PropertyError | None) -> str:
    """In words; nothing where they are alike, or too few to tell."""
    if train is None or other is None or other.n < FEWEST or not other.mae > MUCH * train.mae:
        return ""
    title, unit, size = SHOWN[name]
    there, here = (three_digits(size * error.mae) for error in (other, train))
    ratio = f"{three_digits(round(other.mae / train.mae, 1))} times" if train.mae else "larger than"
    return f"{ratio} those of the training set in {title} ({there} against {here} {unit})"
