"""Descriptors as torch operations, against finite differences."""

import numpy as np
import pytest
import torch
from torch.func import functional_call

from miniff.kernel import Cell, CellImages, compute_images
from miniff.kernel import eval as evaluate
from miniff.ml import (
    ACTIVATIONS,
    Affine,
    Dataset,
    NNPotential,
    Normalization,
    descriptor_values,
    forward_cauldron,
    gather,
    image_gradient,
    image_positions,
    learn_cauldron,
    potentials_from_ml_data,
)
from miniff.ml._core_network import core_networks
from miniff.ml_util import behler_nn
from miniff.potentials import (
    FunctionPotential,
    behler2_descriptor_family,
    behler4_descriptor_family,
    behler5_descriptor_family,
    lj_potential_family,
)

CUTOFF = 3.0


@pytest.fixture(scope="module")
def images() -> list[CellImages]:
    """A skewed cell of two species with all references, and a small one with an energy only."""
    rng = np.random.default_rng(0)
    skewed = np.eye(3) * 4 + rng.normal(size=(3, 3)) * 0.2
    labels = {"energy": 1.0, "forces": rng.normal(size=(3, 3)), "stress": rng.normal(size=6)}
    cells = [
        Cell(skewed, rng.random((3, 3)), ["A", "B", "A"], labels),
        Cell(np.eye(3) * 3.2, rng.random((2, 3)), ["B", "A"], {"energy": 2.0}),
    ]
    return [compute_images(cell, CUTOFF) for cell in cells]


def descriptors_of(centre: str) -> list[FunctionPotential]:
    radial = [
        behler2_descriptor_family(f"{centre}-{other}", a=CUTOFF, eta=eta)
        for other in "AB"
        for eta in (0.1, 0.5)
    ]
    angular = [
        family(f"{centre}-A-B", a=CUTOFF, eta=0.1, l=1, zeta=2)
        for family in (behler4_descriptor_family, behler5_descriptor_family)
    ]
    return radial + angular


@pytest.fixture(scope="module")
def dataset(images: list[CellImages]) -> Dataset:
    return learn_cauldron(images, {centre: descriptors_of(centre) for centre in "AB"})


@pytest.fixture(scope="module")
def networks() -> list[torch.nn.Sequential]:
    torch.manual_seed(0)
    return [behler_nn(6, n_internal=3) for _ in range(2)]


