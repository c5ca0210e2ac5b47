"""What the user sees."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from miniff.ml_util._errors import Errors, PropertyError
from miniff.ml_util._progress import EpochRecord, Reporter, error_text

ERRORS = Errors(
    energy=PropertyError(0.001, 0.002, 5),
    forces=PropertyError(0.05, 0.1, 90),
    stress=PropertyError(1e-4, 2e-4, 30),
    stress_shear=None,
)


def record(epoch: int) -> EpochRecord:
    return EpochRecord(epoch, 20 * epoch, 1e-3, ERRORS, None, 1.5 * epoch)


def test_errors_are_shown_in_their_units() -> None:
    """meV/atom, eV/angstrom and MPa; 1 eV/angstrom^3 is 160.2 GPa."""
    assert error_text(ERRORS) == "2 meV/atom, 0.1 eV/Å, 32 MPa"


def test_log_has_every_epoch_and_the_pipe_a_few(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Off a terminal first and last epoch are shown; the log has all of them, with no colours."""
    with Reporter("fit") as reporter, reporter.training(50) as progress:
        for epoch in range(1, 51):
            progress.update(record(epoch))
    shown = capsys.readouterr().out.splitlines()
    logged = Path("fit.log").read_text().splitlines()
    assert len(logged) == 50
    assert len(shown) == 2
    assert "epoch 50/50: loss 1.000e-03, train RMSE 2 meV/atom" in shown[-1]
    assert not any("\x1b" in line for line in shown + logged)


def test_table_has_mae_and_rmse(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One row per set; a dash where there is no reference; the same in the log."""
    with Reporter("fit") as reporter:
        reporter.table("Errors", {"train": ERRORS})
    for text in (capsys.readouterr().out, Path("fit.log").read_text()):
        (row,) = [line for line in text.splitlines() if "train" in line]
        assert "1 / 2" in row
        assert "0.05 / 0.1" in row
        assert "16 / 32" in row
        assert " - " in row


def test_table_that_is_too_wide_has_errors_one_above_the_other(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With charges, on 80 columns; the log has room for all on a line."""
    charged = replace(ERRORS, charges=PropertyError(0.00412, 0.007, 8), stress_shear=ERRORS.stress)
    charged = replace(charged, forces=PropertyError(0.0481, 0.0656, 9))
    with Reporter("fit") as reporter:
        reporter.table("Errors", {"validation": charged})
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    first, second = (line.split("│") for line in lines if "│" in line)
    assert [text.strip() for text in first[1:-1]] == [
        "validation",
        "1",
        "0.0481",
        "16",
        "16",
        "0.00412",
    ]
    assert [text.strip() for text in second[2:-1]] == ["2", "0.0656", "32", "32", "0.007"]
    assert "0.0481 / 0.0656" in Path("fit.log").read_text()


def test_quiet_levels_are_quiet(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At level `warning` only warnings are shown; the log has all of it."""
    with Reporter("fit", level="warning") as reporter:
        reporter.debug("a")
        reporter.info("b")
        reporter.table("Errors", {"train": ERRORS})
        with reporter.training(1) as progress:
            progress.update(record(1))
        reporter.warning("c")
    assert capsys.readouterr().out == "fit: warning: c\n"
    logged = Path("fit.log").read_text()
    for text in (" a\n", " b\n", "train", "epoch 1/1", "warning: c\n"):
        assert text in logged


def test_live_bar_shows_loss_and_errors(folder: Path) -> None:
    """On a terminal the bar carries loss, errors and the number of epochs."""
    screen = io.StringIO()
    with Reporter("fit") as reporter:
        reporter._console = Console(file=screen, force_terminal=True, width=150)
        with reporter.training(3) as progress:
            progress.update(record(1))
            progress._progress._bar.refresh()
    assert "1/3" in screen.getvalue()
    assert "loss 1.00e-03, train RMSE 2 meV/atom" in screen.getvalue()
