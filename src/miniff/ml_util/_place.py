"""Where networks are trained: the compiled core on the CPU, or torch on another device."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from miniff.ml import Dataset, Normalization, Processes, dataset_on, normalization_on
from miniff.ml._cut import joined
from miniff.ml._device._choice import free_bytes, is_core, numbers_at_a_time, place_of
from miniff.ml._device._sorting import training_device
from miniff.ml_util._deals import Deal
from miniff.ml_util._estimate import Demand, MemoryLimit, gigabytes
from miniff.ml_util._progress import Reporter
from miniff.ml_util._settings import NumberType
from miniff.ml_util._types import Problem
from miniff.potentials import Potential
from miniff.potentials._devices import needs_torch

__all__ = ["TrainingPlace", "conflict_of_device", "keep_derivatives", "needed_derivatives"]

ON_CORE = ("levenberg", "kalman")
"""Optimisers whose derivatives by parameters the compiled core has."""
SHARE = 0.5
"""Of a device's free memory, for derivatives that are kept."""
COPIES_OF_FEATURES = 4
"""What networks see, slopes, and as much on the way back."""
NUMBERS_OF_PAIR = 9
"""Derivatives by its vector and changes of it, with places that no pair takes."""


def conflict_of_device(name: object, optimizer: object) -> list[Problem]:
    """Not all optimisers can do with another device than the CPU; ``auto`` then is the CPU."""
    if optimizer not in ON_CORE or not isinstance(name, str) or name in ("auto", "cpu"):
        return []
    what = f"is {name} but {optimizer} runs on the CPU only: choose cpu, or lbfgs, adam or adamw"
    return [(("device",), what)]


def _numbers_of(part: Dataset) -> float:
    """About how many are in memory together when one model is evaluated and differentiated."""
    n_pairs = 0 if part.derivatives is None else part.derivatives.table.n_pairs
    features = sum(points.features.numel() for points in part.per_point_datasets)
    return COPIES_OF_FEATURES * features + NUMBERS_OF_PAIR * n_pairs


def _groups(parts: Sequence[Dataset], most: float) -> list[slice]:
    """Runs of parts that are alike and need at most so many numbers, or one part each."""
    edges, held = [0], 0.0
    for k, part in enumerate(parts):
        held += _numbers_of(part)
        is_other = (part.derivatives is None) != (parts[edges[-1]].derivatives is None)
        if k > edges[-1] and (held > most or is_other):
            edges.append(k)
            held = _numbers_of(part)
    return [slice(*ends) for ends in pairwise([*edges, len(parts)])]


def _one(parts: Sequence[Dataset]) -> Dataset:
    return parts[0] if len(parts) == 1 else joined(parts)


