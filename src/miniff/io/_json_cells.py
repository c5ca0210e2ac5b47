"""The manual's JSON files: a list of cells, or one.

    {"type": ..., "vectors": [3, 3], "coordinates": [n, 3], "values": [n], "meta": {...}}

Coordinates are fractional unless ``c_basis`` is "cartesian". An array is a nested list or
``{"_type": "numpy", "data": ..., "complex": false, "units": null}``.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from miniff._checks import check_finite, check_shape, unknown_name
from miniff.io._atomic import atomic_write
from miniff.io._structure import (
    Structure,
    StructureError,
    UnwritableError,
    array_from,
    number_from,
    source_of,
    stress_from,
)
from miniff.io._text import parse_json, read_text, write_text

__all__ = [
    "CellRecord",
    "cells_from_json",
    "load_json",
    "read_json_cells",
    "structure_from_cell",
    "write_json_cells",
]

_KEYS = ("type", "vectors", "coordinates", "values", "meta", "c_basis")
_TYPES = ("dfttools.utypes.CrystalCell", "dfttools.types.UnitCell")
_PER_ATOM_META = ("charges", "partial-energy")
_PLAIN_KINDS = "biufcU"


@dataclass(frozen=True, eq=False)
class CellRecord:
    """One cell as the file has it.

    Attributes:
        vectors: Box vectors as rows (length).
        coordinates: Fractional coordinates; cartesian = coordinates @ vectors.
        values: Name of each atom's element.
        meta: Anything else; the package knows ``total-energy`` (energy), ``forces``
            (energy/length), ``stress`` (+dE/dstrain / volume), ``charges``, ``partial-energy``.
        source: Where it comes from, for messages.
    """

    vectors: Float[ndarray, "3 3"]
    coordinates: Float[ndarray, "n_atoms 3"]
    values: tuple[str, ...]
    meta: Mapping[str, object] = field(default_factory=dict)
    source: str = "cell"

    def __post_init__(self) -> None:
        try:
            check_shape("vectors", self.vectors, (3, 3))
            check_shape("coordinates", self.coordinates, (len(self.values), 3))
            check_finite("vectors", self.vectors)
            check_finite("coordinates", self.coordinates)
        except ValueError as error:
            raise StructureError(f"{self.source}: {error}") from None


def read_json_cells(path: str | os.PathLike[str]) -> list[CellRecord]:
    """All cells of a JSON file, packed or not; a single object is a list of one."""
    return cells_from_json(load_json(Path(path)), str(path))


def write_json_cells(path: str | os.PathLike[str], cells: Sequence[CellRecord]) -> None:
    """Write cells as a JSON list, packed or not; every digit of every number is kept.

    Raises:
        StructureError: ``meta`` that JSON cannot hold; the message names the entry.
    """
    data = [_encode_cell(cell) for cell in cells]
    with atomic_write(path) as temporary:
        write_text(temporary, json.dumps(data) + "\n")


def load_json(path: Path) -> object:
    """What a JSON parser makes of the file."""
    return parse_json(path, read_text(path, StructureError), StructureError)


def cells_from_json(data: object, name: str) -> list[CellRecord]:
    """Cells from what a JSON parser returns."""
    entries = data if isinstance(data, list) else [data]
    return [_decode_cell(entry, source_of(name, i)) for i, entry in enumerate(entries)]


def structure_from_cell(cell: CellRecord) -> Structure:
    """The cell as a structure that repeats along all three vectors."""
    meta = dict(cell.meta)
    try:
        if "energy" in meta:
            raise ValueError("`energy` of `meta` must be called `total-energy` in such a file")
        energy = number_from("total-energy", meta.pop("total-energy", None))
        forces = array_from("forces", meta.pop("forces", None))
        stress = stress_from(meta.pop("stress", None))
        arrays = {name: np.asarray(meta.pop(name)) for name in _PER_ATOM_META if name in meta}
    except ValueError as error:
        raise StructureError(f"{cell.source}: {error}") from None
    return Structure(
        vectors=cell.vectors,
        positions=cell.coordinates @ cell.vectors,
        species=cell.values,
        periodic=(True, True, True),
        energy=energy,
        forces=forces,
        stress=stress,
        info=meta,
        arrays=arrays,
        coordinates=cell.coordinates,
        source=cell.source,
    )


def _decode_cell(entry: object, source: str) -> CellRecord:
    if not isinstance(entry, dict):
        raise StructureError(f"{source}: is {type(entry).__name__} but must be an object of json")
    for key in entry:
        if key not in _KEYS:
            raise StructureError(f"{source}: {unknown_name('key', key, _KEYS)}")
    for key in ("vectors", "coordinates", "values"):
        if key not in entry:
            raise StructureError(f"{source}: `{key}` is missing")
    try:
        return _checked_cell({key: _decode(key, value) for key, value in entry.items()}, source)
    except StructureError:
        raise
    except ValueError as error:
        raise StructureError(f"{source}: {error}") from None


def _checked_cell(entry: dict[str, object], source: str) -> CellRecord:
    if (kind := entry.get("type", _TYPES[0])) not in _TYPES:
        raise ValueError(unknown_name("type", str(kind), _TYPES))
    vectors = _floats("vectors", entry["vectors"])
    check_shape("vectors", vectors, (3, 3))
    values = np.asarray(entry["values"])
    if values.ndim != 1 or (values.size and values.dtype.kind != "U"):
        raise ValueError("`values` must be a list of names, one for each atom")
    coordinates = _floats("coordinates", entry["coordinates"])
    if coordinates.size == 0:
        coordinates = coordinates.reshape(0, 3)
    check_shape("coordinates", coordinates, (values.size, 3))
    meta = entry.get("meta", {})
    if not isinstance(meta, dict):
        raise ValueError(f"`meta` is {type(meta).__name__} but must be an object of json")
    match entry.get("c_basis"):
        case "cartesian":
            coordinates = _fractional(coordinates, vectors)
        case None | "fractional":
            pass
        case basis:
            raise ValueError(f"`c_basis` is {basis!r} but must be 'cartesian' or left out")
    return CellRecord(vectors, coordinates, tuple(values.tolist()), meta, source)


def _floats(name: str, value: object) -> ndarray:
    array = array_from(name, value)
    if array is None:
        raise ValueError(f"`{name}` is null but must be numbers")
    return array


def _fractional(
    positions: Float[ndarray, "n_atoms 3"], vectors: Float[ndarray, "3 3"]
) -> Float[ndarray, "n_atoms 3"]:
    if np.linalg.matrix_rank(vectors) < 3:
        raise ValueError("`c_basis` is 'cartesian' but `vectors` span no volume")
    return np.linalg.solve(vectors.T, positions.T).T


def _decode(name: str, value: object) -> object:
    """Nested data with their arrays made arrays."""
    if isinstance(value, list):
        return [_decode(name, item) for item in value]
    if not isinstance(value, dict):
        return value
    if "_type" not in value:
        return {key: _decode(key, item) for key, item in value.items()}
    if value["_type"] not in ("numpy", "numpy:torch"):
        raise ValueError(f"`{name}`: {unknown_name('_type', str(value['_type']), ['numpy'])}")
    if value.get("units") is not None:
        raise ValueError(
            f"`{name}` has units {value['units']!r}, which are not understood here: "
            "write plain numbers, in one set of units, with units null"
        )
    if "data" not in value:
        raise ValueError(f"`{name}`: an array without `data`")
    array = np.asarray(value["data"])
    if value.get("complex"):
        if array.shape[-1:] != (2,) or array.dtype.kind not in "bif":
            raise ValueError(f"`{name}` is complex but has no pairs of numbers in `data`")
        array = array[..., 0] + 1j * array[..., 1]
    return array if array.ndim else array.item()


def _encode_cell(cell: CellRecord) -> dict[str, object]:
    try:
        return {
            "type": _TYPES[0],
            "vectors": _encode("vectors", cell.vectors),
            "coordinates": _encode("coordinates", cell.coordinates),
            "values": list(cell.values),
            "meta": _encode_meta(cell.meta),
        }
    except UnwritableError as error:
        raise UnwritableError(f"{cell.source}: {error}", error.names) from None
    except ValueError as error:
        raise StructureError(f"{cell.source}: {error}") from None


def _encode_meta(meta: Mapping[str, object]) -> object:
    """What does not go is known by its own name."""
    for name, value in meta.items():
        try:
            _encode("meta", {name: value})
        except ValueError as error:
            raise UnwritableError(str(error), [name]) from None
    return _encode("meta", meta)


def _encode(name: str, value: object) -> object:
    """Nested data with their arrays made json."""
    if isinstance(value, np.generic):
        return _encode(name, value.item())
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str) or key == "_type":
                raise ValueError(f"`{name}` has the key {key!r}, which json cannot hold")
        return {key: _encode(key, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(name, item) for item in value]
    if isinstance(value, ndarray) and value.dtype.kind in _PLAIN_KINDS:
        is_complex = value.dtype.kind == "c"
        plain = np.stack([value.real, value.imag], axis=-1) if is_complex else value
        return {"_type": "numpy", "data": plain.tolist(), "complex": is_complex, "units": None}
    if value is None or isinstance(value, str | int | float | bool):
        return value
    kind = f"array of {value.dtype}" if isinstance(value, ndarray) else type(value).__name__
    raise ValueError(f"`{name}` is {kind}, which json cannot hold")
