"""Cells, neighbours and scans: the manual's tutorials and what a user may give."""

import re
import subprocess
import sys
from itertools import product

import ase.build
import numpy as np
import pytest
import reference
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from miniff import kernel
from miniff.kernel import Cell, compute_images
from miniff.potentials import (
    behler2_descriptor_family,
    lj_potential_family,
    sw2_potential_family,
    sw3_potential_family,
)

SKEWED = [[3.0, 0, 0], [1.1, 2.8, 0], [-0.7, 0.9, 3.3]]
SITES = [[0.1, 0.2, 0.3], [0.6, 0.4, 0.9], [2.3, -7.6, 0.45]]
LJ = lj_potential_family(epsilon=1.0, sigma=1.0, a=2.5)


def refuses(sentence, kind=ValueError):
    """Expect a refusal that contains the sentence, word for word."""
    return pytest.raises(kind, match=re.escape(sentence))


def make_cell(**more):
    return Cell(SKEWED, SITES, ["a", "b", "a"], **more)


# --- Cell


def test_a_cell_is_what_it_was_given():
    """Cartesian positions, volume and size follow from the fields; arrays are copied in."""
    vectors, coordinates = np.array(SKEWED), np.array(SITES)
    cell = Cell(vectors, coordinates, ["a", "b", "a"], {"tag": "x"})
    vectors[:], coordinates[:] = 9, 9
    assert cell.size == 3
    assert cell.values == ("a", "b", "a")
    assert cell.meta["tag"] == "x"
    assert cell.pbc == (True, True, True)
    assert cell.volume == pytest.approx(3.0 * 2.8 * 3.3)
    expected = [sum(f * np.array(v) for f, v in zip(site, SKEWED, strict=True)) for site in SITES]
    np.testing.assert_allclose(cell.cartesian(), expected, rtol=1e-14)
    np.testing.assert_allclose(
        cell.transform_from_cartesian(cell.cartesian()), SITES, rtol=1e-13, atol=1e-14
    )
    assert Cell(cell.vectors[::-1], SITES, list("aba")).volume == pytest.approx(cell.volume)


def test_arrays_of_a_cell_are_read_only():
    """A cell cannot change under an evaluation that looks at it."""
    cell = make_cell()
    for array in (cell.vectors, cell.coordinates):
        with refuses("read-only"):
            array[0, 0] = 1
    with pytest.raises(AttributeError):
        cell.values = ("x",)


def test_a_copy_has_the_same_content():
    """Fields are equal and metadata independent."""
    cell = make_cell(meta={"energy": 1.5, "tag": "x"}, pbc=(True, False, True))
    copy = cell.copy()
    np.testing.assert_array_equal(copy.vectors, cell.vectors)
    np.testing.assert_array_equal(copy.coordinates, cell.coordinates)
    assert (copy.values, copy.meta, copy.pbc) == (cell.values, cell.meta, cell.pbc)
    copy.meta["tag"] = "y"
    assert cell.meta["tag"] == "x"


def distances_of(cell, cutoff):
    """Sorted distances of every atom, by its species and those of its neighbours."""
    pairs, vectors = reference.neighbor_list(cell.cartesian(), cell.vectors, cell.pbc, cutoff)
    r = np.linalg.norm(vectors, axis=-1)
    lists = [
        sorted(
            (cell.values[j], round(x, 9))
            for (i, j, *_), x in zip(pairs, r, strict=True)
            if i == atom
        )
        for atom in range(cell.size)
    ]
    return sorted((name, *xs) for name, xs in zip(cell.values, lists, strict=True))


@pytest.mark.parametrize("counts", [(1, 1, 1), (1, 2, 3), (3, 1, 2)])
def test_a_supercell_is_the_same_crystal(counts):
    """Trap 3: also for skewed cells with unequal repeats; texts of the metadata are kept."""
    cell = make_cell(meta={"tag": "x", "energy": 1.0})
    repeated = cell.repeated(*counts)
    n = int(np.prod(counts))
    assert repeated.size == 3 * n
    assert repeated.volume == pytest.approx(n * cell.volume)
    assert repeated.meta == {"tag": "x"}
    for small, large in zip(
        [atom for atom in distances_of(cell, 3.5) for _ in range(n)],
        distances_of(repeated, 3.5),
        strict=True,
    ):
        assert [name for name, _ in small[1:]] == [name for name, _ in large[1:]]
        np.testing.assert_allclose([x for _, x in small[1:]], [x for _, x in large[1:]], rtol=1e-9)


