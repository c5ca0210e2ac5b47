"""The workflows that move atoms: `relax`, `test-relax` and `md`."""

import json
import signal
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import fcc111
from ase.optimize import BFGS
from ase_silicon import SILICON, committee, silicon, strained

from miniff import dyn, ml
from miniff.ase import MiniffCalculator
from miniff.kernel import Cell
from miniff.kernel import eval as evaluate
from miniff.ml_util import JobError, exec_workflows, run_job_file
from miniff.potentials import lj_potential_family

A0 = 5.43095


@pytest.fixture
def silicon_files(folder: Path) -> Path:
    """Potentials, a perfect crystal with its energy, a strained one, and a dimer."""
    ml.save_potentials("potentials.pt", SILICON)
    scale = A0 / 5.431
    crystal = strained(silicon(1, rattle=0.0), (scale - 1) * np.eye(3))
    perfect = Cell.from_ase(crystal)
    known = {"energy": 8 * -2 * 2.1683, "tag": "perfect"}
    perfect = Cell(perfect.vectors, perfect.coordinates, perfect.values, known)
    stretched = Cell(
        1.01 * perfect.vectors, perfect.coordinates, perfect.values, {"energy": 8 * -4.3}
    )
    dimer = Cell.from_ase(Atoms("Si2", [[0, 0, 0], [0, 0, 2.6]]))
    Cell.save([perfect, stretched, dimer], "reference.xyz")
    Cell.save(Cell.from_ase(silicon(1, rattle=0.05)), "rattled.xyz")
    return folder


def run(workflow: str, prepare: dict, **keys) -> object:
    """One workflow, quietly."""
    job = {"init": {"log": "warning"}, "prepare": prepare, "run": keys}
    (result,) = exec_workflows({workflow: job})
    return result


def test_relaxed_structures_are_written_with_their_numbers(silicon_files: Path) -> None:
    """The crystal finds its lattice constant; the file holds what the kernel says of it."""
    (end,) = run("relax", {"fn_cells": "rattled.xyz"}, free="cell", tolerance=1e-4)
    assert end.volume ** (1 / 3) == pytest.approx(A0, abs=1e-4)
    (written,) = Cell.load("relax.extxyz")
    found = evaluate(SILICON, written)
    assert written.meta["energy"] == pytest.approx(found.energy, rel=1e-13)
    np.testing.assert_allclose(written.meta["stress"], found.stress, atol=1e-12)
    assert written.meta["converged"]
    report = json.loads(Path("relax.json").read_text())
    (entry,) = report["structures"]
    assert entry["energy"] == pytest.approx(8 * -2 * 2.1683, abs=1e-6)
    assert entry["volume_change"] == pytest.approx((A0 / 5.431) ** 3 - 1, abs=1e-5)
    assert entry["largest_force"] < 1e-4
    assert entry["source"].startswith("rattled.xyz")
    assert report["potentials_sha256"]
    log = Path("relax.log").read_text()
    assert "Relaxed structures" in log
    assert "rattled.xyz" in log


def test_pressure_is_in_gigapascal(silicon_files: Path) -> None:
    """The stress of the relaxed crystal is minus it."""
    (end,) = run(
        "relax", {"fn_cells": "rattled.xyz"}, free="cell", pressure_gpa=1.5, tolerance=1e-4
    )
    stress = evaluate(SILICON, end).stress[:3] / units.GPa
    np.testing.assert_allclose(stress, -1.5, atol=1e-3)


def test_fixed_atoms_of_a_job_stay(silicon_files: Path) -> None:
    """Counted from 0."""
    (start,) = Cell.load("rattled.xyz")
    (end,) = run("relax", {"fn_cells": "rattled.xyz"}, fixed=[0, 2])
    moved = np.abs(end.cartesian() - start.cartesian()).max(axis=1) > 1e-6
    np.testing.assert_array_equal(np.flatnonzero(~moved), [0, 2])


