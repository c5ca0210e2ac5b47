"""Networks come back from their files as they were written, to the bit."""

import re
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from miniff.kernel import Cell, compute_images
from miniff.kernel import eval as evaluate
from miniff.ml import (
    ACTIVATIONS,
    Affine,
    NNPotential,
    SequentialSoleEnergyNN,
    load_potentials,
    save_potentials,
)
from miniff.ml._core_network import core_networks
from miniff.ml._layers import network_from_state, network_state
from miniff.ml_util import behler_nn
from miniff.potentials import behler2_descriptor_family

WITH_OPTIONS = [
    nn.CELU(alpha=0.7),
    nn.ELU(alpha=0.3),
    nn.GELU(approximate="tanh"),
    nn.GLU(dim=-1),
    nn.Hardshrink(lambd=0.2),
    nn.Hardtanh(min_val=-0.4, max_val=0.3),
    nn.LeakyReLU(negative_slope=0.3),
    nn.LogSoftmax(dim=1),
    nn.PReLU(init=0.4),
    nn.PReLU(num_parameters=6, init=-0.3),
    nn.ReLU(inplace=True),
    nn.Softmax(dim=-1),
    nn.Softmin(dim=1),
    nn.Softplus(beta=2, threshold=0.1),
    nn.Softshrink(lambd=0.1),
    nn.Threshold(threshold=0.1, value=-0.2),
]


def same_function(one: nn.Module, other: nn.Module, n_inputs: int, dtype: torch.dtype) -> bool:
    """Whether both give the same bits, at numbers of every size."""
    rng = torch.Generator().manual_seed(5)
    x = torch.randn(200, n_inputs, generator=rng, dtype=torch.float64)
    x = (x * torch.logspace(-2, 2, 200, dtype=torch.float64)[:, None]).to(dtype)
    with torch.no_grad():
        first, second = one(x.clone()), other(x.clone())
    return first.dtype == second.dtype and torch.equal(first, second)


def through_file(network: nn.Module) -> nn.Module:
    """The network written and read as potential files are."""
    torch.save(network_state(network), "network.pt")
    return network_from_state(torch.load("network.pt", weights_only=True))


@pytest.mark.parametrize("layer", WITH_OPTIONS, ids=repr)
def test_options_of_activations_survive(folder: Path, layer: nn.Module) -> None:
    """Each is another function than with torch's defaults, and comes back as it was."""
    again = through_file(layer)
    assert same_function(layer, again, 6, torch.float32)
    if type(layer) in ACTIVATIONS.values() and not isinstance(layer, nn.ReLU):
        assert not same_function(type(layer)(), again, 6, torch.float32)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (3, 40)])
def test_linear_layers_of_any_shape_survive(
    folder: Path, shape: tuple[int, int], bias: bool, dtype: torch.dtype
) -> None:
    """With or without constants, in the type of numbers they have."""
    layer = nn.Linear(*shape, bias=bias, dtype=dtype)
    (again,) = through_file(layer)
    assert (again.in_features, again.out_features) == shape
    assert (again.bias is not None) == bias
    assert again.weight.dtype == dtype
    assert again.weight.requires_grad
    assert same_function(layer, again, shape[0], dtype)


def test_networks_within_networks_survive(folder: Path) -> None:
    """As one sequence of the same layers; a layer that stands there twice is there twice."""
    shared = nn.Tanh()
    inner = nn.Sequential(OrderedDict(a=nn.Linear(3, 4), b=nn.Sequential(shared)))
    affine = Affine(torch.tensor([1.5, 2.0, 3.0]), torch.tensor([0.1, 0.2, 0.3]))
    network = nn.Sequential(affine, inner, nn.Linear(4, 3), shared, behler_nn(3).float())
    again = through_file(network)
    assert [type(layer).__name__ for layer in again][:5] == [
        "Affine",
        "Linear",
        "Tanh",
        "Linear",
        "Tanh",
    ]
    assert same_function(network, again, 3, torch.float32)


def test_reading_a_network_draws_no_numbers(folder: Path) -> None:
    """Torch's generator is where it was, so that what is drawn next does not change."""
    network = behler_nn(3)
    before = torch.random.get_rng_state()
    through_file(network)
    assert torch.equal(before, torch.random.get_rng_state())


