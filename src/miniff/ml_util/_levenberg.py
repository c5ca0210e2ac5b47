"""Damped Gauss-Newton steps over the whole training set, with a sampled matrix.

The loss and its gradient g are exact; the matrix 2 J^T J, with the derivatives J of the errors that
are squared, is made of all energies and of sums of the other errors with signs drawn by chance in
each step, and averaged over the last steps. A step solves

    (2 J^T J + damping trace(2 J^T J)/n) s = -g

and is made if the loss goes down. The damping follows how well the fall was foreseen:
Marquardt, J. Soc. Indust. Appl. Math. 11, 431 (1963), https://doi.org/10.1137/0111030; by the rule
of Nielsen in Madsen, Nielsen and Tingleff, Methods for Non-Linear Least Squares Problems (DTU,
2004), algorithm 3.16.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray
from scipy.linalg import blas, cho_factor, cho_solve

from miniff._checks import check_not_negative, check_positive
from miniff.ml_util._minimizer import Minimizer, Points, value_as_tensors, value_of_tensors
from miniff.ml_util._objective import Objective
from miniff.ml_util._residuals import Residuals

__all__ = ["Levenberg", "LevenbergMinimizer"]

MOST_TRIALS = 10
"""With one matrix; then another is drawn."""
MOST_DAMPING = 1e12
LEAST_GAIN = 1e-3
"""Of what was foreseen."""


@dataclass(frozen=True)
class Levenberg:
    """Settings.

    Attributes:
        max_iter: Steps in an epoch.
        n_rows: Sums of errors in the matrix, at least one for each structure.
        memory: How much of the matrix of the last step is kept, in place of a part of the new one.
        damping: In the first step.
        tolerance_grad: Done when no component of the gradient is larger.
    """

    max_iter: int = 5
    n_rows: int = 800
    memory: float = 0.5
    damping: float = 0.01
    tolerance_grad: float = 1e-10

    def __post_init__(self) -> None:
        for name in ("max_iter", "n_rows"):
            number = getattr(self, name)
            if not (isinstance(number, int) and number >= 1):
                raise ValueError(f"`{name}` is {number} but must be an integer in [1, inf)")
        if not 0 <= self.memory < 1:
            raise ValueError(f"`memory` is {self.memory} but must be in [0, 1)")
        check_positive("damping", self.damping)
        check_not_negative("tolerance_grad", self.tolerance_grad)


@dataclass
class _Descent:
    """One model.

    Attributes:
        point: Its parameters.
        damping: For the next trial.
        growth: By what the damping grows if the next trial fails.
        value: Loss and gradient; None before the first step.
        matrix: 2 J^T J, averaged over steps; only the lower triangle counts.
        converged: Nothing is left to do.
    """

    point: Float64[ndarray, " n_parameters"]
    damping: float
    growth: float = 2.0
    value: tuple[float, Float64[ndarray, " n_parameters"]] | None = None
    matrix: Float64[ndarray, "n_parameters n_parameters"] | None = None
    converged: bool = False


class LevenbergMinimizer(Minimizer):
    """Points that models try are evaluated together; probes are the same for all models."""

    def __init__(self, objective: Objective, start: Points, settings: Levenberg, seed: int) -> None:
        self._objective, self._settings = objective, settings
        self._residuals = Residuals(objective)
        n_structures = sum(len(deal.owner) for deal in objective.deals)
        self._n_probes = -(-settings.n_rows // n_structures)
        self._generator = torch.Generator().manual_seed(seed)
        self._models = [_Descent(np.array(point), settings.damping) for point in start]
        self._n_evaluations = 0

    def epoch(self, active: Sequence[int]) -> list[float]:
        models = [self._models[k] for k in active]
        self._begin([model for model in models if model.value is None])
        for _ in range(self._settings.max_iter):
            self._step([model for model in models if not model.converged])
        return [_value(model)[0] for model in models]

    def _begin(self, models: Sequence[_Descent]) -> None:
        for model, value in zip(models, self._evaluated([m.point for m in models]), strict=True):
            if not isfinite(value[0]):
                raise FloatingPointError(f"the loss is {value[0]} before anything was learned")
            model.value = value

    def _evaluated(self, points: Points) -> list[tuple[float, ndarray]]:
        self._n_evaluations += len(points)
        return self._objective.evaluate(points) if points else []

    def _step(self, models: Sequence[_Descent]) -> None:
        """One step of each model, or none if no damping lowers the loss."""
        for model, drawn in zip(models, self._matrices(models), strict=True):
            memory = 0.0 if model.matrix is None else self._settings.memory
            before = 0.0 if model.matrix is None else model.matrix
            model.matrix = (1 - memory) * drawn + memory * before
        trying = list(models)
        for _ in range(MOST_TRIALS):
            steps = [_solved(model) for model in trying]
            found = self._evaluated([m.point + step for m, step in zip(trying, steps, strict=True)])
            outcomes = list(zip(trying, steps, found, strict=True))
            trying = [m for m, step, value in outcomes if not _accepted(m, step, value)]
            if not trying:
                break
        for model in models:
            flat = float(np.abs(_value(model)[1]).max()) <= self._settings.tolerance_grad
            model.converged = flat or model.damping > MOST_DAMPING

    def _matrices(self, models: Sequence[_Descent]) -> list[Float64[ndarray, "n n"]]:
        """2 J^T J of all processes; only the lower triangles count."""
        n = len(self._models[0].point)
        sums = [np.zeros((n, n), order="F") for _ in models]
        for part_number, part in enumerate(self._objective.parts):
            probes = self._residuals.mixed(part_number, self._n_probes, self._generator)
            if not len(part):
                continue
            changes = self._residuals.changes(part, probes)
            for k, model in enumerate(models):
                rows = self._residuals.rows(model.point, part, probes, changes).jacobian
                sums[k] = _plus(sums[k], rows)
        # The transpose lies in C's order, which is how arrays are sent.
        totals = [self._objective.processes.sum(matrix.T).T for matrix in sums]
        return [
            _plus(matrix, self._residuals.price(model.point).jacobian)
            for model, matrix in zip(models, totals, strict=True)
        ]

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
            "random": self._generator.get_state(),
            "models": [
                {
                    "point": torch.tensor(model.point),
                    "damping": model.damping,
                    "growth": model.growth,
                    **value_as_tensors(model.value),
                    "matrix": None if model.matrix is None else torch.tensor(model.matrix.T),
                    "converged": model.converged,
                }
                for model in self._models
            ],
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        self._n_evaluations = state["n_evaluations"]
        self._generator.set_state(state["random"])
        self._models = [
            _Descent(
                point=one["point"].numpy().copy(),
                damping=one["damping"],
                growth=one["growth"],
                value=value_of_tensors(one),
                matrix=None if one["matrix"] is None else one["matrix"].numpy().copy().T,
                converged=one["converged"],
            )
            for one in state["models"]
        ]


def _value(model: _Descent) -> tuple[float, ndarray]:
    assert model.value is not None
    return model.value


def _plus(matrix: ndarray, rows: ndarray) -> ndarray:
    """matrix + 2 rows^T rows, where only lower triangles count."""
    sums: ndarray = blas.dsyrk(2.0, rows.T, beta=1.0, c=matrix, lower=1, overwrite_c=1)
    return sums


def _solved(model: _Descent) -> ndarray:
    """The step for the damping of the model."""
    assert model.matrix is not None
    damped = np.array(model.matrix, order="F")
    damped[np.diag_indices(len(damped))] += model.damping * np.trace(damped) / len(damped)
    step: ndarray = -cho_solve(cho_factor(damped, lower=True, overwrite_a=True), _value(model)[1])
    return step


def _accepted(model: _Descent, step: ndarray, value: tuple[float, ndarray]) -> bool:
    """Goes there if the loss falls as was foreseen; damps less or more next time."""
    loss, gradient = _value(model)
    foreseen = -float(gradient @ step + step @ blas.dsymv(0.5, model.matrix, step, lower=1))
    gain = (loss - value[0]) / foreseen if foreseen > 0 else -inf
    if isfinite(value[0]) and np.isfinite(value[1]).all() and gain > LEAST_GAIN:
        model.point, model.value, model.growth = model.point + step, value, 2.0
        model.damping *= max(1 / 3, 1 - (2 * min(gain, 1.0) - 1) ** 3)
        return True
    model.damping *= model.growth
    model.growth *= 2
    return False
