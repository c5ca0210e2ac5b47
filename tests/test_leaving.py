"""Runs that leave the training set: warnings, frames to be labelled, and a stop.

Energies are Stillinger and Weber's; a network that gives no energy has the training set.
"""

import json
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from ase import units
from ase.io import read
from silicon import SILICON
from trained import crystal, trained

from miniff import dyn, ml
from miniff.ase import MiniffCalculator
from miniff.dyn._to_label import frame_to_label
from miniff.kernel import (
    Cell,
    ExtrapolationError,
    ExtrapolationWarning,
    StructureFailure,
)
from miniff.kernel import eval as evaluate
from miniff.ml_util import JobError, exec_workflows

HOT = {"timestep": units.fs, "temperature": 6000.0}
LEFT = r"at step (\d+) .*atom \d+ \(Si, counted from 0\) is outside of the training set"


@pytest.fixture(scope="module")
def potentials() -> list:
    return [*SILICON, trained(is_zero=True)]


def first_step_outside(potentials: list, run, **keys) -> tuple[int, Cell]:
    """Of the same run, looked at with `eval` at every step."""
    seen: list[tuple[int, Cell]] = []

    def look(state: dyn.State) -> None:
        found = evaluate(potentials, state.cell).extrapolation
        tolerance = 1e-3 if "precision" in keys else 1e-6
        np.testing.assert_allclose(state.extrapolation, found, rtol=tolerance)
        if found.max() > 1.1:
            seen.append((state.step, state.cell))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        run(crystal(), potentials, n_steps=60, observe=look, **keys)
    return seen[0]


@pytest.mark.parametrize(
    ("run", "keys"),
    [
        (dyn.nvt, HOT),
        (dyn.nvt, HOT | {"precision": "single"}),
        (dyn.nvt, HOT | {"thermostat": "nose-hoover"}),
        (dyn.npt, HOT | {"pressure": 0.0}),
        (dyn.nve, {"timestep": units.fs}),
    ],
)
def test_dynamics_tell_when_atoms_leave_and_stop_where_asked(
    potentials, folder: Path, run, keys: dict
) -> None:
    """Once, at the step at which `eval` finds an atom outside; the frame is that of the step."""
    if run is dyn.nve:
        keys = keys | {"velocities": dyn.thermal_velocities(crystal(), 6000.0, seed=0)}
    step, cell = first_step_outside(potentials, run, **keys)
    with pytest.warns(ExtrapolationWarning, match=LEFT) as told:
        run(crystal(), potentials, n_steps=60, to_label="out.xyz", **keys)
    assert len(told) == 1
    assert str(told[0].message).startswith(f"at step {step} atom ")
    (frame,) = Cell.load("out.xyz")
    assert frame.meta["step"] == step
    np.testing.assert_allclose(frame.cartesian(), cell.cartesian(), atol=1e-9)
    with (
        pytest.warns(ExtrapolationWarning, match=LEFT),
        pytest.raises(ExtrapolationError, match=LEFT) as error,
    ):
        run(crystal(), potentials, n_steps=60, stop_extrapolation=1.1, to_label="o.xyz", **keys)
    assert str(error.value).startswith(f"at step {step} ")
    assert str(error.value).endswith("; `stop_extrapolation` is 1.1; o.xyz has the frame")
    assert isinstance(error.value, FloatingPointError)


def test_a_cold_crystal_is_not_told(potentials, folder: Path) -> None:
    """No warning, which would be an error here, and no file."""
    keys = {"timestep": units.fs, "temperature": 30.0, "to_label": "none.xyz"}
    dyn.nvt(crystal(rattle=0.0), potentials, n_steps=50, stop_extrapolation=1.0, **keys)
    assert not Path("none.xyz").exists()


