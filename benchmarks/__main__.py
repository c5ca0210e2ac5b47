"""The command line."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from benchmarks.compare import Row, compare
from benchmarks.measure import Clock, Request, measure, median_of
from benchmarks.peers import Peer, known_peers
from benchmarks.report import as_record, conditions, headline, workload_table
from benchmarks.structures import cube_root
from benchmarks.workloads import WORKLOADS

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
PROBLEMS = ("differs", "failed")


@app.command()
def main(
    workloads: Annotated[str, typer.Option(help="Names with commas between.")] = "all",
    sizes: Annotated[str, typer.Option(help="Numbers of atoms, 8 n^3.")] = "64,512,4096",
    peers: Annotated[str, typer.Option(help="Names with commas between.")] = "all",
    repeats: Annotated[int, typer.Option(min=1, help="Timed calls, at least.")] = 5,
    seconds: Annotated[float, typer.Option(min=0, help="Time in them, at least.")] = 1.0,
    rounds: Annotated[int, typer.Option(min=1, help="Processes for a measurement.")] = 1,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for a measurement.")] = 120.0,
    core: Annotated[int | None, typer.Option(help="Which to run on; the last by default.")] = None,
    clock: Annotated[Clock, typer.Option(help="Time on the wall, or on the processor.")] = "wall",
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write here.")] = None,
) -> None:
    """Times miniff and other programs at the same work, each in a process of its own."""
    known = known_peers()
    chosen = {name: known[name] for name in pick("peers", peers, known)}
    names, counts = pick("workloads", workloads, WORKLOADS), parse_sizes(sizes)
    where = choose_core(core)
    console = Console(width=None if sys.stdout.isatty() else 120)
    stated = conditions(chosen, where, clock)
    console.print(headline(stated), highlight=False, soft_wrap=True)
    found: list[Row] = []
    for name in names:
        able = {peer: it for peer, it in chosen.items() if name in it.methods}
        requests = [
            Request(peer, name, size, repeats, seconds, where, clock)
            for size in counts
            for peer in able
        ]
        rows = measure_all(requests, rounds, timeout, able)
        console.print(workload_table(name, rows, able), highlight=False)
        tell_problems(console, rows, able)
        found += rows
        if json_file is not None:  # after each workload: a run that is stopped leaves its results
            records = [as_record(row, chosen) for row in found]
            json_file.write_text(json.dumps({**stated, "results": records}, indent=1) + "\n")
    if any(row.outcome.result.status in PROBLEMS for row in found):
        raise typer.Exit(1)


def pick(option: str, given: str, known: Mapping[str, object]) -> list[str]:
    """The names asked for, in the order of those known."""
    if given == "all":
        return list(known)
    names = given.split(",")
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"`{option}` has {name!r} but knows {', '.join(known)}")
    return [name for name in known if name in names]


def parse_sizes(given: str) -> list[int]:
    """Whole numbers, smallest first."""
    try:
        sizes = sorted({int(text) for text in given.split(",")})
        for size in sizes:
            cube_root(size)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return sizes


def choose_core(given: int | None) -> int | None:
    """The last core this process may use, where processes can be pinned."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = os.sched_getaffinity(0)
    if given is not None and given not in allowed:
        raise typer.BadParameter(f"`core` is {given} but must be one of {sorted(allowed)}")
    return max(allowed) if given is None else given


def measure_all(
    requests: Sequence[Request], rounds: int, timeout: float, peers: Mapping[str, Peer]
) -> list[Row]:
    """One after the other, again in each round, then compared size by size."""
    progress = Console(stderr=True)
    outcomes = [
        measure(request, timeout)
        for request in track(
            [*requests] * rounds,
            "measuring",
            console=progress,
            transient=True,
            disable=not progress.is_terminal,
        )
    ]
    medians = [median_of(outcomes[i :: len(requests)]) for i in range(len(requests))]
    sizes = dict.fromkeys(request.size for request in requests)
    return [
        row
        for size in sizes
        for row in compare([o for o in medians if o.request.size == size], peers)
    ]


def tell_problems(console: Console, rows: Sequence[Row], peers: Mapping[str, Peer]) -> None:
    """Why numbers are missing, once for each peer and reason."""
    said: dict[str, list[str]] = {}
    for row in rows:
        result = row.outcome.result
        if result.message and result.status != "not installed":
            reason = f"{peers[row.outcome.request.peer].name}: {result.status}: {result.message}"
            said.setdefault(reason, []).append(str(row.outcome.request.size))
    for reason, sizes in said.items():
        console.print(f"{reason} ({', '.join(sizes)} atoms)", highlight=False, markup=False)


if __name__ == "__main__":
    app()
