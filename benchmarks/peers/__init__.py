"""What a peer is, and which there are: each module of this folder has one, called ``PEER``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from jaxtyping import Float64
from numpy import ndarray

from benchmarks.structures import Unsuitable
from benchmarks.workloads import Case

__all__ = ["Answer", "Method", "Peer", "Task", "Unsuitable", "known_peers"]

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Answer:
    """What peers are compared by.

    Attributes:
        energy: Total potential energy (eV), the sum of all values, or the number of pairs.
        per_atom: Forces (eV/angstrom), function values, or numbers of neighbours.
    """

    energy: float
    per_atom: Float64[ndarray, "n_atoms n_columns"]


@dataclass(frozen=True)
class Task:
    """Work that is set up.

    Attributes:
        run: Timed: does the work at new positions (angstrom). Dynamics goes on from where it is
            instead.
        read: Not timed: the answer from what the last ``run`` returned.
        times: How often one ``run`` does the work.
    """

    run: Callable[[Float64[ndarray, "n_atoms 3"]], Any]
    read: Callable[[Any], Answer]
    times: int = 1


@dataclass(frozen=True)
class Method:
    """How a peer does a workload.

    Attributes:
        prepare: Sets it up; not timed, but its memory counts.
        note: What differs from the others' work; stands behind the peer's name.
        tolerance: Largest relative difference from miniff; None where another function is computed.
    """

    prepare: Callable[[Case], Task]
    note: str = ""
    tolerance: float | None = TOLERANCE


@dataclass(frozen=True)
class Peer:
    """A program.

    Attributes:
        name: For people.
        modules: Imported before anything is measured; where one is absent, the peer is.
        distribution: What pip calls it.
        methods: By the name of the workload.
    """

    name: str
    modules: tuple[str, ...]
    distribution: str
    methods: Mapping[str, Method]


def known_peers() -> dict[str, Peer]:
    """The adapters by the names of their modules, miniff first; the programs are not imported."""
    names = sorted(module.name for module in iter_modules(__path__))
    names.sort(key=lambda name: name != "miniff")
    return {name: import_module(f"{__name__}.{name}").PEER for name in names}