class Twice(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(super().forward(x))


class Wide(nn.Linear):
    """Not known to be what its parent is."""


def hooked() -> nn.Module:
    layer = nn.Linear(1, 1)
    layer.register_forward_hook(lambda _layer, _x, y: 2 * y)
    return nn.Sequential(layer)


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (nn.Dropout(0.2), "a network with the layer Dropout(p=0.2, inplace=False) cannot be saved"),
        (nn.RReLU(), "a network with the layer RReLU("),
        (nn.BatchNorm1d(3), "a network with the layer BatchNorm1d(3"),
        (Twice(nn.Linear(1, 1)), "a network with the layer Twice("),
        (Wide(1, 1), "a network with the layer Wide("),
        (hooked(), "a network with hooks cannot be saved: Linear("),
        (nn.Softmax(dim=0), "the layer softmax cannot be saved: its `dim` is 0 but must be 1 or"),
        (nn.ELU(alpha=[1.0]), "its `alpha` is [1.0] but must be a number"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_layers_are_refused_by_name(network: nn.Module, sentence: str) -> None:
    """What could not be read back exactly is not written."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        network_state(nn.Sequential(network))


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({"layer": "sofplus"}, "`sofplus` is not a known layer; did you mean `softplus`?"),
        ({"layer": "tanh", "options": {"beta": 1.0}}, "`beta` is not a known option of the layer"),
        ({"layer": "tanh", "weight": torch.ones(1)}, "a layer Tanh() cannot hold tensors of the"),
        ({"layer": "prelu", "weight": torch.ones(2)}, "shapes {'weight': (2,)}"),
        ({"layer": "linear"}, "a layer 'linear' cannot have the data layer"),
        ({"layer": "linear", "weight": torch.ones(2)}, "a layer 'linear' cannot have the data"),
        ({"layer": "tanh", "options": 3}, "a layer 'tanh' cannot have the data layer, options"),
    ],
)
def test_damaged_layers_are_refused(state: dict[str, object], sentence: str) -> None:
    """Names, options and tensors that no layer has."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        network_from_state([state])


@pytest.mark.parametrize("layer", [*(kind() for kind in ACTIVATIONS.values()), *WITH_OPTIONS])
def test_core_gives_what_torch_gives_or_nothing(layer: nn.Module) -> None:
    """Options that the core does not know are left to torch, so that energies stay right."""
    torch.manual_seed(1)
    width = 3 if isinstance(layer, nn.GLU) else 6
    network = nn.Sequential(nn.Linear(2, 6), layer, nn.Linear(width, 1)).double()
    descriptors = [behler2_descriptor_family("Si-Si", a=4.0, eta=e) for e in (0.1, 1.0)]
    potential = NNPotential(network, descriptors, "Si")
    cell = Cell(np.eye(3) * 5.0, np.random.default_rng(0).random((4, 3)), ["Si"] * 4)
    expected = potential.local_energies(compute_images(cell, 4.0).table, gradient=True)
    result = evaluate(potential, cell)
    np.testing.assert_allclose(result.energies, expected.energies, rtol=1e-12)
    if isinstance(layer, nn.Softplus) and layer.beta == 2:
        assert core_networks(network) is None


def test_core_leaves_repeated_numbers_to_torch() -> None:
    """One scale for all descriptors is torch's way of writing, not a layer of width one."""
    one = Affine(torch.tensor([2.0]), torch.tensor([1.0]))
    assert core_networks(nn.Sequential(one, nn.Linear(3, 1))) is None


def test_files_of_format_1_are_read() -> None:
    """A file written before activations had options gives the energies it gave then."""
    # Written at commit 2cce742; the energies are what that commit printed.
    network, formula = load_potentials(Path(__file__).parent / "files" / "format-1.pt")
    cell = Cell(np.eye(3) * 5, np.random.default_rng(0).random((4, 3)), ["Si"] * 4)
    images = compute_images(cell, 4.0)
    expected = [-0.63474392, -0.64828556, -0.63486434, -0.64636662]
    np.testing.assert_allclose(images.eval(network), expected, atol=5e-9)
    expected = [-1.84389429e00, 6.54201300e06, -1.84896369e00, 6.54201279e06]
    np.testing.assert_allclose(images.eval(formula), expected, rtol=5e-9)
    assert network.ranges.tolist() == [[0, 0, 0], [1, 2, 3]]


def test_sole_energy_network_is_the_form_of_behler_and_parrinello(folder: Path) -> None:
    """Layers, widths and constants as asked for; by either name; saved to the bit."""
    torch.manual_seed(3)
    network = SequentialSoleEnergyNN(2, 5, 4, [True, False, True, False], "sigmoid")
    assert [type(layer).__name__ for layer in network] == ["Linear", "Sigmoid"] * 3 + ["Linear"]
    linear = [layer for layer in network if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [
        (2, 5),
        (5, 5),
        (5, 5),
        (5, 1),
    ]
    assert [layer.bias is not None for layer in linear] == [True, False, True, False]
    assert isinstance(network, nn.Sequential)
    assert type(network[:-1]) is nn.Sequential
    assert len(network[:-1]) == 6
    torch.manual_seed(3)
    same = behler_nn(2, 5, 4, [True, False, True, False], nn.Sigmoid)
    assert isinstance(same, SequentialSoleEnergyNN)
    assert same_function(network, same, 2, torch.float64)
    descriptors = [behler2_descriptor_family("Si-Si", a=4.0, eta=e) for e in (0.1, 1.0)]
    save_potentials("p.pt", [NNPotential(network, descriptors, "Si")])
    (again,) = load_potentials("p.pt")
    assert same_function(network, again.network, 2, torch.float64)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"n_inputs": 0}, "`n_inputs` is 0 but must be in [1, inf)"),
        ({"n_internal": 0}, "`n_internal` is 0 but must be in [1, inf)"),
        ({"n_layers": 0}, "`n_layers` is 0 but must be in [1, inf)"),
        ({"bias": [True]}, "`bias` has 1 entries but must have 3"),
        ({"activation": "tan"}, "`tan` is not a known activation; did you mean `tanh`?"),
    ],
)
def test_networks_without_meaning_are_refused(arguments: dict[str, object], sentence: str) -> None:
    """Before any layer is made."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        SequentialSoleEnergyNN(**{"n_inputs": 3, **arguments})