def test_frames_are_ready_for_a_reference_method(potentials, folder: Path) -> None:
    """ASE reads species, cell and pbc, and no label; predictions are those of `eval`. Without new
    labels nothing is learned from it; with them it is data like any other."""
    start = crystal()
    start = Cell(start.vectors, start.coordinates, start.values, {"source": "Si.xyz, the first"})
    with pytest.warns(ExtrapolationWarning):
        dyn.nvt(start, potentials, n_steps=40, to_label="out.xyz", **HOT)
    (atoms,) = read("out.xyz", ":")
    assert atoms.get_chemical_symbols() == ["Si"] * 8
    assert atoms.pbc.all()
    assert atoms.calc is None
    (cell,) = Cell.load("out.xyz")
    assert not {"energy", "forces", "stress"} & set(cell.meta)
    assert cell.meta["run"] == "nvt"
    assert cell.meta["origin"] == "Si.xyz, the first"
    found = evaluate(potentials, cell)
    assert cell.meta["energy_pred"] == pytest.approx(found.energy, rel=1e-12)
    np.testing.assert_allclose(cell.meta["forces_pred"], found.forces, atol=1e-10)
    np.testing.assert_allclose(cell.meta["stress_pred"], found.stress, atol=1e-12)
    np.testing.assert_allclose(cell.meta["extrapolation"], found.extrapolation, rtol=1e-9)
    assert cell.meta["largest_extrapolation"] == pytest.approx(found.extrapolation.max())
    fit = {
        "init": {"log": "warning"},
        "prepare": {"fn_cells": ["out.xyz"], "validation_set": 0.0},
        "run": {"n_epochs": 1},
    }
    with pytest.raises(ValueError, match=r"no structure for training has an energy, forces or"):
        exec_workflows({"fit": fit})
    atoms.calc = MiniffCalculator(SILICON)
    atoms.get_potential_energy()
    atoms.write("labelled.xyz")
    (again,) = Cell.load("labelled.xyz")
    assert again.meta["energy"] == pytest.approx(evaluate(SILICON, cell).energy, rel=1e-12)


class TestToLabel:
    """A bounded number of frames, apart from each other; those of other runs stay."""

    def frame(self, step: int, run: str = "md", source: str = "a") -> Cell:
        cell, grades = crystal(), np.full((8, 2), 2.0)
        cell = Cell(cell.vectors, cell.coordinates, cell.values, {"source": source})
        return frame_to_label(cell, grades, run, step)

    def steps(self, path: str = "out.xyz") -> list[int]:
        return [int(cell.meta["step"]) for cell in Cell.load(path)]

    def test_neighbouring_steps_are_left_out(self, folder: Path) -> None:
        file = dyn.ToLabel("out.xyz", "md", spacing=10)
        assert [file.add(self.frame(s)) for s in (3, 4, 12, 13, 14)] == [1, 0, 0, 1, 0]
        assert file.add(self.frame(15), is_last=True)
        assert self.steps() == [3, 13, 15]
        assert file.n_frames == 3

    def test_when_there_are_too_many_every_second_one_goes(self, folder: Path) -> None:
        """And later ones are twice as far apart: the whole run stays covered."""
        file = dyn.ToLabel("out.xyz", "md", spacing=1, most=8)
        for step in range(100):
            file.add(self.frame(step))
            assert file.n_frames <= 8
        steps = self.steps()
        assert 4 <= len(steps) <= 8
        assert steps[0] == 0
        assert max(np.diff(steps)) <= 16
        assert steps[-1] > 80

    def test_structures_do_not_push_each_other_out(self, folder: Path) -> None:
        file = dyn.ToLabel("out.xyz", "relax", spacing=10)
        file.add_all([self.frame(0), self.frame(0, source="b")])
        file.add_all([self.frame(1)])
        assert self.steps() == [0, 0]

    def test_a_run_begins_anew_and_leaves_others_alone(self, folder: Path) -> None:
        """Frames of another name, and structures that others have put there, stay."""
        dyn.ToLabel("out.xyz", "relax").add(self.frame(1, "relax"))
        with open("out.xyz", "a") as file:
            file.write("1\n\nSi 0 0 0\n")
        dyn.ToLabel("out.xyz", "md").add(self.frame(5))
        dyn.ToLabel("out.xyz", "md").add(self.frame(7))
        runs = [cell.meta.get("run") for cell in Cell.load("out.xyz")]
        assert runs == ["relax", None, "md"]
        assert Cell.load("out.xyz")[-1].meta["step"] == 7

    def test_a_run_that_goes_on_keeps_what_it_had(self, folder: Path) -> None:
        """Up to the step it goes on from."""
        before = dyn.ToLabel("out.xyz", "md")
        for step in (5, 105, 205):
            before.add(self.frame(step))
        after = dyn.ToLabel("out.xyz", "md")
        after.go_on(150)
        assert not after.add(self.frame(160))
        after.add(self.frame(240))
        assert self.steps() == [5, 105, 240]

    def test_other_files_are_refused(self, folder: Path) -> None:
        with pytest.raises(ValueError, match=r"`to_label` is 'x.pt' but must end in .xyz, .extxyz"):
            dyn.ToLabel("x.pt", "md")
        Path("x.xyz").write_text("notes\n")
        with pytest.raises(ValueError, match=r"`to_label` is x.xyz, a file with something else"):
            dyn.ToLabel("x.xyz", "md")
        with pytest.raises(ValueError, match=r"`spacing` is 0 but must be in \[1, inf\)"):
            dyn.ToLabel("y.xyz", "md", spacing=0)


