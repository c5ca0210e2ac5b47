"""Networks of the size that Behler-Parrinello potentials use."""

from collections.abc import Sequence

import torch
from torch import nn

from miniff.ml import activation

__all__ = ["behler_nn"]


def behler_nn(
    n_inputs: int,
    n_internal: int = 15,
    n_layers: int = 3,
    bias: bool | Sequence[bool] = True,
    activation_name: str = "tanh",
) -> nn.Sequential:
    """A fully connected network with one output, in float64.

    Args:
        n_inputs: Number of descriptors.
        n_internal: Nodes of each hidden layer.
        n_layers: Linear layers; activations stand between them.
        bias: Whether the linear layers add a constant; one answer, or one per layer.
        activation_name: One of :data:`miniff.ml.ACTIVATIONS`.

    Raises:
        ValueError: No layers, an unknown activation, or another number of biases than layers.
    """
    if n_layers < 1:
        raise ValueError(f"`n_layers` is {n_layers} but must be in [1, inf)")
    biases = [bias] * n_layers if isinstance(bias, bool) else list(bias)
    if len(biases) != n_layers:
        raise ValueError(f"`bias` has {len(biases)} entries but must have {n_layers}")
    between = activation(activation_name)
    sizes = [n_inputs, *[n_internal] * (n_layers - 1), 1]
    layers: list[nn.Module] = []
    for n_in, n_out, with_bias in zip(sizes, sizes[1:], biases, strict=False):
        layers += [_linear(n_in, n_out, with_bias), between()]
    return nn.Sequential(*layers[:-1])


def _linear(n_in: int, n_out: int, bias: bool) -> nn.Linear:
    """Weights such that inputs of variance 1 give outputs of variance about 1; no constant yet."""
    linear = nn.Linear(n_in, n_out, bias=bias, dtype=torch.float64)
    nn.init.xavier_normal_(linear.weight)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
    return linear
