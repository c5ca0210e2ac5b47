"""How long each optimiser takes to reach published errors: one network, one core by default.

The test set stands in for the validation set, so that its errors are known after every epoch.
What is compared is speed: the state that a job would keep is not chosen here.
"""

from collections.abc import Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import pick
from benchmarks.accuracy.datasets import DATASETS, Published
from miniff import ml_util
from miniff.ml_util import EpochRecord
from miniff.ml_util._optimizers import OptimizerName

__all__ = ["Reached", "main", "reached"]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Reached:
    """When the errors of the test set were below the published ones.

    Attributes:
        wall_s: Seconds of training until then; None if it did not happen.
        n_evaluations: Of loss and gradient until then.
        best: The last errors.
    """

    wall_s: float | None
    n_evaluations: int | None
    best: Published


@app.command()
def main(
    data: Annotated[Path, typer.Argument(help="The folder with the data sets.", exists=True)],
    sets: Annotated[str, typer.Option(help="Names with commas between.")] = "Si",
    optimizers: Annotated[str, typer.Option(help="Names with commas between.")] = "all",
    epochs: Annotated[int, typer.Option(min=1, help="At most.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Of the jobs.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Of the jobs.")] = 1,
    folder: Annotated[Path, typer.Option(help="Where the jobs run.")] = Path("optimizer-runs"),
) -> None:
    """Trains one network with each optimiser; prints when test errors fell below published ones."""
    known = {name: name for name in get_args(OptimizerName)}
    names = list(known) if optimizers == "all" else pick("optimizers", optimizers, known)
    console = Console(width=120)
    table = Table(title="Until test errors are below the published network's", title_justify="left")
    for title in ("data", "optimizer", "time", "evaluations", "errors at the end"):
        table.add_column(title, justify="left" if title in ("data", "optimizer") else "right")
    for name in pick("sets", sets, DATASETS):
        for optimizer in names:
            where = folder / name / optimizer
            where.mkdir(parents=True, exist_ok=True)
            init = {"seed": seed, "threads": threads, "log": "warning"}
            run = {"optimizer": optimizer, "n_epochs": epochs, "save": None}
            job = {"init": init, "prepare": _prepare(data.resolve(), name), "run": run}
            found = reached(_records(job, where), next(iter(DATASETS[name].published.values())))
            table.add_row(name, optimizer, *_texts(found))
            console.print(name, optimizer, *_texts(found), highlight=False)
    console.print(table, highlight=False)


def reached(records: Sequence[EpochRecord], published: Published) -> Reached:
    """From the records of a training whose validation set is the test set."""
    last = _errors(records[-1])
    for record in records:
        now = _errors(record)
        if now.energy < published.energy and now.forces < published.forces:
            return Reached(record.wall_time_s, record.n_evaluations, last)
    return Reached(None, None, last)


def _errors(record: EpochRecord) -> Published:
    errors = record.validation
    assert errors is not None
    assert errors.energy is not None
    assert errors.forces is not None
    return Published(1e3 * errors.energy.mae, errors.forces.mae)


def _prepare(data: Path, name: str) -> dict[str, Any]:
    dataset = DATASETS[name]
    files = {"fn_cells": dataset.train, "validation_set": dataset.test}
    return {key: [str(data / file) for file in own] for key, own in files.items()} | {"n_models": 1}


def _records(job: dict[str, Any], where: Path) -> Sequence[EpochRecord]:
    with chdir(where):
        Path("fit.checkpoint").unlink(missing_ok=True)
        (result,) = ml_util.exec_workflows({"fit": job})
    assert isinstance(result, ml_util.FitResult)
    return result.records


def _texts(found: Reached) -> tuple[str, str, str]:
    return (
        "not reached" if found.wall_s is None else f"{found.wall_s:.0f} s",
        "-" if found.n_evaluations is None else str(found.n_evaluations),
        f"{found.best.energy:.2f} meV/atom, {found.best.forces:.4f} eV/angstrom",
    )


if __name__ == "__main__":
    app()
