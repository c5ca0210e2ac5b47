"""Coulomb energies against lattices that are known, other programs and brute force."""

import json
import pickle
from itertools import product
from math import erfc, exp, pi, sqrt
from pathlib import Path

import numpy as np
import pytest
from ions import CRYSTAL, MOLECULE, SLAB, TIGHT, ions, table_of
from numpy import ndarray
from numpy.testing import assert_allclose

from miniff import _core
from miniff._neighbors import join
from miniff.ewald import Coulomb, Splitting, ewald_cutoffs

DATA = Path(__file__).parent / "data" / "lammps_golden" / "golden.json"
CUT_OFF = ("coul_dsf_NaCl64", "coul_wolf_NaCl64")  # test_charges.py has them
GOLDEN = [
    case
    for case in json.loads(DATA.read_text())["cases"]
    if case["name"].startswith("coul_") and case["name"] not in CUT_OFF
]

FCC = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2
BCC = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / 2
NACL, ZNS = 1.747564594633182, 1.638055053388799
"""Madelung constants: E = -M / d of a formula unit with the nearest distance d."""


LATTICES = {
    # Crandall and Buhler, J. Phys. A 20, 5497 (1987), https://doi.org/10.1088/0305-4470/20/16/024
    "NaCl": (FCC, [[0, 0, 0], [0.5, 0.5, 0.5]], [1, -1], -2 * NACL),
    "CsCl": (np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], [1, -1], -1.762674773070988 * 2 / sqrt(3)),
    "ZnS": (FCC, [[0, 0, 0], [0.25, 0.25, 0.25]], [1, -1], -4 / sqrt(3) * ZNS),
    # The same three potentials of a face-centred lattice make that of fluorite.
    "CaF2": (
        FCC,
        [[0, 0, 0], [0.25, 0.25, 0.25], [0.75, 0.75, 0.75]],
        [2, -1, -1],
        -16 / sqrt(3) * ZNS + 2 * NACL,
    ),
    # In a uniform background, in units of the radius of the sphere of an atom's volume: Foldy,
    # Phys. Rev. B 17, 4889 (1978), https://doi.org/10.1103/PhysRevB.17.4889
    "bcc": (BCC, [[0, 0, 0]], [1], -0.895929255682 / (3 / (8 * pi)) ** (1 / 3)),
    "fcc": (FCC, [[0, 0, 0]], [1], -0.895873615195 / (3 / (16 * pi)) ** (1 / 3)),
}


@pytest.mark.parametrize("name", LATTICES)
@pytest.mark.parametrize("method", ["waves", "mesh"])
def test_madelung_constants(name: str, method: str) -> None:
    """Ten digits at a tight accuracy, whatever sums the smooth part."""
    vectors, fractional, charges, energy = LATTICES[name]
    table = table_of(vectors, np.array(fractional) @ vectors, 1.6)
    coulomb = Coulomb(1.6, accuracy=TIGHT, scale=1.0, background=sum(charges) > 0, method=method)
    found = coulomb.evaluate(table, np.array(charges, float))
    assert_allclose(found.energies.sum(), energy, rtol=1e-10)
    # A scale-free energy: stretching a crystal by 1 % costs 1 % of it.
    assert_allclose(np.trace(found.strain_derivative[0]), -energy, rtol=1e-9)


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
@pytest.mark.parametrize("method", ["waves", "mesh"])
def test_other_programs(case: dict, method: str) -> None:
    """Energy, forces and stress of LAMMPS and an independent sum."""
    cell, charges = np.array(case["cell"]), case["charges"]
    q = np.array([charges[name] for name in case["symbols"]], float)
    table = table_of(cell, case["positions"], 6.0)
    found = Coulomb(6.0, accuracy=1e-10, scale=14.399645, method=method).evaluate(table, q)
    stress = found.strain_derivative[0] / abs(np.linalg.det(cell))
    assert_allclose(found.energies.sum(), case["energy"], rtol=1e-8)
    assert_allclose(-found.gradient, case["forces"], atol=1e-7)
    voigt = [stress[x, y] for x, y in zip((0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1), strict=True)]
    assert_allclose(voigt, case["stress_ase_voigt"], atol=1e-7)


