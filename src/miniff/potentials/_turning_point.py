"""Where a Gaussian times the cosine cutoff function falls fastest."""

from math import cos, pi, sin, sqrt

from miniff._checks import check_not_negative, check_positive

__all__ = ["behler_turning_point"]


def behler_turning_point(a: float, eta: float) -> float:
    """The distance (length) at which exp(-eta r^2) (1 + cos(pi r/a))/2 falls fastest.

    There a radial descriptor with ``r_sphere`` = 0 tells most of where a neighbour is. It is a/2
    for eta = 0 and goes to 1/sqrt(2 eta), that of the Gaussian alone, for large eta.

    Args:
        a: Cutoff (length).
        eta: Exponent of the Gaussian (1/length^2).

    Raises:
        ValueError: A cutoff that is not positive, or a negative exponent.
    """
    check_positive("a", a)
    check_not_negative("eta", eta)
    k = eta * a**2

    def bend(x: float) -> float:
        """The second derivative at r = x a, without factors that are positive."""
        cosine, sine = cos(pi * x), sin(pi * x)
        return (4 * (k * x) ** 2 - 2 * k) * (1 + cosine) + 4 * k * x * pi * sine - pi**2 * cosine

    last = min(0.5, 1 / sqrt(2 * k)) if k > 0 else 0.5
    if bend(last) <= 0:  # zero but for rounding: the turning point of one of the factors alone
        return last * a
    from scipy.optimize import brentq

    return float(brentq(bend, 0.0, last, xtol=1e-15 * last)) * a
