"""How a fit is to run: arguments, checked, and what follows from them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pydantic import JsonValue

from miniff._checks import check_at_least, check_not_negative
from miniff.ml_util._loss import LossWeights
from miniff.ml_util._optimizers import (
    OptimizerName,
    conflicts_of_optimizer,
    default_epochs,
    default_patience,
)

__all__ = ["RunChoices"]


@dataclass(frozen=True)
class RunChoices:
    """Arguments of :meth:`PreparedFit.run`.

    Attributes:
        optimizer: By name.
        optimizer_kwargs: Its options.
        batch_size: Structures in a step, for optimisers that look at batches.
        weights: Of the terms of the loss.
        free_pressure: Whether one pressure may be added to all stresses.
        n_epochs: At most.
        patience: Epochs after which a model stops that has not become better.
        checkpoint_s: Seconds between two writings of the checkpoint.
        save: File for the best potentials.
    """

    optimizer: OptimizerName
    optimizer_kwargs: Mapping[str, JsonValue]
    batch_size: int | None
    weights: LossWeights
    free_pressure: bool
    n_epochs: int
    patience: int
    checkpoint_s: float
    save: str | None

    def __post_init__(self) -> None:
        own = {
            "optimizer": self.optimizer,
            "batch_size": self.batch_size,
            "optimizer_kwargs": self.optimizer_kwargs,
        }
        for at, what in conflicts_of_optimizer(own):
            raise ValueError(f"`{'.'.join(at)}` {what}")
        counts = {
            "n_epochs": self.n_epochs,
            "patience": self.patience,
            "batch_size": self.batch_size,
        }
        for name, count in counts.items():
            if count is not None:
                check_at_least(name, count, 1)
        check_not_negative("checkpoint_s", self.checkpoint_s)

    @staticmethod
    def of(
        *,
        n_epochs: int | None,
        patience: int | None,
        epochs_of_quality: int,
        optimizer: OptimizerName,
        optimizer_kwargs: Mapping[str, JsonValue] | None,
        batch_size: int | None,
        weights: LossWeights,
        free_pressure: bool,
        checkpoint_s: float,
        save: str | None,
    ) -> "RunChoices":
        """With what the optimiser needs where nothing is said.

        Raises:
            ValueError: Something out of range, or not for this optimiser.
        """
        n = default_epochs(optimizer, epochs_of_quality) if n_epochs is None else n_epochs
        return RunChoices(
            optimizer=optimizer,
            optimizer_kwargs=dict(optimizer_kwargs or {}),
            batch_size=batch_size,
            weights=weights,
            free_pressure=free_pressure,
            n_epochs=n,
            patience=default_patience(optimizer, n) if patience is None else patience,
            checkpoint_s=checkpoint_s,
            save=save,
        )

    def settings(self) -> dict[str, object]:
        """What decides the numbers, as plain data."""
        return {
            "optimizer": self.optimizer,
            "optimizer_kwargs": dict(self.optimizer_kwargs),
            "free_pressure": self.free_pressure,
            "patience": self.patience,
            **{f"w_{name}": weight for name, weight in asdict(self.weights).items()},
        }

    def as_plain(self) -> dict[str, object]:
        """The arguments, as plain data."""
        weights = {f"w_{name}": weight for name, weight in asdict(self.weights).items()}
        rest = {name: value for name, value in vars(self).items() if name != "weights"}
        return {**rest, **weights, "optimizer_kwargs": dict(self.optimizer_kwargs)}
