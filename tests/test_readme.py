"""What the README shows runs as it stands there."""

import contextlib
import io
import os
import re
import shutil
from pathlib import Path

import yaml
from typer.testing import CliRunner

from miniff.cli import app
from miniff.ml_util import WORKFLOWS
from miniff.ml_util._jobfile import read_job_file
from miniff.ml_util._validation import check_job

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def block(language: str) -> str:
    """The README's only block in a language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)
    return found


def test_python_prints_what_is_said() -> None:
    """Stillinger and Weber's diamond has an energy of -2 epsilon per atom."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block("python"), "README.md", "exec"), {})
    assert f"prints `{printed.getvalue().strip()}`" in README


def test_job_of_the_readme_is_valid(folder: Path) -> None:
    """With the files it names, nothing is refused."""
    Path("jobs.yml").write_text(block("yaml"))
    for name in ("my-structures.xyz", "other-structures.xyz"):
        Path(name).touch()
    assert [s.name for s in check_job(read_job_file("jobs.yml"), WORKFLOWS)] == [
        "fit",
        "test-direct",
    ]


def test_job_of_the_example_is_valid(folder: Path) -> None:
    """The example has all the files it names."""
    for path in (ROOT / "examples" / "silicon").glob("*.*"):
        shutil.copy(path, folder)
    assert [s.name for s in check_job(read_job_file("jobs.yml"), WORKFLOWS)] == [
        "fit",
        "test-direct",
    ]


def test_the_example_runs(folder: Path) -> None:
    """By the README's command, for fewer epochs: it ends with the table of errors."""
    shutil.copytree(ROOT / "examples" / "silicon", folder / "silicon")
    (command,) = re.findall(r"cd examples/silicon && python -m miniff (.*)", README)
    os.chdir(folder / "silicon")
    job = yaml.safe_load(Path(command).read_text())
    job["fit"]["prepare"] |= {"quality": "fast", "cutoff": 4.0}
    job["fit"]["run"]["n_epochs"] = 1
    Path(command).write_text(yaml.safe_dump(job, sort_keys=False))
    result = CliRunner().invoke(app, [command])
    assert result.exit_code == 0, result.output
    (table,) = re.findall(r"┃ set .*\n", README)
    assert " ".join(table.split()) in " ".join(result.output.split())
    assert {"report.html", "potentials.pt", "test-direct.extxyz"} <= set(os.listdir())
