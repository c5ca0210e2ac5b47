"""What training lowers, written as sums so that data sets may come in parts.

    L = w_energy  mean over structures  of ((E - E_ref) / N)^2
      + w_forces  mean over components  of (F - F_ref)^2
      + w_stress  mean over components  of (s + p 1 - s_ref)^2  +  w_stress FREEDOM p^2
      + w_charges mean over atoms       of (q - q_ref)^2, where charges are learned

All in physical units, over what the references have. Each mean counts its own numbers, by the
weights of their structures, so that no padding and no missing value takes part, and large
structures weigh as much as small ones.

The pressure p, one number for all structures, is free where it is fitted at all: plane waves that
are cut off at one energy give a diagonal of the stress that lies beside the derivative of the
energies by the strain (Francis and Payne, J. Phys.: Condens. Matter 2, 4395 (1990),
https://doi.org/10.1088/0953-8984/2/19/007), and no potential can follow both. Energies at several
volumes then decide; p has a small price, so that it is 0 where nothing asks for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from numpy import ndarray
from torch import Tensor

from miniff._checks import check_not_negative
from miniff.ml import Dataset, Prediction

__all__ = [
    "DIAGONAL",
    "FREEDOM",
    "LOSS_TERMS",
    "LossWeights",
    "charge_count",
    "charge_term",
    "loss_terms",
    "reference_weights",
    "term_counts",
]

LOSS_TERMS = ("energy", "forces", "stress")
DIAGONAL = (1.0, 1.0, 1.0, 0.0, 0.0, 0.0)
"""Of xx yy zz yz xz xy."""
FREEDOM = 0.01
"""What the square of the free pressure costs, against that of a component of the stress."""


@dataclass(frozen=True)
class LossWeights:
    """What a mean square error of one unit costs, of energy per atom, forces, stress, charges."""

    energy: float = 1.0
    forces: float = 0.0
    stress: float = 0.0
    charges: float = 0.0

    def __post_init__(self) -> None:
        for name in (*LOSS_TERMS, "charges"):
            check_not_negative(f"w_{name}", getattr(self, name))
        if self.energy == self.forces == self.stress == self.charges == 0:
            raise ValueError("all weights are 0 but one of them must not be")

    @property
    def needs_gradient(self) -> bool:
        """Whether forces or stress have a weight."""
        return self.forces > 0 or self.stress > 0

    def where_known(
        self, counts: Float[Tensor, " 3"] | Float64[ndarray, " 3"], n_charges: float = 0.0
    ) -> "LossWeights":
        """Without the terms that have no references, which need not be computed.

        Args:
            counts: What ``term_counts`` gives.
            n_charges: What ``charge_count`` gives.

        Raises:
            ValueError: Nothing is left.
        """
        own = (self.energy, self.forces, self.stress)
        energy, forces, stress = (
            w if float(n) > 0 else 0.0 for w, n in zip(own, counts, strict=True)
        )
        charges = self.charges if n_charges > 0 else 0.0
        if not any((energy, forces, stress, charges)):
            raise ValueError("the data set has no references for what the weights ask for")
        return LossWeights(energy, forces, stress, charges)

    def sum_of(self, means: Float[Tensor, " 3"]) -> Float[Tensor, ""]:
        """The loss from the mean square errors; those without a weight may be nan."""
        own = (self.energy, self.forces, self.stress)
        return sum((w * mean for w, mean in zip(own, means, strict=True) if w), means.new_zeros(()))


def term_counts(dataset: Dataset) -> Float[Tensor, " 3"]:
    """Numbers that each term has references for, counted by the weights of their structures."""
    reference = dataset.per_cell_dataset
    counts = reference.energy.new_zeros(3)
    for term, (known, weight) in enumerate(reference_weights(dataset)):
        counts[term] = (known * weight).sum()
    return counts


def loss_terms(
    prediction: Prediction, dataset: Dataset, pressure: Float[Tensor, ""] | None = None
) -> Float[Tensor, " 3"]:
    """Sums of squared errors of energy per atom, forces and stress, by weights of structures.

    Args:
        prediction: Of the structures of the data set; of what it lacks the sum is nan.
        dataset: With the references.
        pressure: Added to the diagonal of the predicted stress (energy/length^3).
    """
    reference = dataset.per_cell_dataset
    errors = [
        (prediction.energy - reference.energy) / dataset.n_atoms(),
        _difference(prediction.gradient, reference.gradient),
        _difference(prediction.stress, reference.stress),
    ]
    if pressure is not None and errors[2] is not None:
        diagonal = torch.zeros_like(errors[2][:1])
        diagonal[:, : len(DIAGONAL) // 2] = 1.0
        errors[2] = errors[2] + pressure * diagonal
    sums = []
    for error, (known, weight) in zip(errors, reference_weights(dataset), strict=True):
        if error is None:
            none = reference.energy.new_zeros(())
            sums.append(none.masked_fill(known.any(), torch.nan))
        else:
            squares = torch.where(known, error, 0.0).square()
            sums.append((squares * weight).sum())
    return torch.stack(sums)


def charge_count(dataset: Dataset) -> float:
    """Charges that are known, counted by the weights of their structures."""
    data = dataset.charges
    if data is None:
        return 0.0
    known = ~torch.isnan(data.reference)
    return float((known * data.weight[data.structure]).sum())


def charge_term(prediction: Prediction, dataset: Dataset) -> Float[Tensor, ""]:
    """The sum of squared errors of the charges, by weights of structures."""
    data = dataset.charges
    assert data is not None
    assert prediction.charges is not None
    known = ~torch.isnan(data.reference)
    squares = torch.where(known, prediction.charges - data.reference, 0.0).square()
    return (squares * data.weight[data.structure]).sum()


def _difference(predicted: Tensor | None, reference: Tensor | None) -> Tensor | None:
    return None if predicted is None or reference is None else predicted - reference


def reference_weights(dataset: Dataset) -> Sequence[tuple[Tensor, Tensor]]:
    """For each term of the loss, which components are known, and their weights."""
    reference = dataset.per_cell_dataset
    weight = reference.weight
    nothing = (reference.energy.new_zeros(0, dtype=torch.bool), reference.energy.new_zeros(0))
    terms = [(~torch.isnan(reference.energy), weight[:, :1])]
    if reference.gradient is None:
        terms.append(nothing)
    else:
        terms.append((~torch.isnan(reference.gradient), weight[reference.structure, 1:2]))
    if reference.stress is None:
        terms.append(nothing)
    else:
        known = ~torch.isnan(reference.stress)
        if dataset.derivatives is not None:  # a structure without a volume has no stress
            known &= ~torch.isnan(dataset.derivatives.volume)[:, None]
        terms.append((known, weight[:, 2:]))
    return terms
