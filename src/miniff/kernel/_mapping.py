"""A function of many structures, here or on the workers of an executor.

An executor is that of the standard library's ``concurrent.futures``: its process pool, or what
``mpi4py.futures`` and dask's ``Client.get_executor()`` give. One structure that fails is told of in
its place, and takes no other with it.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import current_process
from pickle import dumps, loads
from socket import gethostname
from traceback import format_exception
from typing import TypeVar

from miniff import _core
from miniff._checks import check_at_least
from miniff.kernel._cell import Cell, how_to_make_one

__all__ = ["StructureFailure", "in_chunks", "map_structures", "run_chunks"]

CHUNK_ATOMS = 4096
"""Structures go together until they have this many atoms."""
FEWEST_CHUNKS = 64
"""For executors, whose workers nobody can count: enough for each to have several."""

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class StructureFailure:
    """In the place of a result: a structure that could not be worked on.

    Attributes:
        index: Of the structure in the list, from 0.
        source: Where the structure was read (``meta["source"]``); None where that is not known.
        error: What was raised.
        traceback: Where, as text: another process may have raised it.
    """

    index: int
    source: str | None
    error: Exception
    traceback: str

    def __str__(self) -> str:
        where = "" if self.source is None else f" ({self.source})"
        return f"structure {self.index}{where}: {self.error}"


def map_structures(
    function: Callable[[Cell], T],
    cells: Sequence[Cell],
    *,
    executor: Executor | None = None,
    threads: int | None = None,
    chunk: int | None = None,
) -> list[T | StructureFailure]:
    """``function(cell)`` of each structure, in their order.

    Args:
        function: What to do with a structure. Workers in other processes are sent it and its
            results: give a function of a module, or a ``functools.partial`` of one.
        cells: The structures.
        executor: Who does it; without one, this process, one structure after the other.
        threads: Of the core and of torch while a worker computes: 1 by default. Workers that are
            forked can have no more. Without an executor as many as there are by default.
        chunk: Structures that are sent together; by default up to 4096 atoms, but few enough that
            there are 64 parcels.

    Returns:
        For each structure the result, or a :class:`StructureFailure` if the function raised, or the
        worker died.

    Raises:
        TypeError: Something else than cells.
        ValueError: Fewer than one thread or structure to a chunk.
        Exception: What the executor raised, if it could do no part of the work at all.
    """
    parcels = in_chunks(cells, chunk, 1 if executor is None else FEWEST_CHUNKS)
    return run_chunks(partial(_each, function), parcels, executor, threads)


def in_chunks(cells: Sequence[Cell], chunk: int | None, fewest: int = 1) -> list[list[Cell]]:
    """Neighbours in the list together.

    Args:
        cells: The structures.
        chunk: How many; None for up to so many atoms.
        fewest: Chunks, if there are as many structures; where `chunk` does not say.
    """
    if isinstance(cells, str | os.PathLike | Cell):
        advice = how_to_make_one(cells)
        raise TypeError(f"`cells` is {type(cells).__name__} but must be a list of cells{advice}")
    for index, cell in enumerate(cells):
        if not isinstance(cell, Cell):
            raise TypeError(
                f"`cells` has {type(cell).__name__} at {index} (counted from 0) but must have cells"
                f"{how_to_make_one(cell)}"
            )
    if chunk is not None:
        check_at_least("chunk", chunk, 1)
    most = chunk or max(1, len(cells) // fewest)
    atoms = sys.maxsize if chunk else CHUNK_ATOMS
    chunks: list[list[Cell]] = []
    size = atoms
    for cell in cells:
        if size >= atoms or len(chunks[-1]) >= most:
            chunks.append([])
            size = 0
        chunks[-1].append(cell)
        size += cell.size
    return chunks


def run_chunks(
    work: Callable[[list[Cell]], list[T | StructureFailure]],
    chunks: Sequence[list[Cell]],
    executor: Executor | None,
    threads: int | None,
) -> list[T | StructureFailure]:
    """The results of all chunks, one after the other, failures with their places in the list.

    Args:
        work: Gives a result or a failure, with its place in the chunk, for each of some cells.
        chunks: The structures.
        executor: Who does it; None for this process.
        threads: See :func:`map_structures`.
    """
    if threads is not None:
        check_at_least("threads", threads, 1)
    if executor is None:
        with _threads(threads, everywhere=True):
            parts = [work(chunk) for chunk in chunks]
    else:
        parts = _submitted(partial(_at_work, work, threads or 1, _here()), chunks, executor)
    results: list[T | StructureFailure] = []
    for part in parts:
        first = len(results)
        results += [
            replace(one, index=first + one.index) if isinstance(one, StructureFailure) else one
            for one in part
        ]
    return results


def failure(index: int, cell: Cell, error: Exception) -> StructureFailure:
    """Of one structure; an error that cannot be sent between processes becomes a text."""
    source = cell.meta.get("source")
    return StructureFailure(
        index,
        None if source is None else str(source),
        _portable(error),
        "".join(format_exception(error)),
    )


def _portable(error: Exception) -> Exception:
    try:
        again = loads(dumps(error))
    except Exception:  # pickling runs code of whoever wrote the error
        again = None
    if type(again) is type(error) and str(again) == str(error):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")


def _each(function: Callable[[Cell], T], cells: list[Cell]) -> list[T | StructureFailure]:
    results: list[T | StructureFailure] = []
    for index, cell in enumerate(cells):
        try:
            results.append(function(cell))
        except Exception as error:  # whatever the caller's function raises
            results.append(failure(index, cell, error))
    return results


def _submitted(
    work: Callable[[list[Cell]], list[T | StructureFailure]],
    chunks: Sequence[list[Cell]],
    executor: Executor,
) -> list[list[T | StructureFailure]]:
    """What workers give; of a chunk that is lost, a failure for each structure.

    Raises:
        Exception: All chunks are lost: then it is no structure's fault.
    """
    futures: list[Future[list[T | StructureFailure]] | Exception] = []
    parts: list[list[T | StructureFailure]] = []
    lost: list[Exception] = []
    try:
        for chunk in chunks:
            futures.append(_submit(executor, work, chunk))
        for future, chunk in zip(futures, chunks, strict=True):
            try:
                parts.append(_result(future))
            except Exception as error:  # a worker that died, or what cannot be sent
                lost.append(error)
                parts.append([failure(k, cell, error) for k, cell in enumerate(chunk)])
    finally:
        for future in futures:
            if isinstance(future, Future):
                future.cancel()
    if lost and len(lost) == len(chunks):
        raise lost[0]
    return parts


def _submit(
    executor: Executor,
    work: Callable[[list[Cell]], list[T | StructureFailure]],
    chunk: list[Cell],
) -> Future[list[T | StructureFailure]] | Exception:
    try:
        return executor.submit(work, chunk)
    except Exception as error:  # an executor whose workers have died takes no more
        return error


def _result(
    future: Future[list[T | StructureFailure]] | Exception,
) -> list[T | StructureFailure]:
    if isinstance(future, Exception):
        raise future
    return future.result()


def _here() -> tuple[str, int]:
    return gethostname(), os.getpid()


def _at_work(
    work: Callable[[list[Cell]], list[T | StructureFailure]],
    threads: int,
    caller: tuple[str, int],
    cells: list[Cell],
) -> list[T | StructureFailure]:
    """What a worker does; torch's threads are those of its process, which may be the caller's."""
    if threads > 1 and type(current_process()).__name__ == "ForkProcess":
        raise ValueError(
            f"`threads` is {threads} but workers that are forked must have 1, since OpenMP's "
            'threads do not survive it: give the pool mp_context=get_context("spawn")'
        )
    with _threads(threads, everywhere=caller != _here()):
        return work(cells)


@contextmanager
def _threads(threads: int | None, *, everywhere: bool) -> Iterator[None]:
    """So many threads of the core for this thread; if everywhere, also of torch, if it is used."""
    if threads is None:
        yield
        return
    torch = sys.modules.get("torch") if everywhere else None
    before, before_of_torch = _core.num_threads(), torch.get_num_threads() if torch else 0
    if torch:  # first: where both have one OpenMP, torch's number is the core's as well
        torch.set_num_threads(threads)
    _core.set_num_threads(threads)
    try:
        yield
    finally:
        if torch:
            torch.set_num_threads(before_of_torch)
        _core.set_num_threads(before)
