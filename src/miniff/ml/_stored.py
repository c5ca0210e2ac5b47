"""Descriptor values and neighbours in files that are mapped into memory, for data larger than that.

A file holds one data set without its references, and is named by a hash of all that decides its
content: structures, functions, and the code that computes them. It is complete or not there, and a
checksum of every array tells whether it is what was written. Pages are read when they are needed,
and given up when memory is short.

A file is a line ``hash of the header``, a line of JSON, the header, and arrays at places that are
multiples of 64 bytes from the end of the header.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy import ndarray

from miniff import _core
from miniff._charges import GivenCharges
from miniff._neighbors import join, table_from_arrays
from miniff.io import atomic_write
from miniff.kernel import Cell, compute_images
from miniff.ml._dataset import Dataset
from miniff.ml._learn import dataset_of, descriptor_tables
from miniff.ml._plain import plain_of
from miniff.ml._tensor_files import DamagedFileError
from miniff.potentials import FunctionPotential

__all__ = ["stored_dataset"]

FORMAT = "miniff descriptors 2"
ALIGNMENT = 64
TABLE = (
    "positions",
    "cells",
    "species",
    "structure",
    "start",
    "neighbor",
    "image_atom",
    "image_shift",
    "periodic",
    "charges",
    "total_charge",
    "images",
)
"""Arrays of a table of neighbours."""


def stored_dataset(
    folder: str | Path,
    cells: Sequence[Cell],
    functions: Mapping[str, Sequence[FunctionPotential]],
    *,
    derivatives: bool = True,
    tell: Callable[[str], None] | None = None,
) -> Dataset:
    """What :func:`learn_cauldron` gives, with its large arrays in a file.

    Args:
        folder: For the file, which is made if it is not there, or not as it was written.
        cells: Structures; their references are not in the file.
        functions: For each species.
        derivatives: As for :func:`learn_cauldron`.
        tell: Told what happened: ``"found"``, ``"made"``, or ``"damaged"`` and made anew.
    """
    cutoff = max(f.cutoff for own in functions.values() for f in own)
    path = Path(folder) / f"{_key(cells, functions, cutoff, derivatives)}.descriptors"
    what = "found"
    if path.exists():
        try:
            names, arrays = _read(path)
        except (DamagedFileError, OSError):
            what = "damaged"
    else:
        what = "made"
    if what != "found":
        Path(folder).mkdir(parents=True, exist_ok=True)
        _write(path, *_computed(cells, functions, cutoff))
        names, arrays = _read(path)
    if tell is not None:
        tell(what)
    table = table_from_arrays(names, cutoff, {name: arrays[name] for name in TABLE})
    values = {name: arrays[f"values of {name}"] for name in functions}
    return dataset_of(cells, table, functions, values, derivatives=derivatives)


def _key(
    cells: Sequence[Cell],
    functions: Mapping[str, Sequence[FunctionPotential]],
    cutoff: float,
    derivatives: bool,
) -> str:
    """A hash of all that decides what is in the file."""
    code = [FORMAT, version("miniff"), _core.instruction_set, "float64", repr(cutoff), derivatives]
    plain = {name: [plain_of(f) for f in own] for name, own in sorted(functions.items())}
    digest = hashlib.sha256(json.dumps([code, plain], sort_keys=True).encode())
    for cell in cells:
        digest.update(json.dumps([list(cell.values), [bool(p) for p in cell.pbc]]).encode())
        digest.update(np.ascontiguousarray(cell.vectors).tobytes())
        digest.update(np.ascontiguousarray(cell.coordinates).tobytes())
        for charges in GivenCharges.from_meta(cell.meta, cell.size).arrays(cell.size):
            digest.update(charges.tobytes())
    return digest.hexdigest()[:40]


def _computed(
    cells: Sequence[Cell], functions: Mapping[str, Sequence[FunctionPotential]], cutoff: float
) -> tuple[tuple[str, ...], dict[str, ndarray]]:
    """Names of the species in the table, and all arrays."""
    table = join([compute_images(cell, cutoff).table for cell in cells])
    arrays: dict[str, ndarray] = {name: getattr(table, name) for name in TABLE}
    for name, values in descriptor_tables(table, functions).items():
        arrays[f"values of {name}"] = values
    return table.names, arrays


def _write(path: Path, names: Sequence[str], arrays: Mapping[str, ndarray]) -> None:
    places: dict[str, dict[str, Any]] = {}
    end = 0
    for name, array in arrays.items():
        places[name] = {
            "dtype": array.dtype.str,
            "shape": list(array.shape),
            "start": end,
            "checksum": zlib.crc32(np.ascontiguousarray(array).data),
        }
        end += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
    header = json.dumps({"format": FORMAT, "species": list(names), "arrays": places, "size": end})
    text = f"{hashlib.sha256(header.encode()).hexdigest()}\n{header}\n".encode()
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        file.write(text)
        _fill(file, _aligned(len(text)))
        for name, array in arrays.items():
            _fill(file, _aligned(len(text)) + places[name]["start"])
            file.write(np.ascontiguousarray(array).data)
        _fill(file, _aligned(len(text)) + end)


def _aligned(place: int) -> int:
    return -(-place // ALIGNMENT) * ALIGNMENT


def _fill(file: BinaryIO, place: int) -> None:
    """Zeros up to a place."""
    file.write(bytes(place - file.tell()))


def _read(path: Path) -> tuple[tuple[str, ...], dict[str, ndarray]]:
    """What was written, mapped into memory; changes stay in this process.

    Raises:
        DamagedFileError: It is something else.
    """
    with open(path, "rb") as file:
        digest, header = file.readline().strip(), file.readline()
        first = _aligned(file.tell())
        size = file.seek(0, 2)
    if hashlib.sha256(header.strip()).hexdigest().encode() != digest:
        raise DamagedFileError(f"{path} is damaged or no file of descriptors")
    try:
        return _mapped(path, json.loads(header), first, size)
    except DamagedFileError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise DamagedFileError(f"{path} is no file of descriptors") from error


def _mapped(
    path: Path, content: Any, first: int, size: int
) -> tuple[tuple[str, ...], dict[str, ndarray]]:
    """The arrays that a header tells of, from a place on."""
    if content["format"] != FORMAT:
        raise DamagedFileError(f"{path} is of another version of miniff")
    if size != first + content["size"]:
        raise DamagedFileError(f"{path} has {size} bytes but must have {first + content['size']}")
    mapped = np.asarray(np.memmap(path, np.uint8, mode="c")) if size else np.zeros(0, np.uint8)
    arrays = {}
    for name, place in content["arrays"].items():
        dtype, shape, start = np.dtype(place["dtype"]), place["shape"], first + place["start"]
        n_bytes = dtype.itemsize * int(np.prod(shape))
        arrays[name] = mapped[start : start + n_bytes].view(dtype).reshape(shape)
        if zlib.crc32(arrays[name].data) != place["checksum"]:
            raise DamagedFileError(f"{path} is damaged: {name} is not what was written")
    return tuple(content["species"]), arrays
