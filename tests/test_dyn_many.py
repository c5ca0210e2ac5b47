"""Many structures at once: each goes where it would go alone, and harms no other."""

import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from ase import Atoms, units
from ase.constraints import FixAtoms
from numpy import testing
from silicon import SILICON

from miniff.dyn import NotConvergedWarning, nve, nvt_many, relax, relax_many
from miniff.kernel import Cell, StructureFailure
from miniff.kernel import eval as evaluate
from miniff.potentials import LocalPotential, general_pair_potential_family, lj_potential_family

FS = units.fs
DIAMOND = Cell(2.7155 * (1 - np.eye(3)), [[0, 0, 0], [0.25, 0.25, 0.25]], ["Si", "Si"])
ARGON = lj_potential_family(epsilon=0.0104 / 2, sigma=3.4, a=2.5)


def crystals(n: int, seed: int, displaced: float = 0.1) -> list[Cell]:
    """Strained and rattled silicon of 2 and 16 atoms in turn."""
    rng = np.random.default_rng(seed)
    found = []
    for k in range(n):
        cell = DIAMOND if k % 2 else DIAMOND.repeated(2, 2, 2)
        vectors = cell.vectors @ (np.eye(3) + rng.normal(scale=0.02, size=(3, 3)))
        moves = rng.normal(scale=displaced, size=(cell.size, 3)) @ np.linalg.inv(vectors)
        found.append(Cell(vectors, cell.coordinates + moves, cell.values, {"source": f"frame {k}"}))
    return found


def clusters(n: int, seed: int) -> list[Cell]:
    """Molecules of argon that repeat nowhere."""
    rng = np.random.default_rng(seed)
    corners = np.array([[0, 0, 0], [3.8, 0, 0], [1.9, 3.3, 0], [1.9, 1.1, 3.1]])
    found = []
    for k in range(n):
        size = 2 + k % 3
        positions = corners[:size] + rng.normal(scale=0.2, size=(size, 3))
        found.append(Cell(np.eye(3), positions, ["Ar"] * size, pbc=False))
    return found


@pytest.mark.parametrize(
    ("free", "pressure"), [("positions", 0.0), ("cell", 0.0), ("cell", 0.02), ("volume", -0.01)]
)
def test_minima_are_those_of_one_after_the_other(free: str, pressure: float) -> None:
    """ASE's optimiser and cell filter find the same energies, volumes and places."""
    cells = crystals(6, seed=1)
    found = relax_many(cells, SILICON, free=free, pressure=pressure, tolerance=1e-4)
    for cell, one in zip(cells, found, strict=True):
        assert isinstance(one, Cell)
        alone = relax(cell, SILICON, free=free, pressure=pressure, tolerance=1e-4)
        testing.assert_allclose(one.meta["energy"], alone.meta["energy"], atol=1e-6 * cell.size)
        testing.assert_allclose(one.volume, alone.volume, rtol=1e-4)
        assert one.meta["converged"] is True
        assert one.meta["source"] == cell.meta["source"]
        again = evaluate(SILICON, one)
        testing.assert_allclose(one.meta["energy"], again.energy, rtol=1e-12)
        testing.assert_allclose(one.meta["forces"], again.forces, atol=1e-12)
        testing.assert_allclose(one.meta["stress"], again.stress, atol=1e-14)
        assert np.linalg.norm(again.forces, axis=1).max() < 1e-4
        if free == "cell":
            testing.assert_allclose(again.stress, [-pressure] * 3 + [0] * 3, atol=2e-5)


def test_molecules_relax_where_nothing_repeats() -> None:
    """Dimers, triangles and tetrahedra with all bonds as long as the dimer's."""
    found = relax_many(clusters(9, seed=2), ARGON, tolerance=1e-6)
    for one in found:
        positions = one.cartesian()
        bonds = np.linalg.norm(positions[:, None] - positions, axis=2)[np.triu_indices(one.size, 1)]
        testing.assert_allclose(bonds, 2 ** (1 / 6) * 3.4, rtol=1e-5)
        assert "stress" not in one.meta


