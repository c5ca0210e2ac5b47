"""Charges in lists of potentials: everywhere that other potentials go."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from numpy.testing import assert_allclose

from miniff import dyn, kernel, ml, ml_util
from miniff.ase import MiniffCalculator
from miniff.kernel import Cell, compute_images
from miniff.potentials import (
    buckingham_potential_family,
    charge_families,
    counted_once,
    dsf_potential_family,
    ewald_k_potential_family,
    ewald_real_potential_family,
    ewald_self_potential_family,
    ewald_total_potential_family,
    potential_from_state_dict,
    wolf_potential_family,
)

DATA = Path(__file__).parent / "data" / "lammps_golden" / "golden.json"
GOLDEN = {case["name"]: case for case in json.loads(DATA.read_text())["cases"]}
NACL = {"Na": 1.0, "Cl": -1.0}
TOTAL = ewald_total_potential_family(a=5.0, charges=NACL, accuracy=1e-9)
# Catlow, Diller and Norgett, J. Phys. C 10, 1395 (1977): enough of it to hold ions apart.
BORN_MAYER = {"amplitude": 1226.84, "rho": 0.3065, "c": 0.0, "a": 7.5}
REPULSION = counted_once(
    buckingham_potential_family, {"Na-Na": None, "Cl-Na": BORN_MAYER, "Cl-Cl": BORN_MAYER}
)


def salt(n: int = 1, rattle: float = 0.1, meta: dict | None = None) -> Cell:
    """Rock salt, n x n x n cubes of 8 ions, a little out of place."""
    base = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    fractional = np.array(base + [[(x + 0.5) % 1 for x in row] for row in base])
    corners = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    positions = 5.64 * (corners + fractional).reshape(-1, 3)
    positions += rattle * np.random.default_rng(0).normal(size=positions.shape)
    species = (["Na"] * 4 + ["Cl"] * 4) * n**3
    return Cell(np.eye(3) * 5.64 * n, positions / (5.64 * n), species, meta)


def case_cell(case: dict) -> Cell:
    vectors = np.array(case["cell"])
    return Cell(vectors, np.array(case["positions"]) @ np.linalg.inv(vectors), case["symbols"])


def test_the_parts_are_the_whole() -> None:
    """Real, reciprocal and self terms, as potentials of their own, sum to the total."""
    eta, k_cutoff = 1.1, 14.0
    parts = [
        ewald_real_potential_family(a=5.0, eta=eta, charges=NACL),
        ewald_k_potential_family(eta=eta, k_cutoff=k_cutoff, charges=NACL),
        ewald_self_potential_family(eta=eta, charges=NACL),
    ]
    one, other = kernel.eval(parts, salt()), kernel.eval(TOTAL, salt())
    assert_allclose(one.energy, other.energy, rtol=1e-9)
    assert_allclose(one.forces, other.forces, atol=1e-7)
    assert_allclose(one.stress, other.stress, atol=1e-8)
    given = ewald_total_potential_family(a=5.0, eta=eta, k_cutoff=k_cutoff, charges=NACL)
    assert_allclose(kernel.eval(given, salt()).energy, one.energy, rtol=1e-13)


def test_fennell_and_gezelter_as_lammps() -> None:
    """Energy, forces and stress of `pair_style coul/dsf`, to what its erfc is good for."""
    case = GOLDEN["coul_dsf_NaCl64"]
    potential = dsf_potential_family(a=9.0, alpha=0.2, charges=NACL, scale=14.399645)
    found = kernel.eval(potential, case_cell(case))
    assert_allclose(found.energy, case["energy"], rtol=1e-6)
    assert_allclose(found.forces, case["forces"], atol=1e-6)
    assert_allclose(found.stress, case["stress_ase_voigt"], atol=1e-6)


def test_wolf_as_lammps() -> None:
    """The energy of `pair_style coul/wolf`, whose forces are no derivatives of it.

    They are those of Fennell and Gezelter; ours are derivatives, as the other tests find.
    """
    case = GOLDEN["coul_wolf_NaCl64"]
    arguments = {"a": 9.0, "alpha": 0.2, "charges": NACL, "scale": 14.399645}
    energy = kernel.eval(wolf_potential_family(**arguments), case_cell(case)).energy
    forces = kernel.eval(dsf_potential_family(**arguments), case_cell(case)).forces
    assert_allclose(energy, case["energy"], rtol=1e-6)
    assert_allclose(forces, case["forces"], atol=1e-6)


CHARGED = {
    "Ewald-real": {"a": 5.0, "eta": 0.7},
    "Ewald-k": {"eta": 0.7, "k_cutoff": 7.0},
    "Ewald-self": {"eta": 0.7},
    "Ewald-total": {"a": 5.0, "accuracy": 1e-10},
    "Wolf": {"a": 5.0, "alpha": 0.5},
    "Fennell-Gezelter": {"a": 5.0, "alpha": 0.3},
}


@pytest.mark.parametrize("name", charge_families)
def test_forces_and_stress_are_slopes(name: str) -> None:
    """Of every family, as differences of energies find them."""
    potential = charge_families[name](charges={"Na": 1.2, "Cl": -1.2}, **CHARGED[name])
    cell = salt()
    found = kernel.eval(potential, cell)
    rng = np.random.default_rng(1)
    move, strain = rng.normal(size=(8, 3)), rng.normal(size=(3, 3)) / 3
    strain = strain + strain.T

    def energy(x: float, y: float) -> float:
        vectors = cell.vectors @ (np.eye(3) + y * strain)
        at = cell.coordinates + x * move @ np.linalg.inv(cell.vectors)
        return kernel.eval(potential, Cell(vectors, at, cell.values)).energy

    step = 1e-4
    slope = (energy(step, 0) - energy(-step, 0)) / (2 * step)
    assert_allclose(-np.vdot(found.forces, move), slope, rtol=1e-6, atol=1e-7)
    slope = (energy(0, step) - energy(0, -step)) / (2 * step)
    assert_allclose(np.vdot(found.strain_derivative, strain), slope, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", charge_families)
def test_files(name: str, tmp_path: Path) -> None:
    """State, pickle and all files give the same potential back."""
    potential = charge_families[name](charges=NACL, **CHARGED[name])
    assert potential_from_state_dict(potential.state_dict()).state_dict() == potential.state_dict()
    copies = [pickle.loads(pickle.dumps(potential))]
    for ending in ("pt", "json", "yml"):
        ml.save_potentials(tmp_path / f"p.{ending}", [potential])
        copies += ml.load_potentials(tmp_path / f"p.{ending}")
    energy = kernel.eval(potential, salt()).energy
    for copy in copies:
        assert repr(copy) == repr(potential)
        assert kernel.eval(copy, salt()).energy == energy


def test_charges_of_the_structure() -> None:
    """Under `charges` or ASE's name in meta; what the potential names goes before."""
    own = np.where(np.array(salt().values) == "Na", 0.7, -0.7)
    potential = ewald_total_potential_family(a=5.0, accuracy=1e-9)
    wanted = kernel.eval(TOTAL, salt())
    for name in ("charges", "initial_charges"):
        found = kernel.eval(potential, salt(meta={name: own}))
        assert_allclose(found.energy, 0.49 * wanted.energy, rtol=1e-7)
        np.testing.assert_array_equal(found.charges, own)
    assert kernel.eval(TOTAL, salt(meta={"charges": own})).energy == wanted.energy


