"""Folders of n2p2 from potentials, for n2p2 itself and for LAMMPS's ``pair_style hdnnp``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers
from jaxtyping import Float64
from numpy import ndarray
from torch import Tensor

from miniff.io import (
    N2p2Network,
    N2p2Potential,
    N2p2Settings,
    Scaling,
    SymmetryFunction,
    Topology,
    order_of,
    write_n2p2,
)
from miniff.ml._core_network import (
    SOFTPLUS_THRESHOLD,
    DenseLayer,
    Layer,
    dense_layers,
    is_affine,
    is_softplus,
)
from miniff.ml._layers import network_state
from miniff.ml._n2p2 import UNKNOWN_RANGE
from miniff.ml._n2p2_functions import cutoff_of_n2p2, n2p2_of_function, strength
from miniff.ml._potential import NNPotential
from miniff.potentials import FunctionPotential, Potential, listed_potentials
from miniff.units import size

__all__ = ["save_n2p2"]

LETTERS = {
    "identity": "l",
    "tanh": "t",
    "sigmoid": "s",
    "softplus": "p",
    "relu": "r",
    "gaussian": "g",
    "cosine": "c",
    "exponential": "e",
    "square": "h",
}
COSINE = 1
"""n2p2's number; what is written where no function asks for a cutoff function."""

SPREAD_SETTINGS = Scaling("sigma", centred=True)
"""Inputs are (value - mean) / sigma, which is what our networks begin with."""

Order = Float64[ndarray, " n_functions"]


@dataclass(frozen=True, eq=False)
class _Written:
    """A network as the files have it, and its functions in their order."""

    functions: tuple[SymmetryFunction, ...]
    network: N2p2Network


def save_n2p2(
    folder: str | Path,
    potentials: Potential | Sequence[Potential],
    *,
    length_unit: str | float = "angstrom",
    energy_unit: str | float = "eV",
) -> str:
    """Writes networks and on-site energies to a folder that n2p2 and LAMMPS read.

    What :func:`load_n2p2` reads back in the same units gives the same energies and forces. Energies
    that are constant for a species are in the last bias and in ``atom_energy``.

    Args:
        folder: Must not be there yet, or be empty.
        potentials: One network for each species, and on-site energies.
        length_unit: Of the files; said in a comment, since nothing else in them tells.
        energy_unit: The same for energies.

    Returns:
        The lines that make LAMMPS read the folder, for its ``units metal``. Name its atom types'
        elements in ``pair_coeff`` in the order of the types.

    Raises:
        FileExistsError: There is something of that name.
        ValueError: What n2p2's files cannot hold: committees, other potentials beside the networks,
            functions that n2p2 does not have, cutoff functions that differ, activations that it
            does not have, networks with different numbers of layers, species that are no chemical
            elements.
    """
    length, energy = size(length_unit, "length"), size(energy_unit, "energy")
    networks, sites = _sorted(listed_potentials(potentials))
    _refuse_unknown_neighbors(networks)
    cutoff_type, alpha = _common_cutoff(networks)
    written = {name: _written(network, length, energy) for name, network in networks.items()}
    padded = _padded({name: one.network for name, one in written.items()})
    settings = N2p2Settings(
        path=Path(folder) / "input.nn",
        elements=tuple(networks),
        functions={name: one.functions for name, one in written.items()},
        topologies={name: (network.topology,) for name, network in padded.items()},
        cutoff_type=cutoff_type,
        cutoff_alpha=alpha,
        scaling=SPREAD_SETTINGS,
        atom_energies={name: value / energy for name, value in sites.items()},
    )
    commands = _lammps(folder, networks, length, energy)
    units = f"written by miniff; lengths in {length_unit}, energies in {energy_unit}"
    comments = [units, "LAMMPS, units metal:", *commands.splitlines()]
    write_n2p2(folder, N2p2Potential(settings, padded), comments=comments)
    return commands