def test_what_is_not_there_yet_is_told() -> None:
    """A warning counts the structures whose forces are above the tolerance."""
    cells = crystals(4, seed=3)
    with pytest.warns(NotConvergedWarning, match="after 2 steps 4 of 4 structures have forces"):
        found = relax_many(cells, SILICON, max_steps=2)
    assert [one.meta["converged"] for one in found] == [False] * 4
    assert [one.meta["n_steps"] for one in found] == [2] * 4
    (relaxed,) = relax_many([DIAMOND], SILICON)
    assert relaxed.meta["n_steps"] == 0
    assert relax_many([], SILICON) == []


def attraction(below: float, value: float) -> list[LocalPotential]:
    """A straight line up to 3, and a value of no use where atoms are closer than something."""
    return [
        general_pair_potential_family(
            f=lambda x: np.where(x < below, value, 0.1 * (x - 3)),
            df_dr=lambda x: np.full_like(x, 0.1),
            a=3.0,
        )
    ]


def pairs_of_atoms(*distances: float) -> list[Cell]:
    return [
        Cell(np.eye(3), [[0, 0, 0], [0, 0, d]], ["Ar", "Ar"], {"source": f"at {d}"}, pbc=False)
        for d in distances
    ]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (1.7e308, "the energy is inf, no finite number"),
        (np.nan, "`f` gives nan at r ="),
    ],
)
def test_structure_that_breaks_harms_no_other(value: float, sentence: str) -> None:
    """It is named, with the step and the cause; the others end as if alone."""
    potentials, cells = attraction(1.0, value), pairs_of_atoms(1.5, 4.0, 1.2, 5.0)
    found = relax_many(cells, potentials)
    for k in (0, 2):
        broken = found[k]
        assert isinstance(broken, StructureFailure)
        assert (broken.index, broken.source) == (k, cells[k].meta["source"])
        assert isinstance(broken.error, FloatingPointError)
        where = re.escape(f"structure {k} ({broken.source}): at step ")
        assert re.match(
            rf"{where}[1-9]\d* {re.escape(sentence)}.*: atoms came too close, or the", str(broken)
        )
    for k in (1, 3):
        assert found[k].meta["energy"] == 0
    moved = nvt_many(cells, potentials, n_steps=200, timestep=2 * FS, temperature=300.0)
    assert [isinstance(one, StructureFailure) for one in moved] == [True, False, True, False]
    assert all(np.isfinite(moved[k].positions).all() for k in (1, 3))


def test_fast_atoms_are_told() -> None:
    """An atom that flies through others in one step breaks its structure, and no other."""
    momenta = [np.zeros((2, 3)), np.array([[0.0, 0, 0], [0, 0, 1e4]])]
    given = [Atoms("Ar2", [[0, 0, 0], [0, 0, 4]], momenta=p) for p in momenta]
    found = nvt_many(
        given, ARGON, n_steps=3, timestep=FS, temperature=0.0, relaxation_time=float("inf")
    )
    assert not isinstance(found[0], StructureFailure)
    assert "at step 1 atom 1 (counted from 0) moves by" in str(found[1])


def test_without_a_thermostat_motion_is_newtons() -> None:
    """The same positions and energies as `nve`, structure by structure."""
    rng = np.random.default_rng(4)
    given = []
    for cell in crystals(5, seed=4):
        atoms = cell.to_ase()
        atoms.set_momenta(rng.normal(scale=1.0, size=(len(atoms), 3)))
        given.append(atoms)
    found = nvt_many(
        given, SILICON, n_steps=150, timestep=FS, temperature=0.0, relaxation_time=float("inf")
    )
    for atoms, one in zip(given, found, strict=True):
        alone = nve(atoms, SILICON, n_steps=150, timestep=FS)
        testing.assert_allclose(one.positions, alone.positions, atol=1e-9)
        testing.assert_allclose(one.velocities, alone.velocities, atol=1e-9)
        testing.assert_allclose(one.energy, alone.energy, rtol=1e-11)
        testing.assert_allclose(one.drift, alone.drift, atol=1e-9)
        again = evaluate(SILICON, one.cell)
        testing.assert_allclose(one.forces, again.forces, atol=1e-10)
        testing.assert_allclose(one.pressure, alone.pressure, atol=1e-9)


