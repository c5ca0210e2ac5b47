"""The epochs of a fit: when to stop, what to keep, what to write on the way."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray

from miniff.kernel import Cell
from miniff.ml import Dataset, ProcessError
from miniff.ml._checkpoint import Checkpoint, Progress
from miniff.ml_util._baseline import Baseline
from miniff.ml_util._deals import Deal, gathered
from miniff.ml_util._errors import Properties, compare
from miniff.ml_util._loss import DIAGONAL, LossWeights
from miniff.ml_util._minimizer import Minimizer
from miniff.ml_util._objective import Objective
from miniff.ml_util._outputs import predicted_properties, reference_properties
from miniff.ml_util._progress import EpochRecord, Reporter, TrainingProgress

__all__ = ["Best", "Predictor", "Trainer", "cause_of_no_number", "typical_loss"]

WATCHED = ("train", "validation")


@dataclass(frozen=True)
class Best:
    """The state of one model that is kept.

    Attributes:
        point: Its parameters.
        loss: Its typical loss on the validation set, or on the training set if there is none.
        epoch: When it was reached.
    """

    point: Float64[ndarray, " n_parameters"]
    loss: float
    epoch: int


@dataclass(frozen=True)
class Predictor:
    """References of each set, and what models give for them, the baseline included.

    Attributes:
        objective: Of the training.
        datasets: Parts of each set, by name.
        baseline: What is under the networks.
        deals: Who has what of each part.
    """

    objective: Objective
    datasets: Mapping[str, Sequence[Dataset]]
    baseline: Baseline
    deals: Mapping[str, Sequence[Deal]]

    def reference(self, name: str) -> Properties:
        """Of a set; all processes must call it."""
        parts = [reference_properties(part) for part in self.datasets[name]]
        return self.baseline.restored(name, self._gathered(name, parts))

    def predicted(self, name: str, points: Sequence[ndarray], *, grad: bool) -> list[Properties]:
        """Of a set, by each model; all processes must call it."""
        rank = self.objective.processes.rank
        by_part = [
            [
                predicted_properties(deal.sizes[deal.structures(rank)], own)
                for own in self.objective.predict(points, part, grad=grad)
            ]
            for part, deal in zip(self.datasets[name], self.deals[name], strict=True)
        ]
        return [
            self.baseline.added(name, self._gathered(name, parts))
            for parts in zip(*by_part, strict=True)
        ]

    def _gathered(self, name: str, parts: Sequence[Properties]) -> Properties:
        """Of all processes."""
        own, processes = Properties.join(parts), self.objective.processes
        return gathered(own, self.deals[name], processes)


def cause_of_no_number(
    predictor: Predictor, points: Sequence[ndarray], cells: Sequence[Cell]
) -> str:
    """Which of the structures for training has numbers that are not finite, before any epoch."""
    reference = predictor.reference("train")
    (first, *_) = predictor.predicted("train", points, grad=False)
    for s, cell in enumerate(cells):
        where = cell.meta.get("source", f"structure {s} (counted from 0)")
        if not np.isfinite(first.energy[s]):
            return f"the networks give {where} an energy of {first.energy[s]}"
        if not np.isfinite(reference.energy[s]) and not np.isnan(reference.energy[s]):
            return f"the energy of {where} is {reference.energy[s]}"
    return "all energies are finite; a lower step length or smaller weights may help"


class Trainer:
    """One training, from its beginning or from a checkpoint."""

    def __init__(
        self,
        minimizer: Minimizer,
        predictor: Predictor,
        *,
        patience: int,
        checkpoint: Checkpoint,
        on_best: Callable[[Sequence[Best]], None],
    ) -> None:
        """Nothing is computed yet.

        Args:
            minimizer: Of the objective.
            predictor: Of the training set and the validation set.
            patience: Epochs after which a model stops that has not become better.
            checkpoint: Where the state is kept.
            on_best: Called with the best state of each model whenever one has become better.
        """
        self._minimizer = minimizer
        self._predictor = predictor
        self._patience = patience
        self._checkpoint = checkpoint
        self._on_best = on_best
        self._sets = [name for name in WATCHED if name in predictor.datasets]
        grad = predictor.objective.weights.needs_gradient
        self._references = {
            name: predictor.reference(name) if grad else energies_alone(predictor.reference(name))
            for name in self._sets
        }
        self.records: list[EpochRecord] = []
        self.best = [Best(np.array(p), float("inf"), 0) for p in minimizer.points]
        self._losses = [float("nan")] * len(self.best)
        self._before = 0.0

    def run(self, n_epochs: int, reporter: Reporter) -> None:
        """Trains until `n_epochs`, or until no model becomes better.

        Raises:
            FloatingPointError: The loss is no longer a number.
            KeyboardInterrupt: The user stops it; a checkpoint is written.
            ProcessError: Another process is gone; a checkpoint is written.
        """
        self._resume(reporter)
        start = perf_counter() - self._before
        state = self._state(self._before) if self.records else None
        with reporter.training(n_epochs) as progress:
            try:
                while len(self.records) < n_epochs and self._active():
                    self._epoch(perf_counter() - start, progress)
                    state = self._state(perf_counter() - start)
                    self._checkpoint.save_if_due(state, self._progress(n_epochs))
            except (KeyboardInterrupt, ProcessError):
                if state is not None:
                    self._checkpoint.save(state, self._progress(n_epochs))
                    reporter.warning(
                        f"interrupted; {len(self.records)} of {n_epochs} epochs are in "
                        f"{self._checkpoint.path}: the same command goes on from there"
                    )
                raise
        self._report(reporter)

    def _progress(self, n_epochs: int) -> Progress:
        return Progress(len(self.records), n_epochs, "epochs")

    def _active(self) -> list[int]:
        """Models that still become better."""
        done = len(self.records)
        return [
            k
            for k, best in enumerate(self.best)
            if not self._minimizer.has_converged(k)
            and (done == 0 or done - best.epoch < self._patience)
        ]

    def _epoch(self, elapsed_s: float, progress: TrainingProgress) -> None:
        start, active = perf_counter(), self._active()
        for k, loss in zip(active, self._minimizer.epoch(active), strict=True):
            self._losses[k] = loss
        epoch = len(self.records) + 1
        weights, watched = self._predictor.objective.weights, self._losses
        errors: dict[str, Any] = {"train": None, "validation": None}
        for name in self._sets:
            points = self._minimizer.points
            predicted = self._predictor.predicted(name, points, grad=weights.needs_gradient)
            errors[name] = compare(self._references[name], Properties.mean(predicted))
            watched = [
                self._typical(name, one, point)
                for one, point in zip(predicted, points, strict=True)
            ]
        self._keep(epoch, watched)
        record = EpochRecord(
            epoch=epoch,
            n_evaluations=self._minimizer.n_evaluations,
            loss=float(np.mean(self._losses)),
            train=errors["train"],
            validation=errors["validation"],
            wall_time_s=elapsed_s + perf_counter() - start,
        )
        self.records.append(record)
        progress.update(record)

    def _typical(self, name: str, predicted: Properties, point: ndarray) -> float:
        """The loss that decides, of one model."""
        objective = self._predictor.objective
        freed = predicted.stress + objective.pressure(point) * np.array(DIAGONAL)
        return typical_loss(
            self._references[name], replace(predicted, stress=freed), objective.weights
        )

    def _keep(self, epoch: int, watched: Sequence[float]) -> None:
        better = False
        for k, loss in enumerate(watched):
            if epoch == 1 or loss < self.best[k].loss:
                self.best[k] = Best(np.array(self._minimizer.points[k]), loss, epoch)
                better = True
        if better:
            self._on_best(self.best)

    def _report(self, reporter: Reporter) -> None:
        done = len(self.records)
        watched = "validation" if "validation" in self._sets else "training"
        kept = sorted({best.epoch for best in self.best})
        epochs = f"epoch {kept[0]}" if len(kept) == 1 else f"epochs {kept[0]} to {kept[-1]}"
        if all(self._minimizer.has_converged(k) for k in range(len(self.best))):
            reporter.info(f"converged after {done} epochs: no step lowers the loss")
        elif not self._active():
            reporter.info(f"stopped after {done} epochs: {self._patience} without a better one")
        reporter.info(
            f"{done} epochs in {self.records[-1].wall_time_s:.0f} s; kept {epochs}, with the "
            f"lowest typical loss on the {watched} set"
        )

    def _state(self, elapsed_s: float) -> dict[str, object]:
        return {
            "elapsed_s": elapsed_s,
            "minimizer": self._minimizer.state(),
            "losses": list(self._losses),
            "best": [
                {"point": torch.from_numpy(b.point), "loss": b.loss, "epoch": b.epoch}
                for b in self.best
            ],
            "records": [record.as_plain() for record in self.records],
        }

    def _resume(self, reporter: Reporter) -> None:
        processes = self._predictor.objective.processes
        state: Any = processes.from_first(self._checkpoint.load)
        if state is None:
            return
        self._before = state["elapsed_s"]
        self._minimizer.resume(state["minimizer"])
        self._losses = state["losses"]
        self.best = [Best(b["point"].numpy(), b["loss"], b["epoch"]) for b in state["best"]]
        self.records = [EpochRecord.from_plain(record) for record in state["records"]]
        reporter.info(f"going on after epoch {len(self.records)} from {self._checkpoint.path}")


def energies_alone(reference: Properties) -> Properties:
    """Without forces and stress, which are not predicted where they have no weight."""
    unknown = {
        name: np.full_like(getattr(reference, name), np.nan) for name in ("forces", "stress")
    }
    return replace(reference, **unknown)


def typical_loss(reference: Properties, predicted: Properties, weights: LossWeights) -> float:
    """Median over structures of the loss each would have alone; nan if none has a reference."""
    n = len(reference.n_atoms)
    of_atom = np.repeat(np.arange(n), reference.n_atoms)
    of_component = np.repeat(np.arange(n), 6)
    loss = weights.energy * np.nan_to_num(
        np.square(predicted.energy_per_atom - reference.energy_per_atom)
    )
    loss += weights.forces * _means(
        np.square(predicted.forces - reference.forces).ravel(), np.repeat(of_atom, 3), n
    )
    loss += weights.stress * _means(
        np.square(predicted.stress - reference.stress).ravel(), of_component, n
    )
    if weights.charges > 0:
        off = np.square(predicted.charges - reference.charges)
        loss += weights.charges * _means(off, of_atom, n)
    labelled = ~np.isnan(reference.energy) | ~np.isnan(reference.stress).all(axis=1)
    labelled[of_atom[~np.isnan(reference.forces).all(axis=1)]] = True
    labelled[of_atom[~np.isnan(reference.charges) & (weights.charges > 0)]] = True
    return float(np.median(loss[labelled])) if labelled.any() else float("nan")


def _means(values: ndarray, group: ndarray, n_groups: int) -> ndarray:
    """Mean of each group over what is not nan; 0 where all is."""
    known = ~np.isnan(values)
    sums = np.bincount(group[known], values[known], minlength=n_groups)
    means: ndarray = sums / np.maximum(np.bincount(group[known], minlength=n_groups), 1)
    return means
