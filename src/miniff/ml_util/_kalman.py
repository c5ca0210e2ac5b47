"""The extended Kalman filter on many measurements at a time, for each model by itself.

Parameters w are known with covariance P; each step measures errors e with variances R = T, the
noise, and derivatives H by the parameters:

    P <- P / forgetting + process noise
    K  = P H^T (H P H^T + T)^-1         w <- w - K e         P <- P - K H P

Blank and Brown, J. Chemometrics 8, 391 (1994), https://doi.org/10.1002/cem.1180080605;
Singraber, Morawietz, Behler and Dellago, J. Chem. Theory Comput. 15, 3075 (2019),
https://doi.org/10.1021/acs.jctc.8b01092. With blocks, P is 0 between the networks of different
species: Puskorius and Feldkamp, IEEE Trans. Neural Netw. 5, 279 (1994),
https://doi.org/10.1109/72.279191.

Errors are scaled so that the filter lowers the loss that everything else does; the noise then is
what a measurement adds to it, which is learned on the way unless it is given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, isfinite
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray
from scipy.linalg import blas, lapack

from miniff._checks import check_not_negative, check_positive
from miniff.ml_util._batches import Batches
from miniff.ml_util._minimizer import Minimizer, Points
from miniff.ml_util._objective import Objective
from miniff.ml_util._residuals import Residuals, Rows

__all__ = ["Kalman", "KalmanMinimizer", "updated"]

BLOCKS = ("all", "species")


@dataclass(frozen=True)
class Kalman:
    """Settings.

    Attributes:
        share: Of the components of forces and stresses that are measured, drawn anew each time;
            energies always are.
        blocks: Whether one covariance is kept for all parameters, or one for each network, which
            takes less memory and time where there are several species.
        initial_variance: Of every parameter, about the value it starts with.
        noise: Loss that is left when all is learned; what the last epoch left by default.
        forgetting: Share of what is known that is kept in the first step; 1 for all.
        forgetting_growth: How it then goes to 1: 1 - forgetting shrinks by so much in a step.
        process_noise: Variance that parameters gain in each step of the first epoch.
        process_noise_decay: It shrinks by exp(-process_noise_decay) in an epoch.
    """

    share: float = 0.1
    blocks: str = "all"
    initial_variance: float = 0.1
    noise: float | None = None
    forgetting: float = 0.99
    forgetting_growth: float = 0.998
    process_noise: float = 0.0
    process_noise_decay: float = 1.0

    def __post_init__(self) -> None:
        if self.blocks not in BLOCKS:
            raise ValueError(f"`blocks` is {self.blocks!r} but must be {' or '.join(BLOCKS)}")
        for name in ("share", "forgetting", "forgetting_growth"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"`{name}` is {getattr(self, name)} but must be in (0, 1]")
        for name in ("initial_variance", "noise"):
            value = getattr(self, name)
            if value is not None:
                check_positive(name, value)
        for name in ("process_noise", "process_noise_decay"):
            check_not_negative(name, getattr(self, name))


Covariance = Float64[ndarray, "_ _"]


def updated(
    blocks: Sequence[Covariance], rows: Rows, noise: float
) -> tuple[Float64[ndarray, " n_parameters"], list[Covariance]]:
    """Change of the parameters and covariance after a measurement.

    Args:
        blocks: P of the parameters, one block after the other. Only the lower triangles are read
            and written; arrays in Fortran's order are reused for the result.
        rows: What was measured.
        noise: T.
    """
    edges = np.cumsum([0, *(len(p) for p in blocks)])
    scaled = [np.asfortranarray(rows.jacobian[:, a:b].T) / noise**0.5 for a, b in pairwise(edges)]
    moved = [blas.dsymm(1.0, p, h, lower=1) for p, h in zip(blocks, scaled, strict=True)]
    within = np.eye(len(rows.errors), order="F")  # H P H^T / T + 1
    for h, ph in zip(scaled, moved, strict=True):
        within += h.T @ ph
    root, failed = lapack.dpotrf(within, lower=1)
    if failed:
        raise FloatingPointError(
            "the covariance of the parameters is no longer positive definite; raise "
            "`process_noise` or `noise` in `optimizer_kwargs`"
        )
    error = blas.dtrsv(root, rows.errors / noise**0.5, lower=1)
    steps, after = [], []
    for p, ph in zip(blocks, moved, strict=True):
        gain = blas.dtrsm(1.0, root, np.asfortranarray(ph.T), lower=1)  # rows of (L^-1 H P)
        steps.append(-gain.T @ error)
        after.append(blas.dsyrk(-1.0, gain, beta=1.0, c=p, trans=1, lower=1, overwrite_c=1))
    return np.concatenate(steps), after


@dataclass
class _Filter:
    """One model.

    Attributes:
        point: Its parameters.
        blocks: P; see :func:`updated`.
        loss: What the last measurements say of the loss; None before the first.
        step: How many there were.
    """

    point: Float64[ndarray, " n_parameters"]
    blocks: list[Covariance]
    loss: float | None = None
    step: int = 0


class KalmanMinimizer(Minimizer):
    """Batches and probes are the same for all models."""

    def __init__(
        self, objective: Objective, start: Points, settings: Kalman, batches: Batches
    ) -> None:
        self._objective, self._settings, self._batches = objective, settings, batches
        self._residuals = Residuals(objective)
        variance = settings.initial_variance
        self._models = [
            _Filter(np.array(point), [np.eye(n, order="F") * variance for n in self._sizes()])
            for point in start
        ]
        self._n_epochs = 0
        self._n_evaluations = 0

    def _sizes(self) -> list[int]:
        """Of the blocks; the free pressure goes with the last species."""
        networks = self._objective.networks
        sizes = [sum(p.numel() for p in network.parameters()) for network in networks]
        if self._settings.blocks == "all":
            return [sum(sizes) + 1]
        return [*sizes[:-1], sizes[-1] + 1]

    def epoch(self, active: Sequence[int]) -> list[float]:
        sums = [0.0] * len(active)
        models = [self._models[k] for k in active]
        for parts in self._batches.epoch():
            for k, (model, rows) in enumerate(
                zip(models, self._measured(models, parts), strict=True)
            ):
                loss = float(rows.errors @ rows.errors) * self._batches.n_steps
                if not isfinite(loss):
                    raise FloatingPointError(
                        f"the loss of model {active[k]} is {loss} in step {model.step}; raise "
                        "`noise` or lower `initial_variance` in `optimizer_kwargs`"
                    )
                sums[k] += loss / self._batches.n_steps
                self._learn(model, rows, loss)
        self._n_epochs += 1
        self._n_evaluations += len(active)
        return sums

    def _measured(self, models: Sequence[_Filter], parts: Sequence[int]) -> list[Rows]:
        """What each model measures in a batch, by all processes."""
        self._objective.processes.refuse_drift([model.point for model in models])
        measured: list[list[Rows]] = [[] for _ in models]
        for k in parts:
            part = self._objective.parts[k]
            probes = self._residuals.drawn(k, self._settings.share, self._batches.generator)
            if not len(part):
                continue
            changes = self._residuals.changes(part, probes)
            for model, own in zip(models, measured, strict=True):
                own.append(self._residuals.rows(model.point, part, probes, changes))
        share = 1 / self._batches.n_steps
        return [
            Rows.join([*self._gathered(model, own), self._residuals.price(model.point, share)])
            for model, own in zip(models, measured, strict=True)
        ]

    def _gathered(self, model: _Filter, own: Sequence[Rows]) -> list[Rows]:
        """The rows of all processes."""
        processes = self._objective.processes
        if processes.size == 1:
            return list(own)
        nothing = Rows(np.zeros(0), np.zeros((0, len(model.point))))
        rows = Rows.join([nothing, *own])
        return [Rows(processes.gather(rows.errors), processes.gather(rows.jacobian))]

    def _learn(self, model: _Filter, rows: Rows, loss: float) -> None:
        settings = self._settings
        remembered = max(1 / (model.step + 1), 1 / self._batches.n_steps)
        before = loss if model.loss is None else model.loss
        model.loss = before + remembered * (loss - before)
        noise = (model.loss if settings.noise is None else settings.noise) / self._residuals.n_known
        if noise == 0:  # every measurement so far was as expected
            return
        kept = 1 - (1 - settings.forgetting) * settings.forgetting_growth**model.step
        gained = settings.process_noise * exp(-settings.process_noise_decay * self._n_epochs)
        for block in model.blocks:
            np.divide(block, kept, out=block)
            block[np.diag_indices(len(block))] += gained
        change, model.blocks = updated(model.blocks, rows, noise)
        model.point = model.point + change
        model.step += 1

    @property
    def points(self) -> Points:
        return [model.point for model in self._models]

    @property
    def n_evaluations(self) -> int:
        return self._n_evaluations

    def has_converged(self, model: int) -> bool:
        return False

    def state(self) -> dict[str, object]:
        return {
            "n_epochs": self._n_epochs,
            "n_evaluations": self._n_evaluations,
            "random": self._batches.state(),
            "models": [
                {
                    "point": torch.tensor(model.point),
                    "blocks": [torch.tensor(block.T) for block in model.blocks],
                    "loss": model.loss,
                    "step": model.step,
                }
                for model in self._models
            ],
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        self._n_epochs, self._n_evaluations = state["n_epochs"], state["n_evaluations"]
        self._batches.resume(state["random"])
        self._models = [
            _Filter(
                point=one["point"].numpy().copy(),
                blocks=[block.numpy().copy().T for block in one["blocks"]],
                loss=one["loss"],
                step=one["step"],
            )
            for one in state["models"]
        ]
