"""What a report is made from: plain numbers and texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from miniff.io._structure import short_source
from miniff.kernel import Cell, Finding
from miniff.kernel._meta import group_of
from miniff.presentation._labels import Labelled

__all__ = ["Coverage", "Report", "ReportedSet"]


@dataclass(frozen=True, eq=False)
class ReportedSet:
    """Structures with references and predictions.

    Attributes:
        name: ``train``, ``validation`` or ``test``.
        cells: The structures.
        reference: What is known of them.
        predicted: What was predicted, in the same order.
    """

    name: str
    cells: Sequence[Cell]
    reference: Labelled
    predicted: Labelled

    def __post_init__(self) -> None:
        sizes = [cell.size for cell in self.cells]
        for what, labels in (("reference", self.reference), ("predicted", self.predicted)):
            if not np.array_equal(labels.n_atoms, sizes):
                raise ValueError(f"`{what}` of the {self.name} set is of other structures")

    @cached_property
    def titles(self) -> list[str]:
        """A short name for each structure: its file, and its place there counted from 0."""
        return [
            short_source(str(cell.meta.get("source", f"structure {number}")))
            for number, cell in enumerate(self.cells)
        ]

    @cached_property
    def groups(self) -> list[str]:
        """The group of each structure; empty where it has none."""
        return [group_of(cell.meta) for cell in self.cells]

    @cached_property
    def species(self) -> ndarray:
        """The name of each atom's species, of all structures one after the other."""
        return np.array([name for cell in self.cells for name in cell.values])

    @cached_property
    def structure(self) -> ndarray:
        """Whose atom each atom is."""
        return np.repeat(np.arange(len(self.cells)), self.reference.n_atoms)

    @cached_property
    def atom(self) -> ndarray:
        """The place of each atom in its structure, counted from 0."""
        first = np.cumsum([0, *self.reference.n_atoms])[:-1]
        place: ndarray = np.arange(len(self.structure)) - first[self.structure]
        return place

    @cached_property
    def energy_errors(self) -> ndarray:
        """Predicted minus reference, per atom; nan where there is no reference."""
        return np.asarray(self.predicted.energy_per_atom - self.reference.energy_per_atom)

    @cached_property
    def force_errors(self) -> ndarray:
        """Predicted minus reference, [n_all_atoms, 3]; nan where there is no reference."""
        return np.asarray(self.predicted.forces - self.reference.forces)

    @cached_property
    def charge_errors(self) -> ndarray:
        """Predicted minus reference, [n_all_atoms]; nan where either is not known."""
        return np.asarray(self.predicted.charges - self.reference.charges)


@dataclass(frozen=True, eq=False)
class Coverage:
    """How the atoms of one species fill the ranges of their descriptors.

    Attributes:
        species: Its name.
        descriptors: A name for each.
        low: Least values in the training set.
        high: Greatest values.
        quantiles: Of each set, at 0, 5, 25, 50, 75, 95 and 100 %: [7, n_descriptors].
        n_atoms: Looked at, of each set.
        n_outside: Of each set but that for training, those outside of the training set: their grade
            is above :data:`miniff.potentials.OUTSIDE`.
    """

    species: str
    descriptors: Sequence[str]
    low: Float[ndarray, " n_descriptors"]
    high: Float[ndarray, " n_descriptors"]
    quantiles: Mapping[str, Float[ndarray, "7 n_descriptors"]]
    n_atoms: Mapping[str, int]
    n_outside: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Report:
    """All that a page says.

    Attributes:
        title: Of the page.
        made: What was fitted or tested, in words: ``4 networks for Si``.
        sets: The structures.
        records: What each epoch reached, as plain data; none for a test.
        coverage: Of each species; none where descriptors are not known.
        seconds: What each stage took.
        warnings: Sentences.
        findings: What looks wrong in the data.
        job: The job as YAML, and how to run it.
        command: How it is run again.
        origin: Versions, seed, hashes.
        files: What else was written, and what it is.
    """

    title: str
    made: str
    sets: Sequence[ReportedSet]
    records: Sequence[Mapping[str, Any]] = ()
    coverage: Sequence[Coverage] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    findings: Sequence[Finding] = ()
    job: str = ""
    command: str = ""
    origin: Mapping[str, object] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.sets:
            raise ValueError("`sets` are empty but at least one set of structures is needed")
