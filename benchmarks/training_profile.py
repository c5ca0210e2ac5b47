"""Where an epoch of training spends its time on a device, and what it sends to the host and back.

    python -m benchmarks.training_profile FILE [--device cuda] [--epochs N] [--rows K] [--by-torch]

The default job is profiled for N epochs and for twice as many: what the longer run does more is of
its epochs alone, so that reading, setting up and the last errors are not in the table. Below it
stands how often an epoch copies numbers between a CUDA device and the host, and waits.
"""

from collections.abc import Callable, Mapping
from contextlib import chdir
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

from miniff import ml_util
from miniff.ml import device_of
from miniff.ml._device._choice import place_of
from miniff.potentials._devices import cpu_by_torch

__all__ = ["Share", "app", "profile_epochs", "shares_of"]

COUNTED = {
    "copies to the host": "Memcpy DtoH",
    "copies to the device": "Memcpy HtoD",
    "times the host waited": "cudaStreamSynchronize",
}
"""How names of the profiler begin that tell whether a device and the host wait for each other."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Share:
    """What an operation has of an epoch.

    Attributes:
        count: How often it is called.
        device: Time on the device, without that of operations it calls (ms).
        host: The same on the host (ms).
    """

    count: float
    device: float
    host: float

    def less(self, other: "Share", n_epochs: int) -> "Share":
        """What it has more than another, by so many epochs."""
        return Share(
            (self.count - other.count) / n_epochs,
            (self.device - other.device) / n_epochs,
            (self.host - other.host) / n_epochs,
        )


@app.command()
def main(
    file: Annotated[Path, typer.Argument(help="Structures with energies, forces and stresses.")],
    device: Annotated[str, typer.Option(help="As in a job.")] = "auto",
    n_epochs: Annotated[int, typer.Option("--epochs", min=1, help="Of the shorter run.")] = 5,
    rows: Annotated[int, typer.Option(min=1, help="Operations that are shown.")] = 15,
    dtype: Annotated[str, typer.Option(help="float64 or float32.")] = "float32",
    by_torch: Annotated[bool, typer.Option(help="Torch on the CPU, for comparison.")] = False,
) -> None:
    """Profiles and prints."""
    if dtype not in ("float64", "float32"):
        raise typer.BadParameter(f"`dtype` is {dtype} but must be float64 or float32")
    show = Console(width=120, highlight=False)
    with cpu_by_torch(by_torch):
        show.print(f"{place_of(device_of(device))}, torch {torch.__version__}, {dtype}")
        shares = profile_epochs(file, device, dtype, n_epochs)  # type: ignore[arg-type]
    show.print(_table(shares, rows))
    if not torch.cuda.is_available():
        show.print("no CUDA device: there are no copies to count")
        return
    for what, begin in COUNTED.items():
        count = sum(own.count for name, own in shares.items() if name.startswith(begin))
        show.print(f"{what} in an epoch: {count:.3g}")


def profile_epochs(
    file: Path, device: str, dtype: Literal["float64", "float32"], n_epochs: int
) -> dict[str, Share]:
    """What each operation has of an epoch, on average."""
    own: list[Any] = [str(file.resolve())]
    with TemporaryDirectory() as folder, chdir(folder):
        workflow = ml_util.FitWorkflow(device=device, dtype=dtype, log="warning")
        prepared = workflow.prepare(fn_cells=own)
        return shares_of(partial(prepared.run, save=None), n_epochs)


def shares_of(run: Callable[..., object], n_epochs: int) -> dict[str, Share]:
    """The same of a function of ``n_epochs``."""
    run(n_epochs=1)  # libraries make themselves ready
    short, long = (_profiled(run, n) for n in (n_epochs, 2 * n_epochs))
    nothing = Share(0, 0, 0)
    return {name: own.less(short.get(name, nothing), n_epochs) for name, own in long.items()}


def _profiled(run: Callable[..., object], n_epochs: int) -> dict[str, Share]:
    activities = [ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as seen:
        run(n_epochs=n_epochs)
    return {
        event.key: Share(
            event.count, event.self_device_time_total / 1e3, event.self_cpu_time_total / 1e3
        )
        for event in seen.key_averages()
    }


def _table(shares: Mapping[str, Share], most: int) -> Table:
    table = Table(title="An epoch", title_justify="left")
    table.add_column("operation")
    for name in ("calls", "device\nms", "host\nms"):
        table.add_column(name, justify="right")
    is_timed = any(own.device > 0 for own in shares.values())
    by_time = sorted(
        shares.items(), key=lambda item: -(item[1].device if is_timed else item[1].host)
    )
    for name, own in by_time[:most]:
        table.add_row(name, f"{own.count:.3g}", f"{own.device:.3g}", f"{own.host:.3g}")
    return table


if __name__ == "__main__":
    app()
