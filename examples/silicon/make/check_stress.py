"""Check stress and forces of pw.x against finite differences of its energy.

A coarse grid of k-points is enough: the identity holds for each.

    python check_stress.py --folder checks --pseudo /usr/share/espresso/pseudo
    python check_stress.py --folder checks --pseudo /usr/share/espresso/pseudo --plain 20
"""

import argparse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.units import GPa
from run_dft import RESULT, Settings, run_one
from structures import deformed, diamond, rattled

KBAR = 0.1 * GPa
STRAIN = 0.003
SHIFT = 0.01  # angstrom
UNIFORM = np.eye(3) / 3
SHEAR = np.array([[1.0, 0.5, 0.0], [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]])  # with a stretch


@dataclass(frozen=True)
class Direction:
    """A small step of the structure: a strain or displacements, one of them zero."""

    label: str
    strain: np.ndarray
    displacement: np.ndarray

    def moved(self, atoms: Atoms, sign: int) -> Atoms:
        """The structure one step along, or against, the direction."""
        result = deformed(atoms, sign * STRAIN * self.strain)
        result.positions += sign * SHIFT * self.displacement
        result.info["name"] = f"{atoms.info['name']}{self.label}{sign:+d}"
        return result


def examples() -> list[Atoms]:
    """A compressed, a sheared and a rattled cube of 8 atoms."""
    shear = np.array([[0.0, 0.06, 0.0], [0.06, 0.0, 0.02], [0.0, 0.02, 0.03]])
    result = [
        deformed(diamond(), -0.03 * np.eye(3)),
        deformed(diamond(), shear),
        rattled(diamond(), np.random.default_rng(0), 0.15),
    ]
    for atoms, name in zip(result, ("compressed", "sheared", "rattled"), strict=True):
        atoms.info["name"] = name
    return result


def directions() -> list[Direction]:
    """Two strains, and displacements of all atoms at random."""
    nowhere = np.zeros((8, 3))
    move = np.random.default_rng(1).normal(size=(8, 3))
    move = (move - move.mean(axis=0)) / np.linalg.norm(move)
    return [
        Direction("-uniform", UNIFORM, nowhere),
        Direction("-shear", SHEAR, nowhere),
        Direction("-forces", np.zeros((3, 3)), move),
    ]


def report(centre: Atoms, low: Atoms, high: Atoms, direction: Direction) -> str:
    """Line with the slope from finite differences, from pw.x, and their difference."""
    rise = high.get_potential_energy() - low.get_potential_energy()
    if direction.displacement.any():
        unit = "eV/angstrom"
        slope = rise / (2 * SHIFT)
        printed = -np.vdot(centre.get_forces(), direction.displacement)
    else:
        unit = "kbar"
        slope = rise / (2 * STRAIN * centre.get_volume() * KBAR)
        printed = np.vdot(centre.get_stress(voigt=False), direction.strain) / KBAR
    values = f"{slope:12.4f} {printed:12.4f} {slope - printed:9.4f}"
    return f"{centre.info['name'] + direction.label:20s} {values} {unit}"


def main() -> None:
    """Entry of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--pseudo", type=Path, required=True)
    parser.add_argument("--plain", type=float, help="use plain kinetic energies and this cutoff")
    arguments = parser.parse_args()
    settings = replace(Settings(), k_spacing=0.63)
    if arguments.plain:
        cutoff = arguments.plain
        settings = replace(settings, cutoff=cutoff, density_cutoff=4 * cutoff, kinetic_height=0.0)
    folder = arguments.folder.resolve() / f"{settings.cutoff:g}-{settings.kinetic_height:g}"

    def result(atoms: Atoms) -> Atoms:
        run_one(atoms, folder / atoms.info["name"], settings, arguments.pseudo.resolve())
        return ase.io.read(folder / atoms.info["name"] / RESULT)

    def line(case: tuple[Atoms, Direction]) -> str:
        atoms, direction = case
        low, high = (result(direction.moved(atoms, sign)) for sign in (-1, 1))
        return report(result(atoms), low, high, direction)

    print(f"{'':20s} {'difference':>12s} {'printed':>12s} {'error':>9s}")
    with ThreadPoolExecutor(2) as pool:
        for text in pool.map(line, product(examples(), directions())):
            print(text, flush=True)


if __name__ == "__main__":
    main()
