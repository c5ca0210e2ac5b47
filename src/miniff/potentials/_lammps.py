"""Potentials from files of LAMMPS: a list for :func:`miniff.kernel.eval`.

LAMMPS counts a bond, and an unordered pair of neighbours, once. Here both directions are summed, so
epsilon is halved where the two neighbours, or the two atoms of a bond, are of one kind.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations_with_replacement, product
from math import isclose
from operator import itemgetter
from pathlib import Path
from typing import Literal

from miniff import io
from miniff.io import EmbeddedAtomTables, TripleEntry, TripleFile
from miniff.potentials._classical import (
    sw2_potential_family,
    sw3_mixed_potential_family,
    sw3_potential_family,
)
from miniff.potentials._embedded_atom import eam_potential_family
from miniff.potentials._functions import FunctionPotential, LocalPotentialFamily
from miniff.potentials._tersoff import BOND, TRIPLE, tersoff_potential_family

__all__ = [
    "eam_potentials",
    "funcfl_potentials",
    "lammps_sw_potentials",
    "lammps_tersoff_potentials",
    "setfl_potentials",
]

Triple = tuple[str, str, str]

ROUNDING = 1e-5
"""How far apart numbers of a file may be, relative, that must be equal."""

BOND_NAMES = ("epsilon", "sigma", "a", "A", "B", "p", "q")
"""What a bond takes from the entry I J J."""


def lammps_tersoff_potentials(
    path: str | Path, elements: Sequence[str] | None = None
) -> list[FunctionPotential]:
    """The potential that LAMMPS's ``pair_style tersoff`` reads from a file, one for each centre.

    Where the repulsion of I J J is not that of J I I, a bond has the mean of both; LAMMPS has one
    of them, by the order of the atoms.

    Args:
        path: The file.
        elements: Which elements to read; all by default.

    Raises:
        PotentialFileError: A file that cannot be used, with file and line.
    """
    file = io.read_lammps_tersoff(path, elements)
    found = []
    for i in file.elements:
        numbers: dict[str, object] = {
            name: [file[i, j, j].numbers[name] for j in file.elements] for name in BOND
        }
        numbers |= {
            name: [[file[i, j, k].numbers[name] for k in file.elements] for j in file.elements]
            for name in TRIPLE
        }
        tag = "-".join((i, *file.elements))
        found.append(_made(tersoff_potential_family, tag, file[i, i, i], numbers))
    return found


def lammps_sw_potentials(
    path: str | Path, elements: Sequence[str] | None = None
) -> list[FunctionPotential]:
    """The potential that LAMMPS's ``pair_style sw`` reads from a file.

    Bonds are from the entries I J J; angles take epsilon lambda and cos_theta0 from I J K, and
    sigma, a and gamma of their legs from I J J and I K K. What has no strength is left out.

    Args:
        path: The file.
        elements: Which elements to read; all by default.

    Raises:
        PotentialFileError: A file that cannot be used, with file and line. That includes files with
            a ``tol``, and those for which the energy of LAMMPS depends on the order of the atoms:
            the bond of I J J and J I I, epsilon lambda and cos_theta0 of I J K and I K J must agree
            to 1e-5.
    """
    file = io.read_lammps_sw(path, elements)
    for entry in file.entries.values():
        if entry.numbers["tol"] != 0:
            raise entry.first.refuse(
                f"`tol` is {entry.numbers['tol']} but must be 0: the cutoff is a sigma"
            )
    bonds = [_sw_bond(file, i, j) for i, j in product(file.elements, repeat=2)]
    angles = [
        _sw_angle(file, i, j, k)
        for i in file.elements
        for j, k in combinations_with_replacement(file.elements, 2)
    ]
    return [potential for potential in (*bonds, *angles) if potential is not None]


def _sw_bond(file: TripleFile, i: str, j: str) -> FunctionPotential | None:
    entry, p = file[i, j, j], file[i, j, j].numbers
    for name in BOND_NAMES:
        _demand_equal(file, (i, j, j), (j, i, i), name, itemgetter(name))
    if p["epsilon"] * p["A"] == 0:
        return None
    numbers = {name: p[name] for name in ("sigma", "a", "p", "q")}
    numbers |= {"epsilon": p["epsilon"] / 2, "gauge_a": p["A"], "gauge_b": p["B"]}
    return _made(sw2_potential_family, f"{i}-{j}", entry, numbers)


def _sw_angle(file: TripleFile, i: str, j: str, k: str) -> FunctionPotential | None:
    entry, p = file[i, j, k], file[i, j, k].numbers
    both = (i, j, k), (i, k, j)
    strength = _demand_equal(file, *both, "epsilon lambda", lambda p: p["epsilon"] * p["lambda"])
    cosine = _demand_equal(file, *both, "cos_theta0", itemgetter("cos_theta0"))
    first, second = (file[i, leg, leg].numbers for leg in (j, k))
    if strength == 0 or any(leg["a"] * leg["sigma"] == 0 for leg in (first, second)):
        return None
    epsilon = p["epsilon"] / 2 if j == k else p["epsilon"]
    numbers = {"epsilon": epsilon, "l": strength / p["epsilon"], "cos_theta0": cosine}
    legs = [{name: leg[name] for name in ("sigma", "a", "gamma")} for leg in (first, second)]
    tag = f"{i}-{j}-{k}"
    if legs[0] == legs[1]:
        return _made(sw3_potential_family, tag, entry, numbers | legs[0])
    for n, leg in enumerate(legs, start=1):
        numbers |= {f"{name}_{n}": value for name, value in leg.items()}
    return _made(sw3_mixed_potential_family, tag, entry, numbers)


def _demand_equal(
    file: TripleFile,
    triple: Triple,
    other: Triple,
    name: str,
    value_of: Callable[[Mapping[str, float]], float],
) -> float:
    """The mean of a value of two entries, which must be equal but for rounding in the file."""
    here, there = (value_of(file[each].numbers) for each in (triple, other))
    if not isclose(here, there, rel_tol=ROUNDING):
        raise file[triple].first.refuse(
            f"`{name}` of {' '.join(triple)} is {here:.10g} but must be that of {' '.join(other)}, "
            f"which is {there:.10g} in line {file[other].first.number}"
        )
    return (here + there) / 2


def _made(
    family: LocalPotentialFamily, tag: str, entry: TripleEntry, parameters: Mapping[str, object]
) -> FunctionPotential:
    try:
        return family(tag=tag, **parameters)
    except ValueError as error:
        raise entry.first.refuse(f"{tag}: {error}") from error


def setfl_potentials(
    path: str | Path,
    elements: Sequence[str] | None = None,
    *,
    form: Literal["alloy", "fs"] = "alloy",
) -> list[FunctionPotential]:
    """Embedded atoms from a setfl file, one potential for each centre.

    Args:
        path: The file.
        elements: Which elements to read; all by default.
        form: ``"alloy"`` for LAMMPS's ``eam/alloy``, ``"fs"`` for ``eam/fs``.

    Raises:
        PotentialFileError: A file that cannot be used, with file and line.
        ValueError: An unknown form.
    """
    return eam_potentials(io.read_setfl(path, elements, form=form))


def funcfl_potentials(path: str | Path, element: str) -> list[FunctionPotential]:
    """Embedded atoms of one element from a funcfl file.

    LAMMPS's ``pair_style eam`` leaves out the last point of each table; this does not, and energies
    may differ by 1e-6 of their size.

    Args:
        path: The file.
        element: The name of the element, which the file does not have.

    Raises:
        PotentialFileError: A file that cannot be used, with file and line.
    """
    return eam_potentials(io.read_funcfl(path, element))


def eam_potentials(tables: EmbeddedAtomTables) -> list[FunctionPotential]:
    """Embedded atoms from tables, one potential for each centre."""
    try:
        return [
            eam_potential_family(
                tag="-".join((name, *tables.elements)),
                a=tables.cutoff,
                dr=tables.dr,
                d_rho=tables.d_rho,
                embedding=tables.embedding[i],
                density=tables.density[i],
                r_phi=tables.r_phi[i],
            )
            for i, name in enumerate(tables.elements)
        ]
    except ValueError as error:
        raise io.PotentialFileError(f"{tables.path}: {error}") from error
