"""Training in torch on a device gives what training with the compiled core gives."""

import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from no_host import OnHost, on_meta
from silicon import labelled
from test_kept_derivatives import make_dataset
from torch.overrides import TorchFunctionMode

from miniff.io import write_extxyz
from miniff.ml import (
    Dataset,
    Normalization,
    dataset_on,
    descriptor_values,
    forward_committee,
    image_gradient,
    image_positions,
    load_potentials,
    normalization_on,
)
from miniff.ml._dataset import feature_moments, feature_ranges
from miniff.ml._device import _networks
from miniff.ml_util import FitWorkflow, behler_nn
from miniff.ml_util._deals import Deal
from miniff.ml_util._device_loss import DeviceLoss, _Evaluation
from miniff.ml_util._fit_page import coverage_of
from miniff.ml_util._loss import LossWeights
from miniff.ml_util._objective import Objective
from miniff.ml_util._outputs import predicted_properties, reference_properties
from miniff.ml_util._place import TrainingPlace
from miniff.potentials import Precision
from miniff.potentials._devices import cpu_by_torch

WEIGHTS = LossWeights(1.0, 0.3, 5.0)


def objective(
    device: str | None = None, precision: Precision = "double", **network: Any
) -> Objective:
    """Two species and three models; on a device, or on the core."""
    dataset = make_dataset()
    normalization = Normalization.from_dataset(dataset)
    torch.manual_seed(0)
    sizes = [points.features.shape[1] for points in dataset.per_point_datasets]
    networks = [behler_nn(n, n_internal=5, **network) for n in sizes]
    if device is not None:
        place, dtype = torch.device(device), torch.float64
        dtype = torch.float32 if precision == "single" else dtype
        dataset = dataset_on(dataset, place, dtype)
        normalization = normalization_on(normalization, place)
        networks = [network.to(place) for network in networks]
    return Objective(networks, [dataset], normalization, WEIGHTS, 0.4, precision)


def points(of: Objective) -> list[np.ndarray]:
    n = sum(p.numel() for network in of.networks for p in network.parameters()) + 1
    return list(np.random.default_rng(0).normal(scale=0.3, size=(3, n)))


def evaluation(of: Objective, n_models: int) -> _Evaluation:
    """What runs for all parts of an objective on a device."""
    loss = DeviceLoss(of.networks, of.normalization, of.pressure_unit, of.precision)
    parts = [loss._part(part, True) for part in of.parts]
    return _Evaluation(parts, n_models, loss._recorder)


def assert_same_loss(found: Objective, wanted: Objective, rtol: float) -> None:
    """Loss and gradient of three models."""
    at = points(wanted)
    for (loss, gradient), (wanted_loss, wanted_gradient) in zip(
        found.evaluate(at), wanted.evaluate(at), strict=True
    ):
        assert loss == pytest.approx(wanted_loss, rel=rtol)
        largest = np.abs(wanted_gradient).max()
        np.testing.assert_allclose(gradient, wanted_gradient, atol=rtol * largest)


@pytest.mark.parametrize(
    "network", [{}, {"activation": "sigmoid"}, {"activation": "silu"}, {"bias": False}], ids=str
)
def test_loss_and_gradient_are_those_of_the_core(network: dict[str, Any], device: str) -> None:
    """Energies, forces, stress and pressure, of networks that go together and of others."""
    assert_same_loss(objective(device, **network), objective(**network), 1e-11)


def test_networks_of_single_precision_are_near(device: str) -> None:
    """Products and layers in single precision; numbers and sums in double."""
    found = objective(device, "single")
    assert_same_loss(found, objective(), 2e-5)
    with pytest.raises(AssertionError):
        assert_same_loss(found, objective(), 1e-9)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_kept_derivatives_give_the_same_loss(share: float, device: str) -> None:
    """Kept in single precision; where some do not fit they are computed."""
    found = objective(device)
    (part,) = found.parts
    needed = part.keep_derivatives(1e9)
    assert part.keep_derivatives(share * needed) == needed
    own = [points.on_device for points in part.per_point_datasets]
    n_kept = sum(len(e.kept.rows) for e in own if e.kept is not None)
    assert (n_kept == sum(len(e.rows) for e in own)) == (share == 1)
    assert_same_loss(found, objective(), 1e-6)
    part.keep_derivatives(0)
    assert_same_loss(found, objective(), 1e-11)


def test_predictions_of_a_mixed_committee_are_those_of_its_members(device: str) -> None:
    """Members of different forms are differentiated one by one."""
    dataset = dataset_on(make_dataset(), torch.device(device), torch.float64)
    sizes = [points.features.shape[1] for points in dataset.per_point_datasets]
    members = [[behler_nn(n, n_internal=k).to(device) for n in sizes] for k in (3, 4)]
    together = forward_committee(members, dataset, True)
    for member, prediction in zip(members, together, strict=True):
        (alone,) = forward_committee([member], dataset, True)
        for name in ("energy", "gradient", "stress"):
            torch.testing.assert_close(
                getattr(prediction, name),
                getattr(alone, name),
                rtol=1e-12,
                atol=1e-12,
                equal_nan=True,
            )