def test_ase() -> None:
    """Initial charges are charges; the calculator gives forces, stress, and follows changes."""
    cell = salt()
    atoms = Atoms(list(cell.values), cell.cartesian(), cell=cell.vectors, pbc=True)
    atoms.calc = MiniffCalculator([ewald_total_potential_family(a=5.0, accuracy=1e-9)])
    with pytest.raises(ValueError, match="has no charge"):
        atoms.get_potential_energy()
    atoms.set_initial_charges([NACL[name] for name in cell.values])
    wanted = kernel.eval(TOTAL, cell)
    assert_allclose(atoms.get_potential_energy(), wanted.energy, rtol=1e-9)
    assert_allclose(atoms.get_forces(), wanted.forces, atol=1e-7)
    assert_allclose(atoms.get_stress(), wanted.stress, atol=1e-8)
    atoms.set_initial_charges(2 * atoms.get_initial_charges())
    assert_allclose(atoms.get_potential_energy(), 4 * wanted.energy, rtol=1e-7)


def test_dynamics_conserve_the_energy() -> None:
    """Ions that move: charges and repulsion, 200 steps of 0.5 fs."""
    cell = salt(2)
    energies: list[float] = []
    dyn.nve(
        cell,
        [TOTAL, *REPULSION],
        timestep=0.5 * units.fs,
        n_steps=200,
        every=10,
        observe=lambda state: energies.append(state.energy),
    )
    assert np.ptp(energies) / cell.size < 1e-5


def test_relaxation() -> None:
    """Rock salt goes back to where forces and stress are zero."""
    relaxed = dyn.relax(salt(), [TOTAL, *REPULSION], free="cell")
    found = kernel.eval([TOTAL, *REPULSION], relaxed)
    assert np.abs(found.forces).max() < 1e-3
    assert np.abs(found.stress).max() < 1e-4


def test_many_at_once() -> None:
    """A list of structures, some with charges of their own."""
    cells = [salt(), salt(rattle=0.2), salt(2)]
    together = kernel.eval_many([TOTAL, *REPULSION], cells)
    for one, cell in zip(together, cells, strict=True):
        assert_allclose(one.energy, kernel.eval([TOTAL, *REPULSION], cell).energy, rtol=1e-13)


def test_energies_of_atoms() -> None:
    """`images.eval` has them beside those of local potentials."""
    images = compute_images(salt(), 7.5)
    found = images.eval([TOTAL, REPULSION[0]], "kernel")
    assert_allclose(found[0].sum(), kernel.eval(TOTAL, salt()).energy, rtol=1e-12)


