"""Networks in training: the core's derivatives are those torch finds by differentiating twice."""

import numpy as np
import pytest
import torch
from torch import nn

from miniff import _core
from miniff.ml import SequentialSoleEnergyNN
from miniff.ml._network_op import core_form, outputs_and_slopes


def by_torch(network: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs and slopes with torch's own graph."""
    inputs = x.clone().requires_grad_()
    output = network(inputs)[:, 0]
    (slope,) = torch.autograd.grad(output.sum(), inputs, create_graph=True)
    return output, slope


@pytest.mark.parametrize("n_points", [0, 1, 31, 32, 77, 1100])
@pytest.mark.parametrize(
    ("n_inputs", "n_internal", "n_layers", "activation"),
    [(3, 5, 2, "tanh"), (10, 24, 3, "tanh"), (7, 6, 4, "sigmoid"), (1, 1, 2, "sigmoid")],
)
def test_derivatives_are_those_of_torch(
    n_points: int, n_inputs: int, n_internal: int, n_layers: int, activation: str
) -> None:
    """Values, slopes, and what a loss of both changes by with every parameter."""
    torch.manual_seed(n_points)
    network = SequentialSoleEnergyNN(n_inputs, n_internal, n_layers, activation=activation)
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    assert core_form(network) is not None
    x = torch.randn(n_points, n_inputs, dtype=torch.float64)
    results = []
    for function in (outputs_and_slopes, by_torch):
        output, slope = function(network, x)
        loss = (output.square() * 0.3).sum() + (slope - 0.1).pow(3).sum()
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        results.append([output.detach(), slope.detach(), *gradients])
    for found, expected in zip(*results, strict=True):
        scale = float(expected.abs().max()) if expected.numel() else 1.0
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-13 * max(scale, 1.0))


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
    network = network.double()
    x = torch.randn(6, 4, dtype=torch.float64)
    for found, expected in zip(outputs_and_slopes(network, x), by_torch(network, x), strict=True):
        torch.testing.assert_close(found, expected)
        assert found.requires_grad
    with torch.no_grad():
        assert not outputs_and_slopes(network, x)[0].requires_grad


def test_threads_do_not_change_a_bit() -> None:
    """Sums over points are made in turns of fixed size."""
    network = SequentialSoleEnergyNN(6, 8, 3)
    x = torch.randn(3000, 6, dtype=torch.float64)
    threads, results = _core.num_threads(), []
    try:
        for n in (1, 3):
            _core.set_num_threads(n)
            output, slope = outputs_and_slopes(network, x)
            loss = output.square().sum() + slope.square().sum()
            results.append([output, slope, *torch.autograd.grad(loss, list(network.parameters()))])
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
        "x": np.zeros((5, 3)),
        "alpha": np.zeros(5),
        "c": np.zeros((5, 3)),
        "out": np.zeros(21),
    }
    wrong = {
        "parameters": (np.zeros(20), r"`parameters` must be \[n_parameters\]"),
        "x": (np.zeros((5, 4)), r"`x` must be \[n, n_inputs\]"),
        "alpha": (np.zeros(4), r"`alpha` must be \[n\]"),
        "c": (np.zeros((5, 2)), r"`c` must be \[n, n_inputs\]"),
        "out": (np.zeros(22), r"`out` must be \[n_parameters\]"),
    }
    for name, (array, sentence) in wrong.items():
        with pytest.raises(ValueError, match=sentence):
            form.slopes(**{**right, name: array})
    with pytest.raises(ValueError, match=r"`energy` must be \[n\]"):
        form.outputs(right["parameters"], right["x"], np.zeros(4), np.zeros((5, 3)))
    with pytest.raises(ValueError, match=r"`gradient` must be \[n, n_inputs\]"):
        form.outputs(right["parameters"], right["x"], np.zeros(5), np.zeros((4, 3)))
    for widths, activation, sentence in (
        ([3], "tanh", "`widths` must be of the inputs and at least one layer"),
        ([3, 0], "tanh", "`widths` must be positive"),
        ([3, 4], "relu", "`activation` must be tanh or sigmoid"),
    ):
        with pytest.raises(ValueError, match=sentence):
            _core.NetworkForm(widths, activation)
