"""Several processes: the same numbers as one, one message, one set of files."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
from numpy import testing
from shared_fits import OPTIONS, job, numbers

from miniff import ml_util
from miniff.kernel import Cell, compute_images
from miniff.kernel import eval as evaluate
from miniff.ml import (
    Normalization,
    Processes,
    cut,
    feature_ranges,
    learn_cauldron,
    load_potentials,
)
from miniff.ml_util._deals import Deal, deal_evenly, gathered
from miniff.ml_util._errors import Properties
from miniff.potentials import lj_potential_family

NAMES = ("n_atoms", "energy", "forces", "stress", "charges")
HERE = Path(__file__).resolve().parent
PAIRS = [
    lj_potential_family(tag=f"{a}-{b}", epsilon=0.2, sigma=sigma, a=1.5)
    for a, b, sigma in [("Ga", "Ga", 2.0), ("Ga", "N", 1.8), ("N", "Ga", 1.8), ("N", "N", 1.6)]
]


def structures(n: int) -> list[Cell]:
    """Of several sizes and compositions, some without one of their labels."""
    rng, made = np.random.default_rng(0), []
    sites = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    for s in range(n):
        names = (["Ga", "N", "Ga", "N"], ["Ga", "Ga", "N"], ["N"] * 4)[s % 3]
        vectors = rng.uniform(3.4, 4.0) * (np.eye(3) + rng.normal(scale=0.02, size=(3, 3)))
        at = sites[: len(names)] + rng.normal(scale=0.02, size=(len(names), 3))
        found = evaluate(PAIRS, Cell(vectors, at, names), ignore_missing_species=True)
        labels = {"energy": found.energy, "forces": found.forces, "stress": found.stress}
        if s % 5 == 1:
            del labels[("energy", "forces", "stress")[s % 3]]
        made.append(Cell(vectors, at, names, meta={**labels, "config_weight": 1 + s % 2}))
    return made


def torchrun(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Two processes."""
    run = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *arguments]
    where = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": where, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        run, capture_output=True, text=True, env=environment, timeout=300, check=False, **options
    )


def assert_same(found: Mapping[str, Any], wanted: Mapping[str, Any], rtol: float) -> None:
    """All numbers of two fits."""
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        one, other = np.asarray(value, float), np.asarray(found[name], float)
        size = np.nanmax(np.abs(one))
        testing.assert_allclose(other, one, rtol=rtol, atol=rtol * size, err_msg=name)


def test_two_processes_give_what_one_gives(folder: Path) -> None:
    """Every optimiser: losses, errors and predictions of all sets in their order, to rounding; an
    interrupted run goes on to the same bits, but not with another number of processes."""
    Cell.save(structures(26), "train.json")
    done = torchrun(str(HERE / "shared_fits.py"), "two.json")
    assert done.returncode == 0, done.stderr
    two = json.loads(Path("two.json").read_text())
    for optimizer in OPTIONS:
        (result,) = ml_util.exec_workflows(job(optimizer))
        assert_same(two[optimizer], numbers(result), rtol=1e-9)
        assert len(two[optimizer]["losses"]) == 3
    for alive in Path().glob("threads-*.json"):  # of gloo none, which Python's end would abort
        assert set(json.loads(alive.read_text())) == {"python"}
    assert two["resumed"] == two["kalman"]
    tested = [
        evaluate(load_potentials("of-two.pt"), cell, ignore_missing_species=True).energy
        for cell in Cell.load("train.json")
    ]
    testing.assert_allclose(two["tested"], tested, rtol=1e-12)
    written = ase.io.read("test-direct.extxyz", ":")
    testing.assert_allclose([atoms.info["energy_pred"] for atoms in written], tested, rtol=1e-7)
    assert two["drift"].startswith("process 1 is no longer where process 0 is")
    Path("of-two.checkpoint").rename("fit.checkpoint")
    with pytest.raises(ValueError, match=r"`init\.processes` was 2 but here it is 1"):
        ml_util.exec_workflows(job("kalman", save=None))


def test_one_process_says_what_is_wrong(folder: Path) -> None:
    """All end, with one sentence, whichever process finds it; and the log has it too."""
    cells = structures(12)
    twice = Cell(cells[5].vectors, np.zeros((4, 3)), cells[5].values, cells[5].meta)
    Cell.save([*cells[:5], twice, *cells[6:]], "train.json")
    function = "{family: behler2, tag: %s-N, eta: 0.1, a: 3.0}"
    lists = ", ".join(f"{name}: [{function % name}]" for name in ("Ga", "N"))
    prepare = f"{{fn_cells: train.json, validation_set: 0, descriptors: {{{lists}}}}}"
    Path("jobs.yml").write_text(f"fit: {{prepare: {prepare}}}\n")
    done = torchrun("-m", "miniff", "jobs.yml")
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if line.startswith("miniff: ")]
    assert said == ["miniff: atoms 0 and 1 are at the same place (counted from 0)"]
    assert done.stdout.count("train: 12 structures") == 1
    log = Path("fit.log").read_text()
    assert log.count("train: 12 structures") == 1
    assert sorted(os.listdir()) == ["fit.log", "jobs.yml", "train.json"]


