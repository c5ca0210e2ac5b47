"""Molecular dynamics at constant energy, temperature, or temperature and pressure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal, get_args

import numpy as np
from ase import Atoms
from ase import __version__ as ase_version
from jaxtyping import Float
from numpy import ndarray

from miniff._checks import check_positive, unknown_name
from miniff.ase import MiniffCalculator
from miniff.dyn._ase_integrator import AseIntegrator
from miniff.dyn._baths import Bath, Press
from miniff.dyn._forces import SkinForces
from miniff.dyn._guard import Guard, Limits
from miniff.dyn._identity import fingerprint
from miniff.dyn._integrator import Integrator
from miniff.dyn._record import Record
from miniff.dyn._run import Observe, Watch, run
from miniff.dyn._state import Start, State, start_of
from miniff.dyn._to_label import ToLabel
from miniff.dyn._verlet import Verlet
from miniff.kernel import Cell
from miniff.potentials import Potential, Precision

__all__ = ["Thermostat", "npt", "nve", "nvt"]

Thermostat = Literal["langevin", "nose-hoover"]
Potentials = Potential | Sequence[Potential]


def nve(
    cell: Cell | Atoms,
    potentials: Potentials,
    *,
    n_steps: int,
    timestep: float,
    velocities: Float[ndarray, "n_atoms 3"] | None = None,
    observe: Observe | None = None,
    every: int = 1,
    record: Record | None = None,
    stop_extrapolation: float | None = None,
    to_label: str | ToLabel | None = None,
    skin: float = 1.0,
    ignore_missing_species: bool = False,
    precision: Precision = "double",
    device: str = "cpu",
) -> State:
    """Moves atoms at constant energy and box, by the velocity Verlet rule.

    Args:
        cell: The structure at the beginning, also as ASE's atoms, whose masses are then taken.
        potentials: Their energies are summed.
        n_steps: How many steps; of a run that goes on, all of them together.
        timestep: Of each (time).
        velocities: At the beginning (length/time); by default those of ASE's atoms, or at rest.
        observe: Called with the state at the beginning and after every so many steps. What it is
            given is not changed later.
        every: How many steps lie between two calls.
        record: What goes to files, and from which checkpoint the run goes on.
        stop_extrapolation: Stop where an atom is further outside of the training set than this: the
            largest of :attr:`miniff.kernel.Evaluation.extrapolation`, 1 being the border. None
            never stops; an :class:`miniff.kernel.ExtrapolationWarning` tells in any case when atoms
            leave the training set, once until all are back.
        to_label: A file for frames with atoms outside, to be labelled; see :class:`ToLabel`.
        skin: See :class:`SkinForces` (length).
        ignore_missing_species: As in :func:`miniff.kernel.eval`.
        precision: As in :func:`miniff.kernel.eval`.
        device: As in :func:`miniff.kernel.eval`.

    Returns:
        The state at the end.

    Raises:
        ValueError: Numbers out of range, arrays of another shape, unknown species, a checkpoint of
            another run.
        FloatingPointError: Something explodes: the step and an atom are named.
        ExtrapolationError: An atom is further out than ``stop_extrapolation``; it is a
            FloatingPointError too.
    """
    check_positive("timestep", timestep)
    how = _How(skin, ignore_missing_species, precision, device)
    guard = Guard(Limits(potentials, "nve", stop_extrapolation, to_label))
    start = start_of(cell, velocities)

    def make() -> Integrator:
        return Verlet(start, how.skin_forces(start.cell, potentials), timestep, guard)

    choices = {"ensemble": "nve", "timestep": timestep, **vars(how)}
    return run(
        make,
        n_steps,
        Watch(observe, every, record, guard),
        lambda: fingerprint(start, potentials, choices),
    )


def nvt(
    cell: Cell | Atoms,
    potentials: Potentials,
    *,
    n_steps: int,
    timestep: float,
    temperature: float,
    thermostat: Thermostat = "langevin",
    relaxation_time: float | None = None,
    seed: int = 0,
    velocities: Float[ndarray, "n_atoms 3"] | None = None,
    observe: Observe | None = None,
    every: int = 1,
    record: Record | None = None,
    stop_extrapolation: float | None = None,
    to_label: str | ToLabel | None = None,
    skin: float = 1.0,
    ignore_missing_species: bool = False,
    precision: Precision = "double",
    device: str = "cpu",
) -> State:
    """Moves atoms at constant temperature and box.

    ``"langevin"`` adds friction and random forces to each atom (ASE's integrator, after
    Vanden-Eijnden and Ciccotti): it finds the temperature from anywhere, but the atoms' ways are
    not Newton's. ``"nose-hoover"`` couples all atoms to a chain of three thermostats (Martyna,
    Klein and Tuckerman): their ways stay smooth, and a conserved energy tells a time step that is
    too long; crystals near the ground state exchange heat with it slowly. The total momentum is
    kept at zero there, and the thermostat counts 3 n_atoms - 3 degrees of freedom.

    Args:
        cell: The structure at the beginning, also as ASE's atoms, whose masses are then taken.
        potentials: Their energies are summed.
        n_steps: How many steps; of a run that goes on, all of them together.
        timestep: Of each (time).
        temperature: In kelvin, for energies in eV.
        thermostat: Which one.
        relaxation_time: Within which heat comes and goes: 1 / friction, or the damping time of the
            chain (time); 100 steps by default.
        seed: Of velocities and random forces.
        velocities: At the beginning (length/time); by default those of ASE's atoms, or drawn at
            this temperature.
        observe: As in :func:`nve`.
        every: As in :func:`nve`.
        record: As in :func:`nve`.
        stop_extrapolation: As in :func:`nve`.
        to_label: As in :func:`nve`.
        skin: As in :class:`miniff.ase.MiniffCalculator` (length).
        ignore_missing_species: As in :func:`miniff.kernel.eval`.
        precision: As in :func:`miniff.kernel.eval`.
        device: As in :func:`miniff.kernel.eval`.

    Returns:
        The state at the end.

    Raises:
        ValueError: Numbers out of range, arrays of another shape, unknown species or thermostat, a
            total momentum that is not zero for ``"nose-hoover"``, a checkpoint of another run.
        FloatingPointError: Something explodes: the step and an atom are named.
        ExtrapolationError: An atom is further out than ``stop_extrapolation``; it is a
            FloatingPointError too.
    """
    if thermostat not in get_args(Thermostat):
        raise ValueError(unknown_name("thermostat", thermostat, get_args(Thermostat)))
    check_positive("timestep", timestep)
    heat = Bath(timestep, temperature, _or(relaxation_time, 100 * timestep), seed)
    how = _How(skin, ignore_missing_species, precision, device)
    guard = Guard(Limits(potentials, "nvt", stop_extrapolation, to_label))
    begun = start_of(cell, velocities)
    start = heat.warm(begun)
    if thermostat == "nose-hoover":
        _refuse_momentum(start)

    def make() -> Integrator:
        atoms = how.atoms(start, potentials)
        if thermostat == "langevin":
            random = heat.random()
            moving = heat.langevin(atoms, random)
            return AseIntegrator(start, moving, guard=guard, random=random)
        return AseIntegrator(start, heat.chain(atoms), guard=guard, random=None)

    how_to = {"ensemble": "nvt", "thermostat": thermostat, "ase": ase_version}
    choices = {**how_to, **vars(heat), **vars(how)}
    return run(
        make,
        n_steps,
        Watch(observe, every, record, guard),
        lambda: fingerprint(begun, potentials, choices),
    )


def npt(
    cell: Cell | Atoms,
    potentials: Potentials,
    *,
    n_steps: int,
    timestep: float,
    temperature: float,
    pressure: float,
    relaxation_time: float | None = None,
    period: float | None = None,
    seed: int = 0,
    velocities: Float[ndarray, "n_atoms 3"] | None = None,
    observe: Observe | None = None,
    every: int = 1,
    record: Record | None = None,
    stop_extrapolation: float | None = None,
    to_label: str | ToLabel | None = None,
    skin: float = 1.0,
    ignore_missing_species: bool = False,
    precision: Precision = "double",
    device: str = "cpu",
) -> State:
    """Moves atoms at constant temperature and pressure; the box keeps its shape.

    Langevin dynamics of atoms and volume (ASE's ``LangevinBAOAB``): Quigley and Probert, J. Chem.
    Phys. 120, 11432 (2004), https://doi.org/10.1063/1.1755657, by the scheme of Leimkuhler and
    Matthews, J. Chem. Phys. 138, 174102 (2013), https://doi.org/10.1063/1.4802990. The mass of
    the volume is chosen from the bulk modulus at the beginning, so that it swings with the period
    asked for.

    Args:
        cell: The structure at the beginning; it repeats along all three vectors.
        potentials: Their energies are summed.
        n_steps: How many steps; of a run that goes on, all of them together.
        timestep: Of each (time).
        temperature: In kelvin, for energies in eV.
        pressure: Positive under compression (energy/length^3); ``ase.units.GPa`` is one gigapascal.
        relaxation_time: Within which heat comes and goes (time); 100 steps by default.
        period: In which the volume swings, and forgets (time); 1000 steps by default.
        seed: Of velocities and random forces.
        velocities: As in :func:`nvt` (length/time).
        observe: As in :func:`nve`.
        every: As in :func:`nve`.
        record: As in :func:`nve`.
        stop_extrapolation: As in :func:`nve`.
        to_label: As in :func:`nve`.
        skin: As in :class:`miniff.ase.MiniffCalculator` (length).
        ignore_missing_species: As in :func:`miniff.kernel.eval`.
        precision: As in :func:`miniff.kernel.eval`.
        device: As in :func:`miniff.kernel.eval`.

    Returns:
        The state at the end.

    Raises:
        ValueError: Numbers out of range, arrays of another shape, unknown species, a structure that
            does not repeat along all vectors, a checkpoint of another run.
        FloatingPointError: Something explodes: the step and an atom are named.
        ExtrapolationError: An atom is further out than ``stop_extrapolation``; it is a
            FloatingPointError too.
    """
    if not -inf < pressure < inf:
        raise ValueError(f"`pressure` is {pressure} but must be finite")
    check_positive("timestep", timestep)
    heat = Bath(timestep, temperature, _or(relaxation_time, 100 * timestep), seed)
    press = Press(pressure, _or(period, 1000 * timestep))
    how = _How(skin, ignore_missing_species, precision, device)
    guard = Guard(Limits(potentials, "npt", stop_extrapolation, to_label))
    begun = start_of(cell, velocities)
    start = heat.warm(begun)
    if not all(start.cell.pbc):
        raise ValueError(
            f"`pbc` is {start.cell.pbc} but under a pressure the structure must repeat along all "
            "three cell vectors"
        )

    def make() -> Integrator:
        atoms, random = how.atoms(start, potentials), heat.random()
        moving = press.moving(atoms, heat, random)
        return AseIntegrator(start, moving, guard=guard, random=random)

    how_to = {"ensemble": "npt", "ase": ase_version}
    choices = {**how_to, **vars(heat), **vars(press), **vars(how)}
    return run(
        make,
        n_steps,
        Watch(observe, every, record, guard),
        lambda: fingerprint(begun, potentials, choices),
    )


@dataclass(frozen=True)
class _How:
    """How potentials are evaluated."""

    skin: float
    ignore_missing_species: bool
    precision: Precision
    device: str

    def skin_forces(self, cell: Cell, potentials: Potentials) -> SkinForces:
        return SkinForces(
            potentials,
            cell,
            skin=self.skin,
            ignore_missing_species=self.ignore_missing_species,
            precision=self.precision,
            device=self.device,
        )

    def atoms(self, start: Start, potentials: Potentials) -> Atoms:
        """Atoms with their calculator; potentials that fit them, as elsewhere in `dyn`."""
        self.skin_forces(start.cell, potentials)
        atoms = start.to_ase()
        atoms.calc = MiniffCalculator(
            potentials,
            skin=self.skin,
            precision=self.precision,
            device=self.device,
            ignore_missing_species=self.ignore_missing_species,
            warn_extrapolation=False,  # the guard does
        )
        return atoms


def _refuse_momentum(start: Start) -> None:
    assert start.velocities is not None
    momenta = start.masses[:, None] * start.velocities
    if np.abs(momenta.sum(axis=0)).max() > 1e-9 * max(np.abs(momenta).sum(), 1e-300):
        raise ValueError(
            f"the total momentum is {momenta.sum(axis=0).tolist()} but must be 0 for nose-hoover: "
            "take the common velocity away from `velocities`, or use langevin"
        )
    if len(momenta) < 2:
        raise ValueError("there is 1 atom but nose-hoover needs at least 2: use langevin")


def _or(given: float | None, default: float) -> float:
    return default if given is None else given
