"""Evaluations of training are recorded and replayed where nothing but the parameters changes.

Without a graphics processor ``pretended_graphs`` stands for one.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pretended_graphs import PretendedCuda
from test_device_training import objective

from miniff.ml._device._replay import WARM_UP, Recorder
from miniff.ml_util import _device_loss
from miniff.ml_util._objective import Objective

N_MODELS = 3


def recorded(cuda: PretendedCuda, kept: float = 1e9, **network: Any) -> Objective:
    """An objective whose evaluations are recorded, as far as it knows; derivatives in double."""
    found = objective("cpu", **network)
    found.parts[0].keep_derivatives(kept, exact=True)
    assert found._on_device is not None
    found._on_device._recorder = Recorder(torch.device("cpu"), cuda)
    return found


def numbers(of: Objective, seed: int, n_models: int = N_MODELS) -> list[np.ndarray]:
    n = sum(p.numel() for network in of.networks for p in network.parameters()) + 1
    return list(np.random.default_rng(seed).normal(scale=0.3, size=(n_models, n)))


def assert_same(found: Objective, wanted: Objective, seed: int, n_models: int = N_MODELS) -> None:
    """Loss and gradient of the models."""
    at = numbers(wanted, seed, n_models)
    values = found.evaluate(at), wanted.evaluate(at)
    for (loss, gradient), (wanted_loss, wanted_gradient) in zip(*values, strict=True):
        assert loss == pytest.approx(wanted_loss, rel=1e-11)
        largest = np.abs(wanted_gradient).max()
        np.testing.assert_allclose(gradient, wanted_gradient, atol=1e-11 * largest)


ALONE = ["side waits for main", "on side", "main waits for side"]
RECORD = ["on main", "record on side"]


@pytest.mark.parametrize("network", [{}, {"activation": "silu"}], ids=str)
def test_an_evaluation_is_recorded_and_replayed(network: dict[str, Any]) -> None:
    """Loss and gradient are the core's before, in and after it; the first one may be the only."""
    cuda, core = PretendedCuda(), objective(**network)
    found = recorded(cuda, **network)
    assert_same(found, core, 0)
    assert cuda.events == []
    for seed in range(1, WARM_UP + 4):
        assert_same(found, core, seed)
    assert cuda.events == ALONE * WARM_UP + RECORD + ["replay"] * 3


def test_models_that_have_ended_are_still_evaluated() -> None:
    """So that the sequence stays the same; more of them than before are recorded anew."""
    cuda, core = PretendedCuda(), objective()
    found = recorded(cuda)
    for seed in range(WARM_UP + 2):
        assert_same(found, core, seed)
    for n_models in (1, 2, 3):
        assert_same(found, core, 9, n_models)
    assert cuda.events[-4:] == ["replay"] * 4
    assert_same(found, core, 9, N_MODELS + 1)
    assert cuda.events[-1] == "replay"
    assert len(cuda.events) == 3 * WARM_UP + 2 + 4


def test_other_derivatives_are_another_sequence() -> None:
    """What was kept and is dropped is computed, and is not recorded."""
    cuda, core = PretendedCuda(), objective()
    found = recorded(cuda)
    for seed in range(WARM_UP + 3):
        assert_same(found, core, seed)
    found.parts[0].keep_derivatives(0)
    n = len(cuda.events)
    for seed in range(WARM_UP + 3):
        assert_same(found, core, seed)
    assert len(cuda.events) == n


def test_large_evaluations_are_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their recording would keep what they need."""
    cuda, core = PretendedCuda(), objective()
    found = recorded(cuda)
    monkeypatch.setattr(_device_loss, "MOST_RECORDED", 1000)
    for seed in range(WARM_UP + 3):
        assert_same(found, core, seed)
    assert cuda.events == []


def test_too_little_memory_for_a_recording() -> None:
    """Operations are started one by one then, from that evaluation on."""
    cuda = PretendedCuda(breaks=torch.OutOfMemoryError("CUDA out of memory"))
    core, found = objective(), recorded(cuda)
    for seed in range(WARM_UP + 4):
        assert_same(found, core, seed)
    assert sum(event.startswith("record") for event in cuda.events) == 1
    assert "replay" not in cuda.events


def test_batches_are_evaluated_one_after_the_other(device: str) -> None:
    """In any order, of parts with other structures, with factors of their own."""
    core, there = objective(), objective(device)
    two = [
        Objective(own.networks, [*own.parts, *own.parts], own.normalization, own.weights, 0.4)
        for own in (core, there)
    ]
    at = numbers(core, 0)
    asked: list[Callable[[Objective], Any]] = [
        lambda own, parts=parts: own.evaluate(at, parts) for parts in ([0], [1], [0, 1], [0])
    ]
    for ask in asked:
        for (loss, gradient), (wanted, slope) in zip(ask(two[1]), ask(two[0]), strict=True):
            assert loss == pytest.approx(wanted, rel=1e-11)
            np.testing.assert_allclose(gradient, slope, atol=1e-11 * np.abs(slope).max())
