"""Sums over pairs and triples in plain numpy: the second source of truth for values.

Formulas are those of the papers (Stillinger and Weber, Phys. Rev. B 31, 5262 (1985); Ziegler,
Biersack and Littmark (1985)) and of n2p2's list of cutoff functions. Pairs are directed and triples
ordered; neighbours are searched over all images. Nothing here imports miniff.
"""

from itertools import product

import numpy as np
from scipy.interpolate import CubicHermiteSpline

# --- neighbours


def neighbor_list(positions, cell, periodic, cutoff):
    """Every (i, j, shift) with 0 < r_ij < cutoff, and the vectors r_j + shift @ cell - r_i."""
    positions, cell = np.asarray(positions, float).reshape(-1, 3), np.asarray(cell, float)
    ranges = [range(1)] * 3
    if len(positions) and any(periodic):
        inverse = np.linalg.inv(cell)
        fractional = positions @ inverse
        reach = cutoff * np.linalg.norm(inverse, axis=0) + np.ptp(fractional, axis=0)
        ranges = [
            range(-int(n) - 1, int(n) + 2) if on else range(1)
            for n, on in zip(reach, periodic, strict=True)
        ]
    pairs, vectors = [], []
    for shift in product(*ranges):
        d = positions[None] + np.array(shift) @ cell - positions[:, None]
        r = np.linalg.norm(d, axis=-1)
        inside = r < cutoff
        if not any(shift):
            np.fill_diagonal(inside, False)
        for i, j in np.argwhere(inside):
            pairs.append((int(i), int(j), *shift))
            vectors.append(d[i, j])
    return pairs, np.array(vectors).reshape(-1, 3)


def environments(cell, cutoff):
    """For each atom of a cell the names of its neighbours and the vectors to them."""
    positions = np.array([f @ np.asarray(cell.vectors) for f in cell.coordinates])
    pairs, vectors = neighbor_list(positions, cell.vectors, cell.pbc, cutoff)
    for i in range(len(cell.values)):
        mine = [p for p, pair in enumerate(pairs) if pair[0] == i]
        yield np.array([cell.values[pairs[p][1]] for p in mine], dtype=object), vectors[mine]


# --- sum rules


ATOMIC_NUMBERS = {"C": 6, "O": 8}


def species_of(tag, count):
    """The species of a tag; None, which is any, for those it does not name."""
    names = tag.split("-") if tag else []
    return names + [None] * (count - len(names))


def weights_of(names, weighted):
    return np.array([ATOMIC_NUMBERS[name] if weighted else 1 for name in names], float)


def pair_energies(cell, tag, cutoff, f, *, weighted=False):
    """e_i = sum_j f(r_ij) over directed pairs of the species of the tag; with Z_j if weighted."""
    centre, neighbor = species_of(tag, 2)
    energies = np.zeros(len(cell.values))
    for i, (names, vectors) in enumerate(environments(cell, cutoff)):
        if centre in (None, cell.values[i]):
            mine = [neighbor in (None, name) for name in names]
            terms = f(np.linalg.norm(vectors[mine], axis=-1))
            energies[i] = np.sum(weights_of(names[mine], weighted) * terms)
    return energies


def triple_energies(cell, tag, cutoff, f, *, weighted=False):
    """e_i = sum over ordered (j, k), j != k, of f(r_ij, r_ik, r_jk, cos t_jik); with Z_j Z_k."""
    centre, first, second = species_of(tag, 3)
    energies = np.zeros(len(cell.values))
    for i, (names, vectors) in enumerate(environments(cell, cutoff)):
        if centre not in (None, cell.values[i]):
            continue
        r = np.linalg.norm(vectors, axis=-1)
        j, k = (
            np.array(
                [
                    (j, k)
                    for j, k in product(range(len(r)), repeat=2)
                    if j != k and first in (None, names[j]) and second in (None, names[k])
                ],
                dtype=int,
            )
            .reshape(-1, 2)
            .T
        )
        r3 = np.linalg.norm(vectors[j] - vectors[k], axis=-1)
        cosine = np.clip(np.sum(vectors[j] * vectors[k], axis=-1) / (r[j] * r[k]), -1, 1)
        z = weights_of(names, weighted)
        energies[i] = np.sum(z[j] * z[k] * f(r[j], r[k], r3, cosine))
    return energies


# --- cutoff functions: name -> (r, rc, alpha) -> value


