"""The recipe that looks at the data: its cutoff and its choice, by what they are defined by."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy import testing
from silicon import DIAMOND, FCC, labelled

from miniff import ml, ml_util
from miniff.io import write_extxyz
from miniff.kernel import Cell, compute_images
from miniff.ml._auto_recipe import most_telling


def tables(cells: list[Cell], radius: float) -> list[object]:
    return [compute_images(cell, radius).table for cell in cells]


def crystal(edge: float, places: np.ndarray, names: list[str], n: int = 1) -> Cell:
    return Cell(np.eye(3) * edge, places, names * n)


def test_cutoff_holds_forty_neighbours() -> None:
    """In face-centred cubic crystals it lies at the shell that the fortieth neighbour is in."""
    copper = crystal(3.6, FCC, ["Cu"] * 4)
    # 12, 6 and 24 neighbours at a/sqrt(2), a and a sqrt(3/2): 42 in three shells
    testing.assert_allclose(ml.auto_cutoff(tables([copper], 6.35), 6.35), 2 * 3.6 / 2**0.5)
    rattled = Cell(np.eye(3) * 7.2, np.random.default_rng(0).random((32, 3)), ["Cu"] * 32)
    cutoff = ml.auto_cutoff(tables([rattled], 6.35), 6.35)
    within = np.linalg.norm(compute_images(rattled, cutoff).table.vectors, axis=1) < cutoff
    assert within.sum() == pytest.approx(40 * 32, abs=1)


def test_cutoff_holds_two_shells_of_every_pair() -> None:
    """In a salt the ions of one kind are farther from each other than from the other kind."""
    names = ["Na", "Na", "Na", "Na", "Cl", "Cl", "Cl", "Cl"]
    salt = crystal(5.64, np.vstack([FCC, FCC + np.array([0.5, 0, 0])]), names)
    testing.assert_allclose(ml.auto_cutoff(tables([salt], 12.0), 12.0), 2 * 5.64 / 2**0.5)
    assert ml.auto_cutoff(tables([salt], 6.35), 6.35) == 6.35


def test_few_neighbours_leave_the_limit() -> None:
    """A molecule has all there is within the longest cutoff allowed."""
    water = Cell(np.eye(3), [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]], ["O", "H", "H"], pbc=False)
    assert ml.auto_cutoff(tables([water], 5.0), 5.0) == 5.0


def test_choice_is_that_of_successive_projections() -> None:
    """Each column picked is the one whose rest beside those before is the longest."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 8)) + 0.1 * rng.normal(size=(50, 8))
    values[:, 5] = 4.0  # the same everywhere
    x = values - values.mean(0)
    x = np.divide(x, x.std(0), out=np.zeros_like(x), where=x.std(0) > 1e-12)
    chosen: list[int] = []
    for _ in range(4):
        basis = np.linalg.qr(x[:, chosen])[0] if chosen else np.zeros((50, 0))
        rest = x - basis @ (basis.T @ x)
        lengths = np.linalg.norm(rest, axis=0)
        chosen.append(int(np.argmax(lengths > lengths.max() * (1 - 1e-8))))
    assert most_telling(values, 4) == sorted(chosen)
    assert most_telling(values[:, [0, 0, 0, 1]], 4) == [0, 3]
    assert most_telling(np.ones((5, 3)), 2) == [0, 1]


def test_every_kind_of_function_is_chosen(folder: Path) -> None:
    """Shells and both kinds of angles, as many as are said, of two species for every pair."""
    rng = np.random.default_rng(0)
    cells = [
        Cell(np.eye(3) * 5.6, DIAMOND + rng.normal(scale=0.03, size=(8, 3)), ["Si", "Ge"] * 4)
        for _ in range(40)
    ]
    chosen = ml.auto_behler_descriptors(tables(cells, 5.0), 5.0)
    assert set(chosen) == {"Ge", "Si"}
    for centre, functions in chosen.items():
        assert len(functions) == round(52 * 3**0.5)
        families = {f.family.name for f in functions}
        assert families == {"Behler type 2", "Behler type 4", "Behler type 5"}
        tags = {f.tag for f in functions if f.family.name == "Behler type 2"}
        assert tags == {f"{centre}-Ge", f"{centre}-Si"}
        angular = {f.species[1:] for f in functions if f.family.name != "Behler type 2"}
        assert angular == {("Ge", "Ge"), ("Ge", "Si"), ("Si", "Si")}
        assert all(f.cutoff == 5.0 for f in functions)
    again = ml.auto_behler_descriptors(tables(cells, 6.0), 5.0)
    assert {n: [f.state_dict() for f in own] for n, own in again.items()} == {
        n: [f.state_dict() for f in own] for n, own in chosen.items()
    }  # what lies beyond the cutoff has no part


def test_job_chooses_for_itself(folder: Path) -> None:
    """Without any key; with `cutoff` it keeps to that; atoms without neighbours are refused."""
    write_extxyz("train.xyz", labelled(10, seed=0))
    fit = {"prepare": {"fn_cells": "train.xyz"}, "run": {"n_epochs": 1}}
    ml_util.exec_workflows({"fit": fit})
    said = Path("fit.log").read_text()
    found = re.search(r"Si: (\d+) descriptors up to ([\d.]+) angstrom", said)
    assert found
    announced = (
        "choosing descriptors by 9 structures for training, 72 atoms, and their neighbours up to "
        "at most 6.35 angstrom",
        found[0],
        "computing them, for 80 atoms with ",
        "memory: about ",
        "epoch 1/1",
        "computing the errors of all sets",
    )
    assert sorted(announced, key=said.index) == list(announced)
    (mean,) = re.findall(r"for 80 atoms with (\d+) neighbours each in the mean", said)
    tables = [compute_images(c, float(found[2])).table for c in Cell.load("train.xyz")]
    assert int(mean) == round(sum(len(table.other) for table in tables) / 80)
    assert 5.5 < float(found[2]) < 6.2  # 40 neighbours in silicon
    chosen = ml.learn_cauldron([compute_images(c, 6.35) for c in Cell.load("train.xyz")], "auto")
    assert 5.5 < chosen.per_point_datasets[0].functions.cutoff < 6.2
    fit["prepare"]["cutoff"] = 4.5
    (result,) = ml_util.exec_workflows({"fit": fit})
    assert result.potentials[0].cutoff == 4.5
    fit["prepare"]["cutoff"] = 1.0
    with pytest.raises(ValueError, match=r"no atom of Si has a neighbour within 1\.0: enlarge"):
        ml_util.exec_workflows({"fit": fit})
