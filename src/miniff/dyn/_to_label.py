"""Structures that left the training set, kept for a reference method to label."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff._checks import check_at_least
from miniff.dyn._state import words_of
from miniff.io import StructureError, atomic_write, extxyz_text, read_extxyz
from miniff.kernel import Cell
from miniff.potentials import larger_grade

__all__ = ["ToLabel", "frame_to_label"]

SUFFIXES = (".xyz", ".extxyz")


@dataclass(frozen=True)
class _Frame:
    origin: str
    step: int
    text: str


class ToLabel:
    """A file with frames of runs in which an atom was outside of the training set.

    It has what a reference method needs, species, positions, cell and ``pbc``; where a frame comes
    from (``run``, ``step``, ``origin``); how far out atoms are (``extrapolation``, for each atom);
    and ``energy_pred``, ``forces_pred``, ``stress_pred`` of the potentials. ``energy`` and
    ``forces`` are left for the reference method: what `fit` reads here without them it does not
    learn from. A run begins its frames anew; those of runs with another name stay.

    Frames of one structure are ``spacing`` steps apart, at least. When there are more than ``most``
    of them, every second one is given up, and later ones are twice as far apart.

    Attributes:
        path: Extended XYZ, rewritten at each new frame; not made before the first one.
        run: Name of the run, as "md".
        spacing: Steps.
        most: Frames.
    """

    def __init__(self, path: str | Path, run: str, *, spacing: int = 100, most: int = 50) -> None:
        """Reads what is in the file.

        Raises:
            ValueError: A name with another ending, or a file that is there but holds no structures.
        """
        self.path, self.run = Path(path), run
        if self.path.suffix not in SUFFIXES:
            raise ValueError(f"`to_label` is {str(path)!r} but must end in {', '.join(SUFFIXES)}")
        check_at_least("spacing", spacing, 1)
        check_at_least("most", most, 2)
        self.spacing, self.most = spacing, most
        self._others: list[str] = []
        self._before: list[_Frame] = []
        self._own: dict[str, list[_Frame]] = {}
        self._spacings: dict[str, int] = {}
        if self.path.exists():
            self._read()

    @property
    def n_frames(self) -> int:
        """How many this run has in the file."""
        return sum(map(len, self._own.values()))

    def go_on(self, step: int) -> None:
        """The run goes on from this step: what it has written of earlier ones stays."""
        for frame in self._before:
            if frame.step <= step:
                self._own.setdefault(frame.origin, []).append(frame)

    def add(self, frame: Cell, *, is_last: bool = False) -> bool:
        """Adds a structure, unless it is too close to the one before; whether it did.

        Args:
            frame: What ``frame_to_label`` gives.
            is_last: Whether it is needed however close it is.
        """
        if not self._take(frame, is_last):
            return False
        self._write()
        return True

    def add_all(self, frames: Sequence[Cell]) -> None:
        """The same for several structures, which are written once."""
        if sum(self._take(frame, False) for frame in frames):
            self._write()

    def _take(self, cell: Cell, is_last: bool) -> bool:
        frame = _frame_of(cell)
        own = self._own.setdefault(frame.origin, [])
        spacing = self._spacings.setdefault(frame.origin, self.spacing)
        if own and 0 <= frame.step - own[-1].step < spacing and not is_last:
            return False
        if len(own) >= self.most:
            del own[1::2]
            self._spacings[frame.origin] = 2 * spacing
        own.append(frame)
        return True

    def _write(self) -> None:
        own = [frame.text for frames in self._own.values() for frame in frames]
        with atomic_write(self.path) as temporary:
            temporary.write_text("".join(self._others + own), encoding="utf-8")

    def _read(self) -> None:
        try:
            found = read_extxyz(self.path)
        except StructureError as error:
            raise ValueError(
                f"`to_label` is {self.path}, a file with something else: {error}"
            ) from error
        for structure in found:
            frame = _frame_of(Cell.from_structure(structure))
            if structure.info.get("run") == self.run:
                self._before.append(frame)
            else:
                self._others.append(frame.text)


def _frame_of(cell: Cell) -> _Frame:
    """The text of a structure, and what it says of its origin; others are of step 0."""
    meta = {name: value for name, value in cell.meta.items() if name != "source"}
    bare = Cell(cell.vectors, cell.coordinates, cell.values, meta, pbc=cell.pbc)
    step = cell.meta.get("step")
    return _Frame(
        origin=str(cell.meta.get("origin", "")),
        step=int(step) if isinstance(step, int | np.integer) else 0,
        text=extxyz_text(bare.to_structure()),
    )


def frame_to_label(cell: Cell, grades: Float64[ndarray, "n_atoms 2"], run: str, step: int) -> Cell:
    """A structure without labels, and what the potentials say of it under other names.

    Args:
        cell: With ``energy``, ``forces`` and maybe ``stress`` of the potentials.
        grades: Of its atoms.
        run: Name of the run.
        step: Of the run.
    """
    known = words_of(cell.meta)
    origin = known.pop("source", "a structure")
    predicted = {
        f"{name}_pred": cell.meta[name]
        for name in ("energy", "forces", "stress")
        if name in cell.meta
    }
    meta: dict[str, object] = {
        **known,
        "run": run,
        "step": step,
        "origin": origin,
        "largest_extrapolation": float(np.nanmax(grades)),
        "extrapolation": larger_grade(grades),
        **predicted,
    }
    return Cell(cell.vectors, cell.coordinates, cell.values, meta, pbc=cell.pbc)
