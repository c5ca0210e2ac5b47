"""Structures from and to ASE, which knows the file formats.

Extended XYZ is cut into structures here: ASE's reader stops at a blank line, overlooks columns that
the header does not name, and goes back and forth in packed files, which takes minutes.
"""

import os
import re
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray

from miniff.io._atomic import atomic_write
from miniff.io._extxyz_text import extxyz_text
from miniff.io._structure import (
    LABELS,
    Structure,
    StructureError,
    array_from,
    number_from,
    source_of,
    stress_from,
)
from miniff.io._text import read_text, write_text

if TYPE_CHECKING:
    from ase import Atoms

__all__ = [
    "check_extxyz",
    "format_of",
    "read_any",
    "read_extxyz",
    "structure_from_ase",
    "structure_to_ase",
    "write_extxyz",
]

REFUSED = {
    "mysql": "is the address of a server, not a file",
    "postgresql": "is the address of a server, not a file",
    "octopus-in": "is an input of Octopus, which may name other files anywhere",
    "onetep-in": "is an input of ONETEP, which may name other files anywhere",
}
"""Formats of ASE whose readers open more than the file that is named, and why they do."""
ONCE = ("Lattice", "Properties", "pbc", *LABELS)
"""Keys of extended XYZ that must not be given twice."""
COLUMNS = {
    ("pos", "positions"): "where the atoms are",
    ("species", "symbols", "Z", "numbers"): "their elements",
}
"""Of extended XYZ, by any of the names that ASE knows, and what they tell."""
MOST_DIGITS = 18
"""Of counts: no file has so many atoms or columns."""
_PER_ATOM_RESULTS = ("charges", "energies", "magmoms", "stresses")


def structure_from_ase(atoms: "Atoms", source: str = "ASE structure") -> Structure:
    """Take over an ASE structure with all that is stored in it.

    Energy, forces and stress are those its calculator has stored, or the entries of these names in
    ``info`` and ``arrays``; nothing is computed, constraints do not change the forces, and a
    ``virial`` is not taken for a stress. Other results go to ``info`` and ``arrays``.
    """
    try:
        species = tuple(_symbol_of(number) for number in atoms.numbers.tolist())
        labels, info, arrays = _sort_data(atoms)
        energy = number_from("energy", labels["energy"])
        forces = array_from("forces", labels["forces"])
        stress = stress_from(labels["stress"])
    except ValueError as error:
        raise StructureError(f"{source}: {error}") from None
    return Structure(
        vectors=np.array(atoms.cell, dtype=float),
        positions=atoms.get_positions(),
        species=species,
        periodic=(bool(atoms.pbc[0]), bool(atoms.pbc[1]), bool(atoms.pbc[2])),
        energy=energy,
        forces=forces,
        stress=stress,
        info=info,
        arrays=arrays,
        source=source,
    )


def _symbol_of(number: object) -> str:
    from ase.data import chemical_symbols

    if not isinstance(number, int) or not 0 <= number < len(chemical_symbols):
        raise ValueError(f"an atom has the number {number!r:.40}, which is of no chemical element")
    return str(chemical_symbols[number])


def _sort_data(
    atoms: "Atoms",
) -> tuple[dict[str, object], dict[str, object], dict[str, ndarray]]:
    """Labels, info and arrays of an ASE structure."""
    info = {name: _words(value) for name, value in atoms.info.items()}
    arrays = {
        name: array for name, array in atoms.arrays.items() if name not in ("numbers", "positions")
    }
    results = dict(atoms.calc.results) if atoms.calc is not None else {}
    labels = {name: _single(name, (results, info, arrays)) for name in LABELS}
    for name, value in results.items():
        if value is None or name in LABELS:
            continue
        if name in _PER_ATOM_RESULTS:
            arrays[name] = np.asarray(value)
        else:
            info[name] = value
    return labels, info, arrays


