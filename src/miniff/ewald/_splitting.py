"""How the Coulomb energy of a cell is split between neighbours and waves, for a wanted accuracy."""

from collections.abc import Callable
from dataclasses import dataclass
from math import erfc, exp, log, pi, sqrt

__all__ = ["COULOMB_CONSTANT", "Splitting", "choose_splitting", "ewald_cutoffs"]

COULOMB_CONSTANT = 27.211386245988 * 0.529177210903
"""e^2 / (4 pi epsilon_0) in eV angstrom: hartree times bohr, of CODATA 2018."""


@dataclass(frozen=True)
class Splitting:
    """Parameters of one Ewald sum.

    Attributes:
        eta: How fast what is summed over neighbours decays (1/length).
        k_cutoff: The longest wave vector (1/length).
    """

    eta: float
    k_cutoff: float


def choose_splitting(
    a: float, accuracy: float, n_atoms: int, volume: float, charge_square: float
) -> Splitting:
    """The splitting with which both parts have a wanted error of the forces.

    Root mean square errors of the forces for charges at random places, in units of the force
    between two unit charges one length unit apart:

        2 Q exp(-eta^2 a^2) / sqrt(N a V),   2 Q eta sqrt(2 / (k N V)) exp(-k^2 / 4 eta^2)

    Kolafa and Perram, Mol. Simul. 9, 351 (1992), https://doi.org/10.1080/08927029208049126

    Args:
        a: Cutoff of the sum over neighbours (length).
        accuracy: The wanted error, in those units.
        n_atoms: N, of the cell.
        volume: V, of the cell (length^3).
        charge_square: Q, the sum of the squared charges.
    """
    scale = 2 * charge_square / sqrt(max(n_atoms, 1) * volume)
    eta = sqrt(_exponent(scale / sqrt(a) / accuracy)) / a
    k = 2 * eta
    for _ in range(20):  # the root changes slowly with k: each step gains a digit or more
        k = 2 * eta * sqrt(_exponent(scale * eta * sqrt(2 / k) / accuracy))
    return Splitting(eta, k)


def _exponent(ratio: float) -> float:
    """s with exp(-s) = 1 / ratio; not below 1, where the formulas no longer hold."""
    return max(1.0, log(ratio)) if ratio > 0 else 1.0


def ewald_cutoffs(
    eta: float, volume: float, charge_square: float, scale: float = 1.0, eps: float = 1e-7
) -> tuple[float, float]:
    """Cutoffs for which the energy of a cell is right to within ``eps``.

    The errors of the energy that Kolafa and Perram give (see :func:`choose_splitting`):

        scale Q / (eta^2 a^1.5 sqrt(2 V)) exp(-eta^2 a^2)
        scale Q 2 eta / k (1 / sqrt(k V) + eta / pi) exp(-k^2 / 4 eta^2)

    Args:
        eta: How fast the sum over neighbours decays (1/length).
        volume: Of the cell (length^3).
        charge_square: Q, the sum of the squared charges.
        scale: Energy of two unit charges one length unit apart.
        eps: The wanted error (energy).

    Returns:
        Cutoff of the sum over neighbours (length), and of the wave vectors (1/length): between
        0.1 and 40 in units of 1/eta and of eta.

    Raises:
        ValueError: Arguments that are not positive.
    """
    for name, value in (("eta", eta), ("volume", volume), ("scale", scale), ("eps", eps)):
        if not 0 < value < float("inf"):
            raise ValueError(f"`{name}` is {value} but must be in (0, inf)")
    if not 0 <= charge_square < float("inf"):
        raise ValueError(f"`charge_square` is {charge_square} but must be in [0, inf)")

    def of_neighbors(x: float) -> float:
        a = x / eta
        size: float = charge_square / (eta**2 * a**1.5 * sqrt(2 * volume))
        return scale * size * exp(-(x**2))

    def of_waves(x: float) -> float:
        k = x * eta
        size = 2 * eta / k * (1 / sqrt(k * volume) + eta / pi)
        return scale * charge_square * size * exp(-(x**2) / 4)

    return _where(of_neighbors, eps) / eta, _where(of_waves, eps) * eta


def _where(error: Callable[[float], float], eps: float) -> float:
    """From where on an error is small enough, between 0.1 and 40; it falls."""
    low, high = 0.1, 40.0
    if error(low) <= eps:
        return low
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if error(middle) > eps else (low, middle)
    return high


def reach_of_clouds(widest: float, accuracy: float) -> float:
    """The distance beyond which two Gaussian charges act on each other as points do.

    Args:
        widest: The largest standard deviation (length).
        accuracy: How large a force between unit charges may be neglected.
    """
    beta = 1 / (2 * widest)
    low, high = 0.0, 60.0 * widest
    for _ in range(60):
        r = (low + high) / 2
        force = (erfc(beta * r) / r + 2 * beta / sqrt(pi) * exp(-((beta * r) ** 2))) / r
        low, high = (r, high) if force > accuracy else (low, r)
    return high
