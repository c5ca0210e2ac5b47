"""Slopes of energy differences over works, and how far they can be trusted.

Works are less exact than energies, so the slope of energies over works is too small and that of
works over energies too large: the truth lies between, and half the difference counts as an error.
Of several rules for the works those count that leave the smallest errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from miniff.kernel._doctor._predictions import SAME_CELL, Predictions, Works
from miniff.kernel._doctor._work import Steps

__all__ = ["EXPLAINED", "LEAST", "Fit", "Slopes", "columns_of", "fit_of", "ratio_of", "slopes_of"]

LEAST = 8
"""Steps that tell something."""
EXPLAINED = 0.5
"""Share of the typical energy difference that may be left for a slope to be believed."""
SURE = 0.2
"""The same for a slope that no unit and no sign explains."""
CLEAR = 5.0
"""Standard errors."""
AGREES = (0.8, 1.25)
"""Slopes that are taken for 1."""
TINY = 1e-6
"""Works that are none, as a share of the largest."""
LONG = 4.0
"""Steps with more than so many times the usual work count little: one of them must not rule."""
PARTS = 10
"""Structures are left out in so many parts to see what depends on them."""
MOST_TURNS = 30
"""Of a regression whose rows are weighted anew."""
SHARPNESS = 4
"""Rules count by this power of what they leave."""


@dataclass(frozen=True, eq=False)
class Slopes:
    """Energy differences over the works of forces and stress, and over changes of the volume.

    Attributes:
        n: Steps.
        slopes: Of forces, stress and volume; nan where a column is absent.
        errors: Standard errors: what depends on the structures at hand, on whether works or
            energies are less exact, and on the rule for the works.
        left: Typical error over the typical energy difference.
        scale: Typical error (energy).
        own: Which steps.
        works: By the best rule.
    """

    n: int
    slopes: ndarray
    errors: ndarray
    left: float
    scale: float
    own: ndarray
    works: Works

    def is_clear(self, column: int) -> bool:
        """Whether a slope can be believed."""
        slope, error = self.slopes[column], self.errors[column]
        return bool(self.left < EXPLAINED and np.isfinite(slope) and CLEAR * error < abs(slope))

    def is_right(self, column: int) -> bool:
        """Whether a slope is 1, as far as steps can tell."""
        return is_one(self.slopes[column], self.errors[column])

    def is_wrong(self, column: int, unit: str | None) -> bool:
        """Whether a slope that a unit may explain is certainly not 1."""
        is_turned = is_one(-self.slopes[column], self.errors[column])
        is_sure = is_turned or unit is not None or self.left < SURE
        return self.is_clear(column) and not self.is_right(column) and is_sure


def is_one(slope: float, error: float) -> bool:
    """Whether a slope agrees with 1, by its error or closely enough."""
    return bool(AGREES[0] < slope < AGREES[1] or abs(slope - 1) < 2 * error)


@dataclass(frozen=True, eq=False)
class Fit:
    """Slopes by one rule for the works, without their errors.

    Attributes:
        columns: Works of forces and stress, and changes of the volume, of the steps that have all.
        energy: Energy differences of these steps (energy).
        ends: Their structures, [2, n_steps].
        used: Columns that are not zero.
        slopes: Of all columns; nan where one is not used.
        scale: Typical error (energy).
    """

    columns: ndarray
    energy: ndarray
    ends: ndarray
    used: ndarray
    slopes: ndarray
    scale: float

    @property
    def left(self) -> float:
        """Typical error over the typical energy difference."""
        return self.scale / float(np.median(np.abs(self.energy)))

    @property
    def off(self) -> ndarray:
        """What the slopes do not explain of each step (energy)."""
        off: ndarray = self.energy - self.columns[:, self.used] @ self.slopes[self.used]
        return off


def fit_of(
    steps: Steps, own: ndarray, works: Works, shear: tuple[int, ...] = (3, 4, 5)
) -> Fit | None:
    """None where there is too little to tell.

    Args:
        steps: Between structures.
        own: Which of them.
        works: Along these.
        shear: Where yz, xz and xy stand in the stress; other orders take the rule of the ends.
    """
    columns, known = columns_of(steps, own, works, shear)
    energy = steps.energy[own][known]
    used = _used(columns)
    if len(energy) < LEAST or not used[:2].any() or not np.median(np.abs(energy)):
        return None
    ends = np.stack([steps.first[own][known], steps.second[own][known]])
    slopes = np.full(3, np.nan)
    slopes[used], _, scale = _regression(columns[:, used], energy)
    return Fit(columns, energy, ends, used, slopes, scale)


def slopes_of(steps: Steps, given: Predictions) -> Slopes | None:
    """Slopes by all rules for the works; None where there is too little to tell."""
    found = [(works, fit_of(steps, given.own, works)) for works in given.works]
    fits = [(works, fit) for works, fit in found if fit is not None]
    if not fits:
        return None
    works, best = min(fits, key=lambda one: one[1].left)
    alike = [fit for _, fit in fits if np.array_equal(fit.used, best.used)]
    slopes, errors = np.full(3, np.nan), np.full(3, np.nan)
    slopes[best.used], errors[best.used] = _mean(best, alike)
    return Slopes(len(best.energy), slopes, errors, best.left, best.scale, given.own, works)


def ratio_of(given: ndarray, values: ndarray) -> tuple[float, float]:
    """How many times the given the values are, few outliers aside; and how sure that is."""
    slopes, doubts = _both_ways(given[:, None], values)
    return float(slopes[0]), float(doubts[0])


def _used(columns: ndarray) -> ndarray:
    sizes = np.abs(columns)
    used: ndarray = (sizes > TINY * sizes.max(axis=0, initial=0.0)).sum(axis=0) >= LEAST
    return used


def columns_of(
    steps: Steps, own: ndarray, works: Works, shear: tuple[int, ...] = (3, 4, 5)
) -> tuple[ndarray, ndarray]:
    """Works of forces and stress, and changes of volume; and which of the steps have all."""
    of_stress = works.of_stress
    if shear != (3, 4, 5):
        of_stress = steps.mixed[own][:, range(6), [0, 1, 2, *shear]].sum(axis=1)
    stays, moves = steps.strain[own] < SAME_CELL, steps.move[own] > 1e-6
    of_stress = np.where(stays, 0.0, of_stress)
    of_forces = np.where(moves, works.of_forces, 0.0)
    volume = np.where(stays, 0.0, steps.volume[own])
    columns = np.stack([of_forces, of_stress, volume], axis=1)
    known = np.isfinite(columns).all(axis=1)
    return columns[known], known


def _mean(best: Fit, fits: Sequence[Fit]) -> tuple[ndarray, ndarray]:
    """Slopes by all rules, weighted by what they leave, and their errors."""
    weights = np.array([(best.left + 1e-4) / (one.left + 1e-4) for one in fits]) ** SHARPNESS
    weights /= weights.sum()
    both = [_both_ways(fit.columns[:, fit.used], fit.energy) for fit in fits]
    each, doubts = (np.array(values) for values in zip(*both, strict=True))
    slopes = weights @ each
    between = weights @ (each - slopes) ** 2
    return slopes, np.sqrt(between + (weights @ doubts) ** 2 + _chances(best) ** 2)


def _chances(fit: Fit) -> ndarray:
    """Standard errors, by leaving out structures: a jackknife, for steps share structures."""
    numbers, columns = np.unique(fit.ends), fit.columns[:, fit.used]
    without = []
    for part in range(PARTS):
        kept = ~np.isin(fit.ends, numbers[part::PARTS]).any(axis=0)
        if kept.sum() > 2 * columns.shape[1] and _used(columns[kept]).all():
            without.append(_regression(columns[kept], fit.energy[kept])[0])
    n = len(without)
    if n <= PARTS / 2:
        return np.full(columns.shape[1], np.inf)
    off = np.array(without) - np.mean(without, axis=0)
    chances: ndarray = np.sqrt((n - 1) / n * (off**2).sum(axis=0))
    return chances


def _both_ways(columns: ndarray, values: ndarray) -> tuple[ndarray, ndarray]:
    """Slopes between those with errors in the values and in one column, and half of how far these
    lie apart."""
    slopes, weight, _ = _regression(columns, values)
    root = np.sqrt(weight)
    scaled, wanted = columns * root[:, None], values * root
    other = np.empty_like(slopes)
    for k in range(columns.shape[1]):
        rest = np.delete(scaled, k, axis=1)
        x, y = (v - rest @ np.linalg.lstsq(rest, v, rcond=None)[0] for v in (scaled[:, k], wanted))
        product = x @ y
        other[k] = y @ y / product if product else slopes[k]
    middle = np.sign(slopes) * np.sqrt(np.abs(slopes * other))
    doubts = np.abs(other - slopes) / 2
    return middle, doubts


def _regression(columns: ndarray, values: ndarray) -> tuple[ndarray, ndarray, float]:
    """Slopes, few outliers aside, the weights of the rows, and the typical error."""
    least = max(1e-9 * float(np.median(np.abs(values))), 1e-300)
    unit = np.array([_usual(column) for column in columns.T])
    scaled = columns / unit
    lever = 1 / (1 + (np.abs(scaled).max(axis=1) / LONG) ** 4)
    weight, last = lever, np.full(columns.shape[1], np.nan)
    for _ in range(MOST_TURNS):
        root = np.sqrt(weight)
        slopes = np.linalg.lstsq(scaled * root[:, None], values * root, rcond=None)[0]
        off = values - scaled @ slopes
        scale = float(np.median(np.abs(off)))
        if np.allclose(slopes, last, rtol=1e-5, atol=0):
            break
        weight, last = lever / (1 + (off / max(3 * scale, least)) ** 2), slopes
    return slopes / unit, weight, scale


def _usual(values: ndarray) -> float:
    """A usual size among those that are not zero."""
    sizes = np.abs(values)
    return float(np.quantile(sizes[sizes > TINY * sizes.max()], 0.75))
