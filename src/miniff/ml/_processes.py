"""Several processes that compute one thing together, as ``torchrun`` starts them.

All of them run the same program and make the same decisions; each holds its share of the data, and
what all must know is summed or gathered. Sums end with the same bits in every process: they are
made in one of them and sent to the others.
"""

import atexit
import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from jaxtyping import Float64
from numpy import ndarray
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

__all__ = ["ProcessError", "Processes", "processes_of_torchrun"]

Made = TypeVar("Made")
LONGEST_WAIT = timedelta(days=1)
"""For a process that computes something alone; one that has ended is noticed at once."""


class ProcessError(RuntimeError):
    """Another process of the job has ended, or is no longer at the same place."""


@dataclass(frozen=True, eq=False)
class Processes:
    """A process among others. One that is alone sums and gathers what it has.

    Attributes:
        rank: Which one it is, counted from 0.
        size: How many there are.
        n_here: How many of them share this machine's memory.
        store: What all of them can write to and read; None for one that is alone, or where the
            program has joined them by itself.
    """

    rank: int = 0
    size: int = 1
    n_here: int = 1
    store: Store | None = None

    @property
    def is_first(self) -> bool:
        """Whether it is the one that speaks and writes files."""
        return self.rank == 0

    def sum(self, array: Float64[ndarray, " *shape"]) -> Float64[ndarray, " *shape"]:
        """The sum over all processes, the same bits in each."""
        if self.size == 1:
            return array
        total = torch.from_numpy(np.array(array, order="C"))
        with self._together():
            dist.reduce(total, dst=0)
            dist.broadcast(total, src=0)
        return total.numpy()

    def greatest(self, array: Float64[ndarray, " *shape"]) -> Float64[ndarray, " *shape"]:
        """The greatest of all processes, number by number."""
        if self.size == 1:
            return array
        found = torch.from_numpy(np.array(array, order="C"))
        with self._together():
            dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return found.numpy()

    def gather(self, array: Float64[ndarray, " n *shape"]) -> Float64[ndarray, " n_of_all *shape"]:
        """The rows of all processes, those of the first one first."""
        if self.size == 1:
            return array
        n_rows = torch.zeros(self.size, dtype=torch.int64)
        n_rows[self.rank] = len(array)
        with self._together():
            dist.all_reduce(n_rows)
        # All send as many rows as the one that has most.
        sent = torch.zeros((int(n_rows.max()), *array.shape[1:]), dtype=torch.float64)
        sent[: len(array)] = torch.from_numpy(np.ascontiguousarray(array))
        got = [torch.empty_like(sent) for _ in range(self.size)]
        with self._together():
            dist.all_gather(got, sent)
        rows = [one[:n].numpy() for one, n in zip(got, n_rows.tolist(), strict=True)]
        return np.concatenate(rows)

    def from_first(self, make: Callable[[], Made]) -> Made:
        """What the first process makes, in all of them; the others wait for it."""
        made = [make() if self.is_first else None]
        if self.size > 1:
            with self._together():
                dist.broadcast_object_list(made, src=0)
        return made[0]  # type: ignore[return-value]

    def wait(self) -> None:
        """Until all processes are here."""
        self.sum(np.zeros(1))

    def refuse_drift(self, points: Sequence[Float64[ndarray, " _"]]) -> None:
        """All processes must be at the same place, to the bit.

        Raises:
            ProcessError: One is elsewhere; the message says which.
        """
        if self.size == 1:
            return
        own = np.concatenate(points)
        first = self.from_first(lambda: own)
        differs = np.zeros(self.size)
        differs[self.rank] = not np.array_equal(own, first, equal_nan=True)
        elsewhere = np.flatnonzero(self.sum(differs))
        if len(elsewhere):
            raise ProcessError(
                f"process {elsewhere[0]} is no longer where process 0 is: processors of different "
                "kinds round differently; run all processes on machines of one kind"
            )

    def is_first_to_fail(self, why: str) -> bool:
        """Tells the others why this one ends; whether none has told before."""
        if self.store is None:
            return self.is_first
        try:
            is_first = bool(self.store.add("failures", 1) == 1)
            if is_first:
                self.store.set("why", why)
        except RuntimeError:  # whoever keeps the store is gone
            return False
        return is_first

    @contextmanager
    def _together(self) -> Iterator[None]:
        """What fails here fails because another process is gone."""
        try:
            yield
        except RuntimeError as error:
            raise ProcessError(f"another process of the job has ended: {self._why()}") from error

    def _why(self) -> str:
        try:
            if self.store is not None and self.store.check(["why"]):
                return self.store.get("why").decode()
        except RuntimeError:
            pass
        return "it did not say why"


def processes_of_torchrun() -> Processes:
    """The processes that ``torchrun`` has started, or that the program has joined; else one alone.

    The first call joins them: all must make it.
    """
    if not dist.is_available():
        return Processes()
    if dist.is_torchelastic_launched() and int(os.environ["WORLD_SIZE"]) > 1:
        return _joined()
    if dist.is_initialized():
        return _joined_by_program()
    return Processes()


def _joined_by_program() -> Processes:
    """Those of a program that joined them itself; where it did not use torchrun, all on one
    machine, as far as can be told."""
    size, kinds = dist.get_world_size(), dist.get_backend_config()
    if size > 1 and "gloo" not in kinds and "mpi" not in kinds:
        raise ValueError(
            f"the program has joined its processes by {kinds}, but what miniff sums lies in the "
            "memory of processors: name gloo too, as in `cpu:gloo,cuda:nccl`"
        )
    return Processes(dist.get_rank(), size, int(os.environ.get("LOCAL_WORLD_SIZE", size)))


@cache
def _joined() -> Processes:
    if dist.is_initialized():
        return _joined_by_program()
    # Its functions keep the group that is there when it is first imported, which torch does on its
    # own account; the group's threads would then outlive Python, and abort the process.
    importlib.import_module("torch.distributed.nn.functional")
    store, rank, size = next(iter(rendezvous("env://")))
    own = PrefixStore("miniff", store)
    dist.init_process_group(_backend(), store=own, rank=rank, world_size=size, timeout=LONGEST_WAIT)
    atexit.register(_leave)
    return Processes(rank, size, int(os.environ["LOCAL_WORLD_SIZE"]), own)


def _leave() -> None:
    """Ends the threads of the group while Python is still there for them."""
    if dist.is_initialized():
        with suppress(RuntimeError):  # others are gone
            dist.destroy_process_group()


def _backend() -> str:
    """gloo between processors, and nccl between graphics processors where there are any."""
    if torch.cuda.is_available() and dist.is_nccl_available():
        return "cpu:gloo,cuda:nccl"
    return "gloo"
