"""How energies and their slopes change with the parameters of networks: rows of Jacobians.

A network is layers z_l = W_l x_{l-1} + b_l, x_l = f(z_l). When its inputs change by t_0, its output
changes by t_L, where t_l = f'(z_l) W_l t_{l-1}. From the last layer to the first go

    p_l = d(output)/dz_l = f'(z_l) W_{l+1}^T p_{l+1}
    q_l = d(change)/dz_l = f'(z_l) W_{l+1}^T q_{l+1} + f''(z_l) W_{l+1}^T p_{l+1} W_l t_{l-1}

and the derivatives by the parameters are sums over the atoms of a structure:

    d(output)/dW_l = p_l x_{l-1}^T        d(change)/dW_l = p_l t_{l-1}^T + q_l x_{l-1}^T

Pearlmutter, Neural Computation 6, 147 (1994), https://doi.org/10.1162/neco.1994.6.1.147
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from miniff.ml._activations import ACTIVATIONS
from miniff.ml._dataset import Dataset
from miniff.ml._normalization import Normalization
from miniff.ml._points import PerPointDataset

__all__ = ["ParameterRows"]


class ParameterRows:
    """Energies of structures and their slopes, with their derivatives by all parameters.

    Parameters are in the order of ``parameters()`` of the networks, one network after the other.
    """

    def __init__(
        self, networks: Sequence[nn.Module], dataset: Dataset, normalization: Normalization
    ) -> None:
        """What does not depend on any direction.

        Raises:
            ValueError: A network that is not made of linear layers and activations without
                parameters of their own, each acting on every number alone.
        """
        with torch.no_grad():
            self._species = [
                _Species(network, points, normalization, s)
                for s, (network, points) in enumerate(
                    zip(networks, dataset.per_point_datasets, strict=True)
                )
            ]

    def energies(
        self,
    ) -> tuple[Float[Tensor, " n_structures"], Float[Tensor, "n_structures n_parameters"]]:
        """Energies (energy), and their derivatives by the parameters (energy)."""
        with torch.no_grad():
            values = torch.stack([species.energies() for species in self._species]).sum(0)
            return values, torch.cat([species.energy_rows() for species in self._species], 1)

    def slopes(
        self, changes: Sequence[Float[Tensor, "n_directions _ _"]]
    ) -> tuple[
        Float[Tensor, "n_directions n_structures"],
        Float[Tensor, "n_directions n_structures n_parameters"],
    ]:
        """How energies change along directions, and the derivatives of that by the parameters.

        Args:
            changes: Of the features of each species, [n_directions, n_points, n_features].
        """
        with torch.no_grad():
            found = [own.slopes(some) for own, some in zip(self._species, changes, strict=True)]
        values, rows = zip(*found, strict=True)
        return torch.stack(values).sum(0), torch.cat(rows, 2)


@dataclass(frozen=True)
class _Layer:
    """A linear layer at the atoms of one species, with its activation.

    Attributes:
        linear: W and b.
        x: Its inputs.
        slope: f' at its outputs z.
        p: Derivative of the energies of the atoms by z.
        bend: f'' at z, times the derivative of the energies by f(z).
    """

    linear: nn.Linear
    x: Float[Tensor, "n_points n_in"]
    slope: Float[Tensor, "n_points n_out"]
    p: Float[Tensor, "n_points n_out"]
    bend: Float[Tensor, "n_points n_out"]


class _Species:
    """The atoms of one species; structure by structure, as they are kept."""

    def __init__(
        self, network: nn.Module, points: PerPointDataset, normalization: Normalization, s: int
    ) -> None:
        x = normalization.features(s, points.features)
        passed = []
        for linear, activations in _stack(network):
            z = linear(x)
            passed.append((linear, x, *_derivatives(activations, z)))
            x = activations(z)
        self._energies = points.weight * normalization.energies(s, x[:, 0])
        self._structure, self._normalization, self._s = points.structure, normalization, s
        ends = torch.bincount(points.structure, minlength=len(points)).cumsum(0).tolist()
        self._atoms = [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]
        back = (points.weight * normalization.energy_scale)[:, None]
        self._layers: list[_Layer] = []
        for linear, inputs, slope, curvature in reversed(passed):
            self._layers.insert(0, _Layer(linear, inputs, slope, back * slope, back * curvature))
            back = (back * slope) @ linear.weight

    def energies(self) -> Tensor:
        return _sums(self._energies, self._structure, len(self._atoms))

    def energy_rows(self) -> Tensor:
        columns = []
        for layer in self._layers:
            outer = [(layer.p[a].T @ layer.x[a]).reshape(-1) for a in self._atoms]
            columns.append(torch.stack(outer))
            if layer.linear.bias is not None:
                columns.append(torch.stack([layer.p[a].sum(0) for a in self._atoms]))
        return torch.cat(columns, 1)

    def slopes(self, change: Tensor) -> tuple[Tensor, Tensor]:
        """Axes here are [point, direction, number]."""
        t = change.transpose(0, 1) / self._normalization.features_scale[self._s]
        if self._normalization.features_projection:
            t = t @ self._normalization.features_projection[self._s].T
        inputs, moved = [], []
        for layer in self._layers:
            inputs.append(t.contiguous())
            moved.append(t @ layer.linear.weight.T)
            t = layer.slope[:, None] * moved[-1]
        along = (self._layers[-1].p[:, None] * moved[-1])[..., 0]
        values = _sums(along, self._structure, len(self._atoms)).T
        columns: list[Tensor] = []
        back = torch.zeros_like(moved[-1])
        for layer, t, z in zip(self._layers[::-1], inputs[::-1], moved[::-1], strict=True):
            q = layer.slope[:, None] * back + layer.bend[:, None] * z
            columns = [*self._columns(layer, t, q), *columns]
            back = q @ layer.linear.weight
        return values, torch.cat(columns, 2)

    def _columns(self, layer: _Layer, t: Tensor, q: Tensor) -> list[Tensor]:
        """Rows by the parameters of one layer, [direction, structure, parameter]."""
        (n_out, n_in), n = layer.linear.weight.shape, t.shape[1]
        weights = layer.x.new_empty(n, len(self._atoms), n_out, n_in)
        for i, a in enumerate(self._atoms):
            straight = layer.p[a].T @ t[a].reshape(-1, n * n_in)  # [out, direction and in]
            weights[:, i] = straight.reshape(n_out, n, n_in).transpose(0, 1)
            bent = q[a].reshape(-1, n * n_out).T @ layer.x[a]  # [direction and out, in]
            weights[:, i] += bent.reshape(n, n_out, n_in)
        columns = [weights.flatten(2)]
        if layer.linear.bias is not None:
            columns.append(_sums(q, self._structure, len(self._atoms)).transpose(0, 1))
        return columns


def _sums(numbers: Tensor, structure: Tensor, n_structures: int) -> Tensor:
    return numbers.new_zeros(n_structures, *numbers.shape[1:]).index_add(0, structure, numbers)


def _stack(network: nn.Module) -> list[tuple[nn.Linear, nn.Sequential]]:
    """Linear layers, each with the activations after it."""
    layers = list(network) if isinstance(network, nn.Sequential) else [network]
    stack: list[tuple[nn.Linear, nn.Sequential]] = []
    for layer in layers:
        if type(layer) is nn.Linear:
            stack.append((layer, nn.Sequential()))
        elif stack and type(layer) in ACTIVATIONS.values() and not list(layer.parameters()):
            stack[-1][1].append(layer)
        else:
            raise ValueError(
                "derivatives by the parameters need networks that are linear layers, each with "
                f"activations without parameters after it, but there is {layer}"
            )
    return stack


def _derivatives(activations: nn.Module, z: Tensor) -> tuple[Tensor, Tensor]:
    """f'(z) and f''(z) of functions that act on every number alone."""
    with torch.enable_grad():
        at = z.detach().requires_grad_()
        (slope,) = torch.autograd.grad(activations(at).sum(), at, create_graph=True)
        if not slope.requires_grad:
            return slope, torch.zeros_like(slope)
        (curvature,) = torch.autograd.grad(slope.sum(), at, allow_unused=True)
    return slope.detach(), torch.zeros_like(slope) if curvature is None else curvature
