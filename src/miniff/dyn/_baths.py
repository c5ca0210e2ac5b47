"""What keeps a temperature and a pressure: ASE's integrators with their parameters."""

from dataclasses import dataclass, replace
from math import pi

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.langevinbaoab import LangevinBAOAB
from ase.md.md import MolecularDynamics
from ase.md.nose_hoover_chain import NoseHooverChainNVT

from miniff._checks import check_positive
from miniff.dyn._state import Start, drawn_velocities

__all__ = ["Bath", "Press"]


@dataclass(frozen=True)
class Bath:
    """A temperature and how it is kept."""

    timestep: float
    temperature: float
    relaxation_time: float
    seed: int

    def __post_init__(self) -> None:
        check_positive("temperature", self.temperature)
        check_positive("relaxation_time", self.relaxation_time)

    def random(self) -> np.random.Generator:
        """Other numbers than those of the velocities."""
        return np.random.default_rng([self.seed, 1])

    def warm(self, start: Start) -> Start:
        """With velocities: those it has, or drawn ones."""
        if start.velocities is not None:
            return start
        drawn = drawn_velocities(start.masses, self.temperature, self.seed)
        return replace(start, velocities=drawn)

    def langevin(self, atoms: Atoms, random: np.random.Generator) -> MolecularDynamics:
        """Friction and random forces."""
        return Langevin(
            atoms,
            self.timestep,
            temperature_K=self.temperature,
            friction=1 / self.relaxation_time,
            fixcm=False,
            rng=random,
        )

    def chain(self, atoms: Atoms) -> MolecularDynamics:
        """Three thermostats, one on the other."""
        # ASE counts 3 n degrees of freedom. Without a total momentum there are 3 n - 3: then this
        # is the temperature at which 3 n count as they should.
        temperature = self.temperature * (1 - 1 / len(atoms))
        return NoseHooverChainNVT(
            atoms, self.timestep, temperature_K=temperature, tdamp=self.relaxation_time
        )


@dataclass(frozen=True)
class Press:
    """A pressure and how it is kept."""

    pressure: float
    period: float

    def __post_init__(self) -> None:
        check_positive("period", self.period)

    def moving(self, atoms: Atoms, heat: Bath, random: np.random.Generator) -> MolecularDynamics:
        """Atoms and volume under random forces."""
        return LangevinBAOAB(
            atoms,
            heat.timestep,
            temperature_K=heat.temperature,
            externalstress=-self.pressure,
            hydrostatic=True,
            T_tau=heat.relaxation_time,
            P_tau=self.period,
            P_mass=self._mass(atoms, heat.temperature),
            rng=random,
        )

    def _mass(self, atoms: Atoms, temperature: float) -> float:
        """Of the logarithm of the edge: W x'' = -9 V B x swings with the period for this W."""
        volume, size = atoms.get_volume(), 1e-3
        pressures = []
        for scale in (1 - size, 1 + size):
            there = atoms.copy()
            there.set_cell(scale * atoms.cell.array, scale_atoms=True)
            pressures.append(-atoms.calc.get_stress(there)[:3].mean())
        modulus = (pressures[0] - pressures[1]) / (6 * size)
        of_a_gas = len(atoms) * units.kB * temperature / volume
        return float(9 * volume * max(modulus, of_a_gas) * (self.period / (2 * pi)) ** 2)
