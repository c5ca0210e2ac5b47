"""How far an atom is outside of the training set of a network: two grades, 1 at the border.

    range     g = max_f |F_f - m_f| / h_f
    distance  g = |F - mu| / D,  |x|^2 = x^T C'^-1 x

The range of function f in the training set is m_f - h_f ... m_f + h_f; mu and C are the mean and
the covariance of the functions of its atoms, and D is the largest |F - mu| among them: no atom of
the training set has a grade above 1. The first grade tells a function that has a value never seen,
the second a combination of values never seen, each of which may be in its range.

Functions that are as good as constant would make everything infinite. So h_f is at least
``SMALLEST_WIDTH`` times the largest of |F_f| and of all half widths, and

    C' = C + diag(s_f^2 - C_ff) + RIDGE diag(s_f^2),  s_f^2 the larger of C_ff and that least h_f^2

where the last term keeps C' from being singular if there are few atoms, or functions depend on each
other: a hundredth of a standard deviation is no news. D is at least 1.

==========  =======================
m, h        ``middle``, ``half_width``
mu, C       ``mean``, ``covariance``
D           ``largest_distance``
==========  =======================

Ranges: Behler, Int. J. Quantum Chem. 115, 1032 (2015), https://doi.org/10.1002/qua.24890.
Distance: Mahalanobis, Proc. Natl. Inst. Sci. India 2, 49 (1936).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from miniff import _core
from miniff._checks import check_finite, check_shape
from miniff._neighbors import PairTable
from miniff.potentials._functions import FunctionPotential, Functions

__all__ = [
    "OUTSIDE",
    "Farthest",
    "TrainingMoments",
    "TrainingSet",
    "distances",
    "is_outside",
    "larger_grade",
]

OUTSIDE = 1.1
"""Above this grade an atom counts as outside. A run sees many more atoms than the training set had,
and some of them go a little beyond the outermost of those, which does no harm."""
SMALLEST_WIDTH = 1e-4
RIDGE = 1e-4

Ranges = Float64[ndarray, "2 n_functions"]


@dataclass(frozen=True, eq=False)
class TrainingMoments:
    """Mean and covariance of the descriptors of the atoms of a species in a training set.

    Attributes:
        mean: Of each descriptor.
        covariance: Of each two, the mean of the products of their deviations.
        largest_distance: From the mean, of all atoms; see :func:`distances`.
        n_atoms: How many there are.
    """

    mean: Float64[ndarray, " n_functions"]
    covariance: Float64[ndarray, "n_functions n_functions"]
    largest_distance: float
    n_atoms: int

    def __post_init__(self) -> None:
        n = len(self.mean)
        check_shape("covariance", self.covariance, (n, n))
        for name in ("mean", "covariance", "largest_distance"):
            check_finite(name, getattr(self, name))


@dataclass(frozen=True)
class Farthest:
    """The descriptor that is farthest out, of one atom.

    Attributes:
        function: The descriptor.
        value: What it is.
        least: In the training set.
        largest: In the training set.
        range_grade: How far it is outside of its range; the border is at 1.
        distance_grade: How far all descriptors together are; nan where it is not known.
    """

    function: FunctionPotential
    value: float
    least: float
    largest: float
    range_grade: float
    distance_grade: float

    @property
    def grade(self) -> float:
        """The larger of both."""
        return float(np.fmax(self.range_grade, self.distance_grade))

    def __str__(self) -> str:
        known = f"[{self.least:.6g}, {self.largest:.6g}]"
        if self.range_grade >= 1:
            return (
                f"{self.function} is {self.value:.6g} but was in {known} in the training set "
                f"(grade {self.grade:.4g}, 1 is the border)"
            )
        return (
            f"its descriptors together are {self.distance_grade:.4g} times as far from their mean "
            f"as any in the training set, though each is in its range; {self.function} is "
            f"{self.value:.6g} in {known}"
        )


class TrainingSet:
    """What the functions of the atoms of one species were in a training set.

    Attributes:
        functions: In the order of the columns.
        ranges: Least and largest value of each.
        moments: Mean and covariance; None where they are not known.
        whitening: W with which the grade by distance is ``|W (F - mu)|``.
    """

    def __init__(
        self, functions: Functions, ranges: Ranges, moments: TrainingMoments | None = None
    ) -> None:
        """Makes ready what grades are computed with.

        Raises:
            ValueError: Numbers that are not finite, another number of functions, or a covariance
                that is none.
        """
        n = len(functions)
        check_shape("ranges", ranges, (2, n))
        check_finite("ranges", ranges)
        self.functions, self.ranges, self.moments = functions, ranges, moments
        self.middle = ranges.mean(axis=0)
        self.half_width = np.maximum((ranges[1] - ranges[0]) / 2, _least_half_width(ranges))
        self.whitening = np.zeros((0, 0))
        if moments is not None:
            check_shape("mean", moments.mean, (n,))
            whitening = _whitening(ranges, moments.mean, moments.covariance)
            self.whitening = whitening / max(moments.largest_distance, 1.0)

    def grades(
        self, values: Float64[ndarray, "n_centres n_functions"]
    ) -> Float64[ndarray, "n_centres 2"]:
        """Of atoms with these functions: by range, and by distance, nan where it is not known."""
        found = np.full((len(values), 2), np.nan)
        scaled = np.abs(values - self.middle) / self.half_width
        found[:, 0] = scaled.max(axis=1, initial=0.0)
        if self.moments is not None:
            found[:, 1] = np.linalg.norm((values - self.moments.mean) @ self.whitening.T, axis=1)
        return found

    def farthest(self, table: PairTable, atom: int) -> Farthest:
        """Which descriptor of an atom of this species is farthest out, and what it is."""
        values = self.functions.values(table, np.array([atom]))
        ((of_range, of_distance),) = self.grades(values)
        scaled = np.abs(values[0] - self.middle) / self.half_width
        if of_range < 1 and self.moments is not None:
            spread = np.maximum(np.sqrt(np.diag(self.moments.covariance)), self.half_width / 1e3)
            scaled = np.abs(values[0] - self.moments.mean) / spread
        f = int(np.argmax(scaled))
        least, largest = self.ranges[:, f]
        return Farthest(
            self.functions.potentials[f],
            float(values[0, f]),
            float(least),
            float(largest),
            float(of_range),
            float(of_distance),
        )

    def compiled(self) -> _core.TrainingSet:
        """The same for the compiled core."""
        core = _core.TrainingSet(self.middle, self.half_width)
        if self.moments is not None:
            core.set_moments(self.moments.mean, self.whitening)
        return core

    def compiled_single(self) -> _core.TrainingSet32:
        """The same in single precision."""
        core = _core.TrainingSet32(self.middle, self.half_width)
        if self.moments is not None:
            core.set_moments(self.moments.mean, self.whitening)
        return core


def larger_grade(grades: Float64[ndarray, "n_atoms 2"]) -> Float64[ndarray, " n_atoms"]:
    """The larger of both grades of each atom; nan where none is known."""
    larger: ndarray = np.fmax(grades[:, 0], grades[:, 1])
    return larger


def is_outside(grades: Float64[ndarray, "n_atoms 2"]) -> Bool[ndarray, " n_atoms"]:
    """Which atoms are outside of the training set; none of those of which it is not known."""
    outside: ndarray = larger_grade(grades) > OUTSIDE
    return outside


def distances(
    values: Float64[ndarray, "n_atoms n_functions"],
    ranges: Ranges,
    mean: Float64[ndarray, " n_functions"],
    covariance: Float64[ndarray, "n_functions n_functions"],
) -> Float64[ndarray, " n_atoms"]:
    """``|F - mu|`` of atoms with these functions, as the head of this module has it.

    Raises:
        ValueError: A covariance that is none.
    """
    whitening = _whitening(ranges, mean, covariance)
    found: ndarray = np.linalg.norm((values - mean) @ whitening.T, axis=1)
    return found


def _least_half_width(ranges: Ranges) -> Float64[ndarray, " n_functions"]:
    largest = np.abs(ranges).max(axis=0)
    widest = ((ranges[1] - ranges[0]) / 2).max(initial=0.0)
    least: ndarray = SMALLEST_WIDTH * np.maximum(largest, widest)
    return np.where(least > 0, least, SMALLEST_WIDTH)


def _whitening(
    ranges: Ranges, mean: Float64[ndarray, " n"], covariance: Float64[ndarray, "n n"]
) -> Float64[ndarray, "n n"]:
    """A lower triangle W with |W x|^2 = x^T C'^-1 x."""
    variance = np.diag(covariance)
    scale = np.sqrt(np.maximum(variance, _least_half_width(ranges) ** 2))
    regular = covariance / np.outer(scale, scale)
    np.fill_diagonal(regular, 1 + RIDGE)
    try:
        root = np.linalg.cholesky(regular)
    except np.linalg.LinAlgError as error:
        raise ValueError("`covariance` is none: it has a negative eigenvalue") from error
    return np.tril(np.linalg.solve(root, np.diag(1 / scale)))
