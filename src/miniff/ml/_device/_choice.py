"""Which device, whether it is there, and how much may be in its memory at a time."""

import os
from collections.abc import Callable
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

from miniff.potentials._devices import is_cpu_by_torch

__all__ = [
    "device_of",
    "device_problem",
    "free_bytes",
    "is_core",
    "make_ready",
    "numbers_at_a_time",
    "on",
    "out_of_memory",
    "place_of",
    "with_less",
]

CPU_NUMBERS = 2.0**23
"""So many numbers at a time on the CPU."""
SHARE = 0.25
"""Of the free memory of a device, for what is computed at a time."""
FEWEST = 2.0**16
MOST = 2.0**31
"""Kernels count with 32 bits, and no tensor has more numbers than are in memory together."""

Found = TypeVar("Found")


def device_of(name: str) -> torch.device:
    """The device of that name; ``auto`` is a graphics processor if torch finds one, else the CPU.

    Processes of torchrun take one processor each.

    Raises:
        ValueError: torch knows no such device, finds none here, or has no double precision there.
    """
    problem = device_problem(name)
    if problem is not None:
        raise ValueError(f"`device` {problem}")
    return _device(name)


def device_problem(name: str) -> str | None:
    """Why there is no such device; None if there is."""
    try:
        device = _device(name)
    except RuntimeError:
        return f"is {name!r} but must be auto, cpu, or a device of torch such as cuda or cuda:1"
    if device.type == "meta":
        return "is meta, which holds no numbers: choose cpu or cuda"
    reason = why_not_double(device)
    if reason is None:
        return None
    return (
        f"is {name} but torch {torch.__version__} cannot compute in double precision there: "
        f"{reason}. Choose cpu or auto, or install a build of torch for the device"
    )


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and device.index is None and torch.cuda.is_available():
        local = int(os.environ.get("LOCAL_RANK", torch.cuda.current_device()))
        device = torch.device("cuda", local % torch.cuda.device_count())
    return device


def why_not_double(device: torch.device) -> str | None:
    """What torch says if there can be no number in double precision, which sums need."""
    try:
        torch.zeros(1, dtype=torch.float64, device=device)
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        return str(error).strip().split("\n")[0]
    return None


def is_core(device: torch.device) -> bool:
    """Whether the compiled core serves it."""
    return device.type == "cpu" and not is_cpu_by_torch()


def place_of(device: torch.device) -> str:
    """In words."""
    if device.type != "cuda":
        return str(device)
    free, total = torch.cuda.mem_get_info(device)
    name = torch.cuda.get_device_name(device)
    return f"{device} ({name}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free)"


def free_bytes(device: torch.device) -> float | None:
    """Memory that new tensors on a device may take; None where torch does not tell."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return float(free + idle)


def numbers_at_a_time(device: torch.device, dtype: torch.dtype) -> float:
    """So many numbers of a type should be in memory at a time."""
    free = free_bytes(device)
    if free is None:
        return CPU_NUMBERS
    return min(MOST, max(FEWEST, SHARE * free / (torch.finfo(dtype).bits // 8)))


@cache
def make_ready(device: torch.device) -> None:
    """Starts something on a device in the thread where torch computes derivatives there.

    A thread of CUDA that begins with a product of matrices has no context yet: torch warns of it.
    """
    with torch.enable_grad():
        x = torch.ones(1, device=device, requires_grad=True)
        torch.autograd.grad(x.square().sum(), x)


def out_of_memory(device: torch.device, what: str, less: str) -> MemoryError:
    """The refusal where a device has too little memory."""
    return MemoryError(f"{place_of(device)} has too little memory for {what}: {less}")


def with_less(
    compute: Callable[[float], Found], device: torch.device, most: float, what: str
) -> Found:
    """Computes with so many numbers at a time, and with fewer where memory is short.

    Raises:
        MemoryError: Even the fewest are too many.
    """
    while True:
        try:
            return compute(most)
        except torch.cuda.OutOfMemoryError:
            if most <= FEWEST:
                break
        most = max(FEWEST, most / 4)
        if device.type == "cuda":
            torch.cuda.empty_cache()
    raise out_of_memory(
        device, what, "take fewer atoms at a time, single precision, or the device `cpu`"
    )


def on(device: torch.device, dtype: torch.dtype = torch.float64) -> Tensor:
    """No number, of this type on this device: what others are made like."""
    return torch.zeros(0, dtype=dtype, device=device)