@pytest.mark.parametrize("workflow", ["relax", "test-relax"])
def test_a_job_that_relaxes_nothing_says_why(silicon_files: Path, workflow: str) -> None:
    """There is nothing to write then."""
    close = Cell(9 * np.eye(3), [[0, 0, 0], [0, 0, 0]], ["Si", "Si"], pbc=False)
    Cell.save([close, close], "close.xyz")
    sentence = r"close\.xyz, structure 0 .* at the same place .* \(2 of 2 structures\)$"
    with pytest.raises(ValueError, match=sentence):
        run(workflow, {"fn_cells": "close.xyz"})
    assert not Path(f"{workflow}.extxyz").exists()


def test_minima_are_compared_with_references(silicon_files: Path) -> None:
    """A perfect reference stays; a stretched one comes back; a dimer has no volume or reference."""
    pairs = run("test-relax", {"fn_cells": "reference.xyz"}, tolerance=1e-5)
    perfect, stretched, dimer = (pair.errors for pair in pairs)
    assert perfect["energy"] == pytest.approx(0, abs=1e-6)
    assert perfect["volume"] == pytest.approx(0, abs=1e-5)
    assert perfect["positions"] == pytest.approx(0, abs=1e-6)
    assert stretched["energy"] == pytest.approx(-2 * 2.1683 + 4.3, abs=1e-6)
    assert stretched["volume"] == pytest.approx(1.01**-3 - 1, abs=2e-5)
    assert dimer["energy"] is None
    assert dimer["volume"] is None
    # The pair energy of Stillinger and Weber has its minimum at 2^(1/6) sigma.
    assert dimer["positions"] == pytest.approx(abs(2.6 - 2 ** (1 / 6) * 2.0951) / 2, abs=1e-4)
    report = json.loads(Path("test-relax.json").read_text())
    assert report["errors"]["energy"]["n"] == 2
    assert report["errors"]["energy"]["mae"] == pytest.approx(stretched["energy"] / -2, abs=1e-6)
    assert report["errors"]["positions"]["largest"] == dimer["positions"]
    assert [entry["errors"]["volume"] for entry in report["structures"]][2] is None
    frames = ase.io.read("test-relax.extxyz", ":")
    assert frames[1].info["volume_error"] == stretched["volume"]
    assert "energy_error" not in frames[2].info
    assert frames[2].arrays["displacement"] == pytest.approx(dimer["positions"])
    log = Path("test-relax.log").read_text()
    assert "Relaxed less reference" in log
    assert "RMSE" in log


def test_displacements_leave_out_strain_and_common_motion(silicon_files: Path) -> None:
    """A crystal that is sheared and shifted has moved nowhere; one atom pushed aside has."""
    start = Cell.from_ase(silicon(1, rattle=0.0))
    from miniff.ml_util._relaxing import Relaxed

    vectors = start.vectors @ (np.eye(3) + 0.1 * np.random.default_rng(0).normal(size=(3, 3)))
    shifted = Cell(vectors, start.coordinates + 0.2, start.values, {"energy": 0.0})
    np.testing.assert_allclose(Relaxed(start, shifted, 0.0).displacements, 0, atol=1e-12)
    pushed = np.array(start.coordinates)
    pushed[0] += np.array([0.8, 0, 0]) / 5.431
    moved = Relaxed(start, Cell(start.vectors, pushed, start.values, {"energy": 0.0}), 0.0)
    np.testing.assert_allclose(moved.displacements, [0.7, *[0.1] * 7], atol=1e-12)


def test_what_does_not_relax_is_named(silicon_files: Path, capsys) -> None:
    """In a warning, and in the report."""
    run("relax", {"fn_cells": "rattled.xyz"}, max_steps=1)
    assert (
        "1 of 1 structures were not relaxed after 1 steps: rattled.xyz" in capsys.readouterr().out
    )
    (entry,) = json.loads(Path("relax.json").read_text())["structures"]
    assert entry["converged"] is False


def test_an_explosion_names_the_structure(silicon_files: Path) -> None:
    """With the file it is from; what became of the others is written."""
    close = silicon(1)
    close.positions[1] = close.positions[0] + 1e-3
    far = Cell(20 * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], ["Si", "Si"])
    Cell.save([Cell.from_ase(close), far], "close.xyz")
    lj = lj_potential_family("Si-Si", epsilon=1e280, sigma=2.0, a=2.0)
    ml.save_potentials("wild.pt", [lj])
    with pytest.raises((ValueError, FloatingPointError), match=r"^close\.xyz, structure 0"):
        run("relax", {"fn_cells": "close.xyz", "potentials": "wild.pt"})
    (written,) = Cell.load("relax.extxyz")
    np.testing.assert_allclose(written.cartesian(), far.cartesian())
    report = json.loads(Path("relax.json").read_text())
    (failure,) = report["failures"]
    assert failure["index"] == 0
    assert failure["source"].startswith("close.xyz, structure 0")
    (entry,) = report["structures"]
    assert entry["source"].startswith("close.xyz, structure 1")


