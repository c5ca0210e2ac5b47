"""Runs of all ensembles: what goes in, what is written, and what is refused."""

import re
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase_silicon import SILICON, committee, silicon
from crystal_runs import CRYSTAL, FS, RUNS, moved

from miniff import dyn
from miniff.kernel import Cell
from miniff.kernel import eval as evaluate


def test_committees_run_too(folder: Path) -> None:
    """Networks give forces like formulas."""
    end = dyn.nvt(CRYSTAL, committee(), n_steps=5, timestep=FS, temperature=100)
    found = evaluate(committee(), end.cell)
    assert end.potential_energy == pytest.approx(found.energy, rel=1e-12)
    np.testing.assert_allclose(end.forces, found.forces, atol=1e-11)


@pytest.mark.parametrize("name", RUNS)
def test_a_state_is_a_structure_with_labels(name: str) -> None:
    """Energy, forces and stress of the cell it gives are those the kernel finds."""
    end = moved(name, 30)
    found = evaluate(SILICON, end.cell)
    assert end.cell.meta["energy"] == pytest.approx(found.energy, rel=1e-12)
    np.testing.assert_allclose(end.cell.meta["forces"], found.forces, atol=1e-10)
    np.testing.assert_allclose(end.cell.meta["stress"], found.stress, atol=1e-12)
    virial = -np.trace(end.strain_derivative)
    assert end.pressure == pytest.approx((2 * end.kinetic_energy + virial) / (3 * end.volume))
    if name != "npt":
        np.testing.assert_array_equal(end.vectors, CRYSTAL.vectors)


def test_atoms_of_ase_bring_masses_and_velocities(folder: Path) -> None:
    """Heavier isotopes, and the momenta they have; a trajectory keeps both."""
    atoms = silicon(1)
    atoms.set_masses(np.full(8, 30.0))
    velocities = np.random.default_rng(0).normal(scale=0.01, size=(8, 3))
    atoms.set_velocities(velocities)
    state = dyn.nve(atoms, SILICON, n_steps=0, timestep=FS, record=dyn.Record("a.extxyz"))
    np.testing.assert_allclose(state.velocities, velocities, atol=1e-14)
    assert state.kinetic_energy == pytest.approx(15.0 * (velocities**2).sum())
    np.testing.assert_allclose(ase.io.read("a.extxyz").get_velocities(), velocities, atol=1e-14)
    (cell,) = Cell.load("a.extxyz")
    np.testing.assert_array_equal(dyn.masses_of(cell), 30.0)
    with pytest.raises(ValueError, match=r"^`masses` has 0\.0 but must have numbers in \(0, inf\)"):
        dyn.masses_of(Cell(np.eye(3), [[0, 0, 0]], ["Si"], {"masses": [0.0]}))


@pytest.mark.parametrize("wrap", [False, True])
def test_frames_are_wrapped_where_asked(folder: Path, wrap: bool) -> None:
    """A crystal that flies along leaves its box, or comes back in; a molecule always leaves."""
    flying = np.tile([0.3, 0, 0], (64, 1))
    record = dyn.Record("a.extxyz", every=100, wrap=wrap)
    moved("nve", 100, velocities=flying, record=record)
    last = ase.io.read("a.extxyz", -1)
    shift = last.positions[:, 0].mean() - CRYSTAL.cartesian()[:, 0].mean()
    assert (shift > 5) == (not wrap)
    scaled = last.get_scaled_positions(wrap=False)
    assert wrap == bool((scaled >= 0).all() and (scaled < 1).all())
    dimer = Atoms("Si2", [[0, 0, 0], [0, 0, 2.4]])
    dimer.set_velocities(np.tile([-0.3, 0, 0], (2, 1)))
    dyn.nve(dimer, SILICON, n_steps=100, timestep=FS, record=record)
    assert (ase.io.read("a.extxyz", -1).positions[:, 0] < -2).all()


