"""What commands share: options, sentences about errors, files that are potentials or structures."""

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from miniff._checks import no_such_file
from miniff.units import size

if TYPE_CHECKING:
    from rich.console import Console

    from miniff.kernel import Cell
    from miniff.potentials import Potential

__all__ = [
    "INTERRUPTED",
    "USER_ERROR",
    "EnergyUnit",
    "LengthUnit",
    "Overwrite",
    "Units",
    "advice_for_commands",
    "console",
    "is_without_units",
    "kind_of",
    "let_threads_wait",
    "load_cells",
    "load_potentials",
    "one_sentence",
    "refuse_existing",
    "sentence_of",
    "units_of",
]

USER_ERROR, INTERRUPTED = 2, 130

LengthUnit = Annotated[
    str | None,
    typer.Option(
        metavar="UNIT",
        help="Of files that do not say it (folders of n2p2, input.data): bohr, angstrom, ..., or "
        "its size in angstrom.",
    ),
]
EnergyUnit = Annotated[
    str | None,
    typer.Option(
        metavar="UNIT", help="The same for energies: Hartree, eV, ..., or its size in eV."
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Write over a file that is there.")]

Units = tuple[str | float | None, str | float | None]
"""Of length and energy, None where they are not said."""


def let_threads_wait() -> None:
    """The core and torch have a team of threads each. One that waits must not take the processor
    from the one that works; this is read when they are loaded."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@contextmanager
def one_sentence() -> Iterator[None]:
    """A mistake ends with a sentence and exit code 2, an interruption with 130."""
    let_threads_wait()
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("miniff: interrupted", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except (ValueError, TypeError, OSError, FloatingPointError) as error:
        typer.echo(f"miniff: {sentence_of(error)}", err=True)
        raise typer.Exit(USER_ERROR) from None


def sentence_of(error: Exception) -> str:
    """What the user reads of an error."""
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"there is no file {error.filename}"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def console() -> "Console":
    """Where tables go: as wide as the terminal, 100 columns where it is none."""
    import sys

    from rich.console import Console

    return Console(
        highlight=False, soft_wrap=False, width=None if sys.stdout.isatty() else 100, markup=False
    )


def units_of(length: str | None, energy: str | None) -> Units:
    """Both units, as the command line has them.

    Raises:
        ValueError: An unknown unit, or one without the other.
    """
    if (length is None) != (energy is None):
        raise ValueError("--length-unit and --energy-unit must be given together or not at all")
    return _unit(length, "length"), _unit(energy, "energy")


def _unit(given: str | None, kind: str) -> str | float | None:
    """The name or size of a unit."""
    if given is None:
        return None
    try:
        number = float(given)
    except ValueError:
        size(given, kind)
        return given
    return size(number, kind)


Kind = Literal["potentials", "structures"]


def kind_of(path: str) -> Kind:
    """What a file, folder or pattern holds.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A job file.
    """
    place = Path(path)
    if place.is_dir():
        return "potentials"
    if not place.exists():
        if any(mark in path for mark in "*?["):
            return "structures"
        raise FileNotFoundError(no_such_file(path))
    if place.suffix == ".pt":
        return "potentials"
    if place.suffix in (".yml", ".yaml"):
        return _kind_of_yaml(place)
    if place.suffix == ".json":
        return _kind_of_json(place)
    return "potentials" if _is_simple_nn(place) else "structures"


def _kind_of_yaml(path: Path) -> Kind:
    from miniff.io._yaml import read_yaml

    try:
        content = read_yaml(path, "a file of potentials").content
    except ValueError:
        return "potentials"  # whose reader says what is wrong
    if isinstance(content, dict) and {"fit", "test-direct", "relax", "md"} & content.keys():
        raise ValueError(f"{path} is a job file: run it with `python -m miniff {path}`")
    return "potentials"


def _kind_of_json(path: Path) -> Kind:
    from miniff.io._text import parse_json, read_text

    try:
        content = parse_json(path, read_text(path))
    except ValueError:
        return "structures"  # whose reader says what is wrong
    first = content[0] if isinstance(content, list) and content else content
    return "potentials" if isinstance(first, dict) and "family" in first else "structures"


def _is_simple_nn(path: Path) -> bool:
    with open(path, "rb") as file:
        words = file.read(200).split()
    return bool(words) and words[0] in (b"ELEM_LIST", b"POT")


def load_potentials(
    path: str, units: Units, old_activation: str | None = None
) -> "list[Potential]":
    """The potentials in whatever file or folder.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A file that is damaged or holds something else, or units that are missing, or
            said where there are none to say.
    """
    from miniff import ml

    place = Path(path)
    if place.is_dir():
        if not (place / "input.nn").is_file():
            raise ValueError(f"{path} is a folder without `input.nn`, so it is none of n2p2's")
        length, energy = units
        if length is None or energy is None:
            raise ValueError(
                f"{path}: n2p2's files do not say their units, so they must be said: --length-unit "
                "and --energy-unit, mostly bohr and Hartree, or angstrom and eV"
            )
        return ml.load_n2p2(place, length_unit=length, energy_unit=energy)
    if place.is_file() and place.suffix != ".pt" and _is_simple_nn(place):
        return [*ml.load_simple_nn(place)]
    return ml.load_potentials(place, old_activation=old_activation)


def load_cells(path: str, units: Units) -> "list[Cell]":
    """The structures of a file or pattern.

    Raises:
        StructureError: A file that cannot be used.
    """
    from miniff.kernel import Cell

    length, energy = units
    with advice_for_commands():
        return Cell.load(path, length_unit=length, energy_unit=energy)


@contextmanager
def advice_for_commands() -> Iterator[None]:
    """Errors of reading and writing structures, whose advice is for Python, name options.

    Raises:
        StructureError: What a file or structure is unfit for.
        ValueError: Something else that was said and does not do.
    """
    from miniff.io import UnwritableError

    try:
        yield
    except UnwritableError as error:
        options = " ".join(f"--without {shlex.quote(name)}" for name in error.names)
        sentence = re.sub("; leave (it|them) out first$", "", str(error))
        raise ValueError(f"{sentence}: leave out with {options}") from None
    except ValueError as error:
        advice = str(error).replace(
            "`length_unit` and `energy_unit`", "--length-unit and --energy-unit"
        )
        raise type(error)(advice) from None


def is_without_units(path: str) -> bool:
    """Whether a file or folder does not say its units."""
    from miniff.io import find_files, is_input_data_file

    if Path(path).is_dir():
        return True
    if kind_of(path) == "potentials":
        return False
    return any(map(is_input_data_file, find_files(path)))


def refuse_existing(path: str, overwrite: bool) -> None:
    """A file is not written over unless that is asked for.

    Raises:
        FileExistsError: There is something of that name.
    """
    if Path(path).exists() and not overwrite:
        raise FileExistsError(f"{path} is there already: choose another name, or give --overwrite")
