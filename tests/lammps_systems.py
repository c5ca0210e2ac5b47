"""Structures and potentials for tests of LAMMPS, as its commands have them."""

import numpy as np
from lammps_run import lammps_with
from silicon import DIAMOND, SILICON

from miniff.kernel import Cell
from miniff.lammps import attach

SPECIES = ["Ar", "Kr"]
MOVING = ["velocity all create 900 1", "timestep 0.001", "fix integrator all nve"]


def silicon(vectors=None, *, pbc=True, seed=0, rattle=0.01) -> Cell:
    """64 atoms that do not lie on their sites."""
    corners = np.stack(np.meshgrid(*[np.arange(2)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    coordinates = (corners + DIAMOND).reshape(-1, 3) / 2
    coordinates += np.random.default_rng(seed).normal(scale=rattle, size=(64, 3))
    vectors = 2 * 5.431 * np.eye(3) if vectors is None else vectors
    return Cell(vectors, coordinates, ["Si"] * 64, pbc=pbc)


def mixture() -> Cell:
    """Two species in a skewed box smaller than twice the cutoff, in mixed order."""
    rng = np.random.default_rng(1)
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3) / 3
    coordinates = grid + rng.normal(scale=0.01, size=grid.shape)
    return Cell(
        [[12.0, 0, 0], [2.0, 11.5, 0], [-1.0, 1.5, 12.5]],
        coordinates,
        [SPECIES[k] for k in rng.integers(0, 2, 27)],
    )


def with_ours(cell: Cell):
    lmp = lammps_with(cell, ["Si"])
    attach(lmp, SILICON, ["Si"])
    return lmp