def test_values_have_the_slope_of_finite_differences(dataset: Dataset) -> None:
    """Descriptor values pass gradcheck in positions and cells."""
    table = dataset.derivatives.table
    environment = dataset.per_point_datasets[0].environment
    positions = torch.tensor(table.positions, requires_grad=True)
    cells = torch.tensor(table.cells, requires_grad=True)

    def values(positions: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
        return descriptor_values(image_positions(positions, cells, table), table, environment)

    assert torch.autograd.gradcheck(values, (positions, cells))


def test_predictions_have_the_slope_of_finite_differences_in_the_weights(
    dataset: Dataset, networks: list[torch.nn.Sequential]
) -> None:
    """Energy, gradient and stress pass gradcheck and gradgradcheck in every network weight."""
    normalization = Normalization.from_dataset(dataset)
    names = [[name for name, _ in network.named_parameters()] for network in networks]
    weights = [p.detach().clone().requires_grad_() for net in networks for p in net.parameters()]

    def predict(*weights: torch.Tensor) -> tuple[torch.Tensor, ...]:
        left = iter(weights)
        modules = []
        for network, own in zip(networks, names, strict=True):
            state = {name: next(left) for name in own}
            modules.append(Bound(network, state))
        p = forward_cauldron(modules, dataset, True, normalization)
        return p.energy, p.gradient, p.stress

    assert torch.autograd.gradcheck(predict, weights)
    assert torch.autograd.gradgradcheck(lambda *w: predict(*w)[1], weights)


class Bound(torch.nn.Module):
    """A network evaluated at weights that are handed in."""

    def __init__(self, network: torch.nn.Module, state: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.call = lambda x: functional_call(network, state, (x,))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.call(x)


def test_image_gradient_and_gather_are_linear_with_the_right_transposes(dataset: Dataset) -> None:
    """The vjp and the gathering to atoms pass gradcheck and gradgradcheck in what they multiply."""
    table = dataset.derivatives.table
    environment = dataset.per_point_datasets[0].environment
    torch.manual_seed(1)
    shape = (2, len(environment.centres), len(environment.functions))
    weight = torch.randn(*shape, dtype=torch.float64, requires_grad=True)
    images = torch.from_numpy(table.images)

    def by_image(weight: torch.Tensor) -> torch.Tensor:
        return image_gradient(images, table, [environment], [weight])

    assert torch.autograd.gradcheck(by_image, (weight,))
    assert torch.autograd.gradgradcheck(by_image, (weight,))
    derivatives = torch.randn(2, table.n_images, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda g: gather(g, table), (derivatives,))
    assert torch.autograd.gradgradcheck(lambda g: gather(g, table), (derivatives,))


def test_second_derivative_in_positions_is_refused(dataset: Dataset) -> None:
    """It raises with a reason; it is never silently zero."""
    table = dataset.derivatives.table
    environment = dataset.per_point_datasets[0].environment
    positions = torch.tensor(table.positions, requires_grad=True)
    cells = torch.tensor(table.cells)
    values = descriptor_values(image_positions(positions, cells, table), table, environment)
    (gradient,) = torch.autograd.grad(values.square().sum(), positions, create_graph=True)
    with pytest.raises(NotImplementedError, match="second derivatives of descriptors by positions"):
        torch.autograd.grad(gradient.square().sum(), positions)


def test_float32_positions_are_refused(as_installed: None, dataset: Dataset) -> None:
    """The core computes in double precision; nothing is converted behind the user's back."""
    table = dataset.derivatives.table
    with pytest.raises(TypeError, match=r"are torch\.float32 but must be torch\.float64"):
        descriptor_values(
            torch.zeros(table.n_images, 3), table, dataset.per_point_datasets[0].environment
        )


def test_saved_potential_predicts_what_training_saw(
    dataset: Dataset, networks: list[torch.nn.Sequential], images: list[CellImages]
) -> None:
    """kernel.eval of the potentials gives the data set's energy, gradient and stress."""
    normalization = Normalization.from_dataset(dataset)
    potentials = potentials_from_ml_data(networks, dataset, normalization)
    seen = forward_cauldron(networks, dataset, True, normalization)
    first = 0
    for s, one in enumerate(images):
        result = evaluate(potentials, one)
        last = first + one.cell.size
        np.testing.assert_allclose(result.energy, seen.energy[s].item(), rtol=1e-12)
        np.testing.assert_allclose(
            result.gradient, seen.gradient[first:last].detach(), rtol=1e-10, atol=1e-12
        )
        np.testing.assert_allclose(result.stress, seen.stress[s].detach(), rtol=1e-10, atol=1e-13)
        first = last


def test_network_gradient_and_stress_are_slopes_of_its_energy(
    dataset: Dataset, networks: list[torch.nn.Sequential], images: list[CellImages]
) -> None:
    """Moving atoms and straining the cell changes a network's energy as its derivatives say."""
    potentials = potentials_from_ml_data(networks, dataset, Normalization.from_dataset(dataset))
    cell = images[0].cell
    result = evaluate(potentials, cell)
    rng = np.random.default_rng(3)
    move, strain = rng.normal(size=(cell.size, 3)), rng.normal(size=(3, 3))

    def energy(step: float) -> float:
        vectors = cell.vectors @ (np.eye(3) + step * strain)
        positions = (cell.cartesian() + step * move) @ (np.eye(3) + step * strain)
        return evaluate(
            potentials, Cell(vectors, positions @ np.linalg.inv(vectors), cell.values)
        ).energy

    rise = (energy(1e-5) - energy(-1e-5)) / 2e-5
    expected = np.vdot(result.gradient, move) + np.vdot(result.strain_derivative, strain)
    np.testing.assert_allclose(expected, rise, rtol=1e-7)


@pytest.mark.parametrize(
    "name",
    [
        "cosine",
        "exponential",
        "gaussian",
        "gelu",
        "identity",
        "relu",
        "sigmoid",
        "silu",
        "softplus",
        "square",
        "tanh",
    ],
)
def test_networks_of_the_core_are_those_of_torch(images: list[CellImages], name: str) -> None:
    """Energies, gradients and strain derivatives agree, also where only torch knows the layers."""
    torch.manual_seed(4)
    network = torch.nn.Sequential(
        Affine(torch.rand(6) + 0.5, torch.rand(6)),
        torch.nn.Linear(6, 5),
        ACTIVATIONS[name](),
        torch.nn.Linear(5, 9, bias=False),
        ACTIVATIONS[name](),
        torch.nn.Linear(9, 1),
        Affine(torch.tensor([2.0]), torch.tensor([-100.0])),
    ).double()
    potential = NNPotential(network, descriptors_of("A"), "A")
    assert (core_networks(network) is None) == (name == "gelu")
    result = evaluate(potential, images[0], ignore_missing_species=True)
    expected = potential.local_energies(images[0].table, gradient=True)
    gradient, strain = images[0].table.gather(expected.image_gradient)
    np.testing.assert_allclose(result.energies, expected.energies, rtol=1e-13)
    np.testing.assert_allclose(result.gradient, gradient, atol=1e-12)
    np.testing.assert_allclose(result.strain_derivative, strain[0], atol=1e-11)


def test_layers_without_a_place_in_the_core_stay_with_torch() -> None:
    """A layer of one's own, or an activation of the descriptors, is evaluated by torch."""
    own = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Softmax(dim=1))
    first = torch.nn.Sequential(torch.nn.Tanh(), torch.nn.Linear(2, 1))
    for network in (own, first, torch.nn.Sequential()):
        assert core_networks(network) is None


def test_single_precision_is_nearly_double(
    images: list[CellImages], networks: list[torch.nn.Sequential]
) -> None:
    """Energies agree to 1e-6 of their spread and forces to 1e-5 of the largest."""
    potential = NNPotential(networks[0], descriptors_of("A"), "A")
    single = evaluate(potential, images[0], ignore_missing_species=True, precision="single")
    double = evaluate(potential, images[0], ignore_missing_species=True)
    assert single.energy != double.energy
    np.testing.assert_allclose(single.energies, double.energies, rtol=1e-6, atol=1e-6)
    largest = np.abs(double.gradient).max()
    np.testing.assert_allclose(single.gradient, double.gradient, atol=1e-5 * largest)
    largest = np.abs(double.strain_derivative).max()
    np.testing.assert_allclose(
        single.strain_derivative, double.strain_derivative, atol=1e-5 * largest
    )


def test_single_precision_is_for_symmetry_functions(
    as_installed: None, images: list[CellImages], networks: list[torch.nn.Sequential]
) -> None:
    """Other formulas under a network are refused, and so is another precision."""
    lj = lj_potential_family("A-B", epsilon=1, sigma=1, a=2)
    potential = NNPotential(torch.nn.Linear(1, 1), [lj], "A")
    with pytest.raises(TypeError, match="symmetry functions only: Behler types 2, 4 and 5"):
        evaluate(potential, images[0], ignore_missing_species=True, precision="single")
    with pytest.raises(ValueError, match=r"^`half` is not a known precision\."):
        evaluate(potential, images[0], ignore_missing_species=True, precision="half")
