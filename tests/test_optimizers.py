"""Optimisers of several models: what they compute, and that they go on as if never interrupted."""

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy import testing
from silicon import labelled
from silicon_fit import JOB

from miniff import ml_util
from miniff.io import write_extxyz
from miniff.kernel import Cell, compute_images
from miniff.ml import Normalization, cut, learn_cauldron
from miniff.ml._checkpoint import Checkpoint, Progress
from miniff.ml_util import FitWorkflow, behler_nn
from miniff.ml_util._batches import Batches, structures_of_batch
from miniff.ml_util._kalman import updated
from miniff.ml_util._loss import LossWeights
from miniff.ml_util._minimizer import Minimizer
from miniff.ml_util._objective import Objective
from miniff.ml_util._optimizers import Course, OptimizerName, make_minimizer, options_of
from miniff.ml_util._residuals import Rows
from miniff.potentials import behler2_descriptor_family

CUTOFF = 3.2
EVERY = ["lbfgs", "levenberg", "kalman", "adam", "adamw"]


def make_objective(n_species: int = 2, n_layers: int = 2, n_structures: int = 10) -> Objective:
    """All terms of the loss and a free pressure, in pieces of one structure."""
    rng, names = np.random.default_rng(0), "AB"[:n_species]
    cells = []
    for _ in range(n_structures):
        labels = {
            "energy": rng.normal(),
            "forces": rng.normal(size=(4, 3)),
            "stress": rng.normal(size=6) / 10,
        }
        vectors = 3.6 * np.eye(3) + rng.normal(size=(3, 3)) * 0.2
        cells.append(Cell(vectors, rng.random((4, 3)), list((names * 4)[:4]), labels))
    descriptors = {
        centre: [
            behler2_descriptor_family(f"{centre}-{other}", a=CUTOFF, eta=eta)
            for other in names
            for eta in (0.1, 0.5)
        ]
        for centre in names
    }
    dataset = learn_cauldron([compute_images(cell, CUTOFF) for cell in cells], descriptors)
    normalization = Normalization.from_dataset(dataset)
    torch.manual_seed(0)
    networks = [behler_nn(normalization.n_inputs(s), 3, n_layers) for s in range(n_species)]
    return Objective(networks, cut(dataset, 1), normalization, LossWeights(1.0, 0.3, 2.0), 0.7)


def make(
    objective: Objective, optimizer: OptimizerName, n_models: int = 2, **options: Any
) -> Minimizer:
    """Models that start from different weights."""
    torch.manual_seed(1)
    shapes = [(n[0].in_features, sum(hasattr(i, "weight") for i in n)) for n in objective.networks]
    members = [[behler_nn(n, 3, n_layers) for n, n_layers in shapes] for _ in range(n_models)]
    batch = 4 if optimizer in ("kalman", "adam", "adamw") else None
    course = Course(n_epochs=4, seed=5, batch_size=batch)
    return make_minimizer(optimizer, options_of(optimizer, options), objective, members, course)


@pytest.mark.parametrize("optimizer", EVERY)
def test_state_is_all_there_is(optimizer: OptimizerName) -> None:
    """Going on from a file gives the same bits, whatever was done after the state was taken."""
    objective = make_objective()
    whole = make(objective, optimizer)
    for _ in range(2):
        whole.epoch([0, 1])
    state = whole.state()
    losses = [whole.epoch([0, 1]) for _ in range(2)]
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    resumed = make(objective, optimizer)
    resumed.resume(torch.load(file, weights_only=True))
    assert [resumed.epoch([0, 1]) for _ in range(2)] == losses
    assert resumed.n_evaluations == whole.n_evaluations
    testing.assert_array_equal(resumed.points, whole.points)


@pytest.mark.parametrize("optimizer", EVERY)
def test_models_do_not_know_each_other(optimizer: OptimizerName) -> None:
    """One that is done stays where it is, and the other goes its own way."""
    objective = make_objective()
    both, alone = make(objective, optimizer), make(objective, optimizer)
    assert not np.array_equal(both.points[0], both.points[1])
    start = np.array(alone.points[0])
    both.epoch([0, 1])
    alone.epoch([1])
    testing.assert_allclose(alone.points[1], both.points[1], rtol=1e-6)
    testing.assert_array_equal(alone.points[0], start)
    assert not np.array_equal(both.points[0], start)


@pytest.mark.parametrize("optimizer", EVERY)
def test_loss_falls(optimizer: OptimizerName) -> None:
    """Over all epochs, by the objective's own count; what is told is about that."""
    objective = make_objective()
    minimizer = make(objective, optimizer, 1)
    (first,) = objective.evaluate(minimizer.points)
    for _ in range(4):
        (told,) = minimizer.epoch([0])
    (last,) = objective.evaluate(minimizer.points)
    assert last[0] < 0.9 * first[0]
    assert 0.5 * last[0] < told < 2 * first[0]


