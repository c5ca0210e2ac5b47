"""The command line, as a user types it."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from miniff.cli import app
from miniff.kernel import Cell
from miniff.ml_util import save_potentials
from miniff.potentials import lj_potential_family

runner = CliRunner()


def test_help_and_version() -> None:
    """`--help` says what to give, `--version` and the word `version` which program this is."""
    assert "JOBS.YML" in runner.invoke(app, ["--help"]).output
    for word in ("--version", "version"):
        assert runner.invoke(app, [word]).output.startswith("miniff 1.0.0")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "miniff: there is no file `jobs.yml`. The folder has `empty.xyz`"),
        ("fitt:", "miniff: jobs.yml, line 1: `fitt` is not a known workflow"),
        ("fit: {prepare: {fn_cells: empty.xyz}}", "miniff: empty.xyz: the file is empty"),
    ],
)
def test_mistakes_end_with_a_sentence_and_exit_code_2(
    folder: Path, content: str | None, sentence: str
) -> None:
    """No traceback, nothing written but the log."""
    Path("empty.xyz").touch()
    if content is not None:
        Path("jobs.yml").write_text(content)
    result = runner.invoke(app, ["jobs.yml"])
    assert result.exit_code == 2
    assert sentence in result.output
    assert "Traceback" not in result.output
    assert not {p.name for p in folder.iterdir()} - {"jobs.yml", "empty.xyz", "fit.log"}


def test_module_runs_and_importing_it_does_not() -> None:
    """`python -m miniff --version` works; importing it runs nothing and loads no torch."""
    said = subprocess.run(
        [sys.executable, "-m", "miniff", "--version"], capture_output=True, text=True, check=True
    )
    assert said.stdout.startswith("miniff 1.0.0")
    code = "import miniff.__main__, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_interruption_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends with a sentence and exit code 130."""

    def interrupted(path: Path, log: str | None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("miniff.ml_util.run_job_file", interrupted)
    result = runner.invoke(app, ["jobs.yml"])
    assert result.exit_code == 130
    assert "interrupted" in result.output


@pytest.fixture
def job(folder: Path) -> Path:
    """A small job that runs."""
    Cell.save(Cell([[9, 0, 0], [0, 9, 0], [0, 0, 9]], [[0, 0, 0]], ["Ar"]), "cells.extxyz")
    save_potentials("potentials.pt", [lj_potential_family(epsilon=1.0, sigma=2.0, a=2.0)])
    path = folder / "jobs.yml"
    path.write_text("test-direct: {init: {threads: 1}, prepare: {fn_cells: cells.extxyz}}")
    return path


@pytest.mark.parametrize(
    "arguments",
    [["-v", "jobs.yml"], ["jobs.yml", "-v"], ["-v", "-v", "jobs.yml"], ["jobs.yml", "-vv"]],
)
def test_verbose_shows_the_job_with_its_defaults(job: Path, arguments: list[str]) -> None:
    """What is shown is a job file with every key, which says the same as the one given."""
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    shown = result.output.partition("\ntest-direct: ")[0]
    assert yaml.safe_load(shown) == {
        "test-direct": {
            "init": {"seed": 0, "dtype": "float64", "device": "cpu", "threads": 1, "log": "debug"},
            "prepare": {
                "fn_cells": "cells.extxyz",
                "potentials": "potentials.pt",
                "ignore_missing_species": False,
                "charges_key": "charges",
            },
        }
    }
    marked = {line.split(":")[0].strip() for line in shown.splitlines() if "# default" in line}
    assert marked == {
        *("seed", "dtype", "device", "potentials", "ignore_missing_species", "charges_key")
    }


def test_the_job_s_own_level_comes_first(job: Path) -> None:
    """With `log: warning` in the file, `-v` changes nothing, and nothing is told."""
    job.write_text(job.read_text().replace("threads: 1", "log: warning"))
    result = runner.invoke(app, ["-v", "jobs.yml"])
    assert (result.exit_code, result.output) == (0, "")
    job.write_text(job.read_text().replace("warning", "info"))
    assert "fn_cells" not in runner.invoke(app, ["-v", "jobs.yml"]).output
