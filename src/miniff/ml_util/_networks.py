"""Networks of the size that Behler-Parrinello potentials use."""

from collections.abc import Callable, Sequence

from torch import nn

from miniff.ml import SequentialSoleEnergyNN

__all__ = ["behler_nn"]


def behler_nn(
    n_inputs: int,
    n_internal: int = 15,
    n_layers: int = 3,
    bias: bool | Sequence[bool] = True,
    activation: str | Callable[[], nn.Module] = "tanh",
) -> SequentialSoleEnergyNN:
    """The network of :class:`miniff.ml.SequentialSoleEnergyNN`, by the name of old scripts."""
    return SequentialSoleEnergyNN(n_inputs, n_internal, n_layers, bias, activation)
