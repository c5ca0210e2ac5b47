"""Data sets, normalisation, networks and their files."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from miniff.kernel import Cell, compute_images
from miniff.ml import (
    ACTIVATIONS,
    Affine,
    Dataset,
    NNPotential,
    Normalization,
    PerCellDataset,
    PerPointDataset,
    forward_cauldron,
    learn_cauldron,
    load_potentials,
    save_potentials,
)
from miniff.ml_util import behler_nn
from miniff.potentials import behler2_descriptor_family, lj_potential_family


def padded(seed: int = 0) -> tuple[Dataset, torch.Tensor, torch.Tensor]:
    """Three structures of 1, 3 and 2 points in padded arrays, and those arrays."""
    rng = torch.Generator().manual_seed(seed)
    features = torch.randn(3, 3, 4, generator=rng, dtype=torch.float64)
    mask = torch.tensor([[1, 0, 0], [1, 1, 1], [1, 1, 0]], dtype=torch.float64)
    energy = torch.randn(3, 1, generator=rng, dtype=torch.float64)
    return Dataset(PerCellDataset(energy=energy), PerPointDataset(features, mask)), features, mask


def test_padding_takes_no_part() -> None:
    """Energies from padded arrays are the sums over the points that are there."""
    dataset, features, mask = padded()
    network = behler_nn(4, n_internal=3)
    energy = forward_cauldron([network], dataset).energy
    with torch.no_grad():
        expected = (network(features)[..., 0] * mask).sum(1, keepdim=True)
    torch.testing.assert_close(energy.detach(), expected)
    assert dataset.n_atoms()[:, 0].tolist() == [1, 3, 2]


def test_mask_weights_points() -> None:
    """A point of weight 2 counts twice."""
    features = torch.ones(1, 2, 1)
    dataset = Dataset(
        PerCellDataset(torch.zeros(1, 1)), PerPointDataset(features, torch.tensor([[2.0, 1.0]]))
    )
    linear = nn.Linear(1, 1, bias=False)
    energy = forward_cauldron([linear], dataset).energy
    assert energy.item() == pytest.approx(3 * linear.weight.item())


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: PerCellDataset(energy=torch.zeros(3)),
            "`energy` has shape (3,) but must be (n_structures, 1)",
        ),
        (
            lambda: PerCellDataset(torch.zeros(3, 1), energy_g=torch.zeros(3, 2, 3)),
            "`mask` is missing but `energy_g` needs it",
        ),
        (
            lambda: PerCellDataset(torch.zeros(3, 1), torch.ones(3, 2), torch.zeros(3, 1, 3)),
            "`energy_g` has shape (3, 1, 3) but must be (3, 2, 3)",
        ),
        (
            lambda: PerPointDataset(torch.zeros(3, 4)),
            "`features` has shape (3, 4) but must be (n_structures, most_points, n_features)",
        ),
        (
            lambda: PerPointDataset(torch.zeros(3, 4, 2), torch.ones(3, 3)),
            "`mask` has shape (3, 3) but must be (3, 4)",
        ),
        (
            lambda: Dataset(
                PerCellDataset(torch.zeros(3, 1)), PerPointDataset(torch.zeros(2, 1, 1))
            ),
            "`per_points[0]` has 2 structures but `per_cell` has 3",
        ),
        (
            lambda: Dataset(
                PerCellDataset(torch.zeros(2, 1)),
                PerPointDataset(torch.zeros(2, 1, 1, dtype=torch.float64)),
            ),
            "`per_points[0]` is torch.float64 but `per_cell` is torch.float32",
        ),
        (
            lambda: forward_cauldron([], padded()[0]),
            "0 networks are given but there are 1 species",
        ),
        (
            lambda: forward_cauldron([behler_nn(4)], padded()[0], True),
            "the data set has only the values of its features, no derivatives",
        ),
    ],
)
def test_refusals(as_installed: None, make: object, sentence: str) -> None:
    """Wrong shapes and pieces that do not fit are refused in words."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        make()


def silicon(n: int, seed: int = 0) -> Cell:
    rng = np.random.default_rng(seed)
    return Cell(np.eye(3) * 5.0, rng.random((n, 3)), ["Si"] * n, {"energy": -5.0 * n + 0.1 * seed})


