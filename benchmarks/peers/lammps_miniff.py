"""miniff in LAMMPS: its integrator, our potentials, through `miniff.lammps`."""

from typing import Any

from numpy import ndarray

from benchmarks.peers import Method, Peer, Task
from benchmarks.peers.lammps import FRESH_LIST, own_atoms, read, start
from benchmarks.peers.miniff import potentials_of
from benchmarks.workloads import MD_SKIN, STEPS, TIMESTEP, Case


def dynamics(case: Case) -> Task:
    """`fix nve`, and no pair style of LAMMPS's own; the list is ours."""
    from miniff.lammps import attach

    lmp = start(case, MD_SKIN, FRESH_LIST)
    lmp.commands_list(["pair_style zero 1.0 nocoeff", "pair_coeff * *"])
    attach(lmp, potentials_of(case), [case.structure.symbols[0]], skin=MD_SKIN)
    order = own_atoms(lmp, "id") - 1
    own_atoms(lmp, "v")[:] = 1000 * case.velocities[order]  # angstrom/ps
    lmp.commands_list([f"timestep {TIMESTEP / 1000}", "fix nve all nve", "run 0 post no"])

    def run(_: ndarray) -> Any:
        lmp.command(f"run {STEPS} pre no post no")
        return lmp

    return Task(run, read, STEPS)


METHOD = Method(dynamics)
PEER = Peer(
    name="miniff in LAMMPS",
    modules=("lammps", "miniff.lammps"),
    distribution="miniff",
    methods={"nve-sw": METHOD, "nve-lj": METHOD},
)
