"""``miniff convert``: data sets and potentials from one format to another."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from miniff._commands._common import (
    EnergyUnit,
    LengthUnit,
    Overwrite,
    Units,
    advice_for_commands,
    console,
    is_without_units,
    kind_of,
    load_cells,
    load_potentials,
    one_sentence,
    refuse_existing,
    units_of,
)

if TYPE_CHECKING:
    from miniff.kernel import Cell
    from miniff.potentials import Potential

__all__ = ["convert"]


def convert(
    source: Annotated[str, typer.Argument(metavar="FROM", help="A file, folder or pattern.")],
    target: Annotated[
        str,
        typer.Argument(
            metavar="TO",
            help="Structures: a name in .xyz, .extxyz, .json or .data (input.data), packed or not. "
            "Potentials: a name in .pt; one without an ending is a folder for n2p2 and LAMMPS, "
            "which holds no committee: give --member too; .json, .yml for formulas.",
        ),
    ],
    overwrite: Overwrite = False,
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Leave this out of structures, as stress for input.data, which has no place for "
            "it; may be repeated.",
        ),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OLD=NEW",
            help="Give an entry of structures another name, as that of a label; may be repeated.",
        ),
    ] = None,
    member: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Take this member of a committee, counted from 1, where the format holds one "
            "network for each element (n2p2 and LAMMPS).",
        ),
    ] = None,
    old_activation: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of networks in a file of release 0.1.4: sigmoid, ..."),
    ] = None,
    length_unit: LengthUnit = None,
    energy_unit: EnergyUnit = None,
) -> None:
    """Turn structures or potentials into another format; n2p2's in both directions."""
    with one_sentence():
        units = units_of(length_unit, energy_unit)
        if not _is_folder(target):
            refuse_existing(target, overwrite)
        needs = is_without_units(source)
        if units != (None, None) and not (
            needs or target.endswith(_data_names()) or _is_folder(target)
        ):
            raise ValueError("--length-unit and --energy-unit are said but no file needs them")
        own: Units = units if needs else (None, None)
        if kind_of(source) == "structures":
            _refuse("structures", {"--member": member, "--old-activation": old_activation})
            from miniff._commands._rename import renamed

            cells = renamed(load_cells(source, own), rename or [])
            _convert_structures(cells, target, without or [], units)
        else:
            _refuse("potentials", {"--without": without, "--rename": rename})
            potentials = _member(load_potentials(source, own, old_activation), member)
            _convert_potentials(potentials, source, target, units)


def _refuse(kind: str, options: dict[str, object]) -> None:
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"{name} is given but there are {kind} to convert")


def _is_folder(target: str) -> bool:
    return Path(target).suffix == "" or Path(target).is_dir()


def _data_names() -> tuple[str, ...]:
    return (".data", ".data.gz", ".data.bz2", ".data.xz")


def _convert_structures(
    cells: "Sequence[Cell]", target: str, without: Sequence[str], units: Units
) -> None:
    from miniff.kernel import Cell

    if _is_folder(target):
        raise ValueError(
            f"{target} has no ending that says a format of structures: .xyz, .extxyz, .json, .data"
        )
    for name in without:
        if not any(name in cell.meta for cell in cells):
            raise ValueError(f"--without is {name} but no structure has it")
    kept = [
        Cell(
            cell.vectors,
            cell.coordinates,
            cell.values,
            {key: value for key, value in cell.meta.items() if key not in without},
            pbc=cell.pbc,
        )
        for cell in cells
    ]
    written: Units = units if target.endswith(_data_names()) else (None, None)
    with advice_for_commands():
        Cell.save(kept, target, length_unit=written[0], energy_unit=written[1])
    plural = "" if len(kept) == 1 else "s"
    console().print(f"wrote {target}: {len(kept)} structure{plural}")


def _member(potentials: "list[Potential]", member: int | None) -> "list[Potential]":
    if member is None:
        return potentials
    from miniff.ml import committee_members

    members = committee_members(potentials)
    if not 1 <= member <= len(members):
        raise ValueError(f"--member is {member} but must be in [1, {len(members)}]")
    return members[member - 1]


def _refuse_committee(potentials: "Sequence[Potential]", source: str, target: str) -> None:
    from miniff.ml import committee_members

    n = len(committee_members(potentials))
    if n > 1:
        raise ValueError(
            f"{source} is a committee of {n} networks for each element, and n2p2's files hold one: "
            f"take one of them with --member 1, or write each to a folder of its own (--member 1 "
            f"to {n})"
        )


def _convert_potentials(
    potentials: "Sequence[Potential]", source: str, target: str, units: Units
) -> None:
    from miniff import ml

    names = ", ".join(str(one) for one in potentials)
    if _is_folder(target):
        _refuse_committee(potentials, source, target)
        length, energy = units
        commands = ml.save_n2p2(
            target,
            potentials,
            length_unit="angstrom" if length is None else length,
            energy_unit="eV" if energy is None else energy,
        )
        console().print(f"wrote {target}: {names}")
        typer.echo("LAMMPS, units metal, reads it with:")
        typer.echo(commands)
        return
    match Path(target).suffix:
        case ".pt":
            ml.save_potentials(target, potentials, provenance=_provenance(source))
        case ".json" | ".yml" | ".yaml":
            ml.save_potentials(target, potentials)
        case other:
            raise ValueError(
                f"{target} ends in {other} but must end in .pt, .json or .yml, or be the name of a "
                "folder for n2p2"
            )
    console().print(f"wrote {target}: {names}")


def _provenance(source: str) -> dict[str, object]:
    from importlib.metadata import version

    from miniff.ml import load_provenance

    own = load_provenance(source) if source.endswith(".pt") else {}
    return own or {"converted_from": source, "versions": {"miniff": version("miniff")}}
