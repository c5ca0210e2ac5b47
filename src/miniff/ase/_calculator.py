"""Energy, forces and stress of ASE's atoms."""

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from typing import Any
from warnings import warn

import numpy as np
from ase import Atoms
from ase.calculators.calculator import (
    CalculationFailed,
    Calculator,
    PropertyNotImplementedError,
    all_changes,
    compare_atoms,
)
from jaxtyping import Float64
from numpy import ndarray

from miniff._checks import WHY_NO_NUMBER, words_for_no_number
from miniff._neighbors import NeighborTable
from miniff._stress import stress_from_strain_derivative
from miniff.ase._engine import Engine, charges_of, volume_of
from miniff.ase._given import AnyPotentials, Given
from miniff.kernel import Episodes, ExtrapolationWarning, Placement
from miniff.ml import committee_spread
from miniff.ml._files import potential_from_state
from miniff.potentials import (
    LongRangePotential,
    Potential,
    Precision,
    TableEvaluation,
    larger_grade,
)

__all__ = ["MiniffCalculator"]

STANDARD = ("energy", "free_energy", "energies", "forces", "stress")
SPREAD = ("energy_std", "forces_std")
EXTRAPOLATION = "extrapolation"
NO_MATTER = {"initial_charges", "initial_magmoms"}
"""What ASE's atoms may have and no energy depends on, but for charges where there are any."""


