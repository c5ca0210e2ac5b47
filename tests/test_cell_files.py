"""Cells come back from files as they were, to the bit where the file has the same numbers."""

import json
import re

import ase
import ase.build
import ase.io
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniff.io import StructureError, read_structures
from miniff.kernel import Cell


def random_cell(seed, pbc=True, n_atoms=None):
    """Any box, atoms in and out of it, all that can be known."""
    rng = np.random.default_rng(seed)
    n = rng.integers(1, 9) if n_atoms is None else n_atoms
    meta = {
        "energy": rng.normal(),
        "forces": rng.normal(size=(n, 3)),
        "charges": rng.normal(size=n),
        "partial-energy": rng.normal(size=n),
        "masked": rng.integers(0, 2, size=(n, 2)).astype(bool),
        "dipole": rng.normal(size=3),
        "tag": "7",
        "step": 3,
        "history": {"of": ["a", 1, None]},
    }
    if np.any(pbc):
        meta["stress"] = rng.normal(size=6)
    species = rng.choice(["Si", "O", "H"], size=n).tolist()
    vectors = rng.normal(size=(3, 3)) * rng.uniform(1, 20)
    return Cell(vectors, rng.normal(size=(n, 3)), species, meta, pbc=pbc)


def assert_same_meta(found, expected):
    """The same, but for `source`."""
    assert found.keys() - {"source"} == expected.keys() - {"source"}
    for name in expected.keys() - {"source"}:
        if isinstance(expected[name], np.ndarray):
            np.testing.assert_array_equal(found[name], expected[name])
            assert found[name].dtype == expected[name].dtype
        else:
            assert found[name] == expected[name]


@given(seed=st.integers(0, 2**32 - 1))
@pytest.mark.parametrize("name", ["cells.json", "cells.json.gz"])
def test_json_gives_cells_back_to_the_bit(tmp_path_factory, name, seed):
    """Vectors, fractional coordinates and everything in `meta`."""
    path = tmp_path_factory.getbasetemp() / name
    cells = [random_cell(seed), random_cell(seed + 1)]
    Cell.save(cells, path)
    for found, cell in zip(Cell.load(path), cells, strict=True):
        np.testing.assert_array_equal(found.vectors, cell.vectors)
        np.testing.assert_array_equal(found.coordinates, cell.coordinates)
        assert (found.values, found.pbc) == (cell.values, cell.pbc)
        assert_same_meta(found.meta, cell.meta)


@given(seed=st.integers(0, 2**32 - 1), pbc=st.tuples(*[st.booleans()] * 3))
@pytest.mark.parametrize("name", ["cells.xyz", "cells.extxyz", "cells.extxyz.xz"])
def test_extended_xyz_gives_cells_back(tmp_path_factory, name, seed, pbc):
    """All to the bit but fractional coordinates: the file has cartesian positions."""
    path = tmp_path_factory.getbasetemp() / name
    cells = [random_cell(seed, pbc), random_cell(seed + 1, pbc)]
    Cell.save(cells, path)
    for found, written, cell in zip(Cell.load(path), read_structures(path), cells, strict=True):
        np.testing.assert_array_equal(found.vectors, cell.vectors)
        np.testing.assert_array_equal(written.positions, cell.cartesian())
        condition = np.linalg.cond(cell.vectors)
        np.testing.assert_allclose(
            found.coordinates, cell.coordinates, rtol=0, atol=1e-14 * condition
        )
        assert (found.values, found.pbc) == (cell.values, cell.pbc)
        assert_same_meta(found.meta, cell.meta)


def test_the_manual_s_json_is_written(folder):
    """Keys and names of fields as typed here; ASE finds the same in extended XYZ."""
    cell = Cell(
        4 * np.eye(3),
        [[0, 0, 0.5]],
        ["Si"],
        {"energy": -3.5, "forces": np.array([[0.1, 0, 0]]), "charges": np.array([0.25])},
    )
    Cell.save(cell, "one.json")

    def array(data):
        return {"_type": "numpy", "data": data, "complex": False, "units": None}

    assert json.loads((folder / "one.json").read_text()) == [
        {
            "type": "dfttools.utypes.CrystalCell",
            "vectors": array([[4, 0, 0], [0, 4, 0], [0, 0, 4]]),
            "coordinates": array([[0, 0, 0.5]]),
            "values": ["Si"],
            "meta": {
                "total-energy": -3.5,
                "forces": array([[0.1, 0, 0]]),
                "charges": array([0.25]),
            },
        }
    ]
    Cell.save([cell], "one.extxyz")
    atoms = ase.io.read("one.extxyz")
    np.testing.assert_array_equal(atoms.positions, [[0, 0, 2]])
    assert atoms.get_potential_energy() == -3.5
    np.testing.assert_array_equal(atoms.calc.results["charges"], [0.25])


def test_whatever_is_readable_is_loaded(folder):
    """A single object of json, a plain molecule, a file of another program."""
    entry = {"vectors": np.eye(3).tolist(), "coordinates": [[0, 0, 0]], "values": ["BC"]}
    (folder / "one.json").write_text(json.dumps(entry | {"meta": {"total-energy": 2.0}}))
    (cell,) = Cell.load("one.json")
    assert cell.meta == {"energy": 2.0, "source": "one.json, structure 0 (counted from 0)"}
    assert cell.values == ("BC",)
    (folder / "water.xyz").write_text("3\n\nO 0 0 0\nH 1 0 0\nH 0 1 0\n")
    (water,) = Cell.load("water.xyz")
    assert water.pbc == (False, False, False)
    np.testing.assert_array_equal(water.cartesian()[1], [1, 0, 0])
    Cell.save(water, "again.xyz")
    assert "Lattice" not in (folder / "again.xyz").read_text()
    silicon = ase.build.bulk("Si")
    ase.io.write("si.vasp", silicon)
    (found,) = Cell.load("si.vasp")
    np.testing.assert_allclose(found.cartesian(), silicon.positions, atol=1e-12)
    ase.io.write("si.cif", silicon)
    (crystal,) = Cell.load("si.cif")
    assert crystal.meta["spacegroup"] == "P 1"
    assert len(Cell.load(["si.vasp", "water.xyz"])) == 2


