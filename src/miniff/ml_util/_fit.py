"""The workflow `fit`: from structures with reference values to a file of potentials."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

import torch
from pydantic import JsonValue
from torch import nn

from miniff.kernel import Cell, CellImages, compute_images
from miniff.ml import (
    Dataset,
    NNPotential,
    Normalization,
    forward_cauldron,
    learn_cauldron,
    potentials_from_ml_data,
    save_potentials,
)
from miniff.ml_util._closure import LossResult, LossWeights, SimpleClosure
from miniff.ml_util._data import Split, hash_of_files, read_cells, split
from miniff.ml_util._errors import Errors, Properties, compare
from miniff.ml_util._networks import behler_nn
from miniff.ml_util._outputs import FitOutputs, predicted_properties, reference_properties
from miniff.ml_util._progress import EpochRecord, Reporter
from miniff.ml_util._recipe import default_behler_descriptors
from miniff.ml_util._settings import set_threads, versions
from miniff.ml_util._types import InputFiles, OutputFile

__all__ = ["FitResult", "FitWorkflow", "PreparedFit"]

DEFAULT_CUTOFF = 12 * 0.529177210903
"""12 bohr in angstrom (length)."""
HIDDEN_NODES = 24

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "lbfgs": torch.optim.LBFGS,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


class FitWorkflow:
    """Trains networks on energies, forces and stresses."""

    def __init__(
        self,
        *,
        seed: int = 0,
        dtype: Literal["float64"] = "float64",
        device: Literal["auto", "cpu"] = "auto",
        threads: int | None = None,
        log: Literal["debug", "info", "warning"] = "info",
    ) -> None:
        """Settings of the run.

        Args:
            seed: Of everything drawn by chance: the split and the first weights.
            dtype: Type of all numbers.
            device: Where networks run.
            threads: Of the core and of torch; as many as the environment says by default.
            log: What to tell: the least important kind of message.
        """
        set_threads(threads)
        self.seed = seed
        self.log: Literal["debug", "info", "warning"] = log

    def prepare(
        self,
        *,
        fn_cells: InputFiles,
        test_set: float | InputFiles | None = None,
        validation_set: float | InputFiles = 0.1,
        descriptors: Literal["default"] = "default",
        cutoff: float | None = None,
    ) -> "PreparedFit":
        """Reads structures, sets some aside, chooses descriptors and scales from the rest.

        Args:
            fn_cells: Files with structures; patterns are allowed.
            test_set: Fraction of them, or other files, for the test set, which nothing but the
                final errors sees; none by default.
            validation_set: Fraction or files for the validation set, which decides which of the
                networks on the way is kept.
            descriptors: The recipe.
            cutoff: Of the descriptors (length); 12 bohr by default.

        Raises:
            ValueError: Data that cannot be used; the message names the file and the structure.
        """
        del descriptors  # there is one recipe
        with Reporter("fit", level=self.log) as reporter:
            return self._prepare(reporter, fn_cells, test_set, validation_set, cutoff)

    def _prepare(
        self,
        reporter: Reporter,
        fn_cells: InputFiles,
        test_set: float | InputFiles | None,
        validation_set: float | InputFiles,
        cutoff: float | None,
    ) -> "PreparedFit":
        radius = DEFAULT_CUTOFF if cutoff is None else cutoff
        if not radius > 0:
            raise ValueError(f"`cutoff` is {radius} but must be in (0, inf)")
        files = [fn_cells, *(s for s in (test_set, validation_set) if isinstance(s, str | list))]
        parts = split(
            read_cells(fn_cells),
            validation=_fraction_or_cells(validation_set),
            test=_fraction_or_cells(test_set or 0.0),
            seed=self.seed,
        )
        _report_contents(reporter, parts)
        images = {
            name: [compute_images(cell, radius) for cell in cells]
            for name, cells in parts.sets.items()
        }
        datasets = _datasets(images, radius)
        networks = self._networks(datasets["train"])
        for points in datasets["train"].per_point_datasets:
            reporter.info(
                f"{points.tag}: {points.features.shape[1]} descriptors up to {radius:.4g} angstrom"
            )
        return PreparedFit(
            workflow=self,
            parts=parts,
            datasets=datasets,
            normalization=Normalization.from_dataset(datasets["train"]),
            networks=networks,
            provenance={
                "seed": self.seed,
                "versions": versions(),
                "data_sha256": hash_of_files(*files),
            },
        )

    def _networks(self, train: Dataset) -> list[nn.Sequential]:
        """Fresh networks, the same for the same seed whatever was drawn before."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return [
                behler_nn(points.features.shape[1], HIDDEN_NODES)
                for points in train.per_point_datasets
            ]


