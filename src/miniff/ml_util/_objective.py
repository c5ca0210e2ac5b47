"""The loss of several models and its gradient, over data sets that come in parts."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray
from torch import Tensor, nn

from miniff.ml import Dataset, Normalization, Prediction, Processes, forward_committee
from miniff.ml_util._deals import Deal
from miniff.ml_util._device_loss import DeviceLoss, is_on_device
from miniff.ml_util._loss import (
    FREEDOM,
    LossWeights,
    charge_count,
    charge_term,
    loss_terms,
    term_counts,
)
from miniff.potentials import Precision

__all__ = ["Forward", "Objective"]


@runtime_checkable
class Forward(Protocol):
    """What models say of a data set; :func:`miniff.ml.forward_committee`, for one."""

    def __call__(
        self,
        members: Sequence[Sequence[nn.Module]],
        dataset: Dataset,
        grad: bool,
        normalization: Normalization,
        *,
        precision: Precision,
    ) -> list[Prediction]: ...


@dataclass(frozen=True)
class Objective:
    """What is lowered: for each model a function of its parameters, in one list of numbers.

    The numbers are the parameters of the networks, species by species, and at last the free
    pressure in units of `pressure_unit`; see :mod:`miniff.ml_util._loss`.

    Attributes:
        networks: One per species, or what `forward` takes: the form, whose parameters are put in.
        parts: The training set.
        normalization: What the networks see and give.
        weights: Of the terms of the loss.
        pressure_unit: What 1 stands for (energy/length^3); 0 if no pressure is free.
        precision: What :func:`miniff.ml.forward_committee` takes; the numbers, the loss and its
            gradient are in double precision.
        processes: Those that have a share of the parts; this one alone by default. Methods say if
            all must call them.
        deals: Who has what of each part; all is this process's by default.
        forward: What the models are.
    """

    networks: Sequence[nn.Module]
    parts: Sequence[Dataset]
    normalization: Normalization
    weights: LossWeights
    pressure_unit: float = 0.0
    precision: Precision = "double"
    processes: Processes = field(default_factory=Processes)
    deals: Sequence[Deal] = ()
    forward: Forward = forward_committee

    def __post_init__(self) -> None:
        if not self.deals:
            object.__setattr__(self, "deals", [Deal.whole(part) for part in self.parts])

    @cached_property
    def counts(self) -> Float64[Tensor, "n_parts 3"]:
        """What the terms have references for in each part; see :func:`term_counts`.

        All processes must ask for it the first time.
        """
        return torch.from_numpy(self._counts)

    @cached_property
    def _counts(self) -> Float64[ndarray, "n_parts 3"]:
        own = torch.stack([term_counts(part) for part in self.parts])
        return self.processes.sum(own.double().cpu().numpy())

    @cached_property
    def charge_counts(self) -> Float64[ndarray, " n_parts"]:
        """Charges that are known in each part; see :func:`charge_count`.

        All processes must ask for it the first time.
        """
        return self.processes.sum(np.array([charge_count(part) for part in self.parts]))

    def start(self, networks: Sequence[nn.Module]) -> Float64[ndarray, " n_parameters"]:
        """The numbers for given networks, without a pressure."""
        values = nn.utils.parameters_to_vector([p for n in networks for p in n.parameters()])
        return np.append(values.detach().cpu().numpy(), 0.0)

    def evaluate(
        self,
        points: Sequence[Float64[ndarray, " n_parameters"]],
        parts: Sequence[int] | None = None,
    ) -> list[tuple[float, Float64[ndarray, " n_parameters"]]]:
        """Loss and gradient of several models at once; all processes must call it.

        Args:
            points: The numbers of each model.
            parts: Which parts of the data set to look at; all by default.

        Raises:
            ValueError: Parts that have no references for what the weights ask for.
        """
        self.processes.refuse_drift(points)
        chosen = list(range(len(self.parts)) if parts is None else parts)
        counts = self._counts[chosen].sum(0)
        n_charges = float(self.charge_counts[chosen].sum())
        weights = self.weights.where_known(counts, n_charges)
        mine = [self.parts[i] for i in chosen if len(self.parts[i])]
        if self._on_device is not None:
            return self._evaluated(self._on_device, points, mine, weights, counts)
        models = [_Model.at(self.networks, point, self.pressure_unit) for point in points]
        cost = weights.charges / n_charges if weights.charges > 0 else 0.0
        found = self.sums(models, mine, weights, torch.from_numpy(counts), cost)
        sums = self.processes.sum(found.numpy())
        return [(float(one[0]), one[1:]) for one in sums]

    @cached_property
    def _on_device(self) -> DeviceLoss | None:
        """What evaluates on a device; None where the compiled core does."""
        if not is_on_device(self.parts):
            return None
        return DeviceLoss(self.networks, self.normalization, self.pressure_unit, self.precision)

    def _evaluated(
        self,
        device: DeviceLoss,
        points: Sequence[ndarray],
        parts: Sequence[Dataset],
        weights: LossWeights,
        counts: Float64[ndarray, " 3"],
    ) -> list[tuple[float, ndarray]]:
        """The same as :meth:`evaluate`, on a device."""
        wanted = (weights.energy, weights.forces, weights.stress)
        found = device.evaluate(points, parts, wanted, counts)
        if self.processes.is_first:
            price, shifts = weights.stress * FREEDOM, np.array([point[-1] for point in points])
            found[:, 0] += price * (shifts * self.pressure_unit) ** 2
            found[:, -1] += 2 * price * shifts * self.pressure_unit**2
        sums = self.processes.sum(found)
        return [(float(one[0]), one[1:]) for one in sums]

    def sums(
        self,
        models: Sequence["_Model"],
        parts: Sequence[Dataset],
        weights: LossWeights,
        counts: Float64[Tensor, " 3"],
        charge_cost: float = 0.0,
    ) -> Float64[Tensor, "n_models n_numbers"]:
        """Of each model this process's share of the loss, and then of its gradient; on the CPU."""
        losses = counts.new_zeros(len(models))
        for part in parts:
            predictions = self.forward(
                [model.networks for model in models],
                part,
                weights.needs_gradient and part.derivatives is not None,
                self.normalization,
                precision=self.precision,
            )
            own = [
                weights.sum_of(loss_terms(prediction, part, model.pressure) / counts)
                for model, prediction in zip(models, predictions, strict=True)
            ]
            if charge_cost > 0:
                own = [
                    loss + charge_cost * charge_term(prediction, part)
                    for loss, prediction in zip(own, predictions, strict=True)
                ]
            losses += _differentiated(own)
        if self.processes.is_first:
            price = weights.stress * FREEDOM
            losses += _differentiated([price * model.pressure.square() for model in models])
        gradients = torch.stack([model.gradient() for model in models])
        return torch.cat([losses[:, None], gradients], dim=1)

    def predict(
        self, points: Sequence[Float64[ndarray, " n_parameters"]], part: Dataset, *, grad: bool
    ) -> list[Prediction]:
        """What each model says of a data set, on the host; gradients where it has derivatives."""
        if self._on_device is not None:
            return self._on_device.predict(points, part, grad=grad)
        models = [_Model.at(self.networks, point, self.pressure_unit) for point in points]
        with torch.no_grad():
            members = [model.networks for model in models]
            has = part.derivatives is not None
            return self.forward(
                members, part, grad and has, self.normalization, precision=self.precision
            )

    def pressure(self, point: Float64[ndarray, " n_parameters"]) -> float:
        """The free pressure of a model (energy/length^3)."""
        return float(point[-1]) * self.pressure_unit

    def trained(self, point: Float64[ndarray, " n_parameters"]) -> list[nn.Module]:
        """The networks of a model, on the host."""
        return _Model.at(self._on_host, point, self.pressure_unit).networks

    @cached_property
    def _on_host(self) -> Sequence[nn.Module]:
        return [deepcopy(network).cpu() for network in self.networks]


