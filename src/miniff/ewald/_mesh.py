"""The smooth part of the Coulomb energy of a cell on a mesh: smooth particle-mesh Ewald.

Charges are spread by B-splines, and Fourier transforms (SciPy's) take the place of the sum over
waves: the time grows as N log N.

Essmann, Perera, Berkowitz, Darden, Lee and Pedersen, J. Chem. Phys. 103, 8577 (1995),
https://doi.org/10.1063/1.470117
"""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff import _core
from miniff.ewald._splitting import Splitting
from miniff.ewald._sums import Sums
from miniff.ewald._waves import strain_of_waves

__all__ = ["MeshPlan", "add_mesh", "plan_mesh"]

ORDERS = {4: 0.4, 6: 0.12, 8: 0.12, 10: 0.2}
"""Orders of splines, and the error of the forces they leave, in units of
Q eta^0.5 (eta h)^order / sqrt(N V) for points that are h apart: the largest that was measured for
charges at random places and eta h from 0.1 to 0.8."""


COST_OF_TOUCH = 0.1
"""Of a point that an atom touches, against that of a point of the mesh; measured."""


@dataclass(frozen=True)
class MeshPlan:
    """A mesh over a cell.

    Attributes:
        order: Of the splines.
        size: Points along each cell vector.
    """

    order: int
    size: tuple[int, int, int]

    def cost(self, n_atoms: int) -> float:
        """About how many operations, in units of one for a point of the mesh."""
        return float(np.prod(self.size)) + COST_OF_TOUCH * n_atoms * self.order**3


def plan_mesh(
    vectors: Float64[ndarray, "3 3"],
    splitting: Splitting,
    n_atoms: int,
    error_unit: float,
    accuracy: float,
) -> MeshPlan:
    """The cheapest mesh with a wanted error of the forces.

    Args:
        vectors: Of the cell (length).
        splitting: Its eta decides.
        n_atoms: N, in the cell.
        error_unit: Q / sqrt(N V).
        accuracy: The wanted error, in the units of ``choose_splitting``.
    """
    plans = [
        _plan(vectors, splitting, order, error * error_unit, accuracy)
        for order, error in ORDERS.items()
    ]
    return min(plans, key=lambda plan: plan.cost(n_atoms))


def _plan(
    vectors: ndarray, splitting: Splitting, order: int, error: float, accuracy: float
) -> MeshPlan:
    from scipy.fft import next_fast_len

    eta = splitting.eta
    spacing = 0.8 / eta
    if error > 0:
        spacing = min(spacing, (accuracy / (error * eta**0.5)) ** (1 / order) / eta)
    lengths = np.linalg.norm(vectors, axis=1)
    size = [int(next_fast_len(max(order, ceil(length / spacing)), real=True)) for length in lengths]
    return MeshPlan(order, (size[0], size[1], size[2]))


@dataclass(frozen=True, eq=False)
class _Transform:
    """What turns the transform of spread charges into that of the potential."""

    waves: Float64[ndarray, "nx ny nz 3"]
    factor: Float64[ndarray, "nx ny nz"]
    counts: Float64[ndarray, " nz"]  # how many waves a stored one stands for


@lru_cache(maxsize=8)
def _transform(cell: bytes, plan: MeshPlan, eta: float) -> _Transform:
    vectors = np.frombuffer(cell).reshape(3, 3)
    nx, ny, nz = plan.size
    indices = [np.fft.fftfreq(nx, 1 / nx), np.fft.fftfreq(ny, 1 / ny), np.fft.rfftfreq(nz, 1 / nz)]
    reciprocal = 2 * np.pi * np.linalg.inv(vectors).T
    waves = (
        indices[0][:, None, None, None] * reciprocal[0]
        + indices[1][:, None, None] * reciprocal[1]
        + indices[2][:, None] * reciprocal[2]
    )
    square = np.einsum("xyzc,xyzc->xyz", waves, waves)
    square[0, 0, 0] = 1.0
    factor = 4 * np.pi / abs(np.linalg.det(vectors)) * np.exp(-square / (4 * eta**2)) / square
    factor[0, 0, 0] = 0.0
    for axis, (n, own) in enumerate(zip(plan.size, indices, strict=True)):
        shape = [1, 1, 1]
        shape[axis] = -1
        factor *= _spline_factor(n, plan.order, own).reshape(shape)
    counts = np.full(len(indices[2]), 2.0)
    counts[0] = 1.0
    if nz % 2 == 0:
        counts[-1] = 1.0
    return _Transform(waves, factor, counts)


def _spline_factor(n: int, order: int, indices: ndarray) -> ndarray:
    """|b(m)|^2: what interpolating exp(2 pi i m u / n) by splines takes."""
    from scipy.interpolate import BSpline

    spline = BSpline.basis_element(np.arange(order + 1.0))
    at_points = spline(np.arange(1.0, order))
    phases = np.exp(2j * np.pi * np.outer(indices, np.arange(order - 1)) / n)
    factor: ndarray = 1 / np.abs(phases @ at_points) ** 2
    return factor


def add_mesh(
    sums: Sums,
    structure: int,
    vectors: Float64[ndarray, "3 3"],
    splitting: Splitting,
    plan: MeshPlan,
) -> None:
    """Adds the smooth part of one structure, with cell vectors that may not be the table's."""
    from scipy.fft import irfftn, rfftn

    atoms = sums.atoms_of(structure)
    transform = _transform(np.ascontiguousarray(vectors).tobytes(), plan, splitting.eta)
    inverse = np.linalg.inv(vectors)
    fractional = np.ascontiguousarray(sums.table.positions[atoms] @ inverse)
    charges = sums.charges[atoms]
    mesh = np.empty(plan.size)
    _core.spread(fractional, charges, plan.order, mesh)
    spectrum = rfftn(mesh)
    field = irfftn(spectrum * transform.factor, s=plan.size, norm="forward", overwrite_x=True)
    potential, gradient = np.zeros(len(charges)), np.empty_like(fractional)
    _core.gather(np.ascontiguousarray(field), fractional, charges, plan.order, potential, gradient)
    sums.potential[atoms] += potential
    sums.gradient[atoms] += gradient @ inverse.T
    power = spectrum.real**2 + spectrum.imag**2
    energies = power * transform.factor * transform.counts / 2
    sums.strain[structure] += strain_of_waves(transform.waves, energies, splitting.eta)
