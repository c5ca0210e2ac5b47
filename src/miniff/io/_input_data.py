"""``input.data`` of n2p2 and RuNNer: structures with energies and forces, in units they do not say.

    begin set=train                       the set may be left out
    comment free text
    lattice x y z                         three times, or not at all
    atom x y z El charge energy fx fy fz
    energy E
    charge Q
    end

Lines stand in any order. Units have to be said; RuNNer's habit is bohr and hartree.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy import ndarray

from miniff.io._atomic import atomic_write
from miniff.io._potential_text import Line, PotentialFileError
from miniff.io._structure import Structure, StructureError, UnwritableError, source_of
from miniff.io._text import read_text, write_text

__all__ = ["input_data_structures", "is_input_data", "write_input_data"]

ATOM_WORDS = 10
SETS = ("train", "test")
KNOWN = ("set", "comment", "charge")
"""What the format has a place for besides energy, forces, and numbers of each atom."""
PER_ATOM = {"charges": 0, "partial-energy": 1}
"""Names of our arrays, and which of the two columns between element and forces they are."""


def is_input_data(text: str) -> bool:
    """Whether a text begins as such a file does."""
    return text.lstrip()[:6].split() == ["begin"]


@dataclass(frozen=True)
class _Sizes:
    length: float
    energy: float

    @staticmethod
    def of(name: str, length_unit: str | float | None, energy_unit: str | float | None) -> "_Sizes":
        """Refuses units that are not said."""
        from miniff.units import size

        if length_unit is None or energy_unit is None:
            raise StructureError(
                f"{name}: the file does not say its units, so they must be said: "
                "`length_unit` and `energy_unit`, mostly bohr and Hartree, or angstrom and eV"
            )
        return _Sizes(size(length_unit, "length"), size(energy_unit, "energy"))


def input_data_structures(
    path: Path, length_unit: str | float | None, energy_unit: str | float | None
) -> list[Structure]:
    """All structures of a file, in angstrom and eV; see :func:`miniff.io.read_structures`."""
    sizes = _Sizes.of(str(path), length_unit, energy_unit)
    return [
        _structure(lines, sizes, source_of(str(path), k))
        for k, lines in enumerate(_blocks(path, read_text(path, StructureError)))
    ]


def _blocks(path: Path, text: str) -> Iterator[list[Line]]:
    """The lines of each structure, from ``begin`` to the line before ``end``."""
    block: list[Line] | None = None
    for number, said in enumerate(text.splitlines(), start=1):
        line = Line(path, number, tuple(said.split()))
        if not line.words:
            continue
        if (line.words[0] == "begin") is not (block is None):
            where = "before the `end` of the last one" if block else "where `begin` must be"
            raise StructureError(f"{path}, line {number}: `{line.words[0]}` stands {where}")
        if block is None:
            block = [line]
        elif line.words[0] == "end":
            yield block
            block = None
        else:
            block.append(line)
    if block is not None:
        raise StructureError(
            f"{path}: the file ends within the structure of line {block[0].number}"
        )


def _structure(lines: Sequence[Line], sizes: _Sizes, source: str) -> Structure:
    try:
        return _checked(lines, sizes, source)
    except StructureError:
        raise
    except PotentialFileError as error:  # which begins with the file
        said = str(error).removeprefix(str(lines[0].path))
        raise StructureError(f"{source}{said}") from None
    except ValueError as error:
        raise StructureError(f"{source}: {error}") from None


def _checked(lines: Sequence[Line], sizes: _Sizes, source: str) -> Structure:
    by_name: dict[str, list[Line]] = {"atom": [], "lattice": []}
    for line in lines[1:]:
        if line.words[0] not in ("atom", "lattice", "energy", "charge", "comment"):
            raise line.refuse(
                f"`{line.words[0]}` is not known here: there are atom, lattice, energy, charge and "
                "comment"
            )
        by_name.setdefault(line.words[0], []).append(line)
    vectors = _numbers(by_name["lattice"], range(1, 4)) * sizes.length
    if len(vectors) not in (0, 3):
        raise lines[0].refuse(f"there are {len(vectors)} lines `lattice` but must be 3 or none")
    for line in by_name["atom"]:
        if len(line.words) != ATOM_WORDS:
            raise line.refuse(
                f"`atom` has {len(line.words) - 1} values but must have {ATOM_WORDS - 1}: x y z "
                "element charge energy fx fy fz"
            )
    atoms = _numbers(by_name["atom"], (1, 2, 3, 5, 6, 7, 8, 9))
    columns = {"charges": atoms[:, 3], "partial-energy": atoms[:, 4] * sizes.energy}
    energy = _single(by_name, "energy")
    return Structure(
        vectors=vectors if len(vectors) else np.zeros((3, 3)),
        positions=atoms[:, :3] * sizes.length,
        species=tuple(line.words[4] for line in by_name["atom"]),
        periodic=(len(vectors) > 0,) * 3,
        energy=None if energy is None else energy * sizes.energy,
        forces=atoms[:, 5:] * (sizes.energy / sizes.length),
        info=_info(lines[0], by_name),
        arrays={name: column for name, column in columns.items() if column.any()},
        source=source,
    )


def _numbers(lines: Sequence[Line], places: Sequence[int]) -> ndarray:
    for line in lines:
        if len(line.words) <= max(places):
            raise line.refuse(
                f"`{line.words[0]}` has {len(line.words) - 1} values, which is too few"
            )
    rows = [[line.number_at(k, line.words[0]) for k in places] for line in lines]
    return np.array(rows, float).reshape(len(rows), len(places))


def _single(by_name: Mapping[str, list[Line]], name: str) -> float | None:
    lines = by_name.get(name, [])
    if len(lines) > 1:
        raise lines[1].refuse(f"`{name}` is given twice")
    return float(_numbers(lines, (1,))[0, 0]) if lines else None


def _info(begin: Line, by_name: Mapping[str, list[Line]]) -> dict[str, object]:
    info: dict[str, object] = {}
    for word in begin.words[1:]:
        key, _, value = word.partition("=")
        if key != "set" or value not in SETS:
            raise begin.refuse(f"`{word}` must be set=train or set=test, or left out")
        info["set"] = value
    comments = [" ".join(line.words[1:]) for line in by_name.get("comment", [])]
    if comments:
        info["comment"] = "\n".join(comments)
    charge = _single(by_name, "charge")
    return info if charge is None else {**info, "charge": charge}


def write_input_data(
    path: str | os.PathLike[str],
    structures: Sequence[Structure],
    *,
    length_unit: str | float | None = None,
    energy_unit: str | float | None = None,
) -> None:
    """Write structures in angstrom and eV as ``input.data`` of n2p2, packed or not.

    Of ``info`` it holds ``set`` (train or test), ``comment`` and ``charge``, of ``arrays``
    ``charges`` and ``partial-energy``. The box of a structure that does not repeat is left out.

    Args:
        path: Of the file.
        structures: With energy and forces, which n2p2 would take to be 0 where they are missing.
        length_unit: In the file: a name of :data:`miniff.units.UNITS`, or its size in angstrom.
        energy_unit: The same for energies, or its size in eV.

    Raises:
        StructureError: Units that are not said, or what the format cannot hold; the message names
            the structure.
    """
    sizes = _Sizes.of(str(path), length_unit, energy_unit)
    if not structures:
        raise StructureError(f"{path}: no structure to write")
    _refuse_strange(structures)
    text = "".join(f"{line}\n" for one in structures for line in _lines(one, sizes))
    with atomic_write(path) as temporary:
        write_text(temporary, text)


def _lines(structure: Structure, sizes: _Sizes) -> Iterator[str]:
    _refuse_unwritable(structure)
    info = structure.info
    yield f"begin set={info['set']}" if "set" in info else "begin"
    for comment in str(info.get("comment", "")).splitlines():
        yield f"comment {comment}"
    if all(structure.periodic):
        for vector in structure.vectors / sizes.length:
            yield "lattice " + _row(vector)
    assert structure.forces is not None
    assert structure.energy is not None
    n_atoms = len(structure.species)
    extra = np.zeros((n_atoms, 2))
    for name, column in PER_ATOM.items():
        if name in structure.arrays:
            extra[:, column] = structure.arrays[name]
    extra[:, PER_ATOM["partial-energy"]] /= sizes.energy
    positions = structure.positions / sizes.length
    forces = structure.forces / (sizes.energy / sizes.length)
    for name, r, own, f in zip(structure.species, positions, extra, forces, strict=True):
        yield f"atom {_row(r)} {name} {_row(own)} {_row(f)}"
    yield f"energy {float(structure.energy) / sizes.energy!r}"
    if "charge" in info:
        yield f"charge {float(info['charge'])!r}"  # type: ignore[arg-type]
    yield "end"


def _row(numbers: ndarray) -> str:
    return " ".join(map(repr, numbers.tolist()))


def _strange(structure: Structure) -> list[str]:
    """What there is no place for."""
    strange = [n for n in structure.info if n not in KNOWN]
    strange += [n for n in structure.arrays if n not in PER_ATOM]
    return strange + (["stress"] if structure.stress is not None else [])


def _refuse_strange(structures: Sequence[Structure]) -> None:
    """Nothing is left out; all that should be, of any structure, is named at once."""
    found = [(one.source, name) for one in structures for name in _strange(one)]
    if found:
        names = list(dict.fromkeys(name for _, name in found))
        verb, them = ("has", "it") if len(names) == 1 else ("have", "them")
        listed = ", ".join(f"`{name}`" for name in names)
        raise UnwritableError(
            f"{found[0][0]}: {listed} {verb} no place in input.data; leave {them} out first", names
        )


def _refuse_unwritable(structure: Structure) -> None:
    """Nothing is made up."""
    missing = [name for name in ("energy", "forces") if getattr(structure, name) is None]
    periodic = structure.periodic
    which = structure.info.get("set", SETS[0])
    problem = ""
    if missing:
        problem = f"`{missing[0]}` is missing, which n2p2 would take to be 0"
    elif any(periodic) and not all(periodic):
        problem = f"`pbc` is {periodic} but input.data has structures that repeat in all or none"
    elif which not in SETS:
        problem = f"`set` is {which!r} but must be train or test"
    if problem:
        raise StructureError(f"{structure.source}: {problem}")
