"""Networks of the form that Behler and Parrinello suggested.

Phys. Rev. Lett. 98, 146401 (2007), https://doi.org/10.1103/PhysRevLett.98.146401
"""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from miniff._checks import check_at_least
from miniff.ml._activations import activation as activation_of

__all__ = ["SequentialSoleEnergyNN"]


class SequentialSoleEnergyNN(nn.Sequential):
    """From the descriptors of an atom to its energy: linear layers with activations between them.

    All numbers are float64. The first weights are such that inputs of variance 1 give outputs of
    variance about 1; constants start at 0.
    """

    def __init__(
        self,
        n_inputs: int,
        n_internal: int = 15,
        n_layers: int = 3,
        bias: bool | Sequence[bool] = True,
        activation: str | Callable[[], nn.Module] = "tanh",
    ) -> None:
        """Draws the first weights from torch's generator.

        Args:
            n_inputs: Number of descriptors.
            n_internal: Nodes of each hidden layer.
            n_layers: Linear layers.
            bias: Whether the linear layers add a constant; one answer, or one per layer.
            activation: One of :data:`miniff.ml.ACTIVATIONS`, or what makes one, as ``nn.Tanh`` or
                ``lambda: nn.LeakyReLU(0.1)``.

        Raises:
            ValueError: No inputs, nodes or layers, an unknown activation, or another number of
                biases than layers.
        """
        given = {"n_inputs": n_inputs, "n_internal": n_internal, "n_layers": n_layers}
        for name, number in given.items():
            check_at_least(name, number, 1)
        biases = [bias] * n_layers if isinstance(bias, bool) else list(bias)
        if len(biases) != n_layers:
            raise ValueError(f"`bias` has {len(biases)} entries but must have {n_layers}")
        between = activation_of(activation) if isinstance(activation, str) else activation
        sizes = [n_inputs, *[n_internal] * (n_layers - 1), 1]
        layers: list[nn.Module] = []
        for n_in, n_out, with_bias in zip(sizes, sizes[1:], biases, strict=False):
            layers += [_linear(n_in, n_out, with_bias), between()]
        super().__init__(*(layer.double() for layer in layers[:-1]))

    def __getitem__(self, index: int | slice) -> nn.Module:
        """A layer, or some of them as a plain ``nn.Sequential``."""
        layers = list(self)
        return nn.Sequential(*layers[index]) if isinstance(index, slice) else layers[index]


def _linear(n_in: int, n_out: int, bias: bool) -> nn.Linear:
    linear = nn.Linear(n_in, n_out, bias=bias, dtype=torch.float64)
    nn.init.xavier_normal_(linear.weight)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
    return linear
