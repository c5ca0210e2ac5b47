"""A stress that contradicts the energies, told to the user."""

from collections.abc import Sequence

import numpy as np
import torch

from miniff.ml import Dataset
from miniff.ml_util._fit_result import FitResult
from miniff.ml_util._progress import Reporter
from miniff.units import factor

__all__ = ["energies_tell_pressure", "report_pressure"]

WORTH_TELLING = 1.0
"""Offset of the stress, as a share of what is left of its errors without the offset."""


LEAST_SPREAD = 0.01
"""Of volumes per atom, relative to their mean."""


def energies_tell_pressure(parts: Sequence[Dataset]) -> bool:
    """Whether structures with energies and a stress have different volumes per atom."""
    found = []
    for part in parts:
        if part.derivatives is not None and part.per_cell_dataset.stress is not None:
            known = ~torch.isnan(part.per_cell_dataset.stress).any(1)
            known &= ~torch.isnan(part.per_cell_dataset.energy[:, 0])
            found.append((part.derivatives.volume / part.n_atoms()[:, 0])[known])
    volumes = torch.cat(found) if found else torch.zeros(0)
    volumes = volumes[~torch.isnan(volumes)]
    return len(volumes) > 1 and bool(volumes.std() > LEAST_SPREAD * volumes.mean())


def report_pressure(reporter: Reporter, result: FitResult) -> None:
    """Names the pressure by which the references' stress lies beside their energies."""
    if result.pressure is None:
        return
    off = result.reference["train"].stress - result.predicted["train"].stress
    rest = float(np.sqrt(np.nanmean(np.square(off[:, :3] - result.pressure))))
    if abs(result.pressure) > WORTH_TELLING * rest:
        reporter.warning(
            f"the diagonal of the stress in the training set lies "
            f"{result.pressure / factor('GPa'):+.2g} GPa beside the derivative of its energies by "
            "the strain, as cut-off plane waves leave it: no potential can follow both, the "
            "networks follow the energies, and errors of the stress contain the difference"
        )
