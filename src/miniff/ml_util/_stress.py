"""A stress that contradicts the energies, told to the user."""

import numpy as np

from miniff.ml_util._fit_result import FitResult
from miniff.ml_util._progress import Reporter
from miniff.units import factor

__all__ = ["report_pressure"]

WORTH_TELLING = 1.0
"""Offset of the stress, as a share of what is left of its errors without the offset."""


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
