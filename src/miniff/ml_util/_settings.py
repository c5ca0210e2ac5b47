"""What every workflow starts with: threads, device, and what to say where numbers come from."""

import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Literal

import torch

from miniff import _core
from miniff._checks import check_at_least
from miniff.ml import device_of
from miniff.ml._device._choice import device_problem, is_core, place_of
from miniff.ml._device._sorting import evaluation_device
from miniff.ml_util._progress import Reporter
from miniff.ml_util._types import Checked, Problem
from miniff.potentials import Potential, Precision
from miniff.potentials._devices import needs_torch

__all__ = [
    "PRECISIONS",
    "DeviceName",
    "NumberType",
    "chosen_device",
    "set_threads",
    "tell_device",
    "versions",
]

NumberType = Literal["float64", "float32"]
PRECISIONS: dict[NumberType, Precision] = {"float64": "double", "float32": "single"}
"""What the core calls them."""


def _problems_of_device(name: str) -> list[Problem]:
    problem = device_problem(name)
    return [] if problem is None else [((), problem)]


DeviceName = Annotated[str, Checked(_problems_of_device)]
"""``auto``, ``cpu``, or a device of torch."""


def chosen_device(name: str, potentials: Sequence[Potential]) -> str:
    """The name of the device where potentials are evaluated; ``cpu`` is the compiled core.

    Raises:
        ValueError: A device that is not there.
    """
    if not needs_torch(name):
        return "cpu"
    return str(evaluation_device(name, potentials))


def tell_device(reporter: Reporter, name: str) -> None:
    """Says where numbers come from, if not from the compiled core."""
    device = device_of(name)
    if not is_core(device):
        reporter.info(f"energies and forces are computed on {place_of(device)}")


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
