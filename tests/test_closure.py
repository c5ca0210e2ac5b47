"""The loss, its optimiser, and the default descriptors."""

import re

import numpy as np
import pytest
import torch
from numpy import testing

from miniff import ml, ml_util
from miniff.kernel import Cell, compute_images
from miniff.kernel import eval as evaluate
from miniff.ml._recipe import shortest_distances
from miniff.ml_util import LossWeights, Properties
from miniff.ml_util._trainer import typical_loss

FCC = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
DIAMOND = np.vstack([FCC, FCC + 0.25])


def test_recipe_scales_with_the_data() -> None:
    """A crystal twice as large gets functions twice as wide; values stay the same."""
    cell = Cell(np.eye(3) * 5.4, DIAMOND, ["Si"] * 8)
    double = Cell(np.eye(3) * 10.8, DIAMOND, ["Si"] * 8)
    tables = [compute_images(c, r).table for c, r in ((cell, 5.0), (double, 10.0))]
    sets = [
        ml_util.default_behler_descriptors([table], r)["Si"]
        for table, r in zip(tables, (5.0, 10.0), strict=True)
    ]
    values = [
        compute_images(c, r).eval(s)
        for c, r, s in zip((cell, double), (5.0, 10.0), sets, strict=True)
    ]
    testing.assert_allclose(*values, rtol=1e-10)
    assert len(sets[0]) == 40


def test_recipe_covers_every_pair_of_species() -> None:
    """Each species sees each of its neighbours; the shortest distances are those of the crystal."""
    cell = Cell(np.eye(3) * 4.2, [[0, 0, 0], [0.5, 0.5, 0.5]], ["Cs", "Cl"])
    table = compute_images(cell, 5.0).table
    near = shortest_distances([table])
    assert near["Cs", "Cl"] == near["Cl", "Cs"] == pytest.approx(4.2 * 3**0.5 / 2)
    assert near["Cs", "Cs"] == pytest.approx(4.2)
    descriptors = ml_util.default_behler_descriptors([table], 5.0)
    assert {d.tag for d in descriptors["Cs"]} == {
        "Cs-Cs", "Cs-Cl", "Cs-Cl-Cl", "Cs-Cl-Cs", "Cs-Cs-Cs",
    }  # fmt: skip
    lonely = compute_images(Cell(np.eye(3) * 9, [[0, 0, 0]], ["He"]), 5.0).table
    with pytest.raises(ValueError, match=r"no atom of He has a neighbour within 5\.0"):
        ml_util.default_behler_descriptors([lonely], 5.0)


def test_toy_function_of_the_manual() -> None:
    """The first tutorial: LBFGS finds the coefficients 1, -1, 1 in one step."""
    torch.manual_seed(0)
    r = np.linspace(0.1, 10, 100)
    f_r = (r**2 - r + 1) * np.exp(-r)
    g_r = np.array([r**i * np.exp(-r) for i in range(3)])
    rhs = ml.PerCellDataset(energy=torch.tensor(f_r, dtype=torch.float32)[:, None])
    lhs = ml.PerPointDataset(
        features=torch.tensor(g_r.T, dtype=torch.float32)[:, None, :], mask=torch.ones(len(r), 1)
    )
    dataset = ml.Dataset(rhs, lhs)
    nn = torch.nn.Linear(in_features=3, out_features=1, bias=False)
    tolerance = {"tolerance_change": 1e-14, "tolerance_grad": 1e-14}
    closure = ml_util.simple_energy_closure([nn], dataset, optimizer_kwargs=tolerance)
    assert closure.loss().loss_value.item() > 1e-4
    closure.optimizer_init()
    closure.optimizer_step()
    assert closure.last_loss.loss_value.item() < 1e-8
    testing.assert_allclose(nn.weight.detach().squeeze().numpy(), [1, -1, 1], atol=1e-3)


