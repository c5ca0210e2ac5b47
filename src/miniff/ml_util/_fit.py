"""The workflow `fit`, first half: structures, their split, descriptors, scales, fresh networks."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import nn

from miniff.kernel import Cell, CellImages, compute_images
from miniff.ml import (
    Dataset,
    DescriptorPlan,
    Normalization,
    descriptor_problems,
    learn_cauldron,
    load_descriptors,
    plan_descriptors,
)
from miniff.ml_util._data import Split, hash_of_files, read_cells, split
from miniff.ml_util._networks import behler_nn
from miniff.ml_util._progress import Level, Reporter
from miniff.ml_util._settings import set_threads, versions
from miniff.ml_util._training import PreparedFit
from miniff.ml_util._types import (
    Checked,
    Count,
    Fraction,
    InputFiles,
    Positive,
    Problem,
    Reads,
    Seed,
)
from miniff.potentials import FunctionPotential

__all__ = ["FitWorkflow"]

DEFAULT_CUTOFF = 12 * 0.529177210903
"""12 bohr in angstrom (length)."""
HIDDEN_NODES = 24
LABELS = ("energy", "forces", "stress")


def _problems_of_choice(choice: str | dict[str, Any]) -> list[Problem]:
    return [] if isinstance(choice, str) else descriptor_problems(choice)


DescriptorArgument = Annotated[
    str | dict[str, Any],
    Reads(besides=("default",), load=load_descriptors),
    Checked(_problems_of_choice),
]
"""``default``, a file, or species -> list of functions; see :func:`miniff.ml.learn_cauldron`."""


class FitWorkflow:
    """Trains networks on energies, forces and stresses."""

    OUTPUTS: ClassVar = (".json", ".log", "-convergence.png", "-parity.png")
    """What it writes, after its name, besides what `save` names."""

    def __init__(
        self,
        *,
        seed: Seed = 0,
        dtype: Literal["float64"] = "float64",
        device: Literal["auto", "cpu"] = "auto",
        threads: Count | None = None,
        log: Level = "info",
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
        self.log = log

    def prepare(
        self,
        *,
        fn_cells: InputFiles,
        test_set: Fraction | InputFiles | None = None,
        validation_set: Fraction | InputFiles = 0.1,
        descriptors: DescriptorArgument = "default",
        cutoff: Positive | None = None,
    ) -> PreparedFit:
        """Reads structures, sets some aside, chooses descriptors and scales from the rest.

        Args:
            fn_cells: Files with structures; patterns are allowed.
            test_set: Fraction of them, or other files, for the test set, which nothing but the
                final errors sees; none by default.
            validation_set: Fraction or files for the validation set, which decides which of the
                networks on the way is kept.
            descriptors: ``"default"`` for the recipe; for each species a list of functions
                (``{family: behler2, tag: Si-Si, eta: 0.1, a: 6.0}``), with ``default`` for those of
                the recipe; or a file: JSON or YAML with such lists, or potentials whose descriptors
                are taken.
            cutoff: Of the recipe's descriptors (length); 12 bohr by default.

        Raises:
            ValueError: Arguments or data that cannot be used; the message names the file and the
                structure.
        """
        for at, what in self.conflicts({"descriptors": descriptors, "cutoff": cutoff}):
            raise ValueError(f"`{'.'.join(at)}` {what}")
        plan = plan_descriptors(descriptors)
        with Reporter("fit", level=self.log) as reporter:
            return self._prepare(reporter, fn_cells, test_set, validation_set, plan, cutoff)

    @staticmethod
    def conflicts(prepare: Mapping[str, object]) -> list[Problem]:
        """What is wrong with arguments of ``prepare`` only beside each other."""
        descriptors, cutoff = prepare.get("descriptors", "default"), prepare.get("cutoff")
        lists = descriptors.values() if isinstance(descriptors, Mapping) else [[descriptors]]
        if cutoff is None or any("default" in items for items in lists if isinstance(items, list)):
            return []
        what = f"is {cutoff} but is for the default descriptors; those given have their own"
        return [(("cutoff",), what)]

    def _prepare(
        self,
        reporter: Reporter,
        fn_cells: InputFiles,
        test_set: float | InputFiles | None,
        validation_set: float | InputFiles,
        plan: DescriptorPlan,
        cutoff: float | None,
    ) -> PreparedFit:
        of_recipe = DEFAULT_CUTOFF if cutoff is None else cutoff
        if not of_recipe > 0:
            raise ValueError(f"`cutoff` is {of_recipe} but must be in (0, inf)")
        radius = max(plan.cutoff, of_recipe if plan.uses_recipe else 0.0)
        files = [fn_cells, *(s for s in (test_set, validation_set) if isinstance(s, str | list))]
        parts = split(
            read_cells(fn_cells),
            validation=_fraction_or_cells(validation_set),
            test=_fraction_or_cells(test_set or 0.0),
            seed=self.seed,
        )
        _report_contents(reporter, parts)
        if not any(cell.meta.get(name) is not None for cell in parts.train for name in LABELS):
            raise ValueError(
                f"{fn_cells}: no structure for training has an energy, forces or a stress: "
                "there is nothing to learn from"
            )
        images = {
            name: [compute_images(cell, radius) for cell in cells]
            for name, cells in parts.sets.items()
        }
        datasets = _datasets(images, plan, of_recipe)
        networks = self._networks(datasets["train"])
        for points in datasets["train"].per_point_datasets:
            reporter.info(
                f"{points.tag}: {points.features.shape[1]} descriptors up to {radius:.4g} angstrom"
            )
        return PreparedFit(
            log=self.log,
            parts=parts,
            datasets=datasets,
            normalization=Normalization.from_dataset(datasets["train"]),
            networks=networks,
            settings={
                "fn_cells": fn_cells,
                "test_set": test_set,
                "validation_set": validation_set,
                "descriptors": plan.as_plain(),
                "cutoff": of_recipe if plan.uses_recipe else None,
            },
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


def _fraction_or_cells(given: float | InputFiles) -> float | list[Cell]:
    return read_cells(given) if isinstance(given, str | list) else given


def _datasets(
    images: Mapping[str, list[CellImages]], plan: DescriptorPlan, cutoff: float
) -> dict[str, Dataset]:
    """Descriptors chosen from the training set, computed for all sets.

    Raises:
        ValueError: A species that the training set lacks.
    """
    trained = sorted({value for one in images["train"] for value in one.cell.values})
    for name, members in images.items():
        for one in members:
            unseen = sorted(set(one.cell.values) - set(trained))
            if unseen:
                raise ValueError(
                    f"{one.cell.meta.get('source', 'a structure')} of the {name} set has atoms of "
                    f"{', '.join(unseen)} but the training set has only {', '.join(trained)}"
                )
    descriptors = plan.functions([one.table for one in images["train"]], cutoff)
    _refuse_unseen(descriptors, trained)
    return {name: learn_cauldron(members, descriptors) for name, members in images.items()}


def _refuse_unseen(
    descriptors: Mapping[str, Sequence[FunctionPotential]], trained: Sequence[str]
) -> None:
    """Descriptors of what never occurs would teach nothing, and hide a misspelt name."""
    only = f"but the training set has only {', '.join(trained)}"
    for name, functions in descriptors.items():
        if name not in trained:
            raise ValueError(f"there are descriptors for {name} {only}")
        for function in functions:
            for other in function.species:
                if other not in trained:
                    raise ValueError(f"the descriptor {function} names {other} {only}")


def _report_contents(reporter: Reporter, parts: Split) -> None:
    """What was read, and what is missing in it."""
    for name, cells in parts.sets.items():
        n_atoms = sum(cell.size for cell in cells)
        species = sorted({value for cell in cells for value in cell.values})
        reporter.info(f"{name}: {len(cells)} structures, {n_atoms} atoms of {', '.join(species)}")
        for label in LABELS:
            lacking = sum(cell.meta.get(label) is None for cell in cells)
            if lacking:
                reporter.warning(f"{name}: {lacking} of {len(cells)} structures have no {label}")
