"""The JSON cells of the manual, against numbers typed here."""

import json

import numpy as np
import pytest
from io_structures import refuses

from miniff.io import (
    CellRecord,
    read_json_cells,
    read_structures,
    write_json_cells,
)


def make_cell(**changes):
    fields = {
        "type": "dfttools.utypes.CrystalCell",
        "vectors": [[4, 0, 0], [1, 4, 0], [0, 0, 4]],
        "coordinates": [[0, 0, 0], [0.5, 0.5, -0.25]],
        "values": ["Si", "Ge"],
        "meta": {"total-energy": -3.5, "forces": [[0.1, 0, 0], [-0.1, 0, 0]], "tag": "hot"},
    }
    return {key: value for key, value in (fields | changes).items() if value is not ...}


def test_the_json_of_the_manual_is_read(folder):
    """A list and a single object, nested lists and tagged arrays, mean the same."""
    tagged = make_cell(
        vectors={"_type": "numpy", "data": make_cell()["vectors"], "complex": False, "units": None}
    )
    (folder / "cells.json").write_text(json.dumps([make_cell(), tagged]))
    (folder / "cell.json").write_text(json.dumps(make_cell()))
    for structure in read_structures(["cells.json", "cell.json"]):
        np.testing.assert_array_equal(structure.positions, [[0, 0, 0], [2.5, 2, -1]])
        np.testing.assert_array_equal(structure.forces, [[0.1, 0, 0], [-0.1, 0, 0]])
        assert structure.species == ("Si", "Ge")
        assert structure.energy == -3.5
        assert structure.periodic == (True, True, True)
        assert structure.info == {"tag": "hot"}


def test_cartesian_coordinates_become_fractional(folder):
    """With `c_basis` the file has the positions themselves."""
    positions = [[0.1, 0.2, 0.3], [5, -7, 1]]
    (folder / "c.json").write_text(
        json.dumps(make_cell(coordinates=positions, c_basis="cartesian"))
    )
    (structure,) = read_structures("c.json")
    np.testing.assert_allclose(structure.positions, positions, rtol=1e-14)


@pytest.mark.parametrize("name", ["cells.json", "cells.json.gz"])
def test_json_cells_survive_writing_and_reading(folder, name):
    """Every digit and every kind of metadata comes back."""
    rng = np.random.default_rng(0)
    meta = {
        "total-energy": np.float32(0.1),
        "forces": rng.normal(size=(2, 3)),
        "phases": np.array([1 + 2j, 3j]),
        "nested": {"n": [1, None, "x", True]},
        "count": np.int64(3),
    }
    cell = CellRecord(rng.normal(size=(3, 3)), rng.normal(size=(2, 3)), ("BC", "O"), meta)
    write_json_cells(name, [cell, cell])
    for found in read_json_cells(name):
        np.testing.assert_array_equal(found.vectors, cell.vectors)
        np.testing.assert_array_equal(found.coordinates, cell.coordinates)
        assert found.values == cell.values
        np.testing.assert_array_equal(found.meta["forces"], meta["forces"])
        np.testing.assert_array_equal(found.meta["phases"], meta["phases"])
        assert found.meta["total-energy"] == float(meta["total-energy"])
        assert found.meta["nested"] == meta["nested"]
        assert found.meta["count"] == 3


def test_a_cell_without_atoms_survives(folder):
    """No atom is not an error."""
    write_json_cells("none.json", [CellRecord(np.eye(3), np.zeros((0, 3)), ())])
    (cell,) = read_json_cells("none.json")
    assert cell.coordinates.shape == (0, 3)


@pytest.mark.usefixtures("as_installed")
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"coordinates": ...}, "`coordinates` is missing"),
        ({"metta": {}}, "`metta` is not a known key; did you mean `meta`?"),
        ({"type": "Cell"}, "`Cell` is not a known type"),
        ({"c_basis": "polar"}, "`c_basis` is 'polar' but must be 'cartesian' or left out"),
        ({"vectors": [[1, 0], [0, 1]]}, "`vectors` has shape (2, 2) but must be (3, 3)"),
        ({"vectors": None}, "`vectors` is null but must be numbers"),
        ({"vectors": "box"}, "`vectors` is 'box' but must be numbers"),
        ({"vectors": [[1, 0, 0], [2, 0, 0], [0, 0, 1]]}, "`vectors` span no volume but must"),
        (
            {"vectors": np.zeros((3, 3)).tolist(), "c_basis": "cartesian"},
            "`c_basis` is 'cartesian' but `vectors` span no volume",
        ),
        ({"values": ["Si"]}, "`coordinates` has shape (2, 3) but must be (1, 3)"),
        ({"values": []}, "`coordinates` has shape (2, 3) but must be (0, 3)"),
        ({"coordinates": []}, "`coordinates` has shape (0, 3) but must be (2, 3)"),
        ({"meta": {"charges": [1]}}, "`charges` has shape (1,) but must be (2,)"),
        (
            {"meta": {"forces": {"_type": "numpy", "data": [[0, 1]], "complex": True}}},
            "`forces` is array([0.+1.j]) but must be numbers",
        ),
        ({"values": [14, 32]}, "`values` must be a list of names, one for each atom"),
        ({"meta": [1]}, "`meta` is list but must be an object of json"),
        (
            {"meta": {"total-energy": [1, 2]}},
            "`total-energy` has shape (2,) but must be one number",
        ),
        ({"meta": {"total-energy": float("nan")}}, "`energy` is nan but must be finite"),
        ({"meta": {"forces": [[0, 0, 0]]}}, "`forces` has shape (1, 3) but must be (2, 3)"),
        (
            {"vectors": {"_type": "numpy", "data": [[1]], "units": "angstrom"}},
            "`vectors` has units 'angstrom', which are not understood here: write plain numbers",
        ),
        ({"vectors": {"_type": "pickle"}}, "`vectors`: `pickle` is not a known _type"),
        ({"vectors": {"_type": "numpy"}}, "`vectors`: an array without `data`"),
    ],
)
def test_an_unfit_cell_is_refused(folder, changes, sentence):
    """The sentence names file, structure and fault."""
    (folder / "cells.json").write_text(json.dumps([make_cell(), make_cell(**changes)]))
    with refuses(sentence) as caught:
        read_structures("cells.json")
    assert str(caught.value).startswith("cells.json, structure 1 (counted from 0): ")


def test_json_that_is_none_is_refused(folder):
    """Broken files and other data have their sentences."""
    (folder / "broken.json").write_text(json.dumps(make_cell())[:-5])
    (folder / "number.json").write_text("[3]")
    with refuses("broken.json: not readable as json: "):
        read_structures("broken.json")
    with refuses("number.json, structure 0 (counted from 0): is int but must be an object of json"):
        read_structures("number.json")
    with refuses("`thing` is object, which json cannot hold"):
        write_json_cells(
            "x.json", [CellRecord(np.eye(3), np.zeros((0, 3)), (), {"thing": object()})]
        )