def test_slopes_of_networks_have_those_of_torch() -> None:
    """What is written down for plain networks is what automatic differentiation gives, twice."""
    networks = [behler_nn(4, n_internal=3, n_layers=n) for n in (2, 3, 4)]
    x = torch.randn(5, 4, dtype=torch.float64)
    for network in networks:
        plain = _networks.outputs_and_slopes([network], x)
        other = _networks._by_torch(network, x, dict(network.named_parameters()))
        for found, wanted in zip(plain, other, strict=True):
            torch.testing.assert_close(found[0], wanted)
        by_weights = [
            torch.autograd.grad(
                own[0].square().sum() + own[1].sin().sum(), list(network.parameters())
            )
            for own in (plain, other)
        ]
        torch.testing.assert_close(*by_weights)


def test_products_with_derivatives_are_differentiable_by_positions(device: str) -> None:
    """The second derivative, which the core lacks, is that of finite differences."""
    dataset = dataset_on(make_dataset(), torch.device(device), torch.float64)
    environments = [own.on_device for own in dataset.per_point_datasets]
    images = dataset.derivatives.images
    rng = np.random.default_rng(0)
    weights = [
        torch.from_numpy(rng.normal(size=(2, *own.features.shape))).to(device)
        for own in dataset.per_point_datasets
    ]
    along, move = (torch.from_numpy(rng.normal(size=(k, *images.shape))).to(device) for k in (2, 1))

    def product(at: torch.Tensor) -> torch.Tensor:
        return (along * image_gradient(at, dataset.derivatives.place, environments, weights)).sum()

    at = images.clone().requires_grad_()
    (slope,) = torch.autograd.grad(product(at), at)
    step = 1e-5
    rise = product(images + step * move[0]) - product(images - step * move[0])
    assert float((slope * move[0]).sum()) == pytest.approx(float(rise) / (2 * step), rel=1e-6)


