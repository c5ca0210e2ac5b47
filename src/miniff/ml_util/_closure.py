"""Networks, one data set and an optimiser of torch: training by hand, as the manual shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from miniff.ml import Dataset, Normalization, Prediction, forward_cauldron
from miniff.ml_util._loss import LossWeights, loss_terms, term_counts

__all__ = ["LossResult", "SimpleClosure", "simple_energy_closure"]


@dataclass(frozen=True)
class LossResult:
    """The loss of one data set.

    Attributes:
        loss_value: The weighted sum, differentiable in the networks' weights.
        energy: Mean square error of the energy per atom; nan where there is no reference.
        forces: Mean square error of the force components.
        stress: Mean square error of the stress components.
        prediction: What the networks gave.
    """

    loss_value: Float[Tensor, ""]
    energy: float
    forces: float
    stress: float
    prediction: Prediction


def loss_of(
    networks: Sequence[nn.Module],
    dataset: Dataset,
    normalization: Normalization | None,
    weights: LossWeights,
) -> LossResult:
    """The loss of a data set.

    Raises:
        ValueError: A data set that has nothing of what the weights ask for.
    """
    prediction = forward_cauldron(networks, dataset, weights.needs_gradient, normalization)
    counts = term_counts(dataset)
    means = loss_terms(prediction, dataset) / counts
    energy, forces, stress = means.detach().tolist()
    return LossResult(
        loss_value=weights.where_known(counts).sum_of(means),
        energy=energy,
        forces=forces,
        stress=stress,
        prediction=prediction,
    )


class SimpleClosure:
    """Networks, their training set, their loss, and an optimiser for it.

    Call :meth:`optimizer_init`, then :meth:`optimizer_step` as often as wanted.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        dataset: Dataset,
        *,
        normalization: Normalization | None = None,
        weights: LossWeights | None = None,
        optimizer: type[torch.optim.Optimizer] = torch.optim.LBFGS,
        optimizer_kwargs: Mapping[str, object] | None = None,
    ) -> None:
        """Nothing is computed yet.

        Args:
            networks: One per species of the data set, changed in place by the optimiser.
            dataset: The training set.
            normalization: What the networks see and give; as it stands in the data set by default.
            weights: Of the terms of the loss: energies alone by default.
            optimizer: LBFGS with a strong-Wolfe line search by default.
            optimizer_kwargs: Passed to the optimiser.
        """
        self.networks = list(networks)
        self.dataset = dataset
        self.normalization = normalization
        self.weights = LossWeights() if weights is None else weights
        self.n_evaluations = 0
        self._make_optimizer = optimizer
        defaults = LBFGS_DEFAULTS if optimizer is torch.optim.LBFGS else {}
        self._optimizer_kwargs: dict[str, Any] = {**defaults, **(optimizer_kwargs or {})}
        self._optimizer: torch.optim.Optimizer | None = None
        self._last_loss: LossResult | None = None

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Of all networks."""
        return [p for network in self.networks for p in network.parameters()]

    def loss(self, dataset: Dataset | None = None) -> LossResult:
        """The loss of a data set, the training set by default, at the present parameters."""
        chosen = self.dataset if dataset is None else dataset
        return loss_of(self.networks, chosen, self.normalization, self.weights)

    def optimizer_init(self) -> None:
        """Makes the optimiser, without memory of earlier steps."""
        self._optimizer = self._make_optimizer(self.parameters, **self._optimizer_kwargs)

    def optimizer_step(self) -> None:
        """One step of the optimiser; for LBFGS up to ``max_iter`` iterations.

        Raises:
            FloatingPointError: The loss is no longer a number.
        """
        if self._optimizer is None:
            self.optimizer_init()
        assert self._optimizer is not None
        self._last_loss = None
        self._optimizer.step(self._evaluate)  # type: ignore[arg-type]

    @property
    def last_loss(self) -> LossResult:
        """The loss of the training set at the parameters the last step ended with."""
        if self._last_loss is None:
            with torch.no_grad():
                self._last_loss = self.loss()
        return self._last_loss

    def _evaluate(self) -> Tensor:
        assert self._optimizer is not None
        self._optimizer.zero_grad()
        loss = self.loss().loss_value
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss became {loss.item()} after {self.n_evaluations} evaluations"
            )
        loss.backward()
        self.n_evaluations += 1
        return loss


LBFGS_DEFAULTS: dict[str, object] = {
    "line_search_fn": "strong_wolfe",
    "history_size": 100,
    "max_iter": 20,
    "tolerance_change": 1e-12,
    "tolerance_grad": 1e-10,
}


def simple_energy_closure(
    networks: Sequence[nn.Module],
    dataset: Dataset,
    *,
    normalization: Normalization | None = None,
    optimizer: type[torch.optim.Optimizer] = torch.optim.LBFGS,
    optimizer_kwargs: Mapping[str, object] | None = None,
    w_energy: float = 1.0,
    w_forces: float = 0.0,
    w_stress: float = 0.0,
) -> SimpleClosure:
    """A closure for energies, and for forces and stress where their weights are not 0.

    Args:
        networks: One per species of the data set.
        dataset: The training set.
        normalization: What the networks see and give; as it stands in the data set by default.
        optimizer: LBFGS with a strong-Wolfe line search by default.
        optimizer_kwargs: Passed to the optimiser.
        w_energy: Cost of a mean square error of 1 in the energy per atom (1/energy^2).
        w_forces: Cost of a mean square error of 1 in the forces ((length/energy)^2).
        w_stress: Cost of a mean square error of 1 in the stress ((length^3/energy)^2).
    """
    return SimpleClosure(
        networks,
        dataset,
        normalization=normalization,
        weights=LossWeights(w_energy, w_forces, w_stress),
        optimizer=optimizer,
        optimizer_kwargs=optimizer_kwargs,
    )