def test_integer_coordinates_repeat_too():
    """Trap 3: whole numbers are numbers."""
    cell = Cell([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[0, 0, 0]], ["a"]).repeated(2, 1, 1)
    np.testing.assert_array_equal(cell.coordinates, [[0, 0, 0], [0.5, 0, 0]])


@pytest.mark.usefixtures("as_installed")
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"vectors": np.eye(2)}, "`vectors` has shape (2, 2) but must be (3, 3)"),
        ({"coordinates": np.zeros((1, 3))}, "`coordinates` has shape (1, 3) but must be (2, 3)"),
        ({"coordinates": np.zeros((2, 2))}, "`coordinates` has shape (2, 2) but must be (2, 3)"),
        ({"values": ["a", "b", "c"]}, "`coordinates` has shape (2, 3) but must be (3, 3)"),
        (
            {"coordinates": [[0, 0, 0], [0, np.nan, 0]]},
            "`coordinates` is nan at [1, 1] but must be finite",
        ),
        ({"vectors": np.diag([1, 1, np.inf])}, "`vectors` is inf at [2, 2] but must be finite"),
        ({"vectors": np.diag([1, 1, 0])}, "`vectors` span no volume but the cell is periodic"),
        (
            {"vectors": np.diag([1, 1, 0]), "pbc": (True, True, False)},
            "`vectors` span no volume but the cell is periodic",
        ),
        ({"pbc": (True, False)}, "`pbc` is (True, False) but must be one or three of True and"),
        ({"pbc": 1}, "`pbc` is 1 but must be one or three of True and False"),
        ({"pbc": "xyz"}, "`pbc` is 'xyz' but must be one or three of True and False"),
    ],
)
def test_an_unfit_cell_is_refused(changes, sentence):
    """Shapes, numbers and directions are checked when a cell is made."""
    given = {"vectors": np.eye(3), "coordinates": [[0, 0, 0], [0.5, 0, 0]], "values": ["a", "b"]}
    with refuses(sentence):
        Cell(**given | changes)


def test_other_refusals_of_a_cell():
    """Repeats are positive, strains three numbers; flat boxes only where nothing repeats."""
    with pytest.raises(
        TypeError, match="`values` is 'Si' but must be a list of names, one for each"
    ):
        Cell(np.eye(3), [[0, 0, 0], [0.5, 0, 0]], "Si")
    with refuses("the numbers of copies are (1, 0, 2) but must be at least 1"):
        make_cell().repeated(1, 0, 2)
    with refuses("`factors` has shape (2,) but must be (3,)"):
        make_cell().strained([1.0, 1.0])
    assert Cell(np.zeros((3, 3)), np.zeros((1, 3)), list("a"), pbc=False).volume == 0
    with refuses("`vectors` span no volume but the cell is periodic"):
        compute_images(
            Cell(np.zeros((3, 3)), np.zeros((1, 3)), list("a"), pbc=False), 1.0, pbc=True
        )


# --- ASE


def test_ase_there_and_back():
    """Positions, mixed periodicity, information and a calculator's results survive."""
    atoms = ase.build.bulk("NaCl", "rocksalt", a=5.6)
    atoms.rattle(0.1, seed=0)
    atoms.positions[0] += 30.0
    atoms.pbc = (True, False, True)
    atoms.info["config"] = "hot"
    forces = np.arange(6.0).reshape(2, 3)
    atoms.calc = SinglePointCalculator(atoms, energy=-1.5, forces=forces, stress=np.arange(6.0))
    cell = Cell.from_ase(atoms)
    assert cell.values == ("Na", "Cl")
    assert cell.pbc == (True, False, True)
    assert cell.meta["energy"] == -1.5
    np.testing.assert_allclose(cell.cartesian(), atoms.positions, atol=1e-12)
    again = cell.to_ase()
    np.testing.assert_allclose(again.positions, atoms.positions, atol=1e-12)
    np.testing.assert_array_equal(again.cell, atoms.cell)
    np.testing.assert_array_equal(again.pbc, atoms.pbc)
    assert again.get_chemical_symbols() == ["Na", "Cl"]
    assert again.info == {"config": "hot"}
    assert again.get_potential_energy() == -1.5
    np.testing.assert_array_equal(again.get_forces(), forces)
    np.testing.assert_array_equal(again.get_stress(), np.arange(6.0))


