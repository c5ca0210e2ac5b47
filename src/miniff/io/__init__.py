"""File formats, read into and written from plain arrays and dataclasses.

Nothing here converts units: what extended XYZ and JSON hold comes out as it stands.
"""

from miniff.io._ase import check_extxyz, structure_from_ase, structure_to_ase, write_extxyz
from miniff.io._atomic import atomic_write
from miniff.io._embedded_atom import EmbeddedAtomTables, read_funcfl, read_setfl
from miniff.io._extxyz_text import extxyz_text
from miniff.io._files import find_files, read_structures
from miniff.io._json_cells import CellRecord, read_json_cells, write_json_cells
from miniff.io._lammps_triples import (
    TripleEntry,
    TripleFile,
    read_lammps_sw,
    read_lammps_tersoff,
)
from miniff.io._potential_text import PotentialFileError
from miniff.io._structure import Structure, StructureError

__all__ = [
    "CellRecord",
    "EmbeddedAtomTables",
    "PotentialFileError",
    "Structure",
    "StructureError",
    "TripleEntry",
    "TripleFile",
    "atomic_write",
    "check_extxyz",
    "extxyz_text",
    "find_files",
    "read_funcfl",
    "read_json_cells",
    "read_lammps_sw",
    "read_lammps_tersoff",
    "read_setfl",
    "read_structures",
    "structure_from_ase",
    "structure_to_ase",
    "write_extxyz",
    "write_json_cells",
]
