"""Work along the way between two structures: what forces and stress say of an energy difference.

From structure a to b, with the same atoms in the same order, fractional coordinates and cell change
along a straight line. The work of forces and stress, taken at both ends,

    W = -1/2 sum_i (F_ia + F_ib) . u_i + V/2 (sigma_a + sigma_b) : eps,

is the energy difference E_b - E_a up to third order, where eps is the strain between the cells and
u_i what atoms move besides it. So the slope of energy differences over W is 1, whatever the
material is; -1 means a sign, and 27.2 another unit. Long steps need more than this: see
``_predictions``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from miniff.kernel._cell import Cell
from miniff.kernel._doctor._survey import Survey

__all__ = ["Steps", "Way", "steps_between", "way_between"]

FARTHEST_MOVE, FARTHEST_STRAIN = 1.5, 0.12
"""Largest root mean square move (length), and strain, of a step that is looked at."""
MOST_OF_A_KIND, MOST_COMPARED = 1000, 1e7
"""Structures with the same atoms in the same order that are looked at, evenly: at most so many, and
so many that their number squared times that of their atoms is at most the second."""
PARTNERS = 3
"""Nearest structures to which steps are taken from each."""


@dataclass(frozen=True, eq=False)
class Steps:
    """Steps between neighbouring structures.

    Attributes:
        first, second: The structures.
        energy: E_b - E_a, per atom (energy).
        of_forces: The work of the forces, per atom; nan without forces.
        of_stress: The work of the stress, per atom; nan without stress.
        mixed: The same with each component of the stress on the strain of each, per atom, [6, 6]:
            rows are strains. The trace is the work.
        volume: The volume's change along the step, V tr(eps), per atom (length^3).
        gross: The sum of the works' sizes, atom by atom and component by component, per atom: what
            a step's error can be compared with.
        move: Root mean square of u (length).
        strain: The largest component of eps.
    """

    first: ndarray
    second: ndarray
    energy: ndarray
    of_forces: ndarray
    of_stress: ndarray
    mixed: ndarray
    volume: ndarray
    gross: ndarray
    move: ndarray
    strain: ndarray

    def __len__(self) -> int:
        return len(self.first)


def steps_between(survey: Survey) -> Steps:
    """From each structure to the nearest of its file with the same atoms in the same order."""
    kinds: dict[tuple[object, ...], list[int]] = {}
    for number, cell in enumerate(survey.cells):
        if np.isfinite(survey.energies[number]) and not survey.surroundings[number].problem:
            kinds.setdefault((survey.files[number], cell.values, cell.pbc), []).append(number)
    rows = [_row(survey, a, b) for own in kinds.values() for a, b in _nearest(survey, own)]
    columns = zip(*rows, strict=True) if rows else [[]] * 10
    first, second, *rest = (np.array(column) for column in columns)
    of = [np.asarray(column, float) for column in rest]
    of[3] = of[3].reshape(-1, 6, 6)
    return Steps(first.astype(np.int64), second.astype(np.int64), *of)


def _nearest(survey: Survey, own: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of structures, each once."""
    most = int((MOST_COMPARED / max(survey.cells[own[0]].size, 1)) ** 0.5)
    some = own[:: -(-len(own) // min(max(most, 2), MOST_OF_A_KIND))]
    if len(some) < 2:
        return []
    cells = [survey.cells[k] for k in some]
    coordinates = np.stack([cell.coordinates for cell in cells])
    vectors = np.stack([cell.vectors for cell in cells])
    periodic = np.array(cells[0].pbc)
    found = set()
    for a in range(len(some)):
        move, strain = _far(coordinates, vectors, periodic, a)
        is_near = (move < FARTHEST_MOVE) & (strain < FARTHEST_STRAIN)
        far = move / FARTHEST_MOVE + strain / FARTHEST_STRAIN
        is_near &= far > 1e-6
        order = np.flatnonzero(is_near)[np.argsort(far[is_near], kind="stable")]
        found |= {(some[min(a, b)], some[max(a, b)]) for b in order[:PARTNERS].tolist()}
    return sorted(found)


def _far(
    coordinates: ndarray, vectors: ndarray, periodic: ndarray, a: int
) -> tuple[ndarray, ndarray]:
    """How far atoms move to every structure, and how the cell is strained."""
    strain = np.linalg.solve(vectors[a], vectors - vectors[a])
    largest = np.abs(strain).max(axis=(1, 2)) if periodic.any() else np.zeros(len(vectors))
    if periodic.any():
        moves = _moves(coordinates - coordinates[a], periodic) @ vectors[a]
    else:
        positions = coordinates @ vectors
        positions = positions - positions.mean(axis=1, keepdims=True)
        moves = positions @ _turns(positions, positions[a]) - positions[a]
    return np.sqrt((moves**2).sum(axis=2).mean(axis=1)), largest


def _moves(steps: ndarray, periodic: ndarray) -> ndarray:
    """The shortest steps in fractional coordinates, without a motion of the whole."""
    shortest = steps - np.where(periodic, np.rint(steps), 0.0)
    moves: ndarray = shortest - shortest.mean(axis=-2, keepdims=True)
    return moves


def _turns(positions: ndarray, fixed: ndarray) -> ndarray:
    """Rotations that bring structures nearest to a fixed one: positions @ turn is near it.

    W. Kabsch, Acta Cryst. A 32, 922 (1976), https://doi.org/10.1107/S0567739476001873
    """
    u, _, v = np.linalg.svd(np.swapaxes(positions, -1, -2) @ fixed)
    u[..., -1] *= np.sign(np.linalg.det(u @ v))[..., None]  # no mirror
    turns: ndarray = u @ v
    return turns


@dataclass(frozen=True, eq=False)
class Way:
    """The straight way in fractional coordinates and cell vectors between two structures.

    Attributes:
        start: Where it begins.
        vectors: Those of the cell half way (length).
        change: Of the cell vectors from one end to the other (length).
        moves: Of the atoms besides the strain, in the cell half way (length).
        turn: Turns vectors of the second structure to where the first lies: x @ turn.
    """

    start: Cell
    vectors: ndarray
    change: ndarray
    moves: ndarray
    turn: ndarray

    def strain(self, at: float) -> ndarray:
        """By how much the cell there is strained from one end to the other, yz, xz, xy twice.

        Args:
            at: 0 at the first structure, 1 at the second.
        """
        if not self.change.any():
            return np.zeros(6)
        gradient = np.linalg.solve(self.vectors + (at - 0.5) * self.change, self.change)
        strain = (gradient + gradient.T) / 2
        voigt: ndarray = strain[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]] * [1, 1, 1, 2, 2, 2]
        return voigt

    @property
    def middle(self) -> Cell:
        """The structure half way, of a periodic one."""
        shift = np.linalg.solve(self.vectors.T, self.moves.T).T / 2
        return Cell(
            self.vectors, self.start.coordinates + shift, self.start.values, pbc=self.start.pbc
        )


def way_between(one: Cell, other: Cell) -> Way:
    """From one structure to another with the same atoms in the same order."""
    periodic = np.array(one.pbc)
    half, change, turn = (one.vectors + other.vectors) / 2, np.zeros((3, 3)), np.eye(3)
    if periodic.any():
        change = other.vectors - one.vectors
        moves = _moves(other.coordinates - one.coordinates, periodic) @ half
    else:
        start, end = (cell.cartesian() - cell.cartesian().mean(axis=0) for cell in (one, other))
        turn = _turns(end, start)
        moves = end @ turn - start
    return Way(one, half, change, moves, turn)


def _row(survey: Survey, a: int, b: int) -> tuple[object, ...]:
    way = way_between(survey.cells[a], survey.cells[b])
    n, voigt = survey.cells[a].size, way.strain(0.5)
    f_a, f_b = survey.forces[a], survey.forces[b]
    has_forces = f_a is not None and f_b is not None
    works = -(f_a + f_b @ way.turn) * way.moves / 2 / n if has_forces else np.zeros(1)
    volume = abs(np.linalg.det(way.vectors))
    mixed = volume * np.outer(voigt, survey.stresses[a] + survey.stresses[b]) / 2 / n
    return (
        a,
        b,
        (survey.energies[b] - survey.energies[a]) / n,
        np.sum(works) if has_forces else np.nan,
        np.trace(mixed),
        mixed,
        volume * voigt[:3].sum() / n,
        np.abs(works).sum() + np.nansum(np.abs(np.diag(mixed))),
        np.sqrt((way.moves**2).sum(axis=1).mean()),
        np.abs(voigt / [1, 1, 1, 2, 2, 2]).max(),
    )
