"""Dynamics and relaxations that leave the training set: warnings, and a stop.

Energies are Stillinger and Weber's; a network that gives no energy has the training set.
"""

import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from ase import units
from hot_silicon import HOT, far
from hot_silicon import potentials as potentials  # a fixture
from silicon import SILICON
from trained import crystal, trained

from miniff import dyn
from miniff.ase import MiniffCalculator
from miniff.kernel import Cell, ExtrapolationError, ExtrapolationWarning, StructureFailure
from miniff.kernel import eval as evaluate

LEFT = r"at step (\d+) .*atom \d+ \(Si, counted from 0\) is outside of the training set"


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


def test_compression_raises_the_grade() -> None:
    """The further from the strains of the training set, the larger: the energy there is a guess."""
    potential = trained()
    grades = [
        evaluate(potential, crystal(s, rattle=0.0)).extrapolation.max()
        for s in (-0.05, -0.1, -0.15, -0.2)
    ]
    assert all(a < b for a, b in pairwise(grades))
