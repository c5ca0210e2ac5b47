"""Energies that do not go with those of other structures: outliers, and files of other units."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy import ndarray

from miniff.kernel._doctor._finding import Finding
from miniff.kernel._doctor._survey import Survey
from miniff.kernel._doctor._units import unit_explaining, unit_of_energy
from miniff.kernel._doctor._words import digits, listed, were

__all__ = ["energy_outliers", "energy_scales"]

LEAST = 12
"""Structures from which the others' energies can be told."""
OUTLIER = 20.0
"""In typical errors of the estimate."""
LEAST_OUTLIER = 0.02
"""Per atom (energy)."""
SHARES = (0.5, 2.0)
"""Of how far the energy is from those of all others: else it is the estimate that is off."""
OFFSET = 1.0
"""Per atom: what two files of one material may differ by (energy)."""


def energy_scales(survey: Survey) -> list[Finding]:
    """Files, or structures, whose energies are of another size than those of the same
    composition elsewhere."""
    kinds: dict[tuple[object, ...], dict[str, list[int]]] = {}
    for k in np.flatnonzero(np.isfinite(survey.energies)).tolist():
        shares = tuple((survey.counts[k] / survey.sizes[k]).round(6).tolist())
        kinds.setdefault(shares, {}).setdefault(survey.files[k], []).append(k)
    found: dict[str, Finding] = {}
    for by_file in kinds.values():
        medians = {name: _median(survey, own) for name, own in by_file.items()}
        most = max(by_file, key=lambda name: len(by_file[name]))
        for name, own in by_file.items():
            finding = _other_scale(survey, own, name, most, medians)
            if name not in found and finding is not None:
                found[name] = finding
    return list(found.values()) or _scattered(survey, kinds)


def _scattered(
    survey: Survey, kinds: Mapping[tuple[object, ...], Mapping[str, Sequence[int]]]
) -> list[Finding]:
    """Several structures that go with the others in another unit; a single one is an outlier."""
    by_unit: dict[str, list[int]] = {}
    for by_file in kinds.values():
        own = [k for several in by_file.values() for k in several]
        each = survey.energies[own] / survey.sizes[own]
        usual = float(np.median(each))
        spread = 1.5 * float(np.median(np.abs(each - usual)))
        for k, here in zip(own, each.tolist(), strict=True):
            unit = unit_explaining(here, usual, spread) if abs(here - usual) > OFFSET else None
            if unit is not None:
                by_unit.setdefault(unit, []).append(k)
    return [
        Finding(
            "error",
            "unit of energy",
            f"{len(own)} structures have energies that would go with the others of the same "
            f"composition in {unit} ({listed([survey.source(k) for k in own])}): as "
            f"{survey.source(own[0])} with {survey.energies[own[0]] / survey.sizes[own[0]]:.4f} "
            "eV/atom; multiply them, or leave them out",
            tuple(survey.source(k) for k in own),
        )
        for unit, own in by_unit.items()
        if len(own) > 1
    ]


def _how_far(off: float, size: int) -> str:
    """By how much an energy per atom is off, in words."""
    way = "higher" if off > 0 else "lower"
    return f"{digits(abs(off))} eV/atom ({digits(abs(off) * size)} eV in all) {way}"


def _median(survey: Survey, own: Sequence[int]) -> float:
    return float(np.median(survey.energies[own] / survey.sizes[own]))


def _other_scale(
    survey: Survey, own: Sequence[int], name: str, most: str, medians: dict[str, float]
) -> Finding | None:
    here, there = medians[name], medians[most]
    if name == most or abs(here - there) < OFFSET:
        return None
    unit = unit_of_energy(there / here) if here else None
    said = (
        f"as if they were in {unit}: multiply them, or say the unit"
        if unit is not None
        else "as total energies do beside cohesive ones, or other settings: use one kind alone"
    )
    return Finding(
        "error" if unit is not None else "warning",
        "unit of energy" if unit is not None else "offset of energies",
        f"energies in {name} are typically {here:.4f} eV/atom, but {there:.4f} in {most} for the "
        f"same composition: they differ {said}",
        tuple(survey.source(k) for k in own),
    )


