"""`input.data` of n2p2 and RuNNer, against published structures and numbers typed here."""

import re
from dataclasses import replace

import numpy as np
import pytest
from ase import units
from io_structures import refuses
from silicon import labelled

from miniff import ml_util
from miniff.io import read_structures, write_input_data
from miniff.kernel import Cell

AU = {"length_unit": "bohr", "energy_unit": "hartree"}
METAL = {"length_unit": "angstrom", "energy_unit": "eV"}

TWO = """
 begin set=test
comment  a   molecule
comment of two lines
atom 0 0 0 O -0.5 0.25 0.1 0.2 0.3
energy -2
atom 0 0 2 H 0.5 0 -0.1 -0.2 -0.3
charge 0
end

begin
lattice 4 0 0
lattice 1 4 0
lattice 0 0 4
atom 1 1 1 Si 0 0 0 0 0
energy -1
end
"""


def test_all_lines_are_read(folder):
    """In any order, turned into eV and angstrom; columns without a number other than 0 are none."""
    (folder / "input.data").write_text(TWO)
    molecule, crystal = Cell.load("input.data", **AU)
    assert molecule.pbc == (False,) * 3
    assert molecule.values == ("O", "H")
    np.testing.assert_allclose(molecule.cartesian()[1], [0, 0, 2 * units.Bohr], rtol=1e-7)
    assert molecule.meta["energy"] == pytest.approx(-2 * units.Hartree, rel=1e-7)
    expected = np.array([[0.1, 0.2, 0.3], [-0.1, -0.2, -0.3]]) * units.Hartree / units.Bohr
    np.testing.assert_allclose(molecule.meta["forces"], expected, rtol=1e-7)
    np.testing.assert_array_equal(molecule.meta["charges"], [-0.5, 0.5])
    np.testing.assert_allclose(
        molecule.meta["partial-energy"], [0.25 * units.Hartree, 0], rtol=1e-7
    )
    assert molecule.meta["comment"] == "a molecule\nof two lines"
    assert molecule.meta["set"] == "test"
    assert molecule.meta["charge"] == 0
    assert crystal.pbc == (True,) * 3
    np.testing.assert_allclose(crystal.vectors[1], np.array([1, 4, 0]) * units.Bohr, rtol=1e-7)
    assert crystal.meta.keys() == {"energy", "forces", "source"}
    assert crystal.meta["source"] == "input.data, structure 1 (counted from 0)"


@pytest.mark.parametrize(("name", "raw"), [("H2O_RPBE-D3_20", "H2O"), ("LJ_dimer_101", "LJ")])
def test_published_structures_are_those_of_their_extended_xyz(name, raw, shared_data):
    """The same data, turned into eV and angstrom by somebody else, with 8 digits."""
    folder = shared_data / "n2p2" / "datasets"
    sizes = {"H2O": {"length_unit": 0.529177210903, "energy_unit": 27.211386245988}}
    found = Cell.load(
        folder / "raw" / f"input.data.{raw}.gz",
        **sizes.get(raw, {"length_unit": 1, "energy_unit": 1}),
    )
    for cell, other in zip(found, Cell.load(folder / f"{name}.xyz.gz"), strict=True):
        assert cell.values == other.values
        np.testing.assert_allclose(cell.cartesian(), other.cartesian(), atol=1e-8)
        np.testing.assert_allclose(cell.meta["energy"], other.meta["energy"], rtol=1e-12, atol=1e-9)
        np.testing.assert_allclose(cell.meta["forces"], other.meta["forces"], atol=1e-7)


@pytest.mark.parametrize("name", ["input.data", "train.data.gz"])
def test_what_is_written_comes_back(name, folder):
    """All digits in the units of ours; in others, but for rounding."""
    (folder / "first.data").write_text(TWO)
    cells = Cell.load("first.data", **METAL)
    for sizes, rtol in ((METAL, 0), (AU, 1e-15)):
        Cell.save(cells, name, **sizes)
        for cell, again in zip(cells, Cell.load(name, **sizes), strict=True):
            np.testing.assert_allclose(again.cartesian(), cell.cartesian(), rtol=rtol, atol=rtol)
            np.testing.assert_allclose(again.vectors, cell.vectors, rtol=rtol)
            assert again.meta.keys() == cell.meta.keys()
            for key in cell.meta.keys() - {"source"}:
                if isinstance(cell.meta[key], str):
                    assert again.meta[key] == cell.meta[key]
                else:
                    np.testing.assert_allclose(again.meta[key], cell.meta[key], rtol=4 * rtol)


