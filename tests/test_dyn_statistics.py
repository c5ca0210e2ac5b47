"""Ensembles against statistical mechanics: temperature, pressure, and what is conserved."""

import numpy as np
import pytest
from ase import units
from ase_silicon import SILICON, silicon
from crystal_runs import CRYSTAL, FS

from miniff import dyn
from miniff.kernel import Cell
from miniff.potentials import lj_potential_family


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
