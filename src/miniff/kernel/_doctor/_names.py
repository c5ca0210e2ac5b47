"""Labels under names that are not read, and structures without any label."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from miniff.kernel._cell import Cell
from miniff.kernel._doctor._finding import Finding, Severity
from miniff.kernel._doctor._survey import Survey
from miniff.kernel._doctor._words import were

__all__ = ["labels_by_other_names", "unlabelled", "unread_labels"]

LABELS = ("energy", "forces", "stress")
WORDS = {"energ": "energy", "force": "forces", "stress": "stress", "virial": "stress"}
"""What a name has in it, in small letters, and the label that it may be."""
UNLIKE = ("weight", "sigma", "std", "error", "pred", "kinetic", "atomic", "cutoff", "unit", "key")
"""What names of something else have in them."""
VIRIAL = "virial"


@dataclass(frozen=True)
class _Likeness:
    """An entry of structures that looks like a label they lack.

    Attributes:
        key: Its name.
        label: The name that is read.
        n: Structures that have it.
    """

    key: str
    label: str
    n: int

    @property
    def is_virial(self) -> bool:
        return VIRIAL in self.key.lower()

    def __str__(self) -> str:
        what = "a virial" if self.is_virial else f"the {self.label}"
        several = f"{self.n} {were(self.n, 'structure', 'structures')}"
        return f"`{self.key}` of {several} looks like {what}"


def unread_labels(cells: Sequence[Cell]) -> list[str]:
    """Sentences about entries of structures that look like labels but are not read, by files."""
    return [finding.sentence for finding in labels_by_other_names(Survey.of({"data": cells}))]


def labels_by_other_names(survey: Survey) -> list[Finding]:
    """What looks like an energy, forces or a stress, in structures that have none."""
    found = []
    for name, cells in _files(survey):
        said = _sentence(_likenesses(cells), name)
        lacks = [k for k in LABELS[:2] if all(cell.meta.get(k) is None for cell in cells)]
        if said:
            severity: Severity = "error" if "energy" in lacks or len(lacks) == 2 else "warning"
            found.append(Finding(severity, "names of labels", said, (name,)))
    return found


def unlabelled(survey: Survey) -> list[Finding]:
    """Files without any label."""
    return [
        Finding(
            "error",
            "no labels",
            f"no structure of {name} has an energy, forces or a stress: nothing can be learned "
            "from it, or tested with it",
            (name,),
        )
        for name, cells in _files(survey)
        if all(cell.meta.get(label) is None for cell in cells for label in LABELS)
    ]


def _files(survey: Survey) -> Iterator[tuple[str, list[Cell]]]:
    by_file: dict[str, list[Cell]] = {}
    for name, cell in zip(survey.files, survey.cells, strict=True):
        by_file.setdefault(name, []).append(cell)
    yield from by_file.items()


def _sentence(found: Sequence[_Likeness], file: str) -> str:
    """What was found and what to do; empty if nothing was."""
    if not found:
        return ""
    renamed = [one for one in found if not one.is_virial]
    options = " ".join(f"--rename {one.key}={one.label}" for one in _first_of_each(renamed))
    advice = f"rename them: miniff convert {file} renamed.xyz {options}" if options else ""
    if any(one.is_virial for one in found):
        turn = "divide a virial by minus the volume, and call it `stress`"
        advice = f"{advice}; {turn}" if advice else turn
    return (
        f"{file}: {', '.join(map(str, found))}, but only `energy`, `forces` and `stress` are read, "
        f"the names that ASE gives them: nothing else is learned from or compared with; {advice}"
    )


def _first_of_each(found: Sequence[_Likeness]) -> list[_Likeness]:
    """One for each label: that of most structures, free energies last."""
    best: dict[str, _Likeness] = {}
    for one in sorted(found, key=lambda one: (-one.n, "free" in one.key.lower())):
        best.setdefault(one.label, one)
    return [best[label] for label in LABELS if label in best]


def _likenesses(cells: Sequence[Cell]) -> list[_Likeness]:
    counts: Counter[tuple[str, str]] = Counter()
    for cell in cells:
        for key, value in cell.meta.items():
            label = _label_like(key)
            if label and cell.meta.get(label) is None and _fits(value, label, cell.size):
                counts[label, key] += 1
    rank = {label: k for k, label in enumerate(LABELS)}
    ordered = sorted(counts.items(), key=lambda item: (rank[item[0][0]], -item[1], item[0][1]))
    return [_Likeness(key, label, n) for (label, key), n in ordered]


def _label_like(key: str) -> str | None:
    """The label that a name is like, if it is not that itself."""
    small = key.lower()
    if key in LABELS or any(word in small for word in UNLIKE):
        return None
    return next((label for word, label in WORDS.items() if word in small), None)


def _fits(value: object, label: str, n_atoms: int) -> bool:
    """Whether something has the shape of a label."""
    if value is None or isinstance(value, str | bool | Mapping):
        return False
    try:
        array = np.asarray(value, float)
    except (TypeError, ValueError):
        return False
    shapes: dict[str, tuple[tuple[int, ...], ...]] = {
        "energy": ((), (1,)),
        "forces": ((n_atoms, 3),),
        "stress": ((6,), (9,), (3, 3)),
    }
    return array.shape in shapes[label]
