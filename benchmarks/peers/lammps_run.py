"""LAMMPS without our calls between evaluations: what a step of a longer `run` takes."""

from benchmarks.peers import Method, Peer, Task
from benchmarks.peers.lammps import repeated
from benchmarks.workloads import Case


def forces(case: Case) -> Task:
    """A hundred evaluations in one `run`, ten where that would take minutes."""
    return repeated(case, 100 if case.structure.n_atoms < 10_000 else 10)


METHOD = Method(forces, "same positions 100 times, energy once")
PEER = Peer("LAMMPS, one run", ("lammps",), "lammps", {"sw": METHOD, "lj": METHOD})
