"""The workflow `fit`, second half: networks are trained, the best are kept and reported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray
from pydantic import JsonValue
from torch import nn

from miniff import _core
from miniff.ml import Dataset, Normalization, Processes, save_potentials
from miniff.ml._checkpoint import Checkpoint
from miniff.ml_util._baseline import Baseline
from miniff.ml_util._charge_choice import conflict_of_charges
from miniff.ml_util._charge_use import refuse_no_charges
from miniff.ml_util._data import Split
from miniff.ml_util._deals import Deal
from miniff.ml_util._errors import Properties
from miniff.ml_util._estimate import Demand, MemoryLimit, of_predictions, tables_of
from miniff.ml_util._fit_model import FitModel, Learned
from miniff.ml_util._fit_page import Preparation, coverage_of, fit_report
from miniff.ml_util._fit_result import FitResult, write_fit
from miniff.ml_util._loss import LossWeights
from miniff.ml_util._objective import Objective
from miniff.ml_util._optimizers import (
    Course,
    OptimizerName,
    TrainingSizes,
    conflict_of_dtype,
    conflicts_of_optimizer,
    make_minimizer,
    memory_of,
    options_of,
)
from miniff.ml_util._overfit import overfitting
from miniff.ml_util._page import write_page
from miniff.ml_util._place import TrainingPlace, keep_derivatives, needed_derivatives
from miniff.ml_util._progress import Level, Reporter, Stopwatch
from miniff.ml_util._run_choices import RunChoices
from miniff.ml_util._settings import PRECISIONS, NumberType
from miniff.ml_util._stress import pressure_unit, report_pressure
from miniff.ml_util._trainer import Best, Predictor, Trainer, cause_of_no_number
from miniff.ml_util._types import Count, NonNegative, OutputFile, Problem
from miniff.potentials import Potential, TrainingMoments

__all__ = ["PreparedFit"]


@dataclass(frozen=True)
class PreparedFit:
    """Data, scales and fresh networks, ready to be trained.

    Attributes:
        log: The least important kind of message to show.
        dtype: What :class:`FitWorkflow` was made with.
        device: The same.
        limit: Of the memory; all of its processes share the work and must call :meth:`run`.
        demand: The memory that data and networks need.
        cells: The structures for training, validation and test.
        datasets: What this process has of them, with descriptors, by name and in parts; only sets
            that are not empty.
        deals: Who has what of each part.
        normalization: From the training set.
        ranges: Of the descriptors of each species in the training set.
        moments: The same, of their mean and covariance.
        members: For each model its networks; :meth:`run` gives them the best parameters.
        default_n_epochs: How long to train if it is not said.
        baseline: Potentials whose part is taken from the references in ``datasets``.
        model: What the networks stand for.
        settings: What :meth:`FitWorkflow.prepare` was called with.
        provenance: Seed, versions and hash of the data.
        preparation: What happened until now, for the report.
    """

    log: Level
    dtype: NumberType
    device: str
    limit: MemoryLimit
    demand: Demand
    cells: Split
    datasets: Mapping[str, Sequence[Dataset]]
    deals: Mapping[str, Sequence[Deal]]
    normalization: Normalization
    ranges: Sequence[Float64[ndarray, "2 _"]]
    moments: Sequence[TrainingMoments]
    members: list[list[nn.Module]]
    default_n_epochs: int
    baseline: Baseline
    model: FitModel
    settings: Mapping[str, object]
    provenance: Mapping[str, object]
    preparation: Preparation = field(default_factory=Preparation)

    def run(
        self,
        *,
        n_epochs: Count | None = None,
        save: OutputFile | None = "potentials.pt",
        optimizer: OptimizerName = "lbfgs",
        optimizer_kwargs: dict[str, JsonValue] | None = None,
        batch_size: Count | None = None,
        w_energy: NonNegative = 1.0,
        w_forces: NonNegative = 0.02,
        w_stress: NonNegative = 0.2,
        w_charges: NonNegative = 0.0,
        free_pressure: bool = True,
        patience: Count | None = None,
        checkpoint_s: NonNegative = 60.0,
    ) -> "FitResult":
        """Trains, and keeps the networks with the lowest typical loss on the validation set.

        That is the median of the losses of its structures (of the training set where there is no
        validation set): one structure far from everything else does not decide alone. A run that
        was interrupted goes on from its checkpoint, and ends with the same numbers as one that was
        not.

        Args:
            n_epochs: Steps of the optimiser: 20 iterations of LBFGS, 5 steps of Levenberg, or one
                pass through the training set. By default what ``quality`` says, 40, 60 or 200, and
                five times as many for Adam and AdamW.
            save: File for the best potentials so far, rewritten whenever they get better.
            optimizer: By name.
            optimizer_kwargs: Options of the optimiser.
            batch_size: Structures that Kalman, Adam and AdamW look at in a step: as many as have
                about 64 atoms (Kalman) or 1024 (Adam) by default.
            w_energy: Cost of a mean square error of 1 in the energy per atom (1/energy^2).
            w_forces: Cost of a mean square error of 1 in the forces ((length/energy)^2).
            w_stress: Cost of a mean square error of 1 in the stress ((length^3/energy)^2).
            w_charges: Cost of a mean square error of 1 in the charges (1/charge^2), where charges
                are learned; by default energies alone, forces and stress teach them.
            free_pressure: Let one pressure be added to all stresses where energies ask for it: what
                plane waves that are cut off leave on the diagonal no potential can follow. Where
                all structures have the same volume per atom, energies do not ask.
            patience: Epochs after which a model stops that has not become better: 50 by default;
                Adam and AdamW, whose steps shrink towards the end, go on to it.
            checkpoint_s: Seconds between two writings of the checkpoint.

        Raises:
            FloatingPointError: The loss is no longer a number.
            ValueError: Arguments out of range, more memory than the limit, a checkpoint of another
                run, or a device that is not there.
            TypeError: Descriptors that the device cannot have.
            MemoryError: Too little memory on the device.
        """
        choices = RunChoices.of(
            n_epochs=n_epochs,
            patience=patience,
            epochs_of_quality=self.default_n_epochs,
            optimizer=optimizer,
            optimizer_kwargs=optimizer_kwargs,
            batch_size=batch_size,
            weights=LossWeights(w_energy, w_forces, w_stress, w_charges),
            free_pressure=free_pressure,
            checkpoint_s=checkpoint_s,
            save=save,
        )
        conflicts = conflict_of_charges(self.settings.get("charges"), optimizer, w_charges)
        for at, what in [*conflict_of_dtype(self.dtype, optimizer), *conflicts]:
            raise ValueError(f"`{'.'.join(at)}` {what}")
        return self.carried_out(choices)

    def carried_out(self, choices: RunChoices) -> "FitResult":
        """What :meth:`run` does, with arguments that were checked."""
        course = Course.of(
            choices.optimizer,
            self.deals["train"],
            n_epochs=choices.n_epochs,
            seed=int(str(self.provenance["seed"])),
            batch_size=choices.batch_size,
        )
        has_charges = self.settings.get("charges") is not None
        device = "cpu" if has_charges and self.device == "auto" else self.device
        place = TrainingPlace.of(device, choices.optimizer, self.dtype, self._descriptors())
        with Reporter(
            self.model.name, level=self.log, append=True, silent=not self.processes.is_first
        ) as reporter:
            with place.memory():
                ready = self._cut(course)._moved(course, place)
                result = ready._train(choices, course, place, reporter)
            self.processes.wait()  # until the files are written
        return result

    def _train(
        self, choices: RunChoices, course: Course, place: TrainingPlace, reporter: Reporter
    ) -> "FitResult":
        """From the first epoch, or a checkpoint, to the files that are left behind."""
        watch = Stopwatch()
        if not place.by_core:
            reporter.info(place.words())
        predictor = self._predictor(choices, course, place, reporter)
        watch.lap("derivatives of descriptors")
        settings = choices.settings() | course.settings(choices.optimizer) | place.settings()
        checkpoint = self._checkpoint(settings, choices.checkpoint_s)
        said = {"n_epochs": choices.n_epochs, **settings}
        options = options_of(choices.optimizer, choices.optimizer_kwargs)
        objective = predictor.objective
        trainer = Trainer(
            make_minimizer(choices.optimizer, options, objective, self.members, course),
            predictor,
            patience=choices.patience,
            checkpoint=checkpoint,
            on_best=lambda best: self._save(choices.save, objective, best, said),
        )
        try:
            trainer.run(choices.n_epochs, reporter)
        except FloatingPointError as error:
            points = [best.point for best in trainer.best]
            cause = cause_of_no_number(predictor, points, self.cells.train)
            raise FloatingPointError(f"{error}: {cause}") from error
        watch.lap("training")
        reporter.info("computing the errors of all sets")
        for part in self._parts():
            part.keep_derivatives(0)
        result = self._finish(trainer, predictor)
        watch.lap("predictions")
        self._tell(result, choices, watch.seconds, reporter)
        checkpoint.remove()
        return result

    def _predictor(
        self, choices: RunChoices, course: Course, place: TrainingPlace, reporter: Reporter
    ) -> Predictor:
        """With the derivatives of descriptors that there is memory for."""
        objective = self._objective(choices.weights, choices.free_pressure, place)
        demand = self._demand(choices, course)
        demand.refuse_above(self.limit)
        room = place.for_derivatives(self.limit, demand.total)
        may = room if objective.weights.needs_gradient else 0.0
        needed = needed_derivatives(self._parts()) if may > 0 else 0.0
        place.tell_memory(demand, (needed, may), self.processes, reporter)
        keep_derivatives(self._parts(), may)
        return Predictor(objective, self.datasets, self.baseline, self.deals)

    def _tell(
        self,
        result: FitResult,
        choices: RunChoices,
        seconds: Mapping[str, float],
        reporter: Reporter,
    ) -> None:
        """Errors on the terminal, and all in the files of the workflow."""
        reporter.table("Errors", result.errors)
        report_pressure(reporter, result)
        found = overfitting(result.errors)
        for one in found:
            reporter.info(f"note: {one.sentence}")
        if self.processes.is_first:
            before = self.preparation.went_on(reporter.warnings, seconds, found)
            write_fit(self.model.name, result, self.provenance, before.findings)
            write_page(
                self.model.page,
                self.model.name,
                lambda: fit_report(
                    result,
                    self.cells,
                    before,
                    self._job(choices),
                    self.provenance,
                    coverage_of(self.datasets, self.ranges, result.potentials),
                ),
                reporter,
            )
        if choices.save is not None:
            reporter.info(f"potentials: {choices.save}")

    def _job(self, choices: RunChoices) -> dict[str, object]:
        """All arguments, as a job has them."""
        prepare = {**self.settings, "cache": self.preparation.cache}
        return {"init": dict(self.preparation.init), "prepare": prepare, "run": choices.as_plain()}

    @property
    def processes(self) -> Processes:
        """Those that share the work."""
        return self.limit.processes

    @staticmethod
    def conflicts(run: Mapping[str, object]) -> list[Problem]:
        """What is wrong with arguments of ``run`` only beside each other."""
        return conflicts_of_optimizer(run)

    def _cut(self, course: Course) -> "PreparedFit":
        """The training set as the optimiser looks at it."""
        parts, deals = course.cut(self.datasets["train"], self.deals["train"], self.processes.rank)
        return replace(
            self,
            datasets={**self.datasets, "train": parts},
            deals={**self.deals, "train": deals},
        )

    def _moved(self, course: Course, place: TrainingPlace) -> "PreparedFit":
        """With all sets where networks are trained, in few parts if all are looked at together."""
        datasets, deals = self.datasets, self.deals
        if course.batch_size is None:
            datasets, deals = place.joined(datasets, deals, len(self.members))
        return replace(self, datasets=place.datasets(datasets), deals=deals)

    def _parts(self) -> list[Dataset]:
        """Of the sets that are looked at again and again."""
        names = [name for name in ("train", "validation") if name in self.datasets]
        return [part for name in names for part in self.datasets[name]]

    def _descriptors(self) -> list[Potential]:
        """Of all species."""
        parts = self.datasets["train"][0].per_point_datasets
        return [f for own in parts if own.functions is not None for f in own.functions.potentials]

    def _objective(
        self, wanted: LossWeights, free_pressure: bool, place: TrainingPlace
    ) -> Objective:
        objective = Objective(
            networks=place.networks(self.members[0]),
            parts=self.datasets["train"],
            normalization=place.normalization(self.normalization),
            weights=wanted,
            precision=PRECISIONS[self.dtype],
            processes=self.processes,
            deals=self.deals["train"],
            forward=self.model.forward,
        )
        n_charges = float(objective.charge_counts.sum())
        key = str(self.settings.get("charges_key"))
        refuse_no_charges(wanted.charges, n_charges, self.cells.sets, key)
        weights = wanted.where_known(objective.counts.sum(0), n_charges)
        asked = free_pressure and weights.stress > 0 and weights.energy > 0
        unit = pressure_unit(objective.parts, self.processes) if asked else 0.0
        return replace(objective, weights=weights, pressure_unit=unit)

    def _checkpoint(self, settings: Mapping[str, object], every_s: float) -> Checkpoint:
        run = {
            "init": {
                "threads": torch.get_num_threads(),
                "core": _core.instruction_set,
                "dtype": self.dtype,
                "processes": self.processes.size,
                "memory_gb": self.limit.gb,
            },
            "prepare": dict(self.settings),
            "run": dict(settings),
            **self.provenance,
        }
        path, writes = Path(f"{self.model.name}.checkpoint"), self.processes.is_first
        return Checkpoint(path, run, every_s, writes)

    def _demand(self, choices: RunChoices, course: Course) -> Demand:
        """The memory of the whole run, but for derivatives that are kept."""
        options = options_of(choices.optimizer, choices.optimizer_kwargs)
        sizes = TrainingSizes.of(self.members, course, self.deals["train"], self.processes.size)
        n_atoms = sum(float(deal.sizes.sum()) for own in self.deals.values() for deal in own)
        parts = {
            **self.demand.parts,
            "comparisons": of_predictions(n_atoms, sizes.n_models),
            choices.optimizer: memory_of(choices.optimizer, options, sizes),
        }
        if course.batch_size is not None:
            parts["pieces for batches"] = tables_of(self.datasets["train"])
        return Demand(parts)

    def _finish(self, trainer: Trainer, predictor: Predictor) -> FitResult:
        """Errors of the networks that were kept, on every set."""
        objective, points = predictor.objective, [best.point for best in trainer.best]
        for member, point in zip(self.members, points, strict=True):
            for own, trained in zip(member, objective.trained(point), strict=True):
                own.load_state_dict(trained.state_dict())
        models = {name: predictor.predicted(name, points, grad=True) for name in self.datasets}
        free = objective.pressure_unit > 0
        return FitResult(
            potentials=self._potentials(objective, trainer.best),
            records=trainer.records,
            reference={name: predictor.reference(name) for name in self.datasets},
            predicted={name: Properties.mean(own) for name, own in models.items()},
            spread={n: Properties.spread(own) for n, own in models.items() if len(own) > 1},
            pressure=float(np.mean([objective.pressure(p) for p in points])) if free else None,
            wall_time_s=trainer.records[-1].wall_time_s,
        )

    def _save(
        self,
        path: str | None,
        objective: Objective,
        best: Sequence[Best],
        run: Mapping[str, object],
    ) -> None:
        """Writes the potentials with what made them."""
        if path is not None and self.processes.is_first:
            job = {"prepare": dict(self.settings), "run": dict(run)}
            provenance = {**self.provenance, "job": job}
            save_potentials(path, self._potentials(objective, best), provenance=provenance)

    def _potentials(self, objective: Objective, best: Sequence[Best]) -> list[Potential]:
        """The baseline and the networks, whose sum is what was fitted."""
        models = [objective.trained(one.point) for one in best]
        of = Learned(self.datasets["train"][0], self.normalization, self.ranges, self.moments)
        return self.model.potentials(self.baseline.potentials, models, of)
