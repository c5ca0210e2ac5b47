"""File formats, read into and written from plain arrays and dataclasses.

Nothing here converts units but for ``input.data``, whose units have to be said: what other files
hold comes out as it stands.
"""

from miniff.io._ase import (
    check_extxyz,
    read_extxyz,
    structure_from_ase,
    structure_to_ase,
    write_extxyz,
)
from miniff.io._atomic import atomic_write
from miniff.io._embedded_atom import EmbeddedAtomTables, read_funcfl, read_setfl
from miniff.io._extxyz_text import extxyz_text
from miniff.io._files import find_files, is_input_data_file, read_structures
from miniff.io._input_data import write_input_data
from miniff.io._json_cells import CellRecord, read_json_cells, write_json_cells
from miniff.io._lammps_triples import (
    TripleEntry,
    TripleFile,
    read_lammps_sw,
    read_lammps_tersoff,
)
from miniff.io._n2p2 import N2p2Network, N2p2Potential, read_n2p2
from miniff.io._n2p2_functions import SymmetryFunction, order_of
from miniff.io._n2p2_settings import N2p2Settings, Scaling, Topology
from miniff.io._n2p2_text import write_n2p2
from miniff.io._potential_text import PotentialFileError
from miniff.io._simple_nn import SimpleNNElement, read_simple_nn
from miniff.io._structure import Structure, StructureError, UnwritableError

__all__ = [
    "CellRecord",
    "EmbeddedAtomTables",
    "N2p2Network",
    "N2p2Potential",
    "N2p2Settings",
    "PotentialFileError",
    "Scaling",
    "SimpleNNElement",
    "Structure",
    "StructureError",
    "SymmetryFunction",
    "Topology",
    "TripleEntry",
    "TripleFile",
    "UnwritableError",
    "atomic_write",
    "check_extxyz",
    "extxyz_text",
    "find_files",
    "is_input_data_file",
    "order_of",
    "read_extxyz",
    "read_funcfl",
    "read_json_cells",
    "read_lammps_sw",
    "read_lammps_tersoff",
    "read_n2p2",
    "read_setfl",
    "read_simple_nn",
    "read_structures",
    "structure_from_ase",
    "structure_to_ase",
    "write_extxyz",
    "write_input_data",
    "write_json_cells",
    "write_n2p2",
]
