"""What every workflow starts with: threads, device, and what to say where numbers come from."""

import platform
from importlib.metadata import version
from typing import Literal

import torch

from miniff import _core
from miniff._checks import check_at_least
from miniff.potentials import Precision

__all__ = ["PRECISIONS", "NumberType", "set_threads", "versions"]

NumberType = Literal["float64", "float32"]
PRECISIONS: dict[NumberType, Precision] = {"float64": "double", "float32": "single"}
"""What the core calls them."""


def set_threads(threads: int | None) -> None:
    """Gives the core and torch the same number of threads; None leaves both as they are.

    Raises:
        ValueError: Fewer than one.
    """
    if threads is None:
        return
    check_at_least("threads", threads, 1)
    torch.set_num_threads(threads)
    _core.set_num_threads(threads)


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    packages = ("miniff", "torch", "numpy", "scipy", "ase", "vesin")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