def test_units_must_be_said(folder):
    """The file says none; other files have none to say."""
    (folder / "input.data").write_text(TWO)
    with refuses(
        "input.data: the file does not say its units, so they must be said: `length_unit`"
    ):
        read_structures("input.data")
    with refuses("the file does not say its units"):
        Cell.load("input.data", length_unit="bohr")
    with pytest.raises(
        ValueError, match="`Bohr` is not a known unit of length; did you mean `bohr`"
    ):
        Cell.load("input.data", length_unit="Bohr", energy_unit="eV")
    cells = Cell.load("input.data", **METAL)
    with refuses("out.data: the file does not say its units"):
        Cell.save(cells, "out.data")
    Cell.save(cells[0], "out.xyz")
    with refuses("out.xyz: units are said for it, but only `input.data`"):
        Cell.load("out.xyz", **METAL)
    with pytest.raises(ValueError, match=r"only names in \.data have units to be said"):
        Cell.save(cells, "out.xyz", **METAL)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (" begin", "bgn", "line 2: `bgn` stands where `begin` must be"),
        ("end\n\nbegin", "begin", "line 9: `begin` stands before the `end` of the last one"),
        ("set=test", "set=tests", "line 2: `set=tests` must be set=train or set=test, or left out"),
        ("H 0.5 0 -0.1", "H 0.5 -0.1", "line 7: `atom` has 8 values but must have 9"),
        ("H 0.5 0 -0.1", "H x 0 -0.1", "line 7: `atom` is 'x' but must be a number"),
        ("energy -2", "energy", "line 6: `energy` has 0 values, which is too few"),
        ("energy -2", "energy -2\nenergy -2", "line 7: `energy` is given twice"),
        ("lattice 4 0 0\n", "", "there are 2 lines `lattice` but must be 3 or none"),
        ("lattice 4 0 0", "lattice 4 0", "`lattice` has 2 values, which is too few"),
        ("lattice 1 4 0", "lattice 4 0 0", "`vectors` span no volume"),
        ("energy -2", "enrgy -2", "line 6: `enrgy` is not known here"),
        ("-1\nend\n", "-1\n", "the file ends within the structure of line 11"),
    ],
)
def test_damaged_files_are_refused(old, new, sentence, folder):
    """With the line."""
    assert old in TWO
    text = TWO.replace(old, new)
    (folder / "input.data").write_text(
        text if text.lstrip().startswith("begin") else f"begin\nend\n{text}"
    )
    sentence = sentence.replace("line 2: `bgn`", "line 4: `bgn`")
    with refuses(sentence):
        Cell.load("input.data", **METAL)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"stress": np.zeros(6)}, "`stress` has no place in input.data; leave it out first"),
        ({"config_type": "liquid"}, "`config_type` has no place in input.data"),
        ({"momenta": np.zeros((1, 3))}, "`momenta` has no place in input.data"),
        ({"energy": None}, "`energy` is missing, which n2p2 would take to be 0"),
        ({"forces": None}, "`forces` is missing, which n2p2 would take to be 0"),
        ({"set": "valid"}, "`set` is 'valid' but must be train or test"),
    ],
)
def test_what_the_format_cannot_hold_is_refused(changes, sentence, folder):
    """By name; nothing is written."""
    meta = {"energy": -1.0, "forces": np.zeros((1, 3)), "source": "here", **changes}
    cell = Cell(np.eye(3) * 4, [[0, 0, 0]], ["Si"], meta)
    with refuses(f"here: {sentence}"):
        Cell.save(cell, "out.data", **METAL)
    assert not list(folder.iterdir())


def test_structures_that_repeat_in_some_directions_are_refused(folder):
    """A lattice is three vectors or none."""
    meta = {"energy": -1.0, "forces": np.zeros((1, 3))}
    slab = Cell(np.eye(3) * 4, [[0, 0, 0]], ["Si"], meta, pbc=(True, True, False))
    with refuses("`pbc` is (True, True, False) but input.data has structures that repeat in all"):
        Cell.save(slab, "out.data", **METAL)
    with refuses("out.data: no structure to write"):
        write_input_data("out.data", [], **METAL)


def in_both_formats(n):
    """Silicon with energies and forces, as extended XYZ and as `input.data` in atomic units."""
    cells = [Cell.from_structure(replace(s, stress=None)) for s in labelled(n, seed=0)]
    Cell.save(cells, "train.xyz")
    Cell.save(cells, "input.data", **AU)
    return [{"files": "input.data", **AU}, "train.xyz"]


def test_jobs_take_files_whose_units_they_say(folder):
    """A fit and a test on `input.data` have the errors of those on extended XYZ."""
    errors = []
    for files in in_both_formats(4):
        prepare = {"fn_cells": files, "validation_set": 0, "cutoff": 4.0, "descriptors": "default"}
        job = {
            "fit": {"prepare": {**prepare, "n_models": 1}, "run": {"n_epochs": 2, "save": "p.pt"}},
            "test-direct": {"prepare": {"fn_cells": files, "potentials": "p.pt"}},
        }
        _, tested = ml_util.exec_workflows(job)
        errors.append(tested.errors.forces.rmse)
    assert errors[0] == pytest.approx(errors[1], rel=1e-6)


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        ({"fn_cells": "input.data"}, "input.data: the file does not say its units"),
        (
            {"fn_cells": {"files": "input.data", "length_unit": "bohrs", "energy_unit": "eV"}},
            "`fit.prepare.fn_cells.length_unit`: `bohrs` is not a known unit of length; did you",
        ),
        (
            {"fn_cells": {"files": "input.data", "length_unit": True}},
            "`fit.prepare.fn_cells.length_unit`: it is True but must be the name of a unit or its",
        ),
        (
            {"fn_cells": "train.xyz", "test_set": {"files": "input.data", "weight": 2}},
            "`fit.prepare.test_set.weight`: `weight` is not a known key of an entry of files",
        ),
        (
            {"fn_cells": {"files": "train.xyz", **AU}},
            "train.xyz: units are said for it, but only `input.data`",
        ),
    ],
)
def test_jobs_with_wrong_units_are_refused(prepare, sentence, folder):
    """With the place in the job."""
    in_both_formats(1)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        ml_util.exec_workflows({"fit": {"prepare": prepare}})
