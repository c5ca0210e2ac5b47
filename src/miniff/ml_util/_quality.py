"""How much work goes into a fit, in one word."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["QUALITIES", "Quality", "QualityName"]

QualityName = Literal["fast", "default", "high"]


@dataclass(frozen=True)
class Quality:
    """What the word stands for, where a job does not say otherwise.

    Attributes:
        n_models: Networks for each species, trained side by side.
        n_epochs: Epochs.
        n_nodes: In each hidden layer.
        n_functions: Descriptors of one species that ``auto`` takes, for data of one species.
    """

    n_models: int
    n_epochs: int
    n_nodes: int
    n_functions: int


QUALITIES: dict[QualityName, Quality] = {
    "fast": Quality(n_models=1, n_epochs=40, n_nodes=24, n_functions=52),
    "default": Quality(n_models=4, n_epochs=60, n_nodes=24, n_functions=52),
    "high": Quality(n_models=8, n_epochs=200, n_nodes=32, n_functions=80),
}