def test_values_are_those_of_the_core_behind_one_interface(device: str) -> None:
    """From positions and cells to descriptors, and back to derivatives by both."""
    here, there = make_dataset(), dataset_on(make_dataset(), torch.device(device), torch.float64)
    found = []
    for dataset in (here, there):
        table, own = here.derivatives.table, dataset.per_point_datasets[0]
        places = [
            torch.from_numpy(array).to(own.features.device).requires_grad_()
            for array in (table.positions, table.cells)
        ]
        images = image_positions(*places, dataset.derivatives.place)
        environment = own.on_device or own.environment
        values = descriptor_values(images, dataset.derivatives.place, environment)
        torch.testing.assert_close(values, own.features, rtol=1e-12, atol=1e-12)
        slopes = torch.autograd.grad(values.square().sum(), places)
        found.append([tensor.detach().cpu() for tensor in (values, *slopes)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("kept", "network", "precision"),
    [(0.0, {}, "double"), (0.0, {"activation": "silu"}, "single"), (1e9, {}, "single")],
    ids=["computed", "other networks", "kept"],
)
def test_the_loop_never_waits_for_the_device(
    kept: float, network: dict[str, Any], precision: Precision
) -> None:
    """Loss and gradient are made without a number, so that none can come to the host or from it."""
    found = objective("cpu", precision, **network)
    found.parts[0].keep_derivatives(kept)
    at = points(found)
    there = on_meta(evaluation(found, len(at)))
    given = torch.zeros(len(at) * len(at[0]) + 3, dtype=torch.float64, device="meta")
    with OnHost() as host:
        result = there.step(given)
    assert not host.found
    assert host.n_operations > 100
    assert result.shape == (3 * (1 + len(at[0])),)
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        result.cpu()
    assert there.parts[0].scale.is_meta


# --- the workflow


@pytest.fixture
def files(folder: Path) -> Path:
    """Silicon to learn from."""
    write_extxyz("train.xyz", labelled(10, 0))
    return folder


DESCRIPTORS = {
    "Si": [
        *({"family": "behler2", "tag": "Si-Si", "eta": eta, "a": 4.0} for eta in (0.1, 0.5)),
        {"family": "behler4", "tag": "Si-Si-Si", "eta": 0.1, "l": -1, "zeta": 2, "a": 4.0},
        {"family": "behler5", "tag": "Si-Si-Si", "eta": 0.1, "l": 1, "zeta": 4, "a": 4.0},
    ]
}


def fit(device: str, dtype: str = "float64", **run: Any) -> dict[str, Any]:
    """What a short fit leaves in its report."""
    workflow = FitWorkflow(device=device, dtype=dtype, log="debug")
    prepared = workflow.prepare(
        fn_cells="train.xyz", validation_set=0.2, n_models=2, descriptors=DESCRIPTORS
    )
    run = {"n_epochs": 2, "w_forces": 0.1, "w_stress": 1.0} | run
    if "optimizer" not in run:
        run["optimizer_kwargs"] = {"max_iter": 6}
    prepared.run(**run)
    return json.loads(Path("fit.json").read_text())


def losses(report: dict[str, Any]) -> list[float]:
    return [record["loss"] for record in report["records"]]


@pytest.mark.parametrize(
    "how", [{}, {"optimizer": "adam", "batch_size": 2}, {"w_forces": 0.0, "w_stress": 0.0}], ids=str
)
def test_a_fit_learns_the_same(how: dict[str, Any], files: Path, device: str) -> None:
    """Losses epoch by epoch, errors, and potentials that the core evaluates."""
    found = fit(device, save="there.pt", **how)
    told = (files / "fit.log").read_text()
    assert "networks are trained on" in told
    assert "derivatives of descriptors that are kept on the device: " in told
    with cpu_by_torch(False):
        wanted = fit("cpu", save="here.pt", **how)
        assert "networks are trained on" not in (files / "fit.log").read_text()
        there, here = load_potentials("there.pt"), load_potentials("here.pt")
    # Rounding grows with the steps of an optimiser.
    np.testing.assert_allclose(losses(found), losses(wanted), rtol=1e-4)
    for one, other in zip(there, here, strict=True):
        assert one.descriptors == other.descriptors
        np.testing.assert_array_equal(one.ranges, other.ranges)


def test_a_fit_goes_on_from_its_checkpoint(files: Path, device: str) -> None:
    """Interrupted after an epoch it has the numbers of one that was not."""
    whole = fit(device, n_epochs=3)
    from miniff.ml_util import _trainer

    epoch = _trainer.Trainer._epoch

    def breaks(self: _trainer.Trainer, *args: Any) -> None:
        if len(self.records) == 1:
            raise KeyboardInterrupt
        epoch(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_trainer.Trainer, "_epoch", breaks)
        with pytest.raises(KeyboardInterrupt):
            fit(device, n_epochs=3)
    again = fit(device, n_epochs=3)
    np.testing.assert_allclose(losses(again), losses(whole), rtol=1e-6)
    assert "going on after epoch 1" in (files / "fit.log").read_text()


@pytest.mark.parametrize("optimizer", ["levenberg", "kalman"])
def test_optimisers_of_the_core_are_refused_elsewhere(optimizer: str, files: Path) -> None:
    """Where a device is named; with auto they run on the CPU."""
    workflow = FitWorkflow(device="cpu")
    prepared = workflow.prepare(fn_cells="train.xyz", n_models=1, descriptors=DESCRIPTORS)
    match = f"`device` is cuda but {optimizer} runs on the CPU only: choose cpu, or lbfgs, adam"
    with pytest.raises(ValueError, match=match):
        replace(prepared, device="cuda").run(optimizer=optimizer)  # type: ignore[arg-type]
    with cpu_by_torch():
        place = TrainingPlace.of("auto", optimizer, "float64", [])
    assert place.by_core


def test_too_little_memory_says_what_to_change(
    files: Path, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys of the job that take less."""

    def short(*_: object) -> Sequence[Dataset]:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(DeviceLoss, "evaluate", short)
    with pytest.raises(MemoryError, match="has too little memory for the training set: set `dtype"):
        fit(device)


class Fetched(TorchFunctionMode):
    """Only what was fetched by ``cpu`` becomes an array, as a graphics processor demands."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[torch.Tensor] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.Tensor.numpy:
            assert any(args[0] is one for one in self.found), "it was not fetched"
        result = func(*args, **(kwargs or {}))
        if func is torch.Tensor.cpu:
            self.found.append(result)
        return result


def test_numbers_of_a_device_are_fetched_before_they_are_arrays(device: str) -> None:
    """By all that looks at a data set, networks or predictions there."""
    own = objective(device)
    (part,) = own.parts
    with Fetched() as host:
        assert Deal.whole(part).sizes.sum() == len(part.derivatives.table.species)
        ranges = feature_ranges([part])
        feature_moments([part], ranges)
        coverage_of({"train": [part]}, ranges, [])
        point = own.start(own.networks)
        (found,) = own.predict([point], part, grad=True)
        predicted_properties(Deal.whole(part).sizes, found)
        reference_properties(part)
        own.evaluate([point])
    assert len(host.found) > 10


def test_everything_of_a_data_set_is_on_the_device(device: str) -> None:
    """No tensor stays behind."""
    there = dataset_on(make_dataset(), torch.device(device), torch.float32)
    there.keep_derivatives(1e9)
    found: list[torch.Tensor] = []

    def collect(thing: Any) -> None:
        if isinstance(thing, torch.Tensor):
            found.append(thing)
        elif isinstance(thing, list | tuple):
            for one in thing:
                collect(one)
        elif is_dataclass(thing):
            for one in fields(thing):
                collect(getattr(thing, one.name))
        elif hasattr(thing, "__dict__"):
            collect(list(vars(thing).values()))

    collect(there.per_cell_dataset)
    collect([(p.features, p.weight, p.structure, p.on_device) for p in there.per_point_datasets])
    collect([there.derivatives.on_device, there.derivatives.volume])
    assert len(found) > 30
    assert {tensor.device.type for tensor in found} == {device}
