"""Optimisers as training sees them: several models that go down together, epoch by epoch."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray

from miniff.ml_util._lbfgs import Lbfgs, LbfgsState, lbfgs_iterations
from miniff.ml_util._objective import Objective

__all__ = ["LbfgsMinimizer", "Minimizer", "value_as_tensors", "value_of_tensors"]

Points = Sequence[Float64[ndarray, " n_parameters"]]


class Minimizer(ABC):
    """Lowers an objective for several models, each on its own way."""

    @abstractmethod
    def epoch(self, active: Sequence[int]) -> list[float]:
        """Goes on with some of the models.

        Returns:
            Their losses.

        Raises:
            FloatingPointError: A loss that is no number; the message says which and since when.
        """

    @property
    @abstractmethod
    def points(self) -> Points:
        """The parameters of all models."""

    @property
    @abstractmethod
    def n_evaluations(self) -> int:
        """Of loss and gradient, of all models together."""

    @abstractmethod
    def has_converged(self, model: int) -> bool:
        """Whether nothing is left to do for a model."""

    @abstractmethod
    def state(self) -> dict[str, object]:
        """All that decides how it goes on, as tensors and plain data."""

    @abstractmethod
    def resume(self, state: Mapping[str, object]) -> None:
        """Goes on from a state."""


def value_as_tensors(
    value: tuple[float, Float64[ndarray, " n_parameters"]] | None,
) -> dict[str, object]:
    """Loss and gradient, for a checkpoint; None before they are computed."""
    if value is None:
        return {"loss": None, "gradient": None}
    return {"loss": value[0], "gradient": torch.tensor(value[1])}


def value_of_tensors(
    state: Mapping[str, Any],
) -> tuple[float, Float64[ndarray, " n_parameters"]] | None:
    """Loss and gradient of a checkpoint."""
    return None if state["loss"] is None else (state["loss"], state["gradient"].numpy())


class LbfgsMinimizer(Minimizer):
    """L-BFGS over the whole training set; what all models ask for is evaluated together."""

    def __init__(self, objective: Objective, start: Points, settings: Lbfgs) -> None:
        self._objective = objective
        self._settings = settings
        self._models = [LbfgsState(np.array(point)) for point in start]
        self._n_evaluations = 0

    def epoch(self, active: Sequence[int]) -> list[float]:
        running = {k: lbfgs_iterations(self._models[k], self._settings) for k in active}
        asked = {k: next(iterations) for k, iterations in running.items()}
        while asked:
            values = self._objective.evaluate(list(asked.values()))
            self._n_evaluations += len(asked)
            for k, value in zip(list(asked), values, strict=True):
                try:
                    asked[k] = running[k].send(value)
                except StopIteration as finished:
                    self._models[k] = finished.value
                    del asked[k]
        losses = []
        for k in active:
            reached = self._models[k].value
            assert reached is not None
            losses.append(reached[0])
        return losses

    @property
    def points(self) -> Points:
        return [model.point for model in self._models]

    @property
    def n_evaluations(self) -> int:
        return self._n_evaluations

    def has_converged(self, model: int) -> bool:
        return self._models[model].converged

    def state(self) -> dict[str, object]:
        return {
            "n_evaluations": self._n_evaluations,
            "models": [
                {
                    "point": torch.from_numpy(model.point),
                    **value_as_tensors(model.value),
                    "steps": [torch.from_numpy(s) for s in model.steps],
                    "changes": [torch.from_numpy(y) for y in model.changes],
                    "converged": model.converged,
                }
                for model in self._models
            ],
        }

    def resume(self, state: Mapping[str, object]) -> None:
        models = state["models"]
        assert isinstance(models, list)
        self._n_evaluations = int(state["n_evaluations"])  # type: ignore[call-overload]
        self._models = [
            LbfgsState(
                point=one["point"].numpy(),
                value=value_of_tensors(one),
                steps=[s.numpy() for s in one["steps"]],
                changes=[y.numpy() for y in one["changes"]],
                converged=one["converged"],
            )
            for one in models
        ]
