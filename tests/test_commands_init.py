"""Jobs that `miniff init` writes: they run, and say what is true of the data."""

from pathlib import Path

import yaml
from command_line import AU, run
from command_line import data as data  # a fixture
from command_line import originals as originals  # a fixture

from miniff.kernel import Cell


def test_job_that_init_writes_runs(data: Path) -> None:
    """As it is, but for less work; what it says of the data is true."""
    said = run("init", "train.xyz", "--test", "bare.xyz")
    assert "wrote jobs.yml: it fits 6 structures" in said
    text = Path("jobs.yml").read_text()
    assert "# A fit of 6 structures with 48 atoms of Si." in text
    assert "# Groups of structures can weigh more or less: cold (4), hot (2)" in text
    job = yaml.safe_load(text)
    assert job["fit"]["prepare"]["fn_cells"] == "train.xyz"
    assert job["test-direct"]["prepare"] == {"fn_cells": "bare.xyz", "potentials": "potentials.pt"}
    quick = text.replace("quality: default", "quality: fast   ").replace(
        "  run:\n", "  run:\n    n_epochs: 1\n"
    )
    Path("jobs.yml").write_text(quick)
    run("jobs.yml")
    assert Path("potentials.pt").exists()
    assert Path("test-direct.json").exists()


def test_job_fits_the_amount_of_data(data: Path) -> None:
    """Sets are set aside where there is enough; labels that are missing are named."""
    run("init", "bare.xyz", "-o", "few.yml")
    text = Path("few.yml").read_text()
    assert "# No structure has forces." in text
    assert "# No structure has stress." in text
    assert yaml.safe_load(text)["fit"]["prepare"]["validation_set"] == 0
    cells = Cell.load("train.xyz") * 5
    Cell.save(cells, "more.xyz")
    run("init", "more.xyz", "bare.xyz", "-o", "more.yml")
    text = Path("more.yml").read_text()
    assert "# Only 30 of them have forces." in text
    prepare = yaml.safe_load(text)["fit"]["prepare"]
    assert prepare["test_set"] == prepare["validation_set"] == 0.1
    assert prepare["fn_cells"] == ["more.xyz", "bare.xyz"]
    assert "# 3 structures that training never sees" in text


def test_job_for_input_data_says_its_units(data: Path) -> None:
    """The entry of the file has what was said; the job is valid."""
    run(
        "convert", "train.xyz", "input.data", *AU, "--without", "config_type", "--without", "stress"
    )
    run("init", "input.data", *AU)
    job = yaml.safe_load(Path("jobs.yml").read_text())
    entry = {"files": "input.data", "length_unit": "bohr", "energy_unit": "Hartree"}
    assert job["fit"]["prepare"]["fn_cells"] == entry
