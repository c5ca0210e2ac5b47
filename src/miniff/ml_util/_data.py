"""From files to cells, and which of them are for training, validation and test."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np

from miniff.io import find_files
from miniff.kernel import Cell

__all__ = ["Split", "hash_of_files", "read_cells", "split"]


def read_cells(
    patterns: str | Sequence[str],
    length_unit: str | float | None = None,
    energy_unit: str | float | None = None,
) -> list[Cell]:
    """All structures of the files, in their order; units are for files that do not say theirs.

    Raises:
        StructureError: A file or structure that cannot be used; the message names it.
    """
    cells = Cell.load(patterns, length_unit=length_unit, energy_unit=energy_unit)
    for cell in cells:
        if not cell.size:
            raise ValueError(f"{cell.meta['source']} has no atoms")
    return cells


def hash_of_files(*patterns: str | Sequence[str]) -> str:
    """SHA-256 of the contents of the files, in the order in which they are read."""
    digest = hashlib.sha256()
    for pattern in patterns:
        for path in find_files(pattern):
            digest.update(hashlib.sha256(Path(path).read_bytes()).digest())
    return digest.hexdigest()


@dataclass(frozen=True)
class Split:
    """Three sets without a structure in common; validation and test may be empty."""

    train: list[Cell]
    validation: list[Cell]
    test: list[Cell]

    def changed(self, change: Callable[[list[Cell]], list[Cell]]) -> "Split":
        """With structures that something made of these, as many in each set."""
        return Split(change(self.train), change(self.validation), change(self.test))

    @property
    def sets(self) -> dict[str, list[Cell]]:
        """Those that have structures, by name."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: cells for name, cells in named.items() if cells}


def split(
    cells: Sequence[Cell],
    *,
    validation: float | Sequence[Cell],
    test: float | Sequence[Cell],
    seed: int,
) -> Split:
    """Draws validation and test sets by chance, or takes those that are given.

    Args:
        cells: What is drawn from; the rest is for training.
        validation: A fraction of the structures, or the structures.
        test: The same for the test set, which is drawn first.
        seed: Of the draw.

    Raises:
        ValueError: A fraction that is not in [0, 1) or that leaves nothing for training.
    """
    order = np.random.default_rng(seed).permutation(len(cells)).tolist()
    drawn_test = _drawn("test_set", test, len(cells))
    drawn_validation = _drawn("validation_set", validation, len(cells))
    rest = [cells[i] for i in sorted(order[drawn_test + drawn_validation :])]
    if not rest:
        raise ValueError(
            f"of {len(cells)} structures none is left for training: lower `validation_set` or "
            "`test_set`; 0 leaves all"
        )
    parts = Split(
        train=rest,
        validation=[cells[i] for i in sorted(order[drawn_test : drawn_test + drawn_validation])]
        if isinstance(validation, int | float)
        else list(validation),
        test=[cells[i] for i in sorted(order[:drawn_test])]
        if isinstance(test, int | float)
        else list(test),
    )
    given = {"validation": validation, "test": test}
    for name in [name for name, part in given.items() if not isinstance(part, int | float)]:
        _refuse_shared(name, parts)
    return parts


def _refuse_shared(name: str, parts: Split) -> None:
    """A structure that was learned from cannot test what was learned."""
    others = {
        _identity(cell): (other, cell)
        for other, cells in parts.sets.items()
        if other != name
        for cell in cells
    }
    for cell in parts.sets.get(name, []):
        other, same = others.get(_identity(cell), (None, cell))
        if other is not None:
            raise ValueError(
                f"{cell.meta.get('source', 'a structure')} of the {name} set is also in the "
                f"{other} set, as {same.meta.get('source', 'a structure')}"
            )


def _identity(cell: Cell) -> tuple[object, ...]:
    """Equal for structures with the same atoms at the same places."""
    return cell.values, cell.pbc, cell.vectors.tobytes(), cell.coordinates.tobytes()


def _drawn(name: str, wanted: float | Sequence[Cell], n: int) -> int:
    """How many structures to draw; at least one for any fraction but 0."""
    if not isinstance(wanted, int | float):
        return 0
    if not (isfinite(wanted) and 0 <= wanted < 1):
        raise ValueError(f"`{name}` is {wanted} but must be in [0, 1)")
    return max(round(n * wanted), 1) if wanted > 0 else 0