def test_deals_are_even_and_complete() -> None:
    """Every structure has one owner; work differs by less than the largest piece of it."""
    rng = np.random.default_rng(1)
    work, sizes = rng.integers(1, 50, 200).astype(float), rng.integers(1, 30, 200)
    deals = deal_evenly(work, sizes, 100, 3)
    testing.assert_array_equal(np.concatenate([deal.sizes for deal in deals]), sizes)
    assert all(deal.sizes.sum() <= 100 for deal in deals)
    owner = np.concatenate([deal.owner for deal in deals])
    load = np.bincount(owner, work)
    assert len(load) == 3
    assert np.ptp(load) < 50
    of_part = deals[1]
    found = np.concatenate([of_part.atoms(rank) for rank in range(3)])
    testing.assert_array_equal(np.sort(found), np.arange(of_part.sizes.sum()))
    (alone,) = deal_evenly(work, sizes, 10**6, 1)
    testing.assert_array_equal(alone.structures(0), np.arange(200))


def test_shares_are_cut_where_the_whole_is(folder: Path) -> None:
    """What processes have of a piece are together the structures of that piece."""
    cells = structures(10)
    descriptors = {
        name: [{"family": "behler2", "tag": f"{name}-N", "eta": 0.1, "a": 3.0}]
        for name in ("Ga", "N")
    }
    images = [compute_images(cell, 3.0) for cell in cells]
    owner = np.array([0, 1, 1, 1, 0, 1, 1, 1, 1, 0])
    deal = Deal(owner, np.array([cell.size for cell in cells]))
    whole = cut(learn_cauldron(images, descriptors), 3)
    pieces = []
    for rank in (0, 1):
        own = learn_cauldron([images[s] for s in deal.structures(rank)], descriptors)
        parts, deals = deal.cut(own, 3, rank)
        pieces.append(parts)
        assert [len(part) for part in parts] == [len(d.structures(rank)) for d in deals]
    assert len(pieces[0][1]) == 1
    for piece, *shares in zip(whole, *pieces, strict=True):
        energies = torch.cat([share.per_cell_dataset.energy for share in shares])
        assert (
            set(energies.ravel().tolist()) <= set(piece.per_cell_dataset.energy.ravel().tolist())
            or torch.isnan(energies).any()
        )
        assert sum(map(len, shares)) == len(piece)
        for s, points in enumerate(piece.per_point_datasets):
            features = torch.cat([share.per_point_datasets[s].features for share in shares])
            testing.assert_array_equal(np.sort(features.ravel()), np.sort(points.features.ravel()))


def test_scales_do_not_depend_on_parts(folder: Path) -> None:
    """Of a data set in parts, one of them empty, they are those of the whole."""
    images = [compute_images(cell, 3.5) for cell in structures(12)]
    whole = learn_cauldron(images, "default")
    functions = {str(p.tag): list(p.functions.potentials) for p in whole.per_point_datasets}
    parts = [learn_cauldron(own, functions) for own in (images[:5], [], images[5:])]
    for wanted in (None, 3):
        one = Normalization.from_dataset(whole, pca_features=wanted)
        other = Normalization.from_parts(parts, pca_features=wanted)
        testing.assert_allclose(other.energy_scale, one.energy_scale, rtol=1e-12)
        for name in ("features_offset", "features_scale", "features_projection"):
            for a, b in zip(getattr(one, name), getattr(other, name), strict=True):
                testing.assert_allclose(b, a, rtol=1e-9, atol=1e-10)
    # Against numpy: mean, spread, and the spreads of components by the covariance.
    x = whole.per_point_datasets[0].features.numpy()
    testing.assert_allclose(one.features_offset[0], x.mean(0), rtol=1e-12)
    testing.assert_allclose(one.features_scale[0], x.std(0), rtol=1e-10)
    y = one.features(0, whole.per_point_datasets[0].features).numpy()
    testing.assert_allclose(y.T @ y / len(y), np.eye(3), atol=1e-10)
    least, greatest = feature_ranges(parts)[0]
    testing.assert_array_equal(least, x.min(0))
    testing.assert_array_equal(greatest, x.max(0))


def test_what_is_gathered_is_in_the_order_of_the_structures() -> None:
    """Shares of two parts, as another process would send them, come back as they were."""
    rng, sizes = np.random.default_rng(2), np.array([2, 1, 3, 2, 1])
    owners = [np.array([1, 0, 1]), np.array([0, 1])]
    deals = [Deal(owners[0], sizes[:3]), Deal(owners[1], sizes[3:])]
    numbers = (rng.random(5), rng.random((9, 3)), rng.random((5, 6)), rng.random(9))
    whole = Properties(sizes, *numbers)
    shares = [whole.taken(np.array(own)) for own in ([1, 3], [0, 2, 4])]

    sent = [np.concatenate([getattr(s, name) for s in shares]).astype(float) for name in NAMES]

    class Sent(Processes):
        def gather(self, array: np.ndarray) -> np.ndarray:
            return sent.pop(0)

    found = gathered(shares[0], deals, Sent(rank=0, size=2))
    for name in NAMES:
        testing.assert_array_equal(getattr(found, name), getattr(whole, name))


def test_a_process_alone_has_all() -> None:
    """Sums and gathers what it has; nothing waits."""
    alone, x = Processes(), np.arange(3.0)
    assert alone.sum(x) is x
    assert alone.gather(x) is x
    assert alone.greatest(x) is x
    assert alone.from_first(lambda: 7) == 7
    alone.wait()
    alone.refuse_drift([x])
    assert alone.is_first_to_fail("why")
