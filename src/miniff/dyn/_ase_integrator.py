"""ASE's integrators, with what they remember from step to step."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import CalculationFailed
from ase.md.md import MolecularDynamics
from numpy import ndarray

from miniff.ase import MiniffCalculator
from miniff.dyn._guard import Guard
from miniff.dyn._integrator import Integrator, degrees_of_freedom, explosion, refuse_fast_atoms
from miniff.dyn._state import Start, State
from miniff.potentials import larger_grade

__all__ = ["AseIntegrator"]


class AseIntegrator(Integrator):
    """One of ASE's integrators, moving atoms whose calculator is ours."""

    def __init__(
        self,
        start: Start,
        moving: MolecularDynamics,
        *,
        guard: Guard,
        random: np.random.Generator | None,
    ) -> None:
        """Takes an integrator that has made no step.

        Args:
            start: What moves.
            moving: ASE's integrator of these atoms.
            guard: Looks at each step.
            random: Its random numbers; None if it draws none and keeps the total momentum.
        """
        self.step = 0
        self._guard = guard
        self._start, self._moving, self._random = start, moving, random
        self._atoms: Atoms = moving.atoms
        self._mass = start.masses[:, None]
        calc = self._atoms.calc
        assert isinstance(calc, MiniffCalculator)
        self._calc = calc
        self._check()
        self._at_start = self._conserved()

    def look(self) -> None:
        self._guard.look(
            self.step,
            self._calc.grades(),
            lambda: self._calc.table(self._atoms),
            lambda: self.state().cell,
        )

    def advance(self, n_steps: int) -> None:
        for _ in range(n_steps):
            self.step += 1
            try:
                with np.errstate(over="ignore", invalid="ignore"):  # told below, with the atom
                    self._moving.step()  # type: ignore[attr-defined]
                self._check()
            except (ValueError, CalculationFailed) as error:
                raise explosion(self.step, error) from error
            self.look()

    def state(self) -> State:
        atoms, n_atoms = self._atoms, self._start.cell.size
        potential, forces = float(atoms.get_potential_energy()), atoms.get_forces()
        return State(
            step=self.step,
            time=self.step * self._moving.dt,
            positions=atoms.positions.copy(),
            velocities=atoms.get_velocities(),
            forces=forces,
            potential_energy=potential,
            kinetic_energy=float(atoms.get_kinetic_energy()),
            vectors=atoms.cell.array.copy(),
            strain_derivative=self._calc.strain_derivative(),
            conserved=self._conserved(),
            conserved_at_start=self._at_start,
            extrapolation=larger_grade(self._calc.grades()),
            n_degrees=degrees_of_freedom(n_atoms, momentum_is_conserved=self._random is None),
            start=self._start,
        )

    def memory(self) -> dict[str, object]:
        listed_at = self._calc.listed_at()
        return {
            "step": self.step,
            "positions": self._atoms.positions,
            "momenta": self._atoms.get_momenta(),
            "vectors": self._atoms.cell.array,
            "listed_at": [listed_at.positions, listed_at.vectors],
            "integrator": numbers_in(self._moving),
            "random": None if self._random is None else self._random.bit_generator.state,
        }

    def remember(self, memory: Mapping[str, Any]) -> None:
        self.step = int(memory["step"])
        there = self._atoms.copy()
        there.positions[:], vectors = memory["listed_at"]
        if any(self._start.cell.pbc):
            there.cell[:] = vectors
        self._calc.list_at(there)
        self._atoms.positions[:] = memory["positions"]
        self._atoms.arrays["momenta"][:] = memory["momenta"]
        self._atoms.cell[:] = memory["vectors"]
        put_numbers(self._moving, memory["integrator"])
        if self._random is not None:
            self._random.bit_generator.state = memory["random"]

    def _conserved(self) -> float | None:
        return None if self._random is not None else float(self._moving.get_conserved_energy())  # type: ignore[attr-defined]

    def _check(self) -> None:
        # With what the forces add to the velocities: before a thermostat hands it to all atoms.
        timestep = self._moving.dt
        momenta = self._atoms.get_momenta() + timestep * self._atoms.get_forces()
        refuse_fast_atoms(self.step, timestep * momenta / self._mass, self._calc.cutoff)


def numbers_in(thing: object) -> dict[str, Any]:
    """All numbers and arrays that an object of ASE's integrators has, also in its parts.

    They differ by integrator and release; what is constant among them does no harm.
    """
    found: dict[str, Any] = {}
    for name, value in vars(thing).items():
        if isinstance(value, float | ndarray | np.floating) and not isinstance(value, bool):
            found[name] = np.asarray(value, float)
        elif type(value).__module__.startswith("ase.md."):
            found[name] = numbers_in(value)
    return found


def put_numbers(thing: object, numbers: Mapping[str, Any]) -> None:
    """Gives an object the numbers of another one of its kind."""
    for name, value in numbers.items():
        if isinstance(value, Mapping):
            put_numbers(getattr(thing, name), value)
        else:
            array = np.array(value)
            setattr(thing, name, float(array) if array.ndim == 0 else array)