def test_normalization_sees_what_the_formula_says() -> None:
    """Offsets are least squares on the composition; features get mean 0 and spread 1."""
    cells = [silicon(n, seed) for n, seed in ((2, 1), (3, 7), (5, 2))]
    images = [compute_images(cell, 4.0) for cell in cells]
    descriptors = {"Si": [behler2_descriptor_family("Si-Si", a=4.0, eta=e) for e in (0.1, 1.0)]}
    dataset = learn_cauldron(images, descriptors)
    normal = Normalization.from_dataset(dataset)
    energy, n = np.array([c.meta["energy"] for c in cells]), np.array([2.0, 3.0, 5.0])
    offset = n @ energy / (n @ n)
    np.testing.assert_allclose(normal.energy_offsets, [offset], rtol=1e-12)
    np.testing.assert_allclose(normal.energy_scale, np.std(energy / n - offset), rtol=1e-9)
    seen = normal.features(0, dataset.per_point_datasets[0].features)
    np.testing.assert_allclose(seen.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(seen.std(0, correction=0), 1, rtol=1e-12)


def test_constant_feature_is_zero_not_nan() -> None:
    """A feature that is the same for all atoms is seen as 0."""
    dataset = Dataset(
        PerCellDataset(torch.zeros(2, 1)), PerPointDataset(torch.full((2, 1, 1), 3.0))
    )
    normal = Normalization.from_dataset(dataset)
    assert normal.features(0, torch.full((2, 1), 3.0)).tolist() == [[0.0], [0.0]]


def test_missing_references_are_nan() -> None:
    """Structures may lack energy, forces or stress; what is there is kept with its sign."""
    forces = np.arange(6.0).reshape(2, 3)
    with_forces = Cell(np.eye(3) * 5, [[0, 0, 0], [0.3, 0, 0]], ["Si"] * 2, {"forces": forces})
    images = [compute_images(cell, 4.0) for cell in (with_forces, silicon(2))]
    data = learn_cauldron(images, {"Si": [behler2_descriptor_family("Si-Si", a=4.0, eta=1.0)]})
    reference = data.per_cell_dataset
    assert torch.isnan(reference.energy[:, 0]).tolist() == [True, False]
    np.testing.assert_array_equal(reference.gradient[:2], -forces)
    assert torch.isnan(reference.gradient[2:]).all()
    assert torch.isnan(reference.stress).all()


def test_species_without_descriptors_are_refused() -> None:
    """Atoms that nothing describes would be left out of the energy."""
    images = [compute_images(silicon(2), 4.0)]
    with pytest.raises(ValueError, match="there are atoms of Si but descriptors only for C"):
        learn_cauldron(images, {"C": [behler2_descriptor_family("C-C", a=4.0, eta=1.0)]})


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_networks_survive_saving(folder: Path, activation: str) -> None:
    """Every activation comes back as itself, with the same energies to the bit."""
    network = behler_nn(2, n_internal=3, activation=activation)
    descriptors = [behler2_descriptor_family("Si-Si", a=4.0, eta=e) for e in (0.1, 1.0)]
    ranges = np.array([[0.0, 0.0], [1.0, 2.0]])
    before = NNPotential(network, descriptors, "Si", ranges=ranges)
    formula = lj_potential_family("Si-Si", epsilon=1.0, sigma=2.0, a=2.0)
    save_potentials("p.pt", [before, formula])
    after, again = load_potentials("p.pt")
    images = compute_images(silicon(4), 4.0)
    np.testing.assert_array_equal(images.eval(before), images.eval(after))
    np.testing.assert_array_equal(images.eval(formula), images.eval(again))
    np.testing.assert_array_equal(after.ranges, ranges)
    assert after.descriptors == before.descriptors


def test_unknown_layers_cannot_be_saved() -> None:
    """What could not be read back exactly is refused when it is written."""
    descriptor = behler2_descriptor_family("Si-Si", a=4.0, eta=0.1)
    potential = NNPotential(nn.Sequential(nn.Dropout()), [descriptor], "Si")
    with pytest.raises(ValueError, match="cannot be saved"):
        potential.state_dict()


def test_affine_is_scale_and_shift() -> None:
    """Affine multiplies, then adds, and keeps both in its state."""
    layer = Affine(torch.tensor([2.0]), torch.tensor([1.0]))
    assert layer(torch.tensor([[3.0]])).item() == 7.0
    assert set(layer.state_dict()) == {"scale", "shift"}


def test_outside_training_names_the_atoms() -> None:
    """Atoms with a descriptor beyond the range of training are told."""
    descriptor = behler2_descriptor_family("Si-Si", a=4.0, eta=0.0)
    images = compute_images(silicon(4), 4.0)
    values = images.eval(descriptor)
    ranges = np.array([[values.min()], [np.sort(values)[-2]]])
    potential = NNPotential(behler_nn(1), [descriptor], "Si", ranges=ranges)
    np.testing.assert_array_equal(potential.outside_training(images.table), values == values.max())


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"format": "else"}, "is not a potential file of miniff"),
        (
            {"format": "miniff potentials", "version": 99, "potentials": []},
            "has format version 99 but this miniff reads those up to 2",
        ),
        (
            {"format": "miniff potentials", "version": 1, "potentials": [{"tag": "x"}]},
            "a potential's data have the keys tag, parameters, ptag, but here are ['tag']",
        ),
        (
            {
                "format": "miniff potentials",
                "version": 1,
                "potentials": [{"tag": "Lenard-Jones", "parameters": {}, "ptag": None}],
            },
            "did you mean `Lennard-Jones`?",
        ),
        ({"format": "miniff potentials", "version": 1}, "p.pt holds no list of potentials"),
        (
            {
                "format": "miniff potentials",
                "version": 1,
                "potentials": [
                    {"tag": "ml potential", "ptag": "Si", "descriptors": [], "network": {}}
                    | {"ranges": None}
                ],
            },
            "potential 0 (counted from 0): `descriptors` and `network` must be lists",
        ),
    ],
)
def test_wrong_potential_files_are_refused(
    folder: Path, content: dict[str, object], sentence: str
) -> None:
    """Files of others, of newer versions, and damaged ones are told apart."""
    torch.save(content, "p.pt")
    with pytest.raises(ValueError, match=re.escape(sentence)):
        load_potentials("p.pt")