def _words(value: object) -> object:
    """The symbol of a space group, which ASE's reader of CIF makes an object."""
    from ase.spacegroup import Spacegroup

    return value.symbol if isinstance(value, Spacegroup) else value


def _single(name: str, places: Sequence[dict[str, object] | dict[str, ndarray]]) -> object:
    """Take the value out of wherever it stands; two that differ are refused."""
    found = [value for place in places if (value := place.pop(name, None)) is not None]
    for other in found[1:]:
        if not np.array_equal(np.asarray(found[0]), np.asarray(other)):
            raise ValueError(f"`{name}` is given twice, with different values")
    return found[0] if found else None


def structure_to_ase(structure: Structure) -> "Atoms":
    """The structure as ASE's, with a calculator that has the reference values stored."""
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator

    try:
        atoms = Atoms(
            symbols=list(structure.species),
            positions=structure.positions,
            cell=structure.vectors,
            pbc=structure.periodic,
            info=dict(structure.info),
        )
    except KeyError as error:
        raise StructureError(
            f"{structure.source}: species {error} is not a chemical symbol"
        ) from error
    for name, array in structure.arrays.items():
        atoms.set_array(name, array)
    labels = {name: getattr(structure, name) for name in LABELS}
    if any(value is not None for value in labels.values()):
        atoms.calc = SinglePointCalculator(atoms, **labels)
    return atoms


def format_of(path: Path) -> str:
    """ASE's name for the format of a file."""
    from ase.io.formats import filetype, ioformats

    try:
        found = str(filetype(os.path.abspath(path)))  # else the name may be taken for an address
    except Exception as error:
        raise StructureError(f"{path}: {_describe(error)}") from error
    if found not in ioformats:
        raise StructureError(
            f"{path}: no format of structures is known whose names end in .{found}: extended XYZ "
            "ends in .xyz"
        )
    if found in REFUSED:
        raise StructureError(
            f"{path}: {REFUSED[found]}: it is not read; write its structures as extended XYZ"
        )
    return found


def read_any(path: Path, file_format: str) -> list[Structure]:
    """All structures of a file that ASE can read."""
    from ase.io import read

    try:
        images = read(
            path, index=":", format=file_format, parallel=False, do_not_split_by_at_sign=True
        )
    except Exception as error:
        raise StructureError(
            f"{path}: not readable as {file_format}: {_describe(error)}"
        ) from error
    return [structure_from_ase(atoms, source_of(str(path), i)) for i, atoms in enumerate(images)]


def read_extxyz(path: Path) -> list[Structure]:
    """All structures of a plain or extended XYZ file."""
    lines = read_text(path, StructureError).splitlines(keepends=True)
    return [
        structure_from_ase(_parse_frame(frame, source), source)
        for frame, source in _frames(lines, str(path))
    ]


def _frames(lines: list[str], name: str) -> Iterator[tuple[list[str], str]]:
    """The lines of each structure, and how messages call it; blank lines may stand between."""
    start = index = 0
    while start < len(lines):
        header = lines[start].strip()
        if not header:
            start += 1
            continue
        source = source_of(name, index)
        if not header.isdecimal() or len(header) > MOST_DIGITS:
            raise StructureError(
                f"{source}: line {start + 1} is `{header:.40}` but must be a number of atoms"
            )
        stop = start + 2 + int(header)
        if stop > len(lines):
            there = max(len(lines) - start - 2, 0)
            raise StructureError(f"{source}: the file ends after {there} of {header} atoms")
        n_columns = sum(n for _, n in _columns(lines[start + 1]))
        for row, line in enumerate(lines[start + 2 : stop], start=start + 3):
            if (there := len(line.split())) != n_columns:
                raise StructureError(
                    f"{source}: line {row} has {there} columns but must have {n_columns}, "
                    "as `Properties` says (symbol x y z without it)"
                )
        while stop < len(lines) and lines[stop].lstrip().startswith("VEC"):
            stop += 1
        yield lines[start:stop], source
        start, index = stop, index + 1


