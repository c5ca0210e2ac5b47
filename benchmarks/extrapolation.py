"""What it costs to tell how far atoms are outside of the training set, in processor time.

    python -m benchmarks.extrapolation [--atoms N] [--repeats N]

Networks of the size that `fit` makes (two hidden layers of 24 nodes, untrained) for rattled
silicon, once without a training set and once with the ranges and the covariance of one. Both give
energies, forces and virial in turn; times are medians.
"""

from collections.abc import Callable
from statistics import median
from time import process_time
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.many_structures import strained_silicon
from miniff.kernel import CellImages, compute_images
from miniff.ml import Mean, NNPotential, feature_moments, feature_ranges, learn_cauldron
from miniff.ml_util import behler_nn
from miniff.potentials import CompiledPotentials, FunctionPotential, Precision

N_NODES, CUTOFF = 24, 6.0
CASES: tuple[tuple[int, int, Precision], ...] = (
    (14, 1, "double"),
    (52, 1, "double"),
    (52, 4, "double"),
    (14, 1, "single"),
    (52, 1, "single"),
    (52, 4, "single"),
)
"""Descriptors, networks, precision."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    atoms: Annotated[int, typer.Option(min=64, help="In eights.")] = 512,
    repeats: Annotated[int, typer.Option(min=1, help="Timed calls of each.")] = 200,
) -> None:
    """Prints microseconds per atom without and with grades, and their ratio."""
    table = Table(title=f"{atoms} atoms, processor microseconds per atom", title_justify="left")
    heads = ("descriptors", "networks", "precision", "without", "with", "ratio")
    for head in heads:
        table.add_column(head, justify="right")
    for n_functions, n_networks, precision in CASES:
        without, with_grades = times_of(n_functions, n_networks, precision, atoms, repeats)
        numbers = (f"{1e6 * t / atoms:.3f}" for t in (without, with_grades))
        ratio = f"{with_grades / without:.3f}"
        table.add_row(str(n_functions), str(n_networks), precision, *numbers, ratio)
    Console(width=100).print(table, highlight=False)


def times_of(
    n_functions: int, n_networks: int, precision: Precision, atoms: int, repeats: int
) -> tuple[float, float]:
    """Seconds of one evaluation without and with grades."""
    train = [compute_images(cell, CUTOFF) for cell in strained_silicon(20, 8)]
    chosen = learn_cauldron(train, "auto", derivatives=False).per_point_datasets[0].functions
    assert chosen is not None
    functions = list(chosen.potentials[:n_functions])
    (cell,) = strained_silicon(1, atoms // 8)
    images = compute_images(cell, CUTOFF)
    calls = [
        _evaluation(potential, images, precision)
        for potential in _both(functions, n_networks, train)
    ]
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for call, times in zip(calls, found, strict=True):
            start = process_time()
            call()
            times.append(process_time() - start)
    return median(found[0]), median(found[1])


def _both(
    functions: list[FunctionPotential], n_networks: int, train: list[CellImages]
) -> tuple[NNPotential, NNPotential]:
    """The same networks, without and with what they know of a training set."""
    dataset = learn_cauldron(train, {"Si": functions}, derivatives=False)
    ranges = feature_ranges([dataset])
    moments = feature_moments([dataset], ranges)
    torch.manual_seed(0)
    members = [behler_nn(len(functions), N_NODES) for _ in range(n_networks)]
    network = members[0] if n_networks == 1 else Mean(members)
    return (
        NNPotential(network, functions, "Si"),
        NNPotential(network, functions, "Si", ranges=ranges[0], moments=moments[0]),
    )


def _evaluation(
    potential: NNPotential, images: CellImages, precision: Precision
) -> Callable[[], object]:
    ready = CompiledPotentials([potential], images.table.names, precision=precision)
    grades = ready.evaluate(images.table).grades
    assert np.isfinite(grades).all() == (potential.training is not None)
    return lambda: ready.evaluate(images.table)


if __name__ == "__main__":
    app()
