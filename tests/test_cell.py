"""Cells: what they hold, copies, supercells, and ASE's atoms there and back."""

import ase.build
import numpy as np
import pytest
import reference
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from refusals import refuses
from skewed_cell import SITES, SKEWED, make_cell

from miniff.kernel import Cell, compute_images


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
