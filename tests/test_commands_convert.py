"""`miniff convert`, as a user types it."""

from pathlib import Path

import numpy as np
import pytest
from command_line import AU, refused, run, runner
from command_line import data as data  # a fixture
from command_line import originals as originals  # a fixture

from miniff import kernel, ml
from miniff.cli import app
from miniff.kernel import Cell
from miniff.potentials import lj_potential_family


def test_structures_go_through_all_formats_and_back(data: Path) -> None:
    """Energies, forces and positions are those of the first file."""
    run("convert", "train.xyz", "a.json")
    run("convert", "a.json", "b.data", *AU, "--without", "config_type", "--without", "stress")
    said = run("convert", "b.data", "c.extxyz.gz", *AU)
    assert "wrote c.extxyz.gz: 6 structures" in said
    for cell, other in zip(Cell.load("train.xyz"), Cell.load("c.extxyz.gz"), strict=True):
        np.testing.assert_allclose(other.cartesian(), cell.cartesian(), rtol=1e-14)
        np.testing.assert_allclose(other.meta["forces"], cell.meta["forces"], rtol=1e-14)
        assert other.meta["energy"] == pytest.approx(cell.meta["energy"], rel=1e-14)
    run("convert", "train.xyz", "a.json", "--overwrite")


def test_what_a_format_has_no_place_for_is_left_out_when_said(data: Path) -> None:
    """The sentence has all options that do it, of all structures."""
    cell, other, *_ = Cell.load("train.xyz")
    meta = {**cell.meta, "spin up": np.array([1j, 2j])}
    Cell.save(
        [cell, Cell(other.vectors, other.coordinates, other.values, {**other.meta, "note": "a b"})],
        "two.json",
    )
    said = refused("convert", "two.json", "two.data", *AU)
    options = ["--without", "config_type", "--without", "note", "--without", "stress"]
    assert said == (
        "two.json, structure 0 (counted from 0): `config_type`, `stress`, `note` have no place in "
        "input.data: leave out with --without config_type --without stress --without note"
    )
    assert "2 structures" in run("convert", "two.json", "two.data", *AU, *options)
    Cell.save(Cell(cell.vectors, cell.coordinates, cell.values, meta), "spin.json")
    assert refused("convert", "spin.json", "spin.xyz").endswith(
        "`spin up` of `info` is ndarray, which extended XYZ cannot hold: leave out with --without "
        "'spin up'"
    )
    run("convert", "spin.json", "spin.xyz", "--without", "spin up")
    assert refused("convert", "train.xyz", "c.data").endswith(
        "so they must be said: --length-unit and --energy-unit, mostly bohr and Hartree, or "
        "angstrom and eV"
    )


def test_help_says_where_options_are_the_solution() -> None:
    """Of `convert`."""
    said = run("convert", "--help")
    assert "LAMMPS, which holds no committee: give --member too" in said
    assert "as stress for input.data, which has no place for it" in said


def test_potentials_go_to_n2p2_and_back(data: Path) -> None:
    """The lines for LAMMPS are printed on lines of their own; energies stay."""
    result = runner.invoke(app, ["convert", "own.pt", "out", *AU])
    lines = result.output.splitlines()
    assert any(line.startswith('pair_style hdnnp 4.21 dir "out"') for line in lines)
    assert "pair_coeff * * O Si" in lines
    run("convert", "out", "back.pt", *AU)
    rng = np.random.default_rng(4)
    cell = Cell(4.6 * np.eye(3), rng.random((4, 3)), ["Si", "O", "Si", "O"])
    energies = [kernel.eval(ml.load_potentials(f), cell).energy for f in ("own.pt", "back.pt")]
    assert energies[0] == pytest.approx(energies[1], rel=1e-12)
    assert "converted_from" in ml.load_provenance("back.pt")
    run("convert", "own.pt", "copy.pt")
    assert ml.load_provenance("copy.pt") == {"seed": 3, "versions": {"a": "1"}}


def test_formulas_are_written_as_plain_data(data: Path) -> None:
    """From .pt to YAML and JSON and back, all digits."""
    potentials = [lj_potential_family("Ar-Ar", epsilon=0.1 / 3, sigma=3.4, a=2.5)]
    ml.save_potentials("a.pt", potentials)
    run("convert", "a.pt", "b.yml")
    run("convert", "b.yml", "c.json")
    run("convert", "c.json", "d.pt")
    (again,) = ml.load_potentials("d.pt")
    assert again.state_dict() == potentials[0].state_dict()
    with pytest.raises(ValueError, match=r"e\.yml has no place for where potentials come from"):
        ml.save_potentials("e.yml", potentials, provenance={"seed": 1})
