"""Derivatives by the parameters of networks: rows of Jacobians, and the errors behind the loss."""

import re

import numpy as np
import pytest
import torch
from numpy import testing
from torch import nn

from miniff.kernel import Cell, compute_images
from miniff.ml import (
    Dataset,
    Normalization,
    ParameterRows,
    cut,
    forward_cauldron,
    learn_cauldron,
)
from miniff.ml_util import behler_nn
from miniff.ml_util._loss import LossWeights
from miniff.ml_util._objective import Objective
from miniff.ml_util._residuals import Residuals, Rows
from miniff.potentials import behler2_descriptor_family, behler5_descriptor_family

CUTOFF = 3.2
DESCRIPTORS = {
    centre: [
        *(
            behler2_descriptor_family(f"{centre}-{n}", a=CUTOFF, eta=eta)
            for n in "AB"
            for eta in eta_of
        ),
        behler5_descriptor_family(f"{centre}-A-B", a=CUTOFF, eta=0.1, l=1.0, zeta=2.0),
    ]
    for centre, eta_of in {"A": (0.1, 0.4), "B": (0.2,)}.items()
}


def labelled(n_atoms: int, seed: int, missing: str = "") -> Cell:
    """A cell with references of all kinds but one."""
    rng = np.random.default_rng(seed)
    labels = {
        "energy": rng.normal(),
        "forces": rng.normal(size=(n_atoms, 3)),
        "stress": 0.1 * rng.normal(size=6),
    }
    labels.pop(missing, None)
    vectors = 3.6 * np.eye(3) + rng.normal(size=(3, 3)) * 0.2
    return Cell(vectors, rng.random((n_atoms, 3)), list("ABBAA"[:n_atoms]), labels)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Structures of different sizes, one without forces, one without stress, one in no cell."""
    alone = Cell(np.eye(3) * 20, [[0, 0, 0], [0, 0, 0.06]], ["A", "B"], {"energy": 1.0}, pbc=False)
    cells = [labelled(4, 0), labelled(1, 1), labelled(3, 2, "forces"), labelled(5, 3, "stress")]
    return learn_cauldron([compute_images(cell, CUTOFF) for cell in [*cells, alone]], DESCRIPTORS)


@pytest.fixture(params=[None, 3], ids=["features", "components"])
def objective(request: pytest.FixtureRequest, dataset: Dataset) -> Objective:
    """All terms of the loss, weights of structures, a free pressure, data in two parts."""
    weighted = cut(dataset, 3)
    weighted[0].per_cell_dataset.weight = torch.tensor(
        [[1.0, 2.0, 0.5], [0.0, 1, 1], [3, 1, 0.1]], dtype=torch.float64
    )
    normalization = Normalization.from_dataset(dataset, pca_features=request.param)
    torch.manual_seed(0)
    networks = [behler_nn(normalization.n_inputs(s), 4) for s in range(2)]
    return Objective(networks, weighted, normalization, LossWeights(1.0, 0.3, 2.0), 0.7)


def start(objective: Objective) -> np.ndarray:
    """A point with a pressure."""
    return objective.start(objective.networks) + 0.1


def errors(objective: Objective, point: np.ndarray, share: float = 1.0, seed: int = 0) -> Rows:
    """Of the whole data set, with the price of the pressure."""
    residuals, generator = Residuals(objective), torch.Generator().manual_seed(seed)
    found = []
    for k, part in enumerate(objective.parts):
        probes = residuals.drawn(k, share, generator)
        changes = residuals.changes(part, probes)
        found.append(residuals.rows(point, part, probes, changes))
    return Rows.join([*found, residuals.price(point)])


def test_squares_of_the_errors_are_the_loss(objective: Objective) -> None:
    """Their sum is the loss, and 2 J^T e its gradient, that of backpropagation."""
    point = start(objective)
    ((loss, gradient),) = objective.evaluate([point])
    rows = errors(objective, point)
    testing.assert_allclose(rows.errors @ rows.errors, loss, rtol=1e-12)
    testing.assert_allclose(2 * rows.jacobian.T @ rows.errors, gradient, rtol=1e-9, atol=1e-12)


def test_rows_are_slopes_of_the_errors(objective: Objective) -> None:
    """Finite differences along random directions of the parameters."""
    point, rng = start(objective), np.random.default_rng(1)
    rows = errors(objective, point, share=0.4)
    for _ in range(3):
        move, step = rng.normal(size=len(point)), 1e-5
        up, down = (errors(objective, point + s * move, share=0.4) for s in (step, -step))
        rise = (up.errors - down.errors) / (2 * step)
        testing.assert_allclose(rows.jacobian @ move, rise, rtol=1e-6, atol=1e-8)


def test_drawn_errors_stand_for_all(objective: Objective) -> None:
    """Each structure gives the share it should; on average the sum of squares is the loss."""
    point = start(objective)
    ((loss, _),) = objective.evaluate([point])
    rows = errors(objective, point, share=0.4)
    # 4 energies with a weight; of 12, 3, 15 components of forces and 3 times 6 of stress, 4 tenths
    assert len(rows.errors) == 4 + (5 + 2 + 6) + 3 * 3 + 1
    drawn = [errors(objective, point, share=0.4, seed=seed).errors for seed in range(100)]
    testing.assert_allclose(np.mean([e @ e for e in drawn]), loss, rtol=0.1)


def test_mixed_errors_have_the_same_matrix(objective: Objective) -> None:
    """J^T J of signs drawn by chance is on average that of all errors."""
    point = start(objective)
    residuals, generator = Residuals(objective), torch.Generator().manual_seed(3)
    wanted = errors(objective, point).jacobian
    found = residuals.price(point).jacobian
    sums = found.T @ found
    for k, part in enumerate(objective.parts):
        probes = residuals.mixed(k, 2000, generator)
        rows = residuals.rows(point, part, probes, residuals.changes(part, probes)).jacobian
        sums += rows.T @ rows
    testing.assert_allclose(sums, wanted.T @ wanted, atol=0.05 * np.abs(sums).max())


@pytest.mark.parametrize("activation", ["relu", "silu", "identity", "softplus"])
def test_rows_of_any_activation(dataset: Dataset, activation: str) -> None:
    """Energies and changes along a direction have the derivatives that autograd finds."""
    torch.manual_seed(1)
    normalization = Normalization.from_dataset(dataset)
    networks = [
        behler_nn(normalization.n_inputs(s), 3, 3, [True, False, True], activation)
        for s in range(2)
    ]
    rows = ParameterRows(networks, dataset, normalization)
    parameters = [p for network in networks for p in network.parameters()]

    def by_parameters(value: torch.Tensor) -> torch.Tensor:
        found = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
        pairs = zip(found, parameters, strict=True)
        return torch.cat([torch.zeros(p.numel()) if g is None else g.reshape(-1) for g, p in pairs])

    prediction = forward_cauldron(networks, dataset, True, normalization)
    energies, by_energy = rows.energies()
    testing.assert_allclose(energies, prediction.energy[:, 0].detach(), rtol=1e-12)
    testing.assert_allclose(by_energy[3], by_parameters(prediction.energy[3, 0]), atol=1e-12)
    assert dataset.derivatives is not None
    assert prediction.gradient is not None
    table = dataset.derivatives.table
    moves = np.random.default_rng(0).normal(size=(table.n_atoms, 3))
    direction = table.spread(moves, np.zeros((len(dataset), 3, 3)))[None]
    changes = [
        torch.from_numpy(points.environment.jvp(table, table.images, direction))
        for points in dataset.per_point_datasets
        if points.environment is not None
    ]
    slopes, by_slope = rows.slopes(changes)
    along = (prediction.gradient * torch.from_numpy(moves)).sum(1)
    whole = torch.zeros(len(dataset), dtype=torch.float64)
    whole = whole.index_add(0, dataset.per_cell_dataset.structure, along)
    testing.assert_allclose(slopes[0], whole.detach(), rtol=1e-10, atol=1e-12)
    testing.assert_allclose(by_slope[0, 3], by_parameters(whole[3]), rtol=1e-9, atol=1e-12)


def test_other_layers_are_refused(dataset: Dataset) -> None:
    """A network with a layer whose derivatives are not known, by its name."""
    normalization = Normalization.from_dataset(dataset)
    networks = [
        nn.Sequential(nn.Linear(normalization.n_inputs(s), 1).double(), nn.PReLU())
        for s in range(2)
    ]
    sentence = "linear layers, each with activations without parameters after it, but there is PRe"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        ParameterRows(networks, dataset, normalization)


def test_pieces_are_the_whole(dataset: Dataset, objective: Objective) -> None:
    """Whatever the size of the pieces, the loss is the same; so is what is learned of each."""
    point = start(objective)
    whole = objective.evaluate([point])[0]
    for size in (1, 2):
        pieces = [piece for part in objective.parts for piece in cut(part, size)]
        for piece in pieces:
            piece.keep_derivatives(1e9)
        own = Objective(objective.networks, pieces, objective.normalization, objective.weights, 0.7)
        assert all(len(piece) <= size for piece in pieces)
        found = own.evaluate([point])[0]
        testing.assert_allclose(found[0], whole[0], rtol=1e-6)
        testing.assert_allclose(found[1], whole[1], rtol=1e-5, atol=1e-6)
    again = learn_cauldron([compute_images(labelled(5, 3, "stress"), CUTOFF)], DESCRIPTORS)
    piece = cut(dataset, 1)[3]
    for one, other in zip(piece.per_point_datasets, again.per_point_datasets, strict=True):
        testing.assert_array_equal(one.features, other.features)
    with pytest.raises(ValueError, match=re.escape("`n_structures` is 0 but must be in [1, inf)")):
        cut(dataset, 0)