def test_a_run_that_goes_on_has_the_frames_of_one_that_did_not_stop(
    potentials, folder: Path
) -> None:
    """From its checkpoint, to the same file."""

    def run(n_steps: int, name: str) -> None:
        record = dyn.Record(checkpoint=f"{name}.checkpoint", every=50)
        file = dyn.ToLabel(f"{name}.xyz", "nvt", spacing=20)
        with pytest.warns(ExtrapolationWarning):
            dyn.nvt(crystal(), potentials, n_steps=n_steps, record=record, to_label=file, **HOT)

    run(150, "whole")
    run(70, "parts")
    run(150, "parts")
    whole, parts = (Cell.load(f"{name}.xyz") for name in ("whole", "parts"))
    assert len(whole) > 2
    assert [c.meta["step"] for c in whole] == [c.meta["step"] for c in parts]
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one.cartesian(), other.cartesian())


def test_record_has_the_extrapolation(potentials, folder: Path) -> None:
    """Of each atom in the trajectory, the largest in the table; nothing for formulas."""
    record = dyn.Record("a.xyz", "a.csv", every=10)
    with pytest.warns(ExtrapolationWarning):
        dyn.nvt(crystal(), potentials, n_steps=40, record=record, **HOT)
    frames = Cell.load("a.xyz")
    table = np.genfromtxt("a.csv", delimiter=",", names=True)
    for frame, largest in zip(frames, table["extrapolation"], strict=True):
        found = evaluate(potentials, frame).extrapolation
        np.testing.assert_allclose(frame.meta["extrapolation"], found, rtol=1e-6)
        assert largest == pytest.approx(found.max())
    record = dyn.Record("b.traj", "b.csv", every=10)
    dyn.nvt(crystal(), SILICON, n_steps=10, record=record, **HOT)
    assert np.isnan(np.genfromtxt("b.csv", delimiter=",", names=True)["extrapolation"]).all()


def far() -> Cell:
    """Compressed, so that all atoms are outside until the cell has relaxed."""
    return crystal(-0.12, rattle=0.05)


@pytest.mark.parametrize("free", ["positions", "cell"])
def test_relaxations_tell_and_stop(potentials, folder: Path, free: str) -> None:
    """One warning at step 0, whose structure is kept; a cell that comes back is inside."""
    with pytest.warns(ExtrapolationWarning, match=LEFT) as told:
        end = dyn.relax(far(), potentials, free=free, tolerance=0.05, to_label="out.xyz")
    assert len(told) == 1
    assert str(told[0].message).startswith("at step 0 atom")
    first = Cell.load("out.xyz")[0]
    np.testing.assert_allclose(first.cartesian(), far().cartesian(), atol=1e-12)
    assert first.meta["run"] == "relax"
    np.testing.assert_allclose(
        end.meta["extrapolation"], evaluate(potentials, end).extrapolation, rtol=1e-6
    )
    assert (end.meta["extrapolation"].max() > 1.1) == (free == "positions")
    with (
        pytest.warns(ExtrapolationWarning),
        pytest.raises(ExtrapolationError, match=r"at step 0 .*; `stop_extrapolation` is 1.5$"),
    ):
        dyn.relax(far(), potentials, free=free, stop_extrapolation=1.5)


def test_many_relaxations_tell_once_and_give_up_what_is_too_far(potentials, folder: Path) -> None:
    """Which ones left, with a frame of each; the others are harmed by none."""
    cells = [crystal(), far(), crystal(seed=8), crystal(-0.1, rattle=0.05)]
    with pytest.warns(ExtrapolationWarning) as told:
        ends = dyn.relax_many(cells, potentials, free="cell", to_label="out.xyz")
    (sentence,) = [str(w.message) for w in told]
    assert sentence.startswith(
        "2 of 4 structures left the training set: structure 1 (counted from 0) at step 0: atom "
    )
    assert "; structure 3 (counted from 0) at step 0: atom " in sentence
    assert len(Cell.load("out.xyz")) == 2
    for end in ends:
        found = evaluate(potentials, end).extrapolation
        np.testing.assert_allclose(end.meta["extrapolation"], found, rtol=1e-6)
    with pytest.warns(ExtrapolationWarning, match="2 of 4"):
        some = dyn.relax_many(cells, potentials, free="cell", stop_extrapolation=1.2)
    for place in (1, 3):
        failure = some[place]
        assert isinstance(failure, StructureFailure)
        assert failure.index == place
        assert "at step 0 atom" in str(failure.error)
        assert "`stop_extrapolation` is 1.2" in str(failure.error)
    for place in (0, 2):
        np.testing.assert_array_equal(some[place].cartesian(), ends[place].cartesian())


