"""A network that sees the charge of an atom beside its descriptors: e_i = net(F_i, q_i)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray
from torch import Tensor, nn

from miniff._neighbors import PairTable
from miniff.ml._layers import network_from_state, network_state
from miniff.ml._potential import members_of
from miniff.potentials import (
    FunctionPotential,
    Functions,
    TrainingSet,
    function_from_state_dict,
)

__all__ = ["ChargedNetwork", "Response", "response_of"]

SMALLEST_HALF_WIDTH = 1e-4
"""Of the range of a charge (charge)."""
CHARGED_TAG = "ml potential of charges"


@dataclass(frozen=True, eq=False)
class Response:
    """What a network gives for the atoms of its species, and how that changes.

    Attributes:
        centres: The atoms.
        values: Of each.
        by_descriptor: Derivatives by the descriptors.
        by_charge: Derivatives by the charge; nothing where the network does not see it.
    """

    centres: ndarray
    values: Float64[ndarray, " n_centres"]
    by_descriptor: Float64[ndarray, "n_centres n_descriptors"]
    by_charge: Float64[ndarray, " n_centres"]


class ChargedNetwork:
    """Energies of the atoms of one species from descriptors and charge.

    Attributes:
        tag: The species.
        descriptors: In the order of the network's inputs, of which the charge is the last.
        network: [n_atoms, n_descriptors + 1] to [n_atoms, 1] (energy), in float64.
        ranges: Least and greatest value of each input in the training set, or None.
    """

    def __init__(
        self,
        network: nn.Module,
        descriptors: Sequence[FunctionPotential],
        tag: str,
        *,
        ranges: Float64[ndarray, "2 n_inputs"] | None = None,
    ) -> None:
        """A network with its inputs.

        Raises:
            ValueError: Descriptors of another species, a network or ranges for other inputs.
        """
        for descriptor in descriptors:
            if descriptor.species and descriptor.species[0] != tag:
                raise ValueError(f"{descriptor} is not a descriptor of {tag}")
        n = len(descriptors) + 1
        if ranges is not None and ranges.shape != (2, n):
            raise ValueError(f"`ranges` has shape {ranges.shape} but must be (2, {n})")
        self.tag = tag
        self.descriptors = tuple(descriptors)
        self.network = network_from_state(network_state(network)).double()
        self.ranges = ranges
        self.functions = Functions(self.descriptors)
        self.training: TrainingSet | None = None
        if ranges is not None:
            self.training = TrainingSet(self.functions, np.ascontiguousarray(ranges[:, :-1]))
        try:
            shape = tuple(self.network(torch.zeros(1, n, dtype=torch.float64)).shape)
        except RuntimeError as error:
            raise ValueError(
                f"the network does not take {n - 1} descriptors and a charge: {error}"
            ) from error
        if shape != (1, 1):
            raise ValueError(f"the network gives shape {shape} for one atom but must give (1, 1)")

    @property
    def cutoff(self) -> float:
        """Of the descriptors (length)."""
        return self.functions.cutoff

    def response(self, table: PairTable, charges: Float64[ndarray, " n_atoms"]) -> Response:
        """Energies and their derivatives, for charges of all atoms."""
        return response_of(self.network, self.functions, self.tag, table, charges)

    def grades(
        self, table: PairTable, charges: Float64[ndarray, " n_atoms"]
    ) -> Float64[ndarray, "n_atoms 2"]:
        """How far atoms of the species are outside of the ranges of their descriptors and of their
        charge, 1 at the border; the distance is that of the networks of the charges."""
        grades = np.full((table.n_atoms, 2), np.nan)
        if self.training is not None and self.ranges is not None:
            centres = table.atoms_of(self.tag)
            found = self.training.grades(self.functions.values(table, centres))
            low, high = self.ranges[:, -1]
            half = max((high - low) / 2, SMALLEST_HALF_WIDTH)
            of_charge = np.abs(charges[centres] - (low + high) / 2) / half
            found[:, 0] = np.fmax(found[:, 0], of_charge)
            grades[centres] = found
        return grades

    def members(self) -> list["ChargedNetwork"]:
        """Those of a committee, whose mean this one is; itself if it is none."""
        return [
            ChargedNetwork(network, self.descriptors, self.tag, ranges=self.ranges)
            for network in members_of(self.network)
        ]

    def state_dict(self) -> dict[str, object]:
        """Plain data and tensors."""
        return {
            "tag": CHARGED_TAG,
            "ptag": self.tag,
            "descriptors": [d.state_dict() for d in self.descriptors],
            "network": network_state(self.network),
            "ranges": None if self.ranges is None else torch.from_numpy(self.ranges.copy()),
        }

    @staticmethod
    def from_state_dict(state: Mapping[str, object]) -> "ChargedNetwork":
        """The network whose ``state_dict`` this is.

        Raises:
            ValueError: Data of something else.
        """
        descriptors, network = state.get("descriptors"), state.get("network")
        is_one = state.get("tag") == CHARGED_TAG and isinstance(descriptors, list)
        if not is_one or not isinstance(network, list) or not isinstance(descriptors, list):
            raise ValueError("these are not the data of a network that sees charges")
        ranges = state.get("ranges")
        return ChargedNetwork(
            network_from_state(network),
            [function_from_state_dict(d) for d in descriptors],
            str(state["ptag"]),
            ranges=ranges.numpy() if isinstance(ranges, Tensor) else None,
        )


def response_of(
    network: nn.Module,
    functions: Functions,
    tag: str,
    table: PairTable,
    charges: Float64[ndarray, " n_atoms"] | None,
) -> Response:
    """What a network gives for the atoms of a species.

    Args:
        network: Of descriptors, and of charges if they are given.
        functions: The descriptors.
        tag: The species.
        table: Whose atoms.
        charges: Of all its atoms.
    """
    centres = table.atoms_of(tag)
    values = functions.values(table, centres)
    if charges is not None:
        values = np.column_stack([values, charges[centres]])
    x = torch.from_numpy(values).requires_grad_()
    with torch.enable_grad():
        output = network(x)
        (slope,) = torch.autograd.grad(output.sum(), x)
    n, slopes = len(functions), slope.numpy()
    return Response(
        centres=centres,
        values=output.detach()[:, 0].numpy(),
        by_descriptor=np.ascontiguousarray(slopes[:, :n]),
        by_charge=slopes[:, n] if charges is not None else np.zeros(len(centres)),
    )
