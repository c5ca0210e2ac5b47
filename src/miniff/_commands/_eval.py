"""``miniff eval``: energies, forces and pressures of structures, and their errors."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from miniff._commands._common import (
    EnergyUnit,
    LengthUnit,
    Overwrite,
    Units,
    console,
    is_without_units,
    load_cells,
    load_potentials,
    one_sentence,
    refuse_existing,
    units_of,
)

if TYPE_CHECKING:
    from numpy import ndarray
    from rich.table import Table

    from miniff.kernel import Cell, Evaluation
    from miniff.ml_util import Properties
    from miniff.ml_util._errors import Errors
    from miniff.potentials import Potential

__all__ = ["evaluate"]

MOST_ROWS = 20


def evaluate(
    potential: Annotated[
        str, typer.Argument(metavar="POTENTIAL", help="A potential file or a folder of n2p2.")
    ],
    structures: Annotated[
        str, typer.Argument(metavar="STRUCTURES", help="A file of structures, or a pattern.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write the structures with energy_pred, forces_pred, stress_pred, charges_pred, "
            "extrapolation, and energy_std, forces_std of a committee (.xyz, .json).",
        ),
    ] = None,
    overwrite: Overwrite = False,
    ignore_missing_species: Annotated[
        bool,
        typer.Option(
            "--ignore-missing-species", help="Let atoms that no potential is for have no energy."
        ),
    ] = False,
    length_unit: LengthUnit = None,
    energy_unit: EnergyUnit = None,
    device: Annotated[
        str, typer.Option("--device", help="cpu, auto, or a device of torch such as cuda.")
    ] = "cpu",
) -> None:
    """Evaluate structures with a potential, and compare with references where there are any."""
    with one_sentence():
        units = units_of(length_unit, energy_unit)
        if output is not None:
            refuse_existing(output, overwrite)
        needy = [is_without_units(path) for path in (potential, structures)]
        if units != (None, None) and not any(needy):
            raise ValueError("--length-unit and --energy-unit are said but no file needs them")
        none: Units = (None, None)
        potentials = load_potentials(potential, units if needy[0] else none)
        cells = load_cells(structures, units if needy[1] else none)
        _report(potentials, cells, output, ignore_missing_species, device)


def _report(
    potentials: "Sequence[Potential]",
    cells: "Sequence[Cell]",
    output: str | None,
    ignore_missing_species: bool,
    device: str,
) -> None:
    from miniff.ml_util import Properties, compare
    from miniff.ml_util._errors import spread_sentence
    from miniff.potentials import refuse_uncovered_species

    for cell in cells if not ignore_missing_species else []:
        where = str(cell.meta.get("source", "a structure"))
        try:
            refuse_uncovered_species(potentials, cell.values, where=where)
        except ValueError as error:  # whose advice is for Python
            advice = str(error).replace("ignore_missing_species=True", "--ignore-missing-species")
            raise ValueError(advice) from None
    results = _evaluate(potentials, cells, device)
    show = console()
    show.print(_results(cells, results))
    if len(cells) > MOST_ROWS:
        show.print(f"and {len(cells) - MOST_ROWS} more structures; --output writes all")
    if not all(all(cell.pbc) for cell in cells):
        show.print(
            "no pressure where a structure does not repeat along all three vectors; --output "
            "writes the stress of slabs, over the volume of the cell with its vacuum"
        )
    errors = compare(Properties.known(cells), _predictions(cells, results))
    if any(errors.as_json().values()):
        show.print(_errors(errors))
    spread = _spread(potentials, cells, device)
    for sentence in _doubts(potentials, cells, results):
        show.print(sentence)
    if spread is not None:
        show.print(spread_sentence(spread))
    if output is not None:
        _write(cells, results, spread, output)
        show.print(f"wrote {output}")


def _evaluate(
    potentials: "Sequence[Potential]", cells: "Sequence[Cell]", device: str
) -> "list[Evaluation]":
    """Potentials may be for species that some of the structures do not have."""
    from miniff.kernel import StructureFailure, eval_many

    results = []
    for found in eval_many(potentials, cells, ignore_missing_species=True, device=device):
        if isinstance(found, StructureFailure):
            raise ValueError(f"{found.source or f'structure {found.index}'}: {found.error}")
        results.append(found)
    return results


def _results(cells: "Sequence[Cell]", results: "Sequence[Evaluation]") -> "Table":
    from rich.table import Table

    from miniff._commands._summary import GPA, composition_of

    table = Table(title="Predictions", title_justify="left")
    heads = (
        "",
        "formula",
        "energy\neV",
        "energy\neV/atom",
        "largest\nforce\neV/Å",
        "pressure\nGPa",
        "extra-\npolation",
    )
    for head in heads:
        is_word = head == "formula"
        table.add_column(
            head, justify="left" if is_word else "right", no_wrap=not is_word, overflow="fold"
        )
    for place, (cell, result) in enumerate(zip(cells, results, strict=True)):
        if place == MOST_ROWS:
            break
        table.add_row(
            str(place),
            composition_of(cell),
            f"{result.energy:.6f}",
            f"{result.energy / cell.size:.6f}",
            f"{np.linalg.norm(result.forces, axis=1).max():.4f}",
            f"{-result.stress[:3].mean() * GPA:.3f}" if all(cell.pbc) else "",
            _largest(result.extrapolation),
        )
    return table


def _largest(extrapolation: "ndarray") -> str:
    known = extrapolation[~np.isnan(extrapolation)]
    return f"{known.max():.2f}" if len(known) else "unknown"


def _predictions(cells: "Sequence[Cell]", results: "Sequence[Evaluation]") -> "Properties":
    from miniff.ml_util import Properties

    return Properties(
        n_atoms=np.array([cell.size for cell in cells]),
        energy=np.array([result.energy for result in results]),
        forces=np.concatenate([result.forces for result in results]),
        stress=np.stack(
            [
                result.stress if cell.has_volume else np.full(6, np.nan)
                for cell, result in zip(cells, results, strict=True)
            ]
        ),
        charges=np.concatenate(
            [
                np.full(cell.size, np.nan) if result.charges is None else result.charges
                for cell, result in zip(cells, results, strict=True)
            ]
        ),
    )


def _errors(errors: "Errors") -> "Table":
    """In the units, and with the digits, of the tables of jobs."""
    from rich.table import Table

    from miniff.ml_util._progress import SHOWN
    from miniff.units import three_digits

    table = Table(title="Errors against the references", title_justify="left")
    for head in ("", "mean absolute", "root mean square", "numbers"):
        table.add_column(head, justify="right" if head else "left")
    for name, (title, unit, size) in SHOWN.items():
        error = getattr(errors, name)
        if error is not None:
            values = (three_digits(size * one) for one in (error.mae, error.rmse))
            table.add_row(f"{title} ({unit})", *values, str(error.n))
    return table


def _doubts(
    potentials: "Sequence[Potential]",
    cells: "Sequence[Cell]",
    results: "Sequence[Evaluation]",
) -> list[str]:
    """Atoms outside of the training set, and formulas that may act on more than was meant."""
    from miniff.ml_util._extrapolation import outside_sentence
    from miniff.potentials import FunctionPotential, is_outside

    said = []
    total = sum(cell.size for cell in cells)
    n = sum(int(is_outside(result.grades).sum()) for result in results)
    if n:
        said.append(outside_sentence(n, total))
    unknown = sum(int(np.isnan(result.extrapolation).sum()) for result in results)
    if unknown and any(p.is_learned for p in potentials):
        said.append(
            f"of {unknown} of {total} atoms it is not known whether they are outside of the "
            "training set: the potential does not say what it was"
        )
    formulas = [p for p in potentials if isinstance(p, FunctionPotential) and p.tag is None]
    mixed = sorted({name for cell in cells if len(set(cell.values)) > 1 for name in cell.values})
    if formulas and mixed:
        names = ", ".join(dict.fromkeys(p.family.name for p in formulas))
        said.append(
            f"{names}: no `tag` is given, so it acts on all of {', '.join(mixed)}: give one if it "
            "is for some of them"
        )
    return said


def _spread(
    potentials: "Sequence[Potential]", cells: "Sequence[Cell]", device: str
) -> "Properties | None":
    """Standard deviations over the members of a committee; None without one."""
    from miniff.ml import committee_members
    from miniff.ml_util import Properties

    members = committee_members(potentials)
    if len(members) < 2:
        return None
    return Properties.spread(
        [_predictions(cells, _evaluate(own, cells, device)) for own in members]
    )


def _write(
    cells: "Sequence[Cell]",
    results: "Sequence[Evaluation]",
    spread: "Properties | None",
    output: str,
) -> None:
    from miniff.kernel import Cell

    written = []
    first = np.cumsum([0, *(cell.size for cell in cells)])
    for s, (cell, result) in enumerate(zip(cells, results, strict=True)):
        found = {"energy_pred": result.energy, "forces_pred": result.forces}
        if cell.has_volume:
            found["stress_pred"] = result.stress
        if result.charges is not None:
            found["charges_pred"] = result.charges
        if not np.isnan(result.extrapolation).all():
            found["extrapolation"] = result.extrapolation
        if spread is not None:
            found["energy_std"] = float(spread.energy[s])
            found["forces_std"] = spread.forces[first[s] : first[s + 1]]
        meta = {**cell.meta, **found}
        meta.pop("source", None)
        written.append(Cell(cell.vectors, cell.coordinates, cell.values, meta, pbc=cell.pbc))
    Cell.save(written, output)