@dataclass(frozen=True)
class PreparedFit:
    """Data, scales and fresh networks, ready to be trained.

    Attributes:
        parts: The structures for training, validation and test.
        datasets: The same with descriptors, by name; only those that are not empty.
        normalization: From the training set.
        networks: One per species; :meth:`run` changes them.
        provenance: Seed, versions and hash of the data.
    """

    workflow: FitWorkflow
    parts: Split
    datasets: Mapping[str, Dataset]
    normalization: Normalization
    networks: list[nn.Sequential]
    provenance: Mapping[str, object]

    def run(
        self,
        *,
        n_epochs: int = 40,
        save: OutputFile | None = "potentials.pt",
        optimizer: Literal["lbfgs", "adam", "adamw"] = "lbfgs",
        optimizer_kwargs: dict[str, JsonValue] | None = None,
        w_energy: float = 1.0,
        w_forces: float = 0.02,
        w_stress: float = 2.0,
    ) -> "FitResult":
        """Trains, and keeps the networks with the lowest loss on the validation set.

        Args:
            n_epochs: Steps of the optimiser; each is up to 20 iterations of LBFGS.
            save: File for the best potentials so far, rewritten whenever they get better.
            optimizer: By name.
            optimizer_kwargs: Passed to torch's optimiser.
            w_energy: Cost of a mean square error of 1 in the energy per atom (1/energy^2).
            w_forces: Cost of a mean square error of 1 in the forces ((length/energy)^2).
            w_stress: Cost of a mean square error of 1 in the stress ((length^3/energy)^2).

        Raises:
            FloatingPointError: The loss is no longer a number.
        """
        if n_epochs < 1:
            raise ValueError(f"`n_epochs` is {n_epochs} but must be in [1, inf)")
        closure = SimpleClosure(
            self.networks,
            self.datasets["train"],
            normalization=self.normalization,
            weights=self._weights(LossWeights(w_energy, w_forces, w_stress)),
            optimizer=OPTIMIZERS[optimizer],
            optimizer_kwargs=optimizer_kwargs,
        )
        with Reporter("fit", level=self.workflow.log, append=True) as reporter:
            records = self._train(closure, n_epochs, save, reporter)
            result = self._finish(closure, records)
            reporter.table("Errors", result.errors)
            FitOutputs(result, self.provenance).write("fit")
            if save is not None:
                reporter.info(f"potentials: {save}")
        return result

    def _train(
        self, closure: SimpleClosure, n_epochs: int, save: str | None, reporter: Reporter
    ) -> list[EpochRecord]:
        """The epochs; leaves the best parameters in the networks."""
        start, best, best_state = perf_counter(), float("inf"), self._state()
        records: list[EpochRecord] = []
        with reporter.training(n_epochs) as progress:
            for epoch in range(1, n_epochs + 1):
                before = closure.n_evaluations
                closure.optimizer_step()
                record, watched = self._record(closure, epoch, perf_counter() - start)
                records.append(record)
                progress.update(record)
                if watched < best:
                    best, best_state = watched, self._state()
                    if save is not None:
                        save_potentials(save, self._potentials(), provenance=self.provenance)
                if closure.n_evaluations - before <= 1:
                    reporter.info(f"converged after {epoch} epochs: no step lowers the loss")
                    break
        for network, state in zip(self.networks, best_state, strict=True):
            network.load_state_dict(state)
        return records

    def _record(
        self, closure: SimpleClosure, epoch: int, wall_time_s: float
    ) -> tuple[EpochRecord, float]:
        """What an epoch reached, and the loss that decides which one is kept."""
        errors, losses = {}, {}
        for name in ("train", "validation"):
            if name in self.datasets:
                with torch.no_grad():
                    loss = closure.last_loss if name == "train" else self._loss(closure, name)
                losses[name] = float(loss.loss_value)
                errors[name] = compare(
                    reference_properties(self.datasets[name]),
                    predicted_properties(self.datasets[name], loss.prediction),
                )
        record = EpochRecord(
            epoch=epoch,
            n_evaluations=closure.n_evaluations,
            loss=losses["train"],
            train=errors["train"],
            validation=errors.get("validation"),
            wall_time_s=wall_time_s,
        )
        return record, losses.get("validation", losses["train"])

    def _loss(self, closure: SimpleClosure, name: str) -> LossResult:
        return closure.loss(self.datasets[name])

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
            reference[name] = reference_properties(dataset)
            predicted[name] = predicted_properties(dataset, prediction)
        return FitResult(
            potentials=self._potentials(),
            records=records,
            reference=reference,
            predicted=predicted,
            wall_time_s=records[-1].wall_time_s,
        )

    def _state(self) -> list[dict[str, torch.Tensor]]:
        return [
            {name: tensor.clone() for name, tensor in network.state_dict().items()}
            for network in self.networks
        ]

    def _potentials(self) -> list[NNPotential]:
        return potentials_from_ml_data(self.networks, self.datasets["train"], self.normalization)


@dataclass(frozen=True)
class FitResult:
    """Trained potentials and how good they are.

    Attributes:
        potentials: One per species; those with the lowest validation loss.
        records: One per epoch.
        reference: Reference values of each set, by name.
        predicted: What the potentials give for them.
        wall_time_s: Time of the training.
    """

    potentials: list[NNPotential]
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


def _fraction_or_cells(given: float | InputFiles) -> float | list[Cell]:
    return read_cells(given) if isinstance(given, str | list) else given


def _datasets(images: Mapping[str, list[CellImages]], cutoff: float) -> dict[str, Dataset]:
    """Descriptors chosen from the training set, computed for all sets.

    Raises:
        ValueError: A species that the training set lacks.
    """
    descriptors = default_behler_descriptors([one.table for one in images["train"]], cutoff)
    for name, members in images.items():
        for one in members:
            unseen = sorted(set(one.cell.values) - set(descriptors))
            if unseen:
                raise ValueError(
                    f"{one.cell.meta.get('source', 'a structure')} of the {name} set has atoms of "
                    f"{', '.join(unseen)} but the training set has only {', '.join(descriptors)}"
                )
    return {name: learn_cauldron(members, descriptors) for name, members in images.items()}


def _report_contents(reporter: Reporter, parts: Split) -> None:
    """What was read, and what is missing in it."""
    for name, cells in parts.sets.items():
        n_atoms = sum(cell.size for cell in cells)
        species = sorted({value for cell in cells for value in cell.values})
        reporter.info(f"{name}: {len(cells)} structures, {n_atoms} atoms of {', '.join(species)}")
        for label in ("energy", "forces", "stress"):
            lacking = sum(cell.meta.get(label) is None for cell in cells)
            if lacking:
                reporter.warning(f"{name}: {lacking} of {len(cells)} structures have no {label}")
