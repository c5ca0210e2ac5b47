"""How to see that nothing comes to the host, or from it: tensors without numbers."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def on_meta(thing: Any) -> Any:
    """The same object with tensors that have no numbers: whatever asks for one raises."""
    if isinstance(thing, torch.Tensor):
        return thing.to("meta")
    if isinstance(thing, torch.nn.Module):
        return thing.to("meta")
    if isinstance(thing, list | tuple):
        return type(thing)(on_meta(one) for one in thing)
    if isinstance(thing, dict):
        return {name: on_meta(one) for name, one in thing.items()}
    if hasattr(thing, "__dict__") and type(thing).__module__.startswith("miniff.ml"):
        copy = object.__new__(type(thing))
        for name, value in vars(thing).items():
            object.__setattr__(copy, name, on_meta(value))
        return copy
    return thing


class OnHost(TorchDispatchMode):
    """Notes every operation that takes or gives a tensor of the CPU.

    But for numbers alone, which kernels take as arguments, unless they are asked for too.
    """

    def __init__(self, numbers_alone: bool = False) -> None:
        super().__init__()
        self.least_dimensions = 0 if numbers_alone else 1
        self.found: list[str] = []
        self.n_operations = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.n_operations += 1
        for one in tree_leaves((args, kwargs, result)):
            is_here = isinstance(one, torch.Tensor) and one.device.type == "cpu"
            if is_here and one.ndim >= self.least_dimensions:
                self.found.append(str(func))
        return result
