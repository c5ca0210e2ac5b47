"""The command line: one and the same job for each data set, no tuning for any."""

import json
from dataclasses import asdict
from math import exp, log
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import pick
from benchmarks.accuracy.datasets import DATASETS, Dataset, Published
from benchmarks.accuracy.run import Outcome, Settings, run

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    data: Annotated[Path, typer.Argument(help="The folder with the data sets.", exists=True)],
    sets: Annotated[str, typer.Option(help="Names with commas between.")] = "Ni,Cu,Li,Mo,Si,Ge",
    quality: Annotated[str | None, typer.Option(help="Of the jobs.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of the jobs.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the jobs.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Of the jobs.")] = None,
    folder: Annotated[Path, typer.Option(help="Where the jobs run.")] = Path("accuracy-runs"),
) -> None:
    """Trains a potential for each data set and prints its errors beside published ones."""
    chosen = pick("sets", sets, DATASETS)
    settings = Settings(data.resolve(), seed, quality, epochs, threads)
    console = Console(width=120)
    outcomes: dict[str, Outcome] = {}
    for name in chosen:
        outcomes[name] = run(DATASETS[name], settings, folder / name)
        console.print(f"{name}: {outcomes[name].wall_s:.0f} s", highlight=False)
        record = {n: asdict(outcome) for n, outcome in outcomes.items()}
        (folder / "accuracy.json").write_text(json.dumps(record, indent=1) + "\n")
    console.print(error_table(outcomes), highlight=False)
    for name, outcome in outcomes.items():
        if outcome.by_group:
            console.print(group_table(name, outcome), highlight=False)
        if DATASETS[name].note:
            console.print(f"{name}: {DATASETS[name].note}", highlight=False)
    ratios = [ratio for name, outcome in outcomes.items() for ratio in ratios_of(name, outcome)]
    if ratios:
        mean = exp(sum(map(log, ratios)) / len(ratios))
        console.print(
            f"Ours / published network, geometric mean of {len(ratios)} errors of test sets: "
            f"{mean:.3f}; the largest: {max(ratios):.3f}",
            highlight=False,
        )


def ratios_of(name: str, outcome: Outcome) -> list[float]:
    """Our errors over those of the first published method, where both are of the test set."""
    published = next(iter(DATASETS[name].published.values()), None)
    if published is None or outcome.which != "test":
        return []
    ours = outcome.errors
    return [ours.energy / published.energy, ours.forces / published.forces]


def error_table(outcomes: dict[str, Outcome]) -> Table:
    """A row for each data set: energy in meV/atom, forces in eV/angstrom."""
    table = Table(title="Mean absolute errors: meV/atom, eV/angstrom", title_justify="left")
    for title in ("data", "set", "MAE", "RMSE", "published MAE", "training"):
        table.add_column(title, justify="left" if title in ("data", "set") else "right")
    for name, outcome in outcomes.items():
        published = [
            f"{method} {_pair(errors)}" for method, errors in DATASETS[name].published.items()
        ]
        table.add_row(
            name,
            outcome.which,
            _pair(outcome.errors),
            _pair(outcome.rmse),
            "\n".join(published) or "-",
            f"{outcome.train_s:.0f} s",
        )
    return table


def group_table(name: str, outcome: Outcome) -> Table:
    """Groups of a test set, after one energy for each element was fitted."""
    dataset: Dataset = DATASETS[name]
    table = Table(title=f"{name} by group, element energies fitted", title_justify="left")
    for title in ("group", "MAE", "published MAE"):
        table.add_column(title, justify="left" if title == "group" else "right")
    for group, errors in outcome.by_group.items():
        table.add_row(group, _pair(errors), f"SNAP {_pair(dataset.by_group[group])}")
    return table


def _pair(errors: Published) -> str:
    return f"{errors.energy:.2f}, {errors.forces:.4f}"


if __name__ == "__main__":
    app()