def slab_energy(vectors: ndarray, r: ndarray, q: ndarray, eta: float) -> float:
    """The exact sum of a lattice in two dimensions.

    Heyes, Barber and Clarke, J. Chem. Soc., Faraday Trans. 2 73, 1485 (1977),
    https://doi.org/10.1039/F29777301485
    """
    a, b = vectors[0], vectors[1]
    normal = np.cross(a, b)
    area = float(np.linalg.norm(normal))
    normal /= area
    g1, g2 = 2 * pi * np.cross(b, normal) / area, 2 * pi * np.cross(normal, a) / area
    total = 0.0
    for i, j in product(range(len(q)), repeat=2):
        d, value = r[j] - r[i], 0.0
        z = float(d @ normal)
        for m, n in product(range(-6, 7), repeat=2):
            distance = float(np.linalg.norm(d + m * a + n * b))
            if distance > 0:
                value += erfc(eta * distance) / distance
            if (m, n) != (0, 0):
                g = m * g1 + n * g2
                k = float(np.linalg.norm(g))
                sides = sum(exp(s * k * z) * erfc(k / (2 * eta) + s * eta * z) for s in (1, -1))
                value += pi / (area * k) * np.cos(float(g @ d)) * sides
        value -= 2 * sqrt(pi) / area * (exp(-((eta * z) ** 2)) / eta)
        value -= 2 * pi / area * z * (1 - erfc(eta * z))
        total += q[i] * q[j] * value / 2
    return total - eta / sqrt(pi) * float(q @ q)


def test_slabs() -> None:
    """The exact sum in two dimensions, for a polar slab in a skewed cell, lying anyhow."""
    vectors, r, q = ions(5)
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    vectors, r = vectors @ turn, r @ turn
    table = table_of(vectors, r, 7.0, SLAB)
    found = Coulomb(7.0, accuracy=1e-11, scale=1.0).evaluate(table, q)
    assert_allclose(found.energies.sum(), slab_energy(vectors, r, q, 0.8), rtol=1e-9)


@pytest.mark.parametrize("total", [0.0, 1.7])
def test_molecules(total: float) -> None:
    """All pairs one by one; they may be charged, and no list is asked for."""
    _, r, q = ions(9)
    q = q + total / 9
    table = table_of(np.zeros((3, 3)), r, 0.1, MOLECULE)
    found = Coulomb(5.0, scale=2.0).evaluate(table, q)
    pairs = [(i, j) for i in range(9) for j in range(i)]
    energy = sum(2 * q[i] * q[j] / np.linalg.norm(r[i] - r[j]) for i, j in pairs)
    assert_allclose(found.energies.sum(), energy, rtol=1e-13)


def test_gaussian_charges_in_a_crystal() -> None:
    """Wide clouds need waves alone: the sum over waves of their own structure factors."""
    vectors, r, q = ions(6)
    species = list("ABABAB")
    widths = {"A": 0.9, "B": 0.7}
    sigma = np.array([widths[name] for name in species])
    reciprocal = 2 * pi * np.linalg.inv(vectors).T
    energy = 0.0
    for n in product(range(-9, 10), repeat=3):
        k = np.array(n) @ reciprocal
        if any(n):
            factor = (q * np.exp(-(k @ k) * sigma**2 / 2) * np.exp(1j * (r @ k))).sum()
            energy += 2 * pi / abs(np.linalg.det(vectors)) * abs(factor) ** 2 / (k @ k)
    table = table_of(vectors, r, 14.0, CRYSTAL, species)
    coulomb = Coulomb(14.0, accuracy=TIGHT, scale=1.0, widths=widths)
    assert_allclose(coulomb.evaluate(table, q).energies.sum(), energy, rtol=1e-11)


def test_gaussian_charges_far_apart_are_points() -> None:
    """But for the energy that each has of itself, q^2 / (2 sigma sqrt(pi))."""
    r, q = np.array([[0.0, 0, 0], [30.0, 0, 0]]), np.array([1.3, -0.4])
    table = table_of(np.zeros((3, 3)), r, 0.1, MOLECULE, ["A", "B"])
    found = Coulomb(5.0, scale=1.0, widths={"A": 0.5}).evaluate(table, q)
    own = q[0] ** 2 / (2 * 0.5 * sqrt(pi))
    assert_allclose(found.energies.sum(), q[0] * q[1] / 30 + own, rtol=1e-14)


