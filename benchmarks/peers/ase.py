"""ASE: Lennard-Jones in Python, with a list that it keeps; dynamics with it; neighbour search."""

from typing import Any

import numpy as np
from numpy import ndarray

from benchmarks.peers import Answer, Method, Peer, Task
from benchmarks.workloads import ARGON, STEPS, TIMESTEP, Case


def argon(case: Case) -> Any:
    """Atoms with a calculator."""
    from ase import Atoms
    from ase.calculators.lj import LennardJones

    structure = case.structure
    atoms = Atoms(structure.symbols, structure.positions, cell=structure.box, pbc=True)
    atoms.set_masses(structure.masses)
    atoms.calc = LennardJones(epsilon=ARGON.epsilon, sigma=ARGON.sigma, rc=ARGON.cutoff)
    return atoms


def read(atoms: Any) -> Answer:
    """ASE shifts the energy of each bond to zero at the cutoff: this takes the shift out."""
    from ase.neighborlist import neighbor_list

    n_bonds = len(neighbor_list("i", atoms, ARGON.cutoff)) / 2
    ratio6 = (ARGON.sigma / ARGON.cutoff) ** 6
    shift = 4 * ARGON.epsilon * (ratio6**2 - ratio6)
    return Answer(atoms.get_potential_energy() + n_bonds * shift, atoms.get_forces())


def forces(case: Case) -> Task:
    """Energy and forces; ASE makes the list again once an atom has moved by 0.3 angstrom."""
    atoms = argon(case)

    def run(positions: ndarray) -> Any:
        atoms.positions[:] = positions
        atoms.get_forces()
        return atoms

    return Task(run, read)


def dynamics(case: Case) -> Task:
    """Velocity Verlet."""
    from ase import units
    from ase.md.verlet import VelocityVerlet

    atoms = argon(case)
    atoms.set_velocities(case.velocities / units.fs)
    verlet = VelocityVerlet(atoms, timestep=TIMESTEP * units.fs)

    def run(_: ndarray) -> Any:
        verlet.run(STEPS)
        return atoms

    return Task(run, read, STEPS)


def pairs(case: Case) -> Task:
    """All directed pairs and their shifts."""
    from ase.neighborlist import primitive_neighbor_list as search

    box, cutoff = np.diag(case.structure.box), case.workload.cutoff

    def count(found: tuple[ndarray, ...]) -> Answer:
        each = np.bincount(found[0], minlength=case.structure.n_atoms)[:, None].astype(float)
        return Answer(each.sum(), each)

    return Task(lambda positions: search("ijS", [True] * 3, box, positions, cutoff), count)


METHODS = {"lj": Method(forces), "nve-lj": Method(dynamics), "pairs": Method(pairs)}
PEER = Peer("ASE", ("ase.calculators.lj", "ase.md.verlet"), "ase", METHODS)
