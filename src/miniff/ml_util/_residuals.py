"""The loss as a sum of squares, and the derivatives of what is squared by the parameters.

    L(w) = sum_i e_i(w)^2        e_i = sqrt(c_i) (prediction_i - reference_i)

c_i is the weight of a number, that of its structure included, over the count of such numbers in the
training set; see :mod:`miniff.ml_util._loss`. Forces and stresses are changes of the energy when
atoms move and cells are strained: a *probe* moves every structure at once, and tells of each one
sum of its e_i with coefficients z_i, and how that depends on all parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray
from torch import Tensor

from miniff._stress import VOIGT
from miniff.ml import Dataset, ParameterRows
from miniff.ml_util._loss import DIAGONAL, FREEDOM, LossWeights, reference_weights
from miniff.ml_util._objective import Objective

__all__ = ["Probes", "Residuals", "Rows"]


@dataclass(frozen=True)
class Rows:
    """Some errors of a model, or sums of them.

    Attributes:
        errors: Of which the sum of squares is a part of the loss.
        jacobian: Their derivatives by the parameters of the model.
    """

    errors: Float64[ndarray, " n_rows"]
    jacobian: Float64[ndarray, "n_rows n_parameters"]

    @staticmethod
    def join(parts: "Sequence[Rows]") -> "Rows":
        """One after the other."""
        errors = np.concatenate([part.errors for part in parts])
        return Rows(errors, np.concatenate([part.jacobian for part in parts]))


@dataclass(frozen=True)
class Probes:
    """Sums over the errors of each structure: z_i sqrt(c_i), 0 where there is no reference.

    Attributes:
        gradient: For the components of dE/dr.
        stress: For the components of the stress.
    """

    gradient: Float64[ndarray, "n_probes n_atoms 3"]
    stress: Float64[ndarray, "n_probes n_structures 6"]


class Residuals:
    """The errors behind an objective."""

    def __init__(self, objective: Objective) -> None:
        counts = objective.counts.sum(0)
        self._objective = objective
        self._weights: LossWeights = objective.weights.where_known(counts)
        assert self._weights.charges == 0, "errors of charges have no rows"
        own = (self._weights.energy, self._weights.forces, self._weights.stress)
        self._costs = [w / float(n) if w > 0 else 0.0 for w, n in zip(own, counts, strict=True)]
        self.n_known = float(sum(n for w, n in zip(own, counts.tolist(), strict=True) if w > 0))
        """How many numbers have a reference and a weight, counted by weights of structures."""

    def drawn(self, k: int, share: float, generator: torch.Generator) -> Probes:
        """Probes of a part with one error for each structure, a share of all but the energies'.

        Those drawn count for those that are not, by the roots of their weights. What is drawn for a
        structure does not depend on which process has it.
        """
        part, chances = self._objective.parts[k], []
        for whole, own in self._shapes(k):
            lots = torch.rand(whole, dtype=torch.float64, generator=generator)
            chances.append(lots.numpy()[own].ravel())
        roots, structures = self._roots(part)[1:], self._structures(part)
        picks = [
            _drawn(root.ravel() > 0, structure, len(part), share, lots)
            for root, structure, lots in zip(roots, structures, chances, strict=True)
        ]
        places = [picks[0].place, picks[1].place + picks[0].counts[structures[1]]]
        n_probes = int((picks[0].counts + picks[1].counts).max(initial=0))
        found = []
        for root, pick, place in zip(roots, picks, places, strict=True):
            z = np.zeros((n_probes, root.size))
            at = np.flatnonzero(pick.place >= 0)
            z[place[at], at] = (root.ravel() * pick.boost)[at]
            found.append(z.reshape(n_probes, *root.shape))
        return Probes(*found)

    def mixed(self, k: int, n_probes: int, generator: torch.Generator) -> Probes:
        """Probes of a part with all errors but those of the energies, with signs drawn by chance.

        On average the sum of the products of their derivatives is that of the errors themselves:
        Hutchinson, Communications in Statistics 19, 433 (1990). What is drawn for a structure does
        not depend on which process has it.
        """
        found = []
        roots = self._roots(self._objective.parts[k])[1:]
        for root, (whole, own) in zip(roots, self._shapes(k), strict=True):
            coins = torch.randint(0, 2, (n_probes, *whole), generator=generator).numpy()
            found.append((2 * np.take(coins, own, axis=1) - 1) * root / n_probes**0.5)
        return Probes(*found)

    def _shapes(self, k: int) -> list[tuple[tuple[int, int], Int64[ndarray, " n_own"]]]:
        """Of dE/dr and stress of the whole part, and which rows this process has."""
        deal, rank = self._objective.deals[k], self._objective.processes.rank
        return [
            ((int(deal.sizes.sum()), 3), deal.atoms(rank)),
            ((len(deal.sizes), 6), deal.structures(rank)),
        ]

    def changes(self, part: Dataset, probes: Probes) -> list[Float64[Tensor, "n_probes _ _"]]:
        """Of the features of each species, along probes; the same for all models.

        None of a part whose forces and stresses are not used.
        """
        if part.derivatives is None:
            return []
        table, volume = part.derivatives.table, part.derivatives.volume.numpy()
        strain = np.zeros((*probes.stress.shape[:2], 3, 3))
        for v, (a, b) in enumerate(zip(*VOIGT, strict=True)):
            strain[..., a, b] += probes.stress[..., v] / 2
            strain[..., b, a] += probes.stress[..., v] / 2
        strain /= np.where(np.isnan(volume), 1.0, volume)[:, None, None]
        along = [table.spread(*move) for move in zip(probes.gradient, strain, strict=True)]
        if not along:
            return []
        directions = np.stack(along)
        environments = [points.environment for points in part.per_point_datasets]
        return [
            torch.from_numpy(environment.jvp(table, table.images, directions))
            for environment in environments
            if environment is not None
        ]

    def rows(
        self,
        point: Float64[ndarray, " n_parameters"],
        part: Dataset,
        probes: Probes,
        changes: Sequence[Tensor],
    ) -> Rows:
        """Errors of the energies, and those along probes."""
        objective, reference = self._objective, part.per_cell_dataset
        found = ParameterRows(objective.trained(point), part, objective.normalization)
        root, n_atoms = self._roots(part)[0], part.n_atoms()[:, 0].numpy()
        energies, by_energy = (of.numpy() for of in found.energies())
        off = np.nan_to_num(energies - reference.energy[:, 0].numpy()) / n_atoms
        known = root > 0
        of_energy = Rows(
            (root * off)[known], _wide(by_energy * (root / n_atoms)[:, None], 0.0)[known]
        )
        if not changes:
            return of_energy
        slopes, by_slope = (of.numpy() for of in found.slopes(changes))
        pressure = probes.stress @ np.array(DIAGONAL) * objective.pressure_unit
        errors = slopes + pressure * point[-1] - _wanted(part, probes)
        used = _used(part, probes)
        return Rows.join([of_energy, Rows(errors[used], _wide(by_slope, pressure)[used])])

    def price(self, point: Float64[ndarray, " n_parameters"], share: float = 1.0) -> Rows:
        """What the free pressure costs, or a share of it."""
        root = (share * self._weights.stress * FREEDOM) ** 0.5 * self._objective.pressure_unit
        jacobian = np.zeros((1, len(point)))
        jacobian[0, -1] = root
        return Rows(root * point[-1:], jacobian)

    def _roots(self, part: Dataset) -> list[ndarray]:
        """sqrt(c) of energies [n_structures], dE/dr [n_atoms, 3] and stress [n_structures, 6]."""
        shapes = [(len(part),), (len(part.per_cell_dataset.structure), 3), (len(part), 6)]
        roots = []
        for cost, shape, (known, weight) in zip(
            self._costs, shapes, reference_weights(part), strict=True
        ):
            squares = cost * (known * weight).numpy()
            roots.append(np.sqrt(squares).reshape(shape) if known.numel() else np.zeros(shape))
        return roots

    def _structures(self, part: Dataset) -> list[Int64[ndarray, " n_components"]]:
        """Whose each component of dE/dr and of the stress is."""
        of_atom = part.per_cell_dataset.structure.numpy()
        return [np.repeat(of_atom, 3), np.repeat(np.arange(len(part)), 6)]


@dataclass(frozen=True)
class _Pick:
    """Components that were drawn.

    Attributes:
        place: Of each component among those drawn of its structure; -1 for those not drawn.
        counts: How many of each structure are drawn.
        boost: Root of how many each one drawn stands for.
    """

    place: Int64[ndarray, " n_components"]
    counts: Int64[ndarray, " n_structures"]
    boost: Float64[ndarray, " n_components"]


def _drawn(
    known: Bool[ndarray, " n_components"],
    structure: Int64[ndarray, " n_components"],
    n_structures: int,
    share: float,
    lots: Float64[ndarray, " n_components"],
) -> _Pick:
    """A share of what is known of each structure, at least one: those with the smallest lots."""
    there = np.bincount(structure[known], minlength=n_structures)
    counts = np.ceil(share * there).astype(np.int64)
    order = np.lexsort((lots, ~known, structure))
    first = np.concatenate([[0], np.cumsum(np.bincount(structure, minlength=n_structures))])
    place = np.empty(len(known), np.int64)
    place[order] = np.arange(len(known)) - first[structure[order]]
    place[place >= counts[structure]] = -1
    stands_for = there / np.maximum(counts, 1)
    return _Pick(place, counts, np.sqrt(stands_for)[structure])


def _wide(by_networks: ndarray, by_pressure: ndarray | float) -> ndarray:
    """Derivatives by the pressure too, the last parameter."""
    wide = np.empty((*by_networks.shape[:-1], by_networks.shape[-1] + 1))
    wide[..., :-1], wide[..., -1] = by_networks, by_pressure
    return wide


def _wanted(part: Dataset, probes: Probes) -> Float64[ndarray, "n_probes n_structures"]:
    """What the references say of the probes."""
    reference = part.per_cell_dataset
    wanted = np.zeros(probes.stress.shape[:2])
    if reference.gradient is not None:
        of_atom: ndarray = (probes.gradient * np.nan_to_num(reference.gradient.numpy())).sum(2)
        wanted += _by_structure(of_atom, part)
    if reference.stress is not None:
        wanted += (probes.stress * np.nan_to_num(reference.stress.numpy())).sum(2)
    return wanted


def _used(part: Dataset, probes: Probes) -> Bool[ndarray, "n_probes n_structures"]:
    """Where a probe asks for anything."""
    by_atom = _by_structure(np.abs(probes.gradient).max(2), part)
    used: ndarray = probes.stress.any(2) | (by_atom > 0)
    return used


def _by_structure(
    of_atom: Float64[ndarray, "n_probes n_atoms"], part: Dataset
) -> Float64[ndarray, "n_probes n_structures"]:
    """Sums over the atoms of each structure."""
    zero = torch.zeros(len(of_atom), len(part), dtype=torch.float64)
    sums: ndarray = zero.index_add(
        1, part.per_cell_dataset.structure, torch.from_numpy(of_atom)
    ).numpy()
    return sums