def test_equipartition() -> None:
    """Of 800 pairs of atoms on springs the kinetic energy is 6/2 kB T and that of the springs 3/2
    kB T on average, each within 4 standard deviations of its mean.

    After ten relaxation times what was left of the beginning is below 1e-3 kB T.
    """
    stiffness, temperature, n = 2.0, 400.0, 800
    spring = general_pair_potential_family(
        f=lambda r: stiffness * r**2 / 4, df_dr=lambda r: stiffness * r / 2, a=50.0
    )
    rng = np.random.default_rng(5)
    cells = [
        Cell(np.eye(3), [[0, 0, 0], rng.normal(scale=0.2, size=3)], ["C", "C"], pbc=False)
        for _ in range(n)
    ]
    found = nvt_many(
        cells, spring, n_steps=200, timestep=FS, temperature=temperature, relaxation_time=20 * FS
    )
    thermal = units.kB * temperature
    kinetic = np.array([one.kinetic_energy for one in found]) / thermal
    potential = np.array([one.potential_energy for one in found]) / thermal
    assert abs(kinetic.mean() - 3.0) < 4 * np.sqrt(3.0 / n)
    assert abs(potential.mean() - 1.5) < 4 * np.sqrt(1.5 / n)
    assert abs(kinetic.var() / 3.0 - 1) < 4 * np.sqrt(4.0 / n)  # as for a gamma distribution


def test_structures_are_heated() -> None:
    """Between two temperatures, and the same seed gives the same numbers."""
    seen: list[int] = []

    def run(temperature: tuple[float, float]) -> np.ndarray:
        found = nvt_many(
            crystals(40, seed=6, displaced=0.0),
            SILICON,
            n_steps=300,
            timestep=FS,
            temperature=temperature,
            relaxation_time=10 * FS,
            seed=7,
            observe=lambda states: seen.append(len(states)),
            every=100,
        )
        return np.array([one.temperature for one in found])

    heated = run((100.0, 600.0))
    n_degrees = 40 * 27
    assert abs(heated.mean() / 600 - 1) < 0.05 + 4 * np.sqrt(2 / n_degrees)
    assert seen == [40] * 4
    testing.assert_array_equal(run((100.0, 600.0)), heated)