def test_many_that_are_heated_tell_as_they_leave(potentials, folder: Path) -> None:
    """Each once, at a step at which `eval` finds it outside and not before."""
    cells = [crystal(), crystal(rattle=0.0), crystal(seed=9)]
    seen: dict[int, int] = {}

    def look(states: list) -> None:
        for s, state in enumerate(states):
            if evaluate(potentials, state.cell).extrapolation.max() > 1.1:
                seen.setdefault(s, state.step)

    keys = {"n_steps": 40, "timestep": units.fs, "temperature": 4000.0}
    with pytest.warns(ExtrapolationWarning) as told:
        dyn.nvt_many(cells, potentials, observe=look, to_label="out.xyz", **keys)
    found = sorted(str(w.message).split(": atom")[0] for w in told)
    wanted = sorted(f"at step {step} structure {s} (counted from 0)" for s, step in seen.items())
    assert found == wanted
    assert sorted(c.meta["step"] for c in Cell.load("out.xyz")) == sorted(seen.values())
    with pytest.warns(ExtrapolationWarning):
        ends = dyn.nvt_many(cells, potentials, stop_extrapolation=1.1, **keys)
    for s, end in enumerate(ends):
        assert isinstance(end, StructureFailure) == (s in seen)
        if s in seen:
            assert f"at step {seen[s]} atom" in str(end.error)


def test_limits_that_mean_nothing_are_refused() -> None:
    """A threshold inside of the training set; formulas, which have none."""
    cell = crystal()
    keys = {"n_steps": 1, "timestep": 1.0, "temperature": 300.0}
    with pytest.raises(ValueError, match=r"`stop_extrapolation` is 0.5 but must be in \[1, inf\]"):
        dyn.nvt(cell, [trained()], stop_extrapolation=0.5, **keys)
    for name, value in {"stop_extrapolation": 2.0, "to_label": "out.xyz"}.items():
        for run in (dyn.relax, dyn.nvt):
            more = keys if run is dyn.nvt else {}
            with pytest.raises(
                ValueError, match=f"`{name}` is {value} but no potential knows its training set"
            ):
                run(cell, SILICON, **{name: value}, **more)


def test_ase_has_the_extrapolation_of_each_atom(potentials) -> None:
    """As `eval` has it; told once while atoms are outside, and not if that is switched off."""
    atoms = far().to_ase()
    atoms.calc = MiniffCalculator(potentials)
    with pytest.warns(ExtrapolationWarning, match=r"in calculation 1 atom \d+ \(Si, "):
        found = atoms.calc.get_property("extrapolation", atoms)
    atoms.positions[0] += 0.01
    atoms.get_forces()  # another warning would be an error
    atoms.positions[0] -= 0.01
    np.testing.assert_allclose(found, evaluate(potentials, far()).extrapolation, rtol=1e-9)
    atoms.calc = MiniffCalculator(potentials, warn_extrapolation=False)
    atoms.get_forces()
    assert atoms.calc.results["extrapolation"].max() > 1
    assert atoms.calc.grades().shape == (8, 2)
    plain = MiniffCalculator(SILICON)
    assert "extrapolation" not in plain.implemented_properties
    plain.get_forces(atoms)
    assert "extrapolation" not in plain.results


def job(workflow: str, prepare: dict, **keys) -> object:
    content = {"init": {"log": "warning"}, "prepare": prepare, "run": keys}
    (result,) = exec_workflows({workflow: content})
    return result


@pytest.fixture
def files(potentials, folder: Path) -> Path:
    ml.save_potentials("potentials.pt", potentials)
    Cell.save(crystal(), "start.xyz")
    known = {"energy": -30.0}
    cells = [crystal(), far()]
    cells = [Cell(c.vectors, c.coordinates, c.values, known) for c in cells]
    Cell.save(cells, "two.xyz")
    return folder


