"""The page of a fit: its numbers, what it keeps of many points, and that it never does harm."""

import json
import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import yaml
from silicon import labelled

from miniff import kernel, ml_util
from miniff.io import write_extxyz
from miniff.kernel import Cell, Finding, compute_images
from miniff.ml import load_potentials
from miniff.ml_util import Properties, compare
from miniff.ml_util._fit_page import coverage_of
from miniff.presentation import _report
from miniff.presentation._report import Report, ReportedSet, write_html
from miniff.presentation._report import _tables as tables
from miniff.presentation._report._thin import thinned

EVIL = "<img src=x onerror=alert(1)></script>"


def reported(name: str, n: int, *, seed: int = 0, group: str = "bulk") -> ReportedSet:
    """Pairs of carbon and oxygen with random labels and predictions."""
    rng = np.random.default_rng(seed)
    cells = [
        Cell(
            np.eye(3) * 5,
            [[0, 0, 0], [0.3, 0, 0]],
            ["C", "O"],
            {
                "energy": rng.normal(),
                "forces": rng.normal(size=(2, 3)),
                "stress": rng.normal(size=6),
                "config_type": group if k % 2 else "surface",
                "source": f"data/{name}.xyz, structure {k} (counted from 0)",
            },
        )
        for k in range(n)
    ]
    known = Properties.known(cells)
    off = rng.normal(size=(3, n))
    predicted = Properties(
        known.n_atoms,
        known.energy + off[0],
        known.forces + rng.normal(size=(2 * n, 3)),
        known.stress + off[1][:, None],
    )
    return ReportedSet(name, cells, known, predicted)


def text_of(path: Path) -> str:
    """The words of a page, without its figures and their program."""
    html = re.sub(r"<(script|style)\b.*?</\1>", " ", path.read_text(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html)))


def test_table_has_the_errors_of_the_comparison() -> None:
    """`compare` computes them on another way: the numbers of the table are its own."""
    sets = [reported("train", 9), reported("test", 5, seed=1)]
    table = tables.error_table(sets)
    for own, row in zip(sets, table.rows, strict=True):
        errors = compare(own.reference, own.predicted)
        shown = dict(zip([head.split(" (")[0] for head in table.heads], row, strict=True))
        for name, scale in (("energy", 1e3), ("forces", 1), ("stress", 160217.6634)):
            error = getattr(errors, name)
            mae, rmse = map(float, shown[name].split(" / "))
            assert (mae, rmse) == pytest.approx((error.mae * scale, error.rmse * scale), rel=6e-3)


def test_groups_and_species_have_their_own_means() -> None:
    """Weighted by their sizes they give the error of all."""
    own = reported("test", 7)
    groups, species = tables.by_group([own]), tables.by_species([own])
    assert groups is not None
    assert species is not None
    assert groups.names == ["bulk", "surface"]
    every = compare(own.reference, own.predicted)
    energy = np.dot(groups.values["energy"]["test"], [3, 4]) / 7
    assert energy == pytest.approx(1e3 * every.energy.mae)
    assert np.mean(species.values["forces"]["test"]) == pytest.approx(every.forces.mae)


