"""A network as a local potential: e_i = net(F_i) for the atoms of one species."""

from collections.abc import Mapping, Sequence
from copy import deepcopy

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray
from torch import Tensor, nn

from miniff._neighbors import PairTable
from miniff.ml._core_network import core_networks
from miniff.ml._dataset import Dataset
from miniff.ml._layers import Affine, Mean, network_from_state, network_state
from miniff.ml._normalization import Normalization
from miniff.potentials import (
    FunctionPotential,
    Functions,
    LocalEnergies,
    LocalPotential,
    ModelBuilder,
    function_from_state_dict,
)

__all__ = ["NNPotential", "potentials_from_ml_data"]

NN_TAG = "ml potential"


class NNPotential(LocalPotential):
    """Energies of the atoms of one species from their descriptors through a network.

    Attributes:
        tag: The species.
        descriptors: Environment functions of its atoms, in the order of the network's inputs.
        network: [n_atoms, n_descriptors] to [n_atoms, 1] (energy), in float64.
        ranges: Least and greatest value of each descriptor in the training set, or None.
    """

    is_learned = True

    def __init__(
        self,
        network: nn.Module,
        descriptors: Sequence[FunctionPotential],
        tag: str,
        *,
        ranges: Float64[ndarray, "2 n_descriptors"] | None = None,
    ) -> None:
        """A network with its inputs.

        Raises:
            ValueError: Descriptors of another species, or ranges of another length.
        """
        for descriptor in descriptors:
            if descriptor.species and descriptor.species[0] != tag:
                raise ValueError(f"{descriptor} is not a descriptor of {tag}")
        if ranges is not None and ranges.shape != (2, len(descriptors)):
            raise ValueError(
                f"`ranges` has shape {ranges.shape} but must be (2, {len(descriptors)})"
            )
        self.tag = tag
        self.descriptors = tuple(descriptors)
        self.network = deepcopy(network).double()
        self._check_shape()
        self.ranges = ranges
        self._functions = Functions(self.descriptors)

    def __reduce__(self) -> tuple[object, ...]:
        """How it is copied and sent to other processes, which compile it again.

        Raises:
            ValueError: A network with a layer that cannot be saved.
        """
        return NNPotential.from_state_dict, (self.state_dict(),)

    def _check_shape(self) -> None:
        n = len(self.descriptors)
        try:
            shape = tuple(self.network(torch.zeros(1, n, dtype=torch.float64)).shape)
        except RuntimeError as error:
            raise ValueError(f"the network does not take {n} descriptors: {error}") from error
        if shape != (1, 1):
            raise ValueError(f"the network gives shape {shape} for one atom but must give (1, 1)")

    @property
    def cutoff(self) -> float:
        return self._functions.cutoff

    @property
    def species(self) -> tuple[str, ...]:
        return (self.tag,) if self.tag else ()

    def __repr__(self) -> str:
        n, cutoff = len(self.descriptors), self.cutoff
        return f"<network {self.tag}: {n} descriptors, cutoff {cutoff:.6g}>"

    def copy(self, tag: str | None) -> "NNPotential":
        """Refused: the descriptors belong to the species they were trained for."""
        if tag != self.tag:
            raise ValueError(f"{self} is for {self.tag} and cannot be copied for {tag}")
        return NNPotential(self.network, self.descriptors, self.tag or "", ranges=self.ranges)

    def local_energies(self, table: PairTable, *, gradient: bool) -> LocalEnergies:
        centres = table.atoms_of(self.tag)
        energies = np.zeros(table.n_atoms)
        if not gradient:
            values = torch.from_numpy(self._functions.values(table, centres))
            with torch.no_grad():
                energies[centres] = self.network(values)[:, 0].numpy()
            return LocalEnergies(energies, None)
        energies[centres], weight = self._energies_and_weights(table, centres)
        image_gradient = np.zeros((table.n_images, 3))
        self._functions.vjp(table, centres, weight, image_gradient)
        return LocalEnergies(energies, image_gradient)

    def pair_gradient(self, table: PairTable) -> Float64[ndarray, "n_pairs 3"]:
        centres = table.atoms_of(self.tag)
        _, weight = self._energies_and_weights(table, centres)
        return self._functions.pair_vjp(table, centres, weight)

    def _energies_and_weights(
        self, table: PairTable, centres: Int64[ndarray, " n_centres"]
    ) -> tuple[Float64[ndarray, " n_centres"], Float64[ndarray, "n_centres n_descriptors"]]:
        """Energies of the atoms, and their derivatives by the descriptors."""
        values = torch.from_numpy(self._functions.values(table, centres)).requires_grad_()
        with torch.enable_grad():
            output = self.network(values)
            (weight,) = torch.autograd.grad(output.sum(), values)
        return output.detach()[:, 0].numpy(), weight.contiguous().numpy()

    def contribute(self, model: ModelBuilder) -> bool:
        networks = core_networks(self.network, model.precision)
        if networks is None:
            return False
        model.add_networks(self.tag or "", self._functions, networks)
        return True

    def members(self) -> list["NNPotential"]:
        """The potentials of a committee, whose mean this one is; itself if it is none."""
        return [
            NNPotential(network, self.descriptors, self.tag or "", ranges=self.ranges)
            for network in members_of(self.network)
        ]

    def outside_training(self, table: PairTable) -> Bool[ndarray, " n_atoms"]:
        """Atoms of this species with a descriptor beyond its range in the training set.

        Raises:
            ValueError: The potential does not know those ranges.
        """
        if self.ranges is None:
            raise ValueError(f"{self} does not know the ranges of its training set")
        centres = table.atoms_of(self.tag)
        values = self._functions.values(table, centres)
        outside = np.zeros(table.n_atoms, bool)
        outside[centres] = ((values < self.ranges[0]) | (values > self.ranges[1])).any(axis=1)
        return outside

    def state_dict(self) -> dict[str, object]:
        """Plain data and tensors.

        Raises:
            ValueError: A network with a layer that cannot be saved.
        """
        return {
            "tag": NN_TAG,
            "ptag": self.tag,
            "descriptors": [d.state_dict() for d in self.descriptors],
            "network": network_state(self.network),
            "ranges": None if self.ranges is None else torch.from_numpy(self.ranges.copy()),
        }

    @staticmethod
    def from_state_dict(state: Mapping[str, object]) -> "NNPotential":
        """The potential whose ``state_dict`` this is.

        Raises:
            ValueError: Data that are not a network potential's.
        """
        wanted = {"tag", "ptag", "descriptors", "network", "ranges"}
        if set(state) != wanted:
            raise ValueError(
                f"a network potential's data have the keys {', '.join(sorted(wanted))}, "
                f"but here are {', '.join(map(str, state))}"
            )
        descriptors, network, ranges = state["descriptors"], state["network"], state["ranges"]
        if not isinstance(descriptors, list) or not isinstance(network, list):
            raise ValueError("`descriptors` and `network` must be lists")
        return NNPotential(
            network_from_state(network),
            [function_from_state_dict(d) for d in descriptors],
            str(state["ptag"]),
            ranges=ranges.numpy() if isinstance(ranges, Tensor) else None,
        )


