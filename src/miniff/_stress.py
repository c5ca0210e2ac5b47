"""Stress from the derivative of the energy by the strain, in ASE's order of six components."""

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

__all__ = ["MOST_OF_PLANE_WAVES", "VOIGT", "stress_from_strain_derivative"]

VOIGT = ((0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1))
"""Rows and columns of xx yy zz yz xz xy."""
MOST_OF_PLANE_WAVES = 5.0
"""Pressures beside the energies (GPa) that are larger have another reason than cut-off waves."""


def stress_from_strain_derivative(
    strain_derivative: Float64[ndarray, "*structures 3 3"],
    volume: Float64[ndarray, "*structures"] | float,
) -> Float64[ndarray, "*structures 6"]:
    """(dE/d(strain)) / V, symmetric, positive under tension (energy/length^3).

    Args:
        strain_derivative: Of one structure, or of several (energy).
        volume: Of their cells (length^3); nan gives nan.
    """
    symmetric = (strain_derivative + np.swapaxes(strain_derivative, -1, -2)) / 2
    stress: ndarray = symmetric[..., VOIGT[0], VOIGT[1]] / np.asarray(volume)[..., None]
    return stress