def test_worst_structures_are_found_by_brute_force() -> None:
    """The first row of each table is the largest error of all sets."""
    sets = [reported("train", 30), reported("test", 20, seed=2)]
    worst = max((abs(off), s.titles[k]) for s in sets for k, off in enumerate(s.energy_errors))
    assert tables.worst_by_energy(sets).rows[0][0] == worst[1]
    lengths = [np.linalg.norm(s.force_errors, axis=1) for s in sets]
    part = int(np.argmax([own.max() for own in lengths]))
    atom = int(lengths[part].argmax())
    row = tables.worst_by_forces(sets).rows[0]
    assert row[0] == sets[part].titles[atom // 2]
    assert row[3] == f"{atom % 2}, {'CO'[atom % 2]}"


def test_headline_says_how_good_and_compared_with_what() -> None:
    """Of the test set if there is one, else of what there is."""
    sets = [reported("train", 9), reported("test", 5, seed=1)]
    errors = compare(sets[1].reference, sets[1].predicted)
    said = tables.headline(sets, "1 network for C")
    assert f"{1e3 * errors.energy.mae:.0f} meV/atom in the energy" in said
    assert f"{errors.forces.mae:.3g} eV/Å in the forces on the test set" in said
    alone = tables.headline(sets[:1], "1 network for C")
    assert "on the structures that it learned from, no others were set aside" in alone


def test_thinning_keeps_outliers_and_lonely_points() -> None:
    """The largest errors stay, and so does a point far from all others."""
    rng = np.random.default_rng(0)
    x, error = rng.normal(size=50000), rng.normal(size=50000)
    x[7], error[7] = 40.0, 0.0
    kept = thinned(x, error, 1000)
    assert len(kept) <= 1000
    assert len(set(kept)) == len(kept) > 800
    assert set(np.argsort(-np.abs(error))[:200]) <= set(kept)
    assert 7 in kept
    np.testing.assert_array_equal(thinned(x[:900], error[:900], 1000), np.arange(900))


def test_page_needs_nothing_else_and_trusts_no_name(folder: Path) -> None:
    """No address is asked for, and what structures are called is text and not markup."""
    own = reported("test", 4, group=EVIL)
    findings = [Finding("warning", "evil", f"beware of {EVIL}")]
    write_html(Report(title=EVIL, made="x", sets=[own], findings=findings), "page.html")
    html = Path("page.html").read_text()
    assert not re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=", html)
    assert EVIL not in html
    assert f"beware of {EVIL}" in text_of(Path("page.html"))


def test_many_points_make_no_large_file(folder: Path) -> None:
    """A quarter of a million force components, in less than three megabytes; the page says so."""
    rng = np.random.default_rng(0)
    vectors, names = np.eye(3) * 20, ["Si"] * 1000
    cells = [Cell(vectors, rng.random((1000, 3)), names) for _ in range(83)]
    sizes = np.full(83, 1000)
    reference, predicted = (
        Properties(
            sizes, rng.normal(size=83), rng.normal(size=(83000, 3)), np.full((83, 6), np.nan)
        )
        for _ in range(2)
    )
    own = ReportedSet("test", cells, reference, predicted)
    write_html(Report("many", "x", [own]), "page.html")
    assert Path("page.html").stat().st_size < 3e6
    said = re.search(r"(\d+) of 249000 points are drawn", text_of(Path("page.html")))
    assert said is not None
    assert 3000 < int(said[1]) <= 6000


def test_page_without_any_reference_says_so(folder: Path) -> None:
    """There is nothing to draw, and no figure."""
    cells = [Cell(np.eye(3) * 5, [[0, 0, 0]], ["C"])]
    known = Properties.known(cells)
    write_html(Report("x", "1 network", [ReportedSet("test", cells, known, known)]), "page.html")
    assert "there is no reference to compare with" in text_of(Path("page.html"))


def test_sets_must_be_of_the_same_structures() -> None:
    own = reported("test", 4)
    with pytest.raises(ValueError, match="`predicted` of the test set is of other structures"):
        ReportedSet("test", own.cells, own.reference, own.predicted.taken(np.array([0, 1])))
    with pytest.raises(ValueError, match="`sets` are empty but at least one set of structures"):
        Report("x", "x", [])


@pytest.fixture
def silicon(folder: Path) -> Path:
    """A folder with structures for a fit and for a test."""
    write_extxyz("train.xyz", labelled(16, seed=0))
    write_extxyz("test.xyz", labelled(4, seed=1))
    return folder


def job(**run: object) -> dict[str, object]:
    prepare = {"fn_cells": "train.xyz", "cutoff": 4.0, "validation_set": 0.2, "n_models": 1}
    init = {"seed": 3, "threads": 1, "log": "warning"}
    return {"fit": {"init": init, "prepare": prepare, "run": {"n_epochs": 2, **run}}}


def test_job_in_the_page_makes_the_same_fit(silicon: Path) -> None:
    """What the page shows as the job is one, and gives the numbers that the page tells."""
    test = {"prepare": {"fn_cells": "test.xyz"}, "init": {"log": "warning"}}
    (fit, _) = ml_util.exec_workflows({**job(), "test-direct": test})
    html = Path("report.html").read_text()
    (shown,) = re.findall(r"<pre>(.*?)</pre>", html, flags=re.DOTALL)
    again = yaml.safe_load(unescape(shown))
    assert set(again["fit"]["prepare"]) >= {"fn_cells", "descriptors", "baseline", "cache"}
    (repeated,) = ml_util.exec_workflows(again)
    assert repeated.errors == fit.errors
    text = text_of(Path("report.html"))
    assert f"{1e3 * fit.errors['validation'].energy.mae:.3g} / " in text
    assert json.loads(Path("fit.json").read_text())["data_sha256"] in text
    for heading in ("Errors", "Learning curves", "Worst structures", "Coverage", "Time"):
        assert heading in text
    assert "Test of 1 network for Si" in text_of(Path("test-direct.html"))


def test_page_of_somebody_else_is_not_written_over(silicon: Path) -> None:
    """A report.html that is none of ours stays; the next name is taken, and that is told."""
    Path("report.html").write_text("my thesis")
    ml_util.exec_workflows(job())
    assert Path("report.html").read_text() == "my thesis"
    assert "Fit of 1 network for Si" in Path("fit-report.html").read_text()
    assert "report: fit-report.html" in Path("fit.log").read_text()


def test_page_that_cannot_be_drawn_is_a_warning(
    silicon: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All else of the fit is there, and the log says what went wrong."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("no ink")

    monkeypatch.setattr(_report, "write_html", broken)
    (fit,) = ml_util.exec_workflows(job())
    said = "report.html could not be written (ZeroDivisionError: no ink); all else is there"
    assert said in Path("fit.log").read_text()
    assert Path("potentials.pt").exists()
    assert json.loads(Path("fit.json").read_text())["errors"]["train"]["energy"]
    assert fit.potentials


def test_job_that_reads_the_page_is_refused(silicon: Path) -> None:
    """Its name is one that the fit writes."""
    write_extxyz("report.xyz", labelled(1, seed=0))
    Path("report.xyz").rename("report.html")
    given = job()
    given["fit"]["prepare"]["fn_cells"] = ["train.xyz", "report.html"]  # type: ignore[index]
    with pytest.raises(ml_util.JobError, match=r"`fit` would write over report\.html"):
        ml_util.exec_workflows(given)


def test_page_counts_atoms_outside_as_evaluations_do(silicon: Path) -> None:
    """With the saved file atom by atom, and by the test of the same structures; not by single
    descriptors, of which one is a little beyond its range far more often."""
    given = job()
    given["fit"]["prepare"]["test_set"] = "test.xyz"  # type: ignore[index]
    test = {"prepare": {"fn_cells": "test.xyz"}, "init": {"log": "warning"}}
    ml_util.exec_workflows({**given, "test-direct": test})
    potentials = load_potentials("potentials.pt")
    cells = Cell.load("test.xyz")
    grades = np.concatenate([kernel.eval(potentials, cell).extrapolation for cell in cells])
    n = int((grades > 1.1).sum())
    assert 0 < n < len(grades)
    (own,) = potentials
    low, high = own.ranges
    values = [
        own.training.functions.values(compute_images(cell, 4.0).table, np.arange(cell.size))
        for cell in cells
    ]
    assert n < sum(((v < low) | (v > high)).any(axis=1).sum() for v in values)
    text = text_of(Path("report.html"))
    assert "test: atoms outside of the training set" in text
    assert "where its extrapolation is above 1.1" in text
    assert f"{n} of {len(grades)} ({n / len(grades):.1%})" in text
    told = f"{n} of {len(grades)} atoms are outside of the training set (extrapolation above 1.1)"
    assert told in Path("test-direct.log").read_text()
    assert json.loads(Path("test-direct.json").read_text())["n_atoms_outside_training"] == n


def test_coverage_has_quantiles_of_each_set(silicon: Path) -> None:
    """Numpy's, of the features that are in the data sets."""
    prepared = ml_util.FitWorkflow(log="warning").prepare(
        fn_cells="train.xyz", test_set="test.xyz", cutoff=4.0, n_models=1
    )
    (found,) = coverage_of(prepared.datasets, prepared.ranges, [])
    values = {
        name: np.concatenate([part.per_point_datasets[0].features.numpy() for part in parts])
        for name, parts in prepared.datasets.items()
    }
    low, high = values["train"].min(axis=0), values["train"].max(axis=0)
    np.testing.assert_allclose(found.quantiles["train"][[0, -1]], [low, high])
    np.testing.assert_allclose(found.quantiles["test"][3], np.median(values["test"], axis=0))
    assert found.n_outside == {"validation": 0, "test": 0}  # as nothing knows what outside is
