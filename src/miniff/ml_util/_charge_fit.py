"""The workflow `charge-fit`: networks for charges are trained on charges that are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import JsonValue
from torch import nn

from miniff.kernel import Cell
from miniff.ml import Hardness, Normalization, plan_descriptors, processes_of_torchrun
from miniff.ml_util._baseline import Baseline
from miniff.ml_util._charge_choice import problems_of_widths
from miniff.ml_util._charge_start import known_charges, known_electronegativities
from miniff.ml_util._charge_use import (
    FittedCharges,
    RuleName,
    coulomb_of,
    labelled_by,
    refuse_unlike_totals,
)
from miniff.ml_util._data import Split
from miniff.ml_util._data_files import SetFiles
from miniff.ml_util._estimate import MemoryLimit
from miniff.ml_util._features import (
    ComponentArgument,
    DescriptorArgument,
    FeatureChoice,
    LearnedSets,
    conflict_of_cutoff,
    folder_of_cache,
)
from miniff.ml_util._fit_model import CHARGE_FIT, ChargesAlone
from miniff.ml_util._fit_page import Preparation
from miniff.ml_util._fit_result import FitResult
from miniff.ml_util._fresh import fresh_members
from miniff.ml_util._loss import LossWeights
from miniff.ml_util._optimizers import conflicts_of_optimizer
from miniff.ml_util._progress import Level, Reporter
from miniff.ml_util._quality import QUALITIES, QualityName
from miniff.ml_util._run_choices import RunChoices
from miniff.ml_util._sets import hash_of_sets, read_sets, report_size
from miniff.ml_util._settings import set_threads, versions
from miniff.ml_util._training import PreparedFit
from miniff.ml_util._types import (
    Checked,
    Count,
    Fraction,
    NonNegative,
    OutputFile,
    OutputFolder,
    Positive,
    Problem,
    Seed,
)

__all__ = ["ChargeFitWorkflow", "PreparedChargeFit"]

HARDNESS = 5.0
"""Of all species at the beginning (energy/charge^2)."""
Widths = Annotated[dict[str, Any], Checked(problems_of_widths)]
"""Species -> width."""


class ChargeFitWorkflow:
    """Trains networks on charges of atoms, whose sum is the total charge of each structure."""

    OUTPUTS: ClassVar = (".json", ".log", ".html", "-convergence.png", "-parity.png")
    """What it writes, after its name, besides what `save` names."""

    def __init__(
        self,
        *,
        seed: Seed = 0,
        device: Literal["auto", "cpu"] = "auto",
        threads: Count | None = None,
        memory_gb: Positive | None = None,
        log: Level = "info",
    ) -> None:
        """Settings of the run.

        Args:
            seed: Of everything drawn by chance: the split and the first weights.
            device: Where networks run.
            threads: Of the core and of torch; as many as the environment says by default.
            memory_gb: The most memory that the job may take on a machine (GB): what is free by
                default. A job that needs more is refused before it takes it.
            log: What to tell: the least important kind of message.
        """
        self.init = {
            "seed": seed,
            "device": device,
            "threads": threads,
            "memory_gb": memory_gb,
            "log": log,
        }
        set_threads(threads)
        self.seed = seed
        self.log = log
        self.processes = processes_of_torchrun()
        self.limit = MemoryLimit(memory_gb, self.processes)

    def prepare(
        self,
        *,
        fn_cells: SetFiles,
        charges_key: str = "charges",
        rule: RuleName = "shift",
        a: Positive | None = None,
        accuracy: Positive = 1e-6,
        widths: Widths | None = None,
        background: bool = False,
        test_set: Fraction | SetFiles | None = None,
        validation_set: Fraction | SetFiles = 0.1,
        descriptors: DescriptorArgument = "auto",
        cutoff: Positive | None = None,
        min_spread: NonNegative = 0.0,
        min_independence: Fraction = 0.0,
        pca_features: ComponentArgument | None = None,
        quality: QualityName = "default",
        cache: OutputFolder | None = None,
    ) -> "PreparedChargeFit":
        """Reads structures, sets some aside, chooses descriptors and scales from the rest.

        Args:
            fn_cells: Files with structures; patterns are allowed. ``input.data`` of n2p2 and RuNNer
                must be a mapping of ``files``, ``length_unit`` and ``energy_unit``. The total
                charge of a structure is its ``total_charge``, or 0.
            charges_key: What structures call the charges of their atoms.
            rule: How charges come to add up to the total charge: ``shift`` adds the same to what
                the networks give for all atoms of a structure (the third generation).
                ``equilibrate`` takes what they give as electronegativities, and the charges with
                the lowest energy (the fourth generation, in which charge can move through all of a
                structure); hardness of each species is learned too.
            a: Cutoff of the Coulomb sum over neighbours in crystals (length); 6 angstrom, or more
                where ``widths`` need it, by default.
            accuracy: Of that sum; see :class:`miniff.ewald.Coulomb`.
            widths: Standard deviations of Gaussian charges by species (length). By default charges
                are points with the rule ``shift``, and covalent radii with ``equilibrate``.
            background: Let crystals be charged, which a uniform background then neutralises.
            test_set: As for `fit`.
            validation_set: As for `fit`.
            descriptors: As for `fit`.
            cutoff: As for `fit`.
            min_spread: As for `fit`.
            min_independence: As for `fit`.
            pca_features: As for `fit`.
            quality: How much work to put in: larger networks, more descriptors, more epochs. There
                is one network for each species in any case.
            cache: As for `fit`.

        Raises:
            ValueError: Arguments or data that cannot be used; the message names the file and the
                structure.
        """
        for at, what in self.conflicts({"descriptors": descriptors, "cutoff": cutoff}):
            raise ValueError(f"`{'.'.join(at)}` {what}")
        chosen = QUALITIES[quality]
        features = FeatureChoice(
            plan_descriptors(descriptors),
            cutoff,
            min_spread,
            min_independence,
            pca_features,
            chosen.n_functions,
            folder_of_cache(cache),
        )
        settings = {
            "fn_cells": fn_cells,
            "charges_key": charges_key,
            "rule": rule,
            "a": a,
            "accuracy": accuracy,
            "widths": widths,
            "background": background,
            "test_set": test_set,
            "validation_set": validation_set,
            "quality": quality,
            **features.settings(),
        }
        with Reporter(CHARGE_FIT, level=self.log, silent=not self.processes.is_first) as reporter:
            parts = read_sets(fn_cells, test_set, validation_set, seed=self.seed)
            parts = parts.changed(lambda cells: _with_charges_alone(cells, charges_key))
            _report_contents(reporter, parts, charges_key)
            names = sorted({value for cell in parts.train for value in cell.values})
            coulomb = coulomb_of(
                names, rule=rule, a=a, accuracy=accuracy, widths=widths, background=background
            )
            use = FittedCharges(rule, coulomb)
            learned = features.learn(parts.sets, reporter, 0, self.limit, 1, use)
        return PreparedChargeFit(self._fit(parts, learned, use, settings))

    @staticmethod
    def conflicts(prepare: dict[str, object]) -> list[Problem]:
        """What is wrong with arguments of ``prepare`` only beside each other."""
        return conflict_of_cutoff(prepare)

    def _fit(
        self, parts: Split, learned: LearnedSets, use: FittedCharges, settings: dict[str, Any]
    ) -> PreparedFit:
        quality = QUALITIES[settings["quality"]]
        names = [str(points.tag) for points in learned.datasets["train"][0].per_point_datasets]
        scales = known_charges(learned.normalization, learned.datasets["train"], self.processes)
        if use.rule == "equilibrate":
            scales = known_electronegativities(scales, names, HARDNESS, use.coulomb)
        files = [settings[name] for name in ("fn_cells", "test_set", "validation_set")]
        return PreparedFit(
            log=self.log,
            dtype="float64",
            device="cpu",
            limit=self.limit,
            demand=learned.demand,
            cells=parts,
            datasets=learned.datasets,
            deals=learned.deals,
            normalization=scales,
            ranges=learned.ranges,
            moments=learned.moments,
            members=self._members(scales, quality.n_nodes, use),
            default_n_epochs=quality.n_epochs,
            baseline=Baseline((), {}),
            model=ChargesAlone(use),
            settings=settings,
            preparation=Preparation(CHARGE_FIT, self.init),
            provenance={
                "seed": self.seed,
                "versions": versions(),
                "data_sha256": hash_of_sets(*files),
            },
        )

    def _members(
        self, normalization: Normalization, n_nodes: int, use: FittedCharges
    ) -> list[list[nn.Module]]:
        (networks,) = fresh_members(normalization, 1, n_nodes, self.seed)
        if use.rule == "shift":
            return [networks]
        return [[*networks, Hardness([HARDNESS] * len(networks))]]


@dataclass(frozen=True)
class PreparedChargeFit:
    """Data, scales and fresh networks, ready to be trained."""

    fit: PreparedFit

    def run(
        self,
        *,
        n_epochs: Count | None = None,
        save: OutputFile | None = "charges.pt",
        optimizer: Literal["lbfgs", "adam", "adamw"] = "lbfgs",
        optimizer_kwargs: dict[str, JsonValue] | None = None,
        batch_size: Count | None = None,
        patience: Count | None = None,
        checkpoint_s: NonNegative = 60.0,
    ) -> FitResult:
        """Trains, and keeps the networks with the lowest typical loss on the validation set.

        What is saved is for ``baseline`` or ``charges`` of `fit`. A run that was interrupted goes
        on from its checkpoint.

        Args:
            n_epochs: As for `fit`.
            save: File for the best charges so far, rewritten whenever they get better.
            optimizer: By name.
            optimizer_kwargs: Options of the optimiser.
            batch_size: Structures that Adam and AdamW look at in a step: as many as have about 1024
                atoms by default.
            patience: As for `fit`.
            checkpoint_s: Seconds between two writings of the checkpoint.

        Raises:
            FloatingPointError: The loss is no longer a number.
            ValueError: Arguments out of range, more memory than the limit, or a checkpoint of
                another run.
        """
        return self.fit.carried_out(
            RunChoices.of(
                n_epochs=n_epochs,
                patience=patience,
                epochs_of_quality=self.fit.default_n_epochs,
                optimizer=optimizer,
                optimizer_kwargs=optimizer_kwargs,
                batch_size=batch_size,
                weights=LossWeights(0.0, charges=1.0),
                free_pressure=False,
                checkpoint_s=checkpoint_s,
                save=save,
            )
        )

    @staticmethod
    def conflicts(run: dict[str, object]) -> list[Problem]:
        """What is wrong with arguments of ``run`` only beside each other."""
        return conflicts_of_optimizer(run)


def _with_charges_alone(cells: Sequence[Cell], key: str) -> list[Cell]:
    """Without the references that charges are not learned from."""
    labelled = labelled_by(cells, key)
    refuse_unlike_totals(labelled, key)
    return [
        Cell(cell.vectors, cell.coordinates, cell.values, _without_others(cell), pbc=cell.pbc)
        for cell in labelled
    ]


def _without_others(cell: Cell) -> dict[str, object]:
    others = ("energy", "forces", "stress")
    return {name: value for name, value in cell.meta.items() if name not in others}


def _report_contents(reporter: Reporter, parts: Split, key: str) -> None:
    """What was read, and what is missing in it.

    Raises:
        ValueError: No structure for training has charges.
    """
    for name, cells in parts.sets.items():
        report_size(reporter, name, cells)
        lacking = sum(cell.meta.get("charges") is None for cell in cells)
        if name == "train" and lacking == len(cells):
            known = sorted({key for cell in cells for key in cell.meta if key != "source"})
            raise ValueError(
                f"no structure for training has `{key}`: name it by `charges_key`; they have "
                f"{', '.join(known) or 'nothing'}"
            )
        if lacking:
            reporter.warning(f"{name}: {lacking} of {len(cells)} structures have no `{key}`")
