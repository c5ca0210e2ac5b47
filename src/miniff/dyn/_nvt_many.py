"""Many structures at a temperature, at once: Langevin's equation, split as B A O A B.

    B: v += dt/2 F/m      A: r += dt/2 v      O: v = c v + sqrt((1 - c^2) kB T / m) xi

with c = exp(-dt / relaxation_time) and xi normal. Positions are sampled to fourth order in dt.

Leimkuhler and Matthews, J. Chem. Phys. 138, 174102 (2013), https://doi.org/10.1063/1.4802990
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp
from warnings import warn

import numpy as np
from ase import Atoms
from ase.units import kB
from jaxtyping import Float64
from numpy import ndarray

from miniff._checks import check_at_least, check_not_negative, check_positive
from miniff.dyn._batch import Batch, listed_structures, name_of
from miniff.dyn._guard import Limits
from miniff.dyn._guard_many import GuardMany, keep_frames
from miniff.dyn._integrator import LONGEST_STEP, REASONS, degrees_of_freedom
from miniff.dyn._state import Start, State, drawn_velocities, start_of
from miniff.dyn._to_label import ToLabel
from miniff.kernel import Cell, ExtrapolationWarning, StructureFailure
from miniff.potentials import Potential, Precision, TableEvaluation, larger_grade

__all__ = ["nvt_many"]

MOST_TOLD = 10
ObserveMany = Callable[[Sequence[State | StructureFailure]], None]


def nvt_many(
    cells: Sequence[Cell | Atoms],
    potentials: Potential | Sequence[Potential],
    *,
    n_steps: int,
    timestep: float,
    temperature: float | tuple[float, float],
    relaxation_time: float | None = None,
    seed: int = 0,
    observe: ObserveMany | None = None,
    every: int = 1,
    stop_extrapolation: float | None = None,
    to_label: str | ToLabel | None = None,
    skin: float = 1.0,
    ignore_missing_species: bool = False,
    precision: Precision = "double",
    device: str = "cpu",
) -> list[State | StructureFailure]:
    """Moves many structures at a temperature, or heats them, all of them together in each step: for
    small ones many times faster than :func:`nvt` for one after the other.

    The thermostat is Langevin's, in boxes that stay as they are. Random numbers are drawn for all
    structures together: what one does depends on which others are there.

    Args:
        cells: At the beginning; also ASE's atoms, whose masses and momenta are then taken. Without
            momenta velocities are drawn at the first temperature.
        potentials: Their energies are summed.
        n_steps: How many steps.
        timestep: Of each (time).
        temperature: In kelvin, for energies in eV; or two, between which it rises or falls evenly.
        relaxation_time: Within which heat comes and goes (time); 100 steps by default, and without
            end if infinite: then energies are conserved.
        seed: Of velocities and random forces.
        observe: Called with what is returned, at the beginning and after every so many steps.
        every: How many steps lie between two calls.
        stop_extrapolation: A structure with an atom further outside of the training set than this
            is given up; see :func:`nve`. An :class:`miniff.kernel.ExtrapolationWarning` says which
            ones left it.
        to_label: A file for structures as they left; see :class:`ToLabel`.
        skin: How far beyond the cutoff neighbours are listed, so that the lists last (length).
        ignore_missing_species: As in :func:`miniff.kernel.eval`.
        precision: As in :func:`miniff.kernel.eval`.
        device: As in :func:`miniff.kernel.eval`.

    Returns:
        For each structure its state in the end; or a :class:`miniff.kernel.StructureFailure` where
        it could not begin or something explodes, which harms no other structure.

    Raises:
        ValueError: Numbers out of range, constraints, species that are no chemical elements.
        TypeError: Something else than structures or potentials.
    """
    first, last = temperature if isinstance(temperature, tuple) else (temperature, temperature)
    _check_numbers(n_steps, every, timestep, relaxation_time, (first, last))
    starts = _starts(cells)
    batch = Batch(
        [start.cell for start in starts],
        potentials,
        skin=skin,
        ignore_missing_species=ignore_missing_species,
        precision=precision,
        device=device,
    )
    own = 100 * timestep if relaxation_time is None else relaxation_time
    guard = _Guard(Limits(potentials, "nvt", stop_extrapolation, to_label), batch)
    motion = _Motion(batch, starts, guard, timestep, exp(-timestep / own), seed, first)
    for step in range(n_steps + 1):
        if step:
            share = step / n_steps
            motion.advance(kB * (first + share * (last - first)))
        if observe is not None and step % every == 0:
            observe(motion.states())
    return motion.states()


class _Guard:
    """Tells of structures that leave as they do, the first ones alone."""

    def __init__(self, limits: Limits, batch: Batch) -> None:
        self._limits, self._batch = limits, batch
        self._guard = GuardMany(limits, batch)

    def look(self, step: int, result: TableEvaluation, positions: ndarray, boxes: ndarray) -> None:
        for s in self._guard.look(step, result, positions, boxes):
            left = self._guard.left
            keep_frames(self._limits, self._batch.cells, {s: left[s]})
            if len(left) <= MOST_TOLD:
                warn(
                    f"at step {step} {name_of(self._batch.cells, s)}: {left[s].words}",
                    ExtrapolationWarning,
                    stacklevel=2,
                )


@dataclass(eq=False)
class _Motion:
    """Where all structures are."""

    batch: Batch
    starts: Sequence[Start]
    guard: "_Guard"
    timestep: float
    memory: float
    seed: int
    first_temperature: float

    def __post_init__(self) -> None:
        self.step = 0
        self._mass = np.concatenate([np.zeros(0), *(start.masses for start in self.starts)])[
            :, None
        ]
        self._positions, self._vectors = self.batch.positions(), self.batch.vectors()
        self._random = np.random.default_rng((self.seed, 1))
        self._velocities = np.concatenate(
            [
                np.zeros((0, 3)),
                *(
                    drawn_velocities(start.masses, self.first_temperature, (self.seed, s))
                    if start.velocities is None
                    else start.velocities
                    for s, start in enumerate(self.starts)
                ),
            ]
        )
        self._broken: dict[int, StructureFailure] = {}
        self._evaluate()
        self._energy_at_start = self._energies()

    def advance(self, thermal_energy: float) -> None:
        """One step, with kB T at its end (energy)."""
        half, noise = self.timestep / 2, (1 - self.memory**2) * thermal_energy
        v, mass = self._velocities, self._mass
        v -= half / mass * self._result.gradient
        move = half * v
        if self.memory < 1:
            v *= self.memory
            v += np.sqrt(noise / mass) * self._random.normal(size=v.shape)
        move += half * v
        self._refuse_fast_atoms(move)
        self._positions += move
        self.step += 1
        self._evaluate()
        v -= half / mass * self._result.gradient

    def _evaluate(self) -> None:
        self._result = self.batch.evaluate(self._positions, self._vectors)
        self.guard.look(self.step, self._result, self._positions, self._vectors)
        self._note_failures()

    def states(self) -> list[State | StructureFailure]:
        """Of all structures. What is given is not changed later."""
        kinetic = self._kinetic()
        return [
            self._broken[s] if s in self._broken else self._state(s, kinetic[s])
            for s in range(len(self.starts))
        ]

    def _state(self, s: int, kinetic_energy: float) -> State:
        atoms, result = slice(*self.batch.first[s : s + 2]), self._result
        alone = self.memory == 1
        energy = float(result.energy[s])
        return State(
            step=self.step,
            time=self.step * self.timestep,
            positions=self._positions[atoms].copy(),
            velocities=self._velocities[atoms].copy(),
            forces=-result.gradient[atoms],
            potential_energy=energy,
            kinetic_energy=float(kinetic_energy),
            vectors=self._vectors[s].copy(),
            strain_derivative=result.strain_derivative[s].copy(),
            conserved=energy + float(kinetic_energy) if alone else None,
            conserved_at_start=float(self._energy_at_start[s]) if alone else None,
            n_degrees=degrees_of_freedom(self.starts[s].cell.size, momentum_is_conserved=alone),
            extrapolation=larger_grade(result.grades[atoms]),
            start=self.starts[s],
        )

    def _kinetic(self) -> Float64[ndarray, " n_structures"]:
        own = (self._mass * self._velocities * self._velocities).sum(axis=1) / 2
        energies: ndarray = np.bincount(self.batch.of_atom, own, minlength=len(self.starts))
        return energies

    def _energies(self) -> Float64[ndarray, " n_structures"]:
        energies: ndarray = self._result.energy + self._kinetic()
        return energies

    def _refuse_fast_atoms(self, move: Float64[ndarray, "n_atoms 3"]) -> None:
        """A structure with an atom that does not see what it flies through has broken."""
        limit = LONGEST_STEP * self.batch.cutoff
        length = np.abs(move).max(axis=1)
        if length.max(initial=0.0) <= limit:
            return
        for atom in np.flatnonzero(~(length <= limit)).tolist():
            s = int(self.batch.of_atom[atom])
            here = atom - int(self.batch.first[s])
            self.batch.failed.setdefault(
                s,
                ValueError(
                    f"atom {here} (counted from 0) moves by {length[atom]:.3g} in one step but "
                    f"must not by more than {limit:.3g}, {LONGEST_STEP} cutoffs"
                ),
            )

    def _note_failures(self) -> None:
        """Broken structures are looked at no more."""
        for s in self.batch.failed:
            if s not in self._broken:
                self._broken[s] = self.batch.failure(s, self.step, REASONS)
                self._velocities[slice(*self.batch.first[s : s + 2])] = 0.0
        if self._broken:
            lost = np.isin(self.batch.of_atom, list(self._broken))
            self._result.gradient[lost] = 0.0


def _starts(cells: Sequence[Cell | Atoms]) -> list[Start]:
    starts = []
    for s, cell in enumerate(listed_structures(cells)):
        try:
            starts.append(start_of(cell))
        except ValueError as error:
            raise ValueError(f"structure {s} (counted from 0): {error}") from error
    return starts


def _check_numbers(
    n_steps: int,
    every: int,
    timestep: float,
    relaxation_time: float | None,
    temperatures: Sequence[float],
) -> None:
    check_at_least("n_steps", n_steps, 0)
    check_at_least("every", every, 1)
    check_positive("timestep", timestep)
    if relaxation_time is not None and not relaxation_time > 0:
        raise ValueError(f"`relaxation_time` is {relaxation_time} but must be in (0, inf]")
    for temperature in temperatures:
        check_not_negative("temperature", temperature)