def _stretched(formula):
    """1 below alpha rc, 0 beyond rc, the formula of x in [0, 1] between."""

    def value(r, rc, alpha):
        x = np.clip((r - alpha * rc) / (rc - alpha * rc), 0, 1)
        return np.where(r < rc, formula(x), 0.0)

    return value


def _exponential(x):
    with np.errstate(divide="ignore"):
        return np.exp(1 - 1 / (1 - x**2))


CUTOFF_FUNCTIONS = {
    "none": _stretched(np.ones_like),
    "cosine": _stretched(lambda x: (1 + np.cos(np.pi * x)) / 2),
    "tanh3": lambda r, rc, alpha: np.where(r < rc, np.tanh(1 - r / rc) ** 3, 0.0),
    "tanh3_one": lambda r, rc, alpha: np.where(
        r < rc, (np.tanh(1 - r / rc) / np.tanh(1.0)) ** 3, 0.0
    ),
    "exponential": _stretched(_exponential),
    "poly1": _stretched(lambda x: (2 * x - 3) * x**2 + 1),
    "poly2": _stretched(lambda x: ((15 - 6 * x) * x - 10) * x**3 + 1),
    "poly3": _stretched(lambda x: (x * (x * (20 * x - 70) + 84) - 35) * x**4 + 1),
    "poly4": _stretched(lambda x: (x * (x * ((315 - 70 * x) * x - 540) + 420) - 126) * x**5 + 1),
}


# --- families: parameters -> energies of the atoms


def lennard_jones(cell, tag, *, epsilon, sigma, a):
    return pair_energies(
        cell, tag, a * sigma, lambda r: 4 * epsilon * ((sigma / r) ** 12 - (sigma / r) ** 6)
    )


def on_site(cell, tag, *, v0):
    return np.array([v0 if tag in (None, name) else 0.0 for name in cell.values])


def harmonic_repulsion(cell, tag, *, a, epsilon):
    return pair_energies(cell, tag, a, lambda r: epsilon / 2 * (1 - r / a) ** 2)


def morse(cell, tag, *, d0, alpha, r0, a):
    """Morse's well in the form that is zero at its bottom, lowered by its depth."""
    return pair_energies(cell, tag, a, lambda r: d0 * (1 - np.exp(-alpha * (r - r0))) ** 2 - d0)


def buckingham(cell, tag, *, amplitude, rho, c, a):
    return pair_energies(cell, tag, a, lambda r: amplitude * np.exp(-r / rho) - c / r**6)


def screened_repulsion(r, z1, z2, coulomb_constant=14.399645, screening_length=0.4685):
    """Value, slope and curvature of the universal potential of two nuclei."""
    weights, rates = np.array(
        [[0.18175, 3.1998], [0.50986, 0.94229], [0.28022, 0.4029], [0.02817, 0.20162]]
    ).T
    rates = rates / screening_length * (z1**0.23 + z2**0.23)
    terms = weights * np.exp(-rates * np.asarray(r)[..., None])
    phi, dphi, ddphi = (np.sum(terms * (-rates) ** n, axis=-1) for n in range(3))
    return (
        coulomb_constant
        * z1
        * z2
        * np.array([phi / r, dphi / r - phi / r**2, ddphi / r - 2 * dphi / r**2 + 2 * phi / r**3])
    )


def zbl(cell, tag, *, z1, z2, a_inner, a, **constants):
    """The switch is what three linear equations for its three numbers say."""
    t = a - a_inner
    switch = np.linalg.solve(
        [[t**3 / 3, t**4 / 4, 1], [t**2, t**3, 0], [2 * t, 3 * t**2, 0]],
        -screened_repulsion(a, z1, z2, **constants),
    )

    def f(r):
        t = np.maximum(r - a_inner, 0)
        powers = np.array([t**3 / 3, t**4 / 4, np.ones_like(t)])
        return screened_repulsion(r, z1, z2, **constants)[0] + switch @ powers

    return pair_energies(cell, tag, a, f)


def stillinger_weber_2(cell, tag, *, epsilon, sigma, gauge_a, gauge_b, a, p, q):
    def f(r):
        x = r / sigma
        return epsilon * gauge_a * (gauge_b * x**-p - x**-q) * np.exp(1 / (x - a))

    return pair_energies(cell, tag, a * sigma, f)


def stillinger_weber_3(cell, tag, *, epsilon, sigma, l, gamma, cos_theta0, a):  # noqa: E741
    def f(r1, r2, r3, cosine):
        reach = np.exp(gamma / (r1 / sigma - a) + gamma / (r2 / sigma - a))
        return epsilon * l * (cosine - cos_theta0) ** 2 * reach

    return triple_energies(cell, tag, a * sigma, f)


