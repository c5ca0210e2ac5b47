"""Newton's equations by the velocity Verlet rule.

With a = -(dE/dr) / m and the time step dt:

    v(t + dt/2) = v(t) + dt/2 a(t),  r(t + dt) = r(t) + dt v(t + dt/2),
    v(t + dt) = v(t + dt/2) + dt/2 a(t + dt)

Where nobody looks at v(t), its two halves are one.

Swope, Andersen, Berens and Wilson, J. Chem. Phys. 76, 637 (1982), https://doi.org/10.1063/1.442716
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite

import numpy as np
from ase.data import atomic_masses, atomic_numbers, chemical_symbols
from ase.units import kB
from jaxtyping import Float, Float64
from numpy import ndarray

from miniff._checks import check_finite, check_shape, unknown_name
from miniff.dyn._forces import SkinForces
from miniff.kernel import Cell
from miniff.potentials import LocalPotential, Precision, TableEvaluation

__all__ = ["State", "nve", "thermal_velocities"]

REASONS = "atoms came too close, the time step is too long, or the potential fails here"


@dataclass(frozen=True, eq=False)
class State:
    """Where a run is.

    Attributes:
        step: Steps made.
        time: Since the beginning (time).
        positions: Not wrapped into the box (length).
        velocities: Of the atoms (length/time).
        forces: On the atoms (energy/length).
        potential_energy: Of the potentials (energy).
        kinetic_energy: Of the atoms (energy).
    """

    step: int
    time: float
    positions: Float64[ndarray, "n_atoms 3"]
    velocities: Float64[ndarray, "n_atoms 3"]
    forces: Float64[ndarray, "n_atoms 3"]
    potential_energy: float
    kinetic_energy: float

    @property
    def energy(self) -> float:
        """Potential and kinetic energy, which the equations conserve (energy)."""
        return self.potential_energy + self.kinetic_energy


def thermal_velocities(
    cell: Cell, temperature: float, *, seed: int = 0
) -> Float64[ndarray, "n_atoms 3"]:
    """Velocities drawn from Maxwell and Boltzmann's distribution, without a common motion.

    Args:
        cell: The structure; masses are those of its chemical species.
        temperature: In kelvin, for energies in eV.
        seed: Of the random numbers.

    Raises:
        ValueError: A negative or infinite temperature, or a species that is no chemical element.
    """
    if not 0 <= temperature < inf:
        raise ValueError(f"`temperature` is {temperature} but must be in [0, inf)")
    mass = masses_of(cell)[:, None]
    drawn = np.random.default_rng(seed).normal(size=(cell.size, 3)) * np.sqrt(
        kB * temperature / mass
    )
    velocities: ndarray = drawn - (mass * drawn).sum(axis=0) / max(mass.sum(), 1e-300)
    return velocities


def nve(
    cell: Cell,
    potentials: LocalPotential | Sequence[LocalPotential],
    *,
    n_steps: int,
    timestep: float,
    velocities: Float[ndarray, "n_atoms 3"] | None = None,
    observe: Callable[[State], None] | None = None,
    every: int = 1,
    skin: float = 1.0,
    ignore_missing_species: bool = False,
    precision: Precision = "double",
) -> State:
    """Moves atoms at constant energy and box.

    Args:
        cell: The structure at the beginning.
        potentials: Their energies are summed.
        n_steps: How many steps.
        timestep: Of each (time).
        velocities: At the beginning (length/time); at rest by default.
        observe: Called with the state at the beginning and after every so many steps. What it is
            given is not changed later.
        every: How many steps lie between two calls.
        skin: See :class:`SkinForces` (length).
        ignore_missing_species: As in :func:`miniff.kernel.eval`.
        precision: As in :func:`miniff.kernel.eval`.

    Returns:
        The state at the end.

    Raises:
        ValueError: Numbers out of range, arrays of another shape, unknown species.
        FloatingPointError: Energies or forces that are no finite numbers: the step and an atom are
            named.
    """
    _check_numbers(n_steps=n_steps, every=every, timestep=timestep)
    forces = SkinForces(
        potentials,
        cell,
        skin=skin,
        ignore_missing_species=ignore_missing_species,
        precision=precision,
    )
    mass = masses_of(cell)[:, None]
    positions = np.ascontiguousarray(cell.cartesian())
    speed = np.zeros_like(positions) if velocities is None else np.array(velocities, float)
    check_shape("velocities", speed, (cell.size, 3))
    check_finite("velocities", speed)
    half_step, whole_step = timestep / 2 / mass, timestep / mass
    step, result = 0, forces(positions)
    speed -= half_step * result.gradient  # from here on half a step ahead of the positions
    while True:
        if not isfinite(result.energy[0]):
            _tell_explosion(step, result.gradient)
        if step == n_steps or (observe is not None and step % every == 0):
            state = _state(
                step, timestep, positions, speed + half_step * result.gradient, result, mass
            )
            if observe is not None and step % every == 0:
                observe(state)
            if step == n_steps:
                return state
        positions += timestep * speed
        step += 1
        try:
            result = forces(positions)
        except ValueError as error:
            raise FloatingPointError(f"at step {step} {error}: {REASONS}") from error
        speed -= whole_step * result.gradient


def _state(
    step: int,
    timestep: float,
    positions: ndarray,
    velocities: ndarray,
    result: TableEvaluation,
    mass: ndarray,
) -> State:
    return State(
        step=step,
        time=step * timestep,
        positions=positions.copy(),
        velocities=velocities,
        forces=-result.gradient,
        potential_energy=float(result.energy[0]),
        kinetic_energy=float((mass * velocities * velocities).sum() / 2),
    )


def masses_of(cell: Cell) -> Float64[ndarray, " n_atoms"]:
    """Atomic masses (mass unit) of the chemical species of a structure."""
    for name in cell.values:
        if name not in atomic_numbers or atomic_numbers[name] == 0:
            raise ValueError(unknown_name("chemical species", name, chemical_symbols[1:]))
    return np.array([atomic_masses[atomic_numbers[name]] for name in cell.values], float)


def _check_numbers(*, n_steps: int, every: int, timestep: float) -> None:
    if n_steps < 0:
        raise ValueError(f"`n_steps` is {n_steps} but must be in [0, inf)")
    if every < 1:
        raise ValueError(f"`every` is {every} but must be in [1, inf)")
    if not 0 < timestep < inf:
        raise ValueError(f"`timestep` is {timestep} but must be in (0, inf)")


def _tell_explosion(step: int, gradient: ndarray) -> None:
    wrong = np.flatnonzero(~np.isfinite(gradient).all(axis=1))
    atom = f" on atom {wrong[0]} (counted from 0)" if len(wrong) else ""
    raise FloatingPointError(
        f"at step {step} the energy is no finite number, nor is the force{atom}: {REASONS}"
    )
