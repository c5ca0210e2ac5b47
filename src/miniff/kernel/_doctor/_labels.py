"""What can be seen in single structures: atoms too close, labels that are missing or too large."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy import ndarray

from miniff.kernel._doctor._finding import Finding
from miniff.kernel._doctor._survey import Shortest, Survey
from miniff.kernel._doctor._units import factor
from miniff.kernel._doctor._words import digits, listed, of_all, were

__all__ = ["distances", "missing", "sizes_of_forces", "sizes_of_stress", "sums_of_forces"]

TOO_CLOSE = 0.5
"""Of the sum of covalent radii: no molecule and no compressed metal comes so near."""
TOO_SHORT, TOO_LONG = 0.62, 1.4
"""Typical shortest distances, in the same unit, of data in another unit of length."""
FEWEST_ATOMS = 4
"""In structures whose bonds tell a unit: two atoms may be pulled apart."""
NOBLE = ("He", "Ne", "Ar", "Kr", "Xe", "Rn")
NET, LARGE_NET = 1e-3, 0.05
"""Noise of a force component that is told (energy/length), and which share of its size is much."""
LOPSIDED = 0.05
"""A sum of unit vectors that symmetry would have made 0."""
OUTLIER = 8.0
"""A force that is so many times what 95 % of structures have at most."""
LARGE_STRESS = 0.5
"""Typical components of a stress (energy/length^3): 80 GPa in eV and angstrom."""


def missing(survey: Survey) -> list[Finding]:
    """Labels that some structures have and others have not."""
    lacks = {
        "energy": np.isnan(survey.energies),
        "forces": np.array([forces is None for forces in survey.forces]),
        "stress": np.isnan(survey.stresses).all(axis=1),
    }
    found = []
    for name, lacking in lacks.items():
        if lacking.any() and not lacking.all():
            where = _where(survey, np.flatnonzero(lacking).tolist())
            found.append(
                Finding(
                    "note",
                    "missing",
                    f"{of_all(len(where), len(survey.cells))} have no {name} ({listed(where)}): "
                    "they are left out where it is learned; leave them away if they should have it",
                    where,
                )
            )
    return found


def distances(survey: Survey) -> list[Finding]:
    """Atoms at one place or too close, and lengths in another unit."""
    typical = _far_from_usual(survey)
    found = [*_unsearchable(survey), *(_other_unit(survey, *one) for one in typical.items())]
    close = [
        (k, s)
        for k, s, ratio in _ratios(survey)
        if ratio < TOO_CLOSE and survey.files[k] not in typical
    ]
    if close:
        at, worst = min(close, key=lambda pair: pair[1].distance)
        where = _where(survey, sorted({k for k, _ in close}))
        a, b = worst.atoms
        found.append(
            Finding(
                "error",
                "atoms too close",
                f"atoms {a} and {b} (counted from 0), {'-'.join(worst.species)}, of "
                f"{survey.source(at)} are {digits(worst.distance)} angstrom apart"
                f"{_besides(len(where))}: no bond is as short; look for a broken structure, or "
                "leave it out",
                where,
            )
        )
    return found


def _besides(n: int) -> str:
    return f", and {n - 1} more {were(n - 1, 'structure has', 'structures have')} such a pair" * (
        n > 1
    )


def _unsearchable(survey: Survey) -> list[Finding]:
    return [
        Finding(
            "error",
            "structure",
            f"{survey.source(k)}: {around.problem}: nothing can be learned from it; leave it out",
            (survey.source(k),),
        )
        for k, around in enumerate(survey.surroundings)
        if around.problem
    ]


def _ratios(survey: Survey) -> Iterator[tuple[int, Shortest, float]]:
    """Shortest distances of each structure over the sum of covalent radii."""
    from ase.data import atomic_numbers, covalent_radii

    for k, around in enumerate(survey.surroundings):
        for one in around.shortest:
            if all(name in atomic_numbers and name not in NOBLE for name in one.species):
                radii = sum(covalent_radii[atomic_numbers[name]] for name in one.species)
                yield k, one, one.distance / radii


def _far_from_usual(survey: Survey) -> dict[str, float]:
    """Files whose shortest bonds are long, or where most atoms have their nearest too near, and how
    long these are over the covalent radii: one bond may be short in atoms that are rattled."""
    found = {name: ratio for name, ratio in _shortest(survey).items() if ratio > TOO_LONG}
    return found | {name: ratio for name, ratio in _nearest(survey).items() if ratio < TOO_SHORT}


def _nearest(survey: Survey) -> dict[str, float]:
    """Of each file, the typical distance of atoms to their nearest, over the covalent radii."""
    from ase.data import atomic_numbers, covalent_radii

    radii = np.array(
        [
            np.nan
            if name not in atomic_numbers or name in NOBLE
            else covalent_radii[atomic_numbers[name]]
            for name in survey.species
        ]
    )
    by_file: dict[str, list[float]] = {}
    for k, around in enumerate(survey.surroundings):
        r, pair = around.nearest[:, 0], around.nearest[:, 1:].astype(int)
        ratios = r / radii[pair].sum(axis=1)
        if survey.sizes[k] >= FEWEST_ATOMS and np.isfinite(ratios).any():
            by_file.setdefault(survey.files[k], []).append(float(np.nanmedian(ratios)))
    return {name: float(np.median(own)) for name, own in by_file.items()}


def _shortest(survey: Survey) -> dict[str, float]:
    """Of each file, what the shortest bond of a structure is, over its covalent radii."""
    least: dict[int, float] = {}
    for k, _, ratio in _ratios(survey):
        if survey.sizes[k] >= FEWEST_ATOMS:
            least[k] = min(ratio, least.get(k, np.inf))
    by_file: dict[str, list[float]] = {}
    for k, ratio in least.items():
        by_file.setdefault(survey.files[k], []).append(ratio)
    return {name: float(np.median(own)) for name, own in by_file.items()}


def _other_unit(survey: Survey, name: str, typical: float) -> Finding:
    bohr = factor("bohr")
    short = typical < TOO_SHORT
    guess = (
        f"as if they had been taken for bohr and multiplied by {bohr:.3f} though they were in "
        "angstrom"
        if short
        else "as if they were in bohr"
    )
    return Finding(
        "error",
        "unit of length",
        f"{'the nearest neighbour of an atom' if short else 'the shortest bond of a structure'} in "
        f"{name} is typically {typical:.2f} of the sum of "
        f"covalent radii, where about 0.9 is usual: lengths look too {'short' if short else 'long'}"
        f", {guess}; lengths must be in angstrom",
        _where(survey, [k for k, own in enumerate(survey.files) if own == name]),
    )


def sums_of_forces(survey: Survey) -> list[Finding]:
    """Net forces, which forces that are a gradient do not have, and forces that are just zero."""
    known = [k for k, forces in enumerate(survey.forces) if forces is not None]
    if not known:
        return []
    sums = np.array([np.linalg.norm(_forces(survey, k).sum(axis=0)) for k in known])
    noise = sums / np.sqrt(3 * survey.sizes[known])
    typical = float(np.sqrt(np.mean(noise**2)))
    size = float(np.sqrt(np.mean(np.concatenate([_forces(survey, k).ravel() for k in known]) ** 2)))
    found = _zeros(survey, known)
    if typical > NET:
        at = known[int(noise.argmax())]
        found.append(
            Finding(
                "warning" if typical > LARGE_NET * size else "note",
                "net forces",
                f"forces do not sum to zero, by up to {digits(sums[noise.argmax()])} eV/angstrom "
                f"in {survey.source(at)}: if all components have the same noise it is "
                f"{digits(typical)} eV/angstrom, and no potential can be better than that; "
                "look whether the calculations were converged, or whether an outer field acts",
                _where(survey, [k for k, n in zip(known, noise, strict=True) if n > NET]),
            )
        )
    return found


def _zeros(survey: Survey, known: Sequence[int]) -> list[Finding]:
    lopsided = [
        k for k in known if not _forces(survey, k).any() and survey.surroundings[k].odd > LOPSIDED
    ]
    if not lopsided:
        return []
    where = _where(survey, lopsided)
    return [
        Finding(
            "warning",
            "forces of zero",
            f"all forces are exactly 0 in {of_all(len(where), len(known))} whose atoms have more "
            f"neighbours on one side than on the other ({listed(where)}): they look like forces "
            "that were not computed; leave the forces out of these structures",
            where,
        )
    ]


def sizes_of_forces(survey: Survey) -> list[Finding]:
    """Structures with forces far beyond those of all others."""
    known = [k for k, f in enumerate(survey.forces) if f is not None and len(f)]
    if len(known) < 10:
        return []
    largest = np.array([np.linalg.norm(_forces(survey, k), axis=1).max() for k in known])
    usual = float(np.quantile(largest, 0.95))
    beyond = [k for k, f in zip(known, largest, strict=True) if usual > 0 and f > OUTLIER * usual]
    if not beyond:
        return []
    at = known[int(largest.argmax())]
    atom = int(np.linalg.norm(_forces(survey, at), axis=1).argmax())
    where = _where(survey, beyond)
    return [
        Finding(
            "warning",
            "large forces",
            f"the force on atom {atom} (counted from 0) of {survey.source(at)} is "
            f"{digits(largest.max())} eV/angstrom, where 95 % of the structures stay below "
            f"{digits(usual)}{_besides(len(where)).replace('a pair', 'forces')}: few such atoms "
            "can rule a fit; look at the structure, or leave it out",
            where,
        )
    ]


def sizes_of_stress(survey: Survey) -> list[Finding]:
    """Stresses of a size that no material bears."""
    known = np.flatnonzero(~np.isnan(survey.stresses).any(axis=1))
    if not len(known):
        return []
    typical = float(np.median(np.abs(survey.stresses[known]).max(axis=1)))
    if typical < LARGE_STRESS:
        return []
    return [
        Finding(
            "error",
            "unit of stress",
            f"the largest component of a stress is typically {digits(typical)} eV/angstrom^3, "
            f"which is {digits(typical / factor('GPa'))} GPa: it looks like GPa or kbar; divide by "
            f"{1 / factor('GPa'):.2f} or {1 / factor('kbar'):.1f}",
            _where(survey, known.tolist()),
        )
    ]


def _forces(survey: Survey, number: int) -> ndarray:
    forces = survey.forces[number]
    assert forces is not None
    return forces


def _where(survey: Survey, numbers: Sequence[int]) -> tuple[str, ...]:
    return tuple(survey.source(k) for k in numbers)
