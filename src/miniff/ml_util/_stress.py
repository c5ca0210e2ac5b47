"""A stress that contradicts the energies, told to the user."""

from collections.abc import Sequence

import numpy as np
import torch

from miniff._stress import MOST_OF_PLANE_WAVES
from miniff.ml import Dataset, Processes
from miniff.ml_util._fit_result import FitResult
from miniff.ml_util._progress import Reporter
from miniff.units import factor

__all__ = ["pressure_unit", "report_pressure"]

WORTH_TELLING = 1.0
"""Offset of the stress, as a share of what is left of its errors without the offset."""


LEAST_SPREAD = 0.01
"""Of volumes per atom, relative to their mean."""

PRESSURE_UNIT = 5.0
"""Of the free pressure, in root mean squares of the training set's stresses: so large that it
settles within the first epochs."""


def pressure_unit(parts: Sequence[Dataset], processes: Processes) -> float:
    """What the pressure that is added to all stresses is counted in (energy/length^3).

    Args:
        parts: What this process has of a data set.
        processes: All must call this.

    Returns:
        0 where energies do not tell the pressure.
    """
    told = _energies_tell_pressure(parts, processes)
    return PRESSURE_UNIT * _typical_stress(parts, processes) if told else 0.0


def _energies_tell_pressure(parts: Sequence[Dataset], processes: Processes) -> bool:
    """Whether structures with energies and a stress have different volumes per atom."""
    found = []
    for part in parts:
        if part.derivatives is not None and part.per_cell_dataset.stress is not None:
            known = ~torch.isnan(part.per_cell_dataset.stress).any(1)
            known &= ~torch.isnan(part.per_cell_dataset.energy[:, 0])
            found.append((part.derivatives.volume / part.n_atoms()[:, 0])[known])
    own = torch.cat(found).cpu().numpy() if found else np.zeros(0)
    volumes = processes.gather(own[~np.isnan(own)])
    return len(volumes) > 1 and bool(volumes.std(ddof=1) > LEAST_SPREAD * volumes.mean())


def _typical_stress(parts: Sequence[Dataset], processes: Processes) -> float:
    """Root mean square of the components that are known (energy/length^3); 0 if none is."""
    known = [part.per_cell_dataset.stress for part in parts]
    stresses = [stress for stress in known if stress is not None]
    squares = sum(float(stress.square().nansum()) for stress in stresses)
    n = sum(int((~torch.isnan(stress)).sum()) for stress in stresses)
    squares, n = processes.sum(np.array([squares, n], float)).tolist()
    return (squares / n) ** 0.5 if n else 0.0


def report_pressure(reporter: Reporter, result: FitResult) -> None:
    """Names the pressure by which the references' stress lies beside their energies."""
    if result.pressure is None:
        return
    off = result.reference["train"].stress - result.predicted["train"].stress
    rest = float(np.sqrt(np.nanmean(np.square(off[:, :3] - result.pressure))))
    if abs(result.pressure) > WORTH_TELLING * rest:
        pressure = result.pressure / factor("GPa")
        reason = "as cut-off plane waves leave it"
        if abs(pressure) > MOST_OF_PLANE_WAVES:
            reason = "far more than cut-off plane waves leave, so look at its sign and unit"
        reporter.warning(
            f"the diagonal of the stress in the training set lies {pressure:+.2g} GPa beside the "
            f"derivative of its energies by the strain, {reason}: no potential can follow both, "
            "the networks follow the energies, and errors of the stress contain the difference"
        )