def _sorted(
    potentials: Sequence[Potential],
) -> tuple[dict[str, NNPotential], dict[str, float]]:
    """Networks by element, sorted by atomic number, and their on-site energies."""
    networks: dict[str, NNPotential] = {}
    for one in potentials:
        if isinstance(one, NNPotential):
            name = one.tag or ""
            if not atomic_numbers.get(name, 0):
                raise ValueError(f"{one} cannot be written: {name!r} is no chemical element")
            if name in networks:
                raise ValueError(f"there are two networks for {name} but n2p2 has one")
            networks[name] = one
    if not networks:
        raise ValueError("there is no network among the potentials: n2p2's files hold nothing else")
    names = sorted(networks, key=atomic_numbers.__getitem__)
    sites = dict.fromkeys(names, 0.0)
    for one in potentials:
        if isinstance(one, NNPotential):
            continue
        if not (isinstance(one, FunctionPotential) and one.family.is_on_site):
            raise ValueError(
                f"{one} cannot be written: n2p2's files hold networks and on-site energies alone"
            )
        if one.tag is not None and one.tag not in sites:
            raise ValueError(f"{one} cannot be written: there is no network for {one.tag}")
        for name in sites if one.tag is None else (one.tag,):
            sites[name] += float(one.parameters["v0"])
    return {name: networks[name] for name in names}, sites


def _lammps(
    folder: str | Path, networks: Mapping[str, NNPotential], length: float, energy: float
) -> str:
    cutoff = ceil(max(one.cutoff for one in networks.values()) * 100 + 0.5) / 100
    return (
        f'pair_style hdnnp {cutoff} dir "{folder}" showew no showewsum 100 resetew no maxew 100 '
        f"cflength {1 / length!r} cfenergy {1 / energy!r}\n"
        f"pair_coeff * * {' '.join(networks)}"
    )


def _refuse_unknown_neighbors(networks: Mapping[str, NNPotential]) -> None:
    for name, network in networks.items():
        for descriptor in network.descriptors:
            for neighbor in descriptor.species[1:]:
                if neighbor not in networks:
                    raise ValueError(
                        f"{descriptor} of {name} cannot be written: it sees {neighbor}, which has "
                        "no network"
                    )


def _common_cutoff(networks: Mapping[str, NNPotential]) -> tuple[int, float]:
    """The cutoff function of all descriptors."""
    found: dict[tuple[int, float], FunctionPotential] = {}
    for network in networks.values():
        for descriptor in network.descriptors:
            cutoff = cutoff_of_n2p2(descriptor)
            if cutoff is not None:
                found.setdefault(cutoff, descriptor)
    if len(found) > 1:
        one, other, *_ = found.values()
        raise ValueError(
            f"{one} and {other} have different cutoff functions but n2p2 has one for all: "
            + " and ".join(
                "{cutoff_function} with cutoff_alpha {cutoff_alpha}".format(**f.parameters)
                for f in (one, other)
            )
        )
    return next(iter(found), (COSINE, 0.0))


def _written(potential: NNPotential, length: float, energy: float) -> _Written:
    name = str(potential.tag)
    functions = [n2p2_of_function(f, length) for f in potential.descriptors]
    if not functions:
        raise ValueError(f"the network of {name} cannot be written: it has no descriptors")
    mean, sigma, layers = _inputs(network_state(potential.network), len(functions))
    dense = _dense(name, layers)
    order = sorted(range(len(functions)), key=lambda k: order_of(functions[k], atomic_numbers))
    ours = np.array([strength(f) for f in potential.descriptors])
    least, largest = _ranges(potential, ours)
    weights = [dense[0].weight[:, order], *(one.weight for one in dense[1:])]
    biases = [one.shift for one in dense]
    weights[-1], biases[-1] = weights[-1] / energy, biases[-1] / energy
    topology = Topology(
        nodes=tuple(len(one.shift) for one in dense[:-1]),
        activations=tuple(_letter(one.activation) for one in dense),
    )
    rows = [row[order] for row in (least, largest, mean / ours, sigma / ours)]
    return _Written(
        tuple(functions[k] for k in order), N2p2Network(topology, weights, biases, *rows)
    )