def sw3_mixed(cell, tag, *, epsilon, l, cos_theta0, **legs):  # noqa: E741
    def reach(r, n):
        x = r / legs[f"sigma_{n}"]
        inside = x < legs[f"a_{n}"]
        distance = np.where(inside, x - legs[f"a_{n}"], -1.0)
        return np.where(inside, np.exp(legs[f"gamma_{n}"] / distance), 0)

    def f(r1, r2, r3, cosine):
        return epsilon * l * (cosine - cos_theta0) ** 2 * reach(r1, 1) * reach(r2, 2)

    return triple_energies(cell, tag, max(legs[f"a_{n}"] * legs[f"sigma_{n}"] for n in (1, 2)), f)


def many_body_energies(cell, tag, cutoff, energy):
    """e_i = energy(kinds, vectors) of the neighbours; kinds are their places in the tag."""
    centre, *known = tag.split("-") if tag else [None]
    energies = np.zeros(len(cell.values))
    for i, (names, vectors) in enumerate(environments(cell, cutoff)):
        if centre in (None, cell.values[i]):
            mine = [not known or name in known for name in names]
            kinds = [known.index(name) if known else 0 for name in names[mine]]
            energies[i] = energy(kinds, vectors[mine])
    return energies


def _table(step, values):
    """Cubic pieces; slopes from the polynomial through the five, three or two nearest points."""
    x, values = step * np.arange(len(values)), np.array(values)
    last = len(x) - 1

    def slope(m):
        reach = min(m, last - m, 2)
        around = (
            slice(m - reach, m + reach + 1) if reach else slice(*((0, 2) if m == 0 else (-2, None)))
        )
        degree = 2 * reach or 1
        return np.polyval(np.polyder(np.polyfit(x[around] - x[m], values[around], degree)), 0)

    return CubicHermiteSpline(x, values, [slope(m) for m in range(last + 1)])


def embedded_atom(cell, tag, *, a, dr, d_rho, embedding, density, r_phi):
    big_f = _table(d_rho, embedding)
    end = d_rho * (len(embedding) - 1)
    f, z = ([_table(dr, t) for t in np.atleast_2d(tables)] for tables in (density, r_phi))

    def energy(kinds, vectors):
        r = np.linalg.norm(vectors, axis=-1)
        rho = sum(f[kind % len(f)](x) for kind, x in zip(kinds, r, strict=True))
        phi = sum(z[kind % len(z)](x) / x for kind, x in zip(kinds, r, strict=True))
        return big_f(min(rho, end)) + max(rho - end, 0) * big_f(end, 1) + phi / 2

    return many_body_energies(cell, tag, a, energy)


def tersoff(cell, tag, **parameters):
    def at(name, j, k=0):
        value = np.asarray(parameters[name])
        return value[(j, k)[: value.ndim]] if value.ndim else value

    def fc(r, j, k):
        middle, half = at("R", j, k), at("D", j, k)
        if r < middle - half:
            return 1.0
        if r >= middle + half:
            return 0.0
        return 0.5 - 0.5 * np.sin(np.pi / 2 * (r - middle) / half)

    def zeta_term(j, k, r_j, r_k, cosine):
        c, d = at("c", j, k), at("d", j, k)
        g = 1 + c**2 / d**2 - c**2 / (d**2 + (cosine - at("cos_theta0", j, k)) ** 2)
        stretch = (at("lambda3", j, k) * (r_j - r_k)) ** at("m", j, k)
        return fc(r_k, j, k) * at("gamma", j, k) * g * np.exp(stretch)

    def energy(kinds, vectors):
        r = np.linalg.norm(vectors, axis=-1)
        total = 0.0
        for p, j in enumerate(kinds):
            zeta = sum(
                zeta_term(j, k, r[p], r[q], vectors[p] @ vectors[q] / (r[p] * r[q]))
                for q, k in enumerate(kinds)
                if q != p
            )
            n = at("n", j)
            order = (1 + (at("beta", j) * zeta) ** n) ** (-1 / (2 * n))
            repulsion = at("A", j) * np.exp(-at("lambda1", j) * r[p])
            attraction = at("B", j) * np.exp(-at("lambda2", j) * r[p])
            total += fc(r[p], j, j) * (repulsion - order * attraction) / 2
        return total

    cutoff = np.max(np.asarray(parameters["R"]) + np.asarray(parameters["D"]))
    return many_body_energies(cell, tag, cutoff, energy)
