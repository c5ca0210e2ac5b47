"""From names and patterns to structures."""

import glob
import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from miniff.io._ase import format_of, read_any, read_extxyz
from miniff.io._input_data import input_data_structures, is_input_data
from miniff.io._json_cells import cells_from_json, load_json, structure_from_cell
from miniff.io._structure import Structure, StructureError
from miniff.io._text import read_start, refuse_gigantic

__all__ = ["find_files", "is_input_data_file", "read_structures"]


def read_structures(
    patterns: str | Path | Sequence[str | Path],
    *,
    length_unit: str | float | None = None,
    energy_unit: str | float | None = None,
) -> list[Structure]:
    """Read all structures of all files that the patterns name, in order.

    Reads what ASE reads (extended XYZ first, packed or not), the JSON cells of the manual, and
    ``input.data`` of n2p2 and RuNNer. Numbers of extended XYZ and JSON are taken as they stand; ASE
    turns those of formats that have units of their own into eV and angstrom. ``input.data`` has
    neither, so its units must be said. A file or structure that cannot be used is a
    ``StructureError`` that names it; nothing is left out.

    Args:
        patterns: File names or globs (``*``, ``?``, ``[]``, ``**``), one or a list; relative ones
            start in the current folder.
        length_unit: Of ``input.data``: a name of :data:`miniff.units.UNITS`, or its size in
            angstrom. For other files there is none to say.
        energy_unit: The same for energies, or its size in eV.
    """
    units = length_unit, energy_unit
    return [structure for path in find_files(patterns) for structure in _read_file(path, units)]


def find_files(patterns: str | Path | Sequence[str | Path]) -> list[Path]:
    """The files that patterns name: in the order given, those of one pattern sorted.

    A pattern without a file, a folder, and a file named twice are refused.
    """
    listed = [patterns] if isinstance(patterns, str | Path) else list(patterns)
    if not listed:
        raise StructureError("no file with structures is named: the list is empty")
    named_by: dict[str, str] = {}
    files = []
    for given in listed:
        if not isinstance(given, str | os.PathLike):
            raise StructureError(f"{type(given).__name__} is no name of a file with structures")
        pattern = os.fspath(given)
        for path in _expand(pattern):
            real = os.path.realpath(path)
            if real in named_by:
                raise StructureError(f"{path}: named twice, by `{named_by[real]}` and `{pattern}`")
            named_by[real] = pattern
            files.append(path)
    return files


def is_input_data_file(path: str | Path) -> bool:
    """Whether a file is ``input.data`` of n2p2 or RuNNer, whatever its name is."""
    return is_input_data(read_start(Path(path)))


def _expand(pattern: str) -> list[Path]:
    expanded = os.path.expanduser(pattern)
    literal = os.path.exists(expanded)  # brackets may belong to the name
    names = [expanded] if literal else sorted(glob.glob(expanded, recursive=True))
    if not names:
        raise StructureError(_no_match(pattern, Path(expanded)))
    for name in names:
        if os.path.isdir(name):
            raise StructureError(f"{name}: is a folder but must be a file (try `{name}/*.xyz`)")
        if not os.path.exists(name):
            raise StructureError(f"{name}: is a link to nothing")
    return [Path(name) for name in names]


def _no_match(pattern: str, path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"no file matches `{pattern}`: there is no folder `{folder}`"
    names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    nearest = get_close_matches(path.name, names, n=5, cutoff=0.4) or names[:5]
    if not nearest:
        return f"no file matches `{pattern}`: the folder `{folder}` is empty"
    listed = ", ".join(f"`{name}`" for name in nearest)
    return f"no file matches `{pattern}`; the folder `{folder}` has {listed}"


def _read_file(path: Path, units: tuple[str | float | None, str | float | None]) -> list[Structure]:
    if path.stat().st_size == 0:
        raise StructureError(f"{path}: the file is empty")
    if is_input_data_file(path):
        return input_data_structures(path, *units)
    if units != (None, None):
        raise StructureError(
            f"{path}: units are said for it, but only `input.data` of n2p2 and RuNNer needs any"
        )
    match format_of(path):
        case "extxyz":
            structures = read_extxyz(path)
        case "json":
            structures = _read_json(path)
        case other:
            refuse_gigantic(path, StructureError)
            structures = read_any(path, other)
    if not structures:
        raise StructureError(f"{path}: the file holds no structure")
    return structures


def _read_json(path: Path) -> list[Structure]:
    """The manual's cells, or a database of ASE's, which has a list of ids."""
    data = load_json(path)
    if isinstance(data, dict) and "ids" in data:
        return read_any(path, "json")
    return [structure_from_cell(cell) for cell in cells_from_json(data, str(path))]
