"""What an evaluation of loss and gradient starts on a device, counted without one.

    python -m benchmarks.training_work FILE [--dtype float32] [--numbers N] [--part-atoms K]

The default job is prepared on the structures of FILE, and torch computes on the CPU what it would
on a device with room for N numbers at a time. Of one evaluation in the middle of training, and of
the predictions for the validation set after an epoch, these are counted: operations (views left
out), bytes that they read and write, and how often numbers go to the device and come from it.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal
from unittest.mock import patch

import torch
import typer
from rich.console import Console
from torch.overrides import TorchFunctionMode

from benchmarks.device_work import Traffic
from miniff import ml_util
from miniff.ml._device import _choice
from miniff.ml_util import _learning
from miniff.ml_util._objective import Objective
from miniff.ml_util._trainer import Predictor
from miniff.potentials._devices import cpu_by_torch

__all__ = ["Copies", "Counts", "app", "counts_of"]

VIEWS = ("aten._unsafe_view.default", "aten.detach.default")
"""Operations that start nothing, beside those that torch calls views."""

EVALUATION = 8
"""Which evaluation is looked at: models, buffers and recordings are ready then."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Copies(TorchFunctionMode):
    """Counts calls that send numbers to a device, or fetch some.

    Others that wait for a device, as ``item`` does, are none of training: tests make sure of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.to_host = self.to_device = 0
        self._fetched: list[torch.Tensor] = []

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        given = kwargs or {}
        name = getattr(function, "__name__", "")
        devices = [a for a in (*args, *given.values()) if isinstance(a, torch.device)]
        self.to_device += bool(devices) and name in ("to", "tensor")
        found = function(*args, **given)
        if name == "cpu" and not any(map(partial(_share, found), self._fetched)):
            self.to_host += 1
            found = torch.from_numpy(found.numpy().copy())  # as one on the host would be
            self._fetched.append(found)
        return found


def _share(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


@dataclass
class Counts:
    """What was counted of one call.

    Attributes:
        operations: Of torch, by name.
        n_bytes: Read and written by them.
        to_host: How often the host asked for numbers.
        to_device: How often it sent some.
    """

    operations: Counter[str] = field(default_factory=Counter)
    n_bytes: int = 0
    to_host: int = 0
    to_device: int = 0

    @property
    def n_operations(self) -> int:
        """Of all names."""
        return self.operations.total()


class _Counted(Traffic):
    def __init__(self) -> None:
        super().__init__()
        self.operations: Counter[str] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        before = self.n_operations, self.n_bytes
        found = super().__torch_dispatch__(function, types, args, kwargs)
        if str(function) in VIEWS:
            self.n_operations, self.n_bytes = before
        elif self.n_operations > before[0]:
            self.operations[str(function)] += 1
        return found


@contextmanager
def _counting(counts: Counts) -> Iterator[None]:
    with Copies() as copies, _Counted() as traffic:
        yield
    counts.operations += traffic.operations
    counts.n_bytes += traffic.n_bytes
    counts.to_host += copies.to_host
    counts.to_device += copies.to_device


def counts_of(
    file: Path,
    dtype: Literal["float64", "float32"] = "float64",
    numbers: float = 2.0**29,
    part_atoms: int = _learning.ATOMS_OF_PART,
) -> dict[str, Counts]:
    """Of an evaluation of all models, and of their predictions for the validation set.

    Args:
        file: Structures.
        dtype: As in a job.
        numbers: In memory at a time.
        part_atoms: As the job reads them, structures of so many are together.
    """
    found = {"evaluation": Counts(), "predictions": Counts()}
    calls: Counter[str] = Counter()

    def noting(name: str, at: int, call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(self: Any, *args: Any, **kwargs: Any) -> Any:
            calls[name] += 1
            if calls[name] != at:
                return call(self, *args, **kwargs)
            with _counting(found[name]):
                return call(self, *args, **kwargs)

        return noted

    own: list[Any] = [str(file.resolve())]
    with (
        TemporaryDirectory() as folder,
        chdir(folder),
        cpu_by_torch(),
        patch.object(_choice, "CPU_NUMBERS", numbers),
        patch.object(_learning, "ATOMS_OF_PART", part_atoms),
        patch.object(Objective, "evaluate", noting("evaluation", EVALUATION, Objective.evaluate)),
        patch.object(Predictor, "predicted", noting("predictions", 4, Predictor.predicted)),
    ):
        workflow = ml_util.FitWorkflow(device="cpu", dtype=dtype, log="warning")
        prepared = workflow.prepare(fn_cells=own)
        prepared.run(n_epochs=2, optimizer_kwargs={"max_iter": EVALUATION}, save=None)
    return found


@app.command()
def main(
    file: Annotated[Path, typer.Argument(help="Structures with energies, forces and stresses.")],
    dtype: Annotated[str, typer.Option(help="float64 or float32.")] = "float64",
    numbers: Annotated[float, typer.Option(help="In memory at a time.")] = 2.0**29,
    part_atoms: Annotated[int, typer.Option(help="Of a part of the data.")] = (
        _learning.ATOMS_OF_PART
    ),
    kernels: Annotated[int, typer.Option(help="Operations that are shown by name.")] = 12,
) -> None:
    """Counts and prints."""
    if dtype not in ("float64", "float32"):
        raise typer.BadParameter(f"`dtype` is {dtype} but must be float64 or float32")
    show = Console(width=120, highlight=False)
    show.print(f"{file.name}, {dtype}, torch {torch.__version__}")
    for name, own in counts_of(file, dtype, numbers, part_atoms).items():  # type: ignore[arg-type]
        show.print(
            f"{name}: {own.n_operations} operations, {own.n_bytes / 1e6:.0f} MB, "
            f"{own.to_device} copies to the device, {own.to_host} to the host"
        )
        for operation, n in own.operations.most_common(kernels):
            show.print(f"  {n:6d} {operation}")


if __name__ == "__main__":
    app()
