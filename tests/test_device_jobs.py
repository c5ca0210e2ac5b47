"""Jobs and dynamics on a device of torch: the numbers and the refusals."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import units
from ase_silicon import SILICON, silicon, strained
from contract import TERSOFF, eam_tables
from typer.testing import CliRunner

from miniff import dyn, ml
from miniff.cli import app
from miniff.kernel import Cell
from miniff.ml_util import JobError, exec_workflows, run_job_file
from miniff.potentials import eam_potential_family, tersoff_potential_family
from miniff.potentials._devices import cpu_by_torch


@pytest.fixture
def silicon_files(folder: Path) -> Path:
    """Potentials and two structures."""
    ml.save_potentials("potentials.pt", SILICON)
    rattled = Cell.from_ase(silicon(1, rattle=0.05))
    known = {"energy": -34.0, "forces": np.zeros((8, 3))}
    Cell.save(Cell(rattled.vectors, rattled.coordinates, rattled.values, known), "rattled.xyz")
    Cell.save(Cell.from_ase(strained(silicon(1, rattle=0.0), 0.01 * np.eye(3))), "strained.xyz")
    return folder


def report(workflow: str, device: str, **run: Any) -> dict[str, Any]:
    """What a job leaves, without times."""
    job = {
        "init": {"device": device},
        "prepare": {"fn_cells": "rattled.xyz"},
        "run": run,
    }
    exec_workflows({workflow: job})
    return json.loads(Path(f"{workflow}.json").read_text())


@pytest.mark.parametrize(
    ("workflow", "run", "key"),
    [
        ("test-direct", {}, "errors"),
        ("relax", {"free": "cell", "tolerance": 1e-3}, "structures"),
        ("relax", {"symmetry": False, "optimizer": "fire"}, "structures"),
        ("test-relax", {"free": "positions"}, "errors"),
        ("md", {"n_steps": 20, "every": 10}, "averages"),
    ],
    ids=str,
)
def test_jobs_give_the_numbers_of_the_core(
    workflow: str, run: dict[str, Any], key: str, silicon_files: Path, device: str
) -> None:
    """And say in their log where they were computed."""
    found = report(workflow, device, **run)
    assert "energies and forces are computed on " in Path(f"{workflow}.log").read_text()
    Path("md.checkpoint").unlink(missing_ok=True)
    with cpu_by_torch(False):
        wanted = report(workflow, "cpu", **run)
    assert "energies and forces are computed on " not in Path(f"{workflow}.log").read_text()
    assert_alike(found[key], wanted[key])


def assert_alike(found: object, wanted: object) -> None:
    """Numbers that differ by rounding alone; times may differ."""
    if isinstance(wanted, dict):
        assert isinstance(found, dict)
        for name in set(wanted) - {"wall_time_s"}:
            assert_alike(found[name], wanted[name])
    elif isinstance(wanted, list):
        assert isinstance(found, list)
        for one, other in zip(found, wanted, strict=True):
            assert_alike(one, other)
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=1e-6, abs=1e-7)
    else:
        assert found == wanted


BOND_ORDER = [tersoff_potential_family(**TERSOFF)]
EMBEDDED = [eam_potential_family(**eam_tables())]
LISTS = {"SW": SILICON, "Tersoff": BOND_ORDER, "EAM": EMBEDDED}


@pytest.mark.parametrize("name", LISTS)
def test_atoms_move_alike(name: str, device: str) -> None:
    """Dynamics of one and of many."""
    cell, potentials = Cell.from_ase(silicon(1, rattle=0.05)), LISTS[name]
    how: dict[str, Any] = {"n_steps": 10, "timestep": units.fs}
    hot = how | {"temperature": 300.0}
    both = []
    for place, by_torch in ((device, True), ("cpu", False)):
        with cpu_by_torch(by_torch):
            many = dyn.nvt_many([cell, cell], potentials, device=place, **hot)
            nve = dyn.nve(cell, potentials, device=place, **how)
            nvt = dyn.nvt(cell, potentials, device=place, **hot)
            npt = dyn.npt(cell, potentials, pressure=0.0, device=place, **hot)
            both.append([nve, nvt, npt, *many])
    for one, other in zip(*both, strict=True):
        np.testing.assert_allclose(one.positions, other.positions, atol=1e-6)


@pytest.mark.parametrize("name", ["SW", "Tersoff"])
def test_atoms_relax_alike(name: str, device: str) -> None:
    """One structure, and many."""
    cell, potentials = Cell.from_ase(silicon(1, rattle=0.05)), LISTS[name]
    both = []
    for place, by_torch in ((device, True), ("cpu", False)):
        with cpu_by_torch(by_torch):
            many = dyn.relax_many([cell], potentials, device=place)
            both.append([dyn.relax(cell, potentials, device=place), *many])
    for one, other in zip(*both, strict=True):
        np.testing.assert_allclose(one.cartesian(), other.cartesian(), atol=1e-6)


@pytest.mark.parametrize("workflow", ["fit", "test-direct", "relax", "test-relax", "md"])
def test_a_device_that_is_not_there_is_refused_with_its_line(
    workflow: str, silicon_files: Path
) -> None:
    """Before anything is read."""
    prepare = "  prepare: {fn_cells: rattled.xyz}\n"
    Path("jobs.yml").write_text(f"{workflow}:\n  init:\n    device: gpu\n{prepare}")
    match = (
        rf"jobs.yml, line 3: `{workflow}.init.device`: is 'gpu' but must be auto, cpu, or a device"
    )
    with pytest.raises(JobError, match=match):
        run_job_file("jobs.yml")


def test_an_optimiser_of_the_core_is_refused_with_its_line(
    silicon_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a device that is there; not with auto."""
    monkeypatch.setattr("miniff.ml_util._settings.device_problem", lambda _: None)
    text = "fit:\n  init: {device: cuda}\n  prepare: {fn_cells: rattled.xyz}\n"
    Path("jobs.yml").write_text(text + "  run: {optimizer: kalman}\n")
    match = r"line 2: `fit.init.device` is cuda but kalman runs on the CPU only: choose cpu, or lbf"
    with pytest.raises(JobError, match=match):
        run_job_file("jobs.yml")


def test_the_command_evaluates_on_a_device(silicon_files: Path) -> None:
    """And refuses one that is not there in a sentence."""
    runner = CliRunner()
    plain = runner.invoke(app, ["eval", "potentials.pt", "rattled.xyz"])
    there = runner.invoke(app, ["eval", "potentials.pt", "rattled.xyz", "--device", "auto"])
    assert (there.exit_code, there.output) == (0, plain.output)
    refused = runner.invoke(app, ["eval", "potentials.pt", "rattled.xyz", "--device", "gpu"])
    assert refused.exit_code != 0
    assert "`device` is 'gpu' but must be auto, cpu, or a device of torch" in " ".join(
        refused.output.split()
    )
