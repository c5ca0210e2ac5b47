"""Energies, forces and stresses against each other, by steps between neighbouring structures."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy import ndarray

from miniff._stress import MOST_OF_PLANE_WAVES
from miniff.kernel._doctor._finding import Finding, Severity
from miniff.kernel._doctor._outliers import by_ends, outliers
from miniff.kernel._doctor._predictions import Predictions, predictions
from miniff.kernel._doctor._slopes import (
    EXPLAINED,
    LEAST,
    Slopes,
    columns_of,
    fit_of,
    ratio_of,
    slopes_of,
)
from miniff.kernel._doctor._survey import Survey
from miniff.kernel._doctor._units import Reading, factor, readings_of
from miniff.kernel._doctor._words import digits
from miniff.kernel._doctor._work import Steps

__all__ = ["consistency"]

OFFSET, ALIKE = 2e-3, 0.4
"""A pressure worth telling (energy/length^3), and how far, beside it, the middle half of the steps
may lie apart."""
SHEARED = 0.3
"""Steps tell the order of shear components where they strain them so much beside the others."""
SHEAR_BETTER = 0.5
"""What another order of the shear components must leave of errors to be told."""
TOLERANCE, MOST_TOLERANCE, N_ERRORS = 0.04, 0.3, 3.0
"""Relative differences of a slope to what units make it: at least, at most, and in its errors."""
BY_FORCES, FAR = 0.1, 2.0
"""The relative error of the stress that forces imply, and a factor that it cannot be off by."""
MOST_READINGS = 3
USUAL, STIFFEST = 10.0, 120.0
"""How stiff materials are, and what none is as stiff as (energy/length^2)."""
LARGER = ("kcal/mol", "kJ/mol", "meV")


@dataclass(frozen=True, eq=False)
class _File:
    """What the steps of a file tell.

    Attributes:
        name: Of the file.
        slopes: Of energies over works.
        volume: Typical of its structures (length^3).
        size: Typical number of their atoms.
        stiffness: See ``Predictions``; the sign is that of the forces.
        by_forces: Energies over works of the stress, as the stress that the forces imply has it,
            its relative error, and how many structures tell; None where it is not known.
    """

    name: str
    slopes: Slopes
    volume: float
    size: float
    stiffness: float
    by_forces: tuple[float, float, int] | None

    @property
    def readings(self) -> list[Reading]:
        """Units that explain all slopes; or that of the forces alone."""
        forces = self._measured(0)
        by_forces = None if self.by_forces is None else self.by_forces[:2]
        stress = self._measured(1) or by_forces
        for one in (stress, None):
            of_stress = None if one is None else (abs(one[0]), _tolerance(one[1]))
            of_forces = None if forces is None else (abs(forces[0]), _tolerance(forces[1]))
            if of_forces is None and of_stress is None:
                return []
            found = readings_of(of_forces, of_stress, self.volume, self.size)
            if found:
                return sorted(found, key=self._oddness)
        return []

    def _oddness(self, reading: Reading) -> float:
        """How far the forces in such a unit would be from those of usual materials."""
        if reading.forces is None or not self.stiffness:
            return 0.0
        stiffness = abs(self.stiffness) * factor(reading.forces)
        return abs(float(np.log(stiffness / USUAL))) if np.isfinite(stiffness) else 0.0

    def _measured(self, column: int) -> tuple[float, float] | None:
        """A slope and its relative error, if it is clear."""
        if not self.slopes.is_clear(column):
            return None
        slope = float(self.slopes.slopes[column])
        return slope, abs(float(self.slopes.errors[column]) / slope)


def _tolerance(error: float) -> float:
    return float(np.clip(N_ERRORS * error, TOLERANCE, MOST_TOLERANCE))


def consistency(survey: Survey, steps: Steps) -> tuple[list[Finding], list[str]]:
    """What is wrong with signs and units, by files; and what was looked at, in sentences."""
    found: list[Finding] = []
    told: list[str] = []
    files = np.array(survey.files)
    for name in dict.fromkeys(survey.files):
        own = np.flatnonzero(files[steps.first] == name)
        lacking = _lacking(survey, np.flatnonzero(files == name))
        one = None if lacking else _file(survey, name, steps, own)
        if one is None:
            why = "too few neighbouring structures to tell signs and units by"
            if lacking:
                why = f"no structure has {lacking}, without which signs and units cannot be told"
            told.append(f"{name}: {why}")
            continue
        shear = _of_shear(name, steps, own)
        readings = one.readings
        wrong = _of_forces(one, readings) + (shear or _of_stress(one, readings))
        if not wrong:
            wrong += _of_stiffness(one)
            wrong += _of_offset(one, steps, own) + outliers(survey, steps, own)
        found += wrong
        told += _said(one, bool(wrong))
    return found, told


def _lacking(survey: Survey, own: ndarray) -> str:
    """What no structure of a file has, without which nothing can be told; empty if all is there."""
    lacks = []
    if not np.isfinite(survey.energies[own]).any():
        lacks.append("an energy")
    if all(survey.forces[k] is None for k in own.tolist()):
        lacks.append("forces")
    return " or ".join(lacks)


def _file(survey: Survey, name: str, steps: Steps, own: ndarray) -> _File | None:
    """None where there is too little to tell."""
    given = predictions(survey, steps, own)
    slopes = slopes_of(steps, given)
    if slopes is None:
        return None
    cells = [survey.cells[k] for k in steps.first[own].tolist()]
    volume = float(np.median([cell.volume for cell in cells]))
    size = float(np.median([cell.size for cell in cells]))
    return _File(name, slopes, volume, size, given.stiffness, _by_forces(slopes, given))


def _by_forces(slopes: Slopes, given: Predictions) -> tuple[float, float, int] | None:
    """From the shear stress, whose work need not be known."""
    if slopes.is_clear(1) or not slopes.is_clear(0) or given.shear is None:
        return None
    ratio, error = ratio_of(given.shear[1], given.shear[0])
    relative = np.hypot(error / abs(ratio), slopes.errors[0] / abs(slopes.slopes[0]))
    if not relative < MOST_TOLERANCE / N_ERRORS:
        return None
    whole = float(np.hypot(relative, BY_FORCES))
    return float(slopes.slopes[0]) / ratio, whole, given.shear.shape[1] // 3


def _of_forces(one: _File, readings: Sequence[Reading]) -> list[Finding]:
    slope = one.slopes.slopes[0]
    clauses = [reading.of_forces for reading in readings if reading.of_forces]
    if not one.slopes.is_wrong(0, clauses[0] if clauses else None):
        return []
    seen = _seen("forces", one.slopes, 0)
    if slope < 0 and not clauses:
        return [
            Finding(
                "error",
                "sign of forces",
                f"forces in {one.name} look like gradients, of the opposite sign: {seen}; forces "
                "must be minus the derivative of the energy, so change their sign",
                (one.name,),
            )
        ]
    sign = ", with the opposite sign" if slope < 0 else ""
    return [
        Finding(
            "error",
            "unit of forces",
            f"forces and energies in {one.name} do not go together: {seen}, "
            f"{_guess(clauses, sign)}; energies must be in eV and forces in eV/angstrom",
            (one.name,),
        )
    ]


def _guess(clauses: Sequence[str], sign: str) -> str:
    """What explains a slope, the nearest first."""
    several = list(dict.fromkeys(clauses))[:MOST_READINGS]
    if not several:
        return "so they do not belong together"
    which = "" if len(several) == 1 else " (the slope is the same)"
    return f"{', or '.join(f'as if {clause}' for clause in several)}{sign}{which}"


def _of_stress(one: _File, readings: Sequence[Reading]) -> list[Finding]:
    clauses = [reading.of_stress for reading in readings if reading.of_stress]
    explained = bool(readings) and not clauses  # by the units of energies and forces
    seen, slope = _seen_of_stress(one, clauses)
    are_told = one.slopes.is_wrong(0, "any" if explained else None)
    if not seen or (explained and are_told and slope > 0):
        return []
    if slope < 0 and not clauses and (explained or 1 / FAR < -slope < FAR):
        return [
            Finding(
                "error",
                "sign of stress",
                f"the stress in {one.name} has the opposite sign, positive under compression: "
                f"{seen}; it must be positive under tension, as in ASE, so change its sign",
                (one.name,),
            )
        ]
    sign = ", and positive under compression" if slope < 0 else ""
    of_both = [reading.of_forces for reading in readings] if explained else clauses
    return [
        Finding(
            "error",
            "unit of stress",
            f"the stress in {one.name} does not go with the energies: {seen}, "
            f"{_guess(of_both, sign)}; it must be in eV/angstrom^3 and positive under tension",
            (one.name,),
        )
    ]


def _seen_of_stress(one: _File, clauses: Sequence[str]) -> tuple[str, float]:
    """What is wrong with the stress, empty if nothing is; and energies over its works."""
    if one.by_forces is None:
        is_wrong = one.slopes.is_wrong(1, clauses[0] if clauses else None)
        return _seen("stress", one.slopes, 1) if is_wrong else "", float(one.slopes.slopes[1])
    slope, error, n = one.by_forces
    if 1 / FAR < slope < FAR:
        return "", slope
    return (
        f"the shear stresses of {n} structures are {1 / slope:.3g} \N{PLUS-MINUS SIGN} "
        f"{error / abs(slope):.1g} times those that forces and energies imply, not 1",
        slope,
    )


def _seen(what: str, slopes: Slopes, column: int) -> str:
    return (
        f"over {slopes.n} steps between neighbouring structures the energy changes by "
        f"{slopes.slopes[column]:.3g} \N{PLUS-MINUS SIGN} {slopes.errors[column]:.1g} times the "
        f"work of the {what}, not by 1"
    )


def _of_stiffness(one: _File) -> list[Finding]:
    """Energies and forces in one other unit, which no slope tells: no material is so stiff."""
    if not one.stiffness > STIFFEST:
        return []
    units = ", ".join(f"{unit} ({1 / factor(unit):.3g} times as large)" for unit in LARGER)
    return [
        Finding(
            "warning",
            "unit of energies and forces",
            f"the forces in {one.name} change by about {digits(one.stiffness)} eV/angstrom for "
            "each angstrom that atoms are moved at random, where copper has 8, water 20 and "
            "diamond 50: energies and forces look as if both were in another unit, as "
            f"{units}, which their ratio does not tell; energies must be in eV and forces in "
            "eV/angstrom",
            (one.name,),
        )
    ]


def _of_offset(one: _File, steps: Steps, own: ndarray) -> list[Finding]:
    """A pressure between stress and energies, alike in most of the steps that change the volume.

    Where there are more steps than were looked at closely, many tell more than exact ones.
    """
    slopes = one.slopes
    some, works = slopes.own, slopes.works
    if len(some) < len(own):
        some, works = own, by_ends(steps, own)
    columns, known = columns_of(steps, some, works)
    swells = np.abs(columns[:, 2]) > 1e-6 * np.abs(columns[:, 2]).max(initial=0.0)
    volume = columns[swells, 2]
    if not slopes.is_clear(1) or len(volume) < LEAST:
        return []
    left = (steps.energy[some][known] - columns[:, 0] - columns[:, 1])[swells] / volume
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
            f"the diagonal of the stress in {one.name} lies {size:+.2g} GPa beside the derivative "
            f"of the energies by the strain ({len(volume)} steps between neighbouring structures), "
            f"{reason}",
            (one.name,),
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
    ends = by_ends(steps, sheared)
    fits = {p: fit_of(steps, sheared, ends, p) for p in permutations((3, 4, 5))}
    given = fits.pop((3, 4, 5))
    others = {p: fit for p, fit in fits.items() if fit is not None and fit.used[1]}
    if given is None or not given.used[1] or not others:
        return []
    best = min(others, key=lambda p: others[p].scale)
    scale = others[best].scale
    if scale > SHEAR_BETTER * given.scale or others[best].left > EXPLAINED:
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
            f"order {' '.join(order)} (errors of {digits(1e3 * scale)} instead of "
            f"{digits(1e3 * given.scale)} meV/atom over {len(given.energy)} steps between "
            "neighbouring structures): they must be in the order xx yy zz yz xz xy",
            (name,),
        )
    ]


def _said(one: _File, are_wrong: bool) -> list[str]:
    slopes = one.slopes
    parts = [
        f"{_with_error(slopes.slopes[k], slopes.errors[k])} times the work of the {what}"
        for k, what in enumerate(("forces", "stress"))
        if slopes.is_clear(k) and (slopes.is_right(k) or are_wrong)
    ]
    if not parts:
        return [f"{one.name}: neighbouring structures are too far apart to tell signs and units by"]
    return [
        f"{one.name}: over {slopes.n} steps between neighbouring structures energies change by "
        f"{' and '.join(parts)}; 1 is right"
    ]


def _with_error(value: float, error: float) -> str:
    """Two digits of the error or one, and the value as exactly, at most to a thousandth."""
    places = int(np.clip(1 - np.floor(np.log10(max(error, 1e-9))), 0, 3))
    shown = max(error, 0.5 * 10**-places)
    return f"{value:.{places}f} \N{PLUS-MINUS SIGN} {shown:.{places}f}"
