"""What a loss on a device is made of: sums that depend linearly on networks, and the way back."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_device_training import assert_same_loss, evaluation, objective
from test_kept_derivatives import make_dataset

from benchmarks.device_work import Traffic
from miniff.ml import Dataset, Normalization, dataset_on, normalization_on
from miniff.ml._device._responses import moves_of, places_of, responses_of
from miniff.ml_util import behler_nn
from miniff.ml_util._loss import LossWeights
from miniff.ml_util._objective import Objective


def both(
    dataset: Dataset, normalization: Normalization, weights: LossWeights, device: str
) -> Sequence[Objective]:
    """An objective on a device, and the same on the core."""
    torch.manual_seed(0)
    species = range(len(dataset.per_point_datasets))
    networks = [behler_nn(normalization.n_inputs(s), n_internal=5) for s in species]
    place = torch.device(device)
    there = Objective(
        [network.to(place) for network in networks],
        [dataset_on(dataset, place, torch.float64)],
        normalization_on(normalization, place),
        weights,
        0.4,
    )
    return there, Objective(networks, [dataset], normalization, weights, 0.4)


WEIGHTS = LossWeights(1.0, 0.3, 5.0)


@pytest.mark.parametrize(
    "weights",
    [WEIGHTS, LossWeights(0.0, 1.0, 0.0), LossWeights(1.0, 0.0, 2.0), LossWeights(1.0)],
    ids=str,
)
@pytest.mark.parametrize("components", [None, 3])
def test_loss_of_weighted_points_and_structures(
    weights: LossWeights, components: int | None, device: str
) -> None:
    """Each term, components of features, weights of points and of structures, as in the core."""
    dataset, rng = make_dataset(), np.random.default_rng(3)
    normalization = Normalization.from_dataset(dataset, pca_features=components)
    for points in dataset.per_point_datasets:
        points.weight = torch.from_numpy(rng.uniform(0.5, 1.5, len(points.weight)))
    dataset.per_cell_dataset.weight[:] = torch.from_numpy(rng.uniform(0.1, 2.0, (3, 3)))
    there, core = both(dataset, normalization, weights, device)
    for kept in (0.0, 1e9):
        there.parts[0].keep_derivatives(kept, exact=True)
        assert_same_loss(there, core, 1e-11)


def test_references_that_are_not_predicted_are_told(device: str) -> None:
    """A loss of forces without derivatives of descriptors is no number, as in the core."""
    dataset = make_dataset()
    alone = Dataset(dataset.per_cell_dataset, *dataset.per_point_datasets)
    there, core = objective(device), objective()
    for own, part in (
        (core, alone),
        (there, dataset_on(alone, torch.device(device), torch.float64)),
    ):
        mixed = replace(own, parts=[*own.parts, part], deals=())
        at = [own.start(own.networks)]
        ((loss, _),) = mixed.evaluate(at, [0])
        assert np.isfinite(loss)
        ((loss, _),) = mixed.evaluate(at)
        assert np.isnan(loss)


def test_predictions_are_those_of_the_core(device: str) -> None:
    """With derivatives and without, on the host."""
    there, core = objective(device), objective()
    rng = np.random.default_rng(0)
    at = [rng.normal(scale=0.3, size=len(core.start(core.networks))) for _ in range(2)]
    for grad in (True, False):
        pairs = zip(
            there.predict(at, there.parts[0], grad=grad),
            core.predict(at, core.parts[0], grad=grad),
            strict=True,
        )
        for found, wanted in pairs:
            assert found.energy.device.type == "cpu"
            for name in ("energy", "gradient", "stress"):
                one, other = getattr(found, name), getattr(wanted, name)
                assert (one is None) == (other is None) == (name != "energy" and not grad)
                if one is not None:
                    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10, equal_nan=True)


def test_moves_are_the_transpose_of_responses() -> None:
    """And where numbers are added makes gradient and strain derivative of them."""
    dataset = dataset_on(make_dataset(), torch.device("cpu"), torch.float64)
    table, rng = dataset.derivatives.place, np.random.default_rng(0)
    sums = torch.zeros(3 * table.n_atoms + 6 * table.n_structures, dtype=torch.float64)
    by_image = torch.zeros(1, table.n_images, 3, dtype=torch.float64)
    for points in dataset.per_point_datasets:
        for row in points.on_device.rows:
            vectors = row.vectors(table.images, 7.0)
            slopes = torch.from_numpy(rng.normal(size=vectors.shape))
            found = responses_of(slopes, vectors, row)
            along = torch.from_numpy(rng.normal(size=found.shape))
            moved = moves_of(along, vectors, row)
            assert float((found * along).sum()) == pytest.approx(float((slopes * moved).sum()))
            sums.index_add_(0, places_of(row, table).flatten(), found.flatten())
            row.add(slopes[None], by_image)
    gradient, strain = table.gather(by_image)
    n = 3 * table.n_atoms
    torch.testing.assert_close(sums[:n].view(-1, 3), gradient[0], rtol=1e-12, atol=1e-12)
    whole = (strain[0] + strain[0].transpose(1, 2)) / 2
    components = torch.stack([whole[:, a, b] for a, b in ((0, 0), (1, 1), (2, 2))], 1)
    torch.testing.assert_close(sums[n:].view(-1, 6)[:, :3], components, rtol=1e-12, atol=1e-12)
    shear = torch.stack([whole[:, a, b] for a, b in ((1, 2), (0, 2), (0, 1))], 1)
    torch.testing.assert_close(sums[n:].view(-1, 6)[:, 3:], shear, rtol=1e-12, atol=1e-12)


def test_operations_do_not_grow_with_models_or_structures() -> None:
    """An evaluation starts as many for four models as for one: some forty for each species."""
    found = objective("cpu")
    found.parts[0].keep_derivatives(1e9, exact=True)
    counts = []
    for n_models in (1, 4):
        own = evaluation(found, n_models)
        n = len(found.start(found.networks))
        given = torch.zeros(n_models * n + 3, dtype=torch.float64)
        with Traffic() as traffic:
            own.step(given)
        counts.append(traffic.n_operations)
    assert counts[0] == counts[1] < 120
