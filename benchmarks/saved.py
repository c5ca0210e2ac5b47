"""What an evaluation costs with what a fit saved, beside the smaller network of the README.

    python -m benchmarks.saved POTENTIALS [--structure FILE] [--atoms N] [--repeats N]

Energy, forces and virial of one structure on a reused list of neighbours, by the potentials as they
were saved, by one member of their committee, and, where the structure is silicon, by the network of
the workload `g5-network`. All take turns, each time at other positions; microseconds of processor
time per atom, medians.
"""

from collections.abc import Callable, Sequence
from statistics import median
from time import process_time
from typing import Annotated, get_args

import numpy as np
import torch
import typer
from numpy import ndarray
from rich.console import Console
from rich.table import Table

from benchmarks.peers.miniff import cell as cell_of
from benchmarks.peers.miniff import network
from benchmarks.workloads import DISPLACEMENT, N_COPIES, SKIN, build_case
from miniff.kernel import Cell, compute_images
from miniff.ml import committee_members, load_potentials
from miniff.potentials import CompiledPotentials, Potential, Precision

Call = Callable[[ndarray], object]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
SMALLER = "g5-network"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    potentials: Annotated[str, typer.Argument(help="A file that `fit` saved.")],
    structure: Annotated[
        str | None, typer.Option(help="Its first one is repeated; rattled silicon by default.")
    ] = None,
    atoms: Annotated[int, typer.Option(min=8, help="About.")] = 4096,
    repeats: Annotated[int, typer.Option(min=1, help="Timed calls of each.")] = 15,
) -> None:
    """Prints microseconds per atom in both precisions."""
    torch.set_num_threads(1)
    case = build_case(SMALLER, atoms)
    cell = cell_of(case, case.structure.positions)
    if structure is not None:
        (first, *_) = Cell.load(structure)
        n = max(1, round((atoms / first.size) ** (1 / 3)))
        cell = first.repeated(*(n if repeats_there else 1 for repeats_there in first.pbc))
    saved = load_potentials(potentials)
    members = committee_members(saved)
    rows = {f"as saved, {words_of(saved, cell)}": calls_of(saved, cell)}
    if len(members) > 1:
        rows["one member of the committee"] = calls_of(members[0], cell)
    if structure is None:
        tasks = [network(case, precision) for precision in PRECISIONS]
        rows["8 radial, 24 angular functions (Behler 5)"] = [task.run for task in tasks]
    times = times_of(rows, copies_of(cell), repeats)
    title = f"{cell.size} atoms, processor microseconds per atom"
    table = Table("", *PRECISIONS, title=title, title_justify="left")
    for name, own in times.items():
        table.add_row(name, *(f"{1e6 * seconds / cell.size:.1f}" for seconds in own))
    Console(width=100).print(table, highlight=False)


def words_of(potentials: Sequence[Potential], cell: Cell) -> str:
    """How large potentials are, and how many neighbours they look at."""
    n = len(committee_members(potentials))
    sizes = sorted({len(getattr(one, "descriptors", ())) for one in potentials})
    cutoff = max(one.cutoff for one in potentials)
    found = compute_images(cell, cutoff).table
    neighbours = len(found.other) / cell.size
    functions = " to ".join(map(str, sorted({sizes[0], sizes[-1]})))
    return f"committee of {n}, {functions} descriptors, {neighbours:.0f} neighbours"


def calls_of(potentials: Sequence[Potential], cell: Cell) -> list[Call]:
    """An evaluation at given positions, in each precision."""
    cutoff = max(one.cutoff for one in potentials) + SKIN
    table = compute_images(cell, cutoff).table

    def call(precision: Precision) -> Call:
        ready = CompiledPotentials(potentials, table.names, precision=precision)
        return lambda positions: ready.evaluate(table.moved(positions, table.cells))

    return [call(precision) for precision in PRECISIONS]


def copies_of(cell: Cell) -> ndarray:
    """Positions, each with the atoms a little elsewhere."""
    rng = np.random.default_rng(1)
    moves = rng.normal(scale=DISPLACEMENT, size=(N_COPIES, cell.size, 3))
    copies: ndarray = cell.cartesian() + moves
    return copies


def times_of(rows: dict[str, list[Call]], copies: ndarray, repeats: int) -> dict[str, list[float]]:
    """Medians of the seconds of each call, after one to warm up."""
    times: dict[str, list[list[float]]] = {name: [[] for _ in own] for name, own in rows.items()}
    for turn in range(repeats + 1):
        for name, own in rows.items():
            for k, call in enumerate(own):
                start = process_time()
                call(copies[turn % len(copies)])
                if turn:
                    times[name][k].append(process_time() - start)
    return {name: [median(seconds) for seconds in own] for name, own in times.items()}


if __name__ == "__main__":
    app()