@pytest.mark.parametrize("keys", [{}, {"optimizer": "bfgs"}, {"fixed": [3]}])
def test_structures_together_end_as_alone(silicon_files: Path, keys: dict[str, object]) -> None:
    """Crystals, a slab and a molecule in one job, in their order."""
    crystals = [Cell.from_ase(silicon(n)) for n in (1, 2)]
    thick = crystals[0]
    slab = Cell(
        thick.vectors * [[1], [1], [2]],
        thick.coordinates / [1, 1, 2],
        thick.values,
        pbc=(True, True, False),
    )
    molecule = Cell(np.eye(3), [[0, 0, 0], [0, 0, 2.3]], ["Si", "Si"], pbc=False)
    if "fixed" in keys:
        molecule = crystals[1]
    cells = [crystals[0], molecule, slab, crystals[1]]
    Cell.save(cells, "mixed.xyz")
    ends = run("relax", {"fn_cells": "mixed.xyz"}, free="cell", tolerance=1e-3, **keys)
    for cell, end in zip(cells, ends, strict=True):
        free = "cell" if any(cell.pbc) else "positions"
        fixed = keys.get("fixed", ())
        alone = dyn.relax(cell, SILICON, free=free, fixed=fixed, tolerance=1e-3)
        np.testing.assert_allclose(end.meta["energy"], alone.meta["energy"], atol=1e-4)
        assert end.pbc == cell.pbc


MD = {"fn_cells": "rattled.xyz", "repeat": [2, 1, 1]}


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
    assert "goes on from md.checkpoint" in Path("md.log").read_text()
    with pytest.raises(ValueError, match=r"in which `temperature` was 900\.0, but here it is 800"):
        run("md", MD, n_steps=60, every=10, temperature_k=800.0)


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
        patched.setattr("miniff.ml_util._md._Seen.__call__", press_ctrl_c)
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


JOB = """\
relax:
  prepare: {fn_cells: rattled.xyz}
  run:
    pressure_gpa: 2.0
    free: %s
md:
  prepare:
    fn_cells: rattled.xyz
    repeat: [1, 1]
  run:
    ensemble: %s
    thermostat: langevin
    n_steps: 10
    every: 0
test-relax:
  prepare: {fn_cells: absent.xyz}
  run: {optimizer: newton}
"""


def test_all_mistakes_of_a_job_are_told_before_it_runs(silicon_files: Path) -> None:
    """With the line and what would do."""
    Path("job.yml").write_text(JOB % ("positions", "npt"))
    with pytest.raises(JobError) as told:
        run_job_file("job.yml")
    for sentence in (
        "line 4: `relax.run.pressure_gpa` is 2.0 but the cell cannot give way: set `free`",
        "line 9: `md.prepare.repeat` is [1, 1] but must be",
        "line 12: `md.run.thermostat` is langevin but npt has none: it belongs to nvt",
        "`md.run.pressure_gpa` is missing but npt needs it",
        "line 14: `md.run.every` is 0 but must be in [1, inf)",
        "line 17: `test-relax.run.optimizer` is 'newton' but must be one of 'lbfgs'",
    ):
        assert sentence in str(told.value)
    assert not Path("relax.json").exists()


