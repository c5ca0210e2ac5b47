"""The workflow `fit`, second half: networks are trained, the best are kept and reported."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from inspect import signature
from time import perf_counter
from typing import Literal

import numpy as np
import torch
from pydantic import JsonValue
from torch import Tensor, nn

from miniff._checks import unknown_name
from miniff.ml import (
    Dataset,
    Normalization,
    forward_cauldron,
    potentials_from_ml_data,
    save_potentials,
)
from miniff.ml_util._baseline import Baseline
from miniff.ml_util._closure import LossWeights, SimpleClosure
from miniff.ml_util._data import Split
from miniff.ml_util._errors import Errors, Properties, compare
from miniff.ml_util._memory import free_memory
from miniff.ml_util._outputs import (
    predicted_properties,
    reference_properties,
    write_learning_curve,
    write_parities,
    write_report,
)
from miniff.ml_util._progress import EpochRecord, Level, Reporter
from miniff.ml_util._types import Count, NonNegative, OutputFile
from miniff.potentials import LocalPotential

__all__ = ["FitResult", "PreparedFit"]

NAME = "fit"
OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "lbfgs": torch.optim.LBFGS,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


@dataclass(frozen=True)
class PreparedFit:
    """Data, scales and fresh networks, ready to be trained.

    Attributes:
        log: The least important kind of message to show.
        parts: The structures for training, validation and test.
        datasets: The same with descriptors, by name; only those that are not empty.
        normalization: From the training set.
        networks: One per species; :meth:`run` changes them.
        baseline: Potentials whose part is taken from the references in ``datasets``.
        settings: What :meth:`FitWorkflow.prepare` was called with.
        provenance: Seed, versions and hash of the data.
    """

    log: Level
    parts: Split
    datasets: Mapping[str, Dataset]
    normalization: Normalization
    networks: list[nn.Sequential]
    baseline: Baseline
    settings: Mapping[str, object]
    provenance: Mapping[str, object]

    def run(
        self,
        *,
        n_epochs: Count = 100,
        save: OutputFile | None = "potentials.pt",
        optimizer: Literal["lbfgs", "adam", "adamw"] = "lbfgs",
        optimizer_kwargs: dict[str, JsonValue] | None = None,
        w_energy: NonNegative = 1.0,
        w_forces: NonNegative = 0.02,
        w_stress: NonNegative = 2.0,
        memory_gb: NonNegative | None = None,
    ) -> "FitResult":
        """Trains, and keeps the networks with the lowest typical loss on the validation set.

        That is the median of the losses of its structures (of the training set where there is no
        validation set): one structure far from everything else does not decide alone.

        Args:
            n_epochs: Steps of the optimiser; each is up to 20 iterations of LBFGS.
            save: File for the best potentials so far, rewritten whenever they get better.
            optimizer: By name.
            optimizer_kwargs: Passed to torch's optimiser.
            w_energy: Cost of a mean square error of 1 in the energy per atom (1/energy^2).
            w_forces: Cost of a mean square error of 1 in the forces ((length/energy)^2).
            w_stress: Cost of a mean square error of 1 in the stress ((length^3/energy)^2).
            memory_gb: What derivatives of descriptors may take in memory (GB): half of what is free
                by default. Those that do not fit are computed anew each time, which is slower and
                rounds differently: give a number to get the same bits whatever is free.

        Raises:
            FloatingPointError: The loss is no longer a number.
        """
        self._check_options(OPTIMIZERS[optimizer], optimizer, optimizer_kwargs or {})
        if n_epochs < 1:
            raise ValueError(f"`n_epochs` is {n_epochs} but must be in [1, inf)")
        if memory_gb is not None and not 0 <= memory_gb < float("inf"):
            raise ValueError(f"`memory_gb` is {memory_gb} but must be in [0, inf)")
        weights = LossWeights(w_energy, w_forces, w_stress)
        settings = {
            "n_epochs": n_epochs,
            "optimizer": optimizer,
            "optimizer_kwargs": dict(optimizer_kwargs or {}),
            "memory_gb": memory_gb,
            **{f"w_{name}": weight for name, weight in asdict(weights).items()},
        }
        closure = SimpleClosure(
            self.networks,
            self.datasets["train"],
            normalization=self.normalization,
            weights=self._weights(weights),
            optimizer=OPTIMIZERS[optimizer],
            optimizer_kwargs=optimizer_kwargs,
        )
        with Reporter("fit", level=self.log, append=True) as reporter:
            if closure.weights.needs_gradient:
                self._keep_derivatives(
                    free_memory() / 2 if memory_gb is None else memory_gb * 1e9, reporter
                )
            records = self._train(closure, n_epochs, reporter, partial(self._save, save, settings))
            for dataset in self.datasets.values():
                dataset.keep_derivatives(0)
            result = self._finish(closure, records)
            reporter.table("Errors", result.errors)
            write_fit(result, self.provenance)
            if save is not None:
                reporter.info(f"potentials: {save}")
        return result

    def _keep_derivatives(self, limit: float, reporter: Reporter) -> None:
        """Keeps in memory what fits, of the training set first."""
        needed = 0.0
        for name in ("train", "validation"):
            if name in self.datasets:
                needed += self.datasets[name].keep_derivatives(max(0.0, limit - needed))
        share = "all" if needed <= limit else f"{limit / needed:.0%}"
        reporter.info(
            f"derivatives of the descriptors take {needed / 1e9:.2g} GB: {share} of them kept in "
            f"memory, where they may take {limit / 1e9:.2g} GB"
        )

    @staticmethod
    def _check_options(
        make: Callable[..., object], optimizer: str, options: Mapping[str, object]
    ) -> None:
        """Refuses what the optimiser would not take, before anything is trained."""
        known = list(signature(make).parameters)[1:]  # without the weights
        for name in options:
            if name not in known:
                raise ValueError(unknown_name(f"option of `{optimizer}`", name, known))
        if options.get("line_search_fn", "strong_wolfe") not in ("strong_wolfe", None):
            given = options["line_search_fn"]
            raise ValueError(f"`line_search_fn` is {given!r} but must be strong_wolfe or null")
        try:
            make([nn.Parameter(torch.zeros(1))], **options)
        except (TypeError, ValueError) as error:
            raise ValueError(f"`optimizer_kwargs`: {error}") from error

    def _train(
        self,
        closure: SimpleClosure,
        n_epochs: int,
        reporter: Reporter,
        on_best: Callable[[], None],
    ) -> list[EpochRecord]:
        """The epochs; leaves the best parameters in the networks."""
        start, best, best_state = perf_counter(), float("inf"), self._state()
        kept = 0
        records: list[EpochRecord] = []
        with reporter.training(n_epochs) as progress:
            for epoch in range(1, n_epochs + 1):
                before = self._state()
                closure.optimizer_step()
                record, watched = self._record(closure, epoch, perf_counter() - start)
                records.append(record)
                progress.update(record)
                if epoch == 1 or watched < best:
                    best, best_state, kept = watched, self._state(), epoch
                    on_best()
                if _same(before, self._state()):
                    reporter.info(f"converged after {epoch} epochs: no step lowers the loss")
                    break
        for network, state in zip(self.networks, best_state, strict=True):
            network.load_state_dict(state)
        watched_set = "validation" if "validation" in self.datasets else "training"
        reporter.info(
            f"{len(records)} epochs in {records[-1].wall_time_s:.0f} s; kept epoch {kept}, which "
            f"has the lowest typical loss on the {watched_set} set"
        )
        return records

    def _record(
        self, closure: SimpleClosure, epoch: int, wall_time_s: float
    ) -> tuple[EpochRecord, float]:
        """What an epoch reached, and the loss that decides which one is kept."""
        errors, watched = {}, {}
        for name in ("train", "validation"):
            if name in self.datasets:
                reference, predicted = self._compared(closure, name)
                errors[name] = compare(reference, predicted)
                watched[name] = typical_loss(reference, predicted, closure.weights)
        record = EpochRecord(
            epoch=epoch,
            n_evaluations=closure.n_evaluations,
            loss=float(closure.last_loss.loss_value),
            train=errors["train"],
            validation=errors.get("validation"),
            wall_time_s=wall_time_s,
        )
        return record, watched.get("validation", watched["train"])

    def _compared(self, closure: SimpleClosure, name: str) -> tuple[Properties, Properties]:
        """References of a set, and what the networks give for it now."""
        dataset = self.datasets[name]
        with torch.no_grad():
            loss = closure.last_loss if name == "train" else closure.loss(dataset)
        return (
            self.baseline.added(name, reference_properties(dataset)),
            self.baseline.added(name, predicted_properties(dataset, loss.prediction)),
        )

    def _weights(self, wanted: LossWeights) -> LossWeights:
        """Without the terms the training set has no references for: they need not be computed."""
        reference = self.datasets["train"].per_cell_dataset
        present = {
            "energy": reference.energy,
            "forces": reference.gradient,
            "stress": reference.stress,
        }
        return LossWeights(
            **{
                name: getattr(wanted, name)
                if values is not None and bool((~torch.isnan(values)).any())
                else 0.0
                for name, values in present.items()
            }
        )

    def _finish(self, closure: SimpleClosure, records: list[EpochRecord]) -> "FitResult":
        """Errors of the networks that were kept, on every set."""
        reference, predicted = {}, {}
        for name, dataset in self.datasets.items():
            with torch.no_grad():
                prediction = forward_cauldron(self.networks, dataset, True, self.normalization)
            reference[name] = self.baseline.added(name, reference_properties(dataset))
            predicted[name] = self.baseline.added(name, predicted_properties(dataset, prediction))
        return FitResult(
            potentials=self._potentials(),
            records=records,
            reference=reference,
            predicted=predicted,
            wall_time_s=records[-1].wall_time_s,
        )

    def _state(self) -> list[dict[str, Tensor]]:
        return [
            {name: tensor.clone() for name, tensor in network.state_dict().items()}
            for network in self.networks
        ]

    def _save(self, path: str | None, run: Mapping[str, object]) -> None:
        """Writes the potentials with what made them."""
        if path is not None:
            job = {"prepare": dict(self.settings), "run": dict(run)}
            provenance = {**self.provenance, "job": job}
            save_potentials(path, self._potentials(), provenance=provenance)

    def _potentials(self) -> list[LocalPotential]:
        """The baseline and the networks, whose sum is what was fitted."""
        networks = potentials_from_ml_data(
            self.networks, self.datasets["train"], self.normalization
        )
        return [*self.baseline.potentials, *networks]


@dataclass(frozen=True)
class FitResult:
    """Trained potentials and how good they are.

    Attributes:
        potentials: The baseline, if there is one; then a network per species, of those with the
            lowest validation loss.
        records: One per epoch.
        reference: Reference values of each set, by name.
        predicted: What the potentials give for them.
        wall_time_s: Time of the training.
    """

    potentials: list[LocalPotential]
    records: list[EpochRecord]
    reference: Mapping[str, Properties]
    predicted: Mapping[str, Properties]
    wall_time_s: float

    @property
    def errors(self) -> dict[str, Errors]:
        """Of each set, by name."""
        return {
            name: compare(self.reference[name], self.predicted[name]) for name in self.reference
        }


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
    labelled = ~np.isnan(reference.energy) | ~np.isnan(reference.stress).all(axis=1)
    labelled[of_atom[~np.isnan(reference.forces).all(axis=1)]] = True
    return float(np.median(loss[labelled])) if labelled.any() else float("nan")


def _means(values: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    """Mean of each group over what is not nan; 0 where all is."""
    known = ~np.isnan(values)
    sums = np.bincount(group[known], values[known], minlength=n_groups)
    means: np.ndarray = sums / np.maximum(np.bincount(group[known], minlength=n_groups), 1)
    return means


def _same(one: Sequence[Mapping[str, Tensor]], other: Sequence[Mapping[str, Tensor]]) -> bool:
    """Whether no parameter of any network has changed."""
    return all(
        torch.equal(state[name], changed[name])
        for state, changed in zip(one, other, strict=True)
        for name in state
    )


def write_fit(result: FitResult, provenance: Mapping[str, object]) -> None:
    """`fit.json`, `fit-convergence.png` and `fit-parity.png`; no validation set is null."""
    errors: dict[str, object] = {"train": None, "validation": None}
    errors |= {part: error.as_json() for part, error in result.errors.items()}
    write_report(NAME, errors, result.wall_time_s, provenance)
    write_learning_curve(NAME, result.records)
    write_parities(NAME, result.reference, result.predicted)
