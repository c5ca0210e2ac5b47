"""Potentials from folders of n2p2 and RuNNer.

Singraber, Behler and Dellago, J. Chem. Theory Comput. 15, 1827 (2019),
https://doi.org/10.1021/acs.jctc.8b00770

The energy of an atom is ``output / conv_energy + mean_energy + atom_energy`` in the file's units.
Symmetry functions have no unit, so that nothing but the outputs is converted.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy import ndarray
from torch import nn

from miniff.io import N2p2Network, N2p2Potential, PotentialFileError, read_n2p2
from miniff.ml._activations import Cosine, Exponential, Gaussian, Square
from miniff.ml._layers import Affine
from miniff.ml._n2p2_functions import function_of_n2p2
from miniff.ml._potential import NNPotential
from miniff.potentials import Potential, on_site_potential_family
from miniff.units import size

__all__ = ["UNKNOWN_RANGE", "dense", "load_n2p2"]

UNKNOWN_RANGE = 1e99
"""Where files say that the range of a function is from minus this to this, it is not known."""

SOFTPLUS_THRESHOLD = 40.0
"""Beyond, ln(1 + exp(x)) is x to the last bit; torch's own, 20, is not."""

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "t": nn.Tanh,
    "s": nn.Sigmoid,
    "p": lambda: nn.Softplus(threshold=SOFTPLUS_THRESHOLD),
    "r": nn.ReLU,
    "g": Gaussian,
    "c": Cosine,
    "S": nn.Sigmoid,  # 1 - 1/(1 + exp(-x)) is the logistic function of -x
    "e": Exponential,
    "h": Square,
    "l": nn.Identity,
}


def load_n2p2(
    folder: str | Path, *, length_unit: str | float, energy_unit: str | float
) -> list[Potential]:
    """The potential in a folder of n2p2 or RuNNer, in eV and angstrom.

    The files do not say their units, and the wrong ones give energies that look right in part: so
    they have to be said. RuNNer's habit is bohr and hartree. Ranges of ``scaling.data`` become
    ``ranges`` of the networks.

    Args:
        folder: With ``input.nn``, ``scaling.data`` and ``weights.NNN.data``.
        length_unit: Of the files: a name of :data:`miniff.units.UNITS`, or its size in angstrom.
        energy_unit: The same for energies, or its size in eV.

    Returns:
        A network for each element, sorted by atomic number, then on-site energies where the files
        have ``atom_energy``.

    Raises:
        FileNotFoundError: A file is missing.
        PotentialFileError: Files that are damaged or do not fit together, and keywords whose effect
            on predictions is not known; with file and line.
        ValueError: An unknown unit.
    """
    length, energy = size(length_unit, "length"), size(energy_unit, "energy")
    read = read_n2p2(folder)
    networks = [_potential(read, name, length, energy) for name in read.settings.elements]
    sites = [
        on_site_potential_family(name, v0=value * energy)
        for name, value in (read.settings.atom_energies or {}).items()
        if value
    ]
    return [*networks, *sites]


def _potential(read: N2p2Potential, name: str, length: float, energy: float) -> NNPotential:
    settings, network = read.settings, read.networks[name]
    try:
        functions = [
            function_of_n2p2(f, settings.cutoff_type, settings.cutoff_alpha, length)
            for f in settings.functions[name]
        ]
    except ValueError as error:
        raise PotentialFileError(f"{settings.path}: a function of {name}: {error}") from error
    factor, shift = network.scaled(settings.scaling)
    scale, offset = energy / settings.conv_energy, energy * settings.mean_energy
    layers = nn.Sequential(
        *_affine(factor, shift),
        *_layers(network),
        *_affine(np.array([scale]), np.array([offset])),
    )
    ranges = np.stack([network.least, network.largest])
    is_known = np.abs(ranges).max() < UNKNOWN_RANGE
    return NNPotential(layers, functions, name, ranges=ranges if is_known else None)


def _layers(network: N2p2Network) -> list[nn.Module]:
    layers: list[nn.Module] = []
    rows = zip(network.weights, network.biases, network.topology.activations, strict=True)
    for weight, bias, letter in rows:
        sign = -1 if letter == "S" else 1
        layers.append(dense(sign * weight, sign * bias))
        if letter != "l":
            layers.append(ACTIVATIONS[letter]())
    return layers


def _affine(scale: ndarray, shift: ndarray) -> Sequence[nn.Module]:
    """What multiplies and adds, unless it changes nothing."""
    if (scale == 1).all() and (shift == 0).all():
        return []
    return [Affine(torch.from_numpy(scale.copy()), torch.from_numpy(shift.copy()))]


def dense(weight: ndarray, bias: ndarray) -> nn.Linear:
    """A linear layer with these numbers, in float64."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    tensors = {"weight": weight, "bias": bias}
    copies = {n: torch.from_numpy(np.array(t, float, order="C")) for n, t in tensors.items()}
    layer.load_state_dict(copies, assign=True)
    return layer