def test_loss_is_the_sum_its_docstring_says() -> None:
    """Against numpy over kernel.eval: per atom, per component, in physical units."""
    rng = np.random.default_rng(0)
    cells = [
        Cell(
            np.eye(3) * 5.4,
            DIAMOND + rng.normal(scale=0.02, size=(8, 3)),
            ["Si"] * 8,
            {
                "energy": rng.normal(),
                "forces": rng.normal(size=(8, 3)),
                "stress": rng.normal(size=6),
            },
        )
        for _ in range(3)
    ]
    images = [compute_images(cell, 4.5) for cell in cells]
    descriptors = ml_util.default_behler_descriptors([one.table for one in images], 4.5)
    dataset = ml.learn_cauldron(images, descriptors)
    normalization = ml.Normalization.from_dataset(dataset)
    networks = [ml_util.behler_nn(40, 5)]
    closure = ml_util.simple_energy_closure(
        networks, dataset, normalization=normalization, w_energy=2.0, w_forces=0.3, w_stress=5.0
    )
    potentials = ml.potentials_from_ml_data(networks, dataset, normalization)
    results = [evaluate(potentials, one) for one in images]
    off = {
        "energy": [
            (r.energy - c.meta["energy"]) / c.size for r, c in zip(results, cells, strict=True)
        ],
        "forces": [r.forces - c.meta["forces"] for r, c in zip(results, cells, strict=True)],
        "stress": [r.stress - c.meta["stress"] for r, c in zip(results, cells, strict=True)],
    }
    mean = {name: np.mean(np.square(values)) for name, values in off.items()}
    expected = 2.0 * mean["energy"] + 0.3 * mean["forces"] + 5.0 * mean["stress"]
    loss = closure.loss()
    testing.assert_allclose(loss.loss_value.item(), expected, rtol=1e-9)
    testing.assert_allclose([loss.energy, loss.forces, loss.stress], list(mean.values()), rtol=1e-9)


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ({"w_energy": -1.0}, "`w_energy` is -1.0 but must be in [0, inf)"),
        ({"w_energy": 0.0}, "all weights are 0 but one of them must not be"),
        ({"w_forces": float("nan")}, "`w_forces` is nan but must be in [0, inf)"),
    ],
)
def test_senseless_weights_are_refused(weights: dict[str, float], sentence: str) -> None:
    """Negative, missing and all-zero weights."""
    dataset = ml.Dataset(
        ml.PerCellDataset(torch.zeros(1, 1)), ml.PerPointDataset(torch.zeros(1, 1, 1))
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        ml_util.simple_energy_closure([], dataset, **weights)


def test_diverging_loss_stops_with_its_cause() -> None:
    """A loss that is no number ends the optimisation."""
    dataset = ml.Dataset(
        ml.PerCellDataset(torch.full((1, 1), torch.inf)), ml.PerPointDataset(torch.ones(1, 1, 1))
    )
    closure = ml_util.simple_energy_closure([torch.nn.Linear(1, 1)], dataset)
    with pytest.raises(FloatingPointError, match="the loss became inf after 0 evaluations"):
        closure.optimizer_step()


def test_typical_loss_is_the_median_over_structures() -> None:
    """Written out for two structures, one of them without forces; exact ones count as 0."""
    reference = Properties(
        n_atoms=np.array([1, 2]),
        energy=np.array([1.0, 2.0]),
        forces=np.array([[1.0, 0, 0], [np.nan] * 3, [np.nan] * 3]),
        stress=np.full((2, 6), np.nan),
    )
    predicted = Properties(
        np.array([1, 2]), np.array([1.1, 2.6]), np.zeros((3, 3)), np.zeros((2, 6))
    )
    weights = LossWeights(energy=2.0, forces=3.0, stress=5.0)
    alone = np.array([2 * 0.1**2 + 3 * 1 / 3, 2 * 0.3**2])
    testing.assert_allclose(
        typical_loss(reference, predicted, weights), np.median(alone), rtol=1e-12
    )
    assert typical_loss(reference, reference, weights) == 0
