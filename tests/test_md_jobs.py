"""The workflow `md`."""

import json
import re
import signal
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase_silicon import committee
from silicon_jobs import MD, run
from silicon_jobs import silicon_files as silicon_files  # a fixture

from miniff import dyn, ml
from miniff.kernel import Cell
from miniff.potentials import lj_potential_family


@pytest.mark.parametrize(
    "keys",
    [
        {"ensemble": "nve", "temperature_k": 500.0},
        {"thermostat": "nose-hoover", "temperature_k": 500.0},
        {"ensemble": "npt", "pressure_gpa": 1.0, "period_fs": 100.0, "relaxation_time_fs": 20.0},
    ],
)
def test_dynamics_write_what_they_do(silicon_files: Path, keys) -> None:
    """Frames, a table and a report; the state is that of the functions in `dyn`."""
    end = run("md", MD, n_steps=40, every=10, timestep_fs=2.0, **keys)
    frames = ase.io.read("md.extxyz", ":")
    assert [frame.info["step"] for frame in frames] == [0, 10, 20, 30, 40]
    np.testing.assert_allclose(frames[-1].positions, end.positions, atol=1e-12)
    np.testing.assert_allclose(frames[-1].get_velocities(), end.velocities, atol=1e-12)
    assert frames[-1].get_potential_energy() == end.potential_energy
    table = np.genfromtxt("md.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(table["step"], [0, 10, 20, 30, 40])
    assert table["time_fs"][-1] == pytest.approx(80)
    assert table["temperature_K"][-1] == pytest.approx(end.temperature)
    assert table["pressure_GPa"][-1] == pytest.approx(end.pressure / units.GPa)
    assert table["volume_A3"][-1] == pytest.approx(end.volume)
    report = json.loads(Path("md.json").read_text())
    assert report["n_steps"] == 40
    assert report["time_ps"] == pytest.approx(0.08)
    kept = table["temperature_K"][2:]
    assert report["averages"]["temperature_K"]["mean"] == pytest.approx(kept.mean())
    if end.conserved is None:
        assert report["drift_eV_per_atom_ps"] is None
    else:
        drift = (end.conserved - table["conserved_eV"][0]) / 16 / 0.08
        assert report["drift_eV_per_atom_ps"] == pytest.approx(drift)
        assert table["drift_eV_per_atom_ps"][-1] == pytest.approx(drift)
    log = Path("md.log").read_text()
    assert "step 40/40" in log
    assert "steps/s" in log


def test_a_job_goes_on_where_it_was(silicon_files: Path, folder: Path) -> None:
    """Half of the steps and then all are all of them at once."""
    whole = run("md", MD, n_steps=60, every=10, temperature_k=900.0)
    frames = Path("md.extxyz").read_bytes()
    for name in ("md.checkpoint", "md.extxyz", "md.csv"):
        Path(name).unlink()
    run("md", MD, n_steps=30, every=10, temperature_k=900.0)
    parts = run("md", MD, n_steps=60, every=10, temperature_k=900.0)
    np.testing.assert_array_equal(parts.positions, whole.positions)
    assert Path("md.extxyz").read_bytes() == frames
    assert "goes on from md.checkpoint after 30 steps" in Path("md.log").read_text()


def test_a_job_that_is_complete_says_so(silicon_files: Path) -> None:
    """The same job changes nothing; another one is told whose checkpoint it is."""
    end = run("md", MD, n_steps=20, every=5)
    files = {name: Path(name).read_bytes() for name in ("md.json", "md.extxyz", "md.csv")}
    again = run("md", MD, n_steps=20, every=5)
    np.testing.assert_array_equal(again.positions, end.positions)
    assert files == {name: Path(name).read_bytes() for name in files}
    log = Path("md.log").read_text()
    assert "already complete: its 20 steps are in md.extxyz and md.csv. Raise `n_steps` to" in log
    assert "goes on" not in log
    sentence = (
        "md.checkpoint belongs to another run, which is complete (20 steps): `relaxation_time` was "
        "100 fs but here it is 200 fs, `timestep` was 1 fs but here it is 2 fs. Delete "
        "md.checkpoint to start anew, which writes over what that run has written, or run this one "
        "in another folder"
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        run("md", MD, n_steps=20, every=5, timestep_fs=2.0)
    Path("md.json").unlink()
    run("md", MD, n_steps=20, every=5)
    assert json.loads(Path("md.json").read_text())["wall_time_s"] is None


def test_a_short_job_has_no_averages(silicon_files: Path) -> None:
    """One line of the table is no mean, and two are none."""
    run("md", MD, n_steps=20, every=100)
    said = "too short for averages: the second half of md.csv has 0 of the 3 lines that they need"
    assert said in Path("md.log").read_text()
    assert json.loads(Path("md.json").read_text())["averages"] is None
    Path("md.checkpoint").unlink()
    run("md", MD, n_steps=20, every=5)
    table = np.genfromtxt("md.csv", delimiter=",", names=True)
    half = table["potential_energy_eV"][2:] / 16
    log = Path("md.log").read_text()
    (mean, spread) = re.search(r"3 lines: potential energy (\S+) ± (\S+) eV/atom", log).groups()
    assert float(mean) == pytest.approx(half.mean(), abs=0.1 * half.std())
    assert float(spread) == pytest.approx(half.std(), rel=0.05)
    assert "mean ± standard deviation of the second half of md.csv" in log


def test_an_interrupted_job_says_how_to_go_on(silicon_files: Path, monkeypatch) -> None:
    """Ctrl-C leaves a checkpoint and a sentence, and the run goes on to the same numbers."""
    whole = run("md", MD, n_steps=20, every=5)
    frames = Path("md.extxyz").read_bytes()
    for name in ("md.checkpoint", "md.extxyz", "md.csv"):
        Path(name).unlink()

    def press_ctrl_c(seen: object, state: dyn.State) -> None:
        if state.step == 10:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr("miniff.ml_util._md.Seen.__call__", press_ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            run("md", MD, n_steps=20, every=5)
    assert "interrupted; the same command goes on from md.checkpoint" in Path("md.log").read_text()
    again = run("md", MD, n_steps=20, every=5)
    np.testing.assert_array_equal(again.positions, whole.positions)
    assert Path("md.extxyz").read_bytes() == frames


def test_atoms_begin_with_the_velocities_of_a_trajectory(silicon_files: Path) -> None:
    """Twenty steps, and twenty more from the last frame, are forty without a thermostat."""
    first = {"fn_cells": "rattled.xyz"}
    forty = run("md", first, n_steps=40, every=20, ensemble="nve")
    Path("md.extxyz").rename("way.extxyz")
    Path("md.checkpoint").unlink()
    again = {"fn_cells": "way.extxyz", "index": 1}
    end = run("md", again, n_steps=20, every=20, ensemble="nve")
    np.testing.assert_allclose(end.positions, forty.positions, atol=1e-10)
    assert end.energy == pytest.approx(forty.energy, abs=1e-9)


def test_a_job_of_a_part_of_an_alloy_takes_its_potentials(folder: Path) -> None:
    """Others name elements that are not there."""
    pairs = ("Ar-Ar", "Ar-Kr", "Kr-Ar", "Kr-Kr")
    ml.save_potentials(
        "potentials.pt", [lj_potential_family(p, epsilon=0.01, sigma=3.4, a=2.0) for p in pairs]
    )
    Cell.save(Cell.from_ase(Atoms("Ar2", [[0, 0, 0], [4, 0, 0]])), "dimer.xyz")
    (end,) = run("relax", {"fn_cells": "dimer.xyz"})
    distance = np.linalg.norm(np.diff(end.cartesian(), axis=0))
    assert distance == pytest.approx(2 ** (1 / 6) * 3.4, abs=0.01)
    run("md", {"fn_cells": "dimer.xyz"}, n_steps=2, temperature_k=10.0)


def test_networks_run_in_jobs(silicon_files: Path) -> None:
    """A committee that was saved."""
    ml.save_potentials("network.pt", committee())
    end = run("md", {"fn_cells": "rattled.xyz", "potentials": "network.pt"}, n_steps=2)
    assert isinstance(end, dyn.State)
