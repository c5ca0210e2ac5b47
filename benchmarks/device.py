"""How fast on a device: energies and forces of growing structures, and epochs of training.

    python -m benchmarks.device [DATA] [--device cuda] [--sizes 64,4096,...] [--epochs N]

prints atom-steps per second of a network 32-25-25-1 on 8 radial and 24 angular functions (Behler 5,
46 neighbours) in double and single precision on a list that is reused, with TorchANI's 8 + 24
functions on the same device beside it where it is installed, and the atoms that are given a new
list of neighbours each second, by the CPU and by the device; then, with the folder of the data,
epochs per second on silicon (four networks) and the Mo-Nb-Ta-W alloys (one), forces and energies.
``--device cpu`` is the compiled core; ``--by-torch`` has torch compute on the CPU too.
"""

import resource
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Annotated, Any, Literal

import numpy as np
import torch
import typer
from rich.console import Console

from benchmarks.__main__ import pick
from benchmarks.accuracy.datasets import DATASETS
from benchmarks.peers.miniff import cell, symmetry_functions
from benchmarks.workloads import Case, build_case
from miniff import ml_util
from miniff._neighbors import PairSearch, PairTable, search_pairs
from miniff.kernel import ListedAtoms, compute_images
from miniff.ml import NNPotential, SequentialSoleEnergyNN, device_of
from miniff.ml._device._choice import is_core, place_of
from miniff.ml._device._table import TensorTable
from miniff.potentials import Precision, ready_potentials, ready_search
from miniff.potentials._devices import cpu_by_torch

__all__ = ["app", "atom_steps", "atoms_listed", "epochs"]

WORKLOAD = "g5-network"
PRECISIONS: tuple[Precision, ...] = ("double", "single")
NumberType = Literal["float64", "float32"]
DTYPES: tuple[NumberType, ...] = ("float64", "float32")
TRAININGS: dict[str, dict[str, Any]] = {
    "Si": {"n_models": 4},
    "MoNbTaW": {"n_models": 1},
}
LEAST_SECONDS = 1.0

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Speed:
    """What came of it.

    Attributes:
        per_second: Atom-steps, or epochs.
        megabytes: The most memory of the device; of the process on the CPU.
    """

    per_second: float
    megabytes: float


@app.command()
def main(
    data: Annotated[Path | None, typer.Argument(help="The folder with the data sets.")] = None,
    device: Annotated[str, typer.Option(help="As in a job.")] = "auto",
    sizes: Annotated[str, typer.Option(help="Atoms, with commas between.")] = "8,64,512,4096,32768",
    epochs_of_training: Annotated[int, typer.Option("--epochs", min=2, help="Of each.")] = 5,
    trainings: Annotated[str, typer.Option(help="Data sets, with commas between.")] = "Si,MoNbTaW",
    by_torch: Annotated[bool, typer.Option(help="Torch on the CPU, for comparison.")] = False,
) -> None:
    """Runs all and prints a line for each."""
    show = Console(width=120, highlight=False)
    with cpu_by_torch(by_torch):
        show.print(f"{place_of(device_of(device))}, torch {torch.__version__}")
        for size in map(int, sizes.split(",")):
            case = build_case(WORKLOAD, size)
            for precision in PRECISIONS:
                what = f"{case.structure.n_atoms} atoms, {precision}"
                _tell(show, what, "atom-steps", partial(atom_steps, case, device, precision))
            what = f"{case.structure.n_atoms} atoms, TorchANI, single"
            if find_spec("torchani") is None:
                show.print(f"{what}: not installed")
            else:
                place = device_of(device)
                _tell(show, what, "atom-steps", partial(torchani_steps, case, place))
            own = ready_search(symmetry_functions(case), device=device)
            for name, search in {"the CPU": search_pairs, "the device": own}.items():
                what = f"{case.structure.n_atoms} atoms, new lists by {name}"
                _tell(show, what, "atoms", partial(atoms_listed, case, device, search))
        if data is None:
            show.print("no DATA: nothing to train on")
            return
        for name in pick("trainings", trainings, TRAININGS):
            for dtype in DTYPES:
                run = partial(epochs, data, name, device, dtype, epochs_of_training)
                _tell(show, f"training, {name}, {dtype}", "epochs", run)


def _tell(show: Console, name: str, what: str, run: Callable[[], Speed]) -> None:
    try:
        found = run()
    except MemoryError as error:
        show.print(f"{name}: {error}")
        return
    show.print(f"{name}: {found.per_second:.4g} {what}/s, {found.megabytes:.0f} MB")


