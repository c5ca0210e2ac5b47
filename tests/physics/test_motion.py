"""What motion conserves, and how the numbers of a thermostat are distributed."""

from pathlib import Path

import numpy as np
import pytest
from ase import units
from ase.md.verlet import VelocityVerlet
from lammps_run import by_id, lammps_with
from saved import MOVING, Saved, diamond
from scipy.stats import kstest
from silicon import SILICON

from miniff import dyn
from miniff.ase import MiniffCalculator
from miniff.kernel import Cell
from miniff.lammps import attach
from miniff.potentials import Potential, zbl_potential_family

pytestmark = pytest.mark.filterwarnings("ignore::miniff.kernel.ExtrapolationWarning")
moving = pytest.mark.parametrize("saved", MOVING, ids=lambda one: one.name)
HEAT = 300.0
FS = units.fs


def start(saved: Saved, *, pbc: bool = True) -> tuple[Cell, np.ndarray]:
    """A crystal, or the same atoms alone, with velocities."""
    cell = saved.cell(0, pbc=pbc)
    return cell, dyn.thermal_velocities(cell, HEAT, seed=1)


def states_of(
    saved: Saved, potentials: list[Potential], n_steps: int, timestep: float, **keys
) -> list[dyn.State]:
    """Of a run at constant energy; also those in between."""
    cell, velocities = start(saved, **keys)
    states: list[dyn.State] = []
    dyn.nve(
        cell,
        potentials,
        n_steps=n_steps,
        timestep=timestep,
        velocities=velocities,
        observe=states.append,
        precision=saved.precision,
    )
    return states


@moving
def test_energy_swings_with_the_square_of_the_time_step(saved: Saved, tmp_path: Path) -> None:
    """As it does for Verlet's rule with forces that are the slope of the energy: a wrong force does
    not pass."""
    if saved.precision == "single":
        pytest.skip("rounding is as large as the swings")
    potentials = saved.potentials(tmp_path)
    swings = []
    for timestep, n_steps in ((1.0 * FS, 400), (0.5 * FS, 800)):
        energies = [s.energy for s in states_of(saved, potentials, n_steps, timestep)]
        swings.append(np.std(energies))
    assert swings[0] / swings[1] == pytest.approx(4, rel=0.2)


@moving
def test_momentum_and_angular_momentum_stay(saved: Saved, tmp_path: Path) -> None:
    """Of atoms alone in space, which also turn."""
    potentials = saved.potentials(tmp_path)
    masses = dyn.masses_of(saved.cell(0))[:, None]

    def momenta(state: dyn.State) -> tuple[np.ndarray, np.ndarray]:
        p = masses * state.velocities
        return p.sum(axis=0), np.cross(state.positions, p).sum(axis=0)

    states = states_of(saved, potentials, 400, FS, pbc=False)
    (before, turning), (after, turning_after) = momenta(states[0]), momenta(states[-1])
    size = np.abs(masses * states[0].velocities).sum()
    rounding = 1e-11 if saved.precision == "double" else 1e-4
    assert np.abs(states[-1].positions - states[0].positions).max() > 0.1
    np.testing.assert_allclose(after, before, atol=rounding * size)
    np.testing.assert_allclose(turning_after, turning, atol=10 * rounding * size)


@moving
def test_ase_and_lammps_move_atoms_along_the_same_way(saved: Saved, tmp_path: Path) -> None:
    """A hundred steps at constant energy by three integrators."""
    potentials = saved.potentials(tmp_path)
    cell, velocities = start(saved)
    (*_, end) = states_of(saved, potentials, 100, FS)
    atoms = cell.to_ase()
    atoms.set_velocities(velocities)
    atoms.calc = MiniffCalculator(potentials, precision=saved.precision)
    VelocityVerlet(atoms, FS).run(100)
    tolerance = 1e-8 if saved.precision == "double" else 1e-3
    np.testing.assert_allclose(atoms.positions, end.positions, atol=tolerance)
    lmp = lammps_with(cell, ["Si"])
    attach(lmp, potentials, ["Si"], precision=saved.precision)
    lmp.command(f"mass * {float(dyn.masses_of(cell)[0])!r}")
    per_ps = velocities * 1e3 * FS
    for k, v in enumerate(per_ps.tolist()):
        lmp.command(f"set atom {k + 1} vx {v[0]!r} vy {v[1]!r} vz {v[2]!r}")
    lmp.commands_list(["timestep 0.001", "fix integrator all nve", "run 100 post no"])
    apart = np.linalg.solve(cell.vectors.T, (by_id(lmp, "x") - end.positions).T).T
    apart -= np.rint(apart)  # LAMMPS puts atoms into the box
    # LAMMPS's constants differ from ASE's in the eighth digit
    np.testing.assert_allclose(apart @ cell.vectors, 0, atol=max(tolerance, 1e-6))


