"""Structures as lines of extended XYZ, from which every number comes back to the bit.

The conventions are those of ASE's reader: ``Lattice`` has the box vectors one after the other,
``Properties`` names the columns, and what has no notation of its own is JSON.
"""

import json
import re
from collections.abc import Iterator, Mapping

import numpy as np
from numpy import ndarray

from miniff.io._structure import Structure, StructureError, UnwritableError

__all__ = ["extxyz_text"]

RESERVED = ("Lattice", "Properties", "pbc")
COLUMN_NAME = re.compile(r"[\w-]+")
KINDS = {"b": "L", "i": "I", "u": "I", "f": "R", "U": "S"}
WITHOUT_QUOTES = re.compile(r"[^\s\"'{}\[\]=\\,]+")
VOIGT = ((0, 5, 4), (5, 1, 3), (4, 3, 2))


def extxyz_text(structure: Structure) -> str:
    """The lines of one structure.

    Raises:
        StructureError: What extended XYZ cannot hold, or would give back as something else.
    """
    try:
        columns = dict(_columns(structure))
        lines = [str(len(structure.species)), _comment(structure, columns)]
    except UnwritableError as error:
        raise UnwritableError(f"{structure.source}: {error}", error.names) from None
    except ValueError as error:
        raise StructureError(f"{structure.source}: {error}") from None
    rows = zip(*(_cells(column) for column in columns.values()), strict=True)
    return "\n".join([*lines, *(" ".join(row) for row in rows)]) + "\n"


def _columns(structure: Structure) -> Iterator[tuple[str, ndarray]]:
    """What belongs to atoms, by the names that ASE gives to columns."""
    from ase.io.extxyz import PROPERTY_NAME_MAP

    yield "species", np.array(structure.species, dtype="U")
    yield "pos", np.asarray(structure.positions, float)
    if structure.forces is not None:
        yield "forces", np.asarray(structure.forces, float)
    for name, array in structure.arrays.items():
        column = PROPERTY_NAME_MAP.get(name, name)
        if not COLUMN_NAME.fullmatch(column) or column in ("species", "pos", "Z"):
            raise UnwritableError(
                f"`{name}` of `arrays` is no name for a column of extended XYZ", [name]
            )
        if array.dtype.kind not in KINDS or array.ndim > 2 or 0 in array.shape[1:]:
            raise UnwritableError(
                f"`{name}` of `arrays` is {array.dtype} of shape {array.shape}, which extended XYZ "
                "cannot hold",
                [name],
            )
        if array.dtype.kind == "U" and not all(len(text.split()) == 1 for text in array.flat):
            raise UnwritableError(
                f"`{name}` of `arrays` must be words, each without a blank", [name]
            )
        yield column, array


def _comment(structure: Structure, columns: Mapping[str, ndarray]) -> str:
    """Box, names of columns, and what is known of the structure."""
    widths = {name: 1 if a.ndim == 1 else a.shape[1] for name, a in columns.items()}
    kinds = {name: KINDS[a.dtype.kind] for name, a in columns.items()}
    parts = []
    if np.any(structure.vectors):
        parts.append(f'Lattice="{_numbers(np.asarray(structure.vectors, float))}"')
    parts.append("Properties=" + ":".join(f"{n}:{kinds[n]}:{widths[n]}" for n in columns))
    parts += [f"{_quoted(name)}={_value(name, value)}" for name, value in structure.info.items()]
    if structure.energy is not None:
        parts.append(f"energy={float(structure.energy)!r}")
    if structure.stress is not None:
        parts.append(f'stress="{_numbers(np.asarray(structure.stress, float)[list(VOIGT)])}"')
    parts.append(f'pbc="{_numbers(np.array(structure.periodic))}"')
    return " ".join(parts)


def _cells(column: ndarray) -> Iterator[str]:
    """The text of each row of a column."""
    width = {"f": 22, "i": 8, "u": 8, "U": -2}.get(column.dtype.kind, 1)
    for row in column.tolist():
        texts = [_word(value) for value in (row if isinstance(row, list) else [row])]
        yield " ".join(t.ljust(-width) if width < 0 else t.rjust(width) for t in texts)


def _value(name: str, value: object) -> str:
    """The text of a value, in the first notation that is read as what it was."""
    from ase.io.extxyz import key_val_str_to_dict

    if not name or name in RESERVED:
        raise UnwritableError(f"`{name}` is no name for an entry of `info` in extended XYZ", [name])
    try:
        wanted = json.dumps(_plain(value))
    except TypeError:
        wanted = None
    for text in _notations(name, value, wanted) if wanted is not None else ():
        quoted = _quoted(text)
        try:
            found = key_val_str_to_dict(f"{_quoted(name)}={quoted}")
            same = list(found) == [name] and json.dumps(_plain(found[name])) == wanted
        except (ValueError, TypeError):
            continue
        if same and "\n" not in quoted:
            return quoted
    raise UnwritableError(
        f"`{name}` of `info` is {type(value).__name__}, which extended XYZ cannot hold", [name]
    )


def _notations(name: str, value: object, as_json: str) -> Iterator[str]:
    """How ASE writes it, if it has a notation for it, and JSON."""
    from ase.io.extxyz import SPECIAL_3_3_KEYS

    if isinstance(value, str):
        yield value
    elif isinstance(value, bool | int | float | np.generic | ndarray):
        array = np.asarray(value)
        if name in SPECIAL_3_3_KEYS and array.shape == (3, 3):
            array = array.T.ravel()
        if array.dtype.kind in "biuf" and array.ndim < 2:
            yield _numbers(array)
    yield f"_JSON {as_json}"


def _plain(value: object) -> object:
    """Lists and numbers in place of arrays."""
    if isinstance(value, np.generic | ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _numbers(array: ndarray) -> str:
    return " ".join(_word(value) for value in np.ravel(array).tolist())


def _word(value: object) -> str:
    """A number, a truth or a word."""
    if isinstance(value, bool):
        return "T" if value else "F"
    return value if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    if WITHOUT_QUOTES.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