def test_threads_do_not_change_a_bit() -> None:
    """Nor does the number of structures beside change where one relaxes to, beyond rounding."""
    cells = crystals(80, seed=8)
    together = relax_many(cells, SILICON, free="cell")
    for k in (0, 41, 79):
        (alone,) = relax_many([cells[k]], SILICON, free="cell")
        testing.assert_allclose(alone.cartesian(), together[k].cartesian(), atol=1e-8)
        assert alone.meta["n_steps"] == together[k].meta["n_steps"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"free": "shape"}, "`shape` is not a known choice of what is free"),
        ({"pressure": 1.0}, "`pressure` is 1.0 but the cell cannot give way"),
        ({"tolerance": 0.0}, "`tolerance` is 0.0 but must be in (0, inf)"),
        ({"max_steps": -1}, "`max_steps` is -1 but must be in [0, inf)"),
        ({"skin": 0.0}, "`skin` is 0.0 but must be in (0, inf)"),
    ],
)
def test_relaxations_out_of_range_are_refused(
    as_installed: None, options: dict, sentence: str
) -> None:
    """Before anything moves."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        relax_many([DIAMOND], SILICON, **options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"n_steps": -1}, "`n_steps` is -1 but must be in [0, inf)"),
        ({"every": 0}, "`every` is 0 but must be in [1, inf)"),
        ({"timestep": 0.0}, "`timestep` is 0.0 but must be in (0, inf)"),
        ({"relaxation_time": 0.0}, "`relaxation_time` is 0.0 but must be in (0, inf]"),
        ({"temperature": (300.0, -1.0)}, "`temperature` is -1.0 but must be in [0, inf)"),
    ],
)
def test_motions_out_of_range_are_refused(options: dict, sentence: str) -> None:
    """Before anything moves."""
    right = {"n_steps": 1, "timestep": FS, "temperature": 300.0}
    with pytest.raises(ValueError, match=re.escape(sentence)):
        nvt_many([DIAMOND], SILICON, **{**right, **options})


def test_structures_that_cannot_begin_are_named() -> None:
    """With their number and where they came from, and others go on."""
    other = Cell(np.eye(3) * 5, [[0, 0, 0]], ["C"], {"source": "b.xyz, frame 3"})
    same = Cell(np.eye(3) * 5, [[0, 0, 0], [1, 0, 0]], ["Si", "Si"])
    empty = Cell(np.eye(3) * 5, np.zeros((0, 3)), [])
    two, three = SILICON
    tagged = [two.copy(tag="Si-Si"), three.copy(tag="Si-Si-Si")]
    sentences = [
        "structure 0 (b.xyz, frame 3): the structure has atoms of C",
        "structure 1: atoms 0 and 1 are at the same place",
        "structure 2: there are no atoms",
    ]
    for found in (
        relax_many([other, same, empty, DIAMOND], tagged, free="cell"),
        nvt_many([other, same, empty, DIAMOND], tagged, n_steps=1, timestep=FS, temperature=1.0),
    ):
        for one, sentence in zip(found, sentences, strict=False):
            assert isinstance(one, StructureFailure)
            assert str(one).startswith(sentence)
            assert isinstance(one.error, ValueError)
        assert not isinstance(found[3], StructureFailure)


def test_what_is_for_other_functions_is_refused() -> None:
    """Constraints, slabs with a free cell, and no potential at all."""
    slab = Cell(np.eye(3) * 5, [[0, 0, 0]], ["Si"], pbc=(True, True, False))
    with pytest.raises(ValueError, match="a free cell must repeat along all three vectors here"):
        relax_many([DIAMOND, slab], SILICON, free="cell")
    fixed = Atoms("Si2", [[0, 0, 0], [0, 0, 2.3]], constraint=FixAtoms([0]))
    with pytest.raises(ValueError, match=r"structure 0 \(counted from 0\) has constraints"):
        relax_many([fixed], SILICON)
    with pytest.raises(ValueError, match=r"structure 0 .*constraints"):
        nvt_many([fixed], SILICON, n_steps=1, timestep=FS, temperature=1.0)
    with pytest.raises(ValueError, match="`potentials` is empty"):
        relax_many([], [])


def test_workers_of_an_executor_share_the_structures() -> None:
    """The same minima in the same order, and a failure has its place in the whole list."""
    cells = crystals(7, seed=9)
    cells.insert(4, Cell(np.eye(3) * 5, np.zeros((2, 3)), ["Si"] * 2, {"source": "bad.xyz"}))
    with ThreadPoolExecutor(2) as executor:
        found = relax_many(cells, SILICON, executor=executor)
    for k, (one, alone) in enumerate(zip(found, relax_many(cells, SILICON), strict=True)):
        if k == 4:
            assert str(one).startswith("structure 4 (bad.xyz): atoms 0 and 1 are at the same place")
        else:
            testing.assert_allclose(one.meta["energy"], alone.meta["energy"], atol=1e-9)


def test_something_else_than_structures_is_refused(as_installed: None) -> None:
    """One structure is no list of structures."""
    with pytest.raises(TypeError, match="`cells` is Cell but must be a list of structures"):
        relax_many(DIAMOND, SILICON)
    with pytest.raises(TypeError, match="`cells` has str at 1 but must have Cells"):
        relax_many([DIAMOND, "Si"], SILICON)
