"""What is known of each structure, and the descriptors of each atom of a species.

Arrays come in padded, as the manual shows them, or ragged; inside they are ragged: atoms of all
structures one after the other, with the structure each one belongs to. What is missing is nan.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from miniff.ml._device._environment import TensorEnvironment
from miniff.ml._ops import Environment
from miniff.potentials import Functions

__all__ = ["PerCellDataset", "PerPointDataset"]


class PerCellDataset:
    """What is known of each structure.

    Attributes:
        energy: Total energy (energy), [n_structures, 1].
        gradient: dE/dr (energy/length), [n_atoms, 3], or None.
        structure: Whose atom each row of ``gradient`` is.
        stress: Positive under tension, xx yy zz yz xz xy (energy/length^3), or None.
        weight: How much energy, forces and stress of each structure count in a loss, [n_structures,
            3]; 1 by default.
    """

    def __init__(
        self,
        energy: Tensor,
        mask: Tensor | None = None,
        energy_g: Tensor | None = None,
        *,
        stress: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> None:
        """Padded arrays.

        Args:
            energy: [n_structures, 1] (energy).
            mask: [n_structures, most_atoms], 1 where there is an atom; needed with ``energy_g``.
            energy_g: [n_structures, most_atoms, 3] gradient (energy/length).
            stress: [n_structures, 6] (energy/length^3).
            weight: [n_structures, 3], of energy, forces and stress.

        Raises:
            ValueError: Wrong shapes, or different types of numbers.
        """
        _check("energy", energy, ("n_structures", 1))
        n = len(energy)
        self.energy = energy
        self.stress = stress
        self.gradient: Tensor | None = None
        self.structure: Tensor = torch.zeros(0, dtype=torch.int64)
        self.weight = energy.new_ones(n, 3) if weight is None else weight
        _check("weight", self.weight, (n, 3))
        if stress is not None:
            _check("stress", stress, (n, 6))
        if energy_g is not None:
            if mask is None:
                raise ValueError("`mask` is missing but `energy_g` needs it to tell its padding")
            _check("mask", mask, (n, "most_atoms"))
            _check("energy_g", energy_g, (n, mask.shape[1], 3))
            present = mask != 0
            self.gradient = energy_g[present]
            self.structure = present.nonzero()[:, 0]
        _check_dtype(self._tensors())

    @staticmethod
    def ragged(
        energy: Float[Tensor, "n_structures 1"],
        gradient: Float[Tensor, "n_atoms 3"] | None,
        structure: Int64[Tensor, " n_atoms"],
        stress: Float[Tensor, "n_structures 6"] | None,
        weight: Float[Tensor, "n_structures 3"] | None = None,
    ) -> "PerCellDataset":
        """From arrays as they are kept."""
        data = PerCellDataset(energy, stress=stress, weight=weight)
        data.gradient, data.structure = gradient, structure
        _check_dtype(data._tensors())
        return data

    @staticmethod
    def join(parts: "Sequence[PerCellDataset]") -> "PerCellDataset":
        """The structures of several data sets, one after the other; at least one."""
        first = np.cumsum([0, *(len(part) for part in parts)])
        gradients = [part.gradient for part in parts if part.gradient is not None]
        stresses = [part.stress for part in parts if part.stress is not None]
        return PerCellDataset.ragged(
            energy=torch.cat([part.energy for part in parts]),
            gradient=torch.cat(gradients) if len(gradients) == len(parts) else None,
            structure=torch.cat(
                [p.structure + int(n) for p, n in zip(parts, first[:-1], strict=True)]
            ),
            stress=torch.cat(stresses) if len(stresses) == len(parts) else None,
            weight=torch.cat([part.weight for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.energy)

    @property
    def dtype(self) -> torch.dtype:
        """Type of all numbers."""
        return self.energy.dtype

    def _tensors(self) -> dict[str, Tensor | None]:
        own = {"energy": self.energy, "energy_g": self.gradient, "stress": self.stress}
        return {**own, "weight": self.weight}


class PerPointDataset:
    """Descriptors of the atoms of one species.

    Attributes:
        features: [n_points, n_features].
        structure: Whose atom each point is.
        weight: How much each point counts in its structure's energy; 1 for an atom.
        functions: The descriptors behind the features; None if only values are known.
        environment: Their derivatives at the places of a table; None if only values are known.
        on_device: The same, where torch computes them; None where the compiled core does.
        tag: The species.
    """

    def __init__(
        self, features: Tensor, mask: Tensor | None = None, tag: str | None = None
    ) -> None:
        """Padded arrays.

        Args:
            features: [n_structures, most_points, n_features].
            mask: [n_structures, most_points] weights, 0 for padding; all points count by default.
            tag: The species.

        Raises:
            ValueError: Wrong shapes, or different types of numbers.
        """
        _check("features", features, ("n_structures", "most_points", "n_features"))
        if mask is None:
            mask = features.new_ones(features.shape[:2])
        _check("mask", mask, tuple(features.shape[:2]))
        _check_dtype({"features": features, "mask": mask})
        present = mask != 0
        self.n_structures = len(features)
        self.features = features[present]
        self.structure: Tensor = present.nonzero()[:, 0]
        self.weight = mask[present]
        self.functions: Functions | None = None
        self.environment: Environment | None = None
        self.on_device: TensorEnvironment | None = None
        self.tag = tag

    @staticmethod
    def ragged(
        features: Float[Tensor, "n_points n_features"],
        structure: Int64[Tensor, " n_points"],
        n_structures: int,
        environment: Environment | None = None,
        tag: str | None = None,
    ) -> "PerPointDataset":
        """From arrays as they are kept; every point counts once."""
        data = PerPointDataset(features.new_zeros(0, 0, features.shape[1]), tag=tag)
        data.features, data.structure, data.n_structures = features, structure, n_structures
        data.weight = features.new_ones(len(features))
        data.environment = environment
        data.functions = None if environment is None else environment.functions
        return data

    @staticmethod
    def join(parts: "Sequence[PerPointDataset]") -> "PerPointDataset":
        """The points of several data sets, one after the other; their derivatives stay apart.

        Args:
            parts: Of the same species and features; at least one.
        """
        first = np.cumsum([0, *(part.n_structures for part in parts)])
        shifted = [part.structure + int(n) for part, n in zip(parts, first[:-1], strict=True)]
        features = torch.cat([part.features for part in parts])
        joined = PerPointDataset.ragged(
            features, torch.cat(shifted), int(first[-1]), tag=parts[0].tag
        )
        joined.weight = torch.cat([part.weight for part in parts])
        joined.functions = parts[0].functions
        return joined

    def __len__(self) -> int:
        return self.n_structures

    @property
    def dtype(self) -> torch.dtype:
        """Type of all numbers."""
        return self.features.dtype

    def ranges(self) -> tuple[Float[Tensor, " n_features"], Float[Tensor, " n_features"]]:
        """Least and greatest value of each feature; an empty range where there is no point."""
        if len(self.features) == 0:
            empty = self.features.new_full((self.features.shape[1],), torch.inf)
            return empty, -empty
        return self.features.amin(0), self.features.amax(0)


def _check(name: str, tensor: Tensor, shape: tuple[int | str, ...]) -> None:
    fits = tensor.ndim == len(shape) and all(
        isinstance(wanted, str) or given == wanted
        for given, wanted in zip(tensor.shape, shape, strict=True)
    )
    if not fits:
        demanded = ", ".join(map(str, shape))
        raise ValueError(f"`{name}` has shape {tuple(tensor.shape)} but must be ({demanded})")


def _check_dtype(tensors: dict[str, Tensor | None]) -> None:
    kinds = {name: tensor.dtype for name, tensor in tensors.items() if tensor is not None}
    if len(set(kinds.values())) > 1:
        given = ", ".join(f"`{name}` is {kind}" for name, kind in kinds.items())
        raise ValueError(f"{given}: all must be the same")
