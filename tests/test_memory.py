"""The memory of a fit: counted as it is, refused before it is taken, and not much else needed."""

import json
import re
import subprocess
import sys
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy import testing
from silicon import labelled

from miniff import ml_util
from miniff._memory import resident_memory
from miniff.io import write_extxyz
from miniff.kernel import Cell, compute_images
from miniff.ml import Processes, learn_cauldron
from miniff.ml_util._estimate import Census, Demand, MemoryLimit, count, of_step
from miniff.ml_util._optimizers import TrainingSizes, memory_of, options_of
from miniff.potentials import behler2_descriptor_family, behler5_descriptor_family

FUNCTIONS = {
    "Si": [
        *(behler2_descriptor_family("Si-Si", a=4.0, eta=eta) for eta in (0.1, 1.0)),
        behler5_descriptor_family("Si-Si-Si", a=4.0, eta=0.02, l=1.0, zeta=2.0),
    ]
}


def job(*, memory_gb: float | None = None, **run: Any) -> dict[str, Any]:
    prepare = {"fn_cells": "train.xyz", "cutoff": 4.0, "validation_set": 0.2}
    init = {"threads": 1, "seed": 0, "memory_gb": memory_gb}
    return {"fit": {"init": init, "prepare": prepare, "run": {"n_epochs": 3, **run}}}


@pytest.fixture
def silicon(folder: Path) -> list[Cell]:
    """Structures, and the file with them."""
    structures = labelled(20, seed=4)
    write_extxyz("train.xyz", structures)
    return [Cell.from_structure(one) for one in structures]


def test_what_is_counted_is_what_is_there(silicon: list[Cell]) -> None:
    """Of a data set that is looked at whole; and of a sample, but for its chance."""
    dataset = learn_cauldron([compute_images(cell, 4.0) for cell in silicon], FUNCTIONS)
    found = count(silicon, FUNCTIONS, 4.0)
    table = dataset.derivatives.table
    assert found.n_atoms == table.n_atoms == 160
    assert found.descriptors == dataset.per_point_datasets[0].features.numpy().nbytes
    assert found.derivatives == dataset.keep_derivatives(0)
    assert found.images == table.images.nbytes
    arrays = {name: getattr(table, name) for name in vars(table) if name != "core"}
    there = sum(array.nbytes for array in arrays.values() if isinstance(array, np.ndarray))
    assert table.n_bytes == there
    testing.assert_allclose(found.neighbors, there, rtol=0.02)  # a number more per structure
    many = count(silicon * 20, FUNCTIONS, 4.0)
    assert many.n_atoms == pytest.approx(20 * 160)
    assert many.derivatives == pytest.approx(20 * found.derivatives, rel=0.05)
    assert count([], FUNCTIONS, 4.0) == Census()
    assert of_step(found, 80, 4) == pytest.approx(2 * of_step(found, 160, 1))


