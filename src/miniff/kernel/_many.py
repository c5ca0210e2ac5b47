"""Energy, forces and stress of many structures: tables of several at a time, here or elsewhere."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pickle import dumps, loads
from threading import local
from typing import get_args

import numpy as np

from miniff._charges import IN_TOTAL, OF_ATOMS
from miniff._checks import WHY_NO_NUMBER, unknown_name, words_for_no_number
from miniff._neighbors import PairTable, join
from miniff.kernel._cell import Cell
from miniff.kernel._eval import Evaluation
from miniff.kernel._images import compute_images
from miniff.kernel._mapping import (
    FEWEST_CHUNKS,
    StructureFailure,
    failure,
    in_chunks,
    run_chunks,
)
from miniff.potentials import (
    Evaluator,
    Potential,
    Precision,
    TableEvaluation,
    listed_potentials,
    ready_potentials,
    refuse_uncovered_species,
    refuse_unknown_species,
)
from miniff.potentials._devices import needs_torch

__all__ = ["eval_many"]

Outcome = Evaluation | StructureFailure


def eval_many(
    potentials: Potential | Sequence[Potential],
    cells: Sequence[Cell],
    *,
    executor: Executor | None = None,
    threads: int | None = None,
    ignore_missing_species: bool = False,
    precision: Precision = "double",
    device: str = "cpu",
) -> list[Evaluation | StructureFailure]:
    """Total energy, gradient and stress of each structure, in their order.

    Structures are evaluated together, some thousand atoms at a time: many small ones take less time
    than one after the other. One that fails takes no other with it.

    Args:
        potentials: Their energies are summed. Each worker is sent them once per parcel, and
            compiles them once.
        cells: The structures.
        executor: A pool of processes, of ``mpi4py.futures``, of dask: see :func:`map_structures`.
        threads: Of each worker: see :func:`map_structures`.
        ignore_missing_species: Let a potential name species that are in none of the structures, and
            let atoms that are the centre of no potential have no energy.
        precision: As in :func:`eval`.
        device: As in :func:`eval`; of each worker.

    Returns:
        What :func:`eval` gives, or a :class:`StructureFailure`: two atoms at one place, atoms of a
        species to which no potential gives an energy, energies or forces that are no numbers.

    Raises:
        TypeError: Something else than cells or potentials; potentials that cannot be sent.
        ValueError: A species that is in none of the structures, an unknown precision, fewer than
            one thread, a device that is not there.
        Exception: What the executor raised, if it could do no part of the work at all.
    """
    several = listed_potentials(potentials)
    if precision not in get_args(Precision):
        raise ValueError(unknown_name("precision", precision, get_args(Precision)))
    chunks = in_chunks(cells, None, 1 if executor is None else FEWEST_CHUNKS)
    if cells and not ignore_missing_species:
        refuse_unknown_species(several, sorted({name for c in cells for name in c.values}))
    if executor is None:
        ready = _Ready(several, precision, device, ignore_missing_species)
        if needs_torch(device):  # what cannot be there at all is not the fault of any structure
            ready.of(tuple(sorted({name for c in cells for name in c.values})))
        return run_chunks(ready.evaluate, chunks, None, threads)
    content = _sent(several)
    work = partial(_evaluate_sent, content, precision, device, ignore_missing_species)
    return run_chunks(work, [[_bare(c) for c in chunk] for chunk in chunks], executor, threads)


@dataclass(frozen=True)
class _Ready:
    """Potentials, compiled for each set of species once."""

    potentials: list[Potential]
    precision: Precision
    device: str
    ignore_missing_species: bool
    made: dict[tuple[str, ...], Evaluator] = field(default_factory=dict)

    def of(self, names: tuple[str, ...]) -> Evaluator:
        """The potentials, ready for tables with these species."""
        if names not in self.made:
            self.made[names] = ready_potentials(
                self.potentials, names, precision=self.precision, device=self.device
            )
        return self.made[names]

    def evaluate(self, cells: list[Cell]) -> list[Outcome]:
        """A result or a failure, with its place among these, for each."""
        found: list[PairTable | StructureFailure] = [
            self._table(k, cell) for k, cell in enumerate(cells)
        ]
        tables = {k: table for k, table in enumerate(found) if isinstance(table, PairTable)}
        try:
            results = iter(self._results(cells, tables))
        except Exception as error:
            if len(cells) == 1:
                return [failure(0, cells[0], error)]
            # One of them: a potential from a Python function, as a rule.
            return [_moved(self.evaluate([cell])[0], k) for k, cell in enumerate(cells)]
        return [next(results) if isinstance(one, PairTable) else one for one in found]

    def _table(self, place: int, cell: Cell) -> PairTable | StructureFailure:
        cutoff = max((p.cutoff for p in self.potentials), default=0.0)
        try:
            if not self.ignore_missing_species:
                refuse_uncovered_species(self.potentials, sorted(set(cell.values)))
            return compute_images(cell, cutoff).table
        except ValueError as error:
            return failure(place, cell, error)

    def _results(self, cells: list[Cell], tables: dict[int, PairTable]) -> list[Outcome]:
        table = join(list(tables.values()))
        result = self.of(table.names).evaluate(table)
        parts = _parts(result, [cells[k] for k in tables])
        return [_checked(k, cells[k], part) for k, part in zip(tables, parts, strict=True)]


def _parts(result: TableEvaluation, cells: list[Cell]) -> Iterator[Evaluation]:
    """What belongs to each structure, in memory of its own."""
    first = 0
    for k, cell in enumerate(cells):
        own = slice(first, first := first + cell.size)
        yield Evaluation(
            energy=float(result.energy[k]),
            energies=result.energies[own].copy(),
            gradient=result.gradient[own].copy(),
            strain_derivative=result.strain_derivative[k].copy(),
            volume=cell.volume if cell.has_volume else None,
            grades=result.grades[own].copy(),
            charges=None if result.charges is None else result.charges[own].copy(),
        )


def _checked(place: int, cell: Cell, found: Evaluation) -> Outcome:
    if np.isfinite(found.energy) and np.isfinite(found.gradient).all():
        return found
    words, _ = words_for_no_number(found.energy, found.gradient)
    return failure(place, cell, FloatingPointError(f"{words}: {WHY_NO_NUMBER}"))


def _moved(outcome: Outcome, place: int) -> Outcome:
    if isinstance(outcome, Evaluation):
        return outcome
    return StructureFailure(place, outcome.source, outcome.error, outcome.traceback)


def _bare(cell: Cell) -> Cell:
    """What is sent: of ``meta`` only where the structure comes from, and its charges."""
    sent = ("source", *OF_ATOMS, *IN_TOTAL)
    known = {key: cell.meta[key] for key in sent if key in cell.meta}
    return Cell(cell.vectors, cell.coordinates, cell.values, known, pbc=cell.pbc)


def _sent(potentials: list[Potential]) -> bytes:
    for potential in potentials:
        try:
            dumps(potential)
        except Exception as error:  # pickling runs code of a potential's own
            raise TypeError(
                f"{potential} cannot be sent to other processes: {error}; leave `executor` out"
            ) from error
    return dumps(potentials)


_of_thread = local()
"""What each thread of a worker has ready: the potentials that came last."""


def _evaluate_sent(
    content: bytes,
    precision: Precision,
    device: str,
    ignore_missing_species: bool,
    cells: list[Cell],
) -> list[Outcome]:
    """At the worker, which compiles potentials that it has not seen the last time."""
    key = sha256(content).digest(), precision, device, ignore_missing_species
    if getattr(_of_thread, "key", None) != key:
        _of_thread.ready = _Ready(loads(content), precision, device, ignore_missing_species)
        _of_thread.key = key
    ready: _Ready = _of_thread.ready
    return ready.evaluate(cells)
