"""Files of LAMMPS that have an entry for each three elements: ``.sw`` and ``.tersoff``.

An entry is three elements I J K (I in the centre) and numbers, in one line or several.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from miniff._checks import unknown_name
from miniff.io._potential_text import Line, PotentialFileError, split_lines

__all__ = ["TripleEntry", "TripleFile", "read_lammps_sw", "read_lammps_tersoff"]

STILLINGER_WEBER = (
    *("epsilon", "sigma", "a", "lambda", "gamma", "cos_theta0", "A", "B", "p", "q", "tol"),
)
TERSOFF = (
    *("m", "gamma", "lambda3", "c", "d", "cos_theta0", "n", "beta"),
    *("lambda2", "B", "R", "D", "lambda1", "A"),
)


@dataclass(frozen=True)
class TripleEntry:
    """The numbers of three elements.

    Attributes:
        first: The line in which the entry starts.
        numbers: By name.
    """

    first: Line
    numbers: Mapping[str, float]


@dataclass(frozen=True)
class TripleFile:
    """The entries of a file for some elements: one for each ordered three.

    Attributes:
        path: Where they are from.
        elements: In the order asked for, or that of the file.
        entries: By the elements I, J, K.
    """

    path: Path
    elements: tuple[str, ...]
    entries: Mapping[tuple[str, str, str], TripleEntry]

    def __getitem__(self, triple: tuple[str, str, str]) -> TripleEntry:
        return self.entries[triple]


def read_lammps_sw(path: str | Path, elements: Sequence[str] | None = None) -> TripleFile:
    """The entries of a file for LAMMPS's ``pair_style sw``, numbers as they stand.

    Args:
        path: The file.
        elements: Which elements to read; all by default.

    Raises:
        PotentialFileError: Entries that are damaged, repeated or missing, and elements that the
            file does not have; with file and line.
    """
    return _read(Path(path), elements, STILLINGER_WEBER)


def read_lammps_tersoff(path: str | Path, elements: Sequence[str] | None = None) -> TripleFile:
    """The entries of a file for LAMMPS's ``pair_style tersoff``, numbers as they stand.

    Args:
        path: The file.
        elements: Which elements to read; all by default.

    Raises:
        PotentialFileError: Entries that are damaged, repeated or missing, and elements that the
            file does not have; with file and line.
    """
    return _read(Path(path), elements, TERSOFF)


def _read(path: Path, elements: Sequence[str] | None, names: Sequence[str]) -> TripleFile:
    entries: dict[tuple[str, str, str], TripleEntry] = {}
    for lines in _grouped(split_lines(path), 3 + len(names)):
        triple, entry = _entry(lines, names)
        if triple in entries:
            raise lines[0].refuse(
                f"the entry {' '.join(triple)} is also in line {entries[triple].first.number}"
            )
        entries[triple] = entry
    if not entries:
        raise PotentialFileError(f"{path}: there is no entry in the file")
    known = tuple(dict.fromkeys(name for triple in entries for name in triple))
    chosen = known if elements is None else tuple(elements)
    _check_elements(path, chosen, known)
    wanted = list(product(chosen, chosen, chosen))
    missing = [" ".join(triple) for triple in wanted if triple not in entries]
    if missing:
        raise PotentialFileError(
            f"{path}: for the elements {', '.join(chosen)} these entries are missing: "
            f"{', '.join(missing)}"
        )
    return TripleFile(path, chosen, {triple: entries[triple] for triple in wanted})


def _check_elements(path: Path, chosen: Sequence[str], known: Sequence[str]) -> None:
    if not chosen or len(set(chosen)) < len(chosen):
        raise PotentialFileError(
            f"{path}: `elements` is {list(chosen)} but must name one or more, each once"
        )
    for name in chosen:
        if name not in known:
            raise PotentialFileError(f"{path}: {unknown_name('element of the file', name, known)}")


def _grouped(lines: Sequence[Line], n_words: int) -> Iterator[list[Line]]:
    """The lines of each entry."""
    group: list[Line] = []
    for line in lines:
        group.append(line)
        n = sum(len(each.words) for each in group)
        if n > n_words:
            raise line.refuse(
                f"the entry that starts in line {group[0].number} has {n} words but must have "
                f"{n_words}"
            )
        if n == n_words:
            yield group
            group = []
    if group:
        raise group[0].refuse(
            f"the file ends within this entry, which has {n} words but must have {n_words}"
        )


def _entry(lines: Sequence[Line], names: Sequence[str]) -> tuple[tuple[str, str, str], TripleEntry]:
    places = [(line, place) for line in lines for place in range(len(line.words))]
    i, j, k = (_element(line, place) for line, place in places[:3])
    numbers = {
        name: line.number_at(place, name)
        for name, (line, place) in zip(names, places[3:], strict=True)
    }
    return (i, j, k), TripleEntry(lines[0], numbers)


def _element(line: Line, place: int) -> str:
    word = line.words[place]
    if not word[0].isalpha():
        raise line.refuse(f"{word!r} must be an element: an entry starts with three of them")
    return word
