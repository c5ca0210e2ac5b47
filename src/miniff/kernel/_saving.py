"""Cells to files, in the format that the file's name asks for."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from miniff.io import (
    CellRecord,
    Structure,
    StructureError,
    UnwritableError,
    write_extxyz,
    write_input_data,
    write_json_cells,
)
from miniff.kernel._meta import LABELS

if TYPE_CHECKING:
    from miniff.kernel._cell import Cell

__all__ = ["save_cells"]

PACKED = (".gz", ".bz2", ".xz")
ENERGY = "total-energy"
"""What the manual's format calls the energy."""


def save_cells(
    cells: "Sequence[Cell]",
    path: str | Path,
    length_unit: str | float | None,
    energy_unit: str | float | None,
) -> None:
    """Writes cells; see :meth:`Cell.save`."""
    if not cells:
        raise StructureError(f"{path}: no structure to write")
    name = Path(path)
    ending = Path(name.stem).suffix if name.suffix in PACKED else name.suffix
    if ending != ".data" and (length_unit, energy_unit) != (None, None):
        raise ValueError(f"{path}: only names in .data have units to be said")
    match ending:
        case ".data":
            write_input_data(
                path,
                [_without_source(cell) for cell in cells],
                length_unit=length_unit,
                energy_unit=energy_unit,
            )
        case ".json":
            write_json_cells(path, [_record(cell) for cell in cells])
        case ".xyz" | ".extxyz":
            write_extxyz(path, [_without_source(cell) for cell in cells])
        case _:
            raise ValueError(
                f"{path} must end in .json, .xyz, .extxyz or .data, packed or not "
                f"({', '.join(PACKED)})"
            )


def _without_source(cell: "Cell") -> Structure:
    """Where a cell was read is no part of it."""
    structure = cell.to_structure()
    info = {name: value for name, value in structure.info.items() if name != "source"}
    return replace(structure, info=info)


def _record(cell: "Cell") -> CellRecord:
    """The cell as the manual's format has it."""
    source = str(cell.meta.get("source", "cell"))
    if not all(cell.pbc):
        raise StructureError(
            f"{source}: `pbc` is {cell.pbc} but a cell in .json repeats along all three vectors; "
            "save it as .extxyz"
        )
    if ENERGY in cell.meta and cell.meta.get("energy") is not None:
        sentence = f"{source}: `energy` and `{ENERGY}` of `meta` have one place in .json"
        raise UnwritableError(sentence, [ENERGY])
    known = cell.to_structure()
    rest = {n: value for n, value in cell.meta.items() if n not in (*LABELS, "source")}
    labels = {ENERGY: known.energy, "forces": known.forces, "stress": known.stress}
    meta = {**rest, **{name: value for name, value in labels.items() if value is not None}}
    return CellRecord(cell.vectors, cell.coordinates, cell.values, meta, source)
