"""Charge potentials with networks drawn by chance, and structures for them."""

import numpy as np
import torch

from miniff.ewald import Coulomb
from miniff.kernel import Cell
from miniff.ml import (
    ChargedNetwork,
    ChargePotential,
    Equilibrate,
    NNPotential,
    SequentialSoleEnergyNN,
    Shift,
)
from miniff.potentials import behler2_descriptor_family, behler5_descriptor_family

WIDTHS = {"C": 0.76, "H": 0.31}
HARDNESS = {"C": 5.0, "H": 7.0}
A = 8.0
DESCRIPTORS = {
    centre: [
        *(
            behler2_descriptor_family(f"{centre}-{other}", a=4.0, eta=eta, r_sphere=1.0)
            for other in "CH"
            for eta in (0.3, 1.5)
        ),
        behler5_descriptor_family(f"{centre}-C-H", a=4.0, eta=0.1, l=-1.0, zeta=2.0),
    ]
    for centre in "CH"
}


def network(n_inputs, seed, n_models=1):
    from miniff.ml import Mean

    torch.manual_seed(seed)
    made = [SequentialSoleEnergyNN(n_inputs, 6, activation="tanh") for _ in range(n_models)]
    return made[0] if n_models == 1 else Mean(made)


def potential(rule="shift", *, sees=False, widths=WIDTHS, n_models=1, **coulomb):
    """Of both species; with networks that see charges if asked for."""
    n = len(DESCRIPTORS["C"])
    n_of = {True: (1, n_models), False: (n_models, 1)}[sees]
    charges = [
        NNPotential(network(n, k, n_of[0]), DESCRIPTORS[name], name) for k, name in enumerate("CH")
    ]
    seeing = [
        ChargedNetwork(network(n + 1, 5 + k, n_of[1]), DESCRIPTORS[name], name)
        for k, name in enumerate("CH")
    ]
    rules = {"shift": Shift(), "equilibrate": Equilibrate(HARDNESS)}
    own = Coulomb(A, widths=widths, **coulomb)
    return ChargePotential(charges, rules[rule], own, energy_networks=seeing if sees else ())


def structure(kind="molecule", n=10, total=0.0, seed=0):
    """Atoms about 1.5 apart; a molecule, a slab or a crystal in a skewed cell."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(n ** (1 / 3)))
    places = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), -1).reshape(-1, 3)[:n]
    fractions = (places + 0.3 * rng.random((n, 3))) / side
    vectors = 1.7 * side * np.array([[1.0, 0.0, 0.0], [0.2, 0.95, 0.0], [-0.1, 0.15, 1.1]])
    pbc = {"molecule": (False,) * 3, "slab": (True, True, False), "crystal": (True,) * 3}[kind]
    values = ["H" if k % 3 else "C" for k in range(n)]
    return Cell(vectors, fractions, values, {"total_charge": total}, pbc=pbc)


def moved(cell, positions, vectors=None):
    """The same atoms elsewhere."""
    vectors = cell.vectors if vectors is None else vectors
    coordinates = positions @ np.linalg.inv(vectors)
    return Cell(vectors, coordinates, cell.values, cell.meta, pbc=cell.pbc)
