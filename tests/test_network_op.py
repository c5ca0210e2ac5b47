"""Networks in training: the core's derivatives are those torch finds by differentiating twice."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn

from miniff import _core
from miniff.ml import Normalization, PerPointDataset, SequentialSoleEnergyNN
from miniff.ml._network_op import core_form, energies_and_slopes

SINGLE = 5e-6
"""Of the largest number: several layers, each of sums of some ten products."""


def points_of(n_points: int, n_features: int, weight: float = 1.0) -> PerPointDataset:
    """Atoms with features far from 0, of several sizes."""
    generator = torch.Generator().manual_seed(n_points)
    spread = torch.logspace(-0.5, 0.5, n_features, dtype=torch.float64)
    features = 20 + spread * torch.randn(
        n_points, 1, n_features, dtype=torch.float64, generator=generator
    )
    return PerPointDataset(features, torch.full((n_points, 1), weight, dtype=torch.float64))


def scales_of(n_features: int, projection: torch.Tensor | None = None) -> Normalization:
    """Two species, the second of which has these features."""
    spread = torch.logspace(-0.5, 0.5, n_features, dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    return Normalization(
        energy_scale=0.3,
        energy_offsets=torch.tensor([5.0, -1.5], dtype=torch.float64),
        features_offset=(one, torch.full_like(spread, 20.5)),
        features_scale=(one, 2 * spread),
        features_projection=() if projection is None else (torch.eye(1).double(), projection),
    )


def by_torch(
    networks: Sequence[nn.Module], points: PerPointDataset, normalization: Normalization
) -> tuple[torch.Tensor, torch.Tensor]:
    """Energies and dE/dF with torch's own graph, from the features on."""
    found = []
    for network in networks:
        features = points.features.clone().requires_grad_()
        energies = points.weight * normalization.energies(
            1, network(normalization.features(1, features))[:, 0]
        )
        (slope,) = torch.autograd.grad(energies.sum(), features, create_graph=True)
        found.append((energies, slope))
    energies, slopes = (torch.stack(parts) for parts in zip(*found, strict=True))
    return energies, slopes


def all_of(
    networks: Sequence[nn.Module], energies: torch.Tensor, slopes: torch.Tensor
) -> list[torch.Tensor]:
    """With the derivatives by all parameters of a loss of both, in one list."""
    loss = (energies.square() * 0.3).sum() + (slopes.double() - 0.1).square().sum()
    parameters = [p for network in networks for p in network.parameters()]
    gradient = [g.reshape(-1) for g in torch.autograd.grad(loss, parameters)]
    return [energies.detach(), slopes.detach().double(), torch.cat(gradient)]


def assert_same(
    found: Sequence[torch.Tensor], expected: Sequence[torch.Tensor], share: float
) -> None:
    """Up to a share of the largest number of each."""
    for one, other in zip(found, expected, strict=True):
        largest = float(other.detach().abs().max()) if other.numel() else 1.0
        torch.testing.assert_close(one, other, rtol=share, atol=share * largest)


@pytest.mark.parametrize("n_points", [0, 1, 31, 32, 77, 1100])
@pytest.mark.parametrize(
    ("n_inputs", "n_internal", "n_layers", "activation"),
    [(3, 5, 2, "tanh"), (10, 24, 3, "tanh"), (7, 6, 4, "sigmoid"), (1, 1, 2, "sigmoid")],
)
@pytest.mark.parametrize(("dtype", "share"), [(torch.float64, 1e-11), (torch.float32, SINGLE)])
def test_derivatives_are_those_of_torch(
    n_points: int,
    n_inputs: int,
    n_internal: int,
    n_layers: int,
    activation: str,
    dtype: torch.dtype,
    share: float,
) -> None:
    """Values, slopes, and what a loss of both changes by with every parameter."""
    torch.manual_seed(n_points)
    networks = [
        SequentialSoleEnergyNN(n_inputs, n_internal, n_layers, activation=activation)
        for _ in range(3)
    ]
    for network in networks:
        assert core_form(network) is not None
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.4)
    points, scales = points_of(n_points, n_inputs), scales_of(n_inputs)
    found = energies_and_slopes(networks, points, scales, 1, dtype)
    assert [one.dtype for one in found] == [torch.float64, dtype]
    expected = by_torch(networks, points, scales)
    assert_same(all_of(networks, *found), all_of(networks, *expected), share)


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Linear(4, 5), nn.SiLU(), nn.Linear(5, 1)).double(),
        nn.Sequential(nn.Linear(4, 5, bias=False), nn.Tanh(), nn.Linear(5, 1)).double(),
        nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 5), nn.Sigmoid(), nn.Linear(5, 1)),
        nn.Linear(4, 1).double(),
        nn.Sequential(nn.Linear(4, 5), nn.Softmax(dim=1), nn.Linear(5, 1)).double(),
    ],
)
def test_other_networks_are_left_to_torch(network: nn.Module) -> None:
    """And are differentiated the same."""
    assert core_form(network) is None
    network, points, scales = network.double(), points_of(6, 4), scales_of(4)
    found = energies_and_slopes([network], points, scales, 1, torch.float64)
    expected = by_torch([network], points, scales)
    if not isinstance(network, nn.Linear):
        found, expected = (all_of([network], *both) for both in (found, expected))
    assert_same(found, expected, 1e-12)
    with torch.no_grad():
        (energies, _) = energies_and_slopes([network], points, scales, 1, torch.float64)
    assert not energies.requires_grad


