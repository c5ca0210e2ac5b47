"""What the networks of a fit see: descriptors, which of them, and their principal components."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from miniff.kernel import Cell, CellImages, compute_images
from miniff.ml import (
    RECIPES,
    Dataset,
    DescriptorPlan,
    Normalization,
    descriptor_problems,
    filter_descriptors,
    learn_cauldron,
    load_descriptors,
)
from miniff.ml_util._progress import Reporter
from miniff.ml_util._types import Checked, Count, Problem, Reads
from miniff.potentials import FunctionPotential

__all__ = ["ComponentArgument", "DescriptorArgument", "FeatureChoice", "conflict_of_cutoff"]

DEFAULT_CUTOFF = 12 * 0.529177210903
"""12 bohr in angstrom (length)."""


ATOMS_FOR_CHOICE = 10000
"""So many atoms, or all, are looked at to choose descriptors."""
ATOMS_OF_PART = 4096
"""At most so many are looked at together, or one structure."""


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


@dataclass(frozen=True)
class FeatureChoice:
    """Arguments of ``prepare`` about features.

    Attributes:
        plan: Descriptors.
        cutoff: Of the recipe's, if it is used (length).
        min_spread, min_independence: What :func:`miniff.ml.filter_descriptors` takes.
        pca_features: What :meth:`miniff.ml.Normalization.from_dataset` takes.
        n_functions: What :func:`miniff.ml.auto_behler_descriptors` takes.
    """

    plan: DescriptorPlan
    cutoff: float | None
    min_spread: float
    min_independence: float
    pca_features: int | float | None
    n_functions: int

    def __post_init__(self) -> None:
        if self.cutoff is not None and not self.cutoff > 0:
            raise ValueError(f"`cutoff` is {self.cutoff} but must be in (0, inf)")

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

    def datasets(
        self, sets: Mapping[str, Sequence[Cell]], reporter: Reporter, n_with_forces: int
    ) -> tuple[dict[str, list[Dataset]], Normalization]:
        """Descriptors chosen from the training set and computed for all sets, and their scales.

        Sets come in parts, each of at most so many atoms that what training needs at a time is
        small.

        Args:
            sets: Structures by the name of their set.
            reporter: Told what was chosen.
            n_with_forces: So many of the first structures for training have their forces used.

        Raises:
            ValueError: A species that the training set lacks.
        """
        trained = _species_of_training(sets)
        functions = self._functions(sets["train"])
        _refuse_unseen(functions, trained)
        radius = max(f.cutoff for own in functions.values() for f in own)
        images = {name: [compute_images(c, radius) for c in cells] for name, cells in sets.items()}
        functions = self._filtered(images["train"], functions, reporter)
        first, rest = images["train"][:n_with_forces], images["train"][n_with_forces:]
        train = [learn_cauldron(part, functions) for part in _parts(first)]
        train += [learn_cauldron(part, functions, derivatives=False) for part in _parts(rest)]
        datasets = {"train": train}
        for name in [name for name in images if name != "train"]:
            datasets[name] = [learn_cauldron(part, functions) for part in _parts(images[name])]
        normalization = Normalization.from_dataset(
            Dataset.join(datasets["train"]), pca_features=self.pca_features
        )
        for s, (name, members) in enumerate(sorted(functions.items())):
            seen = normalization.n_inputs(s)
            of = f"{seen} principal components of " if self.pca_features is not None else ""
            reporter.info(f"{name}: {of}{len(members)} descriptors up to {radius:.4g} angstrom")
        return datasets, normalization

    def _functions(self, train: Sequence[Cell]) -> dict[str, list[FunctionPotential]]:
        """The descriptors of each species, chosen from the training set."""
        tables = []
        if self.plan.recipes:
            looked_at = train if "default" in self.plan.recipes else _some_of(train)
            tables = [compute_images(cell, self.of_recipe).table for cell in looked_at]
        return self.plan.functions(
            tables, self.of_recipe, is_limit=self.cutoff is None, n_functions=self.n_functions
        )

    def _filtered(
        self,
        train: Sequence[CellImages],
        functions: dict[str, list[FunctionPotential]],
        reporter: Reporter,
    ) -> dict[str, list[FunctionPotential]]:
        """Without those that tell nothing; each is named."""
        if self.min_spread == self.min_independence == 0:
            return functions
        filtered = filter_descriptors(
            learn_cauldron(train, functions),
            min_spread=self.min_spread,
            min_independence=self.min_independence,
        )
        for sentence in filtered.dropped:
            reporter.info(f"left out {sentence}")
        return filtered.kept


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


def _parts(images: Sequence[CellImages]) -> list[list[CellImages]]:
    """Structures one after the other, until they have enough atoms."""
    parts: list[list[CellImages]] = []
    n_atoms = ATOMS_OF_PART
    for one in images:
        n_atoms += one.cell.size
        if n_atoms > ATOMS_OF_PART:
            parts.append([])
            n_atoms = one.cell.size
        parts[-1].append(one)
    return parts


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
