"""A data set looked through: what is wrong in it, or may be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from miniff.kernel._cell import Cell
from miniff.kernel._doctor._consistency import consistency
from miniff.kernel._doctor._duplicates import duplicates
from miniff.kernel._doctor._energies import energy_outliers, energy_scales
from miniff.kernel._doctor._finding import SEVERITIES, Finding
from miniff.kernel._doctor._labels import (
    distances,
    missing,
    sizes_of_forces,
    sizes_of_stress,
    sums_of_forces,
)
from miniff.kernel._doctor._names import labels_by_other_names, unlabelled
from miniff.kernel._doctor._outliers import OFF
from miniff.kernel._doctor._survey import Survey
from miniff.kernel._doctor._work import steps_between

__all__ = ["Checkup", "check_data"]


@dataclass(frozen=True)
class Checkup:
    """What was found in a data set.

    Attributes:
        findings: What looks wrong, the gravest first.
        seen: What energies, forces and stresses say of each other, a sentence for each file.
    """

    findings: tuple[Finding, ...]
    seen: tuple[str, ...]


def check_data(sets: Mapping[str, Sequence[Cell]]) -> Checkup:
    """Looks for what spoils a fit: copies, outliers, wrong signs and units, missing labels.

    Energies, forces and stresses are compared by steps between neighbouring structures: the energy
    must change by the work of forces and stress. What the rule of the ends misses of that is taken
    from potentials that are fitted to the forces, and to the stresses, alone. What takes no
    neighbours is looked for in any data. It takes seconds for thousands of structures.

    Args:
        sets: Structures in eV and angstrom, by the name of their set: ``{"data": cells}``, or
            ``train`` and ``test`` to look for copies between them too.

    Returns:
        What was found; nothing where all looks right, which proves nothing.

    Raises:
        ValueError: No structure.
    """
    survey = Survey.of(sets)
    if not survey.cells:
        raise ValueError("`sets` have no structure to look at")
    steps = steps_between(survey)
    about_work, seen = consistency(survey, steps)
    units = [*distances(survey), *energy_scales(survey), *about_work]
    are_mixed = any(
        f.kind in ("unit of length", "unit of energy", "offset of energies") for f in units
    )
    told = {name for f in about_work if f.kind == OFF for name in f.where}
    found = [
        *units,
        *([] if any("stress" in f.kind for f in about_work) else sizes_of_stress(survey)),
        *([] if are_mixed else energy_outliers(survey, told)),
        *sizes_of_forces(survey),
        *duplicates(survey),
        *sums_of_forces(survey),
        *labels_by_other_names(survey),
        *unlabelled(survey),
        *missing(survey),
    ]
    found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Checkup(tuple(found), tuple(seen))