def atom_steps(case: Case, device: str, precision: Precision) -> Speed:
    """Energies and forces at new positions, over and over."""
    functions = symmetry_functions(case)
    torch.manual_seed(0)
    network = SequentialSoleEnergyNN(len(functions), n_internal=25)
    images = compute_images(cell(case, case.structure.positions), case.reused_cutoff)
    table = images.table
    potential = NNPotential(network, functions, table.names[0])
    ready = ready_potentials([potential], table.names, precision=precision, device=device)

    def step(k: int) -> None:
        ready.evaluate(table.moved(case.copies[k % len(case.copies)], table.cells))

    with _memory(device_of(device)) as megabytes:
        seconds = _seconds(step)
    return Speed(case.structure.n_atoms / seconds, megabytes())


def atoms_listed(case: Case, device: str, search: PairSearch) -> Speed:
    """New lists of neighbours until they are on the device, over and over."""
    structure, place = case.structure, device_of(device)
    atoms = ListedAtoms.of(structure.symbols)

    def step(k: int) -> None:
        positions = case.copies[k % len(case.copies)]
        table = search(atoms, positions, structure.cell, (True,) * 3, case.reused_cutoff)
        if isinstance(table, PairTable) and not is_core(place):
            TensorTable.of(table, place)
        if place.type == "cuda":
            torch.cuda.synchronize(place)

    with _memory(place) as megabytes:
        seconds = _seconds(step)
    return Speed(structure.n_atoms / seconds, megabytes())


def torchani_steps(case: Case, device: torch.device) -> Speed:
    """The sum of TorchANI's own 8 + 24 functions and its derivative."""
    from torchani.aev import AEVComputer, ANIAngular, ANIRadial
    from torchani.neighbors import adaptive_list, narrow_down, reconstruct_shifts

    cutoff, n_atoms = case.workload.cutoff, case.structure.n_atoms
    radial = ANIRadial.cover_linearly(cutoff=cutoff, num_shifts=8)
    angular = ANIAngular.cover_linearly(cutoff=cutoff, num_shifts=4, num_sections=6)
    computer = AEVComputer(radial, angular, num_species=1).float().to(device)
    species = torch.zeros(1, n_atoms, dtype=torch.long, device=device)
    box = torch.tensor(case.structure.cell, dtype=torch.float32, device=device)
    copies = torch.tensor(case.copies, dtype=torch.float32, device=device)
    pbc = torch.tensor([True] * 3, device=device)
    listed = adaptive_list(case.reused_cutoff, species, copies[:1], box, pbc)
    shifts = reconstruct_shifts(copies[:1], listed)

    def step(k: int) -> None:
        x = copies[k % len(copies)][None].clone().requires_grad_()
        pairs = narrow_down(cutoff, species, x, listed.indices, shifts)
        energy = computer.compute_from_neighbors(species, x, pairs).sum()
        torch.autograd.grad(energy, x)[0].cpu()

    try:
        with _memory(device) as megabytes:
            seconds = _seconds(step)
    except torch.cuda.OutOfMemoryError as error:
        raise MemoryError("too little memory on the device") from error
    return Speed(n_atoms / seconds, megabytes())


def epochs(data: Path, name: str, device: str, dtype: NumberType, n_epochs: int) -> Speed:
    """Epochs of the default training after the first, on energies, forces and stress."""
    files: list[Any] = [str(data.resolve() / file) for file in DATASETS[name].train]
    place = device_of(device)
    with TemporaryDirectory() as folder, chdir(folder), _memory(place) as megabytes:
        workflow = ml_util.FitWorkflow(device=device, dtype=dtype, log="warning")
        prepared = workflow.prepare(fn_cells=files, **TRAININGS[name])
        records = prepared.run(n_epochs=n_epochs, save=None).records
    seconds = records[-1].wall_time_s - records[0].wall_time_s
    return Speed((len(records) - 1) / seconds, megabytes())


def _seconds(step: Callable[[int], None]) -> float:
    """Median of one call, after one to warm up; each ends when its result is on the host."""
    step(0)
    times: list[float] = []
    while sum(times) < LEAST_SECONDS or len(times) < 3:
        begun = perf_counter()
        step(len(times) + 1)
        times.append(perf_counter() - begun)
    return median(times)


@contextmanager
def _memory(device: torch.device) -> Iterator[Callable[[], float]]:
    """The most that was taken (MB): on a device since here, on the CPU by the process ever."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)

    def megabytes() -> float:
        if device.type == "cuda":
            return torch.cuda.max_memory_allocated(device) / 1e6
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3

    yield megabytes


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    app()
