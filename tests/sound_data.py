"""Silicon with the labels of Stillinger and Weber, and ways to spoil them."""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy import ndarray
from silicon import DIAMOND, SILICON

from miniff.kernel import Cell, Finding, check_data
from miniff.kernel import eval as evaluate


def changed(cell: Cell, **meta: object) -> Cell:
    """Other labels."""
    return Cell(cell.vectors, cell.coordinates, cell.values, {**cell.meta, **meta}, pbc=cell.pbc)


def own(cell: Cell, name: str) -> ndarray:
    return np.asarray(cell.meta[name], float)


@cache
def _silicon() -> tuple[Cell, ...]:
    """Thirty cells that are strained most, and thirty whose atoms are moved most."""
    rng = np.random.default_rng(0)
    cells = []
    for k in range(60):
        strain, move = (0.02, 0.001) if k < 30 else (0.002, 0.012)
        vectors = 5.43 * (np.eye(3) + rng.normal(scale=strain, size=(3, 3)))
        coordinates = DIAMOND + rng.normal(scale=move, size=(8, 3))
        source = f"train.xyz, structure {k} (counted from 0)"
        cells.append(with_labels(Cell(vectors, coordinates, ["Si"] * 8, {"source": source})))
    return tuple(cells)


def with_labels(cell: Cell) -> Cell:
    """Those of Stillinger and Weber's potential."""
    found = evaluate(SILICON, cell)
    return changed(cell, energy=found.energy, forces=found.forces, stress=found.stress)


def silicon() -> list[Cell]:
    """Sound: Stillinger and Weber's energies, forces and stresses."""
    return list(_silicon())


def kinds(cells: list[Cell]) -> dict[str, Finding]:
    """What is found, by its kind."""
    found = check_data({"data": cells}).findings
    assert len({(one.kind, one.sentence) for one in found}) == len(found)
    return {one.kind: one for one in found}


def all_of(change: Callable[[Cell], Cell]) -> Callable[[], list[Cell]]:
    return lambda: [change(cell) for cell in silicon()]


def forces(scale: float) -> Callable[[Cell], Cell]:
    return lambda cell: changed(cell, forces=own(cell, "forces") * scale)


def stress(scale: float) -> Callable[[Cell], Cell]:
    return lambda cell: changed(cell, stress=own(cell, "stress") * scale)
