"""What forces and stresses say of energy differences, beyond the rule of the two ends.

The rule of ``_work`` misses E_b - E_a by E''' u^3 / 12, which has the sign of the step: a slope
over such works is too small, 0.75 for copper whose atoms lie 0.15 angstrom off their sites. A
potential E' that was fitted to the forces knows most of this error,

    E_b - E_a = (E'_b - E'_a) + W[F - F'] = W[F] + (E'_b - E'_a - W[F']),

and what is left is the rule's error for F - F'. Where steps are long and forces are fitted well, E'
alone is the better one. Where strain comes in, the works of forces and stress are needed apart:
that of the stress of the fitted potential follows by Simpson's rule with the structure half way,
that of its forces is the rest of its energy. All of it is linear in the labels, so signs and units
of theirs come through.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from miniff.kernel._cell import Cell
from miniff.kernel._doctor._survey import Survey
from miniff.kernel._doctor._work import Steps, Way, way_between
from miniff.kernel._doctor._yardstick import Functions, Sums, fitted, functions_for, ridge

__all__ = ["SAME_CELL", "Predictions", "Works", "predictions"]

MOST_STEPS, FEWEST_STEPS, MOST_ATOMS = 250, 24, 20000
"""Steps that are looked at so closely, and about how many atoms their structures have."""
SAME_CELL = 1e-6
"""Strain."""
STRESS_RIDGE = 1e-7
MOVE, MOST_MOVED = 0.02, 6
"""Root mean square of random moves (length), and structures whose atoms are moved."""
FEWEST_SHEARS = 10
"""Structures whose shear stresses tell a ratio."""


@dataclass(frozen=True, eq=False)
class Works:
    """One way to know the works of forces and stress along steps.

    Attributes:
        of_forces: Per atom (energy); nan without forces.
        of_stress: Per atom (energy); nan without stress.
    """

    of_forces: ndarray
    of_stress: ndarray


@dataclass(frozen=True, eq=False)
class Predictions:
    """Works of some steps by several rules.

    Attributes:
        own: Which of the steps.
        works: By the rule of the ends first.
        shear: Shear stresses, times the volume, of the structures by their labels and by the
            potential fitted to the forces, [2, n] (energy); None without any.
        stiffness: Of that potential: by how much forces on atoms that are moved at random change
            over the length of the move (energy/length^2); nan without forces.
    """

    own: ndarray
    works: Sequence[Works]
    shear: ndarray | None = None
    stiffness: float = np.nan


def predictions(survey: Survey, steps: Steps, own: ndarray) -> Predictions:
    """The works of some of these steps, evenly taken, by each rule.

    Args:
        survey: The data.
        steps: Between its structures.
        own: Those of one file.
    """
    some = own[np.isfinite(steps.of_forces[own])]
    own = _picked(survey, steps, some if len(some) else own)
    ends = Works(steps.of_forces[own], steps.of_stress[own])
    if not len(some):
        return Predictions(own, [ends])
    numbers = np.unique(np.r_[steps.first[own], steps.second[own]]).tolist()
    functions = functions_for([survey.cells[k] for k in numbers])
    if functions is None:
        return Predictions(own, [ends])
    fit = _fit(survey, numbers, functions)
    try:
        works = _better(survey, steps, own, fit)
    except ValueError:  # two atoms meet half way
        works = []
    some = numbers[:: -(-len(numbers) // MOST_MOVED)]
    stiffness = _stiffness(fit, some, [survey.cells[k] for k in some])
    return Predictions(own, [ends, *works], _shear(fit), stiffness)


def _picked(survey: Survey, steps: Steps, own: ndarray) -> ndarray:
    size = float(np.mean(survey.sizes[steps.first[own]])) if len(own) else 1.0
    most = int(np.clip(MOST_ATOMS / (2 * size), FEWEST_STEPS, MOST_STEPS))
    picked: ndarray = own[:: max(1, -(-len(own) // most))]
    return picked


@dataclass(frozen=True, eq=False)
class _Fit:
    """Potentials fitted to the forces, and to the stresses, of some structures.

    Attributes:
        functions: That they are linear in.
        sums: Of the functions, of each structure.
        place: Of the structures among these.
        off: Gradients that the first does not explain (energy/length).
        weights: Of the first.
        stress_weights: Of the second; None without stresses.
        tension: Stresses times volumes, [n, 6]; nan where there is none (energy).
    """

    functions: Functions
    sums: Sums
    place: dict[int, int]
    off: list[ndarray]
    weights: ndarray
    stress_weights: ndarray | None
    tension: ndarray


def _fit(survey: Survey, numbers: Sequence[int], functions: Functions) -> _Fit:
    cells = [survey.cells[k] for k in numbers]
    sums = functions.sums(cells)
    gradients = [-_known(survey.forces[k]) for k in numbers]
    weights = fitted(sums, gradients)
    off = [
        given - columns @ weights for given, columns in zip(gradients, sums.gradient, strict=True)
    ]
    volumes = np.array([abs(np.linalg.det(cell.vectors)) for cell in cells])
    tension = survey.stresses[numbers] * volumes[:, None]
    sizes = np.array([cell.size for cell in cells])
    place = {number: k for k, number in enumerate(numbers)}
    own = _fitted_to_stress(sums, tension, sizes, weights)
    return _Fit(functions, sums, place, off, weights, own, tension)


def _known(forces: ndarray | None) -> ndarray:
    assert forces is not None
    return forces


def _fitted_to_stress(
    sums: Sums, tension: ndarray, sizes: ndarray, weights: ndarray
) -> ndarray | None:
    """As near to a multiple of the weights that explain the forces as ridges go."""
    known = np.isfinite(tension).all(axis=1)
    if not known.any():
        return None
    root = np.sqrt(sizes[known])
    columns = (sums.strain[known] / root[:, None, None]).reshape(-1, len(weights))
    wanted = (tension[known] / root[:, None]).ravel()
    start = columns @ weights
    multiple = float(start @ wanted / max(start @ start, 1e-300))
    rest = ridge(columns, wanted - multiple * start, STRESS_RIDGE)
    return np.asarray(multiple * weights + rest)


def _better(survey: Survey, steps: Steps, own: ndarray, fit: _Fit) -> list[Works]:
    """The fitted potential's works; and with the rule of the ends for what it does not explain."""
    first, second = steps.first[own].tolist(), steps.second[own].tolist()
    pairs = list(zip(first, second, strict=True))
    ways = [way_between(survey.cells[a], survey.cells[b]) for a, b in pairs]
    strained = np.flatnonzero((steps.strain[own] > SAME_CELL) & np.isfinite(steps.of_stress[own]))
    middle: Sequence[ndarray] = []
    if len(strained):
        middle = list(fit.functions.sums([ways[k].middle for k in strained]).strain)
    half = dict(zip(strained.tolist(), middle, strict=True))
    rows = [
        _of_step(fit, pair, way, half.get(k))
        for k, (pair, way) in enumerate(zip(pairs, ways, strict=True))
    ]
    of_fit, of_rest, of_stress = (np.array(rows) / survey.sizes[first][:, None]).T
    return [Works(of_fit, of_stress), Works(of_fit + of_rest, of_stress)]


