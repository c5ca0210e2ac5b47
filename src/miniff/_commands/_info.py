"""``miniff info``: what is in a potential or a data set."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from miniff._commands._common import (
    EnergyUnit,
    LengthUnit,
    Units,
    console,
    is_without_units,
    kind_of,
    load_cells,
    load_potentials,
    one_sentence,
    units_of,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

    from miniff.kernel import Cell
    from miniff.potentials import Potential

__all__ = ["info"]

STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}
OF_GROUPS = (
    *("group", "struc-\ntures", "atoms", "lowest\neV/atom", "highest\neV/atom"),
    "largest\nforce\neV/Å",
)
OF_NETWORKS = (
    *("species", "descriptors", "cutoff\nÅ", "network", "para-\nmeters", "mem-\nbers"),
    "training\nset",
)
OF_FORMULAS = ("family", "species", "cutoff\nÅ", "parameters")
WORDS = ("", "group", "descriptors", "network", "training\nset", "family", "parameters")
"""Columns that are broken between words where a terminal is narrow; others are numbers or names."""


def info(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A potential file, a folder of n2p2, a file of structures, or a pattern.",
        ),
    ],
    picture: Annotated[
        str | None,
        typer.Option(metavar="PNG", help="Name of the picture; FILE-info.png by default."),
    ] = None,
    no_picture: Annotated[bool, typer.Option("--no-picture", help="Draw none.")] = False,
    test: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Structures set aside, to look for copies of those of FILE in them.",
        ),
    ] = None,
    length_unit: LengthUnit = None,
    energy_unit: EnergyUnit = None,
) -> None:
    """Say what is in a potential or a data set, and what looks wrong in the data."""
    with one_sentence():
        units = units_of(length_unit, energy_unit)
        kind = kind_of(file)
        if kind == "structures":
            cells = load_cells(file, units)
            tables, figure = _of_structures(file, cells), _picture_of_structures(cells, no_picture)
            sets = {"data": cells} if test is None else _with_test(cells, test, units)
        elif test is not None:
            raise ValueError("--test is for structures: potentials have no copies to look for")
        else:
            sets = {}
            potentials = load_potentials(file, units if is_without_units(file) else _none(units))
            tables = _of_potentials(file, potentials)
            figure = _picture_of_potentials(potentials, no_picture)
        for table in tables:
            console().print(table)
        if sets:
            _print_checkup(sets)
        if figure is not None:
            _save(figure, picture or f"{Path(file).name.replace('*', 'x')}-info.png")


def _with_test(cells: "list[Cell]", test: str, units: Units) -> "dict[str, list[Cell]]":
    own = units if is_without_units(test) else (None, None)
    return {"data": cells, "test": load_cells(test, own)}


def _print_checkup(sets: "Mapping[str, Sequence[Cell]]") -> None:
    """What looks wrong, and what energies, forces and stresses say of each other."""
    from rich.text import Text

    from miniff.kernel import check_data

    found = check_data(sets)
    if not found.findings:
        console().print("Nothing looks wrong, which proves nothing.")
    for finding in found.findings:
        marked = Text(f"{finding.severity}: ", style=STYLES[finding.severity])
        console().print(marked + Text(finding.sentence))
    for sentence in found.seen:
        console().print(Text(sentence, style="dim"))


def _none(units: Units) -> Units:
    """Units are refused where a file says its own."""
    if units != (None, None):
        raise ValueError(
            "--length-unit and --energy-unit are for files that do not say their units"
        )
    return units


def _save(figure: "Figure", name: str) -> None:
    from miniff.io import atomic_write

    with atomic_write(name) as temporary:
        figure.savefig(temporary, dpi=200)
    console().print(f"picture: {name}")


def _of_structures(file: str, cells: "Sequence[Cell]") -> "list[Table]":
    from miniff._commands._summary import data_set_rows, group_rows

    tables = [_table(file, ("", ""), data_set_rows(cells))]
    groups = group_rows(cells)
    if groups:
        tables.append(_table("Groups", OF_GROUPS, groups))
    return tables


def _of_potentials(file: str, potentials: "Sequence[Potential]") -> "list[Table]":
    from miniff._commands._summary import (
        charge_rows,
        formula_rows,
        network_rows,
        provenance_rows,
    )

    tables = []
    networks, formulas = network_rows(potentials), formula_rows(potentials)
    if networks:
        tables.append(_table(f"{file}: networks", OF_NETWORKS, networks))
    charges = charge_rows(potentials)
    if charges:
        tables.append(_table(f"{file}: charges", ("", ""), charges))
    if formulas:
        tables.append(_table(f"{file}: formulas", OF_FORMULAS, formulas))
    origin = provenance_rows(file)
    if origin:
        tables.append(_table("Where it comes from", ("", ""), origin))
    return tables


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", show_header=any(heads))
    for head in heads:
        is_number = head not in WORDS and head != "species"
        table.add_column(
            head,
            justify="right" if is_number else "left",
            no_wrap=head not in WORDS,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _picture_of_structures(cells: "Sequence[Cell]", unwanted: bool) -> "Figure | None":
    if unwanted:
        return None
    from miniff.presentation import plot_data_set

    return plot_data_set(cells)


def _picture_of_potentials(potentials: "Sequence[Potential]", unwanted: bool) -> "Figure | None":
    if unwanted:
        return None
    from miniff.presentation import plot_potentials

    return plot_potentials(potentials)
