"""Puts potentials into a LAMMPS that has a box, and refuses one where they would be wrong."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from miniff.lammps._coupling import FIX, Coupling, Settings
from miniff.lammps._stop import stop_of
from miniff.lammps._units import units_of
from miniff.ml import load_potentials, potential_from_plain
from miniff.potentials import (
    Potential,
    Precision,
    listed_potentials,
    refuse_uncovered_species,
)

__all__ = ["attach"]

AnyPotentials = Potential | Sequence[Potential | Mapping[str, object]] | str | Path
"""One or several potentials, formulas as plain data among them, or the name of a file."""

NEEDED = ("command", "extract_box", "set_fix_external_callback", "set_internal_variable")
REWRITING = (
    "aveforce",
    "freeze",
    "lineforce",
    "planeforce",
    "rattle",
    "setforce",
    "shake",
)
"""Fixes that change or use the forces of those before them; they must come later than ours."""


def attach(
    lmp: Any,
    potentials: AnyPotentials,
    species: Sequence[str],
    *,
    skin: float = 1.0,
    precision: Precision = "double",
    device: str = "cpu",
    atomic_virial: bool = False,
    ignore_missing_species: bool = False,
    total_charge: float = 0.0,
) -> Coupling:
    """Lets potentials act on the atoms of a LAMMPS, on top of its own pair style if it has one.

    The box must be there (``create_box``, ``read_data``, ``read_restart``); atoms may come later.
    What is added is a ``fix miniff all external``: thermo's ``pe``, ``etotal`` and ``press``,
    minimisers and barostats have its energy and virial; ``compute pe/atom`` that of each atom.
    ``unfix miniff`` takes it away. Where LAMMPS has no potential of its own give it no
    ``pair_style``, or ``pair_style zero 1.0 nocoeff``: neighbours are found here.

    An error of the potentials stops LAMMPS at that step, in the middle of a file too, and is raised
    by the method of ``lmp`` that was called.

    Args:
        lmp: A ``lammps.lammps()``, in ``units metal``, ``real`` or ``electron``.
        potentials: One or several, whose energies are summed; plain data that stand for formulas;
            or a file, as :func:`miniff.ml.load_potentials` reads. In eV and angstrom.
        species: The species of each of LAMMPS's atom types, the first for type 1.
        skin: How far beyond the cutoff neighbours are listed, so that the list lasts (angstrom); 0
            makes a new one for each step.
        precision: As in :func:`miniff.kernel.eval`.
        device: As in :func:`miniff.kernel.eval`.
        atomic_virial: Compute the virial of each atom, as :func:`miniff.kernel.atomic_virials`, for
            ``compute stress/atom`` and others, at each step. Without it they give nan.
        ignore_missing_species: Let atoms that no potential is for have no energy.
        total_charge: Of all atoms, for potentials with learned charges (elementary charges).

    Raises:
        TypeError: No LAMMPS, or something else in place of a potential.
        ValueError: No box yet, other units, more than one process, a number of species that is not
            that of atom types, species that no potential is for, potentials that are there already,
            or a fix that would undo their forces. While it runs, a ``RuntimeError`` says at which
            step the potentials failed and why.
    """
    for name in NEEDED:
        if not hasattr(lmp, name):
            raise TypeError(f"`lmp` is {lmp!r:.60} but must be a lammps.lammps()")
    listed = _listed(potentials)
    names = _species_of_types(lmp, species)
    if not ignore_missing_species:
        refuse_uncovered_species(listed, sorted(set(names)), where="the list `species`")
    _refuse_several_processes(lmp)
    own = (skin, precision, device, atomic_virial, total_charge)
    settings = Settings(listed, names, units_of(lmp), *own)
    _refuse_fixes(lmp)
    return Coupling(lmp, settings, stop_of(lmp))


def _listed(potentials: AnyPotentials) -> list[Potential]:
    found = load_potentials(potentials) if isinstance(potentials, str | Path) else _made(potentials)
    if not found:
        raise ValueError("`potentials` is empty but atoms need a potential to have forces")
    return found


def _made(
    potentials: Potential | Sequence[Potential | Mapping[str, object]],
) -> list[Potential]:
    if isinstance(potentials, Potential) or not isinstance(potentials, Sequence):
        return listed_potentials(potentials)
    return listed_potentials(
        [potential_from_plain(p) if isinstance(p, Mapping) else p for p in potentials]
    )


def _species_of_types(lmp: Any, species: Sequence[str]) -> tuple[str, ...]:
    if not lmp.extract_setting("box_exist"):
        raise ValueError(
            "LAMMPS has no simulation box yet: attach potentials after `create_box`, `read_data` "
            "or `read_restart`"
        )
    if isinstance(species, str):
        raise TypeError(f"`species` is {species!r} but must be a list of names, one for each type")
    names, n_types = tuple(map(str, species)), lmp.extract_setting("ntypes")
    if len(names) != n_types:
        raise ValueError(
            f"`species` has {len(names)} names but LAMMPS has {n_types} atom types, each of which "
            "must have one"
        )
    return names


def _refuse_several_processes(lmp: Any) -> None:
    n = lmp.extract_setting("world_size")
    if n > 1:
        raise ValueError(
            f"LAMMPS runs on {n} MPI processes but miniff.lammps needs all atoms in one: run it "
            "with one process and several threads, or export the potentials for `pair_style hdnnp`"
        )


def _refuse_fixes(lmp: Any) -> None:
    """LAMMPS applies fixes in the order of their definition."""
    for name, style in _fixes(lmp):
        if name == FIX:
            raise ValueError(
                f"LAMMPS has a fix `{FIX}` already: give several potentials as one list, or "
                f"`unfix {FIX}` before others are attached"
            )
        if style in REWRITING:
            raise ValueError(
                f"fix `{name}` ({style}) comes before the potentials and would not see their "
                "forces: define it after they are attached"
            )


def _fixes(lmp: Any) -> list[tuple[str, str]]:
    """Names and styles, the suffix of an accelerator left out."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "fixes")
        lmp.command(f'info out overwrite "{file}" fixes')
        found = re.findall(r"^Fix\[ *\d+\]: +(\S+), +style = (\S+), ", file.read_text(), re.M)
    return [(name, re.sub("/(kk|omp|opt|gpu|intel)$", "", style)) for name, style in found]