def test_job_of_dynamics_keeps_frames_and_stops(files: Path, capsys) -> None:
    """Nothing is asked for: the log tells, and `to-label.xyz` is there."""
    keys = {"n_steps": 60, "temperature_k": 6000.0, "every": 10}
    job("md", {"fn_cells": "start.xyz"}, **keys)
    log = Path("md.log").read_text()
    assert "warning: at step " in log
    assert "(Si, counted from 0) is outside of the training set" in log
    assert "1 frames with atoms outside of the training set are in to-label.xyz" in log
    assert "md: warning: at step " in capsys.readouterr().out
    (frame,) = Cell.load("to-label.xyz")
    assert frame.meta["run"] == "md"
    assert frame.meta["origin"].startswith("start.xyz, structure 0")
    report = json.loads(Path("md.json").read_text())
    assert report["largest_extrapolation"] > 1
    Path("md.checkpoint").unlink()
    with pytest.raises(FloatingPointError, match=r"`stop_extrapolation` is 1.05; kept.xyz has the"):
        job("md", {"fn_cells": "start.xyz"}, stop_extrapolation=1.05, to_label="kept.xyz", **keys)
    assert Cell.load("kept.xyz")[-1].meta["largest_extrapolation"] > 1.05
    Path("to-label.xyz").unlink()
    Path("md.checkpoint").unlink(missing_ok=True)
    job("md", {"fn_cells": "start.xyz"}, to_label=None, **keys)
    assert not Path("to-label.xyz").exists()


@pytest.mark.parametrize("workflow", ["relax", "test-relax"])
@pytest.mark.parametrize("keys", [{}, {"optimizer": "fire"}])
def test_jobs_of_relaxations_keep_frames_and_give_up(
    files: Path, workflow: str, keys: dict
) -> None:
    """Together and one by one; the report has the largest grade of each end."""
    job(workflow, {"fn_cells": "two.xyz"}, free="positions", max_steps=30, **keys)
    log = Path(f"{workflow}.log").read_text()
    assert "two.xyz, structure 1 (counted from 0)" in log
    assert "is outside of the training set" in log
    assert {c.meta["run"] for c in Cell.load("to-label.xyz")} == {workflow}
    inside, outside = json.loads(Path(f"{workflow}.json").read_text())["structures"]
    assert inside["largest_extrapolation"] < 1 < outside["largest_extrapolation"]
    with pytest.raises(FloatingPointError, match=r"structure 1 .*`stop_extrapolation` is 1.1"):
        job(workflow, {"fn_cells": "two.xyz"}, stop_extrapolation=1.1, max_steps=30, **keys)


def test_jobs_of_formulas_need_no_training_set(files: Path) -> None:
    """Nothing is kept, nothing is told; a limit is refused."""
    ml.save_potentials("formulas.pt", SILICON)
    prepare = {"fn_cells": "start.xyz", "potentials": "formulas.pt"}
    job("md", prepare, n_steps=5, temperature_k=6000.0)
    job("relax", prepare)
    assert not Path("to-label.xyz").exists()
    assert json.loads(Path("md.json").read_text())["largest_extrapolation"] is None
    with pytest.raises(ValueError, match=r"`stop_extrapolation` is 2\.0 but no potential knows"):
        job("relax", prepare, stop_extrapolation=2.0)
    with pytest.raises(JobError, match="stop_extrapolation"):
        job("relax", prepare, stop_extrapolation=0.5)


def test_test_direct_has_the_extrapolation(files: Path) -> None:
    """Of each atom in its file, counted in its report; null where it is not known."""
    job("test-direct", {"fn_cells": "two.xyz"})
    report = json.loads(Path("test-direct.json").read_text())
    assert report["n_atoms_outside_training"] == 8
    potentials = ml.load_potentials("potentials.pt")
    for cell in Cell.load("test-direct.extxyz"):
        wanted = evaluate(potentials, cell).extrapolation
        np.testing.assert_allclose(cell.meta["extrapolation"], wanted, rtol=1e-9)
    assert report["largest_extrapolation"] == pytest.approx(wanted.max())
    ml.save_potentials("formulas.pt", SILICON)
    job("test-direct", {"fn_cells": "two.xyz", "potentials": "formulas.pt"})
    report = json.loads(Path("test-direct.json").read_text())
    assert report["n_atoms_outside_training"] is None
    assert "extrapolation" not in Cell.load("test-direct.extxyz")[0].meta


def test_compression_raises_the_grade() -> None:
    """The further from the strains of the training set, the larger: the energy there is a guess."""
    potential = trained()
    grades = [
        evaluate(potential, crystal(s, rattle=0.0)).extrapolation.max()
        for s in (-0.05, -0.1, -0.15, -0.2)
    ]
    assert all(a < b for a, b in pairwise(grades))