def test_a_molecule_of_ase_has_no_images():
    """Without a cell there is nothing that repeats, and nothing is lost."""
    atoms = Atoms("OH2", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    cell = Cell.from_ase(atoms)
    assert cell.pbc == (False, False, False)
    assert len(compute_images(cell, 9.0).distances.data) == 6
    again = cell.to_ase()
    np.testing.assert_allclose(again.positions, atoms.positions, atol=1e-15)
    assert not again.pbc.any()
    assert again.calc is None


# --- CellImages


@pytest.mark.parametrize("pbc", list(product((True, False), repeat=3)))
def test_distances_are_those_of_a_search_over_all_images(pbc):
    """The sparse matrix has each atom's distances, with the columns of the images they are in."""
    cell, cutoff = make_cell(), 4.6
    images = compute_images(cell, cutoff, pbc=pbc)
    pairs, vectors = reference.neighbor_list(cell.cartesian(), SKEWED, pbc, cutoff)
    expected = {pair: np.linalg.norm(d) for pair, d in zip(pairs, vectors, strict=True)}
    assert images.cutoff == cutoff
    assert images.cell.pbc == pbc
    assert images.distances.shape == (3, 3 * len(images.shift_vectors))
    np.testing.assert_array_equal(images.shift_vectors[0], 0)
    found = images.distances.tocoo()
    for i, column, r in zip(found.row, found.col, found.data, strict=True):
        m, j = divmod(int(column), 3)
        shift = map(int, images.shift_vectors[m])
        assert r == pytest.approx(expected.pop((int(i), j, *shift)), rel=1e-12)
    assert not expected


def test_periodicity_given_to_images_replaces_that_of_the_cell():
    """The cell itself stays as it was."""
    cell = make_cell(pbc=False)
    assert compute_images(cell, 2.0).cell is cell
    assert compute_images(cell, 2.0, pbc=True).cell.pbc == (True, True, True)
    assert cell.pbc == (False, False, False)
    with refuses("`pbc` is [True] but must be one or three of True and False"):
        compute_images(cell, 2.0, pbc=[True])


def test_refusals_of_images():
    """Coincident atoms, images included, and cutoffs that are no distance."""
    with refuses("atoms 0 and 1 are at the same place (counted from 0)"):
        compute_images(Cell(np.eye(3), [[0, 0, 0], [1, 0, 0]], list("ab")), 0.5)
    with refuses("`cutoff` is nan but must be in [0, inf)"):
        compute_images(make_cell(), np.nan)


@pytest.mark.usefixtures("as_installed")
def test_an_unknown_kernel_is_refused():
    """The nearest known one is offered."""
    with refuses("`kernel_grad` is not a known kernel; did you mean `kernel_gradient`? Known: "):
        compute_images(make_cell(), 3.0).eval(LJ, "kernel_grad")


def test_an_unknown_species_is_refused():
    """A misspelt species is no silent zero, unless that is asked for."""
    images, potential = compute_images(make_cell(), 3.0), LJ.copy(tag="a-x")
    for call in (images.eval, lambda p: kernel.eval(p, images)):
        with refuses("`x` is not a known species. Known: `a`, `b`"):
            call(potential)
    assert kernel.eval(potential, images, ignore_missing_species=True).energy == 0
    assert not images.eval(potential, ignore_missing_species=True).any()


def test_virials_of_atoms_sum_over_potentials_and_to_the_stress():
    """Several potentials at once, beside the total of the compiled model."""
    potentials = [
        LJ,
        sw3_potential_family(epsilon=0.5, sigma=1.2, l=21, gamma=1.2, cos_theta0=0, a=2),
    ]
    images = compute_images(make_cell(), 3.0)
    found = kernel.atomic_virials(potentials, images)
    parts = [kernel.atomic_virials(p, images) for p in potentials]
    np.testing.assert_allclose(found, sum(parts), atol=1e-12 * np.abs(found).max())
    result = kernel.eval(potentials, images)
    np.testing.assert_allclose(found.sum(axis=0), result.virial, atol=1e-11 * np.abs(found).max())
    np.testing.assert_allclose(found, found.transpose(0, 2, 1), atol=1e-11 * np.abs(found).max())
    np.testing.assert_array_equal(kernel.atomic_virials([], make_cell()), np.zeros((3, 3, 3)))


def test_an_asymmetric_pair_has_its_virial_where_its_energy_is():
    """A bond's energy that only one atom has is all in that atom's virial."""
    cell = Cell(np.eye(3), [[0, 0, 0], [1.3, 0, 0]], ["a", "b"], pbc=False)
    potential = LJ.copy("a-b")
    found = kernel.atomic_virials(potential, cell, ignore_missing_species=True)
    slope = -24 / 1.3 * (2 * 1.3**-12 - 1.3**-6)
    np.testing.assert_allclose(found[0], np.diag([-1.3 * slope, 0, 0]), rtol=1e-12)
    np.testing.assert_array_equal(found[1], 0)


def test_sparse_gradients_hold_neighbours_alone():
    """In a chain of atoms, each energy depends on three positions; its own included."""
    cell = Cell(np.diag([20.0, 9, 9]), [[n / 20, 0, 0] for n in range(20)], ["a"] * 20)
    potential = lj_potential_family(epsilon=1.0, sigma=1.0, a=1.5)
    gradient = compute_images(cell, 1.5).sparse_gradient(potential)
    assert gradient.shape == (20, 60)
    assert gradient.nnz == 20 * 9
    images = compute_images(make_cell(), 2.0)
    with refuses("`x` is not a known species. Known: `a`, `b`"):
        images.sparse_gradient(LJ.copy("a-x"))
    assert (
        images.sparse_gradient(
            lj_potential_family("a-x", epsilon=1, sigma=1, a=1.5), ignore_missing_species=True
        ).nnz
        == 0
    )
    for call in (images.sparse_gradient, lambda p: kernel.atomic_virials(p, images)):
        with refuses("`cutoff` of the neighbour list is 2.0 but must be at least 2.5"):
            call(LJ)


def test_virials_of_atoms_without_an_energy_are_refused():
    """As the total is."""
    with refuses("the structure has atoms of b but the potentials give energies only to"):
        kernel.atomic_virials(LJ.copy("a-a"), make_cell())


def test_shapes_of_kernels():
    """One potential gives [n] or [n, n, 3], a list one axis more; gradients are of each e_i."""
    images = compute_images(make_cell(), 2.5)
    assert images.eval(LJ, "kernel").shape == (3,)
    assert images.eval([LJ], "kernel").shape == (1, 3)
    assert images.eval([], "kernel").shape == (0, 3)
    dense = images.eval([LJ, LJ.copy(tag="a-b")], "kernel_gradient")
    assert dense.shape == (2, 3, 3, 3)
    result = kernel.eval([LJ, LJ.copy(tag="a-b")], images)
    scale = np.abs(dense).max()
    np.testing.assert_allclose(dense.sum(axis=(0, 1)), result.gradient, atol=1e-12 * scale)
    np.testing.assert_array_equal(dense[1, 1], 0)


def test_signs_and_units_of_stress():
    """forces = -gradient, virial = -dE/dstrain, stress = dE/dstrain / V; a molecule has none."""
    result = kernel.eval([LJ], make_cell())
    np.testing.assert_array_equal(result.forces, -result.gradient)
    np.testing.assert_array_equal(result.virial, -result.strain_derivative)
    xx, yy, zz, yz, xz, xy = result.stress * result.volume
    np.testing.assert_allclose(
        result.strain_derivative,
        [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]],
        atol=1e-12 * np.abs(result.virial).max(),
    )
    with refuses("a structure that repeats in no direction has no stress"):
        _ = kernel.eval([LJ], make_cell(pbc=False)).stress


