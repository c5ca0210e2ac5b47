"""What the networks of a fit see: descriptors, which of them, and their principal components."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, overload

from jaxtyping import Float64
from numpy import ndarray
from pydantic import Field

from miniff._checks import check_positive
from miniff._neighbors import PairTable
from miniff.kernel import Cell, compute_images
from miniff.ml import (
    RECIPES,
    Dataset,
    DescriptorPlan,
    Normalization,
    Processes,
    descriptor_problems,
    feature_moments,
    feature_ranges,
    filter_descriptors,
    load_descriptors,
)
from miniff.ml_util._charge_use import ChargeUse
from miniff.ml_util._deals import Deal
from miniff.ml_util._estimate import Demand, MemoryLimit
from miniff.ml_util._learning import Learning, refuse_crowds
from miniff.ml_util._progress import Reporter
from miniff.ml_util._types import Checked, Count, Problem, Reads, folder_problems
from miniff.potentials import FunctionPotential, TrainingMoments

__all__ = [
    "ComponentArgument",
    "DescriptorArgument",
    "FeatureChoice",
    "LearnedSets",
    "conflict_of_cutoff",
    "folder_of_cache",
]

DEFAULT_CUTOFF = 12 * 0.529177210903
"""12 bohr in angstrom (length)."""


ATOMS_FOR_CHOICE = 10000
"""So many atoms, or all, are looked at to choose descriptors."""


def _problems_of_choice(choice: str | dict[str, Any]) -> list[Problem]:
    return [] if isinstance(choice, str) else descriptor_problems(choice)


DescriptorArgument = Annotated[
    str | dict[str, Any],
    Reads(besides=RECIPES, load=load_descriptors),
    Checked(_problems_of_choice),
]
"""What :func:`miniff.ml.learn_cauldron` takes: a recipe, a file, or species -> functions."""

ComponentArgument = Count | Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
"""A number of principal components, or a share of the spread of the first."""


def conflict_of_cutoff(prepare: Mapping[str, object]) -> list[Problem]:
    """The cutoff is the recipe's: without a recipe it would be ignored."""
    descriptors, cutoff = prepare.get("descriptors", "auto"), prepare.get("cutoff")
    lists = descriptors.values() if isinstance(descriptors, Mapping) else [[descriptors]]
    items = [item for own in lists if isinstance(own, list) for item in own]
    if cutoff is None or any(item == recipe for item in items for recipe in RECIPES):
        return []
    what = f"is {cutoff} but is for descriptors of a recipe; those given have their own"
    return [(("cutoff",), what)]


def folder_of_cache(cache: str | None) -> str | None:
    """Where the files of a cache go.

    Raises:
        ValueError: Files cannot be put there.
    """
    if cache is None:
        return None
    for _, what in folder_problems(cache):
        raise ValueError(f"`cache`: {what}")
    return os.path.expanduser(cache)