def test_an_explosion_stops_with_the_atom() -> None:
    """In each integrator: an atom is thrown, another flies through the crystal."""
    close = CRYSTAL.cartesian()
    close[7] = close[3] + [0.2, 0, 0]
    bad = Cell(CRYSTAL.vectors, CRYSTAL.transform_from_cartesian(close), CRYSTAL.values)
    for thermostat in ("langevin", "nose-hoover"):
        with pytest.raises(FloatingPointError, match=r"at step \d+ atom [37] \(counted from 0\)"):
            dyn.nvt(bad, SILICON, n_steps=9, timestep=FS, temperature=300, thermostat=thermostat)
    with pytest.raises(FloatingPointError, match=r"at step \d+ atom [37] \(counted from 0\)"):
        dyn.npt(bad, SILICON, n_steps=9, timestep=FS, temperature=300, pressure=0.0)
    with pytest.raises(FloatingPointError, match=r"at step \d+ atom [37] .* must not by more than"):
        dyn.nve(bad, SILICON, n_steps=9, timestep=FS)


@pytest.mark.parametrize(
    ("function", "given", "sentence"),
    [
        (dyn.nvt, {"temperature": -1.0}, "`temperature` is -1.0 but must be in (0, inf)"),
        (dyn.nvt, {"timestep": 0.0}, "`timestep` is 0.0 but must be in (0, inf)"),
        (dyn.nvt, {"relaxation_time": 0.0}, "`relaxation_time` is 0.0 but must be in (0, inf)"),
        (dyn.nvt, {"thermostat": "berendsen"}, "`berendsen` is not a known thermostat"),
        (dyn.nvt, {"every": 0}, "`every` is 0 but must be in [1, inf)"),
        (
            dyn.nvt,
            {"thermostat": "nose-hoover", "velocities": np.ones((64, 3))},
            "but must be 0 for nose-hoover",
        ),
        (
            dyn.nvt,
            {"thermostat": "nose-hoover", "cell": Cell(9 * np.eye(3), [[0, 0, 0]], ["Si"])},
            "there is 1 atom but nose-hoover needs at least 2",
        ),
        (dyn.npt, {"pressure": np.nan}, "`pressure` is nan but must be finite"),
        (dyn.npt, {"period": -1.0}, "`period` is -1.0 but must be in (0, inf)"),
        (
            dyn.npt,
            {"cell": Cell(11 * np.eye(3), [[0, 0, 0]], ["Si"], pbc=[True, True, False])},
            "`pbc` is (True, True, False) but under a pressure the structure must repeat",
        ),
    ],
)
def test_wrong_arguments_are_refused(as_installed, function, given, sentence) -> None:
    """Each with its sentence."""
    base = {"cell": CRYSTAL, "potentials": SILICON, "n_steps": 1, "timestep": FS}
    base |= {"temperature": 300.0} | ({"pressure": 0.0} if function is dyn.npt else {})
    with pytest.raises(ValueError, match=re.escape(sentence)):
        function(**{**base, **given})


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"every": 0}, "`every` is 0 but must be in [1, inf)"),
        ({"checkpoint_s": -1.0}, "`checkpoint_s` is -1.0 but must be in [0, inf)"),
        ({"trajectory": "a.dcd"}, "`trajectory` is 'a.dcd' but must end in .xyz, .extxyz, .traj"),
    ],
)
def test_wrong_records_are_refused(given, sentence) -> None:
    """Each with its sentence."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        dyn.Record(**given)


def test_constraints_and_other_things_are_refused(as_installed) -> None:
    """Here all atoms move."""
    from ase.constraints import FixAtoms

    atoms = silicon(1)
    atoms.set_constraint(FixAtoms([0]))
    with pytest.raises(ValueError, match="but here all atoms must be free"):
        dyn.nve(atoms, SILICON, n_steps=1, timestep=FS)
    with pytest.raises(TypeError, match=r"`cell` is str but must be a Cell, or ASE's Atoms"):
        dyn.nve("silicon", SILICON, n_steps=1, timestep=FS)