def _columns(comment: str) -> list[tuple[str, int]]:
    """What the comment line of extended XYZ announces: names and how many columns each has."""
    one = r"[\w-]+:[A-Z]:\d+"
    announced = re.search(rf"""\bProperties=["']?({one}(?::{one})*)""", comment)
    if announced is None:
        return [("species", 1), ("pos", 3)]
    words = announced[1].split(":")
    return [(name, int(n[:MOST_DIGITS])) for name, n in zip(words[::3], words[2::3], strict=True)]


def _check_columns(columns: Sequence[str]) -> None:
    """Without a column ASE puts all atoms at the origin, or makes them no element."""
    for names, what in COLUMNS.items():
        if not any(name in columns for name in names):
            raise StructureError(
                f"`Properties` has {', '.join(columns)} but must have `{names[0]}`, {what}"
            )


def _parse_frame(lines: list[str], source: str) -> "Atoms":
    from ase.io import read

    try:
        _check_comment(lines[1])
        (atoms,) = read(StringIO("".join(lines)), index=":", format="extxyz", parallel=False)
    except StructureError as error:
        raise StructureError(f"{source}: {error}") from None
    except KeyError as error:
        name = str(error.args[0])
        if any(name in line.split() for line in lines[2:]):
            raise StructureError(f"{source}: {name!r:.40} is no chemical element") from error
        raise StructureError(f"{source}: not readable: there is no column {name!r}") from error
    except Exception as error:
        raise StructureError(f"{source}: not readable: {_describe(error)}") from error
    return atoms


def _check_comment(comment: str) -> None:
    """Refuses what ASE passes over: columns that are missing, a key given twice, a wrong stress."""
    _check_columns([name for name, _ in _columns(comment)])
    plain = re.sub(r"""(?<==)("[^"]*"|'[^']*'|{[^}]*}|\[[^]]*\])""", "", comment)
    keys = re.findall(r"(?:^|\s)(\w+)\s*=", plain)
    for name in ONCE:
        if keys.count(name) > 1:
            raise StructureError(f"`{name}` is given twice")
    stress = re.search(r"""(?:^|\s)stress\s*=\s*["'{]([-+.\deE\s]*)["'}]""", comment)
    if stress is None:
        return
    words = stress[1].split()
    if len(words) != 9:
        raise StructureError(
            f"`stress` has {len(words)} numbers but must have 9 in extended XYZ: xx xy xz yx yy yz "
            "zx zy zz"
        )
    try:
        stress_from([float(word) for word in words])
    except ValueError as error:
        raise StructureError(str(error)) from None


def _describe(error: Exception) -> str:
    """Someone else's exception in a few words; many have no text."""
    kind = type(error).__name__
    return f"{kind}: {error!s:.300}" if str(error) else kind


def write_extxyz(path: str | os.PathLike[str], structures: Sequence[Structure]) -> None:
    """Write structures as extended XYZ, packed if the name ends in .gz, .bz2 or .xz.

    Every number keeps all its digits. Species must be chemical symbols.

    Raises:
        StructureError: No structure, or species, ``info`` or ``arrays`` that extended XYZ cannot
            hold; the message names the structure.
    """
    if not structures:
        raise StructureError(f"{path}: no structure to write")
    text = "".join(map(_checked_text, structures))
    with atomic_write(path) as temporary:
        write_text(temporary, text)


def check_extxyz(structures: Sequence[Structure]) -> None:
    """Refuses what :func:`write_extxyz` would refuse.

    Raises:
        StructureError: Species or data that extended XYZ cannot hold; the message names both.
    """
    for structure in structures:
        _checked_text(structure)


def _checked_text(structure: Structure) -> str:
    structure_to_ase(structure)  # refuses what is no chemical symbol
    return extxyz_text(structure)