def test_no_potential_is_no_energy():
    """An empty list of potentials is not an error."""
    result = kernel.eval([], make_cell())
    assert result.energy == 0
    np.testing.assert_array_equal(result.gradient, np.zeros((3, 3)))


def test_importing_the_kernel_is_light():
    """Neither torch nor matplotlib nor SciPy is loaded."""
    script = "import sys, miniff.kernel; print({'matplotlib', 'scipy', 'torch'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert loaded.stdout.strip() == b"set()"


# --- the manual


def test_tutorial_2_counts_neighbours():
    """The cosine kernel summed over a dense distance matrix is Behler 2 with eta = 0."""
    n, a = 100, 0.3
    r = np.random.default_rng(0).random((n, 3))
    mdist = np.linalg.norm(r[:, None, :] - r[None, :, :], axis=-1)
    naive = ((1 + np.cos(np.pi * mdist / a)) / 2 * (mdist < a)).sum(axis=0) - 1
    cell = Cell(np.eye(3), r, ["a"] * len(r))
    images = compute_images(cell, cutoff=a, pbc=False)
    assert len(images.distances.data) == (mdist < a).sum() - n
    descriptor = behler2_descriptor_family(a=a, eta=0)
    result = images.eval(descriptor.copy(tag="a-a"), "kernel")
    np.testing.assert_allclose(result, naive, rtol=1e-12, atol=1e-13)


