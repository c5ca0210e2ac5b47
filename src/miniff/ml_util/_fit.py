"""The workflow `fit`, first half: structures, their split, descriptors, scales, fresh networks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from miniff._checks import check_at_least
from miniff.kernel import Cell
from miniff.kernel._doctor import unread_labels
from miniff.ml import plan_descriptors, processes_of_torchrun
from miniff.ml_util._baseline import BaselineArgument, baseline_potentials, subtract_baseline
from miniff.ml_util._charge_choice import (
    ChargesArgument,
    charges_of_argument,
    conflict_of_charges,
    conflict_of_place,
    is_learned,
)
from miniff.ml_util._charge_use import SeenCharges, labelled_by
from miniff.ml_util._data import Split
from miniff.ml_util._data_files import (
    DataFiles,
    GroupWeights,
    SetFiles,
    names_of,
    report_weights,
    weigh_groups,
)
from miniff.ml_util._estimate import MemoryLimit
from miniff.ml_util._features import (
    ComponentArgument,
    DescriptorArgument,
    FeatureChoice,
    conflict_of_cutoff,
    folder_of_cache,
)
from miniff.ml_util._findings import look_through
from miniff.ml_util._fit_model import FIT
from miniff.ml_util._fit_page import PAGE, Preparation
from miniff.ml_util._fresh import Beginning
from miniff.ml_util._optimizers import conflict_of_dtype
from miniff.ml_util._place import conflict_of_device
from miniff.ml_util._progress import Level, Reporter, Stopwatch
from miniff.ml_util._quality import QUALITIES, QualityName
from miniff.ml_util._sets import hash_of_sets, read_sets, report_size
from miniff.ml_util._settings import DeviceName, NumberType, set_threads, versions
from miniff.ml_util._training import PreparedFit
from miniff.ml_util._types import (
    Count,
    Fraction,
    NonNegative,
    OutputFolder,
    Positive,
    Problem,
    Seed,
    Share,
)
from miniff.potentials import Potential

__all__ = ["FitWorkflow"]

LABELS = ("energy", "forces", "stress")
SETS = ("fn_cells", "test_set", "validation_set")


class FitWorkflow:
    """Trains networks on energies, forces and stresses."""

    OUTPUTS: ClassVar = (".json", ".log", "-convergence.png", "-parity.png", PAGE)
    """What it writes, after its name, besides what `save` names."""

    def __init__(
        self,
        *,
        seed: Seed = 0,
        dtype: NumberType = "float64",
        device: DeviceName = "cpu",
        threads: Count | None = None,
        memory_gb: Positive | None = None,
        log: Level = "info",
    ) -> None:
        """Settings of the run.

        Args:
            seed: Of everything drawn by chance: the split and the first weights.
            dtype: Type of the numbers inside networks and of products with their derivatives:
                ``float32`` is faster where forces and stress are learned. Parameters, sums and
                energies of the references are float64 in any case.
            device: Where networks are trained: ``cpu``; ``cuda`` or another device of torch; or
                ``auto``, a graphics processor if there is one, else ``cpu``. Descriptors are chosen
                and their values computed on the CPU in any case; Levenberg and Kalman run there.
            threads: Of the core and of torch; as many as the environment says by default.
            memory_gb: The most memory that the job may take on a machine (GB): what is free by
                default. A job that needs more is refused before it takes it. What it leaves is for
                derivatives of descriptors; by default they get half of what is free. Those that do
                not fit are computed anew each time, which is slower and rounds differently: give a
                number to get the same bits whatever is free.
            log: What to tell: the least important kind of message.
        """
        set_threads(threads)
        self.init = {
            "seed": seed,
            "dtype": dtype,
            "device": device,
            "threads": threads,
            "memory_gb": memory_gb,
            "log": log,
        }
        self.seed = seed
        self.dtype = dtype
        self.device = device
        self.log = log
        self.processes = processes_of_torchrun()
        self.limit = MemoryLimit(memory_gb, self.processes)

    def prepare(
        self,
        *,
        fn_cells: DataFiles,
        test_set: Fraction | SetFiles | None = None,
        validation_set: Fraction | SetFiles = 0.1,
        group_weights: GroupWeights | None = None,
        descriptors: DescriptorArgument = "auto",
        cutoff: Positive | None = None,
        min_spread: NonNegative = 0.0,
        min_independence: Fraction = 0.0,
        pca_features: ComponentArgument | None = None,
        baseline: BaselineArgument | None = None,
        charges: ChargesArgument | None = None,
        charges_key: str = "charges",
        forces_fraction: Share = 1.0,
        n_models: Count | None = None,
        quality: QualityName = "default",
        cache: OutputFolder | None = None,
    ) -> PreparedFit:
        """Reads structures, sets some aside, chooses descriptors and scales from the rest.

        Args:
            fn_cells: Files with structures; patterns are allowed. An entry that is a mapping gives
                its ``files`` a ``weight`` in the loss, or an ``energy_weight``, ``forces_weight``,
                ``stress_weight``; 0 leaves out. ``input.data`` of n2p2 and RuNNer must be such an
                entry, with its ``length_unit`` and ``energy_unit``, as ``bohr`` and ``Hartree``.
            test_set: Fraction of them, or other files, for the test set, which nothing but the
                final errors sees; none by default.
            validation_set: Fraction or files for the validation set, which decides which of the
                networks on the way is kept.
            group_weights: Weights in the loss of groups of structures, as their ``config_type`` or
                ``group`` names them: a number, or one for each of ``energy``, ``forces``,
                ``stress``. All weights multiply, also those that structures bring along as
                ``config_weight``, ``config_energy_weight`` and so on.
            descriptors: ``auto`` picks from many those that tell most about the training set;
                ``default`` is a fixed recipe; or for each species a list of functions (``{family:
                behler2, tag: Si-Si, eta: 0.1, a: 6.0}``), with ``auto`` or ``default`` for those of
                a recipe; or a file: JSON or YAML with such lists, or potentials whose descriptors
                are taken.
            cutoff: Of a recipe's descriptors (length). By default ``default`` takes 12 bohr, and
                ``auto`` what holds 40 neighbours or two shells of them, at most 12 bohr.
            min_spread: Descriptors whose greatest and least values in the training set differ by
                less are left out, and named; none by default.
            min_independence: Those of which linear combinations of others leave a smaller share
                are left out, and named; none by default. 1.0e-6 finds what is redundant.
            pca_features: The networks see so many principal components of the descriptors, or those
                with at least this share of the first one's spread; the descriptors by default.
            baseline: Potentials under the networks, which then learn the difference and start from
                none: one (``{family: lj, tag: Si-Si, epsilon: 0.1, sigma: 2.0, a: 2.5}``), a list,
                or a file. What is saved, reported and compared is the sum.
            charges: Charges beside the networks. A file that `charge-fit` saved: the energy of its
                charges is subtracted, and the networks see the charge of each atom (the fourth
                generation; as ``baseline`` the same file is only subtracted, the third). Or
                ``learned``: networks for charges are trained beside those for energies, on
                energies, forces and stress alone or, with ``w_charges``, on charges too. A mapping
                learns them with ``a`` (cutoff of the sum over neighbours in crystals), its
                ``accuracy``, ``widths`` of Gaussian charges of each species, ``background: true``
                where crystals are charged. The total charge of a structure is its
                ``total_charge``, or 0.
            charges_key: What structures call the charges of their atoms.
            forces_fraction: Share of the structures for training, drawn by chance, whose forces and
                stress are used; of the others only energies are, which is far cheaper.
            n_models: Networks for each species that are trained side by side from different first
                weights. What is saved is their mean; how far they differ says how sure it is.
            quality: How much work to put in: ``fast`` is one network in a few epochs, ``default``
                four, ``high`` eight larger ones with more descriptors in many epochs. Other keys
                go before it.
            cache: Folder for files with the descriptors and neighbours of all sets. They then take
                no memory, and any run with the same structures and functions finds them again.
                Delete it when you like.

        Raises:
            ValueError: Arguments or data that cannot be used; the message names the file and the
                structure.
        """
        given = {"descriptors": descriptors, "cutoff": cutoff}
        conflicts = self.conflicts({**given, "charges": charges, "n_models": n_models})
        for at, what in [*conflicts, *conflict_of_place(charges, self.device)]:
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
        if not 0 < forces_fraction <= 1:
            raise ValueError(f"`forces_fraction` is {forces_fraction} but must be in (0, 1]")
        choices = {
            "fn_cells": fn_cells,
            "test_set": test_set,
            "validation_set": validation_set,
            "group_weights": group_weights,
            "forces_fraction": forces_fraction,
            "n_models": _number_of(n_models, charges, chosen.n_models),
            "quality": quality,
            "charges": charges,
            "charges_key": charges_key,
        }
        with Reporter("fit", level=self.log, silent=not self.processes.is_first) as reporter:
            return self._begun(reporter, features, baseline, choices)

    @staticmethod
    def conflicts(prepare: Mapping[str, object]) -> list[Problem]:
        """What is wrong with arguments of ``prepare`` only beside each other."""
        found = conflict_of_charges(prepare.get("charges"), None, n_models=prepare.get("n_models"))
        return conflict_of_cutoff(prepare) + [(at[1:], what) for at, what in found]

    @staticmethod
    def conflicts_of_sections(job: Mapping[str, Mapping[str, object]]) -> list[Problem]:
        """What is wrong with arguments of different sections beside each other."""
        init, optimizer = job["init"], job["run"].get("optimizer", "lbfgs")
        charges, w_charges = job["prepare"].get("charges"), job["run"].get("w_charges", 0.0)
        problems = [
            *conflict_of_dtype(init.get("dtype", "float64"), optimizer),
            *conflict_of_device(init.get("device", "cpu"), optimizer),
            *conflict_of_place(charges, init.get("device", "cpu")),
        ]
        of_charges = conflict_of_charges(charges, optimizer, w_charges)
        return [*((("init", *at), what) for at, what in problems), *of_charges]

    def _begun(
        self,
        reporter: Reporter,
        features: FeatureChoice,
        baseline: BaselineArgument | None,
        choices: Mapping[str, Any],
    ) -> PreparedFit:
        """With arguments that were checked: what was read is told, and looked through."""
        watch = Stopwatch()
        parts = self._read(choices)
        _report_contents(reporter, parts)
        watch.lap("reading structures")
        findings = look_through(parts.sets, reporter) if self.processes.is_first else ()
        watch.lap("looking through the data")
        under = baseline_potentials(baseline)
        prepared = self._prepare(reporter, parts, features, under, choices)
        watch.lap("descriptors")
        before = Preparation(
            FIT, self.init, features.cache, watch.seconds, reporter.warnings, findings
        )
        return replace(prepared, preparation=before)

    def _read(self, choices: Mapping[str, Any]) -> Split:
        """The sets, with weights and charges."""
        parts = read_sets(
            choices["fn_cells"], choices["test_set"], choices["validation_set"], seed=self.seed
        )
        weighed = weigh_groups(parts.train, choices["group_weights"] or {})
        parts = replace(parts, train=weighed)
        return parts.changed(lambda cells: labelled_by(cells, choices["charges_key"]))

    def _prepare(
        self,
        reporter: Reporter,
        parts: Split,
        features: FeatureChoice,
        under: Sequence[Potential],
        choices: Mapping[str, Any],
    ) -> PreparedFit:
        _refuse_no_labels(parts.train, choices["fn_cells"])
        parts, n_with_forces = self._with_forces_first(parts, choices["forces_fraction"])
        names = sorted({value for cell in parts.train for value in cell.values})
        use = charges_of_argument(choices["charges"], names)
        if isinstance(use, SeenCharges):
            under = [*under, use.potential]
        baseline, left = subtract_baseline(under, parts.sets)
        for potential in baseline.potentials:
            reporter.info(f"baseline: {potential}")
        n_models = choices["n_models"]
        learned = features.learn(left, reporter, n_with_forces, self.limit, n_models, use)
        chosen = QUALITIES[choices["quality"]]
        beginning = Beginning(names, n_models, chosen.n_nodes, self.seed, bool(under))
        members, model = beginning.networks(learned.normalization, use)
        return PreparedFit(
            log=self.log,
            dtype=self.dtype,
            device=self.device,
            limit=self.limit,
            demand=learned.demand,
            cells=parts,
            datasets=learned.datasets,
            deals=learned.deals,
            normalization=learned.normalization,
            ranges=learned.ranges,
            moments=learned.moments,
            members=members,
            default_n_epochs=chosen.n_epochs,
            baseline=baseline,
            model=model,
            settings={**choices, **features.settings(), "baseline": baseline.as_plain()},
            provenance={
                "seed": self.seed,
                "versions": versions(),
                "data_sha256": hash_of_sets(*(choices[name] for name in SETS)),
            },
        )

    def _with_forces_first(self, parts: Split, fraction: float) -> tuple[Split, int]:
        """Structures for training whose forces are used first, and how many they are."""
        n = len(parts.train)
        drawn = max(1, round(fraction * n))
        order = np.random.default_rng((self.seed, 1)).permutation(n)
        first, rest = sorted(order[:drawn].tolist()), sorted(order[drawn:].tolist())
        return replace(parts, train=[parts.train[i] for i in first + rest]), drawn


def _number_of(n_models: int | None, charges: object, of_quality: int) -> int:
    """Models to train.

    Raises:
        ValueError: Fewer than one.
    """
    if n_models is None:
        return 1 if is_learned(charges) else of_quality
    check_at_least("n_models", n_models, 1)
    return n_models


def _refuse_no_labels(cells: Sequence[Cell], files: DataFiles) -> None:
    """Networks are trained on something."""
    if not any(cell.meta.get(name) is not None for cell in cells for name in LABELS):
        raise ValueError(
            f"{', '.join(names_of(files))}: no structure for training has an energy, forces or a "
            f"stress: there is {'; '.join(['nothing to learn from', *unread_labels(cells)])}"
        )


def _report_contents(reporter: Reporter, parts: Split) -> None:
    """What was read, and what is missing in it."""
    for name, cells in parts.sets.items():
        report_size(reporter, name, cells)
        for label in LABELS:
            lacking = sum(cell.meta.get(label) is None for cell in cells)
            if lacking:
                reporter.warning(f"{name}: {lacking} of {len(cells)} structures have no {label}")
    report_weights(parts.train, reporter)
