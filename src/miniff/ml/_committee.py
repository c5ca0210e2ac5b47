"""Committees: how far potentials differ that learned the same from different beginnings.

Behler, Int. J. Quantum Chem. 115, 1032 (2015), https://doi.org/10.1002/qua.24890
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff.kernel import Cell, CellImages, Evaluation
from miniff.kernel import eval as evaluate
from miniff.ml._charge_potential import ChargePotential
from miniff.ml._potential import NNPotential
from miniff.potentials import Potential, listed_potentials

__all__ = ["CommitteeEvaluation", "committee_members", "committee_spread", "eval_committee"]


@dataclass(frozen=True, eq=False)
class CommitteeEvaluation:
    """What a committee says of a structure, and how far its members differ.

    Standard deviations over the members. They tell where the training data do not decide; where
    all members err alike they are too small.

    Attributes:
        mean: Of the members: energy, forces, stress.
        members: What each one gives.
        energy_std: Of the total energy (energy).
        forces_std: Of each component (energy/length).
    """

    mean: Evaluation
    members: tuple[Evaluation, ...]
    energy_std: float
    forces_std: Float64[ndarray, "n_atoms 3"]


def committee_members(potentials: Sequence[Potential]) -> list[list[Potential]]:
    """The potentials once for each member: formulas as they are, networks one by one.

    Raises:
        ValueError: Committees of different sizes.
    """
    parts: list[Sequence[Potential]] = [
        p.members() if isinstance(p, NNPotential | ChargePotential) else [p]
        for p in listed_potentials(potentials)
    ]
    sizes = sorted({len(p) for p in parts if len(p) > 1})
    if len(sizes) > 1:
        raise ValueError(
            f"there are committees of {' and of '.join(map(str, sizes))} members but all must have "
            "as many"
        )
    n = sizes[0] if sizes else 1
    return [[part[k] if len(part) > 1 else part[0] for part in parts] for k in range(n)]


def eval_committee(
    potentials: Sequence[Potential], structure: Cell | CellImages, *, device: str = "cpu"
) -> CommitteeEvaluation:
    """Energy, forces and stress of a structure, with what the members make of them.

    Args:
        potentials: Networks with several members, as `fit` makes them with ``n_models``.
        structure: With or without its neighbours.
        device: As in :func:`miniff.kernel.eval`.

    Raises:
        ValueError: No committee among the potentials.
    """
    lists = committee_members(potentials)
    if len(lists) == 1:
        raise ValueError("no potential has members that could differ: fit with `n_models`")
    results = tuple(evaluate(own, structure, device=device) for own in lists)
    energy_std, forces_std = committee_spread(
        np.array([r.energy for r in results]), np.array([r.forces for r in results])
    )
    return CommitteeEvaluation(
        mean=evaluate(potentials, structure, device=device),
        members=results,
        energy_std=energy_std,
        forces_std=forces_std,
    )


def committee_spread(
    energies: Float64[ndarray, " n_members"], forces: Float64[ndarray, "n_members n_atoms 3"]
) -> tuple[float, Float64[ndarray, "n_atoms 3"]]:
    """Standard deviations over members: of the total energy, and of each force component."""
    return float(np.std(energies, ddof=1)), np.std(forces, axis=0, ddof=1)
