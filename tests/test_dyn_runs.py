"""Ensembles against statistics, and runs that are stopped against runs that are left alone."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase_silicon import SILICON, committee, silicon

from miniff import dyn
from miniff.kernel import Cell
from miniff.kernel import eval as evaluate
from miniff.ml import save_potentials
from miniff.potentials import lj_potential_family

CRYSTAL = Cell.from_ase(silicon(2, rattle=0.02))
FS = units.fs

RUNS = {
    "nve": (dyn.nve, {"velocities": dyn.thermal_velocities(CRYSTAL, 1500, seed=2)}),
    "langevin": (dyn.nvt, {"temperature": 1500, "seed": 3}),
    "nose-hoover": (dyn.nvt, {"temperature": 1500, "thermostat": "nose-hoover"}),
    "npt": (dyn.npt, {"temperature": 1500, "pressure": units.GPa, "period": 100 * FS}),
}


def moved(name: str, n_steps: int, **options) -> dyn.State:
    """Hot enough, with a skin short enough, to make new lists on the way."""
    function, how = RUNS[name]
    given = {"timestep": 2 * FS, "skin": 0.3, **how, **options}
    return function(CRYSTAL, SILICON, n_steps=n_steps, **given)


def means(values: list[float], n_blocks: int = 8) -> tuple[float, float]:
    """The mean of the second half and up, and its standard error from means of blocks."""
    kept = np.array(values[len(values) // 4 :])
    blocks = kept[: len(kept) // n_blocks * n_blocks].reshape(n_blocks, -1).mean(axis=1)
    return float(kept.mean()), float(blocks.std(ddof=1) / np.sqrt(n_blocks))


@pytest.mark.parametrize("thermostat", ["langevin", "nose-hoover"])
def test_energy_is_shared_equally(thermostat: str) -> None:
    """Light and heavy atoms, and the three directions, have kT/2 in each degree of freedom.

    In a melt, since modes of a crystal exchange their energies too slowly for a short run.
    Standard errors are those of eight means of blocks, and at most 7 % of kT; a right thermostat
    stays within four of them with a confidence of 99.5 % for each group (Student's t).
    """
    sites = silicon(1, rattle=0.01)
    masses = np.where(np.arange(8) % 2, 28.0, 7.0)
    sites.set_masses(masses)
    # Without a total momentum an atom of mass m has the share 1 - m/M of kT/2.
    share = 1 - masses / masses.sum() if thermostat == "nose-hoover" else np.ones(8)
    groups: dict[str, list[float]] = {name: [] for name in ("light", "heavy", "x", "y", "z")}

    def look(state: dyn.State) -> None:
        twice = masses[:, None] * state.velocities**2 / units.kB
        groups["light"].append(twice[::2].mean() / share[::2].mean())
        groups["heavy"].append(twice[1::2].mean() / share[1::2].mean())
        for name, column in zip("xyz", twice.T, strict=True):
            groups[name].append(column.mean() / share.mean())

    dyn.nvt(
        sites,
        SILICON,
        n_steps=3000,
        timestep=FS,
        temperature=4000,
        thermostat=thermostat,
        relaxation_time=20 * FS,
        observe=look,
        every=5,
        seed=1,
    )
    for values in groups.values():
        mean, error = means(values)
        assert abs(mean - 4000) < 4 * error
        assert error < 0.07 * 4000


def test_pressure_and_temperature_are_those_asked_for() -> None:
    """At 2 GPa, where the crystal at rest would have 0; the volume swings within its period."""
    pressures: list[float] = []
    temperatures: list[float] = []
    volumes: list[float] = []

    def look(state: dyn.State) -> None:
        assert state.pressure is not None
        assert state.volume is not None
        pressures.append(state.pressure / units.GPa)
        temperatures.append(state.temperature)
        volumes.append(state.volume)

    dyn.npt(
        CRYSTAL,
        SILICON,
        n_steps=2400,
        timestep=2 * FS,
        temperature=300,
        pressure=2 * units.GPa,
        relaxation_time=50 * FS,
        period=150 * FS,
        observe=look,
        every=5,
    )
    for values, asked in ((pressures, 2.0), (temperatures, 300.0)):
        mean, error = means(values)
        assert abs(mean - asked) < 4 * error
        assert error < 0.1 * asked
    # dV/V = -P/B with the published bulk modulus, 101.4 GPa; B rises with P, heat expands a little.
    assert np.mean(volumes[120:]) / 5.431**3 / 8 - 1 == pytest.approx(-2 / 101.4, abs=0.005)
    # <dV^2> = kT V / B, within a third: eight periods' worth of correlated samples.
    expected = np.sqrt(units.kB * 300 * np.mean(volumes) / (101.4 * units.GPa))
    assert np.std(volumes[120:]) == pytest.approx(expected, rel=0.33)


def test_pressure_of_a_gas_is_that_of_its_motion() -> None:
    """Atoms out of reach of each other: P V = 2/3 E_kin, and no stress of the potential."""
    gas = Cell(30 * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], ["Ar", "Ar"])
    lj = lj_potential_family(epsilon=0.01, sigma=3.4, a=2.0)
    velocities = dyn.thermal_velocities(gas, 300)
    state = dyn.nve(gas, lj, n_steps=3, timestep=FS, velocities=velocities)
    assert state.pressure == pytest.approx(2 / 3 * state.kinetic_energy / 30**3)
    np.testing.assert_array_equal(state.stress, 0)
    assert state.temperature == pytest.approx(2 * state.kinetic_energy / 3 / units.kB)


def test_energy_drifts_by_nothing_in_a_short_run() -> None:
    """Less than 1e-4 eV per atom and ps over 1 ps, where the energy has come back several times."""
    velocities = dyn.thermal_velocities(CRYSTAL, 600)
    energies: list[float] = []
    state = dyn.nve(
        CRYSTAL,
        SILICON,
        n_steps=1000,
        timestep=FS,
        velocities=velocities,
        observe=lambda s: energies.append(s.energy),
        every=10,
    )
    slope = np.polyfit(np.arange(len(energies)) * 0.01, energies, 1)[0] / CRYSTAL.size
    assert abs(slope) < 1e-5
    assert state.drift is not None
    assert abs(state.drift * 1e3 * FS) < 1e-4


def test_chain_conserves_its_energy() -> None:
    """To second order in the time step, like Newton's equations."""
    spread = []
    for refine in (1, 2):
        values: list[float] = []
        dyn.nvt(
            CRYSTAL,
            SILICON,
            n_steps=100 * refine,
            timestep=2 * FS / refine,
            temperature=600,
            thermostat="nose-hoover",
            relaxation_time=50 * FS,
            observe=lambda s, v=values: v.append(s.conserved),
        )
        spread.append(np.std(values))
    assert 3.0 < spread[0] / spread[1] < 5.0


@pytest.mark.parametrize("name", RUNS)
def test_a_run_in_two_parts_is_the_run_in_one(folder: Path, name: str) -> None:
    """To the bit: positions, velocities, energies and all that was written, new lists included."""
    whole = moved(name, 90, record=dyn.Record("whole.extxyz", every=10))
    record = dyn.Record("parts.extxyz", checkpoint="parts.checkpoint", every=10)
    for n_steps in (0, 47, 90, 90):
        parts = moved(name, n_steps, record=record)
        assert parts.step == n_steps
    np.testing.assert_array_equal(parts.positions, whole.positions)
    np.testing.assert_array_equal(parts.velocities, whole.velocities)
    np.testing.assert_array_equal(parts.vectors, whole.vectors)
    assert parts.energy == whole.energy
    assert parts.conserved == whole.conserved
    assert Path("parts.extxyz").read_bytes() == Path("whole.extxyz").read_bytes()
    assert len(ase.io.read("whole.extxyz", ":")) == 10


def test_what_was_written_after_the_checkpoint_is_cut_off(folder: Path) -> None:
    """In all three kinds of files, also a part of a frame."""
    whole = moved("langevin", 60, record=dyn.Record("whole.traj", "whole.csv", every=10))
    for ending in (".traj", ".extxyz"):
        record = dyn.Record(f"a{ending}", "a.csv", checkpoint=f"a{ending}.checkpoint", every=10)
        moved("langevin", 30, record=record)
        checkpoint = Path(record.checkpoint).read_bytes()
        moved("langevin", 50, record=record)
        Path(record.checkpoint).write_bytes(checkpoint)
        with open("a.csv", "a") as file:
            file.write("55,")
        if ending == ".extxyz":
            with open("a.extxyz", "a") as file:
                file.write("64\nLattice=")
        end = moved("langevin", 60, record=record)
        assert end.energy == whole.energy
        frames = ase.io.read(record.trajectory, ":")
        expected = ase.io.read("whole.traj", ":")
        assert [f.info.get("step", k * 10) for k, f in enumerate(frames)] == list(range(0, 70, 10))
        for ours, theirs in zip(frames, expected, strict=True):
            np.testing.assert_array_equal(ours.positions, theirs.positions)
        ours, theirs = (np.genfromtxt(n, delimiter=",", names=True) for n in ("a.csv", "whole.csv"))
        for column in ours.dtype.names[:-1]:
            np.testing.assert_array_equal(ours[column], theirs[column])


KILLED = """
import sys
from miniff import dyn, ml
from miniff.kernel import Cell
from ase import units

(cell,) = Cell.load("start.extxyz")
record = dyn.Record(sys.argv[1], "md.csv", checkpoint="md.checkpoint", every=2, checkpoint_s=0.05)
dyn.nvt(
    cell, ml.load_potentials("p.pt"), n_steps=10**8, timestep=units.fs, temperature=900,
    record=record, skin=0.3,
)
"""


@pytest.mark.parametrize("trajectory", ["md.extxyz", "md.traj"])
def test_a_killed_run_goes_on(folder: Path, trajectory: str) -> None:
    """kill -9 at any time leaves files that can be read; in the end the numbers are the same."""
    Cell.save(CRYSTAL, "start.extxyz")
    save_potentials("p.pt", SILICON)
    process = subprocess.Popen([sys.executable, "-c", KILLED, trajectory])
    waited = time.monotonic()
    while not Path("md.checkpoint").exists() or len(Path("md.csv").read_text()) < 4000:
        assert process.poll() is None
        assert time.monotonic() - waited < 300
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    frames = ase.io.read(trajectory, ":")
    n_rows = len(Path("md.csv").read_text().splitlines()) - 1
    assert len(frames) > 20
    assert abs(len(frames) - n_rows) <= 1
    np.testing.assert_allclose(
        frames[20].get_potential_energy(),
        evaluate(SILICON, Cell.from_ase(frames[20].copy())).energy,
        rtol=1e-12,
    )
    (cell,) = Cell.load("start.extxyz")
    given = {"n_steps": 2 * len(frames) + 40, "timestep": FS, "temperature": 900, "skin": 0.3}
    record = dyn.Record(
        trajectory, "md.csv", checkpoint="md.checkpoint", every=2, checkpoint_s=0.05
    )
    end = dyn.nvt(cell, SILICON, record=record, **given)
    alone = dyn.nvt(cell, SILICON, record=dyn.Record(f"alone-{trajectory}", every=2), **given)
    np.testing.assert_array_equal(end.positions, alone.positions)
    np.testing.assert_array_equal(end.velocities, alone.velocities)
    there, expected = (ase.io.read(name, ":") for name in (trajectory, f"alone-{trajectory}"))
    assert len(there) == len(expected) == len(frames) + 21
    for ours, theirs in zip(there, expected, strict=True):
        np.testing.assert_array_equal(ours.positions, theirs.positions)


def test_ctrl_c_leaves_a_checkpoint(folder: Path) -> None:
    """Of the step it came in; the run goes on to the same numbers."""
    record = dyn.Record(checkpoint="c", every=5)

    def interrupt(state: dyn.State) -> None:
        if state.step == 20:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        moved("langevin", 60, record=record, observe=interrupt, every=5)
    assert signal.getsignal(signal.SIGINT) is before
    steps: list[int] = []
    end = moved("langevin", 60, record=record, observe=lambda s: steps.append(s.step), every=5)
    assert steps[0] == 25
    assert end.energy == moved("langevin", 60).energy


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
    ("change", "sentence"),
    [
        ({"temperature": 800}, "in which `temperature` was 1500, but here it is 800"),
        ({"seed": 4}, "in which `seed` was 3, but here it is 4"),
        ({"skin": 0.4}, "in which `skin` was 0.3, but here it is 0.4"),
        ({"n_steps": 3}, "`n_steps` is 3 but the run that c is of has made 10 steps"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(folder: Path, change, sentence) -> None:
    """With the difference."""
    record = dyn.Record("a.extxyz", checkpoint="c")
    moved("langevin", 10, record=record)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        moved("langevin", **{"n_steps": 20, **change}, record=record)


def test_other_atoms_or_potentials_are_another_run(folder: Path) -> None:
    """By a hash of all their numbers."""
    record = dyn.Record(checkpoint="c")
    given = {"n_steps": 5, "timestep": FS, "temperature": 100, "record": record}
    dyn.nvt(CRYSTAL, SILICON, **given)
    with pytest.raises(ValueError, match="`potentials` was"):
        dyn.nvt(CRYSTAL, [SILICON[0], SILICON[1], committee()[0]], **given)
    with pytest.raises(ValueError, match="`structure` was"):
        dyn.nvt(Cell.from_ase(silicon(2, rattle=0.03)), SILICON, **given)
    Path("c").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"c is damaged \(.*\): delete c to start anew"):
        dyn.nvt(CRYSTAL, SILICON, **given)


@pytest.mark.parametrize("name", ["a.extxyz", "a.traj"])
def test_a_trajectory_that_is_gone_is_missed(folder: Path, name: str) -> None:
    """Else a run would go on without its beginning."""
    record = dyn.Record(name, checkpoint="c", every=5)
    moved("nve", 10, record=record)
    Path(name).unlink()
    with pytest.raises(ValueError, match=rf"^{re.escape(name)} ha.* when the checkpoint was"):
        moved("nve", 20, record=record)


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
