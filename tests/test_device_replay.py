"""Steps that are recorded as graphs, by graphs that are pretended: see ``pretended_graphs``."""

import warnings
import weakref
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from pretended_graphs import PretendedCuda
from test_device_small import LISTS, assert_equal, ready_on, shaken
from test_devices import BOTH, cells

from miniff.kernel import compute_images
from miniff.ml._device._replay import WARM_UP, Recorder
from miniff.potentials import CompiledPotentials, LocalPotential
from miniff.potentials._devices import cpu_by_torch


def recorded(device: str, cuda: PretendedCuda, potentials: Sequence[LocalPotential]) -> Any:
    """Potentials whose steps are recorded, as far as they know."""
    ready = ready_on(device, potentials, ("O", "S"))
    ready._recorder = Recorder(torch.device(device), cuda)
    return ready


def test_a_step_is_recorded_after_some_and_replayed_from_then_on() -> None:
    """Numbers of atoms that moved are the core's, before, in and after the recording."""
    potentials = LISTS["known training sets"]
    table = compute_images(cells()[0], 5.0).table
    core, cuda = CompiledPotentials(potentials, table.names), PretendedCuda()
    with cpu_by_torch():
        ready = recorded("cpu", cuda, potentials)
        found = []
        for seed in range(WARM_UP + 3):
            found.append(ready.evaluate(shaken(table, seed)))
    alone = ["side waits for main", "on side", "main waits for side"]
    record = ["on main", "record on side"]
    assert cuda.events == alone * WARM_UP + record + ["replay"] * 3
    for seed, one in enumerate(found):  # what was found is not written over later
        assert_equal(one, core.evaluate(shaken(table, seed)))


def test_a_new_list_is_recorded_anew_and_the_old_one_given_up() -> None:
    """After one call, since libraries are ready; no two recordings are in memory together."""
    cuda, core = PretendedCuda(), CompiledPotentials(BOTH, ("O", "S"))
    with cpu_by_torch():
        ready = recorded("cpu", cuda, BOTH)
        graphs = []
        for k, extra in enumerate((0.2, 0.5, 0.9)):
            table = compute_images(cells()[k % 2], 4.0 + extra).table
            for seed in range(WARM_UP + 2 if k == 0 else 3):
                assert all(graph() is None for graph in graphs[k:])
                moved = shaken(table, seed)
                assert_equal(ready.evaluate(moved), core.evaluate(moved))
            assert sum(event.startswith("record") for event in cuda.events) == k + 1
            assert cuda.events[-2:] == ["replay"] * 2
            graphs.append(weakref.ref(ready._last.small.run._recorded[0]))
            assert [graph() is None for graph in graphs] == [True] * k + [False]


def test_a_recording_that_fails_is_told_once() -> None:
    """Steps go on operation by operation, on the stream there was before."""
    cuda = PretendedCuda(breaks=RuntimeError("operation not permitted when stream is capturing"))
    core = CompiledPotentials(BOTH, ("O", "S"))
    table = compute_images(cells()[0], 5.0).table
    match = (
        "steps on cpu cannot be recorded as a CUDA graph, so that their operations are started one "
        "by one, .*: operation not permitted when stream is capturing"
    )
    with cpu_by_torch():
        ready = recorded("cpu", cuda, BOTH)
        for _ in range(WARM_UP):
            ready.evaluate(table)
        with pytest.warns(RuntimeWarning, match=match):
            found = ready.evaluate(table)
        assert_equal(found, core.evaluate(table))
        assert cuda.current_stream(torch.device("cpu")).name == "main"
        events = list(cuda.events)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for again in (table, compute_images(cells()[0], 4.6).table):
                for seed in range(WARM_UP + 2):
                    moved = shaken(again, seed)
                    assert_equal(ready.evaluate(moved), core.evaluate(moved))
        assert cuda.events == events


def test_too_little_memory_for_a_recording_is_answered_with_parts() -> None:
    """As for any step: the list stays, and no one tries again with it."""
    cuda = PretendedCuda(breaks=torch.OutOfMemoryError("CUDA out of memory"))
    core = CompiledPotentials(BOTH, ("O", "S"))
    table = compute_images(cells()[0], 5.0).table
    with cpu_by_torch():
        ready = recorded("cpu", cuda, BOTH)
        ready.evaluate(table)
        there = ready._last.table
        for seed in range(WARM_UP + 3):
            moved = shaken(table, seed)
            assert_equal(ready.evaluate(moved), core.evaluate(moved))
        assert sum(event.startswith("record") for event in cuda.events) == 1
        assert ready._last.table is there
        assert ready._last.small is None


def test_what_a_device_records_is_what_the_core_computes(device: str) -> None:
    """By CUDA graphs themselves where there are any; two lists after each other."""
    core = CompiledPotentials(BOTH, ("O", "S"))
    ready = ready_on(device, BOTH, ("O", "S"))
    for cell in cells()[:2]:
        table = compute_images(cell, 5.0).table
        for seed in range(WARM_UP + 3):
            moved = shaken(table, seed)
            assert_equal(ready.evaluate(moved), core.evaluate(moved))
        assert ready._last is not None
        assert ready._last.small is not None
        recorded = getattr(ready._last.small.run, "_recorded", None)
        assert (recorded is not None) == (device == "cuda")
