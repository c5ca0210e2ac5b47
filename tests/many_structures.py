"""What workers in other processes do in tests: they must find it in a module."""

import os
import sys
import threading

import numpy as np

from miniff import _core
from miniff.kernel import Cell


def half_rejected(cell: Cell) -> float:
    """The first coordinate, or an error where it is beyond a half."""
    first = float(cell.coordinates[0, 0])
    if first > 0.5:
        raise ValueError(f"the first coordinate is {first}")
    return first


def threads_and_place(cell: Cell) -> tuple[int, int | None, int]:
    """Threads of the core and of torch, and the process."""
    torch = sys.modules.get("torch")
    return _core.num_threads(), torch.get_num_threads() if torch else None, os.getpid()


def threads_of_torch_loaded_late(cell: Cell) -> tuple[bool, int, int]:
    """Whether torch was there before, and the threads of torch and of the core."""
    before = "torch" in sys.modules
    import torch

    return before, torch.get_num_threads(), _core.num_threads()


def threads_of_process(cell: Cell) -> int:
    """How many there are after the core has worked on a structure with many atoms (Linux)."""
    from miniff.kernel import eval as evaluate
    from miniff.potentials import lj_potential_family

    evaluate(lj_potential_family(epsilon=1.0, sigma=1.0, a=3.0), cell.repeated(6, 6, 6))
    return len(os.listdir("/proc/self/task"))


def kills_worker_of_seven(cell: Cell) -> int:
    """The end of the process that gets the structure of seven atoms."""
    if cell.size == 7:
        os._exit(3)
    return cell.size


class OddError(Exception):
    """Cannot be pickled."""

    def __init__(self, message: str, *, lock: object) -> None:
        super().__init__(message)
        self.lock = lock


def raises_odd(cell: Cell) -> None:
    """An error that cannot be sent."""
    raise OddError("odd", lock=threading.Lock())


def writes(cell: Cell) -> bool:
    """Whether the arrays of a cell that was sent can be written to."""
    return cell.vectors.flags.writeable or cell.coordinates.flags.writeable


def repulsion(r: np.ndarray) -> np.ndarray:
    """A pair energy that a worker finds by its name."""
    return 0.1 * (r - 3.0) ** 2