def test_truncated_potential_file_is_refused(folder: Path) -> None:
    """Half a file is no file."""
    save_potentials("p.pt", [lj_potential_family(epsilon=1.0, sigma=1.0, a=2.0)])
    whole = Path("p.pt").read_bytes()
    Path("p.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"p\.pt is not a potential file, or it is damaged"):
        load_potentials("p.pt")


def test_unwritable_network_leaves_the_old_file(folder: Path) -> None:
    """A refusal in the middle of saving loses nothing."""
    save_potentials("p.pt", [lj_potential_family(epsilon=1.0, sigma=1.0, a=2.0)])
    before = Path("p.pt").read_bytes()
    descriptor = behler2_descriptor_family("Si-Si", a=4.0, eta=0.1)
    unknown = NNPotential(nn.Dropout(), [descriptor], "Si")
    with pytest.raises(ValueError, match="cannot be saved"):
        save_potentials("p.pt", [unknown])
    assert Path("p.pt").read_bytes() == before


class Residual(nn.Sequential):
    """A network whose parts alone do not tell what it does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + x.sum(1, keepdim=True)


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (behler_nn(3), "the network does not take 1 descriptors"),
        (nn.Linear(1, 3), "the network gives shape (1, 3) for one atom but must give (1, 1)"),
    ],
)
def test_networks_of_the_wrong_width_are_refused(network: nn.Module, sentence: str) -> None:
    """When the potential is made, not when it is first evaluated."""
    descriptor = behler2_descriptor_family("Si-Si", a=4.0, eta=0.1)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        NNPotential(network, [descriptor], "Si")


def test_networks_with_a_forward_of_their_own_cannot_be_saved() -> None:
    """They would come back as another network; the caller's network is left as it is."""
    descriptor = behler2_descriptor_family("Si-Si", a=4.0, eta=0.1)
    network = Residual(nn.Linear(1, 1))
    potential = NNPotential(network, [descriptor], "Si")
    assert network[0].weight.dtype == torch.float32
    with pytest.raises(ValueError, match="cannot be saved"):
        potential.state_dict()


def test_descriptors_of_another_species_are_refused() -> None:
    """Their values would be those of other atoms."""
    images = [compute_images(silicon(2), 4.0)]
    with pytest.raises(ValueError, match="is not a descriptor of Si"):
        learn_cauldron(images, {"Si": [behler2_descriptor_family("Ge-Si", a=4.0, eta=1.0)]})
