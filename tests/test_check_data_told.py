"""`fit` and `info` tell what looks wrong with their data."""

import json
import re
from pathlib import Path

import pytest
from sound_data import all_of, forces, silicon, stress
from typer.testing import CliRunner

from miniff import ml_util
from miniff.cli import app
from miniff.kernel import Cell


def fit_of(cells: list[Cell], **prepare: object) -> dict[str, object]:
    Cell.save(cells, "train.extxyz")
    given = {"fn_cells": "train.extxyz", "cutoff": 3.0, "n_models": 1, **prepare}
    job = {"init": {"threads": 1}, "prepare": given, "run": {"n_epochs": 1}}
    ml_util.exec_workflows({"fit": job})
    return dict(json.loads(Path("fit.json").read_text()))


def without_source(cells: list[Cell]) -> list[Cell]:
    meta = [{k: v for k, v in cell.meta.items() if k != "source"} for cell in cells]
    return [
        Cell(c.vectors, c.coordinates, c.values, own_meta, pbc=c.pbc)
        for c, own_meta in zip(cells, meta, strict=True)
    ]


def test_fit_tells_what_looks_wrong(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the terminal, in the log, in `fit.json`, and once in the page."""
    report = fit_of(without_source(all_of(stress(-1))()[::3]))
    about_data = [f for f in report["findings"] if f["kind"] != "overfitting"]  # type: ignore
    (found,) = about_data
    assert (found["severity"], found["kind"]) == ("error", "sign of stress")
    assert "the opposite sign, positive under compression" in capsys.readouterr().out
    assert (
        "warning: the stress in train.extxyz has the opposite sign" in Path("fit.log").read_text()
    )
    assert Path("report.html").read_text().count("has the opposite sign") == 1


def test_check_that_fails_stops_no_fit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, and the fit goes on."""

    def broken(_: object) -> None:
        raise ZeroDivisionError("no light")

    monkeypatch.setattr("miniff.ml_util._findings.check_data", broken)
    assert fit_of(without_source(silicon()[:12]))["findings"] == []
    said = "the data could not be looked through: ZeroDivisionError: no light"
    assert said in Path("fit.log").read_text()


def info(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["info", "--no-picture", *arguments])
    assert result.exit_code == 0, result.output
    return re.sub(r"\s+", " ", result.output)


def test_info_tells_what_looks_wrong(folder: Path) -> None:
    """And with a test set beside it, what both share."""
    cells = without_source(silicon())
    Cell.save(cells, "train.xyz")
    Cell.save(cells[3:5], "test.xyz")
    Cell.save([forces(-1)(cell) for cell in cells], "gradients.xyz")
    assert "Nothing looks wrong, which proves nothing." in info("train.xyz")
    assert "error: forces in gradients.xyz look like gradients" in info("gradients.xyz")
    shared = info("train.xyz", "--test", "test.xyz")
    assert "warning: 2 of 2 structures of the test set are symmetry copies" in shared
    Path("lj.yml").write_text("- {family: lj, tag: Ar-Ar, epsilon: 0.01, sigma: 3.4, a: 2.5}\n")
    refused = CliRunner().invoke(app, ["info", "lj.yml", "--test", "test.xyz"])
    assert refused.exit_code == 2
    assert "--test is for structures" in refused.output
