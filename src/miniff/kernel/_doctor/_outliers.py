"""Single energies that do not go with the forces between a structure and its neighbours."""

import numpy as np
from numpy import ndarray

from miniff.kernel._doctor._finding import Finding
from miniff.kernel._doctor._predictions import Works
from miniff.kernel._doctor._slopes import columns_of, fit_of
from miniff.kernel._doctor._survey import Survey
from miniff.kernel._doctor._units import unit_explaining
from miniff.kernel._doctor._words import digits, were
from miniff.kernel._doctor._work import Steps

__all__ = ["OFF", "by_ends", "outliers"]

OFF = "energy against neighbours"
"""Kind of the finding."""
FAR_OFF, LEAST_OFF, OFF_SHARE = 12.0, 0.02, 0.25
"""Energies that no neighbour explains are off by so many typical errors, by so much (energy), and
by such a share of the works of all atoms, whose sizes are summed: long steps are less exact."""


def by_ends(steps: Steps, own: ndarray) -> Works:
    """Works by the rule of the ends, of all these steps."""
    return Works(steps.of_forces[own], steps.of_stress[own])


def outliers(survey: Survey, steps: Steps, own: ndarray) -> list[Finding]:
    """Structures whose energy goes with none of their neighbours, all of which it misses alike."""
    ends = by_ends(steps, own)
    fit = fit_of(steps, own, ends)
    if fit is None:
        return []
    _, known = columns_of(steps, own, ends)
    off = fit.off
    least = np.maximum(FAR_OFF * fit.scale, LEAST_OFF)
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
    energy = survey.energies[worst] / survey.sizes[worst]
    unit = unit_explaining(energy, energy - missed[worst], fit.scale)
    guess = (
        f"it would do in {unit}: multiply it"
        if unit
        else "look for a calculation that did not converge, or had other settings"
    )
    return [
        Finding(
            "warning",
            OFF,
            f"the energy of {survey.source(worst)} is {_per_atom(abs(missed[worst]))} "
            f"({digits(abs(missed[worst]) * survey.sizes[worst])} eV in all) too "
            f"{'high' if missed[worst] > 0 else 'low'} for the forces between it and its "
            f"{int((whose == worst).sum())} neighbouring structures, where "
            f"{_per_atom(fit.scale)} is usual{besides}: {guess}, or leave "
            f"{were(n, 'it', 'them')} out",
            tuple(survey.source(k) for k in where),
        )
    ]


def _misses(errors: ndarray, limits: ndarray) -> bool:
    is_alike = bool((errors > 0).all() or (errors < 0).all())
    return len(errors) >= 3 and is_alike and bool((np.abs(errors) > limits).all())


def _per_atom(energy: float) -> str:
    """With a unit in which it is no long number."""
    return f"{digits(energy)} eV/atom" if energy >= 1 else f"{digits(1e3 * energy)} meV/atom"