def test_committees_of_several_forms_are_left_to_torch() -> None:
    """Members need not be alike."""
    networks = [SequentialSoleEnergyNN(4, n, 2) for n in (3, 5)]
    points, scales = points_of(6, 4), scales_of(4)
    found = energies_and_slopes(networks, points, scales, 1, torch.float64)
    expected = by_torch(networks, points, scales)
    assert_same(all_of(networks, *found), all_of(networks, *expected), 1e-12)


@pytest.mark.parametrize(("dtype", "share"), [(torch.float64, 1e-11), (torch.float32, 1e-6)])
def test_components_and_weights_take_part(dtype: torch.dtype, share: float) -> None:
    """Principal components before the networks, and points that count by half."""
    projection = torch.randn(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    points, scales = points_of(40, 5, weight=0.5), scales_of(5, projection)
    networks = [SequentialSoleEnergyNN(2, 6, 3) for _ in range(2)]
    found = energies_and_slopes(networks, points, scales, 1, dtype)
    expected = by_torch(networks, points, scales)
    assert found[1].dtype == dtype
    assert_same(all_of(networks, *found), all_of(networks, *expected), share)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_threads_do_not_change_a_bit(dtype: torch.dtype) -> None:
    """Sums over points are made in turns of fixed size."""
    networks = [SequentialSoleEnergyNN(6, 8, 3)]
    points, scales = points_of(3000, 6), scales_of(6)
    threads, results = _core.num_threads(), []
    try:
        for n in (1, 3):
            _core.set_num_threads(n)
            results.append(
                all_of(networks, *energies_and_slopes(networks, points, scales, 1, dtype))
            )
    finally:
        _core.set_num_threads(threads)
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_arrays_of_wrong_shapes_are_refused() -> None:
    """Before anything is read or written."""
    form = _core.NetworkForm([3, 4], "tanh")
    assert form.n_parameters == 3 * 4 + 4 + 4 + 1
    right = {
        "parameters": np.zeros(21),
        "features": np.zeros((5, 3)),
        "scale": np.zeros((3, 3)),
        "alpha": np.zeros(5),
        "c": np.zeros((5, 3)),
        "out": np.zeros(21),
    }
    wrong = {
        "parameters": (np.zeros(20), r"`parameters` must be \[n_parameters\]"),
        "features": (np.zeros((5, 4)), r"`features` must be \[n, n_inputs\]"),
        "scale": (np.zeros((2, 3)), r"`scale` must be \[3, n_inputs\]"),
        "alpha": (np.zeros(4), r"`alpha` must be \[n\]"),
        "c": (np.zeros((5, 2)), r"`c` must be \[n, n_inputs\]"),
        "out": (np.zeros(22), r"`out` must be \[n_parameters\]"),
    }
    for name, (array, sentence) in wrong.items():
        with pytest.raises(ValueError, match=sentence):
            form.slopes(**{**right, name: array})
    given = right["parameters"], right["features"], right["scale"]
    with pytest.raises(ValueError, match=r"`energy` must be \[n\]"):
        form.outputs(*given, np.zeros(4), np.zeros((5, 3)))
    with pytest.raises(ValueError, match=r"`gradient` must be \[n, n_inputs\]"):
        form.outputs(*given, np.zeros(5), np.zeros((4, 3)))
    for widths, activation, sentence in (
        ([3], "tanh", "`widths` must be of the inputs and at least one layer"),
        ([3, 0], "tanh", "`widths` must be positive"),
        ([3, 4], "relu", "`activation` must be tanh or sigmoid"),
    ):
        with pytest.raises(ValueError, match=sentence):
            _core.NetworkForm(widths, activation)