@pytest.mark.parametrize("blocks", ["all", "species"])
def test_filter_on_a_linear_model_is_least_squares(blocks: str) -> None:
    """After one pass over all errors: d/dw of L n/noise + |w - w0|^2/variance is 0."""
    objective = make_objective(1, n_layers=1)
    options = {"share": 1.0, "noise": 0.3, "initial_variance": 0.2, "forgetting": 1.0}
    minimizer = make(objective, "kalman", 1, blocks=blocks, **options)
    start = np.array(minimizer.points[0])
    minimizer.epoch([0])
    (point,) = minimizer.points
    ((_, gradient),) = objective.evaluate([point])
    n_known = 10 * (1 + 12 + 6)
    pull = 2 * (point - start) / 0.2
    assert np.abs(pull).max() > 0.1
    testing.assert_allclose(gradient * n_known / 0.3, -pull, rtol=1e-8, atol=1e-9)


def test_covariance_stays_symmetric_and_positive() -> None:
    """After many measurements it is that of the formula by dense inverses."""
    rng = np.random.default_rng(3)
    p = np.eye(12)
    blocks = [np.eye(12, order="F")]
    point = np.zeros(12)
    wanted = np.zeros(12)
    for _ in range(40):
        rows = Rows(rng.normal(size=5), rng.normal(size=(5, 12)))
        gain = (
            p
            @ rows.jacobian.T
            @ np.linalg.inv(rows.jacobian @ p @ rows.jacobian.T + 0.1 * np.eye(5))
        )
        wanted = wanted - gain @ rows.errors
        p = p - gain @ rows.jacobian @ p
        change, blocks = updated(blocks, rows, 0.1)
        point = point + change
    whole = np.tril(blocks[0]) + np.tril(blocks[0], -1).T
    testing.assert_allclose(whole, p, rtol=1e-7, atol=1e-12)
    testing.assert_allclose(point, wanted, rtol=1e-7, atol=1e-10)
    assert np.linalg.eigvalsh(whole).min() > 0


def test_blocks_leave_out_what_is_between_species() -> None:
    """With one species they are all there is; with two, each learns from what the other left."""
    one = make_objective(1)
    ways = [make(one, "kalman", 1, blocks=blocks) for blocks in ("all", "species")]
    for way in ways:
        way.epoch([0])
    testing.assert_array_equal(ways[0].points, ways[1].points)
    rng = np.random.default_rng(4)
    rows = Rows(rng.normal(size=6), rng.normal(size=(6, 9)))
    split = [np.eye(4, order="F") * 0.5, np.eye(5, order="F") * 0.5]
    change, after = updated(split, rows, 0.2)
    dense, (p,) = updated([np.eye(9, order="F") * 0.5], rows, 0.2)
    testing.assert_allclose(change, dense, rtol=1e-12)
    for block, part in zip(after, (p[:4, :4], p[4:, 4:]), strict=True):
        testing.assert_allclose(np.tril(block), np.tril(part), rtol=1e-12)


def test_damped_steps_end_in_the_minimum_of_a_linear_model() -> None:
    """Where a linear model is best, the gradient is 0; it is converged and stays."""
    objective = make_objective(1, n_layers=1)
    minimizer = make(objective, "levenberg", 1, n_rows=400, tolerance_grad=1e-9)
    for _ in range(10):
        minimizer.epoch([0])
    ((_, gradient),) = objective.evaluate(minimizer.points)
    assert np.abs(gradient).max() < 1e-9
    assert minimizer.has_converged(0)


def test_every_structure_is_seen_once_in_an_epoch() -> None:
    """Batches differ between epochs; what has no reference is never asked for."""
    objective = make_objective(n_structures=9)
    objective.parts[2].per_cell_dataset.weight[:] = 0
    batches = Batches(objective, 4, seed=0)
    epochs = [list(batches.epoch()) for _ in range(3)]
    for epoch in epochs:
        assert sorted(k for batch in epoch for k in batch) == [0, 1, 3, 4, 5, 6, 7, 8]
        assert [len(batch) for batch in epoch] == [4, 4]
    assert epochs[0] != epochs[1] != epochs[2]
    assert structures_of_batch(objective.deals, 33) == 8


