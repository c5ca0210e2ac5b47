"""Weights of structures: the loss written out, and every place where weights can be given."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy import testing
from silicon import labelled

from miniff import ml, ml_util
from miniff.io import write_extxyz
from miniff.kernel import Cell, compute_images
from miniff.ml_util._data_files import read_data, weigh_groups
from miniff.ml_util._loss import LossWeights, loss_terms, term_counts


def cells(**weights: list[float]) -> list[Cell]:
    """Two structures with all references, and weights by key."""
    rng = np.random.default_rng(0)
    made = []
    for place, n in enumerate((2, 3)):
        meta = {"energy": rng.normal(), "forces": rng.normal(size=(n, 3))}
        meta |= {"stress": rng.normal(size=6)} if place else {}
        meta |= {key: values[place] for key, values in weights.items()}
        made.append(Cell(np.eye(3) * 4, rng.random((n, 3)), ["Si"] * n, meta))
    return made


def test_weights_multiply_squares_and_counts() -> None:
    """Energy, forces and stress of each structure, against the sums written out."""
    weighted = cells(
        config_weight=[2.0, 0.5], config_energy_weight=[1.0, 3.0], config_forces_weight=[0.0, 4.0]
    )
    dataset = ml.learn_cauldron([compute_images(cell, 3.5) for cell in weighted])
    torch.manual_seed(0)
    networks = [ml_util.behler_nn(40, 3)]
    prediction = ml.forward_cauldron(networks, dataset, True)
    squares = [0.0, 0.0, 0.0]
    counts = [2 * 1 + 0.5 * 3, 0.5 * 4 * 9, 0.5 * 6]
    first = [0, 2, 5]
    for s, (cell, whole) in enumerate(zip(weighted, (2.0, 0.5), strict=True)):
        energy = float(prediction.energy[s, 0].detach())
        own = whole * (1.0, 3.0)[s]
        squares[0] += own * ((energy - cell.meta["energy"]) / cell.size) ** 2
        forces = -prediction.gradient[first[s] : first[s + 1]].detach().numpy()
        squares[1] += whole * (0.0, 4.0)[s] * np.square(forces - cell.meta["forces"]).sum()
        if "stress" in cell.meta:
            off = prediction.stress[s].detach().numpy() - cell.meta["stress"]
            squares[2] += whole * np.square(off).sum()
    testing.assert_allclose(loss_terms(prediction, dataset).detach(), squares, rtol=1e-12)
    testing.assert_allclose(term_counts(dataset), counts, rtol=1e-12)
    closure = ml_util.simple_energy_closure(
        networks, dataset, w_energy=2.0, w_forces=0.3, w_stress=5.0
    )
    expected = sum(w * s / n for w, s, n in zip((2.0, 0.3, 5.0), squares, counts, strict=True))
    testing.assert_allclose(float(closure.loss().loss_value.detach()), expected, rtol=1e-12)


def test_weight_of_two_is_the_structure_twice() -> None:
    """And a weight of 0 is no structure at all."""
    one, other = cells()
    double = [
        Cell(c.vectors, c.coordinates, c.values, {**c.meta, "config_weight": w})
        for c, w in ((one, 2.0), (other, 0.0))
    ]
    torch.manual_seed(0)
    networks = [ml_util.behler_nn(40, 3)]
    losses = []
    descriptors = None
    for some in ([one, one], double):
        images = [compute_images(cell, 3.5) for cell in some]
        dataset = ml.learn_cauldron(images, descriptors or "default")
        functions = dataset.per_point_datasets[0].functions
        descriptors = {"Si": list(functions.potentials)}
        closure = ml_util.simple_energy_closure(networks, dataset, w_forces=0.3)
        losses.append(float(closure.loss().loss_value.detach()))
    testing.assert_allclose(losses[0], losses[1], rtol=1e-12)


def test_nothing_left_by_weights_is_refused() -> None:
    """Rather than a loss of nothing."""
    counts = torch.tensor([0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="the data set has no references for what the weights"):
        LossWeights(1.0, 1.0, 1.0).where_known(counts)


@pytest.fixture
def files(folder: Path) -> Path:
    """Two files; the structures of the second are of the group `melt`."""
    write_extxyz("a.xyz", labelled(3, seed=0))
    melt = {"config_type": "melt", "config_weight": 3.0}
    write_extxyz("b.xyz", [replace(s, info=melt) for s in labelled(2, seed=1)])
    return folder


def test_files_and_groups_multiply_what_structures_bring(files: Path) -> None:
    """Each structure ends with the product of all weights that it was given."""
    given = [
        {"files": ["a.xyz"], "weight": 0.5, "forces_weight": 0},
        {"files": "b.xyz", "weight": 2},
    ]
    found = weigh_groups(read_data(given), {"melt": {"energy": 0.1}})
    keys = ("config_weight", "config_energy_weight", "config_forces_weight")
    weights = [[cell.meta.get(key) for key in keys] for cell in found]
    assert weights == [[0.5, None, 0.0]] * 3 + [[6.0, 0.1, None]] * 2
    whole = weigh_groups(found, {"melt": 0.5})
    assert [cell.meta["config_weight"] for cell in whole] == [0.5] * 3 + [3.0] * 2


def test_fit_tells_of_weights(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How many structures have them, and of what size."""
    prepare = {"fn_cells": ["a.xyz", {"files": "b.xyz", "weight": 0}], "validation_set": 0}
    fit = {"prepare": {**prepare, "cutoff": 4.5}, "run": {"n_epochs": 1}}
    (result,) = ml_util.exec_workflows({"fit": fit})
    said = " ".join(capsys.readouterr().out.split())
    assert "2 of 5 structures for training have a `config_weight` other than 1" in said
    assert "all are from 0 to 1" in said
    assert result.errors["train"].energy.n == 5


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (
            {"fn_cells": [{"files": "a.xyz", "wweight": 1}]},
            "`fit.prepare.fn_cells.0.wweight`: `wweight` is not a known key of an entry of files; "
            "did you mean `weight`",
        ),
        (
            {"fn_cells": {"weight": 1}},
            "`fit.prepare.fn_cells.files`: it is None but must name files",
        ),
        (
            {"fn_cells": {"files": "a.xyz", "energy_weight": -1}},
            "`fit.prepare.fn_cells.energy_weight`: it is -1 but must be a number in [0, inf)",
        ),
        (
            {"fn_cells": [{"files": "absent.xyz"}]},
            "`fit.prepare.fn_cells`: there is no file `absent.xyz`",
        ),
        (
            {"fn_cells": "a.xyz", "group_weights": {"melt": {"force": 1}}},
            "`fit.prepare.group_weights.melt.force`: `force` is not a known property; did you mean "
            "`forces`",
        ),
        (
            {"fn_cells": "a.xyz", "group_weights": {"melt": "much"}},
            "`fit.prepare.group_weights.melt`: it is 'much' but must be a number in [0, inf)",
        ),
        (
            {"fn_cells": "a.xyz", "group_weights": {"liquid": 1}},
            "`group_weights`: no structure for training belongs to 'liquid'; none says its",
        ),
        (
            {"fn_cells": ["a.xyz", "b.xyz"], "group_weights": {"liquid": 1}, "validation_set": 0},
            "`group_weights`: no structure for training belongs to 'liquid'; there are melt",
        ),
    ],
)
def test_wrong_weights_are_refused(files: Path, prepare: dict[str, object], sentence: str) -> None:
    """With the place in the job, what was given and what would do."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        ml_util.exec_workflows({"fit": {"prepare": prepare}})


def test_weights_of_structures_that_are_none_are_refused(files: Path) -> None:
    """The structure is named."""
    odd = [replace(s, info={"config_weight": "big"}) for s in labelled(1, seed=0)]
    write_extxyz("odd.xyz", odd)
    sentence = "`config_weight`: it is 'big' but must be a number in [0, inf)"
    with pytest.raises(
        ValueError, match=re.escape("odd.xyz, structure 0") + ".*" + re.escape(sentence)
    ):
        ml_util.exec_workflows({"fit": {"prepare": {"fn_cells": "odd.xyz", "validation_set": 0}}})
    with pytest.raises(ValueError, match=re.escape("a structure: `config_weight` is -1.0")):
        ml.learn_cauldron([compute_images(cells(config_weight=[-1.0, 1.0])[0], 3.5)])