TUTORIAL_3 = {
    "sc": (np.eye(3), [[0, 0, 0]], -1.87312, 0.512),
    "bcc": (np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], -1.87022, 0.537),
    "fcc": (
        np.eye(3),
        [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
        -1.81629,
        0.512,
    ),
    "diamond": (
        [[0, 1, 1], [1, 0, 1], [1, 1, 0]],
        [[0, 0, 0], [0.25, 0.25, 0.25]],
        -1.99978,
        0.463,
    ),
}


def silicon():
    """The potentials of the tutorial."""
    scale = {"epsilon": 0.5, "sigma": 1, "a": 1.8}
    return [
        sw2_potential_family(gauge_a=7.049556227, gauge_b=0.6022245584, p=4, q=0, **scale),
        sw3_potential_family(l=21, gamma=1.2, cos_theta0=-1.0 / 3, **scale),
    ]


@pytest.mark.usefixtures("as_installed")  # the manual's whole numbers stand for floats
@pytest.mark.parametrize("crystal", TUTORIAL_3)
def test_tutorial_3_finds_the_minima_of_stillinger_and_weber(crystal):
    """Fig. 1 of Phys. Rev. B 31, 5262 (1985): depth and density of each crystal's minimum."""
    vectors, sites, depth, place = TUTORIAL_3[crystal]
    cell = Cell(vectors, sites, ["si"] * len(sites), meta={"tag": crystal})
    density = np.linspace(0.3, 0.7)
    strain = (cell.size / cell.volume / density) ** (1.0 / 3)
    energies = kernel.profile_directed_strain(silicon(), cell, strain, (1, 1, 1)) / cell.size
    assert energies.min() == pytest.approx(depth, abs=1e-5)
    assert density[energies.argmin()] == pytest.approx(place, abs=1e-3)


# --- scans


def test_profiles_are_energies_one_by_one():
    """The product of grids is walked in order; each value is that of one evaluation."""
    first, second = np.array([0.9, 1.0, 1.2]), np.array([1.0, 1.1])
    cell = make_cell()
    found = kernel.profile_strain([LJ], cell, first, second)
    assert found.shape == (3, 2)
    for (i, x), (j, y) in product(enumerate(first), enumerate(second)):
        there = Cell(cell.vectors * np.array([[x], [y], [1]]), cell.coordinates, cell.values)
        assert found[i, j] == pytest.approx(kernel.eval([LJ], there).energy, rel=1e-12)
    directed = kernel.profile_directed_strain([LJ], cell, first, (1.0, 0.0, 0.0))
    np.testing.assert_allclose(directed, found[:, 0], rtol=1e-12)
    r = np.array([1.0, 1.5, 2.0])
    dimer = kernel.profile(
        [LJ], lambda x: Cell(np.eye(3), [[0, 0, 0], [x, 0, 0]], list("aa"), pbc=False), r
    )
    np.testing.assert_allclose(dimer, 8 * (r**-12 - r**-6), rtol=1e-12)


def test_profiles_of_nothing():
    """Empty cells have no energy, empty grids no values."""
    empty = Cell(np.eye(3), np.zeros((0, 3)), ())
    np.testing.assert_array_equal(kernel.profile_strain([LJ], empty, np.ones(2)), [0.0, 0.0])
    assert kernel.profile_strain([LJ], make_cell(), np.ones(0)).shape == (0,)
    with refuses("0 grids of strain are given but 1 to 3 are needed"):
        kernel.profile_strain([LJ], make_cell())