def _inputs(layers: Sequence[Layer], n: int) -> tuple[ndarray, ndarray, Sequence[Layer]]:
    """Mean and spread that the first layer takes functions by, and the layers after it."""
    if layers and layers[0]["layer"] == "affine":
        scale, shift = (layers[0][name] for name in ("scale", "shift"))
        assert isinstance(scale, Tensor)
        assert isinstance(shift, Tensor)
        if len(scale) == len(shift) == n and bool((scale != 0).all()):
            factor = scale.double().numpy()
            return -shift.double().numpy() / factor, 1 / factor, layers[1:]
    return np.zeros(n), np.ones(n), layers


def _dense(name: str, layers: Sequence[Layer]) -> list[DenseLayer]:
    """Layers with activations between; one hidden layer at least, which n2p2 must have."""
    if any(layer["layer"] == "mean" for layer in layers):
        raise ValueError(
            f"the network of {name} is a committee, and n2p2's files hold one network for each "
            "element: write each list of `committee_members` to a folder of its own"
        )
    dense = dense_layers(layers) if all(map(_is_known, layers)) else None
    if dense is None:
        strange = [str(layer["layer"]) for layer in layers if not _is_known(layer)]
        raise ValueError(
            f"the network of {name} cannot be written: "
            + (
                f"n2p2 has no {strange[0]} as it is here; it has {', '.join(LETTERS)}"
                if strange
                else "it must begin with a linear layer and have a number for each node"
            )
        )
    if len(dense) == 1:
        return [*dense, DenseLayer(np.ones((1, 1)), np.zeros(1), None)]
    return dense


def _is_known(layer: Layer) -> bool:
    if layer["layer"] == "softplus":
        return is_softplus(layer, SOFTPLUS_THRESHOLD)
    return is_affine(layer) or (layer["layer"] in LETTERS and not layer.get("options"))


def _letter(activation: Layer | None) -> str:
    return "l" if activation is None else LETTERS[str(activation["layer"])]


def _ranges(potential: NNPotential, ours: Order) -> Float64[ndarray, "2 n_functions"]:
    """Least and largest values that n2p2's functions had in the training set."""
    if potential.ranges is None:
        return UNKNOWN_RANGE * np.stack([-np.ones(len(ours)), np.ones(len(ours))])
    ranges: ndarray = np.sort(potential.ranges / ours, axis=0)
    return ranges


def _padded(networks: Mapping[str, N2p2Network]) -> dict[str, N2p2Network]:
    """The networks with nodes that do nothing, where another element has more.

    n2p2 2.3.0 has a keyword for the nodes of an element, but overlooks its last number.
    """
    depths = {name: len(network.topology.nodes) for name, network in networks.items()}
    if len(set(depths.values())) > 1:
        listed = ", ".join(f"{name} {depth}" for name, depth in depths.items())
        raise ValueError(
            f"networks must all have as many hidden layers for n2p2, but have: {listed}"
        )
    shapes = [network.topology.nodes for network in networks.values()]
    widest = tuple(max(own) for own in zip(*shapes, strict=True))
    return {name: _widened(network, widest) for name, network in networks.items()}


def _widened(network: N2p2Network, nodes: tuple[int, ...]) -> N2p2Network:
    widths = [network.weights[0].shape[1], *nodes, 1]
    weights, biases = [], []
    for k, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        n_out, n_in = weight.shape
        weights.append(np.zeros((widths[k + 1], widths[k])))
        weights[-1][:n_out, :n_in] = weight
        biases.append(np.zeros(widths[k + 1]))
        biases[-1][:n_out] = bias
    topology = Topology(nodes, network.topology.activations)
    return replace(network, topology=topology, weights=weights, biases=biases)
