"""What every workflow starts with: threads, device, and what to say where numbers come from."""

import platform
from importlib.metadata import version

import torch

from miniff import _core

__all__ = ["set_threads", "versions"]


def set_threads(threads: int | None) -> None:
    """Gives the core and torch the same number of threads; None leaves both as they are.

    Raises:
        ValueError: Fewer than one.
    """
    if threads is None:
        return
    if threads < 1:
        raise ValueError(f"`threads` is {threads} but must be in [1, inf)")
    torch.set_num_threads(threads)
    _core.set_num_threads(threads)


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    packages = ("miniff", "torch", "numpy", "scipy", "ase", "vesin")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