def energy_outliers(survey: Survey, told: Collection[str]) -> list[Finding]:
    """Structures whose energy the others, with the surroundings of their atoms, do not explain.

    Args:
        survey: The data.
        told: Structures whose energies are known to be off, which nothing is expected from.
    """
    usable = [
        not around.problem and survey.source(k) not in told
        for k, around in enumerate(survey.surroundings)
    ]
    known = np.flatnonzero(np.isfinite(survey.energies) & usable)
    if len(known) < LEAST:
        return []
    energies = survey.energies[known] / survey.sizes[known]
    shares = survey.counts[known] / survey.sizes[known, None]
    rest = energies - shares @ _robust(shares, energies)
    errors = _left_out(np.c_[10 * shares, _features(survey, known, shares)], rest)
    errors -= np.median(errors)
    scale = 1.5 * float(np.median(np.abs(errors)))
    far = np.abs(rest - np.median(rest))
    is_out = np.abs(errors) > np.maximum(OUTLIER * scale, LEAST_OUTLIER)
    is_out &= (np.abs(errors) > SHARES[0] * far) & (np.abs(errors) < SHARES[1] * far)
    if not is_out.any():
        return []
    out = np.flatnonzero(is_out)[np.argsort(-np.abs(errors[is_out]), kind="stable")]
    return [_outliers(survey, known[out], energies[out], errors[out], scale)]


def _outliers(
    survey: Survey, own: ndarray, energies: ndarray, errors: ndarray, scale: float
) -> Finding:
    where = tuple(survey.source(int(k)) for k in own)
    n, off, expected = len(where), float(errors[0]), float(energies[0] - errors[0])
    unit = unit_explaining(float(energies[0]), expected, scale)
    guess = f"it would do in {unit}" if unit else "look for a calculation that did not converge"
    besides = (
        ""
        if n == 1
        else f", and {n - 1} more {were(n - 1, 'is', 'are')} off, by {digits(abs(errors[1]))} "
        f"eV/atom or less ({listed(where[1:])})"
    )
    return Finding(
        "warning",
        "energy outliers",
        f"the energy of {where[0]} is {_how_far(off, int(survey.sizes[own[0]]))} than that of "
        f"structures like it: {energies[0]:.4f} eV/atom where they lead one to expect about "
        f"{expected:.4f}{besides}; {guess}, or leave {were(n, 'it', 'them')} out",
        where,
    )


def _robust(columns: ndarray, values: ndarray) -> ndarray:
    """Least absolute deviations, by least squares that are weighted anew."""
    weight = np.ones(len(values))
    for _ in range(50):
        root = np.sqrt(weight)[:, None]
        found = np.linalg.lstsq(columns * root, values * root[:, 0], rcond=None)[0]
        weight = 1 / np.maximum(np.abs(values - columns @ found), 1e-4)
    return np.asarray(found)


def _features(survey: Survey, known: ndarray, shares: ndarray) -> ndarray:
    """What the surroundings of the atoms are on average, brought to one size."""
    rows = np.stack([survey.surroundings[k].mean for k in known.tolist()])
    n = shares.shape[1]
    rows = (rows.reshape(len(known), 3, n, -1) * shares[:, None, :, None]).reshape(len(known), -1)
    spread = rows.std(axis=0)
    rows = (rows - rows.mean(axis=0))[:, spread > 1e-9] / spread[spread > 1e-9]
    return np.asarray(rows)


def _left_out(columns: ndarray, values: ndarray) -> ndarray:
    """Errors for each row of a ridge regression on the others, the ridge of the smallest ones."""
    u, s, _ = np.linalg.svd(columns, full_matrices=False)
    best = None
    for ridge in np.logspace(-8, 2, 21) * s[0] ** 2 / len(values):
        kept = s**2 / (s**2 + ridge)
        leverage = np.einsum("rk,k->r", u**2, kept)  # [row, component]
        errors = (values - u @ (kept * (u.T @ values))) / np.maximum(1 - leverage, 1e-3)
        if best is None or np.median(np.abs(errors)) < np.median(np.abs(best)):
            best = errors
    return np.asarray(best)
