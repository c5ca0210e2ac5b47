"""Derivatives kept in memory give what computing them gives."""

import numpy as np
import pytest
import torch

from miniff import _core
from miniff._memory import _available_on_linux, _free_in_group, free_memory
from miniff.kernel import Cell, compute_images
from miniff.ml import (
    Dataset,
    Environment,
    forward_cauldron,
    image_gradient,
    learn_cauldron,
)
from miniff.ml._kept import KeptDerivatives
from miniff.ml_util import behler_nn, simple_energy_closure
from miniff.potentials import (
    behler2_descriptor_family,
    behler4_descriptor_family,
    behler5_descriptor_family,
)

CUTOFF = 3.4
SINGLE = 2e-7  # a little more than half a unit in the last place


def make_dataset() -> Dataset:
    """Two species; a skewed cell with all references, a dense one, and two atoms alone."""
    rng = np.random.default_rng(2)
    skewed = np.eye(3) * 4 + rng.normal(size=(3, 3)) * 0.3
    labels = {"energy": 1.0, "forces": rng.normal(size=(5, 3)), "stress": rng.normal(size=6)}
    cells = [
        Cell(skewed, rng.random((5, 3)), list("ABABA"), labels),
        Cell(np.eye(3) * 4.5, rng.random((11, 3)), list("BABBABABBAA"), {"energy": 2.0}),
        Cell(np.eye(3) * 30, [[0, 0, 0], [0, 0, 0.5]], list("BA"), {"energy": 3.0}, pbc=False),
    ]
    descriptors = {
        centre: [
            *(
                behler2_descriptor_family(f"{centre}-{other}", a=CUTOFF, eta=eta)
                for other in "AB"
                for eta in (0.1, 0.5)
            ),
            *(
                family(f"{centre}-{pair}", a=CUTOFF, eta=0.1, l=sign, zeta=zeta)
                for family in (behler4_descriptor_family, behler5_descriptor_family)
                for pair in ("A-B", "B-B")
                for sign, zeta in ((1.0, 1.0), (-1.0, 4.0))
            ),
        ]
        for centre in "AB"
    }
    return learn_cauldron([compute_images(cell, CUTOFF) for cell in cells], descriptors)


@pytest.fixture
def dataset() -> Dataset:
    return make_dataset()


def size_of(dataset: Dataset) -> int:
    """Bytes that all derivatives take."""
    return dataset.keep_derivatives(0)


def products(
    environment: Environment, dataset: Dataset, kept: bool, dtype: type = np.float64
) -> tuple[np.ndarray, np.ndarray]:
    """vjp and jvp of five models with fixed random vectors."""
    assert dataset.derivatives is not None
    table = dataset.derivatives.table
    assert (environment.kept is not None) == kept
    rng = np.random.default_rng(5)
    shape = (5, len(environment.centres), len(environment.functions))
    weight = rng.normal(size=shape).astype(dtype)
    by_image = np.zeros((5, table.n_images, 3))
    environment.add_vjp(table, table.images, weight, by_image)
    direction = rng.normal(size=by_image.shape)
    changes = environment.jvp(table, table.images, direction, dtype)
    rtol = 1e-10 if dtype is np.float64 else 1e-4
    for k in range(5):
        one = np.zeros((1, table.n_images, 3))
        environment.add_vjp(table, table.images, weight[k : k + 1], one)
        np.testing.assert_array_equal(by_image[k : k + 1], one)  # the same bits as alone
        own = environment.jvp(table, table.images, direction[k : k + 1], dtype)
        np.testing.assert_array_equal(changes[k : k + 1], own)
        np.testing.assert_allclose(np.vdot(one, direction[k]), np.vdot(weight[k], own), rtol=rtol)
    assert changes.dtype == dtype
    return by_image, changes


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_products_are_those_of_derivatives_computed_anew(
    dataset: Dataset, share: float, dtype: type
) -> None:
    """Whether all fit or some, to single precision; and the two products are transposes."""
    plain = [products(p.environment, dataset, False) for p in dataset.per_point_datasets]
    dataset.keep_derivatives(share * size_of(dataset))
    first = dataset.per_point_datasets[0].environment
    assert first.kept.n_rows > 0
    for points, (by_image, changes) in zip(dataset.per_point_datasets, plain, strict=True):
        if points.environment.kept is None:
            continue
        found = products(points.environment, dataset, True, dtype)
        np.testing.assert_allclose(found[0], by_image, atol=SINGLE * 10 * np.abs(by_image).max())
        np.testing.assert_allclose(found[1], changes, atol=SINGLE * 10 * np.abs(changes).max())


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 1.0])
def test_never_more_memory_than_allowed(dataset: Dataset, share: float) -> None:
    """What is kept fits into the limit, in whole atoms; the limit may be that of one species."""
    needed = size_of(dataset)
    assert dataset.keep_derivatives(share * needed) == needed
    table = dataset.derivatives.table
    kept = 0
    for points in dataset.per_point_datasets:
        e = points.environment
        if e.kept is not None:
            kept += KeptDerivatives.bytes_needed(e.functions, table, e.centres[: e.kept.n_rows])
    assert kept <= share * needed
    if share == 1:
        assert kept == needed


