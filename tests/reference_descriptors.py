"""Descriptors in plain numpy: the second source of truth for their values.

Formulas are those of the papers (Behler, J. Chem. Phys. 134, 074106 (2011); Gastegger et al.,
J. Chem. Phys. 148, 241709 (2018); Bircher et al., Mach. Learn.: Sci. Technol. 2, 035026 (2021)).
Nothing here imports miniff.
"""

from functools import partial

import numpy as np
from reference import CUTOFF_FUNCTIONS, pair_energies, triple_energies


def _radial_factor(a, eta, r_sphere, cutoff_function, cutoff_alpha):
    fc = CUTOFF_FUNCTIONS[cutoff_function]
    return lambda r: np.exp(-eta * (r - r_sphere) ** 2) * fc(r, a, cutoff_alpha)


def behler_2(
    cell,
    tag,
    *,
    a,
    eta,
    r_sphere=0.0,
    cutoff_function="cosine",
    cutoff_alpha=0.0,
    weighted=False,
):
    p = _radial_factor(a, eta, r_sphere, cutoff_function, cutoff_alpha)
    return pair_energies(cell, tag, a, p, weighted=weighted)


def behler_5(
    cell,
    tag,
    *,
    l,  # noqa: E741
    zeta,
    a,
    epsilon=1.0,
    narrow=False,
    weighted=False,
    **radial,
):
    p = _radial_factor(
        a, **({"r_sphere": 0.0, "cutoff_function": "cosine", "cutoff_alpha": 0.0} | radial)
    )

    def f(r1, r2, r3, cosine):
        value = epsilon * 2 ** (1 - zeta) * (1 + l * cosine) ** zeta * p(r1) * p(r2)
        return value * p(r3) if narrow else value

    return triple_energies(cell, tag, a, f, weighted=weighted)


def behler_4(cell, tag, **parameters):
    return behler_5(cell, tag, narrow=True, **parameters)


def behler_5x(cell, tag, *, a, eta1, eta2, cos_theta0, epsilon=1.0):
    h1, h2 = (_radial_factor(a, eta, 0.0, "cosine", 0.0) for eta in (eta1, eta2))

    def f(r1, r2, r3, cosine):
        return epsilon / 4 * (cosine - cos_theta0) ** 2 * (h1(r1) * h2(r2) + h2(r1) * h1(r2))

    return triple_energies(cell, tag, a, f)


def sigmoid(cell, tag, *, a, dr, r0):
    fc = CUTOFF_FUNCTIONS["cosine"]
    # 1 / (1 + exp(x)) = (1 - tanh(x/2)) / 2, which cannot overflow.
    return pair_energies(
        cell, tag, a, lambda r: (1 - np.tanh((r - r0) / dr / 2)) / 2 * fc(r, a, 0.0)
    )


weighted_radial = partial(behler_2, weighted=True)
weighted_angular = partial(behler_4, weighted=True)

COMPACT_FORMS = {"p1": "poly1", "p2": "poly2", "p3": "poly3", "p4": "poly4", "e": "exponential"}


def compact(low, high, form):
    """f(|x - middle| / half width) between low and high, 0 elsewhere."""
    core = CUTOFF_FUNCTIONS[COMPACT_FORMS[form[:2].rstrip("a")]]

    def value(x):
        y = np.minimum(np.abs(x - (low + high) / 2) / ((high - low) / 2), 1)
        return core(y * (2 - y) if form.endswith("a") else y, 1.0, 0.0)

    return value


def polynomial_radial(cell, tag, *, low, a, form, weighted=False):
    return pair_energies(cell, tag, a, compact(low, a, form), weighted=weighted)


def polynomial_wide(
    cell, tag, *, low, a, form, left, right, epsilon=1.0, narrow=False, weighted=False
):
    radial, angular = compact(low, a, form), compact(left, right, form.removesuffix("a"))

    def f(r1, r2, r3, cosine):
        value = epsilon * angular(np.degrees(np.arccos(cosine))) * radial(r1) * radial(r2)
        return value * radial(r3) if narrow else value

    return triple_energies(cell, tag, a, f, weighted=weighted)


polynomial_narrow = partial(polynomial_wide, narrow=True)
weighted_polynomial_radial = partial(polynomial_radial, weighted=True)
weighted_polynomial_narrow = partial(polynomial_narrow, weighted=True)
weighted_polynomial_wide = partial(polynomial_wide, weighted=True)
