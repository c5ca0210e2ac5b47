"""The commands for tests: what they print, the sentence they end with, files to work on."""

import re
import shutil
from pathlib import Path

import pytest
from n2p2_folders import FOLDER, own_potentials
from silicon import labelled
from typer.testing import CliRunner

from miniff import ml
from miniff.cli import app
from miniff.kernel import Cell

runner = CliRunner()
AU = ["--length-unit", "bohr", "--energy-unit", "Hartree"]
METAL = ["--length-unit", "angstrom", "--energy-unit", "eV"]


def run(*arguments: str) -> str:
    """What a command prints that ends well; blanks are one each."""
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return re.sub(r"[\s│┃]+", " ", result.output)


def refused(*arguments: str) -> str:
    """The sentence of a command that ends with exit code 2."""
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    (line,) = result.output.strip().splitlines()
    assert line.startswith("miniff: ")
    return line.removeprefix("miniff: ")


@pytest.fixture
def data(folder: Path, originals: Path) -> Path:
    """A folder with those files."""
    shutil.copytree(originals, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Silicon in two groups; the second file has no forces. A potential, and one of n2p2."""
    folder = tmp_path_factory.mktemp("originals")
    cells = [Cell.from_structure(s) for s in labelled(6, seed=0)]
    names = ["hot", "cold", "cold"] * 2
    grouped = [
        Cell(c.vectors, c.coordinates, c.values, {**c.meta, "config_type": name}, pbc=c.pbc)
        for c, name in zip(cells, names, strict=True)
    ]
    Cell.save(grouped, folder / "train.xyz")
    bare = Cell(cells[0].vectors, cells[0].coordinates, cells[0].values, {"energy": -1.0})
    Cell.save(bare, folder / "bare.xyz")
    said = {"seed": 3, "versions": {"a": "1"}}
    ml.save_potentials(folder / "own.pt", own_potentials(), provenance=said)
    shutil.copytree(FOLDER / "atom_energy", folder / "nnp")
    return folder
