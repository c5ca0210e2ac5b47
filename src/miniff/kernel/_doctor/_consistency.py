"""Energies, forces and stresses against each other, by steps between neighbouring structures."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy import ndarray

from miniff._stress import MOST_OF_PLANE_WAVES
from miniff.kernel._doctor._finding import Finding, Severity
from miniff.kernel._doctor._survey import Survey
from miniff.kernel._doctor._units import factor, unit_of_forces, unit_of_stress
from miniff.kernel._doctor._words import digits, were
from miniff.kernel._doctor._work import Steps

__all__ = ["consistency"]

LEAST = 8
"""Steps that tell something."""
LEAST_ENERGY = 5e-4
"""A typical energy difference per atom, above what calculations leave as noise (energy)."""
EXPLAINED = 0.5
"""Share of the typical energy difference that may be left for a slope to be believed."""
SURE = 0.2
"""The same for a slope that no unit and no sign explains: long steps miss by some factor too."""
CLEAR = 5.0
"""Standard errors."""
AGREES = (0.67, 1.5)
"""Slopes that are taken for 1: steps are not infinitely short."""
OFFSET, ALIKE = 2e-3, 0.4
"""A pressure worth telling (energy/length^3), and how far, beside it, the middle half of the steps
may lie apart."""
TINY = 1e-8
"""Work per atom that is none (energy)."""
LONG = 4.0
"""Steps with more than so many times the usual work count little: one of them must not rule."""
SAME_CELL = 1e-6
"""Strain."""
FAR_OFF, LEAST_OFF, OFF_SHARE = 12.0, 0.02, 0.25
"""Energies that no neighbour explains are off by so many typical errors, by so much (energy), and
by such a share of the works of all atoms, whose sizes are summed: long steps are less exact."""
SHEARED = 0.3
"""Steps tell the order of shear components where they strain them so much beside the others."""
SHEAR_BETTER = 0.5
"""What another order of the shear components must leave of errors to be told."""


@dataclass(frozen=True, eq=False)
class _Slopes:
    """Energy differences over the works of forces and stress, and over changes of the volume.

    Attributes:
        n: Steps.
        slopes: Of forces, stress and volume; nan where a column is absent.
        errors: Standard errors.
        left: Typical error over the typical energy difference.
        scale: Typical error (energy).
    """

    n: int
    slopes: ndarray
    errors: ndarray
    left: float
    scale: float

    def is_clear(self, column: int) -> bool:
        """Whether a slope can be believed."""
        slope, error = self.slopes[column], self.errors[column]
        return bool(self.left < EXPLAINED and np.isfinite(slope) and CLEAR * error < abs(slope))

    def is_right(self, column: int) -> bool:
        """Whether a slope is 1, as far as steps can tell."""
        return bool(AGREES[0] < self.slopes[column] < AGREES[1])

    def is_wrong(self, column: int, unit: str | None) -> bool:
        """Whether a slope that a unit may explain is certainly not 1."""
        is_turned = bool(AGREES[0] < -self.slopes[column] < AGREES[1])
        is_sure = is_turned or unit is not None or self.left < SURE
        return self.is_clear(column) and not self.is_right(column) and is_sure


def consistency(survey: Survey, steps: Steps) -> tuple[list[Finding], list[str]]:
    """What is wrong with signs and units, by files; and what was looked at, in sentences."""
    found: list[Finding] = []
    told: list[str] = []
    files = np.array(survey.files)
    for name in dict.fromkeys(survey.files):
        own = np.flatnonzero((files[steps.first] == name) & (files[steps.second] == name))
        slopes = _slopes(steps, own)
        if slopes is None:
            told.append(f"{name}: too few neighbouring structures to tell signs and units by")
            continue
        volume = float(np.median([survey.cells[k].volume for k in steps.first[own]]))
        shear = _of_shear(name, steps, own)
        wrong = _of_forces(name, slopes) + (shear or _of_stress(name, slopes, volume))
        if not wrong:
            wrong += _of_offset(name, slopes, steps, own)
            wrong += _of_outliers(survey, steps, own, slopes)
        found += wrong
        told += _said(name, slopes, bool(wrong))
    return found, told


def _slopes(steps: Steps, own: ndarray, shear: tuple[int, ...] = (3, 4, 5)) -> _Slopes | None:
    """None where there is too little to tell."""
    columns, known = _columns(steps, own, shear)
    energy = steps.energy[own][known]
    used = (np.abs(columns) > TINY).sum(axis=0) >= LEAST
    if len(energy) < LEAST or not used[:2].any():
        return None
    if np.median(np.abs(energy)) < LEAST_ENERGY:
        return None
    slopes, errors, scale = _regression(columns[:, used], energy)
    whole = np.full((2, 3), np.nan)
    whole[:, used] = slopes, errors
    left = scale / max(float(np.median(np.abs(energy))), 1e-12)
    return _Slopes(len(energy), whole[0], whole[1], left, scale)


def _columns(steps: Steps, own: ndarray, shear: tuple[int, ...]) -> tuple[ndarray, ndarray]:
    """Works of forces and stress, and changes of volume; and which of the steps have all."""
    of_forces = steps.of_forces[own]
    order = [0, 1, 2, *shear]
    of_stress = steps.mixed[own][:, range(6), order].sum(axis=1)
    stays, moves = steps.strain[own] < SAME_CELL, steps.move[own] > 1e-6
    of_stress = np.where(stays, 0.0, of_stress)
    of_forces = np.where(moves, of_forces, 0.0)
    volume = np.where(stays, 0.0, steps.volume[own])
    columns = np.stack([of_forces, of_stress, volume], axis=1)
    known = np.isfinite(columns).all(axis=1)
    return columns[known], known


def _regression(columns: ndarray, values: ndarray) -> tuple[ndarray, ndarray, float]:
    """Slopes and their standard errors, few outliers aside, and the typical error."""
    unit = np.array([_usual(column) for column in columns.T])
    scaled = columns / unit
    lever = 1 / (1 + (np.abs(scaled).max(axis=1) / LONG) ** 4)
    weight = lever
    for _ in range(30):
        root = np.sqrt(weight)
        slopes = np.linalg.lstsq(scaled * root[:, None], values * root, rcond=None)[0]
        off = values - scaled @ slopes
        scale = float(np.median(np.abs(off)))
        weight = lever / (1 + (off / max(3 * scale, 1e-12)) ** 2)
    covariance = np.linalg.pinv((scaled * weight[:, None]).T @ scaled) * (1.5 * scale) ** 2
    return slopes / unit, np.sqrt(np.diag(covariance)) / unit, scale


def _usual(values: ndarray) -> float:
    """A usual size among those that are not zero."""
    sizes = np.abs(values[np.abs(values) > TINY])
    return float(np.quantile(sizes, 0.75))


def _of_forces(name: str, slopes: _Slopes) -> list[Finding]:
    slope = slopes.slopes[0]
    unit = unit_of_forces(abs(slope))
    if not slopes.is_wrong(0, unit):
        return []
    seen = _seen("forces", slopes, 0)
    if slope < 0 and unit is None:
        return [
            Finding(
                "error",
                "sign of forces",
                f"forces in {name} look like gradients, of the opposite sign: {seen}; forces must "
                "be minus the derivative of the energy, so change their sign",
                (name,),
            )
        ]
    sign = ", with the opposite sign" if slope < 0 else ""
    guess = f"as if {unit}{sign}" if unit else "so they do not belong together"
    return [
        Finding(
            "error",
            "unit of forces",
            f"forces and energies in {name} do not go together: {seen}, {guess}; energies must be "
            "in eV and forces in eV/angstrom",
            (name,),
        )
    ]


def _of_stress(name: str, slopes: _Slopes, volume: float) -> list[Finding]:
    slope = slopes.slopes[1]
    unit = unit_of_stress(abs(slope), volume)
    if not slopes.is_wrong(1, unit):
        return []
    seen = _seen("stress", slopes, 1)
    is_turned = slope < 0
    if is_turned and AGREES[0] < -slope < AGREES[1]:
        return [
            Finding(
                "error",
                "sign of stress",
                f"the stress in {name} has the opposite sign, positive under compression: {seen}; "
                "it must be positive under tension, as in ASE, so change its sign",
                (name,),
            )
        ]
    sign = ", and positive under compression" if is_turned else ""
    guess = f"as if {unit}{sign}" if unit else "so they do not belong together"
    return [
        Finding(
            "error",
            "unit of stress",
            f"the stress in {name} does not go with the energies: {seen}, {guess}; it must be in "
            "eV/angstrom^3 and positive under tension",
            (name,),
        )
    ]


def _seen(what: str, slopes: _Slopes, column: int) -> str:
    return (
        f"over {slopes.n} steps between neighbouring structures the energy changes by "
        f"{slopes.slopes[column]:.3g} \N{PLUS-MINUS SIGN} {slopes.errors[column]:.1g} times the "
        f"work of the {what}, not by 1"
    )


def _of_offset(name: str, slopes: _Slopes, steps: Steps, own: ndarray) -> list[Finding]:
    """A pressure between stress and energies, alike in most of the steps that change the volume."""
    columns, known = _columns(steps, own, (3, 4, 5))
    swells = np.abs(columns[:, 2]) > TINY
    volume = columns[swells, 2]
    if not slopes.is_clear(1) or len(volume) < LEAST:
        return []
    left = (steps.energy[own][known] - columns[:, 0] - columns[:, 1])[swells] / volume
    low, offset, high = _quantiles(left, np.abs(volume), (0.25, 0.5, 0.75))
    if abs(offset) < OFFSET or high - low > ALIKE * abs(offset):
        return []
    size = -offset / factor("GPa")
    severity: Severity = "note"
    reason = (
        "as cut-off plane waves leave it: no potential can follow both; a fit lets a pressure free "
        "where it sees it, or raise the cutoff of the plane waves"
    )
    if abs(size) > MOST_OF_PLANE_WAVES:
        severity = "warning"
        reason = "far more than cut-off plane waves leave: look at the sign and unit of the stress"
    return [
        Finding(
            severity,
            "offset of stress",
            f"the diagonal of the stress in {name} lies {size:+.2g} GPa beside the derivative of "
            f"the energies by the strain ({len(volume)} steps between neighbouring structures), "
            f"{reason}",
            (name,),
        )
    ]


def _quantiles(values: ndarray, weights: ndarray, shares: Sequence[float]) -> list[float]:
    """Values below which are such shares of the weight."""
    order = np.argsort(values)
    sums = np.cumsum(weights[order]) / weights.sum()
    places = np.minimum(np.searchsorted(sums, shares), len(values) - 1)
    return [float(value) for value in values[order][places]]


def _of_shear(name: str, steps: Steps, own: ndarray) -> list[Finding]:
    """Another order of yz, xz, xy that goes far better with the energies."""
    parts = np.abs(steps.mixed[own]).max(axis=2)
    sheared = own[parts[:, 3:].max(axis=1) > SHEARED * parts.max(axis=1)]
    given = _slopes(steps, sheared)
    if given is None or not np.isfinite(given.slopes[1]):
        return []
    others = {p: _slopes(steps, sheared, p) for p in permutations((3, 4, 5)) if p != (3, 4, 5)}
    scales = {p: s.scale for p, s in others.items() if s is not None and s.is_clear(1)}
    if not scales:
        return []
    best = min(scales, key=lambda p: scales[p])
    if scales[best] > SHEAR_BETTER * given.scale:
        return []
    names = np.array(["yz", "xz", "xy"])
    order = [""] * 3
    for place, taken in enumerate(best):
        order[taken - 3] = names[place]
    return [
        Finding(
            "warning",
            "order of shear",
            f"the shear components of the stress in {name} go better with the energies in the "
            f"order {' '.join(order)} (errors of {digits(1e3 * scales[best])} instead of "
            f"{digits(1e3 * given.scale)} meV/atom over {given.n} steps between neighbouring "
            "structures): they must be in the order xx yy zz yz xz xy",
            (name,),
        )
    ]


def _of_outliers(survey: Survey, steps: Steps, own: ndarray, slopes: _Slopes) -> list[Finding]:
    """Structures whose energy goes with none of their neighbours, all of which it misses alike."""
    columns, known = _columns(steps, own, (3, 4, 5))
    used = np.isfinite(slopes.slopes)
    off = steps.energy[own][known] - columns[:, used] @ slopes.slopes[used]
    least = np.maximum(FAR_OFF * slopes.scale, LEAST_OFF)
    limit = np.maximum(least, OFF_SHARE * steps.gross[own][known])
    whose = np.r_[steps.first[own][known], steps.second[own][known]]
    errors, limits = np.r_[-off, off], np.r_[limit, limit]
    missed = {
        k: float(np.median(errors[whose == k]))
        for k in np.unique(whose[np.abs(errors) > limits]).tolist()
        if _misses(errors[whose == k], limits[whose == k])
    }
    if not missed:
        return []
    where = sorted(missed, key=lambda k: -abs(missed[k]))
    n, worst = len(where), where[0]
    besides = f", and {n - 1} more {were(n - 1, 'is', 'are')} off as well" if n > 1 else ""
    return [
        Finding(
            "warning",
            "energy against neighbours",
            f"the energy of {survey.source(worst)} is {digits(1e3 * abs(missed[worst]))} meV/atom "
            f"too {'high' if missed[worst] > 0 else 'low'} for the forces between it and its "
            f"{int((whose == worst).sum())} neighbouring structures, where "
            f"{digits(1e3 * slopes.scale)} is usual{besides}: look for a calculation that did not "
            f"converge, or had other settings, or leave {were(n, 'it', 'them')} out",
            tuple(survey.source(k) for k in where),
        )
    ]


def _misses(errors: ndarray, limits: ndarray) -> bool:
    is_alike = bool((errors > 0).all() or (errors < 0).all())
    return len(errors) >= 3 and is_alike and bool((np.abs(errors) > limits).all())


def _said(name: str, slopes: _Slopes, are_wrong: bool) -> list[str]:
    parts = [
        f"{slopes.slopes[k]:.2f} times the work of the {what}"
        for k, what in enumerate(("forces", "stress"))
        if slopes.is_clear(k) and (slopes.is_right(k) or are_wrong)
    ]
    if not parts:
        return [f"{name}: neighbouring structures are too far apart to tell signs and units by"]
    return [
        f"{name}: over {slopes.n} steps between neighbouring structures energies change by "
        f"{' and '.join(parts)}; 1 is right"
    ]
