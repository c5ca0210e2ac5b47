"""Tables of embedded atoms: ``setfl`` (``eam/alloy`` and ``eam/fs`` of LAMMPS) and ``funcfl``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff._checks import unknown_name
from miniff.io._potential_text import Line, Lines, PotentialFileError, split_lines

__all__ = ["EmbeddedAtomTables", "read_funcfl", "read_setfl"]

HARTREE_BOHR = 27.2 * 0.529
"""e^2/(4 pi eps0) in eV angstrom, with the digits that funcfl files are made with."""

LONGEST_NAME = 40
LEAST = 5
"""Fewest points of a table."""


@dataclass(frozen=True, eq=False)
class EmbeddedAtomTables:
    """F(rho), f(r) and r phi(r) for some elements, on grids that start at zero.

    Attributes:
        path: Where they are from.
        elements: Names; axes of the tables are in this order.
        masses: As the file has them.
        d_rho: Step of the density.
        dr: Step of the distance (length).
        cutoff: Beyond it there is nothing (length).
        embedding: F(rho) (energy).
        density: f(r) at an atom of the first element from a neighbour of the second.
        r_phi: r phi(r) (energy length).
    """

    path: Path
    elements: tuple[str, ...]
    masses: tuple[float, ...]
    d_rho: float
    dr: float
    cutoff: float
    embedding: Float64[ndarray, "n_elements n_rho"]
    density: Float64[ndarray, "n_elements n_elements n_r"]
    r_phi: Float64[ndarray, "n_elements n_elements n_r"]


@dataclass(frozen=True)
class _Grid:
    n_rho: int
    d_rho: float
    n_r: int
    dr: float
    cutoff: float


def _grid(line: Line) -> _Grid:
    return _Grid(
        line.count_at(0, "Nrho", LEAST),
        line.positive_at(1, "drho"),
        line.count_at(2, "Nr", LEAST),
        line.positive_at(3, "dr"),
        line.positive_at(4, "cutoff"),
    )


def read_setfl(
    path: str | Path,
    elements: Sequence[str] | None = None,
    *,
    form: Literal["alloy", "fs"] = "alloy",
) -> EmbeddedAtomTables:
    """The tables of a setfl file, numbers as they stand.

    Args:
        path: The file.
        elements: Which elements to take; all by default.
        form: ``"alloy"`` where the density from a neighbour depends on its element alone, ``"fs"``
            (Finnis and Sinclair) where also on that of the centre: the files do not tell.

    Raises:
        PotentialFileError: Tables that are damaged or incomplete, and elements that the file does
            not have; with file and line.
        ValueError: An unknown form.
    """
    if form not in ("alloy", "fs"):
        raise ValueError(unknown_name("`form`", form, ("alloy", "fs")))
    path = Path(path)
    lines = Lines(path, split_lines(path, comments_from=4))
    for _ in range(3):
        lines.next("three lines of comment")
    names = _names(lines.with_words("the number of elements and their names", 2))
    grid = _grid(lines.with_words("Nrho, drho, Nr, dr, cutoff", 5))
    masses, embedding, density = [], [], []
    for name in names:
        head = lines.with_words(f"atomic number and mass of {name}", 2)
        masses.append(head.positive_at(1, "mass"))
        embedding.append(lines.numbers(f"F(rho) of {name}", grid.n_rho))
        if form == "alloy":
            density.append([lines.numbers(f"f(r) of {name}", grid.n_r)] * len(names))
        else:
            density.append([lines.numbers(f"f(r) of {name} at {o}", grid.n_r) for o in names])
    r_phi = _symmetric(lines, names, grid.n_r)
    lines.end()
    chosen = _places(path, names, elements)
    return EmbeddedAtomTables(
        path=path,
        elements=tuple(names[i] for i in chosen),
        masses=tuple(masses[i] for i in chosen),
        d_rho=grid.d_rho,
        dr=grid.dr,
        cutoff=grid.cutoff,
        embedding=np.array(embedding)[chosen],
        density=np.array(density).swapaxes(0, 1)[np.ix_(chosen, chosen)].copy(),
        r_phi=r_phi[np.ix_(chosen, chosen)],
    )


def _symmetric(
    lines: Lines, names: Sequence[str], n_r: int
) -> Float64[ndarray, "n_elements n_elements n_r"]:
    """r phi(r) of all pairs, from those of one triangle."""
    by_pair = {
        (i, j): lines.numbers(f"r phi(r) of {names[i]} and {names[j]}", n_r)
        for i in range(len(names))
        for j in range(i + 1)
    }
    places = range(len(names))
    return np.array([[by_pair[max(i, j), min(i, j)] for j in places] for i in places])


def _names(line: Line) -> tuple[str, ...]:
    n, names = line.count_at(0, "number of elements", 1), line.words[1:]
    if len(names) != n:
        raise line.refuse(f"there are {len(names)} names of elements but must be {n}")
    for place, name in enumerate(names, start=1):
        if len(name) > LONGEST_NAME:
            raise line.refuse(f"name {place} has {len(name)} letters: it is none of an element")
    if len(set(names)) < n:
        raise line.refuse("an element is named twice")
    return names


def _places(path: Path, names: Sequence[str], elements: Sequence[str] | None) -> list[int]:
    chosen = list(names if elements is None else elements)
    if not chosen or len(set(chosen)) < len(chosen):
        raise PotentialFileError(
            f"{path}: `elements` is {chosen} but must name one or more, each once"
        )
    for name in chosen:
        if name not in names:
            raise PotentialFileError(f"{path}: {unknown_name('element of the file', name, names)}")
    return [names.index(name) for name in chosen]


def read_funcfl(path: str | Path, element: str) -> EmbeddedAtomTables:
    """The tables of a funcfl file, which has one element and no name for it.

    The effective charges Z(r) become r phi(r) = 27.2 0.529 Z^2, in eV and angstrom.

    Args:
        path: The file.
        element: Its name.

    Raises:
        PotentialFileError: Tables that are damaged or incomplete; with file and line.
    """
    path = Path(path)
    lines = Lines(path, split_lines(path, comments_from=2))
    lines.next("a line of comment")
    head = lines.with_words("atomic number and mass", 2)
    grid = _grid(lines.with_words("Nrho, drho, Nr, dr, cutoff", 5))
    embedding = lines.numbers("F(rho)", grid.n_rho)
    charge = lines.numbers("Z(r)", grid.n_r)
    density = lines.numbers("f(r)", grid.n_r)
    lines.end()
    return EmbeddedAtomTables(
        path=path,
        elements=(element,),
        masses=(head.positive_at(1, "mass"),),
        d_rho=grid.d_rho,
        dr=grid.dr,
        cutoff=grid.cutoff,
        embedding=embedding[None],
        density=density[None, None],
        r_phi=HARTREE_BOHR * charge[None, None] ** 2,
    )
