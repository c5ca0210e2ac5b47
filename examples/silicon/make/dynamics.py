"""Molecular dynamics of silicon with the Stillinger-Weber potential, evaluated by miniff.

Stillinger and Weber, Phys. Rev. B 31, 5262 (1985), https://doi.org/10.1103/PhysRevB.31.5262
"""

from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from numpy.random import Generator

from miniff.kernel import Cell
from miniff.kernel import eval as evaluate
from miniff.potentials import sw2_potential_family, sw3_potential_family

SIGMA = 2.0951  # angstrom
EPSILON = 2.1683 / 2  # eV; half, because miniff counts every pair and every triple twice
TIME_STEP = 1.5 * units.fs
FRICTION = 0.02 / units.fs

PAIRS = sw2_potential_family(
    gauge_a=7.049556277, gauge_b=0.6022245584, p=4, q=0, a=1.8, epsilon=EPSILON, sigma=SIGMA
)
TRIPLES = sw3_potential_family(
    l=21, gamma=1.2, cos_theta0=-1 / 3, a=1.8, epsilon=EPSILON, sigma=SIGMA
)


class StillingerWeber(Calculator):
    """Energy (eV) and forces (eV/angstrom) for ASE."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 - the type ASE declares

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: tuple[str, ...] = ("energy",),
        system_changes: list[str] = all_changes,
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        result = evaluate([PAIRS, TRIPLES], Cell.from_ase(self.atoms))
        self.results = {"energy": result.energy, "forces": -result.gradient}


def after_dynamics(atoms: Atoms, schedule: list[tuple[float, int]], rng: Generator) -> Atoms:
    """Copy of the atoms as they are after Langevin dynamics.

    Args:
        atoms: Where to start.
        schedule: Temperatures (K) and how many time steps to spend at each.
        rng: For the velocities and the kicks.
    """
    moving = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=True)
    moving.calc = StillingerWeber()
    MaxwellBoltzmannDistribution(moving, temperature_K=schedule[0][0], rng=rng)
    for temperature, steps in schedule:
        thermostat = Langevin(
            moving,
            TIME_STEP,
            temperature_K=temperature,
            friction=FRICTION,
            fixcm=False,
            rng=rng,
        )
        thermostat.run(steps)
    moving.wrap()
    return moving
