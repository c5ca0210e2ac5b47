"""Folders of n2p2 for tests: the golden ones, with edits, and potentials to be written."""

import shutil
from pathlib import Path

import numpy as np
import torch
from torch import nn

from miniff import ml
from miniff.kernel import Cell
from miniff.potentials import (
    behler2_descriptor_family,
    behler4_descriptor_family,
    behler5_descriptor_family,
    on_site_potential_family,
)

FOLDER = Path(__file__).parent / "data/n2p2_golden"
CASES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
PLAIN = {"length_unit": "1", "energy_unit": "1"}
"""The golden numbers stay in whatever units they are in."""


def structure_of(folder):
    (cell,) = Cell.load(folder / "input.data", **PLAIN)
    return cell


def assert_same(result, expected, rtol):
    """Energy, forces and virial, relative to the largest component."""
    np.testing.assert_allclose(result.energy, expected["energy"], rtol=rtol)
    forces = np.array(expected["forces"])
    np.testing.assert_allclose(result.forces, forces, atol=rtol * np.abs(forces).max())
    if expected.get("virial") is not None:
        virial = np.array(expected["virial"])
        np.testing.assert_allclose(result.virial, virial, atol=rtol * np.abs(virial).max())


def networks_of(potentials):
    return [one for one in potentials if isinstance(one, ml.NNPotential)]


def linear(n_in, n_out):
    return nn.Linear(n_in, n_out).double()


def fitted(name, descriptors, width=4, activation=nn.Tanh, depth=1, **kwargs):
    """A network as `fit` makes one, with numbers drawn by chance."""
    n = len(descriptors)
    layers = [ml.Affine(torch.rand(n).double() + 0.5, torch.randn(n).double())]
    for k in range(depth):
        layers += [linear(width if k else n, width), activation()]
    layers += [
        linear(width if depth else n, 1),
        ml.Affine(torch.tensor([0.3]).double(), torch.tensor([-7.5]).double()),
    ]
    return ml.NNPotential(nn.Sequential(*layers), descriptors, name, **kwargs)


def own_potentials(**kwargs):
    """Two elements, our own angular convention, networks of different widths and activations."""
    torch.manual_seed(1)
    a = {"a": 4.2}
    of_si = [
        behler4_descriptor_family("Si-O-Si", eta=0.05, l=1.0, zeta=2.0, **a),
        behler5_descriptor_family("Si-O-O", eta=0.05, l=-1.0, zeta=4.0, epsilon=1.7, **a),
        behler2_descriptor_family("Si-Si", eta=0.3, r_sphere=1.5, **a),
        behler4_descriptor_family("Si-Si-Si", eta=0.02, l=-1.0, zeta=1.5, **a),
        behler2_descriptor_family("Si-O", eta=0.3, **a),
    ]
    of_o = [
        behler5_descriptor_family("O-Si-Si", eta=0.01, l=1.0, zeta=1.0, epsilon=-0.4, **a),
        behler2_descriptor_family("O-Si", eta=0.8, a=3.0),
    ]
    ranges = np.array([np.arange(5.0), np.arange(5.0) + 2])
    return [
        fitted("Si", of_si, 3, ranges=ranges, **kwargs),
        fitted("O", of_o, 5, nn.Sigmoid, **kwargs),
        on_site_potential_family("Si", v0=-2.5),
        on_site_potential_family(v0=0.25),
    ]


def own_cell():
    rng = np.random.default_rng(4)
    vectors = 4.6 * np.eye(3) + rng.normal(scale=0.2, size=(3, 3))
    return Cell(vectors, rng.random((5, 3)), ["Si", "O", "Si", "O", "O"])


def copied(tmp_path, name="atom_energy"):
    folder = tmp_path / name
    shutil.copytree(FOLDER / name, folder)
    return folder


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
