"""Tables for people, a file for programs."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from math import floor, log10
from pathlib import Path

from rich.table import Table

from benchmarks.compare import Row
from benchmarks.measure import Clock
from benchmarks.peers import Peer
from benchmarks.workloads import WORKLOADS

__all__ = ["as_record", "conditions", "headline", "workload_table"]


def conditions(
    peers: Mapping[str, Peer], core: int | None, clock: Clock = "wall"
) -> dict[str, object]:
    """Machine, threads, clock, date and versions."""
    distributions = dict.fromkeys(peer.distribution for peer in peers.values())
    return {
        "machine": cpu_model(),
        "cores": os.cpu_count(),
        "threads": 1,
        "pinned_to_core": core,
        "clock": clock,
        "date": date.today().isoformat(),
        "python": platform.python_version(),
        "versions": {name: version_of(name) for name in distributions},
    }


def cpu_model() -> str:
    """As the system calls it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def version_of(distribution: str) -> str | None:
    """None where it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def headline(stated: Mapping[str, object]) -> str:
    """The conditions in two lines."""
    versions = stated["versions"]
    assert isinstance(versions, dict)
    programs = ", ".join(f"{name} {number or 'absent'}" for name, number in versions.items())
    core = stated["pinned_to_core"]
    place = "not pinned" if core is None else f"pinned to core {core} of {stated['cores']}"
    time = "processor time, " if stated["clock"] == "cpu" else ""
    python = f"Python {stated['python']}"
    machine = f"{stated['machine']}, one thread, {place}"
    return f"{machine}, {time}{stated['date']}\n{python}, {programs}"


def workload_table(name: str, rows: Sequence[Row], peers: Mapping[str, Peer]) -> Table:
    """One line per peer, one column per size."""
    sizes = list(dict.fromkeys(row.outcome.request.size for row in rows))
    table = Table(
        title=f"{WORKLOADS[name].title} [{name}]".replace("[", r"\["), title_justify="left"
    )
    table.add_column("microseconds per atom\n(times miniff)")
    for size in sizes:
        table.add_column(f"{atoms_of(rows, size)}\natoms", justify="right")
    table.add_column("peak memory\nkB/atom", justify="right")
    table.add_column("largest\ndifference", justify="right")
    for peer in dict.fromkeys(row.outcome.request.peer for row in rows):
        own = [row for row in rows if row.outcome.request.peer == peer]
        table.add_row(label(name, peers[peer]), *map(time_cell, own), memory_cell(own), check(own))
    return table


def atoms_of(rows: Sequence[Row], size: int) -> int:
    """How many there are in the structure of a size, if anyone has made it."""
    counts = [row.outcome.result.n_atoms for row in rows if row.outcome.request.size == size]
    return next((count for count in counts if count is not None), size)


def label(workload: str, peer: Peer) -> str:
    """The name, and below it what differs."""
    note = peer.methods[workload].note
    return f"{peer.name}\n[dim]{note}[/]" if note else peer.name


def time_cell(row: Row) -> str:
    """The time and how it compares, or why there is none."""
    result = row.outcome.result
    if result.microseconds_per_atom is None:
        return result.status
    time = three_digits(result.microseconds_per_atom)
    return time if row.ratio is None else f"{time} ({three_digits(row.ratio)})"


def three_digits(number: float) -> str:
    """Without an exponent."""
    return f"{number:.{max(0, 2 - floor(log10(number)))}f}" if number > 0 else "0"


def memory_cell(rows: Sequence[Row]) -> str:
    """Of the largest structure measured, where what does not grow with size weighs least."""
    found = [row.outcome.result.memory_kb_per_atom for row in rows]
    known = [number for number in found if number is not None]
    return three_digits(known[-1]) if known else ""


def check(rows: Sequence[Row]) -> str:
    """The worst over the sizes."""
    found = [row.difference for row in rows if row.difference is not None]
    if not found:
        return ""
    reference = next(row.reference for row in rows if row.reference)
    return f"{max(found):.0e}" + ("" if reference == "miniff" else f" from {reference}")


def as_record(row: Row, peers: Mapping[str, Peer]) -> dict[str, object]:
    """A row for the file."""
    request = row.outcome.request
    return {
        **asdict(request),
        **asdict(row.outcome.result),
        "note": peers[request.peer].methods[request.workload].note,
        "ratio": row.ratio,
        "difference": row.difference,
        "compared_with": row.reference,
    }