@dataclass(frozen=True)
class _Model:
    """Networks with the parameters of one model, ready to be differentiated."""

    networks: list[nn.Module]
    shift: nn.Parameter
    pressure_unit: float

    @staticmethod
    def at(networks: Sequence[nn.Module], point: ndarray, pressure_unit: float) -> "_Model":
        values = torch.tensor(point)
        own = [deepcopy(network) for network in networks]
        parameters = [p for network in own for p in network.parameters()]
        nn.utils.vector_to_parameters(values[:-1], parameters)
        return _Model(own, nn.Parameter(values[-1].clone()), pressure_unit)

    @property
    def pressure(self) -> Tensor:
        return self.shift * self.pressure_unit

    def gradient(self) -> Float64[Tensor, " n_numbers"]:
        """Of what was differentiated, by all numbers."""
        parameters = [*(p for n in self.networks for p in n.parameters()), self.shift]
        parts = [
            torch.zeros_like(p).reshape(-1) if p.grad is None else p.grad.reshape(-1)
            for p in parameters
        ]
        return torch.cat(parts)


def _differentiated(losses: Sequence[Tensor]) -> Float64[Tensor, " n_models"]:
    """The losses; gradients go to the parameters behind them."""
    together = torch.stack(list(losses))
    total = together.sum()
    if total.requires_grad:
        total.backward()
    return together.detach()
