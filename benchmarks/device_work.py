"""What torch does for an evaluation: operations, numbers moved, and time beside the core.

    python -m benchmarks.device_work [--works g5-network,tersoff,...] [--atoms N] [--calls K]
        [--precision single] [--kernels]

A device waits for memory and for the start of each operation. Both can be counted without one: how
many operations an evaluation has, and how many bytes they read and write for an atom. Beside them
stands the processor time of torch on one core of the CPU and of the compiled core, the shortest of
some calls that take turns. ``--kernels`` counts what is left where kernels of Triton, as on a CUDA
device, sum over pairs of neighbours; they are not started, so that no number is right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from time import process_time
from typing import Annotated, Any
from unittest.mock import patch

import numpy as np
import torch
import typer
from rich.console import Console
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.__main__ import pick
from benchmarks.peers.miniff import cell, potentials_of, symmetry_functions
from benchmarks.workloads import Case, build_case
from miniff.kernel import compute_images
from miniff.ml import NNPotential, SequentialSoleEnergyNN
from miniff.ml._device import _evaluation
from miniff.ml._device._pair_powers import PairPowers
from miniff.potentials import (
    Evaluator,
    Potential,
    Precision,
    eam_potential_family,
    ready_potentials,
)
from miniff.potentials._devices import cpu_by_torch

__all__ = ["Traffic", "Work", "app", "measure"]

STRUCTURES = {
    "g5-network": "g5-network",
    "g4-network": "g4-network",
    "sw": "sw",
    "tersoff": "tersoff",
    "eam": "g5-network",
}
"""Works, and the workload whose structure and cutoff they have."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Work:
    """What came of it.

    Attributes:
        n_operations: Of torch in an evaluation, views left out.
        bytes_moved: Read and written by them for an atom.
        by_torch: Processor time for an atom (us).
        by_core: The same of the core.
    """

    n_operations: int
    bytes_moved: float
    by_torch: float
    by_core: float


class Traffic(TorchDispatchMode):
    """Counts operations and the bytes that they read and write; views are none."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.n_operations = self.n_bytes = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        found = function(*args, **(kwargs or {}))
        if not (function.is_view or "new_" in str(function)):
            tensors = [t for t in tree_leaves((args, kwargs, found)) if isinstance(t, Tensor)]
            self.n_operations += 1
            self.n_bytes += sum(_stored(t) * t.element_size() for t in tensors)
        return found


def _stored(tensor: Tensor) -> int:
    """Different numbers; those that are repeated by a stride of 0 are one."""
    return int(np.prod([n for n, step in zip(tensor.shape, tensor.stride(), strict=True) if step]))


@app.command()
def main(
    works: Annotated[str, typer.Option(help="With commas between.")] = ",".join(STRUCTURES),
    atoms: Annotated[int, typer.Option(help="8 n^3, n a power of 2.")] = 512,
    calls: Annotated[int, typer.Option(min=1, help="Of each.")] = 3,
    single: Annotated[bool, typer.Option(help="In single precision.")] = False,
    kernels: Annotated[bool, typer.Option(help="Left out, counted around.")] = False,
) -> None:
    """Runs all and prints a line for each."""
    torch.set_num_threads(1)
    show = Console(width=120, highlight=False)
    precision: Precision = "single" if single else "double"
    show.print(f"{atoms} atoms, {precision} precision, torch {torch.__version__}")
    for name in pick("works", works, dict.fromkeys(STRUCTURES)):
        found = measure(name, atoms, calls, precision, kernels=kernels)
        show.print(
            f"{name}: {found.n_operations} operations, {found.bytes_moved / 1e3:.1f} kB/atom; "
            f"torch {found.by_torch:.1f} us/atom, core {found.by_core:.2f} us/atom"
        )


def measure(
    name: str,
    n_atoms: int,
    n_calls: int,
    precision: Precision = "double",
    *,
    kernels: bool = False,
) -> Work:
    """Energies and forces on a list that is reused, of a work in ``STRUCTURES``.

    Args:
        name: Of the work.
        n_atoms: Of the structure.
        n_calls: The shortest of so many is taken.
        precision: Of functions and networks.
        kernels: Whether there are some, which are left out.
    """
    if kernels:
        with (
            patch.object(_evaluation, "has_kernels", lambda *_: True),
            patch.object(PairPowers, "_launch", lambda *_: None),
        ):
            return _measure(name, n_atoms, n_calls, precision)
    return _measure(name, n_atoms, n_calls, precision)


def _measure(name: str, n_atoms: int, n_calls: int, precision: Precision) -> Work:
    case = build_case(STRUCTURES[name], n_atoms)
    table = compute_images(cell(case, case.structure.positions), case.reused_cutoff).table
    potentials = _potentials(name, case)
    ready: list[Evaluator] = []
    for by_torch in (True, False):
        with cpu_by_torch(by_torch):
            ready.append(ready_potentials(potentials, table.names, precision=precision))
    tables = [table.moved(copy, table.cells) for copy in case.copies]
    for one in ready:
        one.evaluate(table)
    with Traffic() as traffic:
        ready[0].evaluate(tables[0])
    seconds = [np.inf, np.inf]
    for call in range(n_calls):
        for k, one in enumerate(ready):
            begun = process_time()
            one.evaluate(tables[call % len(tables)])
            seconds[k] = min(seconds[k], process_time() - begun)
    size = case.structure.n_atoms
    by_torch_us, by_core_us = (1e6 * own / size for own in seconds)
    return Work(traffic.n_operations, traffic.n_bytes / size, by_torch_us, by_core_us)


def _potentials(name: str, case: Case) -> Sequence[Potential]:
    if name == "eam":
        return [_embedded_atom(case.workload.cutoff)]
    if not name.endswith("-network"):
        return potentials_of(case)
    functions = symmetry_functions(case)
    torch.manual_seed(0)
    network = SequentialSoleEnergyNN(len(functions), n_internal=25)
    return [NNPotential(network, functions, case.structure.symbols[0])]


def _embedded_atom(cutoff: float) -> Potential:
    """Smooth tables; the square root of Finnis and Sinclair in the energy of the density."""
    r = np.linspace(0, 1.001 * cutoff, 1000)
    end = np.clip(1 - r / cutoff, 0, None) ** 2
    rho = np.linspace(0, 5, 1000)
    return eam_potential_family(
        a=cutoff,
        dr=float(r[1]),
        d_rho=float(rho[1]),
        embedding=-np.sqrt(rho),
        density=end * np.exp(-r),
        r_phi=5 * end * np.exp(-r),
    )


if __name__ == "__main__":
    app()