def test_adam_follows_torch() -> None:
    """Without schedule, averages and batches, each model is torch's own optimiser."""
    objective = make_objective(n_structures=4)
    minimizer = make(objective, "adam", 1, lr=0.02, warm_up=0.0, average=0.0)
    point = torch.nn.Parameter(torch.tensor(minimizer.points[0]))
    optimizer = torch.optim.Adam([point])
    for step in range(4):
        (group,) = optimizer.param_groups
        group["lr"] = 0.01 * (1 + np.cos(np.pi * step / 4))
        ((_, gradient),) = objective.evaluate([point.detach().numpy()])
        point.grad = torch.from_numpy(gradient)
        optimizer.step()
        minimizer.epoch([0])
    testing.assert_allclose(minimizer.points[0], point.detach(), rtol=1e-10)


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        (
            {"batch_size": 8},
            "`fit.run.batch_size` is 8 but lbfgs looks at all structures in each step; leave it",
        ),
        (
            {"optimizer": "adam", "optimizer_kwargs": {"lrr": 0.1}},
            "`lrr` is not a known option of `adam`; did you mean `lr`",
        ),
        (
            {"optimizer_kwargs": {"tolerance_grad": "0.1"}},
            "`tolerance_grad` is '0.1' but must be a number",
        ),
        ({"optimizer_kwargs": {"history_size": 0}}, "`history_size` is 0 but must be an integer"),
        ({"optimizer": "adam", "batch_size": 0}, "`fit.run.batch_size` is 0 but must be in [1, i"),
        ({"optimizer_kwargs": {"lr": 0.1}}, "`lr` is not a known option of `lbfgs`"),
        ({"optimizer_kwargs": {"max_iter": 0}}, "`max_iter` is 0 but must be an integer in [1, i"),
        (
            {"optimizer": "adam", "optimizer_kwargs": {"lr": "fast"}},
            "`lr` is 'fast' but must be a number",
        ),
        (
            {"optimizer": "adam", "optimizer_kwargs": {"decoupled_weight_decay": 1}},
            "`decoupled_weight_decay` is 1 but must be true or false",
        ),
        (
            {"optimizer": "kalman", "optimizer_kwargs": {"noise": True}},
            "`noise` is True but must be a number or null",
        ),
        (
            {"optimizer": "adamw", "optimizer_kwargs": {"betas": [0.9, 1.0]}},
            "`betas` is [0.9, 1.0] but must be two numbers in [0, 1)",
        ),
        (
            {"optimizer": "kalman", "optimizer_kwargs": {"blocks": "atoms"}},
            "`blocks` is 'atoms' but must be all or species",
        ),
        (
            {"optimizer": "kalman", "optimizer_kwargs": {"share": 0}},
            "`share` is 0 but must be in (0, 1]",
        ),
        (
            {"optimizer": "levenberg", "optimizer_kwargs": {"damping": -1.0}},
            "`damping` is -1.0 but must be in (0, inf)",
        ),
    ],
)
def test_options_are_refused_before_data_are_read(
    folder: Path, run: dict[str, Any], sentence: str
) -> None:
    """With what was given and what is demanded."""
    Path("train.xyz").write_text("nothing that could be read")
    with pytest.raises(ValueError, match=re.escape(sentence)):
        ml_util.exec_workflows({"fit": {**JOB, "run": run}})


def test_options_are_refused_in_python_too(folder: Path) -> None:
    """Where no job is checked before."""
    write_extxyz("train.xyz", labelled(4, seed=0))
    prepared = FitWorkflow(log="warning").prepare(fn_cells="train.xyz", cutoff=4.0)
    with pytest.raises(ValueError, match=re.escape("`batch_size` is 2 but levenberg looks at all")):
        prepared.run(optimizer="levenberg", batch_size=2)
    with pytest.raises(ValueError, match="`momentum` is not a known option of `kalman`"):
        prepared.run(optimizer="kalman", optimizer_kwargs={"momentum": 0.9})


@pytest.mark.parametrize("optimizer", ["levenberg", "kalman", "adamw"])
def test_interrupted_fit_ends_with_the_same_numbers(
    folder: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    """The same command goes on; the errors are those of a run that was not interrupted."""
    write_extxyz("train.xyz", labelled(12, seed=0))
    run = {"n_epochs": 4, "optimizer": optimizer}
    job = {"fit": {**JOB, "prepare": {**JOB["prepare"], "n_models": 2}, "run": run}}
    (whole,) = ml_util.exec_workflows(job)
    saved = Checkpoint.save

    def save_and_stop(self: Checkpoint, state: dict[str, object], progress: Progress) -> None:
        saved(self, state, progress)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save_if_due", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            ml_util.exec_workflows(job)
    if optimizer == "adamw":
        longer = {"fit": {**job["fit"], "run": {**run, "n_epochs": 5}}}
        with pytest.raises(ValueError, match=re.escape("`run.n_epochs` was 4 but here it is 5")):
            ml_util.exec_workflows(longer)
    (resumed,) = ml_util.exec_workflows(job)
    assert [r.epoch for r in resumed.records] == [1, 2, 3, 4]
    assert resumed.errors == whole.errors
    assert [r.loss for r in resumed.records] == [r.loss for r in whole.records]


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize(
    ("optimizer", "sentence"),
    [
        ("lbfgs", "the loss is inf before anything was learned"),
        ("levenberg", "the loss is inf before anything was learned"),
        ("kalman", "the loss of model 1 is inf in step 0; raise `noise` or lower"),
        ("adam", "the loss of model 1 is inf in step 0; lower `lr`"),
    ],
)
def test_loss_that_is_no_number_stops(optimizer: OptimizerName, sentence: str) -> None:
    """With what to do, and with the model and the step where there are several."""
    objective = make_objective()
    objective.parts[0].per_cell_dataset.energy[:] = 1e200
    minimizer = make(objective, optimizer)
    with pytest.raises(FloatingPointError, match=re.escape(sentence)):
        minimizer.epoch([1])


def test_covariance_that_is_none_is_refused() -> None:
    """Instead of steps in a wrong direction."""
    rows = Rows(np.ones(1), np.ones((1, 3)))
    with pytest.raises(FloatingPointError, match="is no longer positive definite; raise"):
        updated([-np.eye(3, order="F")], rows, 0.1)