@pytest.mark.parametrize(
    ("prepare", "run_keys", "sentence"),
    [
        (
            {"fn_cells": "reference.xyz"},
            {},
            "^reference.xyz: there are 3 structures: say which one by `index`",
        ),
        (
            {"fn_cells": "reference.xyz", "index": 3},
            {},
            r"^reference.xyz: `index` is 3 but must be in \[-3, 3\)",
        ),
        (
            {"fn_cells": "reference.xyz", "index": 2},
            {"ensemble": "npt", "pressure_gpa": 0.0},
            r"^reference.xyz, structure 2 \(counted from 0\): `pbc` is \(False, False, False\) but",
        ),
        (MD, {"ensemble": "nvt", "temperature_k": 0.0}, "is 0 but must be above it for nvt"),
        (
            MD,
            {"ensemble": "nve", "pressure_gpa": 0.0},
            "is 0.0 but nve has none: it belongs to npt",
        ),
    ],
)
def test_wrong_structures_and_ensembles_are_refused(
    silicon_files: Path, prepare, run_keys, sentence
) -> None:
    """Before a step is made."""
    with pytest.raises(ValueError, match=sentence):
        run("md", prepare, n_steps=1, **run_keys)
    assert not Path("md.extxyz").exists()


def test_explosions_and_atoms_at_one_place_name_the_file(silicon_files: Path) -> None:
    """As other workflows do."""
    (_, _, dimer) = Cell.load("reference.xyz")
    apart = np.array(dimer.coordinates)
    apart[1] = apart[0]
    Cell.save(Cell(dimer.vectors, apart, dimer.values, pbc=False), "same.xyz")
    with pytest.raises(ValueError, match=r"^same\.xyz, structure 0 \(.*\): atoms 0 and 1"):
        run("md", {"fn_cells": "same.xyz"}, n_steps=1)
    with pytest.raises(FloatingPointError, match=r"^rattled\.xyz, structure 0 .*: at step"):
        run("md", {"fn_cells": "rattled.xyz"}, n_steps=9, timestep_fs=1e5)
    Path("md.checkpoint").write_text("none")
    with pytest.raises(ValueError, match=r"^md\.checkpoint is damaged"):
        run("md", {"fn_cells": "rattled.xyz"}, n_steps=1)


def test_slabs_without_a_third_vector_relax_and_move(folder: Path) -> None:
    """As the calculator has them; they have no volume, hence no stress and no free cell."""
    slab = fcc111("Al", (2, 2, 2))
    slab.rattle(0.05, seed=0)
    Cell.save(Cell.from_ase(slab), "slab.xyz")
    lj = lj_potential_family("Al-Al", epsilon=0.1, sigma=2.5, a=2.2)
    ml.save_potentials("potentials.pt", [lj])
    (end,) = run("relax", {"fn_cells": "slab.xyz"}, tolerance=1e-5)
    alone = slab.copy()
    alone.calc = MiniffCalculator(lj)
    BFGS(alone, logfile=None).run(fmax=1e-6)
    assert end.meta["energy"] == pytest.approx(alone.get_potential_energy(), abs=1e-8)
    assert "stress" not in end.meta
    assert json.loads(Path("relax.json").read_text())["structures"][0]["volume"] is None
    assert (ase.io.read("relax.extxyz").cell[2] == 0).all()
    state = run("md", {"fn_cells": "slab.xyz"}, n_steps=2)
    assert state.pressure is None
    with pytest.raises(ValueError, match=r"^slab\.xyz, .*, which has no volume, but a free cell"):
        run("relax", {"fn_cells": "slab.xyz"}, free="cell")


def test_names_that_ase_does_not_know_are_refused(folder: Path) -> None:
    """Potentials for species that are no chemical elements can move nothing."""
    ml.save_potentials("potentials.pt", [lj_potential_family("A-A", epsilon=1, sigma=3, a=2)])
    Cell.save(Cell.from_ase(Atoms("Ar2", [[0, 0, 0], [4, 0, 0]])), "dimer.xyz")
    with pytest.raises(ValueError, match="`A` is not a known chemical species"):
        run("relax", {"fn_cells": "dimer.xyz"})


@pytest.mark.parametrize("workflow", ["relax", "test-relax", "md"])
def test_several_processes_are_refused(silicon_files: Path, monkeypatch, workflow: str) -> None:
    """They would all write the same files."""
    monkeypatch.setattr(
        "miniff.ml_util._material.processes_of_torchrun", lambda: ml.Processes(0, 2)
    )
    keys = {"n_steps": 1} if workflow == "md" else {}
    with pytest.raises(ValueError, match="torchrun has started 2 processes but atoms are moved in"):
        run(workflow, {"fn_cells": "rattled.xyz"}, **keys)