REFUSED = {
    "tag": (lambda: ewald_total_potential_family("Na", a=5.0), ValueError, "`tag` is 'Na' but"),
    "one of two": (
        lambda: ewald_total_potential_family(a=5.0, eta=0.5),
        TypeError,
        "`eta` is given but `k_cutoff` is missing",
    ),
    "unknown": (lambda: wolf_potential_family(a=5.0, screening=1.0), TypeError, "screening"),
    "missing": (lambda: wolf_potential_family(a=5.0), TypeError, "`alpha` is missing"),
    "list": (
        lambda: wolf_potential_family(a=5.0, alpha=0.2, charges=[1, -1]),
        TypeError,
        "must be a mapping of species to numbers",
    ),
    "text": (
        lambda: wolf_potential_family(a=5.0, alpha=0.2, charges={"Na": "+"}),
        TypeError,
        r"`charges\[Na\]` is '\+' but must be a number",
    ),
    "switch": (
        lambda: ewald_total_potential_family(a=5.0, background=1),
        TypeError,
        "`background` is 1 but must be True or False",
    ),
    "nobody's charge": (
        lambda: kernel.eval(ewald_total_potential_family(a=5.0), salt()),
        ValueError,
        r"^Ewald-total: atom 0 \(counted from 0\), Na, has no charge",
    ),
    "a species without": (
        lambda: kernel.eval(wolf_potential_family(a=5.0, alpha=0.2, charges={"Na": 1.0}), salt()),
        ValueError,
        r"atom 4 \(counted from 0\), Cl, has no charge.*which names Na",
    ),
    "wrong length": (
        lambda: kernel.eval(TOTAL, salt(meta={"charges": np.ones(3)})),
        ValueError,
        r"`charges` has shape \(3,\) but must be \(8,\)",
    ),
    "no finite number": (
        lambda: kernel.eval(TOTAL, salt(meta={"charges": np.full(8, np.nan)})),
        ValueError,
        "`charges` must be finite numbers",
    ),
    "no total": (
        lambda: kernel.eval(TOTAL, salt(meta={"total_charge": "one"})),
        ValueError,
        "`total_charge` is 'one' but must be a finite number",
    ),
    "dense gradient": (
        lambda: compute_images(salt(), 5.0).eval(TOTAL, "kernel_gradient"),
        ValueError,
        'is of long range: a "kernel_gradient" exists for local potentials alone',
    ),
    "atomic virials": (
        lambda: kernel.atomic_virials(TOTAL, salt()),
        ValueError,
        "is of long range: a virial of each atom exists for local potentials alone",
    ),
    "descriptor": (
        lambda: ml.plan_descriptors(
            {"Na": [{"family": "Fennell-Gezelter", "a": 5.0, "alpha": 0.2}]}
        ),
        ValueError,
        "of long range",
    ),
    "open parts": (
        lambda: kernel.eval(
            ewald_self_potential_family(eta=0.5, charges=NACL),
            Cell(salt().vectors, salt().coordinates, salt().values, pbc=False),
        ),
        ValueError,
        "for structures that repeat along all cell vectors: take the total",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    """What cannot be, is said."""
    call, kind, sentence = REFUSED[name]
    with pytest.raises(kind, match=sentence):
        call()


UNUSABLE = {
    "no charge": (
        {},
        (True, True, True),
        "Ewald-total: atom 0 (counted from 0), Na, has no charge",
    ),
    "charged": (
        {"charges": np.ones(8)},
        (True, True, True),
        "the total charge is 8.0: a crystal must be neutral",
    ),
    "wire": ({"charges": np.zeros(8)}, (True, False, False), "`pbc` is [True, False, False]"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_jobs_name_the_structure(folder: Path, name: str) -> None:
    """With its file, once: alone, as a baseline, and among others in one table."""
    meta, pbc, sentence = UNUSABLE[name]
    bad = Cell(salt().vectors, salt().coordinates, salt().values, {"energy": 1.0, **meta}, pbc=pbc)
    good = salt(meta={"energy": 1.0, "charges": np.repeat([1.0, -1.0], 4)})
    Cell.save([good, bad, good], "ions.xyz")
    place = "ions.xyz, structure 1 (counted from 0)"
    ml.save_potentials("p.yml", [ewald_total_potential_family(a=5.0)])
    test = {"fn_cells": "ions.xyz", "potentials": "p.yml"}
    fit = {"fn_cells": "ions.xyz", "test_set": 0, "baseline": "p.yml"}
    for job in ({"test-direct": {"prepare": test}}, {"fit": {"prepare": fit}}):
        with pytest.raises(ValueError, match=r"^ions\.xyz") as told:
            ml_util.exec_workflows(job)
        assert str(told.value).startswith(f"{place}: {sentence}")
    failure = kernel.eval_many(ml.load_potentials("p.yml"), Cell.load("ions.xyz"))[1]
    assert str(failure).startswith(f"structure 1 ({place}): {sentence}")
