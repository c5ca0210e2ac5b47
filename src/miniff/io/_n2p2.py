"""Folders of n2p2 and RuNNer: ``input.nn``, ``scaling.data`` and ``weights.NNN.data``.

Numbers come out as they stand, in whatever units the files are in, which they do not say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff.io._n2p2_settings import N2p2Settings, Scaling, Topology, read_settings
from miniff.io._potential_text import Line, PotentialFileError, split_lines

__all__ = ["N2p2Network", "N2p2Potential", "read_n2p2", "weight_file"]


@dataclass(frozen=True, eq=False)
class N2p2Network:
    """The network of an element, and what is known of its inputs.

    Attributes:
        topology: Nodes of the hidden layers, and activations.
        weights: Of each layer, [n_out, n_in]; whatever ``normalize_nodes`` does is done.
        biases: Of each layer, [n_out].
        least: Of each symmetry function in the training set.
        largest: The same.
        mean: The same.
        sigma: Standard deviation of the same; nan where the file has none.
    """

    topology: Topology
    weights: Sequence[Float64[ndarray, "_ _"]]
    biases: Sequence[Float64[ndarray, " _"]]
    least: Float64[ndarray, " n_functions"]
    largest: Float64[ndarray, " n_functions"]
    mean: Float64[ndarray, " n_functions"]
    sigma: Float64[ndarray, " n_functions"]

    def scaled(self, scaling: Scaling) -> tuple[ndarray, ndarray]:
        """Factors and shifts that make inputs of the network from symmetry functions."""
        width = {"range": self.largest - self.least, "sigma": self.sigma}.get(scaling.divisor)
        origin = self.mean if scaling.centred else self.least
        if width is None:
            return np.ones(len(self.mean)), -self.mean if scaling.centred else 0 * self.mean
        factor = (scaling.high - scaling.low) / width
        return factor, scaling.low - origin * factor


@dataclass(frozen=True, eq=False)
class N2p2Potential:
    """All that a folder says.

    Attributes:
        settings: Elements, symmetry functions, and how energies are put together.
        networks: Of each element.
    """

    settings: N2p2Settings
    networks: Mapping[str, N2p2Network]


def weight_file(element: str) -> str:
    """The name of the file with the network of an element."""
    from ase.data import atomic_numbers

    return f"weights.{atomic_numbers[element]:03d}.data"


def read_n2p2(folder: str | Path) -> N2p2Potential:
    """The potential in a folder of n2p2 or RuNNer.

    Raises:
        FileNotFoundError: A file is missing.
        PotentialFileError: Files that are damaged or do not fit together, and keywords that are not
            known to be of no effect on predictions; with file and line.
    """
    folder = Path(folder)
    settings = read_settings(folder / "input.nn")
    table = _read_scaling(folder / "scaling.data", settings)
    networks = {}
    for name in settings.elements:
        path = folder / weight_file(name)
        network = _read_weights(path, name, settings, table[name])
        networks[name] = network
    return N2p2Potential(settings, networks)


def _read_scaling(path: Path, settings: N2p2Settings) -> dict[str, Float64[ndarray, "n 4"]]:
    """Least, largest, mean and standard deviation of each function."""
    found = {
        name: np.full((len(settings.functions[name]), 4), np.nan) for name in settings.elements
    }
    for line in split_lines(path):
        if len(line.words) < 5:
            continue  # what RuNNer says of energies at the end
        element = line.count_at(0, "element index", 1)
        index = line.count_at(1, "function index", 1)
        if element > len(settings.elements):
            raise line.refuse(f"there are {len(settings.elements)} elements but this is {element}")
        name = settings.elements[element - 1]
        if index > len(found[name]):
            raise line.refuse(
                f"{name} has {len(found[name])} symmetry functions in input.nn but this is {index}"
            )
        if np.isfinite(found[name][index - 1, 0]):
            raise line.refuse(f"function {index} of {name} is given twice")
        values = [line.number_at(k, "scaling") for k in range(2, min(len(line.words), 6))]
        found[name][index - 1, : len(values)] = values
        _check_width(line, values, settings.scaling)
    for name, rows in found.items():
        absent = np.flatnonzero(np.isnan(rows[:, 0]))
        if len(absent):
            raise PotentialFileError(f"{path}: function {absent[0] + 1} of {name} is missing")
    return found


def _check_width(line: Line, values: Sequence[float], scaling: Scaling) -> None:
    """What functions are divided by must be a number above 0."""
    if scaling.divisor == "sigma" and not (len(values) > 3 and values[3] != 0):
        raise line.refuse("there must be a sigma other than 0, which inputs are divided by")
    if scaling.divisor == "range" and values[0] == values[1]:
        raise line.refuse(f"least and largest are both {values[0]}, but inputs are divided by both")


def _read_weights(
    path: Path, name: str, settings: N2p2Settings, table: Float64[ndarray, "n 4"]
) -> N2p2Network:
    lines = split_lines(path)
    values = np.array([line.number_at(0, "weight") for line in lines])
    sizes = {}
    for topology in settings.topologies[name]:
        widths = (len(table), *topology.nodes, 1)
        sizes[topology] = sum(n_out * (n_in + 1) for n_in, n_out in _pairs(widths))
    fitting = [topology for topology, size in sizes.items() if size == len(values)]
    if len(fitting) != 1:
        wanted = " or ".join(map(str, dict.fromkeys(sizes.values())))
        raise PotentialFileError(
            f"{path}: there are {len(values)} numbers but the network of {name} must have {wanted}"
            if not fitting
            else f"{path}: `element_nodes_short` of {name} can be read in two ways"
        )
    topology = fitting[0]
    weights, biases = [], []
    place = 0
    for n_in, n_out in _pairs((len(table), *topology.nodes, 1)):
        divisor = n_in if settings.normalize_nodes else 1
        middle, end = place + n_in * n_out, place + (n_in + 1) * n_out
        _check_marks(lines[place:middle], "a")
        _check_marks(lines[middle:end], "b")
        weights.append(values[place:middle].reshape(n_in, n_out).T / divisor)
        biases.append(values[middle:end] / divisor)
        place = end
    least, largest, mean, sigma = table.T
    return N2p2Network(topology, weights, biases, least, largest, mean, sigma)


def _pairs(widths: Sequence[int]) -> list[tuple[int, int]]:
    return list(pairwise(widths))


def _check_marks(lines: Sequence[Line], mark: str) -> None:
    """Files may say in their second column which numbers are weights (a) and biases (b)."""
    for line in lines:
        if len(line.words) > 1 and line.words[1] != mark:
            what = {"a": "a weight", "b": "a bias"}[mark]
            raise line.refuse(f"this is marked {line.words[1]!r} but must be {what} ({mark!r})")
