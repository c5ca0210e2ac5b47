"""Which potentials have a form in torch, where they are computed, and which of them together."""

from collections.abc import Sequence

import torch

from miniff.ml._device._choice import device_of, is_core, on
from miniff.ml._device._functions import NoFormError, TensorFunctions
from miniff.ml._potential import NNPotential
from miniff.potentials import FunctionPotential, Potential

__all__ = ["evaluation_device", "formulas_of", "has_form", "training_device", "with_alike_cutoffs"]

LONGER = 1.2
"""Sums over pairs of neighbours are not made as long as other sums that are so much longer."""


def formulas_of(potential: Potential) -> Sequence[FunctionPotential]:
    """What it is computed from.

    Raises:
        NoFormError: No formulas, as those of Python functions and charges.
    """
    if isinstance(potential, FunctionPotential):
        return (potential,)
    if isinstance(potential, NNPotential):
        return potential.descriptors
    raise NoFormError(str(potential))


def has_form(potential: Potential) -> bool:
    """Whether torch can evaluate it."""
    try:
        _refuse_without_form(potential)
    except NoFormError:
        return False
    return True


def _refuse_without_form(potential: Potential) -> None:
    TensorFunctions(formulas_of(potential), potential.species, on(torch.device("cpu")))


def evaluation_device(name: str, potentials: Sequence[Potential]) -> torch.device:
    """Where potentials are evaluated: with ``auto`` on the CPU if none has a form in torch.

    Raises:
        ValueError: A device that is not there.
    """
    device = device_of(name)
    if is_core(device) or name != "auto" or any(map(has_form, potentials)):
        return device
    return torch.device("cpu")


def training_device(name: str, descriptors: Sequence[Potential]) -> torch.device:
    """Where networks are trained: with ``auto`` on the CPU if a descriptor has no form in torch.

    Raises:
        ValueError: A device that is not there.
        TypeError: A device that was named, and a descriptor that cannot be there.
    """
    device = device_of(name)
    if is_core(device):
        return device
    try:
        for descriptor in descriptors:
            _refuse_without_form(descriptor)
    except NoFormError:
        if name == "auto":
            return torch.device("cpu")
        raise
    return device


def with_alike_cutoffs(
    formulas: Sequence[FunctionPotential],
) -> list[Sequence[FunctionPotential]]:
    """In one list, or sums over neighbours apart if they are the longer ones by far."""
    sums = [p for p in formulas if _is_sum(p)]
    others = [p for p in formulas if not _is_sum(p)]
    longest = max((p.cutoff for p in others), default=0.0)
    if not others or all(p.cutoff <= LONGER * longest for p in sums):
        return [formulas] if formulas else []
    return [sums, others]


def _is_sum(potential: FunctionPotential) -> bool:
    """Whether work grows with neighbours, and not with pairs of them."""
    return potential.family.is_pair_sum or potential.family.is_on_site
