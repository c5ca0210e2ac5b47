"""Files of structures, each with settings of its own, and groups of structures with theirs."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Annotated, Any

from miniff._checks import unknown_name
from miniff.io import find_files
from miniff.kernel import Cell
from miniff.kernel._meta import group_of
from miniff.ml_util._data import read_cells
from miniff.ml_util._progress import Reporter
from miniff.ml_util._types import Checked, Problem, Reads
from miniff.units import size

__all__ = [
    "DataFiles",
    "GroupWeights",
    "SetFiles",
    "names_of",
    "read_data",
    "report_weights",
    "weigh_groups",
]

PROPERTIES = ("energy", "forces", "stress")
WEIGHTS = {"weight": "config_weight"} | {
    f"{name}_weight": f"config_{name}_weight" for name in PROPERTIES
}
"""Keys of a job, and the ones of a structure that they multiply."""
UNIT_KEYS = {"length_unit": "length", "energy_unit": "energy"}
"""Keys of a job that say the units of files without any, and what they are units of."""


def _problems_of_files(given: object, known: Sequence[str] = ("files", *WEIGHTS)) -> list[Problem]:
    if isinstance(given, Mapping):
        return _problems_of_entry(given, (*known, *UNIT_KEYS))
    items = given if isinstance(given, list) else []
    return [
        ((str(place), *at), what)
        for place, item in enumerate(items)
        if isinstance(item, Mapping)
        for at, what in _problems_of_entry(item, (*known, *UNIT_KEYS))
    ]


def _problems_of_set(given: object) -> list[Problem]:
    """Of files that nothing learns from: there are no weights."""
    return _problems_of_files(given, ("files",))


def _problems_of_entry(entry: Mapping[str, object], known: Sequence[str]) -> list[Problem]:
    found: list[Problem] = [
        ((name,), unknown_name("key of an entry of files", name, known))
        for name in entry
        if name not in known
    ]
    if not _is_names(entry.get("files")):
        found.append((("files",), f"it is {entry.get('files')!r} but must name files"))
    for name, kind in UNIT_KEYS.items():
        if name in entry and (what := _wrong_unit(entry[name], kind)):
            found.append(((name,), what))
    return found + [
        ((name,), what)
        for name in WEIGHTS
        if name in known and name in entry and (what := _wrong(entry[name]))
    ]


def _problems_of_groups(given: Mapping[str, object]) -> list[Problem]:
    found: list[Problem] = []
    for group, weight in given.items():
        if not isinstance(weight, Mapping):
            if what := _wrong(weight):
                found.append(((group,), what))
            continue
        for name, own in weight.items():
            if name not in PROPERTIES:
                found.append(((group, name), unknown_name("property", name, PROPERTIES)))
            elif what := _wrong(own):
                found.append(((group, name), what))
    return found


def _is_names(files: object) -> bool:
    if isinstance(files, list):
        return bool(files) and all(isinstance(name, str) for name in files)
    return isinstance(files, str)


def _wrong(weight: object) -> str:
    is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
    if is_number and 0 <= float(weight) < inf:  # type: ignore[arg-type]
        return ""
    return f"it is {weight!r} but must be a number in [0, inf)"


def _wrong_unit(unit: object, kind: str) -> str:
    if isinstance(unit, bool) or not isinstance(unit, str | int | float):
        return f"it is {unit!r} but must be the name of a unit or its size"
    try:
        size(unit, kind)
    except ValueError as error:
        return str(error)
    return ""


DataFiles = Annotated[
    str | dict[str, Any] | list[str | dict[str, Any]],
    Reads(patterns=True),
    Checked(_problems_of_files),
]
"""File names or patterns, or mappings of ``files`` and ``weight``, ``energy_weight``,
``forces_weight``, ``stress_weight``, ``length_unit``, ``energy_unit``; or a list of them."""

SetFiles = Annotated[
    str | dict[str, Any] | list[str | dict[str, Any]],
    Reads(patterns=True),
    Checked(_problems_of_set),
]
"""The same without weights."""

GroupWeights = Annotated[dict[str, Any], Checked(_problems_of_groups)]
"""Group -> weight, or group -> property -> weight."""


def names_of(files: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]) -> list[str]:
    """All file names and patterns."""
    if isinstance(files, str):
        return [files]
    if isinstance(files, Mapping):
        return names_of(files["files"])
    return [name for item in files for name in names_of(item)]


def read_data(files: str | dict[str, Any] | list[str | dict[str, Any]]) -> list[Cell]:
    """The structures of all files, weighted as their entries say.

    Raises:
        ValueError: An entry that is wrong, or a file that cannot be used.
    """
    for at, what in _problems_of_files(files):
        raise ValueError(f"`{'.'.join(('fn_cells', *at))}`: {what}")
    find_files(names_of(files))  # refuses one that is named twice
    cells: list[Cell] = []
    for item in files if isinstance(files, list) else [files]:
        units = (item.get(name) for name in UNIT_KEYS) if isinstance(item, Mapping) else ()
        own = read_cells(names_of(item), *units)
        if isinstance(item, Mapping):
            weights = {key: float(item[name]) for name, key in WEIGHTS.items() if name in item}
            own = [_weighted(cell, weights) for cell in own]
        cells += own
    return cells


def weigh_groups(cells: Sequence[Cell], groups: Mapping[str, Any]) -> list[Cell]:
    """The structures, weighted as their groups say.

    Raises:
        ValueError: Wrong weights, or a group that no structure belongs to.
    """
    for at, what in _problems_of_groups(groups):
        raise ValueError(f"`{'.'.join(('group_weights', *at))}`: {what}")
    own = [group_of(cell.meta) for cell in cells]
    for name in groups:
        if name not in own:
            there = sorted(set(own) - {""})
            raise ValueError(
                f"`group_weights`: no structure for training belongs to {name!r}; "
                + (f"there are {', '.join(there)}" if there else "none says its `config_type`")
            )
    return [
        _weighted(cell, _weights_of(groups[group])) if group in groups else cell
        for cell, group in zip(cells, own, strict=True)
    ]


def report_weights(cells: Sequence[Cell], reporter: Reporter) -> None:
    """Tells of weights other than 1."""
    for key in WEIGHTS.values():
        weights = [_number(cell, key) for cell in cells]
        if any(weight != 1 for weight in weights):
            changed = sum(weight != 1 for weight in weights)
            reporter.info(
                f"{changed} of {len(cells)} structures for training have a `{key}` other than 1, "
                f"all are from {min(weights):g} to {max(weights):g}"
            )


def _weights_of(weight: float | Mapping[str, float]) -> dict[str, float]:
    if isinstance(weight, Mapping):
        return {f"config_{name}_weight": float(own) for name, own in weight.items()}
    return {"config_weight": float(weight)}


def _weighted(cell: Cell, weights: Mapping[str, float]) -> Cell:
    """A structure whose weights are multiplied."""
    changed = {key: weight * _number(cell, key) for key, weight in weights.items()}
    meta = {**cell.meta, **changed}
    return Cell(cell.vectors, cell.coordinates, cell.values, meta, pbc=cell.pbc)


def _number(cell: Cell, key: str) -> float:
    value = cell.meta.get(key, 1.0)
    if what := _wrong(value):
        raise ValueError(f"{cell.meta.get('source', 'a structure')}: `{key}`: {what}")
    return float(value)  # type: ignore[arg-type]
