"""Activations by name, with the options that make them what they are."""

from collections.abc import Mapping
from numbers import Real

import torch
from jaxtyping import Float
from torch import Tensor, nn

from miniff._checks import unknown_name

__all__ = [
    "ACTIVATIONS",
    "Cosine",
    "Exponential",
    "Gaussian",
    "Square",
    "activation",
    "activation_from_options",
    "activation_options",
]


class Gaussian(nn.Module):
    """exp(-x^2 / 2)"""

    def forward(self, x: Float[Tensor, "*_"]) -> Float[Tensor, "*_"]:
        return torch.exp(-x * x / 2)


class Cosine(nn.Module):
    """cos x"""

    def forward(self, x: Float[Tensor, "*_"]) -> Float[Tensor, "*_"]:
        return torch.cos(x)


class Exponential(nn.Module):
    """exp(-x)"""

    def forward(self, x: Float[Tensor, "*_"]) -> Float[Tensor, "*_"]:
        return torch.exp(-x)


class Square(nn.Module):
    """x^2"""

    def forward(self, x: Float[Tensor, "*_"]) -> Float[Tensor, "*_"]:
        return x * x


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "celu": nn.CELU,
    "cosine": Cosine,
    "elu": nn.ELU,
    "exponential": Exponential,
    "gaussian": Gaussian,
    "gelu": nn.GELU,
    "hardshrink": nn.Hardshrink,
    "hardsigmoid": nn.Hardsigmoid,
    "hardswish": nn.Hardswish,
    "hardtanh": nn.Hardtanh,
    "identity": nn.Identity,
    "leaky_relu": nn.LeakyReLU,
    "logsigmoid": nn.LogSigmoid,
    "mish": nn.Mish,
    "prelu": nn.PReLU,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "selu": nn.SELU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "softshrink": nn.Softshrink,
    "softsign": nn.Softsign,
    "square": Square,
    "tanh": nn.Tanh,
    "tanhshrink": nn.Tanhshrink,
}
"""Those that act on each number alone and that are complete without options."""

_WITH_DEMANDS: dict[str, type[nn.Module]] = {
    "glu": nn.GLU,
    "log_softmax": nn.LogSoftmax,
    "softmax": nn.Softmax,
    "softmin": nn.Softmin,
    "threshold": nn.Threshold,
}
"""Those that mix the numbers of an atom, or that need options."""

SAVED = {**ACTIVATIONS, **_WITH_DEMANDS}
"""All that can be saved, by the name that files use."""

_OPTIONS: dict[str, tuple[str, ...]] = {
    "celu": ("alpha",),
    "elu": ("alpha",),
    "gelu": ("approximate",),
    "glu": ("dim",),
    "hardshrink": ("lambd",),
    "hardtanh": ("min_val", "max_val"),
    "leaky_relu": ("negative_slope",),
    "log_softmax": ("dim",),
    "prelu": ("num_parameters",),
    "softmax": ("dim",),
    "softmin": ("dim",),
    "softplus": ("beta", "threshold"),
    "softshrink": ("lambd",),
    "threshold": ("threshold", "value"),
}
"""Attributes that are arguments too. ``inplace`` is none of them: it changes no result."""


def activation(name: str) -> type[nn.Module]:
    """The activation of that name.

    Raises:
        ValueError: An unknown name.
    """
    if name not in ACTIVATIONS:
        raise ValueError(unknown_name("activation", name, ACTIVATIONS))
    return ACTIVATIONS[name]


def activation_options(layer: nn.Module) -> tuple[str, dict[str, object]] | None:
    """Name and options of an activation as plain data; None for any other layer.

    Raises:
        ValueError: An option that is no number or word, or one that mixes atoms.
    """
    for name, kind in SAVED.items():
        if type(layer) is kind:
            options = {o: _plain(layer, o, getattr(layer, o)) for o in _OPTIONS.get(name, ())}
            _refuse_mixing(name, options)
            return name, options
    return None


def activation_from_options(name: str, options: Mapping[str, object]) -> nn.Module:
    """The activation whose name and options these are; options left out have torch's defaults.

    Raises:
        ValueError: An unknown name or option.
    """
    if name not in SAVED:
        raise ValueError(unknown_name("layer", name, ["linear", "affine", *SAVED]))
    known = _OPTIONS.get(name, ())
    for option in options:
        if option not in known:
            raise ValueError(unknown_name(f"option of the layer {name}", option, known))
    _refuse_mixing(name, options)
    return SAVED[name](**options)


def _plain(layer: nn.Module, option: str, value: object) -> object:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        return value
    if isinstance(value, Real):
        return float(value)
    raise ValueError(
        f"the layer {layer} cannot be saved: its `{option}` is {value!r} but must be a number"
    )


def _refuse_mixing(name: str, options: Mapping[str, object]) -> None:
    """The first dimension is atoms, the last one is what the network knows of each."""
    if "dim" in options and options["dim"] not in (1, -1):
        raise ValueError(
            f"the layer {name} cannot be saved: its `dim` is {options['dim']!r} but must be 1 or "
            "-1, since others are not dimensions of one atom"
        )
