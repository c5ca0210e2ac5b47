"""TorchANI: its own descriptors, as many of them and as far as the functions of the workload."""

from typing import Any

import numpy as np
from numpy import ndarray

from benchmarks.peers import Answer, Method, Peer, Task, Unsuitable
from benchmarks.workloads import SKIN, Case

LARGEST_GB = 4.0


def refuse_large(n_atoms: int, n_pairs: int, n_angular: int) -> None:
    """Every triple is kept for the derivative; bytes measured with version 2.9."""
    n_neighbors = 2 * n_pairs / n_atoms
    gigabytes = n_atoms * n_neighbors**2 / 2 * (264 + 39 * n_angular) / 1e9
    if gigabytes > LARGEST_GB:
        raise Unsuitable(f"would take about {gigabytes:.0f} GB of memory")


def forces(case: Case, n_radial: int, n_shifts: int, n_sections: int) -> Task:
    """Sum of all descriptors and its derivative, on a list that is made once."""
    import torch
    from torchani.aev import AEVComputer, ANIAngular, ANIRadial
    from torchani.neighbors import adaptive_list, narrow_down, reconstruct_shifts

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    cutoff, names = case.workload.cutoff, sorted(set(case.structure.symbols))
    radial = ANIRadial.cover_linearly(cutoff=cutoff, num_shifts=n_radial)
    angular = ANIAngular.cover_linearly(cutoff=cutoff, num_shifts=n_shifts, num_sections=n_sections)
    computer = AEVComputer(radial, angular, num_species=len(names)).double()
    species = torch.tensor([[names.index(symbol) for symbol in case.structure.symbols]])
    cell, pbc = torch.diag(torch.tensor(case.structure.box)), torch.tensor([True] * 3)
    start = torch.tensor(case.structure.positions)[None]
    listed = adaptive_list(cutoff + SKIN, species, start, cell, pbc)
    refuse_large(case.structure.n_atoms, listed.indices.shape[1], n_shifts * n_sections)
    shifts = reconstruct_shifts(start, listed)

    def run(positions: ndarray) -> Any:
        x = torch.tensor(positions)[None].requires_grad_()
        pairs = narrow_down(cutoff, species, x, listed.indices, shifts)
        energy = computer.compute_from_neighbors(species, x, pairs).sum()
        return energy, torch.autograd.grad(energy, x)[0]

    def read(result: Any) -> Answer:
        return Answer(result[0].item(), -np.asarray(result[1][0]))

    return Task(run, read)


def silicon(case: Case) -> Task:
    return forces(case, 8, 4, 6)


def water(case: Case) -> Task:
    return forces(case, 8, 2, 2)


SILICON_METHOD = Method(silicon, "its own 8 + 24 functions", tolerance=None)
WATER_METHOD = Method(water, "its own 16 + 12 functions", tolerance=None)
PEER = Peer(
    "TorchANI",
    ("torch", "torchani"),
    "torchani",
    {
        "g5-forces": SILICON_METHOD,
        "water-100": WATER_METHOD,
        "water-220": WATER_METHOD,
    },
)