def _of_step(
    fit: _Fit, pair: tuple[int, int], way: Way, half: ndarray | None
) -> tuple[float, float, float]:
    """Works of the fitted forces, of the others by the rule of the ends, and of the stress."""
    a, b = (fit.place[number] for number in pair)
    rise = float((fit.sums.energy[b] - fit.sums.energy[a]) @ fit.weights)
    rest = float(((fit.off[a] + fit.off[b] @ way.turn) * way.moves).sum() / 2)
    if half is None:
        return rise, rest, 0.0
    assert fit.stress_weights is not None
    strains = [way.strain(at) for at in (0.0, 0.5, 1.0)]
    slopes = fit.sums.strain[a], half, fit.sums.strain[b]
    along = np.stack([strain @ slope for strain, slope in zip(strains, slopes, strict=True)])
    simpson = np.array([1, 4, 1]) @ along / 6
    unexplained = strains[0] @ fit.tension[a] + strains[2] @ fit.tension[b]
    unexplained -= (along[0] + along[2]) @ fit.stress_weights
    stress = float(simpson @ fit.stress_weights + unexplained / 2)
    return rise - float(simpson @ fit.weights), rest, stress


def _stiffness(fit: _Fit, numbers: Sequence[int], cells: Sequence[Cell]) -> float:
    rng = np.random.default_rng(0)
    found = []
    for number, cell in zip(numbers, cells, strict=True):
        move = rng.normal(scale=MOVE, size=(cell.size, 3))
        positions = cell.transform_from_cartesian(cell.cartesian() + move)
        (after,) = fit.functions.sums(
            [Cell(cell.vectors, positions, cell.values, pbc=cell.pbc)]
        ).gradient
        change = (after - fit.sums.gradient[fit.place[number]]) @ fit.weights
        found.append(np.vdot(change, move) / np.vdot(move, move))
    return float(np.median(found))


def _shear(fit: _Fit) -> ndarray | None:
    known = np.isfinite(fit.tension).all(axis=1)
    if known.sum() < FEWEST_SHEARS:
        return None
    explained = fit.sums.strain[known][:, 3:] @ fit.weights
    return np.stack([fit.tension[known][:, 3:].ravel(), explained.ravel()])
