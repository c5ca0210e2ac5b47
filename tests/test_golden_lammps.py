"""Lennard-Jones, Morse, Buckingham, ZBL and Stillinger-Weber against LAMMPS.

`data/lammps_golden` and `data/lammps_zbl` name the version that made the numbers and the pair
commands. LAMMPS counts a bond and an unordered pair of neighbours once: what is proportional to the
energy is halved here.
"""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from miniff import kernel
from miniff.kernel import Cell
from miniff.potentials import (
    buckingham_potential_family,
    lj_potential_family,
    morse_potential_family,
    sw2_potential_family,
    sw3_potential_family,
    zbl_potential_family,
)

GOLDEN, GOLDEN_ZBL = (
    json.loads((Path(__file__).parent / "data" / folder / "golden.json").read_text())
    for folder in ("lammps_golden", "lammps_zbl")
)
CASES = {
    case["name"]: case
    for case in GOLDEN["cases"] + GOLDEN_ZBL["cases"]
    if not case["name"].startswith("coul_")  # test_ewald.py and test_charges.py have them
}


def stillinger_weber(epsilon=2.1683, sigma=2.0951):
    """Si.sw of LAMMPS, in eV and angstrom."""
    scale = {"epsilon": epsilon / 2, "sigma": sigma, "a": 1.8}
    return [
        sw2_potential_family(gauge_a=7.049556277, gauge_b=0.6022245584, p=4, q=0, **scale),
        sw3_potential_family(l=21, gamma=1.2, cos_theta0=-1 / 3, **scale),
    ]


def lennard_jones(a=2.5, tag=None, epsilon=1.0, sigma=1.0):
    return lj_potential_family(tag=tag, epsilon=epsilon / 2, sigma=sigma, a=a)


def kob_andersen():
    """`pair_coeff i j epsilon sigma cutoff` of the case, both directions of the mixed pair."""
    return [
        lennard_jones(tag="Ar-Ar"),
        lennard_jones(tag="Ar-Kr", epsilon=1.5, sigma=0.8),
        lennard_jones(tag="Kr-Ar", epsilon=1.5, sigma=0.8),
        lennard_jones(tag="Kr-Kr", epsilon=0.5, sigma=0.88),
    ]


def morse():
    """`pair_coeff * * d0 alpha r0` of the case."""
    return [morse_potential_family(d0=0.3429 / 2, alpha=1.3588, r0=2.866, a=6.0)]


def buckingham():
    """`pair_coeff i j A rho C` of the case, both directions of the mixed pair; type 1 is Cl."""
    pairs = {
        "Cl-Cl": (1227.2, 0.3214, 0.0),
        "Cl-Na": (2500.0, 0.30, 20.0),
        "Na-Cl": (2500.0, 0.30, 20.0),
        "Na-Na": (3485.0, 0.3300, 72.4),
    }
    return [
        buckingham_potential_family(tag=tag, amplitude=big / 2, rho=rho, c=c / 2, a=6.0)
        for tag, (big, rho, c) in pairs.items()
    ]


def zbl(a_inner, a, **atomic_numbers):
    """`pair_style zbl inner outer`, `pair_coeff i j zi zj` for every ordered pair of species."""
    return [
        zbl_potential_family(
            f"{one}-{two}", z1=z1, z2=z2, a_inner=a_inner, a=a, coulomb_constant=14.399645 / 2
        )
        for (one, z1), (two, z2) in product(atomic_numbers.items(), repeat=2)
    ]


POTENTIALS = {
    "sw_Si": stillinger_weber,
    "lj_cut": lambda: [lennard_jones()],
    "lj13": lambda: [lennard_jones(50.0)],
    "lj_binary": kob_andersen,
    "morse": morse,
    "buck": buckingham,
    "zbl_Si8": lambda: zbl(2.0, 3.2, Si=14),
    "zbl_SiC8": lambda: zbl(2.5, 4.0, Si=14, C=6),
}


def potentials_of(name):
    (make,) = (make for start, make in POTENTIALS.items() if name.startswith(start))
    return make()


def cell_of(case):
    """Cartesian positions in the box, or in any box where nothing repeats."""
    vectors = np.array(case["cell"] if case["pbc"] else np.eye(3))
    coordinates = np.linalg.solve(vectors.T, np.array(case["positions"]).T).T
    return Cell(vectors, coordinates, case["symbols"], pbc=case["pbc"])


@pytest.mark.parametrize("name", CASES)
def test_energy_forces_and_stress_are_those_of_lammps(name):
    """Relative to the largest component they agree to 1e-9."""
    assert_is(CASES[name], kernel.eval(potentials_of(name), cell_of(CASES[name])))


@pytest.mark.parametrize("name", CASES)
def test_devices_have_the_numbers_of_lammps_too(name, device):
    """The same by torch."""
    found = kernel.eval(potentials_of(name), cell_of(CASES[name]), device=device)
    assert_is(CASES[name], found)


def assert_is(case, result):
    forces = np.array(case["forces"])
    np.testing.assert_allclose(result.energy, case["energy"], rtol=1e-9)
    np.testing.assert_allclose(result.forces, forces, atol=1e-9 * max(1, np.abs(forces).max()))
    if case["stress_ase_voigt"] is not None:
        stress = np.array(case["stress_ase_voigt"])
        np.testing.assert_allclose(result.stress, stress, atol=1e-9 * np.abs(stress).max())
        virial = -result.volume * stress[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]]
        np.testing.assert_allclose(result.virial, virial, atol=1e-9 * np.abs(virial).max())


def test_thirteen_lennard_jones_atoms_reach_their_known_minimum():
    """-44.326801 epsilon, Wales and Doye, J. Phys. Chem. A 101, 5111 (1997)."""
    cell = cell_of(CASES["lj13_icosahedron"])
    assert kernel.eval([lennard_jones(50.0)], cell).energy == pytest.approx(-44.326801, abs=1e-5)


CONVENTIONAL = {
    "sc": [[0, 0, 0]],
    "bcc": [[0, 0, 0], [0.5, 0.5, 0.5]],
    "fcc": [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
}
CONVENTIONAL["diamond"] = [
    (np.array(site) + step).tolist() for step, site in product((0, 0.25), CONVENTIONAL["fcc"])
]


@pytest.mark.parametrize("structure", CONVENTIONAL)
def test_crystals_scan_as_in_figure_1_of_the_paper(structure):
    """Energy per atom and stress over density, Stillinger and Weber 1985, computed by LAMMPS."""
    scan = [row for row in GOLDEN["sw_crystal_scan"] if row["structure"] == structure]
    assert scan
    sites = CONVENTIONAL[structure]
    for row in scan:
        cell = Cell(row["a"] * np.eye(3), sites, ["Si"] * len(sites))
        assert cell.size / cell.volume * 2.0951**3 == pytest.approx(row["reduced_density"])
        result = kernel.eval(stillinger_weber(), cell)
        assert result.energy / cell.size == pytest.approx(row["e_per_atom_eV"], rel=1e-9)
        assert result.energy / cell.size / 2.1683 == pytest.approx(row["e_per_atom_over_eps"])
        np.testing.assert_allclose(result.stress[:3], row["stress_xx"], rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(result.stress[3:], 0, atol=1e-10)
