"""A network as a local potential: e_i = net(F_i) for the atoms of one species."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray
from torch import Tensor, nn

from miniff._neighbors import PairTable
from miniff.ml._core_network import core_networks
from miniff.ml._dataset import Dataset, feature_moments, feature_ranges
from miniff.ml._layers import Affine, Mean, network_from_state, network_state
from miniff.ml._normalization import Normalization
from miniff.potentials import (
    FunctionPotential,
    Functions,
    LocalEnergies,
    LocalPotential,
    ModelBuilder,
    TrainingMoments,
    TrainingSet,
    function_from_state_dict,
    is_outside,
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
        moments: Mean and covariance of the descriptors there, or None; not without ranges.
    """

    is_learned = True

    def __init__(
        self,
        network: nn.Module,
        descriptors: Sequence[FunctionPotential],
        tag: str,
        *,
        ranges: Float64[ndarray, "2 n_descriptors"] | None = None,
        moments: TrainingMoments | None = None,
    ) -> None:
        """A network with its inputs.

        Raises:
            ValueError: Descriptors of another species, or ranges or moments of another length.
        """
        for descriptor in descriptors:
            if descriptor.species and descriptor.species[0] != tag:
                raise ValueError(f"{descriptor} is not a descriptor of {tag}")
        self.tag = tag
        self.descriptors = tuple(descriptors)
        self.network = deepcopy(network).double()
        self._check_shape()
        self.ranges, self.moments = ranges, moments
        self._functions = Functions(self.descriptors)
        if ranges is not None:
            self.training = TrainingSet(self._functions, ranges, moments)
        elif moments is not None:
            raise ValueError("`moments` are given without `ranges`")

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
        return self._with(self.network)

    def _with(self, network: nn.Module) -> "NNPotential":
        """Another network on the same descriptors, trained on the same atoms."""
        return NNPotential(
            network, self.descriptors, self.tag or "", ranges=self.ranges, moments=self.moments
        )

    def local_energies(self, table: PairTable, *, gradient: bool) -> LocalEnergies:
        centres = table.atoms_of(self.tag)
        energies = np.zeros(table.n_atoms)
        values = self._functions.values(table, centres)
        grades = self._grades(table, centres, values)
        if not gradient:
            with torch.no_grad():
                energies[centres] = self.network(torch.from_numpy(values))[:, 0].numpy()
            return LocalEnergies(energies, None, grades)
        energies[centres], weight = self._energies_and_weights(values)
        image_gradient = np.zeros((table.n_images, 3))
        self._functions.vjp(table, centres, weight, image_gradient)
        return LocalEnergies(energies, image_gradient, grades)

    def pair_gradient(self, table: PairTable) -> Float64[ndarray, "n_pairs 3"]:
        centres = table.atoms_of(self.tag)
        _, weight = self._energies_and_weights(self._functions.values(table, centres))
        return self._functions.pair_vjp(table, centres, weight)

    def _energies_and_weights(
        self, values: Float64[ndarray, "n_centres n_descriptors"]
    ) -> tuple[Float64[ndarray, " n_centres"], Float64[ndarray, "n_centres n_descriptors"]]:
        """Energies of the atoms, and their derivatives by the descriptors."""
        inputs = torch.from_numpy(values).requires_grad_()
        with torch.enable_grad():
            output = self.network(inputs)
            (weight,) = torch.autograd.grad(output.sum(), inputs)
        return output.detach()[:, 0].numpy(), weight.contiguous().numpy()

    def contribute(self, model: ModelBuilder) -> bool:
        networks = core_networks(self.network, model.precision)
        if networks is None:
            return False
        model.add_networks(self.tag or "", self._functions, networks, self.training)
        return True

    def members(self) -> list["NNPotential"]:
        """The potentials of a committee, whose mean this one is; itself if it is none."""
        return [self._with(network) for network in members_of(self.network)]

    def grades(self, table: PairTable) -> Float64[ndarray, "n_atoms 2"]:
        """How far atoms of this species are outside of the training set, 1 at the border: by range,
        and by distance; nan where it is not known, and for other atoms. See
        :class:`miniff.potentials.TrainingSet`."""
        centres = table.atoms_of(self.tag)
        found = self._grades(table, centres, self._functions.values(table, centres))
        return np.full((table.n_atoms, 2), np.nan) if found is None else found

    def _grades(
        self,
        table: PairTable,
        centres: Int64[ndarray, " n_centres"],
        values: Float64[ndarray, "n_centres n_descriptors"],
    ) -> Float64[ndarray, "n_atoms 2"] | None:
        if self.training is None:
            return None
        grades = np.full((table.n_atoms, 2), np.nan)
        grades[centres] = self.training.grades(values)
        return grades

    def outside_training(self, table: PairTable) -> Bool[ndarray, " n_atoms"]:
        """Atoms of this species that are outside of the training set.

        Raises:
            ValueError: The potential does not know its training set.
        """
        if self.training is None:
            raise ValueError(f"{self} does not know the ranges of its training set")
        return is_outside(self.grades(table))

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
            "moments": None if self.moments is None else _state_of(self.moments),
        }

    @staticmethod
    def from_state_dict(state: Mapping[str, object]) -> "NNPotential":
        """The potential whose ``state_dict`` this is.

        Raises:
            ValueError: Data that are not a network potential's.
        """
        wanted = {"tag", "ptag", "descriptors", "network", "ranges", "moments"}
        if set(state) | {"moments"} != wanted:  # files of version 1 have no moments
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
            moments=_moments_of(state.get("moments")),
        )


