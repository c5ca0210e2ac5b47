"""Charges of a data set from networks, and energies and forces of charges while they are learned.

For the rule "shift" E = q.A q / 2 changes with the outputs a_i of the networks by phi_i less the
mean of all phi of its structure, phi = A q. That times da_i/dF joins the slopes of the energies,
and one product with the derivatives of the descriptors gives forces and stress of both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from miniff.ml._charge_data import ChargeData, Interaction, Rows
from miniff.ml._dataset import Dataset, sum_by_structure
from miniff.ml._forward import Prediction, derivatives_of, network_energies
from miniff.ml._network_op import energies_and_slopes
from miniff.ml._normalization import Normalization
from miniff.potentials import Precision

__all__ = ["ForwardCharges", "ForwardWithCharges", "Hardness", "equilibrated", "shifted"]


class Hardness(nn.Module):
    """J of each species as the exponential of a parameter, so that it stays above 0."""

    def __init__(self, start: Sequence[float]) -> None:
        """Where it begins (energy/charge^2), for each species."""
        super().__init__()
        self.logarithm = nn.Parameter(torch.tensor(list(start), dtype=torch.float64).log())

    def forward(self) -> Float[Tensor, " n_species"]:
        return self.logarithm.exp()


def shifted(
    outputs: Float[Tensor, "n_models n_atoms"], data: ChargeData
) -> Float[Tensor, "n_models n_atoms"]:
    """Charges from outputs: shifted alike in each structure, to the total charge."""
    excess = _sums(outputs, data) - data.total
    return outputs - (excess / _sizes(data))[:, data.structure]


def equilibrated(
    outputs: Float[Tensor, "n_models n_atoms"],
    hardness: Float[Tensor, "n_models n_species"],
    data: ChargeData,
) -> Float[Tensor, "n_models n_atoms"]:
    """Charges from outputs that are electronegativities: where the energy is least."""
    charges = torch.zeros_like(outputs)
    for rows, interaction in zip(data.groups, data.interactions, strict=True):
        solution = _solution(rows, interaction, outputs, hardness[:, data.species], data.total)
        charges = rows.put(solution, charges)
    return charges


def _solution(
    rows: Rows, interaction: Interaction, outputs: Tensor, hardness: Tensor, total: Tensor
) -> Float[Tensor, "n_models n_structures n_rows"]:
    """Of the equations of a group of structures; what is no atom has no charge."""
    present = rows.present
    own = rows.padded(hardness) + (~present).to(outputs.dtype)
    matrix = interaction.energy + torch.diag_embed(own)
    n_models, n_structures, n, _ = matrix.shape
    whole = matrix.new_zeros(n_models, n_structures, n + 1, n + 1)
    whole[..., :n, :n] = matrix
    whole[..., n, :n] = whole[..., :n, n] = present.to(outputs.dtype)
    totals = total[rows.structures].expand(n_models, -1)[..., None]
    right = torch.cat([-rows.padded(outputs), totals], -1)
    solution: Tensor = torch.linalg.solve(whole, right)
    return solution[..., :n]


@dataclass(frozen=True, eq=False)
class ForwardCharges:
    """Charges alone. Models are a network per species and, where they are equilibrated, hardness.

    Attributes:
        is_equilibrated: The rule.
    """

    is_equilibrated: bool

    def __call__(
        self,
        members: Sequence[Sequence[nn.Module]],
        dataset: Dataset,
        grad: bool,
        normalization: Normalization,
        *,
        precision: Precision = "double",
    ) -> list[Prediction]:
        """Charges of each model; energies are nan."""
        data = charge_data_of(dataset)
        n = len(dataset.per_point_datasets)
        outputs = _stacked(
            [network_energies(own[:n], dataset, normalization) for own in members], data
        )
        if self.is_equilibrated:
            charges = equilibrated(outputs, torch.stack([own[n]() for own in members]), data)
        else:
            charges = shifted(outputs, data)
        nothing = torch.full_like(dataset.per_cell_dataset.energy, torch.nan)
        return [Prediction(nothing, charges=own) for own in charges]


@dataclass(frozen=True, eq=False)
class ForwardWithCharges:
    """Energies of short range and charges that interact. Models are networks for the energies of
    each species, and then as many for the charges.

    Attributes:
        of_charges: What the networks for charges see and give.
    """

    of_charges: Normalization

    def __call__(
        self,
        members: Sequence[Sequence[nn.Module]],
        dataset: Dataset,
        grad: bool,
        normalization: Normalization,
        *,
        precision: Precision = "double",
    ) -> list[Prediction]:
        """Energies and charges, and gradients and stress if asked for."""
        data, n = charge_data_of(dataset), len(dataset.per_point_datasets)
        short, of_charges = ([own[:n] for own in members], [own[n:] for own in members])
        if not grad or dataset.derivatives is None:
            return self._energies(short, of_charges, dataset, normalization)
        dtype = torch.float32 if precision == "single" else torch.float64
        energies, slopes = _all(short, dataset, normalization, dtype)
        outputs, output_slopes = _all(of_charges, dataset, self.of_charges, dtype)
        charges = shifted(data.of_atoms(outputs), data)
        found = _electrostatics(charges, data)
        mean = _sums(found.potential, data) / _sizes(data)
        by_output = found.potential - mean[:, data.structure]
        both = [
            own + by_output[:, atoms, None].to(dtype) * more
            for own, atoms, more in zip(slopes, data.atoms, output_slopes, strict=True)
        ]
        explicit = (found.gradient.transpose(1, 2), found.strain)
        gradient, stress = derivatives_of(both, dataset, dataset.derivatives, explicit)
        return [
            Prediction(
                sum_by_structure([part[k] for part in energies], dataset)
                + found.energy[k][:, None],
                gradient[k],
                stress[k],
                charges[k],
            )
            for k in range(len(members))
        ]

    def _energies(
        self,
        short: Sequence[Sequence[nn.Module]],
        of_charges: Sequence[Sequence[nn.Module]],
        dataset: Dataset,
        normalization: Normalization,
    ) -> list[Prediction]:
        data = charge_data_of(dataset)
        energies = [network_energies(own, dataset, normalization) for own in short]
        found = [network_energies(own, dataset, self.of_charges) for own in of_charges]
        charges = shifted(_stacked(found, data), data)
        total = _electrostatics(charges, data, derivatives=False).energy
        return [
            Prediction(sum_by_structure(own, dataset) + more[:, None], charges=q)
            for own, more, q in zip(energies, total, charges, strict=True)
        ]


def charge_data_of(dataset: Dataset) -> ChargeData:
    """What charges are learned from.

    Raises:
        ValueError: A data set without.
    """
    if dataset.charges is None:
        raise ValueError("the data set has nothing to learn charges from")
    return dataset.charges


def _all(
    members: Sequence[Sequence[nn.Module]],
    dataset: Dataset,
    normalization: Normalization,
    dtype: torch.dtype,
) -> tuple[list[Tensor], list[Tensor]]:
    """Values and slopes of the points of each species, for all models."""
    of_species = zip(*members, strict=True)
    found = [
        energies_and_slopes(networks, points, normalization, s, dtype)
        for s, (networks, points) in enumerate(
            zip(of_species, dataset.per_point_datasets, strict=True)
        )
    ]
    return [values for values, _ in found], [slopes for _, slopes in found]


def _stacked(found: Sequence[Sequence[Tensor]], data: ChargeData) -> Tensor:
    """Of the atoms, for all models."""
    return data.of_atoms([torch.stack(own) for own in map(list, zip(*found, strict=True))])


def _sizes(data: ChargeData) -> Float[Tensor, " n_structures"]:
    sizes = torch.bincount(data.structure, minlength=data.n_structures)
    return sizes.clamp(min=1).double()


def _sums(
    values: Float[Tensor, "n_models n_atoms"], data: ChargeData
) -> Float[Tensor, "n_models n_structures"]:
    none = values.new_zeros(len(values), data.n_structures)
    return none.index_add(1, data.structure, values)


@dataclass(frozen=True, eq=False)
class _Electrostatics:
    """The energy of charges, for all models, with its derivatives at fixed charges."""

    energy: Float[Tensor, "n_models n_structures"]
    potential: Float[Tensor, "n_models n_atoms"]
    gradient: Float[Tensor, "n_models 3 n_atoms"]
    strain: Float[Tensor, "n_models n_structures 6"]


def _electrostatics(
    charges: Float[Tensor, "n_models n_atoms"], data: ChargeData, *, derivatives: bool = True
) -> _Electrostatics:
    """Derivatives by positions and strain are 0 where they are not asked for."""
    n_models, n_atoms = charges.shape
    energy = charges.new_zeros(n_models, data.n_structures)
    potential, gradient = torch.zeros_like(charges), charges.new_zeros(n_models, 3, n_atoms)
    strain = charges.new_zeros(n_models, data.n_structures, 6)
    for rows, own in zip(data.groups, data.interactions, strict=True):
        q = rows.padded(charges)
        phi = torch.einsum("sij,msj->msi", own.energy, q)
        energy = energy.index_copy(1, rows.structures, (q * phi).sum(-1) / 2)
        potential = rows.put(phi, potential)
        if derivatives and own.gradient is not None and own.strain is not None:
            by_row = q[:, :, None] * torch.einsum("sxij,msj->msxi", own.gradient, q)
            gradient = rows.put(by_row.transpose(1, 2), gradient)
            by_strain = torch.einsum("msi,svij,msj->msv", q, own.strain, q) / 2
            strain = strain.index_copy(1, rows.structures, by_strain)
    return _Electrostatics(energy, potential, gradient, strain)
