"""Steps and training on a device that torch only pretends to have, in a process of its own.

    python tests/pretended_device.py

Tensors there have shapes and a device but no numbers. As on a graphics processor, an operation on
tensors of two devices raises, and so does whatever brings a number to the host or from it, an index
made of Python numbers too. A device of torch is named once for a process, so pytest has another.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from contract import ROWS
from no_host import OnHost, on_meta
from test_device_small import LISTS
from test_device_training import evaluation, objective, points
from test_devices import cells
from test_tensor_functions import structure
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from miniff._neighbors import PairTable, join
from miniff.kernel import compute_images
from miniff.ml import DevicePotentials
from miniff.ml._device._energies import SpeciesEnergies
from miniff.ml._device._evaluation import _Sums
from miniff.ml._device._fixed_step import FixedStep
from miniff.ml._device._table import TensorTable, tensor_of
from miniff.potentials import LocalPotential, Precision

DEVICE, META = "pretended:0", torch.device("meta")
SHORT = 2e3
"""So few numbers at a time that atoms come in several rows."""


def pretended(thing: Any) -> Any:
    """The same object with its tensors of the device ``meta`` on that device; others stay."""
    if isinstance(thing, Tensor):
        if not thing.is_meta:
            return thing
        found = torch.empty_strided(thing.shape, thing.stride(), dtype=thing.dtype, device=DEVICE)
        return torch.nn.Parameter(found) if isinstance(thing, torch.nn.Parameter) else found
    if isinstance(thing, list | tuple):
        return type(thing)(pretended(one) for one in thing)
    if isinstance(thing, dict):
        return {name: pretended(one) for name, one in thing.items()}
    is_own = type(thing).__module__.startswith("miniff.ml")
    if isinstance(thing, torch.nn.Module) or (is_own and hasattr(thing, "__dict__")):
        copy = object.__new__(type(thing))
        for name, value in vars(thing).items():
            object.__setattr__(copy, name, pretended(value))
        return copy
    return thing


@contextmanager
def known_to_the_host(table: PairTable) -> Iterator[None]:
    """What the host asks a device for when rows are made, from the table of the CPU."""
    counts = TensorTable.of(table, torch.device("cpu")).counts.numpy()

    def widths(_: TensorTable, centres: Tensor) -> list[int]:
        n = len(centres)
        return counts.max(0).tolist() if n else [0] * counts.shape[1]

    def rows(self: TensorTable, centres: Tensor, *_: Any) -> Iterator[Any]:
        half = (len(centres) + 1) // 2
        for own in (slice(0, half), slice(half, None)):
            places = torch.arange(len(centres), device=centres.device)[own]
            yield self._rows(places, centres[places], counts.max(0).tolist())

    with (
        patch.object(TensorTable, "widths", widths),
        patch.object(TensorTable, "rows", rows),
        patch.object(TensorTable, "within", lambda self, _: self),
    ):
        yield


def pretending() -> FakeTensorMode:
    """Tensors on the host have no numbers either."""
    return FakeTensorMode(allow_non_fake_inputs=True)


def on_one_device(run: Callable[[], Any], numbers_alone: bool = True) -> None:
    """Nothing is on the host, not even a single number if those are asked for."""
    with OnHost(numbers_alone) as host:
        run()
    assert not host.found, host.found
    assert host.n_operations > 30


def add(
    place: TensorTable, sums: _Sums, parts: Sequence[SpeciesEnergies], atoms: dict[str, Tensor]
) -> None:
    """What an evaluation of a structure that is not small does."""
    for part in parts:
        for row in place.rows(atoms[part.name], part.functions.n_numbers, SHORT):
            sums.add(part, row, place.images)
    place.gather(sums.by_image)


def evaluate(
    potentials: Sequence[LocalPotential],
    table: PairTable,
    precision: Precision = "double",
    in_parts: bool = True,
) -> None:
    """A step that could be recorded, and one in parts."""
    with known_to_the_host(table):
        ready = DevicePotentials(potentials, table.names, precision=precision, device=META)
        there = TensorTable.of(table, META)
        atoms = {name: tensor_of(table.atoms_of(name), META) for name in table.names}
        step = FixedStep.of(there, atoms, ready._parts, np.inf)
        assert step is not None
        given = torch.zeros(step.n_numbers, dtype=torch.float64, device=META)
        place, sums = there.at(table), _Sums.of(there, META)
        with pretending():
            on_one_device(partial(pretended(step).flat, pretended(given)))
            if in_parts:
                on_one_device(partial(add, *pretended((place, sums, ready._parts, atoms))))


def train(precision: Precision, kept: float, **network: Any) -> None:
    """Loss and gradient of three models."""
    (part,) = objective().parts
    assert part.derivatives is not None
    with known_to_the_host(part.derivatives.table):
        found = objective("cpu", precision, **network)
        if kept:
            found.parts[0].keep_derivatives(kept)
        there = on_meta(evaluation(found, 3))
    for own in found.parts[0].per_point_datasets:
        assert own.on_device is not None
        assert len(own.on_device.rows) == 2
    given = torch.zeros(3 * len(points(found)[0]) + 3, dtype=torch.float64, device=META)
    with pretending():
        run = partial(pretended(there).step, pretended(given))
        on_one_device(run, numbers_alone=bool(kept))  # torch.func has its zeros there


def refuses(run: Callable[[], Any]) -> None:
    """Such a device raises, or what ran shows that the host took part."""
    try:
        on_one_device(lambda: [run() for _ in range(40)])
    except (RuntimeError, NotImplementedError, AssertionError):
        return
    raise AssertionError("it was not noticed")


def is_strict() -> None:
    """What must not be in a step is found."""
    here, x = torch.ones(3, 3), torch.ones(3, 3, device=DEVICE)
    for run in (
        lambda: x + here,
        lambda: x[torch.arange(2)],
        lambda: x[..., (0, 1)],
        lambda: x.new_tensor([1.0]),
        lambda: x[x > 0],
        lambda: float(x.sum()),
        x.cpu,
        lambda: here.to(DEVICE),
        lambda: x * torch.tensor(2.0),
        x.tolist,
    ):
        refuses(run)
    on_one_device(lambda: [torch.where(x > 0, x, 0.0) for _ in range(40)])


def main() -> None:
    """All of it."""
    _setup_privateuseone_for_python_backend("pretended")
    with pretending():
        is_strict()
    table = join([compute_images(cell, 5.0).table for cell in cells()[:2]])
    evaluate(LISTS["known training sets"], table, "single")
    every = [row.potential() for row in ROWS if row.compiled]
    table = compute_images(structure(), max(p.cutoff for p in every)).table
    evaluate(every, table, in_parts=False)
    train("double", 0.0, activation="silu")
    train("single", 1e9)
    print("on one device")


if __name__ == "__main__":
    main()