def _state_of(moments: TrainingMoments) -> dict[str, object]:
    return {
        "mean": torch.from_numpy(moments.mean.copy()),
        "covariance": torch.from_numpy(moments.covariance.copy()),
        "largest_distance": moments.largest_distance,
        "n_atoms": moments.n_atoms,
    }


def _moments_of(state: object) -> TrainingMoments | None:
    """The moments whose data these are.

    Raises:
        ValueError: Data of something else.
    """
    if state is None:
        return None
    if not isinstance(state, Mapping) or set(state) != set(TrainingMoments.__annotations__):
        raise ValueError(
            f"`moments` must have the keys {', '.join(sorted(TrainingMoments.__annotations__))}"
        )
    mean, covariance = state["mean"], state["covariance"]
    if not isinstance(mean, Tensor) or not isinstance(covariance, Tensor):
        raise ValueError("`mean` and `covariance` of `moments` must be tensors")
    return TrainingMoments(
        mean.double().numpy(),
        covariance.double().numpy(),
        float(state["largest_distance"]),
        int(state["n_atoms"]),
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
    moments: Sequence[TrainingMoments] | None = None,
) -> list[NNPotential]:
    """Potentials in physical units from trained networks.

    Args:
        networks: One per species of the data set, in its order; copied. For a committee each is
            the :class:`Mean` of its members.
        dataset: The training set: descriptors and their ranges come from it.
        normalization: What the networks were trained with; becomes part of them.
        ranges: Of the descriptors of each species, where the data set is but a part of the training
            set; see :func:`feature_ranges`.
        moments: The same, of their mean and covariance; see :func:`feature_moments`.

    Raises:
        ValueError: A data set without descriptor functions.
    """
    return [
        NNPotential(one.network, one.descriptors, one.tag, ranges=one.ranges, moments=one.moments)
        for one in physical_networks(networks, dataset, normalization, ranges, moments)
    ]


@dataclass(frozen=True, eq=False)
class PhysicalNetwork:
    """A network of features as they are, for one species; see :class:`NNPotential`."""

    network: nn.Sequential
    descriptors: tuple[FunctionPotential, ...]
    tag: str
    ranges: Float64[ndarray, "2 _"]
    moments: TrainingMoments


def physical_networks(
    networks: Sequence[nn.Module],
    dataset: Dataset,
    normalization: Normalization,
    ranges: Sequence[Float64[ndarray, "2 _"]] | None = None,
    moments: Sequence[TrainingMoments] | None = None,
) -> list[PhysicalNetwork]:
    """What :func:`potentials_from_ml_data` makes potentials of; the same arguments."""
    ranges = feature_ranges([dataset]) if ranges is None else ranges
    moments = feature_moments([dataset], ranges) if moments is None else moments
    made = []
    for s, (network, points) in enumerate(zip(networks, dataset.per_point_datasets, strict=True)):
        if points.functions is None:
            raise ValueError("the data set has values of features but no descriptor functions")
        scale = normalization.features_scale[s]
        out_scale = torch.full((1,), normalization.energy_scale, dtype=scale.dtype)
        whole = nn.Sequential(
            Affine(1 / scale, -normalization.features_offset[s] / scale),
            *_projection(normalization, s),
            *network_from_state(network_state(network)),
            Affine(out_scale, normalization.energy_offsets[s : s + 1]),
        )
        functions, tag = points.functions.potentials, str(points.tag)
        made.append(PhysicalNetwork(whole, functions, tag, ranges[s], moments[s]))
    return made


def _projection(normalization: Normalization, species: int) -> list[nn.Linear]:
    """The principal components as a layer, if there are any."""
    if not normalization.features_projection:
        return []
    rows = normalization.features_projection[species]
    layer = nn.Linear(rows.shape[1], rows.shape[0], bias=False, device="meta")
    layer.load_state_dict({"weight": rows.clone()}, assign=True)
    return [layer]
