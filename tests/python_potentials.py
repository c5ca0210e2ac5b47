"""Potentials as a user writes them in Python: formulas of compiled families, and others."""

import math

import numpy as np
import reference

from miniff.potentials import general_pair_potential_family, general_triple_potential_family


def lennard_jones(tag=None, *, epsilon, sigma, a):
    """With arrays and a derivative."""

    def f(r):
        return 4 * epsilon * ((sigma / r) ** 12 - (sigma / r) ** 6)

    def df_dr(r):
        return -24 * epsilon / r * (2 * (sigma / r) ** 12 - (sigma / r) ** 6)

    return general_pair_potential_family(tag, f=f, df_dr=df_dr, a=a * sigma)


def stillinger_weber_2(tag=None, *, epsilon, sigma, gauge_a, gauge_b, a, p, q):
    """Number by number, without a derivative."""

    def f(r):
        x = r / sigma
        if x > a - 1e-3:
            return 0
        return epsilon * gauge_a * (gauge_b * x**-p - x**-q) * math.exp(1 / (x - a))

    return general_pair_potential_family(tag, f=f, a=a * sigma)


def stillinger_weber_3(tag=None, *, epsilon, sigma, l, gamma, cos_theta0, a, numerical=False):  # noqa: E741
    """With arrays; with derivatives or without."""

    def reach(r1, r2):
        return epsilon * l * np.exp(gamma / (r1 / sigma - a) + gamma / (r2 / sigma - a))

    def f(r1, r2, cos_t):
        return (cos_t - cos_theta0) ** 2 * reach(r1, r2)

    def df_dr1(r1, r2, cos_t):
        return -gamma / sigma / (r1 / sigma - a) ** 2 * f(r1, r2, cos_t)

    def df_dr2(r1, r2, cos_t):
        return -gamma / sigma / (r2 / sigma - a) ** 2 * f(r1, r2, cos_t)

    def df_dt(r1, r2, cos_t):
        return 2 * (cos_t - cos_theta0) * reach(r1, r2)

    if numerical:
        return general_triple_potential_family(tag, f=f, a=a * sigma)
    return general_triple_potential_family(
        tag, f=f, df_dr1=df_dr1, df_dr2=df_dr2, df_dt=df_dt, a=a * sigma
    )


def _unequal(r1, r2, cos_t, exp, a):
    return (1 - r1 / a) ** 3 * (1 - r2 / a) ** 4 * exp(-r1 / 3 + 0.7 * cos_t)


def unequal_triple(tag=None, *, a):
    """Not the same with neighbours exchanged; number by number, without derivatives."""
    return general_triple_potential_family(
        tag, f=lambda r1, r2, cos_t: _unequal(r1, r2, cos_t, math.exp, a), a=a
    )


def unequal_triple_energies(cell, tag, *, a):
    """The brute sum of the same."""
    return reference.triple_energies(
        cell, tag, a, lambda r1, r2, r3, cosine: _unequal(r1, r2, cosine, np.exp, a)
    )