@dataclass(frozen=True)
class TrainingPlace:
    """A device, and what goes there.

    Attributes:
        device: Where all of a training step is computed.
        dtype: Of products with derivatives of descriptors.
    """

    device: torch.device
    dtype: torch.dtype

    @staticmethod
    def of(
        name: str, optimizer: str, dtype: NumberType, descriptors: Sequence[Potential]
    ) -> "TrainingPlace":
        """The place of a name; with ``auto`` the CPU where optimiser or descriptors need the core.

        Raises:
            ValueError: A device that is not there, or not for the optimiser.
            TypeError: A device that was named, and a descriptor that has no form in torch.
        """
        for _, what in conflict_of_device(name, optimizer):
            raise ValueError(f"`device` {what}")
        device = torch.device("cpu")
        if needs_torch(name) and optimizer not in ON_CORE:
            device = training_device(name, descriptors)
        return TrainingPlace(device, getattr(torch, dtype))

    @property
    def by_core(self) -> bool:
        """Whether the compiled core does the work."""
        return is_core(self.device)

    def settings(self) -> dict[str, object]:
        """What decides the bits of a run, as plain data."""
        return {} if self.by_core else {"device": self.device.type}

    def words(self) -> str:
        """For people."""
        return f"networks are trained on {place_of(self.device)}"

    def datasets(
        self, datasets: Mapping[str, Sequence[Dataset]]
    ) -> Mapping[str, Sequence[Dataset]]:
        """Copies on the device; the same where the core works."""
        if self.by_core:
            return datasets
        return {
            name: [dataset_on(part, self.device, self.dtype) for part in parts]
            for name, parts in datasets.items()
        }

    def joined(
        self,
        datasets: Mapping[str, Sequence[Dataset]],
        deals: Mapping[str, Sequence[Deal]],
        n_models: int,
    ) -> tuple[Mapping[str, Sequence[Dataset]], Mapping[str, Sequence[Deal]]]:
        """Neighbouring parts in one, as far as an evaluation of them fits into memory at a time.

        What is started on a device for a part takes as long for many atoms as for few.

        Args:
            datasets: For an optimiser that looks at all parts of a set.
            deals: Who has what of each.
            n_models: That are evaluated together.
        """
        every = [part for parts in datasets.values() for part in parts]
        if self.by_core or any(part.charges is not None for part in every):
            return datasets, deals
        most = numbers_at_a_time(self.device, self.dtype) / n_models
        groups = {name: _groups(parts, most) for name, parts in datasets.items()}
        return (
            {name: [_one(datasets[name][own]) for own in some] for name, some in groups.items()},
            {name: [Deal.together(deals[name][o]) for o in some] for name, some in groups.items()},
        )

    def normalization(self, normalization: Normalization) -> Normalization:
        """On the device."""
        return normalization if self.by_core else normalization_on(normalization, self.device)

    def networks(self, networks: Sequence[nn.Module]) -> list[nn.Module]:
        """On the device."""
        if self.by_core:
            return list(networks)
        return [deepcopy(network).to(self.device) for network in networks]

    def for_derivatives(self, limit: MemoryLimit, rest: float) -> float:
        """Bytes for derivatives that are kept, where everything else takes so many."""
        free = None if self.by_core else free_bytes(self.device)
        return limit.for_derivatives(rest) if free is None else SHARE * free

    def tell_memory(
        self, demand: Demand, kept: tuple[float, float], processes: Processes, reporter: Reporter
    ) -> None:
        """Says what a run takes, here and on another device.

        Args:
            demand: All but derivatives that are kept.
            kept: What all derivatives take, and what they may take (bytes).
            processes: All must call this.
            reporter: Is told.
        """
        derivatives = {"derivatives of descriptors": min(kept)}
        whole = replace(demand, parts={**demand.parts, **(derivatives if self.by_core else {})})
        needed, limit = processes.sum(np.array(kept)).tolist()
        n = processes.size
        reporter.info(f"memory{f' of each of {n} processes' if n > 1 else ''}: {whole}")
        if not self.by_core:
            size = gigabytes(min(needed, limit))
            reporter.info(f"derivatives of descriptors that are kept on the device: {size}")
        if needed > limit:
            reporter.info(
                f"derivatives of the descriptors take {gigabytes(needed)}: {limit / needed:.0%} of "
                f"them are kept, where they may take {gigabytes(limit)}; the others are computed "
                "anew each time"
            )

    @contextmanager
    def memory(self) -> Iterator[None]:
        """Says what to change where a device has too little.

        Raises:
            MemoryError: A device has too little memory.
        """
        try:
            yield
        except torch.cuda.OutOfMemoryError as error:
            raise MemoryError(
                f"{place_of(self.device)} has too little memory for the training set: set `dtype: "
                "float32`, fewer `n_models`, fewer descriptors or structures, or `device: cpu`"
            ) from error


def needed_derivatives(parts: Sequence[Dataset]) -> float:
    """What all derivatives take (bytes); none is computed, and those that were kept are dropped."""
    return float(sum(part.keep_derivatives(0) for part in parts if len(part)))


def keep_derivatives(parts: Sequence[Dataset], limit: float) -> None:
    """Keeps what fits into so many bytes, of the first parts first.

    On a device they are kept in the precision of products if all fit so, else in single precision.
    """
    there = [own.on_device for part in parts for own in part.per_point_datasets]
    whole = sum(e.bytes_needed(e.functions.dtype) for e in there if e is not None)
    needed = 0.0
    for part in parts:
        if len(part) and limit > 0:
            room = max(0.0, limit - needed)
            needed += part.keep_derivatives(room, exact=whole <= limit)