MEASURED = """
import json, sys
from pathlib import Path
from miniff.ml_util import exec_workflows
exec_workflows(json.loads(sys.argv[1]))
(line,) = [l for l in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in l]
print("PEAK", 1024 * int(line.split()[1]) / 1e9)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no peak of the memory is told")
def test_estimate_is_what_is_taken(silicon: list[Cell]) -> None:
    """Within a quarter: a job whose covariances take as much as everything else."""
    run = [sys.executable, "-c", MEASURED, json.dumps(job(optimizer="kalman", save=None))]
    said = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    (told,) = re.findall(r"fit: memory: about ([\d.]+) GB: ([\d.]+) GB for kalman", said)
    (peak,) = re.findall(r"PEAK ([\d.]+)", said)
    assert float(told[1]) > 0.3
    assert float(told[0]) == pytest.approx(float(peak), rel=0.25)


def test_too_much_is_refused(silicon: list[Cell]) -> None:
    """Before descriptors are computed, or before the optimiser takes its part; with what would
    take less."""
    with pytest.raises(ValueError, match=r"needs about 0.3 GB: .* but `memory_gb` is 0.2. Most of"):
        ml_util.exec_workflows(job(memory_gb=0.2))
    assert "computing" not in Path("fit.log").read_text()
    advice = r"for kalman, .* but `memory_gb` is 0.5. Less would do with `blocks: species`"
    with pytest.raises(ValueError, match=advice):
        ml_util.exec_workflows(job(memory_gb=0.5, optimizer="kalman"))
    assert "epoch" not in Path("fit.log").read_text()
    with pytest.raises(ValueError, match=r"`memory_gb` is nan but must be in \(0, inf\)"):
        ml_util.FitWorkflow(memory_gb=float("nan"))


def test_refusal_names_what_takes_most() -> None:
    """Of what can be changed; in each process, if there are several; or what is free."""
    demand = Demand({"the program": 3e8, "neighbours": 2e9, "descriptors": 1e9, "lbfgs": 1e6})
    assert str(demand) == (
        "about 3.3 GB: 2 GB for neighbours, 1 GB for descriptors, 0.3 GB for the program"
    )
    with pytest.raises(ValueError, match="Less would do with a shorter `cutoff`, or `cache: FOLD"):
        demand.refuse_above(MemoryLimit(3.0, Processes()))
    demand.refuse_above(MemoryLimit(3.4, Processes()))
    demand.refuse_above(MemoryLimit(None, Processes()))

    class Two(Processes):
        def greatest(self, array: np.ndarray) -> np.ndarray:
            return array

    both = MemoryLimit(4.0, Two(rank=1, size=2, n_here=2))
    with pytest.raises(ValueError, match=r", in each of 2 processes, but `memory_gb` is 4\. "):
        demand.refuse_above(both)
    with pytest.raises(ValueError, match=r"but there are only [\d.]+ GB\."):
        Demand({"neighbours": 1e15}).refuse_above(MemoryLimit(None, Processes()))


def test_what_is_left_is_for_derivatives(
    silicon: list[Cell], capsys: pytest.CaptureFixture[str]
) -> None:
    """All up to a limit that is given, which is the same each time; and how much is told."""
    assert MemoryLimit(2.0, Processes()).for_derivatives(1.5e9) == 0.5e9
    assert MemoryLimit(2.0, Processes()).for_derivatives(2.5e9) == 0
    assert MemoryLimit(2.0, Processes(0, 1, 2)).for_derivatives(0.5e9) == 0.5e9
    ml_util.exec_workflows(job(save=None, n_epochs=1))
    assert "are kept" not in capsys.readouterr().out
    said = []
    for _ in range(2):  # 0.305 GB is for everything else, and all derivatives would take 0.002
        ml_util.exec_workflows(job(memory_gb=0.306, save=None, n_epochs=1))
        said.append([line for line in capsys.readouterr().out.splitlines() if "are kept" in line])
    assert said[0] == said[1]
    ((line,), _) = said
    (kept,) = re.findall(r"(\d+)% of them are kept", line)
    assert 10 < int(kept) < 90


def test_memory_of_optimizers_grows_as_their_state() -> None:
    """L-BFGS with its memory, the others with the square of the parameters or with these alone."""

    def of(name: Any, n: int, **options: Any) -> float:
        sizes = TrainingSizes([n, n], 2, 100, 1000, 50, 8, 30.0)
        return memory_of(name, options_of(name, options), sizes)

    assert of("lbfgs", 2000) / of("lbfgs", 1000) == pytest.approx(2, rel=1e-3)
    assert of("lbfgs", 1000, history_size=50) < 0.6 * of("lbfgs", 1000)
    assert of("kalman", 4000) / of("kalman", 2000) == pytest.approx(4, rel=0.1)
    half = of("kalman", 4000, blocks="species") / of("kalman", 4000)
    assert half == pytest.approx(0.5, abs=0.05)
    assert of("levenberg", 4000) / of("levenberg", 2000) == pytest.approx(4, rel=0.05)
    assert of("adam", 4000) / of("adam", 2000) == pytest.approx(2, rel=1e-3)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no kinds of pages are told")
def test_mapped_files_do_not_count(folder: Path) -> None:
    """Their pages can be had back; an array of one's own cannot."""
    Path("large").write_bytes(bytes(60_000_000))
    before = resident_memory()
    mapped = np.memmap("large", np.uint8, mode="c")
    assert mapped.sum() == 0
    assert resident_memory() - before < 20e6
    # New pages: an array may be given memory that an earlier one has left.
    own = mmap(-1, 60_000_000, flags=MAP_PRIVATE | MAP_ANONYMOUS)
    np.frombuffer(own, np.uint8)[:] = 1
    assert resident_memory() - before > 50e6
