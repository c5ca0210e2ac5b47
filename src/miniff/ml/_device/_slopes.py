"""Networks of one form side by side: outputs, slopes by the inputs, and how both change.

Layers are z_l = W_l h_(l-1) + b_l with h_l = f(z_l); the last one, L, has no f. For each model and
point the slopes go from the last layer to the first,

    g_L = 1,    p_l = W_l^T g_l,    g_(l-1) = f'(z_(l-1)) p_l,    slopes = S^T p_1,

where S takes what is looked at to the inputs h_0. What a number changes by whose derivatives by
outputs and slopes are e and q needs no second differentiation: with

    t_0 = S q,    r_l = W_l t_(l-1),    t_l = f'(z_l) r_l
    Z_L = e,      Z_l = f'(z_l) (W_(l+1)^T Z_(l+1)) + f''(z_l) r_l p_(l+1)

its derivatives by W_l are Z_l h_(l-1)^T + g_l t_(l-1)^T, and by b_l Z_l, summed over points.
Pearlmutter, Neural Computation 6, 147 (1994), https://doi.org/10.1162/neco.1994.6.1.147
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["BENDS", "Layers", "Passed", "outputs_and_slopes_of"]

Bend = Callable[[Tensor, Tensor, Tensor], Tensor]
Matrices = Float[Tensor, "n_models _ _"]


@dataclass(frozen=True)
class _Activation:
    """What is known of an activation from its values y = f(z).

    Attributes:
        function: f, in place.
        times_slope: f'(z) x, from x and y.
        with_bend: a + f''(z)/f'(z) x, from a, x and y.
    """

    function: Callable[[Tensor], Tensor]
    times_slope: Callable[[Tensor, Tensor], Tensor]
    with_bend: Bend


BENDS: dict[type[nn.Module], _Activation] = {
    nn.Tanh: _Activation(
        torch.tanh_,
        torch.ops.aten.tanh_backward,
        lambda a, x, y: torch.addcmul(a, x, y, value=-2),
    ),
    nn.Sigmoid: _Activation(
        torch.sigmoid_,
        torch.ops.aten.sigmoid_backward,
        lambda a, x, y: torch.addcmul(a + x, x, y, value=-2),
    ),
}
"""Activations with which networks can be written down; each operation here is one of a device."""


@dataclass(frozen=True, eq=False)
class Layers:
    """Parameters of networks of one form.

    Attributes:
        weights: W of each layer.
        shifts: b of each layer, [n_models, 1, n_out].
        activation: Between the layers.
    """

    weights: Sequence[Matrices]
    shifts: Sequence[Float[Tensor, "n_models 1 _"]]
    activation: type[nn.Module]

    def passed(self, x: Float[Tensor, "n_points n_inputs"]) -> "Passed":
        """What comes of some inputs."""
        h = [x.expand(len(self.weights[0]), -1, -1)]
        for weight, shift in zip(self.weights[:-1], self.shifts[:-1], strict=True):
            z = torch.baddbmm(shift, h[-1], weight.transpose(1, 2))
            h.append(BENDS[self.activation].function(z))
        last = torch.baddbmm(self.shifts[-1], h[-1], self.weights[-1].transpose(1, 2))
        return Passed(self, h, last[..., 0])


@dataclass(eq=False)
class Passed:
    """Networks at some points.

    Attributes:
        layers: Of the networks.
        h: Inputs of each layer, [n_models, n_points, n_in].
        outputs: Of the networks, [n_models, n_points].
    """

    layers: Layers
    h: list[Float[Tensor, "n_models n_points _"]]
    outputs: Float[Tensor, "n_models n_points"]
    _g: list[Tensor] = field(default_factory=list)
    _p: list[Tensor] = field(default_factory=list)
    _first: Tensor | None = None

    def slopes(
        self, spread: Float[Tensor, "_ _"] | None = None
    ) -> Float[Tensor, "n_models n_points _"]:
        """Derivatives of the outputs by what is looked at.

        Args:
            spread: S, by default such that the inputs are looked at.
        """
        weights, times_slope = self.layers.weights, self._activation.times_slope
        p = weights[-1]
        for weight, h in zip(weights[-2::-1], self.h[:0:-1], strict=True):
            g = times_slope(p, h)
            self._p.insert(0, p)
            self._g.insert(0, g)
            if len(self._g) < len(weights) - 1:
                p = g @ weight
        self._first = weights[0] if spread is None else weights[0] @ spread
        return self._g[0] @ self._first

    @property
    def _activation(self) -> _Activation:
        return BENDS[self.layers.activation]

    def changes(
        self,
        by_outputs: Float[Tensor, "n_models n_points"],
        by_slopes: Float[Tensor, "n_models n_points _"] | None = None,
        spread: Float[Tensor, "_ _"] | None = None,
    ) -> list[Tensor]:
        """Derivatives by W and b of each layer, from those by outputs and slopes.

        Args:
            by_outputs: e.
            by_slopes: q, after :meth:`slopes`; None if nothing depends on the slopes.
            spread: S, as there.
        """
        weights, act = self.layers.weights, self._activation
        r, t = ([], []) if by_slopes is None else self._moves(by_slopes)
        z = by_outputs[..., None]
        found: list[Tensor] = []
        for k in range(len(weights) - 1, -1, -1):
            straight = None if by_slopes is None else self._straight(k, t, spread)
            found = [_product(z, self.h[k], straight), z.sum(1, keepdim=True), *found]
            if k > 0:
                back, y = z @ weights[k], self.h[k]
                if by_slopes is not None:
                    back = act.with_bend(back, r[k - 1] * self._p[k - 1], y)
                z = act.times_slope(back, y)
        return found

    def _moves(self, q: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """r and t of all layers but the last; t_0 in what is looked at."""
        assert self._first is not None
        r, t = [], [q]
        for k, y in enumerate(self.h[1:]):
            weight = self._first if k == 0 else self.layers.weights[k]
            r.append(t[-1] @ weight.transpose(1, 2))
            t.append(self._activation.times_slope(r[-1], y))
        return r, t

    def _straight(self, k: int, t: Sequence[Tensor], spread: Tensor | None) -> Tensor:
        """The sum of g_l t_(l-1)^T."""
        if k == len(self._g):
            return t[k].sum(1, keepdim=True)
        product = self._g[k].transpose(1, 2) @ t[k]
        return product @ spread.T if k == 0 and spread is not None else product


def _product(z: Tensor, h: Tensor, straight: Tensor | None) -> Tensor:
    if straight is None:
        return z.transpose(1, 2) @ h
    return torch.baddbmm(straight, z.transpose(1, 2), h)


def outputs_and_slopes_of(
    layers: Layers, x: Float[Tensor, "n_points n_inputs"]
) -> tuple[Float[Tensor, "n_models n_points"], Float[Tensor, "n_models n_points n_inputs"]]:
    """Both, differentiable once in the parameters."""
    outputs, slopes = _Outputs.apply(  # type: ignore[no-untyped-call]
        x, layers.activation, *layers.weights, *layers.shifts
    )
    return outputs, slopes


class _Outputs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, activation: type[nn.Module], *numbers: Tensor
    ) -> tuple[Tensor, Tensor]:
        n = len(numbers) // 2
        ctx.passed = Layers(numbers[:n], numbers[n:], activation).passed(x)
        slopes = ctx.passed.slopes()
        return ctx.passed.outputs.detach(), slopes  # an output that is kept would keep itself

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, by_output: Tensor, by_slope: Tensor) -> tuple[Tensor | None, ...]:
        found = ctx.passed.changes(by_output, by_slope)
        return None, None, *found[::2], *found[1::2]
