"""Optimisers by the names that job files use."""

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any, Literal

from torch import nn

from miniff._checks import unknown_name
from miniff.ml_util._lbfgs import Lbfgs
from miniff.ml_util._minimizer import LbfgsMinimizer, Minimizer
from miniff.ml_util._objective import Objective

__all__ = ["OptimizerName", "make_minimizer", "options_of"]

OptimizerName = Literal["lbfgs"]
SETTINGS: dict[str, Callable[..., Any]] = {"lbfgs": Lbfgs}


def options_of(optimizer: OptimizerName, options: Mapping[str, object]) -> Any:
    """The settings of an optimiser, checked.

    Raises:
        ValueError: An unknown option, or a value that it cannot have.
    """
    make = SETTINGS[optimizer]
    known = list(signature(make).parameters)
    for name in options:
        if name not in known:
            raise ValueError(unknown_name(f"option of `{optimizer}`", name, known))
    try:
        return make(**options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`optimizer_kwargs`: {error}") from error


def make_minimizer(
    optimizer: OptimizerName,
    settings: Any,
    objective: Objective,
    members: Sequence[Sequence[nn.Module]],
) -> Minimizer:
    """The optimiser, with each model where it starts."""
    start = [objective.start(networks) for networks in members]
    return LbfgsMinimizer(objective, start, settings)
