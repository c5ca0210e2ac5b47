"""Makes the structures of this example: a model of rigid ions, whose every number is known.

    python make.py            # in this folder; needs miniff, takes a minute

Each ion carries a charge of +1 or -1, with the Coulomb energy of all of them (Ewald's sum to 1e-9),
and pairs within 8 angstrom repel and attract as A exp(-r / rho) - C / r^6. The numbers are of the
size of those that are published for sodium chloride; what matters here is that they are known, so
that it can be seen how much of the energy is found.
"""

from pathlib import Path

import numpy as np
from ase import units

from miniff import dyn, kernel
from miniff.kernel import Cell
from miniff.potentials import (
    Potential,
    buckingham_potential_family,
    counted_once,
    ewald_total_potential_family,
)

A = 8.0
MODEL: list[Potential] = [
    ewald_total_potential_family(a=A, charges={"Na": 1.0, "Cl": -1.0}, accuracy=1e-9),
    *counted_once(
        buckingham_potential_family,
        {
            "Na-Na": {"amplitude": 7895.0, "rho": 0.1709, "c": 0.0, "a": A},
            "Cl-Na": {"amplitude": 2315.0, "rho": 0.2903, "c": 0.0, "a": A},
            "Cl-Cl": {"amplitude": 1227.0, "rho": 0.3214, "c": 14.5, "a": A},
        },
    ),
]


def main() -> None:
    """Writes train.xyz and test.xyz beside this folder."""
    rng = np.random.default_rng(0)
    train = [*crystals(rng, 24), *melts(rng, 24), *pairs(12, 14.0), *clusters(rng, 12)]
    test = [*crystals(rng, 6), *melts(rng, 6), *pairs(7, 13.5), *clusters(rng, 6), *slabs(rng, 6)]
    for name, cells in (("train", train), ("test", test)):
        Cell.save(
            [labelled(cell) for cell in cells], str(Path(__file__).parents[1] / f"{name}.xyz")
        )


def rock_salt(n: tuple[int, int, int], edge: float = 5.6) -> Cell:
    """Cubes of eight ions."""
    base = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    base = np.vstack([base, (base + 0.5) % 1])
    cell = Cell(edge * np.eye(3), base, ["Na"] * 4 + ["Cl"] * 4)
    return cell.repeated(*n)


def named(cell: Cell, config: str) -> Cell:
    """With the group that errors are told by."""
    return Cell(cell.vectors, cell.coordinates, cell.values, {"config_type": config}, pbc=cell.pbc)


def crystals(rng: np.random.Generator, n: int) -> list[Cell]:
    """Strained, sheared and rattled."""
    found = []
    for _ in range(n):
        perfect = rock_salt((2, 1, 1), 5.6 * rng.uniform(0.94, 1.08))
        strain = np.eye(3) + rng.normal(scale=0.03, size=(3, 3))
        vectors = perfect.vectors @ strain
        rattled = perfect.coordinates @ vectors + rng.normal(scale=0.1, size=(perfect.size, 3))
        whole = Cell(vectors, rattled @ np.linalg.inv(vectors), perfect.values)
        found.append(named(whole, "crystal"))
    return found


def melts(rng: np.random.Generator, n: int) -> list[Cell]:
    """From dynamics at 1500 to 3000 K, at several densities, well apart in time."""
    found = []
    for temperature, edge in ((1500, 5.9), (2200, 6.1), (3000, 6.4)):
        frames: list[Cell] = []
        dyn.nvt(
            rock_salt((2, 2, 1), edge),
            MODEL,
            temperature=float(temperature),
            timestep=2 * units.fs,
            n_steps=300 + 100 * (n // 3),
            every=100,
            seed=int(rng.integers(1 << 30)),
            observe=lambda state, frames=frames: frames.append(state.cell),
        )
        found += [named(cell, "melt") for cell in frames[-(n // 3) :]]
    return found


def pairs(n: int, longest: float) -> list[Cell]:
    """One ion of each kind, from the bond to far beyond the reach of any descriptor."""
    box = np.eye(3)
    return [
        named(Cell(box, [[0, 0, 0], [r, 0, 0]], ["Na", "Cl"], pbc=False), "pair")
        for r in np.geomspace(longest / 6.6, longest, n)
    ]


def clusters(rng: np.random.Generator, n: int) -> list[Cell]:
    """Pieces of rock salt with eight to sixteen ions, in two parts at some distance."""
    found = []
    for _ in range(n):
        whole = rock_salt((2, 1, 1))
        positions = whole.cartesian() + rng.normal(scale=0.1, size=(whole.size, 3))
        positions[positions[:, 0] > 5.0, 0] += rng.uniform(0, 6)
        cell = Cell(np.eye(3), positions, whole.values, pbc=False)
        found.append(named(cell, "cluster"))
    return found


def slabs(rng: np.random.Generator, n: int) -> list[Cell]:
    """Two layers, rattled: of a kind that training never saw."""
    found = []
    for _ in range(n):
        whole = rock_salt((2, 1, 1))
        positions = whole.cartesian() + rng.normal(scale=0.1, size=(whole.size, 3))
        vectors = whole.vectors.copy()
        vectors[2, 2] = 20.0
        at = positions @ np.linalg.inv(vectors)
        found.append(named(Cell(vectors, at, whole.values, pbc=(True, True, False)), "slab"))
    return found


def labelled(cell: Cell) -> Cell:
    """With energy, forces, stress, and the charges that made them."""
    result = kernel.eval(MODEL, cell, ignore_missing_species=True)
    meta = {**cell.meta, "energy": result.energy, "forces": result.forces}
    if all(cell.pbc):
        meta["stress"] = result.stress
    meta["charges"] = result.charges
    return Cell(cell.vectors, cell.coordinates, cell.values, meta, pbc=cell.pbc)


if __name__ == "__main__":
    main()
