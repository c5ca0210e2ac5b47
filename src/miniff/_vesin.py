"""vesin's neighbour search through its C library: ``import vesin`` would load torch and cupy too.

`vesin <https://luthaf.fr/vesin>`_ describes its C functions in a file, ``_c_api.py``, which is
loaded alone: the description is then that of the version installed.
"""

import ctypes
import sys
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float, Int32, UInt64
from numpy import ndarray

from miniff._checks import check_shape

__all__ = ["search"]

KNOWN = "vesin 0.6.0 to 0.6.2 are known to work"

LIBRARIES = {"darwin": "lib/libvesin.dylib", "win32": "bin/vesin.dll"}
"""Where the package has its library, by ``sys.platform``; elsewhere ``lib/libvesin.so``."""

KEPT_BYTES = 512 * 1024**2
"""Buffers wait for another search up to this size, all of them together; the rest is freed.

That is for 400 000 atoms of silicon at 6.35 A. New memory makes a large search a quarter slower.
"""

BYTES_PER_PAIR = 2 * 8 + 3 * 4


def search(
    positions: Float[ndarray, "n_atoms 3"],
    cell: Float[ndarray, "3 3"],
    periodic: Sequence[bool],
    cutoff: float,
) -> tuple[UInt64[ndarray, "n_pairs 2"], Int32[ndarray, "n_pairs 3"]]:
    """Every (i, j) and shift with |r_j + shift @ cell - r_i| < cutoff, in the order of vesin.

    The order is the same every time, because one thread searches. The arrays are vesin's own,
    read-only, not copied: its buffers serve another search once no array shows them any more.

    Args:
        positions: Cartesian positions, inside the cell or not (length).
        cell: Rows are cell vectors (length).
        periodic: Whether the structure repeats along each of them.
        cutoff: Largest distance (length).

    Raises:
        ValueError: What vesin refuses, such as a periodic cell without volume.
        ImportError: vesin is not installed, or is not as it is known here.
    """
    check_shape("positions", positions, ("n_atoms", 3))
    check_shape("cell", cell, (3, 3))
    check_shape("periodic", np.asarray(periodic), (3,))
    if len(positions) == 0 or cutoff == 0:
        return np.zeros((0, 2), np.uint64), np.zeros((0, 3), np.int32)
    with _loading:
        vesin = _load_vesin(_package_folder())
    found = vesin.search(positions, cell, periodic, cutoff)
    loan = _Loan()
    # Not at exit: another thread may still be searching, and the memory goes back anyway.
    weakref.finalize(loan, _give_back, found, vesin).atexit = False
    return (
        _show(loan, found.pairs, (found.length, 2), np.uint64),
        _show(loan, found.shifts, (found.length, 3), np.int32),
    )


@dataclass(frozen=True)
class _Vesin:
    """The C library, and the module that describes it."""

    api: ModuleType
    library: ctypes.CDLL

    def search(
        self, positions: ndarray, cell: ndarray, periodic: Sequence[bool], cutoff: float
    ) -> Any:
        """The list that vesin filled."""
        found = _take_idle() or self.api.VesinNeighborList()
        points = np.ascontiguousarray(positions, np.float64)
        box = np.ascontiguousarray(cell, np.float64)
        message = ctypes.c_char_p()
        status = self.library.vesin_neighbors(
            _pointer(points),
            len(points),
            _pointer(box),
            (ctypes.c_bool * 3)(*map(bool, periodic)),
            self.api.VesinDevice(self.api.VesinCPU, 0),
            self.api.VesinOptions(cutoff=cutoff, full=True, n_threads=1, return_shifts=True),
            found,
            message,
        )
        if status:
            self.library.vesin_free(found)
            raise ValueError((message.value or b"vesin failed").decode())
        return found


# --- the package, as it is installed


_loading = threading.Lock()  # lists of a second description would not suit the first library


@cache
def _package_folder() -> Path:
    spec = find_spec("vesin")  # does not import it
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"no package `vesin` is installed; {KNOWN}")
    return Path(spec.submodule_search_locations[0])


@cache
def _load_vesin(folder: Path) -> _Vesin:
    api = _load_description(_demand(folder / "_c_api.py"))
    options = [name for name, *_ in api.VesinOptions._fields_]
    if "n_threads" not in options:
        raise ImportError(f"{folder} is a vesin without the option `n_threads`; {KNOWN}")
    path = _demand(folder / LIBRARIES.get(sys.platform, "lib/libvesin.so"))
    library = ctypes.CDLL(str(path))
    api.setup_functions(library)
    return _Vesin(api, library)


def _demand(path: Path) -> Path:
    if not path.is_file():
        raise ImportError(f"vesin should have the file {path} but has not; {KNOWN}")
    return path


def _load_description(path: Path) -> Any:
    spec = spec_from_file_location("miniff._vesin_c_api", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- buffers, from search to search


_idle: list[Any] = []  # neighbour lists that no array shows; pop, append and tuple are atomic


class _Loan:
    """Lives as long as some array shows the buffers of one neighbour list."""


@dataclass(frozen=True)
class _Buffer:
    """What numpy asks for memory. The array keeps it, and it keeps the loan."""

    loan: _Loan
    __array_interface__: dict[str, Any]


def _show(loan: _Loan, buffer: Any, shape: tuple[int, int], kind: type) -> ndarray:
    address = ctypes.cast(buffer, ctypes.c_void_p).value or 0
    read_only = True
    return np.asarray(
        _Buffer(
            loan,
            {
                "data": (address, read_only),
                "shape": shape,
                "typestr": np.dtype(kind).str,
                "version": 3,
            },
        )
    )


def _take_idle() -> Any:
    """A list to fill again, or None."""
    with suppress(IndexError):
        return _idle.pop()
    return None


def _give_back(found: Any, vesin: _Vesin) -> None:
    waiting = sum(other.length for other in tuple(_idle))
    if (waiting + found.length) * BYTES_PER_PAIR <= KEPT_BYTES:
        _idle.append(found)
    else:
        vesin.library.vesin_free(found)


def _pointer(array: ndarray) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
