"""The page for whoever comes with data: its commands, its jobs, and what it says one reads."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from miniff.cli import app
from miniff.kernel import Cell
from miniff.ml_util import WORKFLOWS
from miniff.ml_util._jobfile import read_job_file
from miniff.ml_util._validation import check_job

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "library" / "your-own-data.md").read_text()
DATA = ROOT / "examples" / "silicon"


def printed(command: str) -> str:
    """What a command prints that ends well; blanks are one each."""
    name, *arguments = command.split()
    assert name == "miniff"
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_the_commands_of_the_page(folder: Path) -> None:
    """One after the other, with fewer epochs; the data are found to be as the page says."""
    for name in ("train.xyz", "test.xyz"):
        shutil.copy(DATA / name, folder)
    look, write, fit, judge = re.findall(r"```console\n(.*?)\n```", PAGE, flags=re.DOTALL)
    said = printed(look)
    quote = re.search(r"((?:^> .*\n)+)", PAGE, flags=re.MULTILINE)
    assert quote is not None
    for sentence in re.sub(r"^> ", "", quote[1], flags=re.MULTILINE).split("\\\n"):
        assert " ".join(sentence.split()) in said
    printed(write)
    job = yaml.safe_load(Path("jobs.yml").read_text())
    job["fit"]["prepare"] |= {"quality": "fast", "cutoff": 4.0}
    job["fit"]["run"]["n_epochs"] = 2
    Path("jobs.yml").write_text(yaml.safe_dump(job))
    printed(fit)
    assert Path("report.html").exists()
    assert "mean absolute" in printed(judge)


def spoiled(change: Callable[[int, Cell], dict]) -> None:
    cells = Cell.load(DATA / "train.xyz")
    assert isinstance(cells, list)
    made = [
        Cell(c.vectors, c.coordinates, c.values, {**c.meta, **change(i, c)}, pbc=c.pbc)
        for i, c in enumerate(cells)
    ]
    Cell.save(made, "spoiled.xyz")


MISTAKES = {
    "VASP's sign": lambda i, c: {"stress": -np.array(c.meta["stress"])},
    "in Hartree": lambda i, c: {"energy": c.meta["energy"] / (27.211386 if i % 3 == 0 else 1)},
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_mistakes_of_the_page(folder: Path, mistake: str) -> None:
    """Made on purpose, they are told in the page's words."""
    (told,) = re.findall(rf"^\| [^|]*{mistake}[^|]* \| (.*) \|$", PAGE, flags=re.MULTILINE)
    spoiled(MISTAKES[mistake])
    said = printed("miniff info spoiled.xyz")
    assert told.replace("sign.xyz", "spoiled.xyz") in said


def test_the_jobs_of_the_page(folder: Path) -> None:
    """Their keys are known."""
    for name in ("crystal.xyz", "potentials.pt"):
        Path(name).touch()
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL):
        Path("jobs.yml").write_text(block)
        assert check_job(read_job_file("jobs.yml"), WORKFLOWS)
