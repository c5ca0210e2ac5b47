"""The memory that a fit will need, told and compared with what there is before it is taken.

What grows with the data is counted in some structures and scaled to all; what one step takes is
counted from the sizes of networks and parts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from miniff._checks import check_positive
from miniff._memory import free_memory, resident_memory
from miniff.kernel import Cell, compute_images
from miniff.ml import Dataset, Processes, derivative_bytes
from miniff.potentials import FunctionPotential

__all__ = ["Census", "Demand", "MemoryLimit", "count", "gigabytes", "of_predictions", "of_step"]

GB = 1e9
NUMBER = 8
SAMPLED_ATOMS = 1000
"""So many atoms, or all, are looked at to count neighbours."""
PROGRAM = 0.30 * GB
"""Python, torch and everything else that is loaded."""
STRUCTURE = 300
"""Bytes of a structure as it was read, for each atom."""
REFERENCES = 90
"""Bytes of references and indices in data sets, for each atom."""
COPIES_OF_FEATURES = 9
"""How often a model has the descriptors of a part while its loss is differentiated: as networks see
them, slopes by them before and after scales, their stack, and as much on the way back."""
COPIES_OF_IMAGES = 3
COPIES_OF_PREDICTIONS = 6
"""Of forces of all structures, while they are compared and the typical loss is found."""

ADVICE = {
    "neighbours": "a shorter `cutoff`, or `cache: FOLDER`, which has neighbours in files",
    "descriptors": "fewer descriptors, or `cache: FOLDER`, which has them in files",
    "references": "fewer structures",
    "networks at work": "a smaller `n_models`",
    "comparisons": "a smaller `n_models`",
    "lbfgs": "a smaller `history_size` in `optimizer_kwargs`, or a smaller `n_models`",
    "levenberg": "another `optimizer`, a smaller `n_models`, or smaller networks",
    "kalman": "`blocks: species` in `optimizer_kwargs`, another `optimizer`, a smaller `n_models`, "
    "or smaller networks",
    "charges": "smaller structures: it grows with the square of their atoms",
    "pieces for batches": "`optimizer: lbfgs`, which needs none",
}
"""What takes less, by what takes most."""


@dataclass(frozen=True)
class Census:
    """What a set takes when it is learned (bytes).

    Attributes:
        n_atoms: Of the set.
        n_pairs: Neighbours of all atoms.
        neighbors: The table of neighbours.
        descriptors: Their values.
        derivatives: Their derivatives, if all are kept.
        images: Places of atoms and their images.
    """

    n_atoms: float = 0.0
    n_pairs: float = 0.0
    neighbors: float = 0.0
    descriptors: float = 0.0
    derivatives: float = 0.0
    images: float = 0.0

    def share(self, n: int) -> "Census":
        """Of one process of several."""
        return Census(*(value / n for value in vars(self).values()))

    def __add__(self, other: "Census") -> "Census":
        both = zip(vars(self).values(), vars(other).values(), strict=True)
        return Census(*(a + b for a, b in both))


def count(
    cells: Sequence[Cell], functions: Mapping[str, Sequence[FunctionPotential]], cutoff: float
) -> Census:
    """What structures take, counted in some of them."""
    n_atoms = sum(cell.size for cell in cells)
    some = cells[:: max(1, n_atoms // SAMPLED_ATOMS)]
    total = Census()
    for cell in some:
        table = compute_images(cell, cutoff).table
        of_species = {name: len(table.atoms_of(name)) for name in functions}
        values = sum(n * len(functions[name]) for name, n in of_species.items())
        total += Census(
            n_atoms=table.n_atoms,
            n_pairs=len(table.other),
            neighbors=table.n_bytes,
            descriptors=NUMBER * values,
            derivatives=derivative_bytes(functions, table),
            images=3 * NUMBER * table.n_images,
        )
    return total.share(1) if not some else _scaled(total, n_atoms / total.n_atoms)


def _scaled(census: Census, factor: float) -> Census:
    return Census(*(value * factor for value in vars(census).values()))


def of_step(census: Census, part_atoms: int, n_models: int) -> float:
    """What the loss of a part and its gradient take, of all models together (bytes)."""
    share = min(1.0, part_atoms / max(census.n_atoms, 1.0))
    copies = COPIES_OF_FEATURES * census.descriptors + COPIES_OF_IMAGES * census.images
    return n_models * share * copies


def of_predictions(n_atoms: float, n_models: int) -> float:
    """What the forces of a set take when models are compared (bytes)."""
    return 3 * NUMBER * n_atoms * (2 * n_models + COPIES_OF_PREDICTIONS)


@dataclass(frozen=True)
class MemoryLimit:
    """What the processes of a job may take on one machine.

    Attributes:
        gb: Together (GB); None for what is free.
        processes: Which share it evenly.
    """

    gb: float | None
    processes: Processes

    def __post_init__(self) -> None:
        if self.gb is not None:
            check_positive("memory_gb", self.gb)

    def total(self) -> float:
        """Of this process, with what it has already (bytes)."""
        if self.gb is not None:
            return self.gb * GB / self.processes.n_here
        return resident_memory() + free_memory() / self.processes.n_here

    def for_derivatives(self, rest: float) -> float:
        """What may be kept in memory (bytes) where so much is taken by everything else.

        That is all up to a limit that is given; else half of what is free.
        """
        if self.gb is None:
            return free_memory() / 2 / self.processes.n_here
        return max(0.0, self.total() - rest)


@dataclass(frozen=True)
class Demand:
    """What one process needs (bytes), by what it is for.

    Everything is counted, nothing measured: the same job has the same demand.
    """

    parts: Mapping[str, float]

    @property
    def total(self) -> float:
        """Of all together."""
        return sum(self.parts.values())

    def __str__(self) -> str:
        largest = sorted(self.parts.items(), key=lambda part: -part[1])
        told = [f"{gigabytes(size)} for {name}" for name, size in largest if size >= 0.005 * GB]
        return f"about {gigabytes(self.total)}: {', '.join(told)}"

    def refuse_above(self, limit: MemoryLimit) -> None:
        """Before it is taken; all processes must call it.

        Raises:
            ValueError: More than the limit; the message says what would take less.
        """
        may = limit.total()
        most = limit.processes.greatest(np.array([self.total / may]))[0]
        if most <= 1:
            return
        n = limit.processes.n_here
        what = f"there are only {gigabytes(may * n)}"
        if limit.gb is not None:
            what = f"`memory_gb` is {limit.gb:g}"
        each = f", in each of {n} processes," if n > 1 else ""
        largest = max(ADVICE, key=lambda name: self.parts.get(name, 0.0))
        less = f"Less would do with {ADVICE[largest]}"
        if self.parts.get(largest, 0.0) < self.parts.get("the program", 0.0) / 10:
            less = "Most of it is the program itself"
        raise ValueError(f"the fit needs {self}{each} but {what}. {less}")


def gigabytes(size: float) -> str:
    """In words."""
    return f"{size / GB:.2g} GB" if size < 10 * GB else f"{size / GB:.0f} GB"


def tables_of(parts: Sequence[Dataset]) -> float:
    """What the neighbours in data sets take (bytes)."""
    tables = [part.derivatives.table for part in parts if part.derivatives is not None]
    return float(sum(table.n_bytes for table in tables))
