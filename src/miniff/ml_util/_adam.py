"""Adam and AdamW on mini-batches, each model for itself.

The learning rate rises for the first steps and then falls to zero at the last epoch as a cosine.
What is kept, compared and saved are averages over the last steps (Polyak and Juditsky, SIAM J.
Control Optim. 30, 838 (1992)), whose errors are smaller than those of any single step:

    a  <-  a + max(1/(step + 1), 1/memory) (x - a)

Kingma and Ba, https://arxiv.org/abs/1412.6980; Loshchilov and Hutter,
https://arxiv.org/abs/1711.05101.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import cos, isfinite, pi
from typing import Any

import torch
from torch import Tensor

from miniff._checks import check_not_negative, check_positive
from miniff.ml_util._batches import Batches
from miniff.ml_util._minimizer import Minimizer, Points
from miniff.ml_util._objective import Objective

__all__ = ["Adam", "AdamMinimizer"]


@dataclass(frozen=True)
class Adam:
    """Settings; the first five are those of torch.

    Attributes:
        lr: Greatest learning rate.
        betas: How much running means of the gradient and of its square keep in a step.
        eps: Added to the root of the mean square.
        weight_decay: Share of the learning rate by which parameters shrink in a step.
        decoupled_weight_decay: AdamW: they shrink by themselves, not through the gradient.
        warm_up: Share of all steps in which the learning rate rises.
        average: Share of all steps that the averages remember; 0 for none.
    """

    lr: float = 0.01
    betas: Sequence[float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    decoupled_weight_decay: bool = False
    warm_up: float = 0.02
    average: float = 0.02

    def __post_init__(self) -> None:
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"`betas` is {self.betas} but must be two numbers in [0, 1)")
        for name in ("lr", "eps"):
            check_positive(name, getattr(self, name))
        check_not_negative("weight_decay", self.weight_decay)
        for name in ("warm_up", "average"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"`{name}` is {getattr(self, name)} but must be in [0, 1]")

    def factor(self, step: int, n_steps: int) -> float:
        """Of the learning rate, in a step counted from 0."""
        rising = self.warm_up * n_steps
        rise = min(1.0, (step + 1) / rising) if rising > 0 else 1.0
        return rise * (1 + cos(pi * step / n_steps)) / 2


class AdamMinimizer(Minimizer):
    """Mini-batches are the same for all models; the derivatives they need are read once."""

    def __init__(
        self,
        objective: Objective,
        start: Points,
        settings: Adam,
        batches: Batches,
        n_epochs: int,
    ) -> None:
        """At most ``n_epochs`` are made of it."""
        self._objective, self._settings, self._batches = objective, settings, batches
        self._n_steps = n_epochs * batches.n_steps
        self._models = [_Descent(torch.tensor(point), settings) for point in start]
        self._n_evaluations = 0

    def epoch(self, active: Sequence[int]) -> list[float]:
        sums = [0.0] * len(active)
        models = [self._models[k] for k in active]
        for parts in self._batches.epoch():
            points = [model.point.detach().numpy() for model in models]
            values = self._objective.evaluate(points, parts)
            for k, (model, (loss, gradient)) in enumerate(zip(models, values, strict=True)):
                if not isfinite(loss):
                    raise FloatingPointError(
                        f"the loss of model {active[k]} is {loss} in step {model.step}; lower "
                        "`lr` in `optimizer_kwargs`"
                    )
                sums[k] += loss / self._batches.n_steps
                model.descend(torch.from_numpy(gradient), self._n_steps)
        self._n_evaluations += len(active)
        return sums

    @property
    def points(self) -> Points:
        return [model.average.numpy() for model in self._models]

    @property
    def n_evaluations(self) -> int:
        return self._n_evaluations

    def has_converged(self, model: int) -> bool:
        return False

    def state(self) -> dict[str, object]:
        return {
            "n_evaluations": self._n_evaluations,
            "random": self._batches.state(),
            "models": [model.state() for model in self._models],
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        self._n_evaluations = state["n_evaluations"]
        self._batches.resume(state["random"])
        for model, one in zip(self._models, state["models"], strict=True):
            model.resume(one)


class _Descent:
    """One model on its way."""

    def __init__(self, point: Tensor, settings: Adam) -> None:
        self.point = torch.nn.Parameter(point)
        self.average = point.clone()
        self.step = 0
        self._settings = settings
        kind = torch.optim.AdamW if settings.decoupled_weight_decay else torch.optim.Adam
        self._optimizer = kind(
            [self.point],
            lr=settings.lr,
            betas=(settings.betas[0], settings.betas[1]),
            eps=settings.eps,
            weight_decay=settings.weight_decay,
        )

    def descend(self, gradient: Tensor, n_steps: int) -> None:
        """One step of so many."""
        (group,) = self._optimizer.param_groups
        group["lr"] = self._settings.lr * self._settings.factor(self.step, n_steps)
        self.point.grad = gradient
        self._optimizer.step()
        self.step += 1
        memory = max(self._settings.average * n_steps, 1.0)
        share = max(1 / (self.step + 1), 1 / memory)
        self.average = self.average + share * (self.point.detach() - self.average)

    def state(self) -> dict[str, object]:
        return {
            "point": self.point.detach().clone(),
            "average": self.average,
            "step": self.step,
            "optimizer": deepcopy(self._optimizer.state_dict()),
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        self.point.data = state["point"].clone()
        self.average, self.step = state["average"].clone(), state["step"]
        self._optimizer.load_state_dict(state["optimizer"])