def test_predictions_and_loss_agree(dataset: Dataset) -> None:
    """Energy, forces, stress and the gradient of the loss, to single precision."""
    torch.manual_seed(0)
    networks = [behler_nn(p.features.shape[1], 5).double() for p in dataset.per_point_datasets]
    closure = simple_energy_closure(networks, dataset, w_forces=0.3, w_stress=0.2)

    def evaluate() -> list[torch.Tensor]:
        prediction = forward_cauldron(networks, dataset, grad=True)
        loss = closure.loss().loss_value
        slopes = torch.autograd.grad(loss, closure.parameters)
        found = [prediction.energy, prediction.gradient, prediction.stress[:2], loss, *slopes]
        return [tensor.detach() for tensor in found]

    expected = evaluate()
    dataset.keep_derivatives(1e9)
    for found, wanted in zip(evaluate(), expected, strict=True):
        scale = float(wanted.abs().max())
        torch.testing.assert_close(found, wanted, rtol=0, atol=20 * SINGLE * scale)


def test_gradient_of_the_loss_is_its_slope(dataset: Dataset) -> None:
    """To far more digits than are kept: the loss is one smooth function, with its own gradient."""
    dataset.keep_derivatives(1e9)
    torch.manual_seed(1)
    networks = [behler_nn(p.features.shape[1], 4).double() for p in dataset.per_point_datasets]
    closure = simple_energy_closure(networks, dataset, w_forces=1.0, w_stress=1.0)
    parameters = closure.parameters
    slopes = torch.autograd.grad(closure.loss().loss_value, parameters)
    along = [torch.randn_like(p) for p in parameters]
    step = 1e-5

    def loss_at(move: float) -> float:
        with torch.no_grad():
            for parameter, a in zip(parameters, along, strict=True):
                parameter.add_(move * a)
        return float(closure.loss().loss_value.detach())

    ahead, behind = loss_at(step), loss_at(-2 * step)
    expected = sum(float((s * a).sum()) for s, a in zip(slopes, along, strict=True))
    np.testing.assert_allclose((ahead - behind) / (2 * step), expected, rtol=1e-8)


def test_moved_images_are_not_served(dataset: Dataset) -> None:
    """Derivatives belong to places: elsewhere they are computed."""
    dataset.keep_derivatives(1e9)
    table = dataset.derivatives.table
    environment = dataset.per_point_datasets[0].environment
    shape = (1, len(environment.centres), len(environment.functions))
    weight = torch.ones(shape, dtype=torch.float64)
    moved = torch.from_numpy(table.images * 1.01)
    found = image_gradient(moved, table, [environment], [weight])
    expected = np.zeros((table.n_images, 3))
    own = weight[0].numpy()
    environment.functions.vjp(table, environment.centres, own, expected, moved.numpy())
    np.testing.assert_array_equal(found[0].numpy(), expected)


def test_threads_do_not_change_a_bit(dataset: Dataset) -> None:
    """Sums over images are made in the order of the atoms."""
    dataset.keep_derivatives(1e9)
    threads = _core.num_threads()
    try:
        results = []
        for n in (1, 3):
            _core.set_num_threads(n)
            results.append(
                [
                    products(p.environment, dataset, True, dtype)
                    for p in dataset.per_point_datasets
                    for dtype in (np.float64, np.float32)
                ]
            )
    finally:
        _core.set_num_threads(threads)
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_arrays_of_wrong_shapes_are_refused(dataset: Dataset) -> None:
    """Before anything is read or written."""
    table = dataset.derivatives.table
    environment = dataset.per_point_datasets[0].environment
    n_functions = len(environment.functions)
    compiled = environment.functions.compiled(table.names)
    jacobian = _core.Jacobian(compiled, table.core, table.images, environment.centres)
    n_rows, n_images = jacobian.n_rows, table.n_images
    with pytest.raises(ValueError, match=r"rows must be \[n_models, n_centres, n_functions\]"):
        jacobian.vjp(np.zeros((1, n_rows + 1, n_functions)), np.zeros((1, n_images, 3)))
    with pytest.raises(ValueError, match=r"images must be \[n_models, n_images, 3\]"):
        jacobian.vjp(np.zeros((1, n_rows, n_functions)), np.zeros((1, n_images - 1, 3)))
    with pytest.raises(ValueError, match=r"images must be \[n_models, n_images, 3\]"):
        jacobian.jvp(np.zeros((1, n_images + 1, 3)), np.zeros((1, n_rows, n_functions)))
    with pytest.raises(ValueError, match=r"rows and images must be of as many models"):
        jacobian.jvp(np.zeros((2, n_images, 3)), np.zeros((1, n_rows, n_functions)))
    with pytest.raises(ValueError, match=r"`centres` must be indices of atoms in rising order"):
        _core.Jacobian(compiled, table.core, table.images, environment.centres[::-1].copy())


def test_data_without_functions_keep_nothing() -> None:
    """The toy data of the first tutorial have no derivatives to keep."""
    dataset = make_dataset()
    toy = Dataset(dataset.per_cell_dataset, *dataset.per_point_datasets)
    assert toy.keep_derivatives(1e9) == 0


def test_free_memory_is_what_the_machine_and_its_container_tell(tmp_path) -> None:
    """The smaller of what the kernel calls available and what a container has left."""
    assert free_memory() > 0
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 100 kB\nMemAvailable:      64 kB\n")
    assert _available_on_linux(meminfo) == 64 * 1024
    assert _available_on_linux(tmp_path / "absent") is None
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("1500\n")
    assert _free_in_group(tmp_path) == 3500
    (tmp_path / "memory.max").write_text("max\n")
    assert _free_in_group(tmp_path) is None
