"""Bad input, as the page about it says: each row of its tables is made, and read."""

import re
from pathlib import Path

import bad_jobs  # noqa: F401 - each lists its inputs
import bad_potentials  # noqa: F401
import bad_structures  # noqa: F401
import numpy as np
import pytest
from bad_inputs import BAD, GOOD, LJ, prepare
from typer.testing import CliRunner

from miniff import kernel
from miniff.cli import app
from miniff.io import extxyz_text
from miniff.kernel import Cell

PAGE = Path(__file__).parents[1] / "docs" / "library" / "bad-input.md"
ROW = re.compile(r"^\| (?P<words>.+?) \| (?P<ticks>``?) ?(?P<said>.+?) ?(?P=ticks) \| .+ \|$", re.M)
ROWS = {row["words"]: row["said"] for row in ROW.finditer(PAGE.read_text())}


def test_page_and_inputs_are_the_same() -> None:
    """No row without an input, and no input without a row."""
    assert ROWS.keys() == BAD.keys()
    assert len(ROWS) > 70


def contents(folder: Path) -> dict[str, bytes]:
    """All files but logs, which tell what happened."""
    paths = [p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".log", ".xyz")]
    return {str(path): path.read_bytes() for path in paths}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("words", ROWS)
def test_bad_input_is_told_as_on_the_page(folder: Path, words: str, as_installed: None) -> None:
    """One sentence and exit code 2; nothing is written, and no code of a file is run."""
    prepare()
    given = BAD[words]()
    before, names = contents(folder), sorted(folder.rglob("*.xyz"))
    if callable(given):
        with pytest.raises(ValueError, match=re.escape(ROWS[words][:5])) as caught:
            given()
        said = str(caught.value)
    else:
        done = CliRunner().invoke(app, given)
        assert done.exit_code == 2, done.output
        assert "Traceback" not in done.output
        said = " ".join(done.output.split()).partition("miniff: ")[2]
    pieces = [re.escape(" ".join(piece.split())) for piece in ROWS[words].split("…")]
    assert re.fullmatch(" ?.* ?".join(piece.strip("\\ ") for piece in pieces), said), said
    assert contents(folder) == before
    assert sorted(folder.rglob("*.xyz")) == names


def test_left_handed_cells_are_the_same_crystal() -> None:
    """Two vectors exchanged, or one turned round: energies, forces and stress do not change."""
    rng = np.random.default_rng(0)
    vectors = 4.0 * np.eye(3) + rng.normal(scale=0.3, size=(3, 3))
    coordinates = rng.random((5, 3))
    assert np.linalg.det(vectors) > 0
    one = Cell(vectors, coordinates, ["Si"] * 5)
    mirrored = coordinates * [1, 1, -1]
    others = [
        Cell(vectors[[1, 0, 2]], coordinates[:, [1, 0, 2]], ["Si"] * 5),
        Cell(vectors * [[1], [1], [-1]], mirrored, ["Si"] * 5),
    ]
    expected = kernel.eval(LJ, one)
    for other in others:
        assert np.linalg.det(other.vectors) < 0
        assert other.volume == pytest.approx(one.volume)
        found = kernel.eval(LJ, other)
        assert found.energy == pytest.approx(expected.energy, rel=1e-12)
        np.testing.assert_allclose(found.forces, expected.forces, atol=1e-9)
        np.testing.assert_allclose(found.stress, expected.stress, atol=1e-12)
        (again,) = _through_a_file(other)
        assert kernel.eval(LJ, again).energy == pytest.approx(expected.energy, rel=1e-12)


def _through_a_file(cell: Cell) -> list[Cell]:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.xyz"
        path.write_text(extxyz_text(cell.to_structure()))
        return Cell.load(path)


def test_what_is_taken_as_it_is(folder: Path) -> None:
    """Atoms out of the cell, blank lines, line ends of Windows and a mark before the text."""
    Path("plain.xyz").write_text(GOOD)
    Path("odd.xyz").write_bytes(("\ufeff\n" + GOOD + "\n\n").replace("\n", "\r\n").encode())
    Path("out.xyz").write_text(GOOD.replace("Si 2.5", "Si -15.5"))
    energies = [kernel.eval(LJ, Cell.load(name)[0]).energy for name in ("plain.xyz", "odd.xyz")]
    assert energies[0] == energies[1]
    (out,) = Cell.load("out.xyz")
    assert kernel.eval(LJ, out).energy == pytest.approx(energies[0], rel=1e-12)
    assert out.cartesian()[1, 0] == pytest.approx(-15.5)


def test_a_structure_that_repeats_along_some_vectors_is_a_slab(folder: Path) -> None:
    """Its pairs are those of a crystal with much vacuum, and stress is per volume of its cell."""
    vectors, positions = np.diag([4.0, 4.5, 5.0]), np.array([[0, 0, 0], [1.9, 0.3, 2.1]])
    high = np.diag([4.0, 4.5, 50.0])
    slab = Cell(vectors, positions / [4.0, 4.5, 5.0], ["Si"] * 2, pbc=(True, True, False))
    crystal = Cell(high, positions / [4.0, 4.5, 50.0], ["Si"] * 2)
    found, expected = kernel.eval(LJ, slab), kernel.eval(LJ, crystal)
    np.testing.assert_allclose(found.forces, expected.forces, atol=1e-12)
    np.testing.assert_allclose(found.stress * 5.0, expected.stress * 50.0, atol=1e-12)
