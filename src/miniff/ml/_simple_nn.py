"""Potentials of SIMPLE-NN."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from miniff.io import PotentialFileError, SimpleNNElement, read_simple_nn
from miniff.ml._layers import Affine
from miniff.ml._n2p2 import dense
from miniff.ml._n2p2_functions import function_of_n2p2
from miniff.ml._potential import NNPotential

__all__ = ["load_simple_nn"]

COSINE = 1
"""n2p2's number of SIMPLE-NN's cutoff function."""

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
}


def load_simple_nn(path: str | Path) -> list[NNPotential]:
    """The potential in a file ``potential_saved`` of SIMPLE-NN, one network for each element.

    Its units are eV and angstrom, as those of LAMMPS's ``pair_style nn``. The file does not have
    the ranges of its training set.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: There is no such file.
        PotentialFileError: A file that is damaged, or types and activations that are not known;
            with file and line.
    """
    return [_potential(element) for element in read_simple_nn(path)]


def _potential(element: SimpleNNElement) -> NNPotential:
    try:
        functions = [function_of_n2p2(f, COSINE, 0.0, 1.0) for f in element.functions]
    except ValueError as error:
        raise PotentialFileError(
            f"{element.path}: a function of {element.name}: {error}"
        ) from error
    layers: list[nn.Module] = [
        Affine(
            torch.from_numpy(1 / element.divisor),
            torch.from_numpy(-element.offset / element.divisor),
        )
    ]
    rows = zip(element.weights, element.biases, element.activations, strict=True)
    for weight, bias, name in rows:
        layers.append(dense(weight, bias))
        if name != "linear":
            layers.append(ACTIVATIONS[name]())
    return NNPotential(nn.Sequential(*layers), functions, element.name)
