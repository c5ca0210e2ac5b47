"""vesin's search on a device, through its Python functions, which take tensors and give tensors.

On a CUDA device it needs to be looked after: it takes memory, libraries and errors of CUDA as if it
were alone in the process.
"""

import ctypes
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from pathlib import Path

import torch
from jaxtyping import Bool, Float64
from numpy import ndarray
from torch import Tensor

from miniff.ml._device._grouping import Found, SearchFailedError

__all__ = ["by_vesin", "current"]

LEAST_ROOM = 128
"""vesin has room for so many pairs of an atom on a device, or for cutoff^3 if that is more."""

BYTES_PER_PAIR = 2 * 8 + 3 * 4


def by_vesin(
    points: Float64[Tensor, "n_atoms 3"],
    box: Float64[Tensor, "3 3"],
    repeats: Bool[ndarray, " 3"],
    cutoff: float,
) -> Found:
    """What vesin finds where the points are.

    Its cell lists are good for any box; its other search wants one that is wider than two cutoffs.

    Raises:
        SearchFailedError: vesin, or a library that it needs, is not up to it.
    """
    try:
        from vesin import NeighborList  # which loads cupy too, if there is one

        if points.device.type == "cuda":
            _load_compiler()
        search = NeighborList(cutoff=cutoff, full_list=True, algorithm="cell_list", n_threads=1)
        with _at_rest(points.device, len(points) * max(LEAST_ROOM, cutoff**3) * BYTES_PER_PAIR):
            pairs, shifts = search.compute(points, box, repeats.tolist(), "PS", copy=False)
    except (RuntimeError, ImportError, OSError) as error:
        _forget_failure(points.device)
        raise SearchFailedError(f"vesin says: {error}") from error
    return Found(pairs.view(torch.int64), shifts, search)


@contextmanager
def _at_rest(device: torch.device, n_bytes: float) -> Iterator[None]:
    """For vesin, which knows neither torch's streams nor the memory that torch keeps idle."""
    if device.type != "cuda":
        yield
        return
    if torch.cuda.mem_get_info(device)[0] < n_bytes:
        torch.cuda.empty_cache()
    torch.cuda.synchronize(device)
    yield
    torch.cuda.synchronize(device)


def current(device: torch.device) -> AbstractContextManager[object]:
    """vesin takes memory of the current device, and changes which one that is."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _forget_failure(device: torch.device) -> None:
    """CUDA would tell the next one who asks of an error that vesin has told already."""
    if device.type == "cuda":
        with suppress(RuntimeError):
            torch.zeros(1, device=device)


@cache
def _load_compiler() -> None:
    """vesin takes the compiler of CUDA that is loaded, or else what the system has: not torch's.

    torch has its own, of the version that knows the device, and loads it when it needs it.
    """
    path = Path(torch.__file__).parent / "lib" / "libcaffe2_nvrtc.so"
    if path.is_file():
        with suppress(OSError):
            ctypes.CDLL(str(path))