@pytest.mark.parametrize("given", [(0, 1), (1, 2), (2,), (0,)])
def test_vectors_that_are_none_stay_none(folder, given):
    """Of slabs and wires: in the cell unit vectors stand for them, in files and ASE zeros."""
    vectors, pbc = np.zeros((3, 3)), [k in given for k in range(3)]
    for k in given:
        vectors[k] = [[4.0, 0.5, 0.0], [0.2, 5.0, 0.1], [0.3, 0.0, 6.0]][k]
    atoms = ase.Atoms("Si2", [[0, 0, 0], [1, 2, 1.5]], cell=vectors, pbc=pbc)
    cell = Cell.from_ase(atoms)
    assert not cell.has_volume
    assert abs(np.linalg.det(cell.vectors)) > 1
    np.testing.assert_allclose(cell.cartesian(), atoms.positions, atol=1e-14)
    Cell.save(cell, "a.xyz")
    (again,) = Cell.load("a.xyz")
    np.testing.assert_array_equal(again.vectors, cell.vectors)
    assert again.pbc == cell.pbc
    np.testing.assert_array_equal(cell.to_ase().cell.array, vectors)
    high = vectors + np.diag([9.0 * (k not in given) for k in range(3)])
    assert Cell.from_ase(ase.Atoms("Si", cell=high, pbc=pbc)).has_volume
    flat = ase.Atoms("Si", cell=[[4, 0, 0], [8, 0, 0], [0, 0, 0]], pbc=[True, True, False])
    with pytest.raises(StructureError, match="`vectors` span no volume but must"):
        Cell.from_ase(flat)


def test_rows_for_atoms_become_columns_where_that_is_certain(folder):
    """Three numbers of three atoms may be a vector: only known names are taken for columns."""
    meta = {"dipole": np.ones(3), "charges": np.ones(3), "forces_pbe": np.ones((3, 3))}
    cell = Cell(4 * np.eye(3), np.zeros((3, 3)), ["O", "H", "H"], meta)
    assert set(cell.to_structure().arrays) == {"charges"}
    meta = {"dipole": np.ones(3), "forces_pbe": np.ones((4, 3)), "list": [1, 2, 3, 4]}
    cell = Cell(4 * np.eye(3), np.zeros((4, 3)), ["O", "H", "H", "H"], meta)
    assert set(cell.to_structure().arrays) == {"forces_pbe"}


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("a.cif", {}, "a.cif must end in .json, .xyz, .extxyz or .data, packed"),
        ("a.gz", {}, "a.gz must end in .json"),
        (
            "a.json",
            {"pbc": (True, True, False)},
            "cell: `pbc` is (True, True, False) but a cell in .json repeats along all three "
            "vectors; save it as .extxyz",
        ),
        (
            "a.json",
            {"meta": {"energy": 1.0, "total-energy": 2.0}},
            "cell: `energy` and `total-energy` of `meta` have one place in .json",
        ),
        ("a.json", {"meta": {"f": print}}, "`f` is builtin_function_or_method, which json cannot"),
        ("a.json", {"meta": {"f": {1: 2}}}, "cell: `f` has the key 1, which json cannot hold"),
        (
            "a.json",
            {"meta": {"f": np.array(["2020-01-01"], "M8[D]")}},
            "cell: `f` is array of datetime64[D], which json cannot hold",
        ),
        ("a.json", {"meta": {"forces": np.zeros(3)}}, "`forces` has shape (3,) but must be (1, 3)"),
        ("a.xyz", {"meta": {"forces": np.zeros(3)}}, "`forces` has shape (3,) but must be (1, 3)"),
        ("a.xyz", {"values": ["BC"]}, "species 'BC' is not a chemical symbol"),
    ],
)
@pytest.mark.usefixtures("as_installed")
def test_what_a_file_cannot_hold_is_refused(folder, name, changes, sentence):
    """No file appears, and one that is there stays as it was."""
    (folder / name).write_text("as it was")
    fields = {"vectors": np.eye(3), "coordinates": [[0, 0, 0]], "values": ["Si"]} | changes
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Cell.save(Cell(**fields), name)
    assert (folder / name).read_text() == "as it was"
    with pytest.raises(ValueError, match=f"{name}: no structure to write"):
        Cell.save([], name)


def test_ambiguous_names_are_refused(folder):
    """`meta` has one place for what the file has twice; `energy` has a name of its own in json."""
    (folder / "a.xyz").write_text("1\nProperties=species:S:1:pos:R:3:x:R:1 x=1\nSi 0 0 0 1\n")
    sentence = "a.xyz, structure 0 (counted from 0): `x` is given for the structure and for its"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Cell.load("a.xyz")
    entry = {"vectors": np.eye(3).tolist(), "coordinates": [[0, 0, 0]], "values": ["Si"]}
    (folder / "a.json").write_text(json.dumps(entry | {"meta": {"energy": 2.0}}))
    sentence = "`energy` of `meta` must be called `total-energy` in such a file"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Cell.load("a.json")