def members_of(network: nn.Module) -> list[nn.Module]:
    """The networks of a committee, with what all have in common; the network if it is none."""
    parts = list(network) if isinstance(network, nn.Sequential) else [network]
    for place, part in enumerate(parts):
        if isinstance(part, Mean):
            before, after = parts[:place], parts[place + 1 :]
            return [nn.Sequential(*before, member, *after) for member in part.members]
    return [network]


def potentials_from_ml_data(
    networks: Sequence[nn.Module],
    dataset: Dataset,
    normalization: Normalization,
    ranges: Sequence[Float64[ndarray, "2 _"]] | None = None,
) -> list[NNPotential]:
    """Potentials in physical units from trained networks.

    Args:
        networks: One per species of the data set, in its order; copied. For a committee each is
            the :class:`Mean` of its members.
        dataset: The training set: descriptors and their ranges come from it.
        normalization: What the networks were trained with; becomes part of them.
        ranges: Of the descriptors of each species, where the data set is but a part of the training
            set; see :func:`feature_ranges`.

    Raises:
        ValueError: A data set without descriptor functions.
    """
    potentials = []
    for s, (network, points) in enumerate(zip(networks, dataset.per_point_datasets, strict=True)):
        if points.functions is None:
            raise ValueError("the data set has values of features but no descriptor functions")
        scale = normalization.features_scale[s]
        out_scale = torch.full((1,), normalization.energy_scale, dtype=scale.dtype)
        own = torch.stack(points.ranges()).double().numpy()
        whole = nn.Sequential(
            Affine(1 / scale, -normalization.features_offset[s] / scale),
            *_projection(normalization, s),
            *network_from_state(network_state(network)),
            Affine(out_scale, normalization.energy_offsets[s : s + 1]),
        )
        potentials.append(
            NNPotential(
                whole,
                points.functions.potentials,
                str(points.tag),
                ranges=own if ranges is None else ranges[s],
            )
        )
    return potentials


def _projection(normalization: Normalization, species: int) -> list[nn.Linear]:
    """The principal components as a layer, if there are any."""
    if not normalization.features_projection:
        return []
    rows = normalization.features_projection[species]
    layer = nn.Linear(rows.shape[1], rows.shape[0], bias=False, device="meta")
    layer.load_state_dict({"weight": rows.clone()}, assign=True)
    return [layer]
