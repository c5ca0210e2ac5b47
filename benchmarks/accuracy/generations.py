"""Carbon chains in two charge states: networks of the second, third and fourth generation.

C10H2 and C10H3+ of Ko, Finkler, Goedecker and Behler, Nat. Commun. 12, 398 (2021): a proton at one
end moves charge at the other, farther than descriptors reach. Only 128 of the published structures
are at hand: a fifth is held out by seed, a tenth of the rest decides when to stop.
"""

from contextlib import chdir
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from miniff import ml_util
from miniff.kernel import Cell
from miniff.ml_util import Errors

__all__ = ["GENERATIONS", "main", "outcomes"]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

FILE = "n2p2/datasets/Carbon_chain_4G_128.xyz.gz"
GENERATIONS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "second: no charges": (None, {}),
    "third: charges subtracted": ("shift", {"baseline": "charges.pt"}),
    "fourth: charges equilibrated and seen": ("equilibrate", {"charges": "charges.pt"}),
    "charges from energies and forces alone": (None, {"charges": "learned"}),
}
"""The rule of `charge-fit`, and what `fit` is told of its file."""
PUBLISHED = {
    "second: no charges": "1.62, 129.5",
    "third: charges subtracted": "2.05, 231.0",
    "fourth: charges equilibrated and seen": "1.19, 78.0",
}
"""Root mean square errors on the whole data set: meV/atom, meV/angstrom."""


@app.command()
def main(
    data: Annotated[Path, typer.Argument(help="The folder with the data sets.", exists=True)],
    seeds: Annotated[int, typer.Option(min=1, help="So many, from 0 on.")] = 3,
    quality: Annotated[str, typer.Option(help="Of the jobs.")] = "fast",
    folder: Annotated[Path, typer.Option(help="Where the jobs run.")] = Path("generation-runs"),
) -> None:
    """Trains all generations; prints errors of the test sets, and of the charges."""
    folder.mkdir(parents=True, exist_ok=True)
    console = Console(width=120)
    table = Table(title="Root mean square errors of test sets", title_justify="left")
    for title in ("generation", "meV/atom", "meV/angstrom", "charges (e)", "published"):
        table.add_column(title, justify="left" if title == "generation" else "right")
    for name in GENERATIONS:
        found = [outcomes(name, data.resolve(), seed, quality, folder) for seed in range(seeds)]
        energy, forces = (
            np.mean([1e3 * getattr(one, what).rmse for one in found])
            for what in ("energy", "forces")
        )
        charges = [one.charges.rmse for one in found if one.charges is not None]
        shown = f"{np.mean(charges):.4f}" if charges else "-"
        row = (name, f"{energy:.2f}", f"{forces:.1f}", shown, PUBLISHED.get(name, "-"))
        console.print(*row, highlight=False)
        table.add_row(*row)
    console.print(table, highlight=False)


def outcomes(name: str, data: Path, seed: int, quality: str, folder: Path) -> Errors:
    """Errors of the test set of one seed."""
    rule, of_fit = GENERATIONS[name]
    init = {"seed": seed, "threads": 1, "log": "warning", "memory_gb": 4.0}
    with chdir(folder):
        Cell.save(Cell.load(str(data / FILE)), "chains.xyz")
        prepare = {
            "fn_cells": "chains.xyz",
            "charges_key": "charge_ref",
            "test_set": 0.2,
            "validation_set": 0.1,
            "quality": quality,
        }
        job: dict[str, Any] = {}
        if rule is not None:
            job["charge-fit"] = {"init": init, "prepare": {**prepare, "rule": rule}}
        job["fit"] = {"init": init, "prepare": {**prepare, **of_fit}}
        for unfinished in ("fit.checkpoint", "charge-fit.checkpoint"):
            Path(unfinished).unlink(missing_ok=True)
        result = ml_util.exec_workflows(job)[-1]
    assert isinstance(result, ml_util.FitResult)
    return result.errors["test"]


if __name__ == "__main__":
    app()
