"""Folders of n2p2, written."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from miniff.io._atomic import hidden_folder
from miniff.io._n2p2 import N2p2Network, N2p2Potential, weight_file
from miniff.io._n2p2_functions import function_text
from miniff.io._n2p2_settings import NORMALIZATION

__all__ = ["write_n2p2"]


def write_n2p2(
    folder: str | Path, potential: N2p2Potential, *, comments: Sequence[str] = ()
) -> None:
    """Writes a folder for n2p2 and LAMMPS's ``pair_style hdnnp``, every digit of every number.

    Args:
        folder: Must not be there yet, or be empty; it is complete or, if this fails, not there.
        potential: All elements have as many nodes, layer by layer. ``normalize_nodes`` is part of
            the weights and is not written.
        comments: Lines for the head of ``input.nn``.

    Raises:
        FileExistsError: There is something of that name.
        FileNotFoundError: There is no folder to make it in.
        ValueError: Elements with different numbers of nodes.
    """
    nodes = {name: network.topology.nodes for name, network in potential.networks.items()}
    if len(set(nodes.values())) > 1:
        listed = ", ".join(f"{name} {own}" for name, own in nodes.items())
        raise ValueError(f"elements must all have as many nodes, but have: {listed}")
    target = Path(folder).resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FileExistsError(
            f"{folder} is there already: name a new folder, so that no file of another potential "
            "is left among those of this one"
        )
    if not target.parent.is_dir():
        raise FileNotFoundError(f"`{folder}` cannot be written: no folder `{target.parent}`")
    settings = potential.settings
    files = {
        "input.nn": "\n".join([*(f"# {c}" for c in comments), *_settings_lines(potential), ""]),
        "scaling.data": "\n".join([*_scaling_lines(potential), ""]),
    }
    for name in settings.elements:
        files[weight_file(name)] = "\n".join([*_weight_lines(potential.networks[name]), ""])
    with hidden_folder(target.parent) as temporary:
        made = temporary / target.name
        made.mkdir()
        for name, text in files.items():
            (made / name).write_text(text)
        os.replace(made, target)


def _settings_lines(potential: N2p2Potential) -> Iterator[str]:
    settings = potential.settings
    topologies = [potential.networks[name].topology for name in settings.elements]
    topology = topologies[0]
    yield f"number_of_elements {len(settings.elements)}"
    yield f"elements {' '.join(settings.elements)}"
    for name, energy in (settings.atom_energies or {}).items():
        if energy:
            yield f"atom_energy {name} {float(energy)!r}"
    alpha = f" {float(settings.cutoff_alpha)!r}" if settings.cutoff_alpha else ""
    yield f"cutoff_type {settings.cutoff_type}{alpha}"
    if settings.scaling.divisor:
        yield {
            "range": "scale_symmetry_functions",
            "sigma": "scale_symmetry_functions_sigma",
        }[settings.scaling.divisor]
        yield f"scale_min_short {float(settings.scaling.low)!r}"
        yield f"scale_max_short {float(settings.scaling.high)!r}"
    if settings.scaling.centred and settings.scaling.divisor != "sigma":
        yield "center_symmetry_functions"
    yield f"global_hidden_layers_short {len(topology.nodes)}"
    yield f"global_nodes_short {' '.join(map(str, topology.nodes))}"
    yield f"global_activation_short {' '.join(topology.activations)}"
    if settings.normalization != (0.0, 1.0, 1.0):
        for keyword, value in zip(NORMALIZATION, settings.normalization, strict=True):
            yield f"{keyword} {float(value)!r}"
    for name, own in zip(settings.elements, topologies, strict=True):
        if own.activations != topology.activations:
            yield f"element_activation_short {name} {' '.join(own.activations)}"
    for name in settings.elements:
        yield from map(function_text, settings.functions[name])


def _scaling_lines(potential: N2p2Potential) -> Iterator[str]:
    yield "# element, symmetry function, least, largest, mean, sigma in the training set"
    for element, name in enumerate(potential.settings.elements, start=1):
        network = potential.networks[name]
        rows = np.column_stack([network.least, network.largest, network.mean, network.sigma])
        for index, row in enumerate(rows, start=1):
            yield f"{element:4d} {index:4d} " + " ".join(f"{value:24.16E}" for value in row)


def _weight_lines(network: N2p2Network) -> Iterator[str]:
    yield "# value, weight (a) or bias (b), index, from layer and node, to layer and node"
    count = 0
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        for start, column in enumerate(weight.T, start=1):
            for end, value in enumerate(column, start=1):
                count += 1
                yield f"{value:24.16E} a {count:9d} {layer:5d} {start:5d} {layer + 1:5d} {end:5d}"
        for end, value in enumerate(bias, start=1):
            count += 1
            yield f"{value:24.16E} b {count:9d} {layer + 1:5d} {end:5d}"
