"""Crystals whose atoms are rattled, with exact labels: those of ASE's calculators, or a formula."""

from collections.abc import Callable
from functools import cache

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from sound_data import changed, own, with_labels

from miniff.kernel import Cell
from miniff.units import factor

EV = {name: factor(name) for name in ("meV", "kcal/mol", "kJ/mol", "Ry", "Hartree")}
BOHR, GPA, KBAR = factor("bohr"), factor("GPa"), factor("kbar")
MADE = {
    "Cu": (bulk("Cu", cubic=True) * (2, 2, 1), EMT),
    "Ar": (
        bulk("Ar", "fcc", a=5.26, cubic=True) * (2, 2, 1),
        lambda: LennardJones(epsilon=0.0104, sigma=3.4, rc=8.0, smooth=True),
    ),
    "Si": (bulk("Si", "diamond", a=5.43, cubic=True) * (2, 1, 1), None),
}
"""Crystals and ASE's calculators; silicon has Stillinger and Weber's potential."""


@cache
def rattled(element: str, size: float, strain: float = 0.0, n: int = 18) -> tuple[Cell, ...]:
    """Crystals of one kind.

    Args:
        element: Cu (effective medium theory), Ar (Lennard-Jones) or Si (Stillinger-Weber).
        size: Standard deviation of the moves, in each direction (angstrom).
        strain: That of the components of the strain.
        n: Structures.
    """
    rng = np.random.default_rng(0)
    crystal, calculator = MADE[element]
    found = []
    for k in range(n):
        atoms = crystal.copy()
        gradient = np.eye(3) + rng.normal(scale=strain, size=(3, 3))
        atoms.set_cell(atoms.cell @ gradient, scale_atoms=True)
        atoms.positions += rng.normal(scale=size, size=atoms.positions.shape)
        found.append(_labelled(atoms, calculator, f"{element}.xyz, structure {k} (counted from 0)"))
    return tuple(found)


def _labelled(atoms: Atoms, calculator: Callable[[], object] | None, source: str) -> Cell:
    cell = Cell(
        np.array(atoms.cell),
        atoms.get_scaled_positions(wrap=False),
        atoms.get_chemical_symbols(),
        {"source": source},
    )
    if calculator is None:
        return with_labels(cell)
    atoms.calc = calculator()
    energy = atoms.get_potential_energy()
    return changed(cell, energy=energy, forces=atoms.get_forces(), stress=atoms.get_stress())


def in_units(
    cells: tuple[Cell, ...], *, energy: float = 1.0, forces: float = 1.0, stress: float = 1.0
) -> list[Cell]:
    """The same in other units.

    Args:
        cells: In eV and angstrom.
        energy: Size of the unit of energy (eV).
        forces: Size of the unit of forces (eV/angstrom).
        stress: Size of the unit of stress (eV/angstrom^3); 0 for a virial in eV, -1 for the other
            sign.
    """
    return [
        changed(
            cell,
            energy=float(own(cell, "energy")) / energy,
            forces=own(cell, "forces") / forces,
            stress=own(cell, "stress") * (1 / stress if stress else cell.volume),
        )
        for cell in cells
    ]
