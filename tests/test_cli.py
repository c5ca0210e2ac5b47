"""The command line, as a user types it."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from miniff.cli import app

runner = CliRunner()


def test_help_and_version() -> None:
    """`--help` says what to give, `--version` and the word `version` which program this is."""
    assert "JOBS.YML" in runner.invoke(app, ["--help"]).output
    for word in ("--version", "version"):
        assert runner.invoke(app, [word]).output.startswith("miniff 1.0.0")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "miniff: there is no file jobs.yml"),
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

    def interrupted(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("miniff.ml_util.run_job_file", interrupted)
    result = runner.invoke(app, ["jobs.yml"])
    assert result.exit_code == 130
    assert "interrupted" in result.output