class MiniffCalculator(Calculator):
    """Potentials as ASE's calculator: for its optimisers, dynamics, filters, phonons, NEB.

    In eV and angstrom it gives ``energy`` (``free_energy`` is the same), ``energies`` of the atoms,
    ``forces``, and ``stress`` with ASE's sign and order (positive under tension; xx yy zz yz xz
    xy). Of a committee it also gives, to ``get_property``, ``energy_std`` and ``forces_std``:
    standard deviations over the members, made only when asked for.

    Of networks that know their training set it also gives ``extrapolation`` of each atom: 1 is the
    border of that set, and further out energies and forces are guesses; see
    :attr:`miniff.kernel.Evaluation.extrapolation`. An
    :class:`miniff.kernel.ExtrapolationWarning` tells when atoms leave it, once until all are back.

    Stress is the derivative of the energy by the strain over the volume of the whole cell. Atoms
    that repeat along one or two vectors have one if all three vectors span a volume, vacuum
    included, as in ASE's own calculators; else :class:`PropertyNotImplementedError` is raised, also
    where nothing repeats.

    One calculator takes any atoms, also others in turn. Its neighbour list is a
    :class:`miniff.kernel.SkinList`, made again when atoms or cell have moved far enough, and for
    other elements, numbers of atoms or periodicity.
    """

    name = "miniff"
    implemented_properties = list(STANDARD)  # noqa: RUF012 - as ASE has them
    default_parameters = {  # noqa: RUF012
        "skin": 1.0,
        "precision": "double",
        "device": "cpu",
        "ignore_missing_species": False,
        "warn_extrapolation": True,
    }

    def __init__(
        self,
        potentials: AnyPotentials,
        *,
        skin: float = 1.0,
        precision: Precision = "double",
        device: str = "cpu",
        ignore_missing_species: bool = False,
        warn_extrapolation: bool = True,
    ) -> None:
        """Reads or takes the potentials; nothing is evaluated yet.

        Args:
            potentials: One or several, whose energies are summed; plain data that stand for
                formulas; or a file, as :func:`miniff.ml.load_potentials` reads.
            skin: How far beyond the cutoff neighbours are listed, so that the list lasts (length);
                0 makes a new one for every new place.
            precision: As in :func:`miniff.kernel.eval`.
            device: As in :func:`miniff.kernel.eval`.
            ignore_missing_species: Let atoms that no potential is for have no energy. Potentials
                for elements that the atoms do not have are allowed in any case.
            warn_extrapolation: Tell of atoms that leave the training set.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: No potential, one for a species that is no chemical element, a skin,
                precision or device that is none, a file that is damaged, committees of different
                sizes.
            TypeError: Something else in place of a potential, or one that the device cannot have.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        how = precision, device, ignore_missing_species, warn_extrapolation
        self._use(Given(potentials, skin, *how))

    def set(  # type: ignore[override]
        self,
        *,
        potentials: AnyPotentials | None = None,
        skin: float | None = None,
        precision: Precision | None = None,
        device: str | None = None,
        ignore_missing_species: bool | None = None,
        warn_extrapolation: bool | None = None,
    ) -> dict[str, object]:
        """Changes what is given, as the constructor takes it, and forgets all results.

        Returns:
            What has changed, as plain data.
        """
        given = {
            "potentials": potentials,
            "skin": skin,
            "precision": precision,
            "device": device,
            "ignore_missing_species": ignore_missing_species,
            "warn_extrapolation": warn_extrapolation,
        }
        changes: dict[str, Any] = {name: v for name, v in given.items() if v is not None}
        if not changes:
            return {}
        before = dict(self.parameters)
        self._use(replace(self._given, **changes))
        return {name: v for name, v in self.parameters.items() if v != before[name]}

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:
        """What the energy depends on and has changed since the last calculation, by ASE's names.

        Compared to the bit, which is faster than within a tolerance.

        Args:
            atoms: As they are now.
            tol: If not 0, numbers may differ by this much.
        """
        before = self.atoms
        if before is None or tol > 0:
            ignored = NO_MATTER - ({"initial_charges"} if self._given.has_charges else set())
            changes: list[str] = compare_atoms(before, atoms, tol, ignored)
            return changes
        pairs = {
            "positions": (before.positions, atoms.positions),
            "numbers": (before.numbers, atoms.numbers),
            "cell": (before.cell.array, atoms.cell.array),
            "pbc": (before.pbc, atoms.pbc),
        }
        if self._given.has_charges:
            then, now = (one.arrays.get("initial_charges") for one in (before, atoms))
            totals = [charges_of(one).total for one in (before, atoms)]
            pairs["initial_charges"] = (then, now)
            pairs["total_charge"] = (totals[0], totals[1])
        return [name for name, (then, now) in pairs.items() if not np.array_equal(then, now)]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Fills ``results``; what ASE calls.

        Raises:
            ValueError: Atoms that no potential is for, two at one place, or a cell that spans no
                volume where it repeats.
            CalculationFailed: Energies or forces that are no finite numbers: an atom is named.
            PropertyNotImplementedError: Stress alone is asked for, and there is none.
        """
        here = self.atoms if atoms is None else atoms
        if here is None:
            raise ValueError("`atoms` is None but must be atoms: there was no calculation before")
        volume = volume_of(here) if here.pbc.any() else None
        if volume is None and list(properties) == ["stress"]:
            raise PropertyNotImplementedError(
                "stress needs a cell with a volume and atoms that repeat, but `pbc` is "
                f"{here.pbc.tolist()} and the cell is {here.cell.array.tolist()}"
            )
        super().calculate(here, properties, system_changes)  # type: ignore[no-untyped-call]
        self.results = {}
        table = self._engine.table(here)
        found = self._engine.mean(table)
        self.results = _results(found, volume)
        self._strain_derivative, self._grades = found.strain_derivative[0], found.grades
        self._n_calculations += 1
        if not self._episodes.is_blind:
            self.results[EXTRAPOLATION] = larger_grade(found.grades)
        if self._given.warn_extrapolation:
            when = f"in calculation {self._n_calculations}"
            self._episodes.see(when, found.grades, lambda: table)
        if not set(SPREAD).isdisjoint(properties):
            spread = committee_spread(*self._engine.of_members(table))
            self.results.update(zip(SPREAD, spread, strict=True))

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are made again from the potentials' data, without results.

        Raises:
            ValueError: A potential that cannot be saved, such as a Python function.
        """
        states = [potential.state_dict() for potential in self._given.listed]
        g = self._given
        how = (g.precision, g.device, g.ignore_missing_species, g.warn_extrapolation)
        return _again, (states, g.skin, *how)

    @property
    def potentials(self) -> list[Potential]:
        """Those it evaluates."""
        return list(self._given.listed)

    @property
    def n_lists(self) -> int:
        """How many neighbour lists were made."""
        return self._engine.n_lists

    @property
    def cutoff(self) -> float:
        """The longest of the potentials (length)."""
        return self._given.cutoff

    def strain_derivative(self) -> Float64[ndarray, "3 3"]:
        """dE/d(strain) at the last calculation, also where there is no stress (energy)."""
        derivative: ndarray = self._strain_derivative.copy()
        return derivative

    def grades(self) -> Float64[ndarray, "n_atoms 2"]:
        """Of each atom at the last calculation, by range and by distance; see
        :attr:`miniff.kernel.Evaluation.grades`."""
        grades: ndarray = self._grades.copy()
        return grades

    def table(self, atoms: Atoms) -> NeighborTable:
        """The neighbours of atoms, from the list at hand if it still holds.

        Raises:
            ValueError: As :meth:`calculate`.
        """
        return self._engine.table(atoms)

    def listed_at(self) -> Placement:
        """Where atoms and box were when the present neighbour list was made.

        Raises:
            ValueError: There was no calculation yet.
        """
        return self._engine.listed_at()

    def list_at(self, atoms: Atoms) -> None:
        """Makes the neighbour list anew, of atoms at this place.

        The last bits of energies depend on where a list was made: see
        :meth:`miniff.kernel.SkinList.make_at`.
        """
        self.reset()  # type: ignore[no-untyped-call]
        self._engine.list_at(atoms)

    def _use(self, given: Given) -> None:
        self._given = given
        self._engine = Engine(given)
        self._strain_derivative, self._grades = np.full((3, 3), np.nan), np.zeros((0, 2))
        self._episodes, self._n_calculations = Episodes(given.listed, _tell), 0
        self.parameters.update(given.as_parameters())
        spread = SPREAD if self._engine.n_members > 1 else ()
        charges = (
            ("charges",) if any(isinstance(p, LongRangePotential) for p in given.listed) else ()
        )
        known = () if self._episodes.is_blind else (EXTRAPOLATION,)
        self.implemented_properties = [*STANDARD, *charges, *spread, *known]
        self.reset()  # type: ignore[no-untyped-call]


def _results(found: TableEvaluation, volume: float | None) -> dict[str, object]:
    energy = float(found.energy[0])
    if not (isfinite(energy) and np.isfinite(found.gradient).all()):
        words, _ = words_for_no_number(energy, found.gradient)
        raise CalculationFailed(f"{words}: {WHY_NO_NUMBER}")
    results = {
        "energy": energy,
        "free_energy": energy,
        "energies": found.energies,
        "forces": -found.gradient,
    }
    if found.charges is not None:
        results["charges"] = found.charges
    if volume is not None:
        results["stress"] = stress_from_strain_derivative(found.strain_derivative[0], volume)
    return results


def _tell(sentence: str) -> None:
    warn(sentence, ExtrapolationWarning, stacklevel=2)


def _again(
    states: list[dict[str, object]],
    skin: float,
    precision: Precision,
    device: str,
    ignore: bool,
    warn_extrapolation: bool,
) -> MiniffCalculator:
    """A calculator from a pickle."""
    return MiniffCalculator(
        [potential_from_state(state) for state in states],
        skin=skin,
        precision=precision,
        device=device,
        ignore_missing_species=ignore,
        warn_extrapolation=warn_extrapolation,
    )
