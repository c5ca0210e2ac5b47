"""Every kind of potential that a file can hold, saved and read again, with structures for it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import contract
import numpy as np
import pytest
import silicon
import trained

from miniff import ml
from miniff.kernel import Cell
from miniff.potentials import (
    Potential,
    Precision,
    buckingham_potential_family,
    counted_once,
    ewald_total_potential_family,
    zbl_potential_family,
)

N2P2 = Path(__file__).parents[1] / "data" / "n2p2_golden"
PLAIN = {"length_unit": "1", "energy_unit": "1"}


@dataclass(frozen=True)
class Saved:
    """Potentials of one kind.

    Attributes:
        name: Of the kind.
        make: The potentials before they are saved.
        perfect: The structure to be disturbed.
        file: Where they are saved.
        precision: In which they are evaluated.
        is_smooth: Whether energies have no steps in value and slope at the cutoff.
        rounding: Of numbers that should be the same, relative.
    """

    name: str
    make: Callable[[], list[Potential]]
    perfect: Callable[[], Cell]
    file: str = "potentials.pt"
    precision: Precision = "double"
    is_smooth: bool = True
    rounding: float = 1e-11

    def potentials(self, folder: Path) -> list[Potential]:
        """As they come back from the file."""
        ml.save_potentials(folder / self.file, self.make())
        return ml.load_potentials(folder / self.file)

    def cell(self, seed: int, *, pbc: bool = True) -> Cell:
        """A strained and rattled structure, whose vectors are a lower triangle."""
        rng = np.random.default_rng(seed)
        cell = self.perfect()
        vectors = lower(cell.vectors @ (np.eye(3) + rng.normal(scale=0.01, size=(3, 3))))
        moves = rng.normal(scale=0.05, size=(cell.size, 3)) * cell.volume ** (1 / 3) / 5
        coordinates = cell.coordinates + np.linalg.solve(vectors.T, moves.T).T
        return Cell(vectors, coordinates, cell.values, pbc=pbc)


def lower(vectors: np.ndarray) -> np.ndarray:
    """The same box turned so that its vectors are a lower triangle with a positive diagonal."""
    _, upper = np.linalg.qr(vectors.T)
    return (upper * np.sign(np.diag(upper))[:, None]).T


def diamond() -> Cell:
    """Sixteen atoms of silicon."""
    return trained.crystal(rattle=0.0, copies=2)


def golden(name: str) -> Cell:
    (cell,) = Cell.load(N2P2 / name / "input.data", **PLAIN)
    return cell


def rows() -> list[Saved]:
    """A potential of each family."""
    chosen = {row.make.name: row for row in contract.COMPILED}
    return [
        Saved(
            name,
            lambda row=row: [row.potential()],
            contract.crystal,
            file="potentials.json",
            is_smooth=row.smooth,
        )
        for name, row in chosen.items()
    ]


def with_baseline() -> list[Potential]:
    """A network on top of formulas, as `fit` makes it with `baseline`."""
    zbl = zbl_potential_family("Si-Si", z1=14, z2=14, a_inner=1.5, a=2.0)
    return [*silicon.SILICON, zbl, trained.trained(weight=0.1)]


def salt() -> Cell:
    """Eight ions."""
    base = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    coordinates = np.concatenate([base, (base + 0.5) % 1])
    return Cell(5.64 * np.eye(3), coordinates, ["Na"] * 4 + ["Cl"] * 4)


def ions() -> list[Potential]:
    """Charges under Ewald's sum, and what holds them apart."""
    charges = {"Na": 1.0, "Cl": -1.0}
    repulsion = {"amplitude": 1226.84, "rho": 0.3065, "c": 0.0, "a": 7.5}
    pairs = {"Na-Na": None, "Cl-Na": repulsion, "Cl-Cl": repulsion}
    return [
        ewald_total_potential_family(a=6.0, charges=charges, accuracy=1e-10),
        *counted_once(buckingham_potential_family, pairs),
    ]


def of_torch_alone() -> list[Potential]:
    """An activation that the core does not have; its energies have no bound."""
    return [trained.trained(activation="gelu", weight=0.01)]


KINDS = [
    Saved("Stillinger-Weber", lambda: silicon.SILICON, diamond, file="potentials.yml"),
    Saved("network", lambda: [trained.trained()], diamond),
    Saved("committee", lambda: [trained.trained(n_members=3)], diamond),
    Saved("network of torch alone", of_torch_alone, diamond),
    Saved("network on formulas", with_baseline, diamond),
    Saved(
        "network in float32",
        lambda: [trained.trained()],
        diamond,
        precision="single",
        rounding=1e-5,
    ),
    Saved("ions", ions, salt, file="potentials.json", rounding=1e-8),
    *(
        Saved(
            f"n2p2 {name}",
            partial(ml.load_n2p2, N2P2 / name, **PLAIN),
            partial(golden, name),
        )
        for name in ("three_layers_mixed", "normalized_units", "t23_t24_t25_p2", "atom_energy")
    ),
]
SAVED = [
    *(pytest.param(one, marks=pytest.mark.slow, id=one.name) for one in rows()),
    *(pytest.param(one, id=one.name) for one in KINDS),
]
"""All kinds; families one by one are in the contract too."""
MOVING = [one for one in KINDS if one.is_smooth and one.perfect is diamond]
"""Those whose atoms can be moved for long: others have forces that mean nothing."""