@pytest.mark.slow
@moving
def test_energy_does_not_drift(saved: Saved, tmp_path: Path) -> None:
    """Over 20 ps of 64 atoms: the slope of a line through the energies.

    In half femtoseconds, and with a repulsion below 2 angstrom: networks that were never trained
    let atoms pass through each other, which no time step can follow.
    """
    if saved.name == "network of torch alone":
        pytest.skip("it takes many minutes")
    repulsion = zbl_potential_family("Si-Si", z1=14, z2=14, a_inner=1.5, a=2.0)
    cell = saved.cell(0).repeated(1, 2, 2)
    velocities = dyn.thermal_velocities(cell, HEAT, seed=1)
    energies: list[tuple[float, float]] = []
    dyn.nve(
        cell,
        [*saved.potentials(tmp_path), repulsion],
        n_steps=40_000,
        timestep=0.5 * FS,
        velocities=velocities,
        observe=lambda s: energies.append((s.time, s.energy)),
        every=100,
        precision=saved.precision,
    )
    time, energy = np.array(energies).T
    drift = np.polyfit(time / (1e3 * FS), energy / cell.size, 1)[0]
    assert abs(drift) < (1e-6 if saved.precision == "double" else 1e-5)  # eV/atom/ps


class TestDistributions:
    """Kinetic energies at a temperature are those of Maxwell and Boltzmann; pressures are met."""

    def states(self, run, **keys) -> list[dyn.State]:
        """Of silicon, after it has warmed up, seldom enough to be independent."""
        cell = diamond().repeated(1, 2, 2)
        states: list[dyn.State] = []
        common = {"timestep": 1.5 * FS, "temperature": 600.0, "relaxation_time": 60 * FS}
        run(cell, SILICON, n_steps=40_000, observe=states.append, every=100, **common, **keys)
        return states[60:]

    @pytest.mark.slow
    @pytest.mark.parametrize("thermostat", ["langevin", "nose-hoover"])
    def test_kinetic_energies(self, thermostat: str) -> None:
        """Mean and width of the distribution of 2 E / kT, which is chi squared."""
        states = self.states(dyn.nvt, thermostat=thermostat, seed=3)
        n = states[0].n_degrees
        scaled = np.array([2 * s.kinetic_energy / (units.kB * 600) for s in states])
        # Neighbours in time are not independent: a fifth of them about are.
        error = np.sqrt(2 * n / (len(scaled) / 5))
        assert scaled.mean() == pytest.approx(n, abs=4 * error)
        assert scaled.std() == pytest.approx(np.sqrt(2 * n), rel=0.25)

    @pytest.mark.slow
    def test_velocities(self) -> None:
        """Normal, of each mass's width."""
        states = self.states(dyn.nvt, seed=4)
        mass = states[0].start.masses[:, None]
        width = np.sqrt(units.kB * 600 / mass)
        velocities = np.concatenate([(s.velocities / width).ravel() for s in states[::10]])
        assert kstest(velocities, "norm").pvalue > 1e-4

    @pytest.mark.slow
    def test_pressure_is_met(self) -> None:
        """On average over the run, within four standard errors of blocks."""
        states = self.states(dyn.npt, pressure=2 * units.GPa, period=200 * FS, seed=5)
        pressures = np.array([s.pressure / units.GPa for s in states])
        blocks = np.array([b.mean() for b in np.array_split(pressures, 10)])
        error = blocks.std(ddof=1) / np.sqrt(len(blocks))
        assert pressures.mean() == pytest.approx(2, abs=4 * error)
        assert error < 0.2