@dataclass(frozen=True)
class FeatureChoice:
    """Arguments of ``prepare`` about features.

    Attributes:
        plan: Descriptors.
        cutoff: Of the recipe's, if it is used (length).
        min_spread, min_independence: What :func:`miniff.ml.filter_descriptors` takes.
        pca_features: What :meth:`miniff.ml.Normalization.from_dataset` takes.
        n_functions: What :func:`miniff.ml.auto_behler_descriptors` takes.
        cache: A folder for values and neighbours; None to have them in memory.
    """

    plan: DescriptorPlan
    cutoff: float | None
    min_spread: float
    min_independence: float
    pca_features: int | float | None
    n_functions: int
    cache: str | None = None

    def __post_init__(self) -> None:
        if self.cutoff is not None:
            check_positive("cutoff", self.cutoff)

    @property
    def of_recipe(self) -> float:
        """Cutoff of the recipe, or the longest that it may choose (length)."""
        return DEFAULT_CUTOFF if self.cutoff is None else self.cutoff

    def settings(self) -> dict[str, object]:
        """The same as plain data."""
        return {
            "descriptors": self.plan.as_plain(),
            "cutoff": self.cutoff,
            "min_spread": self.min_spread,
            "min_independence": self.min_independence,
            "pca_features": self.pca_features,
        }

    def learn(
        self,
        sets: Mapping[str, Sequence[Cell]],
        reporter: Reporter,
        n_with_forces: int,
        limit: MemoryLimit,
        n_models: int,
        charges: ChargeUse | None = None,
    ) -> "LearnedSets":
        """Descriptors chosen from the training set and computed for all sets, and their scales.

        Sets come in parts, each of at most so many atoms that what training needs at a time is
        small.

        Args:
            sets: Structures by the name of their set.
            reporter: Told what was chosen.
            n_with_forces: So many of the first structures for training have their forces used.
            limit: Of the memory; its processes learn a share each.
            n_models: So many are trained side by side.
            charges: What is done with charges, if anything.

        Raises:
            ValueError: A species that the training set lacks, too many neighbours of an atom, or
                more memory than the limit.
        """
        processes = limit.processes
        cells = [cell for own in sets.values() for cell in own]
        if self.cutoff is not None:
            refuse_crowds(cells, self.cutoff)
        trained = _species_of_training(sets)
        self._announce(sets["train"], reporter)
        functions = processes.from_first(lambda: self._chosen(sets["train"], trained, reporter))
        learning = Learning(functions, processes, self.cache, charges)
        refuse_crowds(cells, learning.cutoff)
        train, rest = sets["train"][:n_with_forces], sets["train"][n_with_forces:]
        groups = {**sets, "train": train, "rest": rest}
        found = learning.counted(groups)
        demand = learning.demand(groups, found, n_models)
        demand.refuse_above(limit)
        learning.announce(found, reporter)
        learned = {name: learning.of(cells) for name, cells in sets.items() if name != "train"}
        with_forces, without = learning.of(train), learning.of(rest, derivatives=False)
        learned = {"train": with_forces + without, **learned}
        datasets = {name: [part for part, _ in parts] for name, parts in learned.items()}
        learning.report(reporter)
        normalization = Normalization.from_parts(
            datasets["train"], pca_features=self.pca_features, processes=processes
        )
        if self.pca_features is not None:
            for s, (name, members) in enumerate(sorted(functions.items())):
                n = normalization.n_inputs(s)
                reporter.info(f"{name}: {n} principal components of {len(members)} descriptors")
        ranges = feature_ranges(datasets["train"], processes)
        return LearnedSets(
            datasets=datasets,
            deals={name: [deal for _, deal in parts] for name, parts in learned.items()},
            normalization=normalization,
            ranges=ranges,
            moments=feature_moments(datasets["train"], ranges, processes),
            demand=demand,
        )

    def _announce(self, train: Sequence[Cell], reporter: Reporter) -> None:
        """What is looked at to choose descriptors, which may take a while."""
        if not self.plan.recipes:
            return
        some = train if "default" in self.plan.recipes else _some_of(train)
        n_atoms = sum(cell.size for cell in some)
        most = "at most " if self.cutoff is None else ""
        reporter.info(
            f"choosing descriptors by {len(some)} structures for training, {n_atoms} atoms, and "
            f"their neighbours up to {most}{self.of_recipe:.4g} angstrom"
        )

    def _chosen(
        self, train: Sequence[Cell], trained: Sequence[str], reporter: Reporter
    ) -> dict[str, list[FunctionPotential]]:
        """The descriptors of each species, chosen from the training set."""
        tables: Sequence[PairTable] = []
        if "default" in self.plan.recipes:
            tables = _Tables(train, self.of_recipe)
        elif self.plan.recipes:
            tables = list(_Tables(_some_of(train), self.of_recipe))
        functions = self.plan.functions(
            tables, self.of_recipe, is_limit=self.cutoff is None, n_functions=self.n_functions
        )
        _refuse_unseen(functions, trained)
        if self.min_spread == self.min_independence == 0:
            return functions
        return self._filtered(train, functions, reporter)

    def _filtered(
        self,
        train: Sequence[Cell],
        functions: dict[str, list[FunctionPotential]],
        reporter: Reporter,
    ) -> dict[str, list[FunctionPotential]]:
        """Without those that tell nothing; each is named."""
        learning = Learning(functions, Processes())
        refuse_crowds(train, learning.cutoff)
        parts = learning.of(train, derivatives=False)
        filtered = filter_descriptors(
            Dataset.join([part for part, _ in parts]),
            min_spread=self.min_spread,
            min_independence=self.min_independence,
        )
        for sentence in filtered.dropped:
            reporter.info(f"left out {sentence}")
        return filtered.kept


@dataclass(frozen=True, eq=False)
class LearnedSets:
    """Structures with descriptors, and what was learned from those for training.

    Attributes:
        datasets: What this process has of each set, by name and in parts.
        deals: Who has what of each part.
        normalization: Of the training set.
        ranges: Of the descriptors of each species in the training set.
        moments: The same, of their mean and covariance.
        demand: The memory of this process, without that of an optimiser.
    """

    datasets: dict[str, list[Dataset]]
    deals: dict[str, list[Deal]]
    normalization: Normalization
    ranges: list[Float64[ndarray, "2 _"]]
    moments: list[TrainingMoments]
    demand: Demand


@dataclass(frozen=True)
class _Tables(Sequence[PairTable]):
    """Neighbours of structures, found anew whenever one is asked for, so that none stays."""

    cells: Sequence[Cell]
    cutoff: float

    def __len__(self) -> int:
        return len(self.cells)

    @overload
    def __getitem__(self, index: int) -> PairTable: ...
    @overload
    def __getitem__(self, index: slice) -> "_Tables": ...
    def __getitem__(self, index: int | slice) -> "PairTable | _Tables":
        if isinstance(index, slice):
            return _Tables(self.cells[index], self.cutoff)
        return compute_images(self.cells[index], self.cutoff).table


def _some_of(cells: Sequence[Cell]) -> list[Cell]:
    """Structures to choose descriptors by: evenly drawn, and at least one of each species."""
    every = max(1, sum(cell.size for cell in cells) // ATOMS_FOR_CHOICE)
    chosen = list(cells[::every])
    seen = {value for cell in chosen for value in cell.values}
    for cell in cells:
        if not seen.issuperset(cell.values):
            chosen.append(cell)
            seen.update(cell.values)
    return chosen


def _species_of_training(sets: Mapping[str, Sequence[Cell]]) -> list[str]:
    """Sorted; other sets must not have more."""
    trained = sorted({value for cell in sets["train"] for value in cell.values})
    for name, cells in sets.items():
        for cell in cells:
            unseen = sorted(set(cell.values) - set(trained))
            if unseen:
                raise ValueError(
                    f"{cell.meta.get('source', 'a structure')} of the {name} set has atoms of "
                    f"{', '.join(unseen)} but the training set has only {', '.join(trained)}"
                )
    return trained


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
