"""What models say of a data set on a device, as sums that depend linearly on their networks.

Parameters of all models come in one matrix. What does not depend on them is made once: features as
networks see them, in the order of rows of neighbours, and where each number is added. All that is
found of a model are sums in one list:

    3 of each atom          dE/dr
    6 of each structure     dE/d(strain), xx yy zz yz xz xy
    1 of each structure     the outputs of its networks, counted by the weights of points

They are physical after a shift and a unit for each. A loss of them is differentiated by the way
back through the same operations. Nothing of both waits for the device.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from miniff.ml._dataset import Dataset, sum_by_structure
from miniff.ml._device._environment import TensorEnvironment
from miniff.ml._device._networks import Form, Together, form_of
from miniff.ml._device._responses import places_of
from miniff.ml._device._table import TensorTable
from miniff.ml._normalization import Normalization
from miniff.ml._points import PerPointDataset

__all__ = ["Found", "Sums"]


@dataclass(frozen=True, eq=False)
class _Derivatives:
    """How the atoms of a species move others.

    Attributes:
        environment: Their descriptors.
        images: Positions (length).
        spread: From features to inputs of a network, times the scale of energies.
        places: Of each row where its numbers are added, [n_centres, n_numbers].
    """

    environment: TensorEnvironment
    images: Float64[Tensor, "n_images 3"]
    spread: Float[Tensor, "n_inputs n_features"]
    places: list[Int64[Tensor, "_ _"]]

    def add(self, slopes: Float[Tensor, "n_models n_points n_features"], sums: Tensor) -> None:
        """What they give, to all sums."""
        own = slopes.split([len(places) for places in self.places], 1)
        for k, (weight, places) in enumerate(zip(own, self.places, strict=True)):
            found = self.environment.responses(k, self.images, weight)
            sums.index_add_(0, places.flatten(), found.flatten(0, 1).to(sums.dtype))

    def changes(self, by_sums: Tensor, dtype: torch.dtype) -> Tensor:
        """The transpose of :meth:`add`."""
        parts = []
        for k, places in enumerate(self.places):
            along = by_sums.index_select(0, places.flatten()).to(dtype)
            along = along.unflatten(0, places.shape)
            parts.append(self.environment.changes(k, self.images, along))
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


@dataclass(frozen=True, eq=False)
class _Species:
    """The atoms of a species, in the order of their rows.

    Attributes:
        form: Of the networks.
        n_numbers: Parameters of one.
        x: What networks see.
        places: Where their outputs are added.
        weight: How much each point counts; None if all count once.
        derivatives: None if only energies are asked for, or known.
    """

    form: Form
    n_numbers: int
    x: Float[Tensor, "n_points n_inputs"]
    places: Int64[Tensor, " n_points"]
    weight: Float[Tensor, " n_points"] | None
    derivatives: _Derivatives | None

    @property
    def spread(self) -> Tensor | None:
        return None if self.derivatives is None else self.derivatives.spread

    @property
    def n_held(self) -> int:
        """About how many numbers are in memory together for each model."""
        if self.derivatives is None:
            return 2 * self.x.numel()
        return 4 * self.x.numel() + 2 * sum(own.numel() for own in self.derivatives.places)

    def add(self, numbers: Float[Tensor, "n_models _"], sums: Tensor) -> Together:
        """What networks with such parameters give, to all sums."""
        found = self.form(numbers, self.x, self.spread)
        outputs = found.outputs if self.weight is None else self.weight * found.outputs
        sums.index_add_(0, self.places, outputs.T.to(sums.dtype))
        if self.derivatives is not None and self.derivatives.places:
            slopes = found.slopes
            assert slopes is not None
            weighted = slopes if self.weight is None else self.weight[:, None] * slopes
            self.derivatives.add(weighted, sums)
        return found

    def changes(self, found: Together, by_sums: Tensor) -> list[Tensor]:
        """By the parameters, from what a number changes by with the sums."""
        by_outputs = by_sums.index_select(0, self.places).T.to(self.x.dtype)
        by_slopes = None
        if self.derivatives is not None and self.derivatives.places:
            by_slopes = self.derivatives.changes(by_sums, self.x.dtype)
        if self.weight is not None:
            by_outputs = self.weight * by_outputs
            by_slopes = None if by_slopes is None else self.weight[:, None] * by_slopes
        return found.changes(by_outputs, by_slopes)


@dataclass(frozen=True, eq=False)
class Found:
    """Sums of each model, and what the way back needs.

    Attributes:
        sums: In the order of the module, a column for each model.
        networks: Of each species.
    """

    sums: Float64[Tensor, "n_sums n_models"]
    networks: list[Together]


class Sums:
    """The sums of a data set as a function of the parameters.

    Attributes:
        n_atoms: Whose gradients are among them: 0 if they are not asked for, or not known.
        n_structures: Of the data set.
        unit, shift: Gradients (energy/length), stress (energy/length^3) and energies (energy) are
            shift + unit times the sums; nan is a stress where nothing repeats.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        dataset: Dataset,
        normalization: Normalization,
        dtype: torch.dtype,
        grad: bool,
    ) -> None:
        """Makes what does not depend on parameters.

        Args:
            networks: One per species: their forms.
            dataset: On a device.
            normalization: On the device: what networks see and give.
            dtype: Of networks and of products with derivatives; sums are in double precision.
            grad: Whether gradients and strain derivatives are asked for.
        """
        derivatives = dataset.derivatives if grad else None
        table = None if derivatives is None else derivatives.place
        assert table is None or isinstance(table, TensorTable)
        self.n_atoms = 0 if table is None else table.n_atoms
        self.n_structures = len(dataset)
        species = dataset.per_point_datasets
        of_atoms = [
            points.weight * offset
            for points, offset in zip(species, normalization.energy_offsets.unbind(), strict=True)
        ]
        offsets = sum_by_structure(of_atoms, dataset)[:, 0]
        units = [torch.full_like(offsets, normalization.energy_scale)]
        if derivatives is not None:
            by_volume = (1 / derivatives.volume).repeat_interleave(6)
            units = [by_volume.new_ones(3 * self.n_atoms), by_volume, *units]
        self.unit = torch.cat(units)
        self.shift = torch.cat([offsets.new_zeros(len(self.unit) - len(offsets)), offsets])
        self._like = dataset.per_cell_dataset.energy.new_zeros(0)
        self._dtype = dtype
        self._species = [
            self._of(network, points, normalization, s, table)
            for s, (network, points) in enumerate(zip(networks, species, strict=True))
        ]

    @property
    def first_output(self) -> int:
        """Where the sums of outputs begin."""
        return len(self.unit) - self.n_structures

    @property
    def n_sums(self) -> int:
        """How many there are."""
        return len(self.unit)

    @property
    def places(self) -> tuple[slice, slice, slice]:
        """Where energies, gradients and stresses are."""
        end = self.first_output
        n = 3 * self.n_atoms
        return slice(end, self.n_sums), slice(0, n), slice(n, end)

    @property
    def n_held(self) -> int:
        """About how many numbers are in memory together for each model."""
        return 4 * self.n_sums + sum(own.n_held for own in self._species)

    @property
    def is_kept(self) -> bool:
        """Whether all derivatives that are needed are kept in memory."""
        known = [own.derivatives for own in self._species if own.derivatives is not None]
        return all(own.environment.is_kept for own in known)

    def is_of(self, dataset: Dataset) -> bool:
        """Whether a data set still has the derivatives these are made of."""
        now = [points.on_device for points in dataset.per_point_datasets]
        own = [one.derivatives for one in self._species]
        return all(
            mine is None or mine.environment is one for mine, one in zip(own, now, strict=True)
        )

    def __call__(self, numbers: Float64[Tensor, "n_models n_parameters"]) -> Found:
        """The sums of models with these parameters, of all networks one after the other."""
        sums = self._like.new_zeros(self.n_sums, len(numbers))
        parts = numbers.to(self._dtype).split([own.n_numbers for own in self._species], 1)
        networks = [own.add(part, sums) for own, part in zip(self._species, parts, strict=True)]
        return Found(sums, networks)

    def changes(
        self, found: Found, by_sums: Float64[Tensor, "n_sums n_models"]
    ) -> list[Float[Tensor, "n_models _"]]:
        """What numbers change by with the parameters, in parts, from what they do with the sums."""
        pairs = zip(self._species, found.networks, strict=True)
        return [one for own, networks in pairs for one in own.changes(networks, by_sums)]

    def _of(
        self,
        network: nn.Module,
        points: PerPointDataset,
        normalization: Normalization,
        s: int,
        table: TensorTable | None,
    ) -> _Species:
        x, structure, weight = normalization.features(s, points.features), points.structure, None
        if bool((points.weight != 1).any()):
            weight = points.weight.to(self._dtype)
        derivatives = None
        if table is not None:
            assert points.on_device is not None
            rows = points.on_device.rows
            places = [places_of(row, table) for row in rows]
            spread = _spread(normalization, s).to(self._dtype)
            derivatives = _Derivatives(points.on_device, table.images, spread, places)
            if rows:
                order = torch.cat([row.places for row in rows])
                x, structure = x[order], structure[order]
                weight = None if weight is None else weight[order]
        return _Species(
            form=form_of(network),
            n_numbers=sum(p.numel() for p in network.parameters()),
            x=x.to(self._dtype),
            places=self.first_output + structure,
            weight=weight,
            derivatives=derivatives,
        )


def _spread(normalization: Normalization, s: int) -> Float[Tensor, "n_inputs n_features"]:
    """Derivatives of what a network sees by the features, times the scale of energies."""
    factor = normalization.energy_scale / normalization.features_scale[s]
    if normalization.features_projection:
        return normalization.features_projection[s] * factor
    return torch.diag(factor)
