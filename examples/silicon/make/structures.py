"""Make the silicon structures of the example data set, without energies.

Every group draws from its own seeded generator, so that a change in one leaves the others alone.
The groups ``hot`` and ``liquid`` run dynamics with miniff.

    python structures.py static.xyz strained rattled
    python structures.py all.xyz
"""

import argparse
from collections.abc import Callable, Iterator

import ase.io
import numpy as np
from ase import Atoms
from ase.build import bulk, diamond100, diamond111
from ase.geometry import get_distances
from ase.spacegroup import Spacegroup
from dynamics import after_dynamics
from numpy.random import Generator

LATTICE = 5.47  # angstrom, diamond; close to the minimum of the DFT settings used
SHORTEST = 1.8  # angstrom; structures with closer atoms are drawn again
SEED = 2026


def diamond(n_atoms: int = 8) -> Atoms:
    """Perfect diamond: the cube of 8 atoms, or two of them side by side."""
    return bulk("Si", "diamond", a=LATTICE, cubic=True).repeat((n_atoms // 8, 1, 1))


def deformed(atoms: Atoms, strain: np.ndarray) -> Atoms:
    """Copy with cell and positions multiplied by (1 + strain)."""
    result = atoms.copy()
    result.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return result


def with_volume(atoms: Atoms, ratio: float) -> Atoms:
    """Copy scaled uniformly to ``ratio`` of its volume."""
    return deformed(atoms, (ratio ** (1 / 3) - 1) * np.eye(3))


def random_strain(rng: Generator, size: float) -> np.ndarray:
    """Symmetric matrix with entries uniform in [-size, size]."""
    strain = rng.uniform(-size, size, (3, 3))
    return (strain + strain.T) / 2


def shortest_distance(atoms: Atoms) -> float:
    """Smallest distance between two atoms, images included."""
    apart = get_distances(atoms.positions, cell=atoms.cell, pbc=atoms.pbc)[1]
    apart[np.diag_indices(len(atoms))] = atoms.cell.lengths().min()
    return float(apart.min())


def rattled(atoms: Atoms, rng: Generator, width: float) -> Atoms:
    """Copy with normal displacements of the given width, drawn until no atoms are too close."""
    while True:
        result = atoms.copy()
        result.positions += rng.normal(scale=width, size=result.positions.shape)
        if shortest_distance(result) > SHORTEST:
            return result


def strained_group(rng: Generator) -> Iterator[Atoms]:
    """Uniformly compressed and expanded diamond."""
    for percent in (-12, -9, -6, -4, -2, 0, 3, 6, 10, 15):
        yield with_volume(diamond(), 1 + percent / 100)


def rattled_group(rng: Generator) -> Iterator[Atoms]:
    """Diamond at its lattice constant with random displacements."""
    for n_atoms, count in ((8, 4), (16, 2)):
        for width in (0.03, 0.06, 0.10, 0.14, 0.18):
            for _ in range(count):
                yield rattled(diamond(n_atoms), rng, width)


def rattled_strained_group(rng: Generator) -> Iterator[Atoms]:
    """Diamond with random volume, strain and displacements together."""
    for n_atoms, count in ((8, 14), (16, 5)):
        for ratio in np.linspace(0.89, 1.13, count):
            cell = deformed(with_volume(diamond(n_atoms), ratio), random_strain(rng, 0.03))
            yield rattled(cell, rng, rng.uniform(0.05, 0.15))


def sheared_group(rng: Generator) -> Iterator[Atoms]:
    """Diamond with random strains of up to 10 %, half of them slightly rattled."""
    for width in (0.0, 0.04) * 6:
        yield rattled(deformed(diamond(), random_strain(rng, 0.10)), rng, width)


def elastic_group(rng: Generator) -> Iterator[Atoms]:
    """Diamond with random strains of at most 1 %: the elastic constants."""
    for _ in range(8):
        yield deformed(diamond(), random_strain(rng, 0.01))


def vacancy_group(rng: Generator) -> Iterator[Atoms]:
    """Diamond without one atom, rattled."""
    for n_atoms, count in ((8, 3), (16, 6)):
        for _ in range(count):
            atoms = with_volume(diamond(n_atoms), rng.uniform(0.95, 1.03))
            del atoms[0]
            yield rattled(atoms, rng, rng.uniform(0.02, 0.12))


def dimerised(atoms: Atoms) -> Atoms:
    """A (001) slab of two atoms per layer with the atoms of the top layer moved together."""
    result = atoms.copy()
    first, second = np.argsort(result.positions[:, 2])[-2:]
    along = result.get_distance(first, second, mic=True, vector=True)
    result.positions[first] += 0.19 * along - [0, 0, 0.25]
    result.positions[second] -= 0.19 * along + [0, 0, 0.25]
    return result


def surface_group(rng: Generator) -> Iterator[Atoms]:
    """Thin (001) and (111) slabs with 7 angstrom of vacuum, bare or with dimers, rattled."""
    square = diamond100("Si", (1, 1, 8), a=LATTICE, vacuum=3.5)
    wide = diamond100("Si", (1, 2, 6), a=LATTICE, vacuum=3.7)
    hexagonal = diamond111("Si", (1, 1, 10), a=LATTICE)
    hexagonal = hexagonal[np.argsort(hexagonal.positions[:, 2])[1:-1]]
    hexagonal.center(vacuum=3.5, axis=2)
    for slab in (square, wide, dimerised(wide), hexagonal):
        slab.pbc = True
        for width in (0.02, 0.06, 0.10):
            yield rattled(deformed(slab, np.diag([*rng.uniform(-0.03, 0.03, 2), 0])), rng, width)


def hexagonal_diamond() -> Atoms:
    """Lonsdaleite in a rectangular cell of 8 atoms."""
    third, u = 1 / 3, 0.0625
    places = [(third, 2 * third, u), (2 * third, third, 0.5 + u)]
    places += [(third, 2 * third, 0.5 - u), (2 * third, third, 1 - u)]
    cell = [[3.86, 0, 0], [-1.93, 1.93 * 3**0.5, 0], [0, 0, 6.38]]
    atoms = Atoms("Si4", cell=cell, scaled_positions=places, pbc=True).repeat((1, 2, 1))
    atoms.cell[1] += atoms.cell[0]
    atoms.wrap()
    return atoms


def bc8() -> Atoms:
    """Primitive cell of 8 atoms of the BC8 crystal, space group Ia-3 (206), sites 16c."""
    sites = Spacegroup(206).equivalent_sites([(0.1003, 0.1003, 0.1003)])[0]
    cell = 3.32 * (1 - 2 * np.eye(3))
    atoms = Atoms("Si16", cell=cell, positions=6.64 * sites, pbc=True)
    apart = get_distances(atoms.positions, cell=cell, pbc=True)[1]
    return atoms[~np.any(np.tril(apart < 0.1, -1), axis=1)]


def polymorphs() -> Iterator[Atoms]:
    """Other crystals of silicon in cells of 8 atoms, near their volumes."""
    places = [(0, 0, 0), (0, 0.5, 0.25), (0.5, 0.5, 0.5), (0.5, 0, 0.75)]
    tin = Atoms("Si4", cell=[4.81, 4.81, 2.65], scaled_positions=places, pbc=True)
    yield tin.repeat((1, 1, 2))
    yield bulk("Si", "sc", a=2.53).repeat(2)
    yield bulk("Si", "bcc", a=3.09, cubic=True).repeat((2, 2, 1))
    yield bulk("Si", "fcc", a=3.88, cubic=True).repeat((2, 1, 1))
    yield hexagonal_diamond()
    yield bc8()


def polymorph_group(rng: Generator) -> Iterator[Atoms]:
    """Each polymorph perfect, and deformed and rattled at three volumes."""
    for atoms in polymorphs():
        yield atoms
        for ratio in (0.93, 1.0, 1.08):
            cell = deformed(with_volume(atoms, ratio), random_strain(rng, 0.03))
            yield rattled(cell, rng, rng.uniform(0.03, 0.12))


def hot_group(rng: Generator) -> Iterator[Atoms]:
    """Diamond near its volume after 3 ps of dynamics; every frame has a run of its own."""
    for n_atoms, count in ((8, 5), (16, 3)):
        for temperature in (300, 600, 1200):
            for _ in range(count):
                start = with_volume(diamond(n_atoms), rng.uniform(0.96, 1.05))
                yield after_dynamics(start, [(temperature, 2000)], rng)


def liquid_group(rng: Generator) -> Iterator[Atoms]:
    """Melted at 4000 K, then 3 ps colder, around the density of the liquid.

    The liquid's volume is 18.5 cubic angstrom per atom, 0.9 of diamond's. Every frame has a run of
    its own.
    """
    for n_atoms, count in ((8, 14), (16, 10)):
        for _ in range(count):
            start = with_volume(diamond(n_atoms), rng.uniform(0.82, 1.02))
            yield after_dynamics(start, [(4000, 2000), (rng.uniform(2000, 3500), 2000)], rng)


GROUPS: dict[str, Callable[[Generator], Iterator[Atoms]]] = {
    "strained": strained_group,
    "rattled": rattled_group,
    "rattled_strained": rattled_strained_group,
    "sheared": sheared_group,
    "elastic": elastic_group,
    "vacancy": vacancy_group,
    "surface": surface_group,
    "polymorph": polymorph_group,
    "hot": hot_group,
    "liquid": liquid_group,
}


def make_group(group: str) -> list[Atoms]:
    """Structures of the group with their ``group`` and ``name``."""
    result = []
    rng = np.random.default_rng([SEED, *group.encode()])
    for number, made in enumerate(GROUPS[group](rng)):
        atoms = Atoms(made.symbols, made.positions, cell=made.cell, pbc=True)
        atoms.info = {"group": group, "name": f"{group}-{number:02d}"}
        result.append(atoms)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", help="extended XYZ file to write")
    parser.add_argument("groups", nargs="*", metavar="group", help="all of them by default")
    arguments = parser.parse_args()
    groups = arguments.groups or list(GROUPS)
    ase.io.write(arguments.output, [atoms for group in groups for atoms in make_group(group)])


if __name__ == "__main__":
    main()