def test_a_batch_is_its_structures() -> None:
    """Crystals, slabs and molecules of different sizes in one table, each as if alone."""
    vectors, r, q = ions(8)
    kinds = [(CRYSTAL, 8), (MOLECULE, 5), (SLAB, 6), (CRYSTAL, 3), (MOLECULE, 1)]
    charges = [q[:n] - q[:n].mean() for _, n in kinds]
    tables = [table_of(vectors, r[:n], 6.0, pbc) for pbc, n in kinds]
    coulomb = Coulomb(6.0)
    together = coulomb.evaluate(join(tables), np.concatenate(charges))
    alone = [coulomb.evaluate(t, own) for t, own in zip(tables, charges, strict=True)]
    for name in ("energies", "potential", "gradient", "strain_derivative"):
        parts = np.concatenate([getattr(one, name) for one in alone])
        np.testing.assert_array_equal(getattr(together, name), parts)


@pytest.mark.parametrize("method", ["waves", "mesh"])
def test_threads_change_no_bit(method: str) -> None:
    """One thread and four give the same numbers."""
    rng = np.random.default_rng(5)
    r, q = rng.uniform(0, 18, (300, 3)), np.repeat([1.0, -1.0], 150)
    table = table_of(np.eye(3) * 18, r, 6.0)
    before, found = _core.num_threads(), []
    try:
        for n in (1, 4):
            _core.set_num_threads(n)
            found.append(Coulomb(6.0, method=method).evaluate(table, q))
    finally:
        _core.set_num_threads(before)
    for name in ("energies", "potential", "gradient", "strain_derivative"):
        np.testing.assert_array_equal(getattr(found[0], name), getattr(found[1], name))


@pytest.mark.parametrize("pbc", [CRYSTAL, MOLECULE])
def test_no_atom_and_no_charge(pbc: tuple[bool, bool, bool]) -> None:
    """Nothing has no energy."""
    empty = Coulomb(3.0).evaluate(table_of(np.eye(3), np.zeros((0, 3)), 3.0, pbc), np.zeros(0))
    assert empty.energies.shape == (0,)
    neutral = table_of(np.eye(3) * 5, [[0, 0, 0], [1, 1, 1]], 3.0, pbc)
    found = Coulomb(3.0).evaluate(neutral, np.zeros(2))
    assert (found.energies == 0).all()
    assert (found.gradient == 0).all()


def test_copies_are_equal() -> None:
    """It can be sent to other processes."""
    coulomb = Coulomb(6.0, widths={"A": 0.4}, background=True, splitting=Splitting(0.5, 6.0))
    assert pickle.loads(pickle.dumps(coulomb)) == coulomb
    assert hash(coulomb) == hash(pickle.loads(pickle.dumps(coulomb)))


REFUSED = {
    "short list": (CRYSTAL, {"a": 9.0}, None, "`cutoff` of the neighbour list is 5.0 but must be "),
    "charged crystal": (
        CRYSTAL,
        {},
        0.1,
        "^the total charge is 0.7.*: a crystal must be neutral.*background=True",
    ),
    "charged slab": (SLAB, {"background": True}, 0.1, "^a slab has a total charge of 0.7"),
    "wire": ((True, False, False), {}, None, "repeat along one direction are not summed"),
    "nan": (CRYSTAL, {}, np.nan, r"the charge of atom 0 \(counted from 0\) is nan"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    """What cannot be summed is said."""
    pbc, choices, shift, sentence = REFUSED[name]
    vectors, r, q = ions()
    with pytest.raises(ValueError, match=sentence):
        Coulomb(**{"a": 5.0, **choices}).evaluate(
            table_of(vectors, r, 5.0, pbc), q if shift is None else q + shift
        )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"a": -1.0}, "`a` is -1.0"),
        ({"accuracy": 0.0}, "`accuracy` is 0.0"),
        ({"widths": {"A": 0.0}}, r"`widths\[A\]` is 0.0"),
        ({"widths": {"A": 2.0}}, "`a` is 5.0 but must be at least"),
    ],
)
def test_refused_choices(arguments: dict, sentence: str) -> None:
    """When it is made."""
    with pytest.raises(ValueError, match=sentence):
        Coulomb(**{"a": 5.0, **arguments})


def test_refused_arrays() -> None:
    """Another number of charges than atoms; cutoffs of nothing."""
    vectors, r, q = ions()
    with pytest.raises(ValueError, match=r"`charges` has shape \(3,\) but must be \(7,\)"):
        Coulomb(5.0).evaluate(table_of(vectors, r, 5.0), q[:3])
    with pytest.raises(ValueError, match="`eta` is -1 but must be in"):
        ewald_cutoffs(-1, 1.0, 1.0)
    with pytest.raises(ValueError, match=r"`charge_square` is -1\.0 but must be in"):
        ewald_cutoffs(1.0, 1.0, -1.0)
