"""Many small structures at once against one after the other, in processor seconds.

    python -m benchmarks.many_structures [--structures N] [--atoms N]

Structures are strained and rattled silicon under Stillinger and Weber's potential. Of those that
go one after the other only some are done, and the time is that of as many as go at once.
"""

from collections.abc import Callable
from time import process_time
from typing import Annotated

import numpy as np
import typer
from ase import units
from rich.console import Console
from rich.table import Table

from benchmarks.dynamics import SILICON
from miniff import dyn
from miniff.kernel import Cell

N_STEPS = 200
TEMPERATURE = 300.0

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    structures: Annotated[int, typer.Option(min=1, help="How many.")] = 1000,
    atoms: Annotated[int, typer.Option(min=8, help="Of each, in eights.")] = 8,
) -> None:
    """Relaxes and heats structures both ways; prints seconds for all, and their ratio."""
    cells = strained_silicon(structures, atoms // 8)
    few = cells[:: max(1, structures // 20)]
    title = f"{structures} structures of {cells[0].size} atoms, processor seconds"
    table = Table(title=title, title_justify="left")
    for name in ("work", "at once", "one by one", "ratio"):
        table.add_column(name, justify="left" if name == "work" else "right")
    for name, at_once, alone in WORK:
        ours = seconds_of(lambda at_once=at_once: at_once(cells))  # type: ignore[misc]
        theirs = seconds_of(lambda alone=alone: [alone(cell) for cell in few])  # type: ignore[misc]
        theirs *= structures / len(few)
        table.add_row(name, f"{ours:.2f}", f"{theirs:.1f}", f"{theirs / ours:.0f}")
    Console(width=100).print(table, highlight=False)


def strained_silicon(n: int, copies: int) -> list[Cell]:
    """Cubic cells, repeated along one axis."""
    rng = np.random.default_rng(0)
    fcc = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    perfect = Cell(5.431 * np.eye(3), np.vstack([fcc, fcc + 0.25]), ["Si"] * 8)
    perfect = perfect.repeated(copies, 1, 1)
    return [
        Cell(
            perfect.vectors @ (np.eye(3) + rng.normal(scale=0.02, size=(3, 3))),
            perfect.coordinates + rng.normal(scale=0.01, size=perfect.coordinates.shape),
            perfect.values,
        )
        for _ in range(n)
    ]


def heat_all(cells: list[Cell]) -> object:
    return dyn.nvt_many(cells, SILICON, n_steps=N_STEPS, timestep=units.fs, temperature=TEMPERATURE)


def heat(cell: Cell) -> object:
    return dyn.nvt(cell, SILICON, n_steps=N_STEPS, timestep=units.fs, temperature=TEMPERATURE)


WORK: tuple[tuple[str, Callable[[list[Cell]], object], Callable[[Cell], object]], ...] = (
    (
        "relax positions",
        lambda cells: dyn.relax_many(cells, SILICON),
        lambda cell: dyn.relax(cell, SILICON),
    ),
    (
        "relax positions and cell",
        lambda cells: dyn.relax_many(cells, SILICON, free="cell"),
        lambda cell: dyn.relax(cell, SILICON, free="cell"),
    ),
    (f"Langevin dynamics, {N_STEPS} steps", heat_all, heat),
)


def seconds_of(run: Callable[[], object]) -> float:
    """Of the processor."""
    start = process_time()
    run()
    return process_time() - start


if __name__ == "__main__":
    app()
