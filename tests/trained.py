"""Networks that know a training set: grades need no training, so they are zero or drawn."""

from collections.abc import Sequence

import numpy as np
import torch
from silicon import DIAMOND, labelled
from torch import nn

from miniff.kernel import Cell, compute_images
from miniff.ml import (
    Mean,
    NNPotential,
    Normalization,
    feature_moments,
    feature_ranges,
    learn_cauldron,
    potentials_from_ml_data,
)
from miniff.ml_util import behler_nn
from miniff.potentials import (
    FunctionPotential,
    behler2_descriptor_family,
    behler5_descriptor_family,
)

CUTOFF = 4.5
DESCRIPTORS: list[FunctionPotential] = [
    *(
        behler2_descriptor_family("Si-Si", eta=eta, r_sphere=r, a=CUTOFF)
        for eta, r in ((0.02, 0.0), (0.3, 0.0), (2.0, 2.4), (2.0, 3.8))
    ),
    *(
        behler5_descriptor_family("Si-Si-Si", eta=0.01, l=l, zeta=zeta, a=CUTOFF)
        for l, zeta in ((-1, 1), (1, 4))  # noqa: E741 - Behler's lambda
    ),
]


def training_cells(n: int = 20) -> list[Cell]:
    """Rattled, strained diamond of 8 atoms."""
    return [Cell.from_structure(structure) for structure in labelled(n, seed=0)]


def trained(
    cells: Sequence[Cell] | None = None,
    descriptors: Sequence[FunctionPotential] = tuple(DESCRIPTORS),
    *,
    activation: str = "tanh",
    n_members: int = 1,
    weight: float = 1.0,
    is_zero: bool = False,
) -> NNPotential:
    """A network with the training set of these structures.

    Args:
        cells: Those of :func:`training_cells` by default.
        descriptors: Of silicon.
        activation: Of the hidden layers.
        n_members: Of a committee.
        weight: Factor of all energies.
        is_zero: Whether all energies are 0: formulas beside it then are all of the energy.
    """
    images = [compute_images(c, CUTOFF) for c in (training_cells() if cells is None else cells)]
    dataset = learn_cauldron(images, {"Si": list(descriptors)}, derivatives=False)
    torch.manual_seed(5)
    members = [behler_nn(len(descriptors), 5, activation=activation) for _ in range(n_members)]
    for parameters in [p for m in members for p in m.parameters()] if is_zero else []:
        nn.init.zeros_(parameters)
    for member in members:
        with torch.no_grad():
            list(member.parameters())[-2].mul_(weight)
    network = members[0] if n_members == 1 else nn.Sequential(Mean(members))
    if is_zero:
        (ranges,) = feature_ranges([dataset])
        (moments,) = feature_moments([dataset], [ranges])
        return NNPotential(network, descriptors, "Si", ranges=ranges, moments=moments)
    (potential,) = potentials_from_ml_data([network], dataset, Normalization.from_dataset(dataset))
    return potential


def crystal(strain: float = 0.0, *, rattle: float = 0.1, copies: int = 1, seed: int = 7) -> Cell:
    """Diamond that is stretched by this much, with displaced atoms."""
    rng = np.random.default_rng(seed)
    cell = Cell(5.43 * (1 + strain) * np.eye(3), DIAMOND, ["Si"] * 8).repeated(copies, 1, 1)
    moved = cell.cartesian() + rng.normal(scale=rattle, size=(cell.size, 3))
    return Cell(cell.vectors, np.linalg.solve(cell.vectors.T, moved.T).T, cell.values)
