"""Silicon for ASE: the potential of Stillinger and Weber, a committee, and rattled crystals."""

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from torch import nn

from miniff import ml, ml_util
from miniff.potentials import (
    behler2_descriptor_family,
    behler4_descriptor_family,
    sw2_potential_family,
    sw3_potential_family,
)

# As published: 2.1683 eV for bonds that count once.
SCALE = {"epsilon": 2.1683 / 2, "sigma": 2.0951, "a": 1.8}
SILICON = [
    sw2_potential_family("Si-Si", gauge_a=7.049556277, gauge_b=0.6022245584, p=4, q=0, **SCALE),
    sw3_potential_family("Si-Si-Si", l=21.0, gamma=1.2, cos_theta0=-1 / 3, **SCALE),
]


def silicon(n: int = 1, *, rattle: float = 0.05, seed: int = 0) -> Atoms:
    """n x n x n cubic cells."""
    atoms = bulk("Si", a=5.431, cubic=True) * (n, n, n)
    atoms.rattle(rattle, seed=seed)
    return atoms


def committee(n_members: int = 3) -> list[ml.NNPotential]:
    """Networks that were never trained: enough to differ."""
    torch.manual_seed(3)
    descriptors = [
        behler2_descriptor_family("Si-Si", eta=0.1, a=4.0),
        behler2_descriptor_family("Si-Si", eta=1.0, a=4.0),
        behler4_descriptor_family("Si-Si-Si", eta=0.01, zeta=2, l=1, a=4.0),
    ]
    networks = [ml_util.behler_nn(3, 5) for _ in range(n_members)]
    return [ml.NNPotential(nn.Sequential(ml.Mean(networks)), descriptors, "Si")]


def strained(atoms: Atoms, strain: np.ndarray) -> Atoms:
    """A copy whose cell and atoms are deformed: x becomes x (1 + strain)."""
    copy = atoms.copy()
    copy.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return copy
