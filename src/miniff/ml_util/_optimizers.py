"""Optimisers by the names that job files use."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any, Literal, get_args

import numpy as np
from torch import nn

from miniff._checks import unknown_name
from miniff.ml import Dataset
from miniff.ml_util._adam import Adam, AdamMinimizer
from miniff.ml_util._batches import Batches, in_pieces, structures_of_batch
from miniff.ml_util._deals import Deal
from miniff.ml_util._kalman import Kalman, KalmanMinimizer
from miniff.ml_util._lbfgs import Lbfgs
from miniff.ml_util._levenberg import Levenberg, LevenbergMinimizer
from miniff.ml_util._minimizer import LbfgsMinimizer, Minimizer
from miniff.ml_util._objective import Objective
from miniff.ml_util._types import Problem

__all__ = [
    "Course",
    "OptimizerName",
    "TrainingSizes",
    "conflict_of_dtype",
    "conflicts_of_optimizer",
    "default_epochs",
    "default_patience",
    "make_minimizer",
    "memory_of",
    "options_of",
]

OptimizerName = Literal["lbfgs", "levenberg", "kalman", "adam", "adamw"]
SETTINGS: dict[str, Callable[..., Any]] = {
    "lbfgs": Lbfgs,
    "levenberg": Levenberg,
    "kalman": Kalman,
    "adam": Adam,
    "adamw": partial(Adam, weight_decay=0.01, decoupled_weight_decay=True),
}
ATOMS_OF_BATCH = {"kalman": 64, "adam": 1024, "adamw": 1024}
"""How many atoms a batch has by default, for those that look at batches."""

SCHEDULED = ("adam", "adamw")
"""Those whose every step depends on when the training ends."""

PASSES = 5
"""Epochs of those, passes through the training set, for each epoch of the others: a pass costs less
than a twentieth of 20 iterations of LBFGS, and brings less."""
PATIENCE = 50

NEED_DOUBLE = ("levenberg", "kalman")
"""They solve linear equations in each step."""

NUMBER = (int, float)
DEMANDS: dict[type, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: (NUMBER, "a number"),
    float: (NUMBER, "a number"),
    tuple: ((tuple, list), "a list"),
    type(None): ((type(None), *NUMBER), "a number or null"),
}
"""What an option must be, by the type of its default."""


@dataclass(frozen=True)
class Course:
    """What a training is like, as far as optimisers must know.

    Attributes:
        n_epochs: When it ends at the latest.
        seed: Of everything drawn by chance.
        batch_size: Structures in a step; None for those that always look at all.
    """

    n_epochs: int
    seed: int
    batch_size: int | None

    @staticmethod
    def of(
        optimizer: OptimizerName,
        train: Sequence[Deal],
        *,
        n_epochs: int,
        seed: int,
        batch_size: int | None,
    ) -> "Course":
        """With the batch size of the optimiser where none is given."""
        if batch_size is None and optimizer in ATOMS_OF_BATCH:
            batch_size = structures_of_batch(train, ATOMS_OF_BATCH[optimizer])
        return Course(n_epochs, seed, batch_size)

    def settings(self, optimizer: OptimizerName) -> dict[str, object]:
        """What decides the numbers of a run, as plain data."""
        found: dict[str, object] = {"batch_size": self.batch_size}
        return found | ({"n_epochs": self.n_epochs} if optimizer in SCHEDULED else {})

    def cut(
        self, parts: Sequence[Dataset], deals: Sequence[Deal], rank: int
    ) -> tuple[Sequence[Dataset], Sequence[Deal]]:
        """The training set of a process in pieces that batches can be drawn from."""
        if self.batch_size is None:
            return parts, deals
        return in_pieces(parts, deals, rank, self.batch_size)


@dataclass(frozen=True)
class TrainingSizes:
    """What the memory of an optimiser depends on, in one process.

    Attributes:
        n_parameters: Of the network of each species.
        n_models: Trained side by side.
        n_epochs: At most.
        n_structures: For training, of all processes.
        part_structures: In the largest part, of this process.
        batch_size: Structures in a step, of all processes; None for all there are.
        atoms_of_structure: On average.
    """

    n_parameters: Sequence[int]
    n_models: int
    n_epochs: int
    n_structures: int
    part_structures: float
    batch_size: int | None
    atoms_of_structure: float

    @classmethod
    def of(
        cls,
        members: Sequence[Sequence[nn.Module]],
        course: Course,
        deals: Sequence[Deal],
        n_processes: int,
    ) -> "TrainingSizes":
        """Of models with their networks, and of who has what of the training set."""
        return cls(
            n_parameters=[sum(p.numel() for p in network.parameters()) for network in members[0]],
            n_models=len(members),
            n_epochs=course.n_epochs,
            n_structures=sum(len(deal.owner) for deal in deals),
            part_structures=max(len(deal.owner) for deal in deals) / n_processes,
            batch_size=course.batch_size,
            atoms_of_structure=float(np.mean(np.concatenate([deal.sizes for deal in deals]))),
        )


def memory_of(optimizer: OptimizerName, settings: Any, sizes: TrainingSizes) -> float:
    """What an optimiser takes at most (bytes): its state, one more for the checkpoint, a step."""
    n, n_models, number = sum(sizes.n_parameters) + 1, sizes.n_models, 8
    if isinstance(settings, Lbfgs):
        remembered = min(settings.history_size, settings.max_iter * sizes.n_epochs)
        return float(number * n * n_models * (2 * remembered + 6))
    if isinstance(settings, Levenberg):
        n_probes = -(-settings.n_rows // sizes.n_structures)
        rows = (n_probes + 1) * sizes.part_structures
        return float(number * n * ((4 * n_models + 2) * n + 3 * rows))
    if isinstance(settings, Kalman):
        blocks = [*sizes.n_parameters[:-1], sizes.n_parameters[-1] + 1]
        squares = n**2 if settings.blocks == "all" else sum(size**2 for size in blocks)
        of_structure = 1 + settings.share * (3 * sizes.atoms_of_structure + 6)
        rows = (sizes.batch_size or sizes.n_structures) * of_structure
        return number * (3 * n_models * squares + n * rows * (n_models + 3))
    return float(number * n * n_models * 6)


def conflicts_of_optimizer(run: Mapping[str, object]) -> list[Problem]:
    """What is wrong with options only for the optimiser they are given to."""
    optimizer, batch_size = run.get("optimizer", "lbfgs"), run.get("batch_size")
    options = run.get("optimizer_kwargs") or {}
    problems: list[Problem] = []
    if optimizer not in get_args(OptimizerName):
        return problems
    if batch_size is not None and optimizer not in ATOMS_OF_BATCH:
        what = f"is {batch_size} but {optimizer} looks at all structures in each step; leave it out"
        problems.append((("batch_size",), what))
    try:
        if isinstance(options, Mapping):
            options_of(optimizer, options)  # type: ignore[arg-type]
    except ValueError as error:
        problems.append((("optimizer_kwargs",), f"cannot be used: {error}"))
    return problems


def default_epochs(optimizer: OptimizerName, n_epochs: int) -> int:
    """How many to make of it, where so many are good for LBFGS."""
    return PASSES * n_epochs if optimizer in SCHEDULED else n_epochs


def default_patience(optimizer: OptimizerName, n_epochs: int) -> int:
    """Those with a schedule get best at its end."""
    return n_epochs if optimizer in SCHEDULED else PATIENCE


def conflict_of_dtype(dtype: object, optimizer: object) -> list[Problem]:
    """Not all optimisers can do with networks in single precision."""
    if dtype == "float64" or optimizer not in NEED_DOUBLE:
        return []
    return [(("dtype",), f"is {dtype} but {optimizer} needs float64")]


def options_of(optimizer: OptimizerName, options: Mapping[str, object]) -> Any:
    """The settings of an optimiser, checked.

    Raises:
        ValueError: An unknown option, or a value that it cannot have.
    """
    make = SETTINGS[optimizer]
    known = signature(make).parameters
    for name, value in options.items():
        if name not in known:
            raise ValueError(unknown_name(f"option of `{optimizer}`", name, known))
        kinds, demand = DEMANDS.get(type(known[name].default), ((object,), ""))
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise ValueError(f"`{name}` is {value!r} but must be {demand}")
    return make(**options)


def make_minimizer(
    optimizer: OptimizerName,
    settings: Any,
    objective: Objective,
    members: Sequence[Sequence[nn.Module]],
    course: Course,
) -> Minimizer:
    """The optimiser, with each model where it starts.

    Args:
        optimizer: Its name.
        settings: What :func:`options_of` gives.
        objective: With the data set as the course cuts it.
        members: Networks of each model.
        course: Of the training.
    """
    start = [objective.start(networks) for networks in members]
    if course.batch_size is None:
        if optimizer == "levenberg":
            return LevenbergMinimizer(objective, start, settings, course.seed)
        return LbfgsMinimizer(objective, start, settings)
    batches = Batches(objective, course.batch_size, course.seed)
    if optimizer == "kalman":
        return KalmanMinimizer(objective, start, settings, batches)
    return AdamMinimizer(objective, start, settings, batches, course.n_epochs)
