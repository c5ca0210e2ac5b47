"""miniff through its public interface."""

from dataclasses import asdict, replace

import numpy as np
from numpy import ndarray

from benchmarks.peers import Answer, Method, Peer, Task
from benchmarks.structures import EXAMPLES
from benchmarks.workloads import ARGON, BOND_ORDER, SILICON, STEPS, TIMESTEP, Case, Radial
from miniff import potentials as p
from miniff.dyn import State, nve
from miniff.kernel import Cell, CellImages, compute_images
from miniff.potentials import CompiledPotentials, FunctionPotential, Potential, Precision


def moved(images: CellImages, positions: ndarray) -> CellImages:
    """The same list at new positions."""
    table = images.table.moved(positions, images.cell.vectors[None])
    return replace(images, table=table)


def cell(case: Case, positions: ndarray) -> Cell:
    """The structure with its atoms elsewhere."""
    box = Cell(case.structure.cell, np.zeros((0, 3)), [])
    return Cell(box.vectors, box.transform_from_cartesian(positions), case.structure.symbols)


def forces(case: Case) -> Task:
    """Energy and forces on a reused list."""
    images = compute_images(cell(case, case.structure.positions), case.reused_cutoff)
    table = images.table
    ready = CompiledPotentials(potentials_of(case), table.names)
    return Task(
        lambda positions: ready.evaluate(table.moved(positions, table.cells)),
        lambda result: Answer(float(result.energy[0]), -result.gradient),
    )


def network(case: Case, precision: Precision = "double") -> Task:
    """Energy and forces of a network on the functions, on a reused list."""
    import torch
    from torch import nn

    from miniff.ml import NNPotential

    torch.manual_seed(0)
    torch.set_num_threads(1)
    functions = symmetry_functions(case)
    layers = nn.Sequential(
        nn.Linear(len(functions), 25), nn.Tanh(), nn.Linear(25, 25), nn.Tanh(), nn.Linear(25, 1)
    )
    images = compute_images(cell(case, case.structure.positions), case.reused_cutoff)
    table = images.table
    potential = NNPotential(layers, functions, table.names[0])
    ready = CompiledPotentials([potential], table.names, precision=precision)
    return Task(
        lambda positions: ready.evaluate(table.moved(positions, table.cells)),
        lambda result: Answer(float(result.energy[0]), -result.gradient),
    )


def example(case: Case) -> Task:
    """Energy and forces of a potential that n2p2 publishes, read from its files."""
    from miniff.ml import load_n2p2

    name = case.workload.example
    of = EXAMPLES[name]
    potentials = load_n2p2(of.path, length_unit=of.length_unit, energy_unit=of.energy_unit)
    images = compute_images(cell(case, case.structure.positions), case.reused_cutoff)
    table = images.table
    ready = CompiledPotentials(potentials, table.names)
    return Task(
        lambda positions: ready.evaluate(table.moved(positions, table.cells)),
        lambda result: Answer(float(result.energy[0]), -result.gradient),
    )


def values(case: Case) -> Task:
    """Function values on a reused list."""
    images = compute_images(cell(case, case.structure.positions), case.reused_cutoff)
    potentials = potentials_of(case)
    return Task(
        lambda positions: moved(images, positions).eval(potentials),
        lambda result: Answer(result.sum(), result.T),
    )


def pairs(case: Case) -> Task:
    """From positions to a neighbour list that is ready for use."""

    def count(images: CellImages) -> Answer:
        each = np.diff(images.table.start)[:, None].astype(float)
        return Answer(each.sum(), each)

    cutoff = case.workload.cutoff
    return Task(lambda positions: compute_images(cell(case, positions), cutoff), count)


def dynamics(case: Case) -> Task:
    """NVE steps; each run makes its list and compiles its potentials anew."""
    from ase import units

    at = {"positions": case.structure.positions, "velocities": case.velocities / units.fs}

    def run(_: ndarray) -> State:
        state = nve(
            cell(case, at["positions"]),
            potentials_of(case),
            n_steps=STEPS,
            timestep=TIMESTEP * units.fs,
            velocities=at["velocities"],
        )
        at.update(positions=state.positions, velocities=state.velocities)
        return state

    return Task(run, lambda state: Answer(state.potential_energy, state.forces), STEPS)


def potentials_of(case: Case) -> list[Potential]:
    """Pairs and triples are directed: where others count once, the prefactor is halved."""
    name = case.workload.name.removeprefix("nve-")
    if name == "lj":
        a = ARGON.cutoff / ARGON.sigma
        return [p.lj_potential_family(epsilon=ARGON.epsilon / 2, sigma=ARGON.sigma, a=a)]
    if name == "tersoff":
        return [p.tersoff_potential_family(None, **asdict(BOND_ORDER))]
    if name == "sw":
        s = SILICON
        scale = {"epsilon": s.epsilon / 2, "sigma": s.sigma, "a": s.a}
        gauge = {"gauge_a": s.gauge_a, "gauge_b": s.gauge_b, "p": s.p, "q": s.q}
        angle = {"l": s.lam, "gamma": s.gamma, "cos_theta0": s.cos_theta0}
        return [
            p.sw2_potential_family(None, **scale, **gauge),
            p.sw3_potential_family(None, **scale, **angle),
        ]
    return [*symmetry_functions(case)]


def symmetry_functions(case: Case) -> list[FunctionPotential]:
    """Behler 2, and 4 or 5."""
    found: list[FunctionPotential] = []
    for f in case.workload.functions:
        shape = {"a": case.workload.cutoff, "eta": f.eta}
        if isinstance(f, Radial):
            found.append(p.behler2_descriptor_family(f.tag, r_sphere=f.r_sphere, **shape))
            continue
        _, j, k = f.tag.split("-")
        family = p.behler4_descriptor_family if f.narrow else p.behler5_descriptor_family
        epsilon = 0.5 if j == k else 1.0
        found.append(family(f.tag, l=f.lam, zeta=f.zeta, epsilon=epsilon, **shape))
    return found


PEER = Peer(
    name="miniff",
    modules=("miniff.kernel", "vesin"),
    distribution="miniff",
    methods={
        **dict.fromkeys(("sw", "lj", "tersoff", "g4-forces", "g5-forces"), Method(forces)),
        **dict.fromkeys(("water-100", "water-220"), Method(forces)),
        **dict.fromkeys(("g4-values", "g5-values"), Method(values)),
        **dict.fromkeys(("g4-network", "g5-network"), Method(network)),
        **dict.fromkeys(("n2p2-H2O", "n2p2-Cu2S"), Method(example)),
        **dict.fromkeys(("nve-sw", "nve-lj"), Method(dynamics)),
        "pairs": Method(pairs, note="whole set-up"),
    },
)
