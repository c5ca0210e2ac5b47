"""Local minima of the energy, of positions alone or of the cell too, by ASE's optimisers."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from math import inf
from typing import Any, Literal, get_args
from warnings import catch_warnings, filterwarnings, warn

import numpy as np
from ase import Atoms
from ase.calculators.calculator import CalculationFailed
from ase.constraints import FixAtoms, FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS, FIRE, LBFGS
from numpy import ndarray

from miniff._charges import GivenCharges
from miniff._checks import WHY_NO_NUMBER, check_at_least, check_positive, unknown_name
from miniff.ase import MiniffCalculator
from miniff.ase._engine import charges_of
from miniff.dyn._guard import Guard, Limits
from miniff.dyn._integrator import explosion
from miniff.dyn._state import words_of
from miniff.dyn._to_label import ToLabel
from miniff.kernel import Cell
from miniff.kernel._cell import how_to_make_one
from miniff.potentials import Potential, Precision

__all__ = ["Free", "NotConvergedWarning", "Optimizer", "check_relaxation", "relax"]

Free = Literal["positions", "volume", "cell"]
Optimizer = Literal["lbfgs", "bfgs", "fire"]
OPTIMIZERS: dict[str, Any] = {"lbfgs": LBFGS, "bfgs": BFGS, "fire": FIRE}
SYMMETRY_TOLERANCE = 0.01


class NotConvergedWarning(UserWarning):
    """A relaxation made all its steps and forces are still above the tolerance."""


def relax(
    cell: Cell | Atoms,
    potentials: Potential | Sequence[Potential],
    *,
    free: Free = "positions",
    fixed: Sequence[int] = (),
    pressure: float = 0.0,
    symmetry: bool = False,
    optimizer: Optimizer = "lbfgs",
    tolerance: float = 1e-3,
    max_steps: int = 1000,
    observe: Callable[[Cell], None] | None = None,
    stop_extrapolation: float | None = None,
    to_label: str | ToLabel | None = None,
    skin: float = 1.0,
    ignore_missing_species: bool = False,
    precision: Precision = "double",
    device: str = "cpu",
) -> Cell:
    """Moves atoms, and the cell if asked to, to where the energy or enthalpy has a minimum.

    Atoms are never wrapped into the cell. Where a structure repeats along one or two vectors, a
    free cell is strained along these alone; they must then lie along axes of the coordinates.

    Args:
        cell: Where to begin; also ASE's atoms, whose constraints hold.
        potentials: Their energies are summed.
        free: ``"positions"``; besides them the ``"volume"`` of a cell that keeps its shape; or all
            of the ``"cell"``.
        fixed: Atoms that do not move, counted from 0; in a free cell they keep their fractional
            coordinates.
        pressure: From outside, positive under compression (energy/length^3), for a free cell.
        symmetry: Keep the space group that the structure has within 0.01 (length); needs spglib.
        optimizer: ASE's: ``"lbfgs"``, ``"bfgs"`` for small hard cases, ``"fire"`` for rough starts.
        tolerance: Largest force on an atom in the end (energy/length); of a free cell also the
            largest derivative of the enthalpy by a strain, per atom (energy).
        max_steps: After which a :class:`NotConvergedWarning` is given.
        observe: Called with the structure, labelled as the result, before the first step and after
            each.
        stop_extrapolation: As in :func:`nve`.
        to_label: As in :func:`nve`.
        skin: As in :class:`miniff.ase.MiniffCalculator` (length).
        ignore_missing_species: As in :class:`miniff.ase.MiniffCalculator`.
        precision: As in :func:`miniff.kernel.eval`.
        device: As in :func:`miniff.kernel.eval`.

    Returns:
        The structure with ``energy``, ``forces`` and ``stress`` of the potentials in ``meta``, and
        ``converged`` and ``n_steps``. Forces are those of the potentials, also on fixed atoms.

    Raises:
        ValueError: Arguments out of range or not for each other, unknown species or names.
        TypeError: Something else than a structure or potentials.
        ImportError: Symmetry without spglib.
        FloatingPointError: Energies or forces that are no finite numbers: the step and an atom are
            named.
        ExtrapolationError: An atom is further out than ``stop_extrapolation``; it is a
            FloatingPointError too.
    """
    if optimizer not in OPTIMIZERS:
        raise ValueError(unknown_name("optimizer", optimizer, OPTIMIZERS))
    check_relaxation(free, pressure, tolerance, max_steps)
    atoms, text = _atoms_of(cell)
    atoms.calc = MiniffCalculator(
        potentials,
        skin=skin,
        precision=precision,
        device=device,
        ignore_missing_species=ignore_missing_species,
        warn_extrapolation=False,  # the guard does
    )
    guard = Guard(Limits(atoms.calc.potentials, "relax", stop_extrapolation, to_label))
    _constrain(atoms, fixed, symmetry)
    moving = atoms if free == "positions" else _filter(atoms, free, pressure)
    minimiser = OPTIMIZERS[optimizer](moving, logfile=None)
    converged = False
    try:
        with catch_warnings():
            # ASE takes the logarithm of the strain, and scipy warns of errors of 1e-13 in it.
            filterwarnings("ignore", "logm result may be inaccurate", RuntimeWarning)
            for converged in minimiser.irun(fmax=tolerance, steps=max_steps):
                _look(guard, atoms, text, minimiser.nsteps)
                if observe is not None:
                    observe(_labelled(atoms, text, bool(converged), minimiser.nsteps))
    except (ValueError, CalculationFailed) as error:
        if minimiser.nsteps == 0 and isinstance(error, ValueError):
            raise  # it is the structure that was given
        raise explosion(minimiser.nsteps, error, WHY_NO_NUMBER) from error
    if not converged:
        warn(
            f"after {minimiser.nsteps} steps the largest force is {_largest_force(atoms):.3g} but "
            f"must be below {tolerance:g}: give more `max_steps`, or try another `optimizer`"
            + ("" if free == "positions" else "; the cell may still be strained"),
            NotConvergedWarning,
            stacklevel=2,
        )
    return _labelled(atoms, text, bool(converged), minimiser.nsteps)


def check_relaxation(free: Free, pressure: float, tolerance: float, max_steps: int) -> None:
    """What every relaxation demands.

    Raises:
        ValueError: Something out of range, or a pressure on a cell that cannot give way.
    """
    if free not in get_args(Free):
        raise ValueError(unknown_name("choice of what is free", free, get_args(Free)))
    if not -inf < pressure < inf:
        raise ValueError(f"`pressure` is {pressure} but must be finite")
    if pressure and free == "positions":
        raise ValueError(
            f"`pressure` is {pressure} but the cell cannot give way: set `free` to volume or cell"
        )
    check_positive("tolerance", tolerance)
    check_at_least("max_steps", max_steps, 0)


def _atoms_of(cell: Cell | Atoms) -> tuple[Atoms, dict[str, object]]:
    """Atoms to be moved, and what stays true of the structure."""
    if isinstance(cell, Atoms):
        charges = {"initial_charges": cell.arrays.get("initial_charges")}
        own = {name: value for name, value in charges.items() if value is not None}
        total = {"total_charge": charges_of(cell).total} if own else {}
        return cell.copy(), {**words_of(cell.info), **own, **total}
    if not isinstance(cell, Cell):
        raise TypeError(
            f"`cell` is {type(cell).__name__} but must be a Cell, or ASE's Atoms"
            f"{how_to_make_one(cell)}"
        )
    atoms = Cell(cell.vectors, cell.coordinates, cell.values, pbc=cell.pbc).to_ase()
    given = GivenCharges.from_meta(cell.meta, cell.size)
    atoms.info["total_charge"] = given.total
    if given.of_atoms is not None:
        atoms.set_initial_charges(given.of_atoms)
    return atoms, words_of(cell.meta)


def _constrain(atoms: Atoms, fixed: Sequence[int], symmetry: bool) -> None:
    """Adds constraints to those of the atoms; for symmetry, positions are first made exact."""
    for atom in fixed:
        if not 0 <= atom < len(atoms):
            raise ValueError(f"`fixed` has atom {atom} but must have numbers in [0, {len(atoms)})")
    constraints = list(atoms.constraints)
    if len(fixed):
        constraints.append(FixAtoms(list(fixed)))
    if symmetry:
        if find_spec("spglib") is None:
            raise ImportError("`symmetry` needs spglib: python -m pip install spglib")
        if not atoms.pbc.all():
            raise ValueError(
                f"`pbc` is {atoms.pbc.tolist()} but `symmetry` is that of a structure that repeats "
                "along all three cell vectors"
            )
        constraints.append(FixSymmetry(atoms, symprec=SYMMETRY_TOLERANCE))
    atoms.set_constraint(constraints)


def _filter(atoms: Atoms, free: Free, pressure: float) -> FrechetCellFilter:
    """What an optimiser moves instead of the atoms alone."""
    axes = _axes_to_strain(atoms)
    if free == "volume" and not axes.all():
        raise ValueError(
            f"`pbc` is {atoms.pbc.tolist()} but a free volume is that of a structure that repeats "
            "along all three cell vectors: set `free` to cell"
        )
    return FrechetCellFilter(
        atoms,
        mask=np.outer(axes, axes).astype(float),
        hydrostatic_strain=free == "volume",
        scalar_pressure=pressure,
    )


def _axes_to_strain(atoms: Atoms) -> ndarray:
    """Which axes of the coordinates the vectors span along which the atoms repeat."""
    repeated = atoms.cell.array[atoms.pbc]
    if not len(repeated):
        raise ValueError("the atoms repeat in no direction: there is no cell to relax")
    if atoms.cell.rank < 3:
        raise ValueError(
            f"the cell is {atoms.cell.array.tolist()}, which has no volume, but a free cell must "
            "have one: give its third vector a length, vacuum included"
        )
    axes: ndarray = np.abs(repeated).max(axis=0) > 1e-8 * np.abs(repeated).max()
    if axes.sum() != len(repeated):
        raise ValueError(
            f"the vectors along which the atoms repeat are {repeated.tolist()} but must lie along "
            f"{len(repeated)} of the axes x, y and z for a free cell: turn the structure"
        )
    return axes


def _look(guard: Guard, atoms: Atoms, text: dict[str, object], step: int) -> None:
    atoms.get_potential_energy()  # of where they are, whatever the optimiser has asked for
    calc = atoms.calc
    guard.look(
        step, calc.grades(), lambda: calc.table(atoms), lambda: _labelled(atoms, text, False, step)
    )


def _largest_force(atoms: Atoms) -> float:
    return float(np.linalg.norm(atoms.get_forces(), axis=1).max(initial=0.0))


def _labelled(atoms: Atoms, text: dict[str, object], converged: bool, n_steps: int) -> Cell:
    plain = Cell.from_ase(Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=atoms.pbc))
    meta = {
        **text,
        "energy": float(atoms.get_potential_energy()),
        "forces": atoms.get_forces(apply_constraint=False),
        "converged": converged,
        "n_steps": n_steps,
    }
    if "extrapolation" in atoms.calc.results:
        meta["extrapolation"] = np.array(atoms.calc.results["extrapolation"])
    if "stress" in atoms.calc.results:
        meta["stress"] = np.array(atoms.calc.results["stress"])
    return Cell(plain.vectors, plain.coordinates, plain.values, meta, pbc=plain.pbc)
