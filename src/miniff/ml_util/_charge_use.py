"""What a fit does with charges: learns them, learns from them, or lets networks see them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from ase.data import atomic_numbers, covalent_radii
from jaxtyping import Float64, Int64
from numpy import ndarray

from miniff._checks import check_positive, unknown_name
from miniff._neighbors import join
from miniff.ewald import Coulomb
from miniff.ewald._splitting import reach_of_clouds
from miniff.kernel import Cell, compute_images
from miniff.ml import (
    ChargeData,
    ChargePotential,
    Dataset,
    ForwardCharges,
    ForwardWithCharges,
    Normalization,
    interactions_of,
    response_bytes,
    seeing_charges,
)

__all__ = [
    "ChargeUse",
    "FittedCharges",
    "LearnedCharges",
    "RuleName",
    "SeenCharges",
    "coulomb_of",
    "labelled_by",
    "refuse_no_charges",
    "refuse_unlike_totals",
]

RuleName = Literal["shift", "equilibrate"]
NUMBER, PADDED = 8, 1.25
"""Bytes of a number; how many there are for one, at most, where structures are padded."""
CUTOFF = 6.0
"""Of the sum over neighbours in crystals (length), where none is asked for."""


class ChargeUse(ABC):
    """Gives a data set what charges are learned from or seen by."""

    @abstractmethod
    def attached(self, dataset: Dataset, cells: Sequence[Cell], *, derivatives: bool) -> Dataset:
        """The data set of these structures with it."""

    @abstractmethod
    def bytes_for(self, sizes: Int64[ndarray, " n_structures"], *, derivatives: bool) -> float:
        """What that takes for structures of so many atoms."""


@dataclass(frozen=True)
class SeenCharges(ChargeUse):
    """Charges that a potential gives are one more feature of every atom.

    Attributes:
        potential: Is not trained.
    """

    potential: ChargePotential

    def attached(self, dataset: Dataset, cells: Sequence[Cell], *, derivatives: bool) -> Dataset:
        return seeing_charges(dataset, cells, self.potential) if cells else _empty(dataset)

    def bytes_for(self, sizes: Int64[ndarray, " n_structures"], *, derivatives: bool) -> float:
        return PADDED * response_bytes(sizes.astype(float)) if derivatives else 0.0


@dataclass(frozen=True)
class FittedCharges(ChargeUse):
    """Charges are learned from charges.

    Attributes:
        rule: Makes charges of what networks give.
        coulomb: The interaction.
    """

    rule: RuleName
    coulomb: Coulomb

    def attached(self, dataset: Dataset, cells: Sequence[Cell], *, derivatives: bool) -> Dataset:
        coulomb = self.coulomb if self.rule == "equilibrate" else None
        return dataset.with_charges(_charge_data(dataset, cells, coulomb, derivatives=False))

    def bytes_for(self, sizes: Int64[ndarray, " n_structures"], *, derivatives: bool) -> float:
        if self.rule == "shift":
            return 0.0
        return (
            4.0 * PADDED**2 * NUMBER * float(np.sum(sizes.astype(float) ** 2))
        )  # A, and equations

    @property
    def forward(self) -> ForwardCharges:
        """Charges from networks."""
        return ForwardCharges(self.rule == "equilibrate")


@dataclass(frozen=True)
class LearnedCharges(ChargeUse):
    """Charges are learned beside the energies, from energies, forces and stress.

    Attributes:
        coulomb: The interaction.
    """

    coulomb: Coulomb

    def attached(self, dataset: Dataset, cells: Sequence[Cell], *, derivatives: bool) -> Dataset:
        data = _charge_data(dataset, cells, self.coulomb, derivatives=derivatives)
        return dataset.with_charges(data)

    def bytes_for(self, sizes: Int64[ndarray, " n_structures"], *, derivatives: bool) -> float:
        matrices = 10 if derivatives else 1
        return float(matrices * PADDED**2 * NUMBER * np.sum(sizes.astype(float) ** 2))

    def forward(self, of_charges: Normalization) -> ForwardWithCharges:
        """Energies from networks and charges.

        Args:
            of_charges: What the networks of the charges see and give.
        """
        return ForwardWithCharges(of_charges)


def _charge_data(
    dataset: Dataset, cells: Sequence[Cell], coulomb: Coulomb | None, *, derivatives: bool
) -> ChargeData:
    cutoff = 0.0 if coulomb is None else coulomb.cutoff
    table = join([compute_images(cell, cutoff).table for cell in cells])
    names = [str(points.tag) for points in dataset.per_point_datasets]
    own = () if coulomb is None else interactions_of(coulomb, table, derivatives=derivatives)
    known = [_charges(cell) for cell in cells]
    reference = np.concatenate([np.zeros(0), *known])
    weight = np.array([float(cell.meta.get("config_weight", 1.0)) for cell in cells])  # type: ignore[arg-type]
    return ChargeData.of(table, names, reference, own, weight)


def _charges(cell: Cell) -> Float64[ndarray, " n_atoms"]:
    given = cell.meta.get("charges")
    if given is None:
        return np.full(cell.size, np.nan)
    return np.asarray(given, float).reshape(cell.size)


def _empty(dataset: Dataset) -> Dataset:
    """With the feature, of no atom."""
    for points in dataset.per_point_datasets:
        points.features = torch.cat([points.features, points.features[:, :1]], 1)
    return dataset


def labelled_by(cells: Sequence[Cell], key: str) -> list[Cell]:
    """The structures with what they have under a key as their charges.

    Raises:
        ValueError: Another number of charges than atoms; what are no finite numbers.
    """
    return [_labelled_by(cell, key) for cell in cells]


def _labelled_by(cell: Cell, key: str) -> Cell:
    given = cell.meta.get(key)
    where = cell.meta.get("source", "a structure")
    meta = {name: value for name, value in cell.meta.items() if name != "charges"}
    if given is not None:
        charges = np.asarray(given)
        if charges.size != cell.size or charges.dtype.kind not in "iuf":
            raise ValueError(
                f"{where}: `{key}` has shape {charges.shape} but must be a number for each of "
                f"{cell.size} atoms"
            )
        if not np.isfinite(charges).all():
            raise ValueError(f"{where}: `{key}` must be finite numbers")
        meta["charges"] = charges.astype(float).reshape(cell.size)
    return Cell(cell.vectors, cell.coordinates, cell.values, meta, pbc=cell.pbc)


UNLIKE = 0.05
"""By so much charges may add up to something else than the total (charge)."""


def refuse_no_charges(
    w_charges: float, n_known: float, sets: Mapping[str, Sequence[Cell]], key: str
) -> None:
    """Charges that are to be learned must be there, and add up to totals.

    Args:
        w_charges: Their weight; without one nothing is asked.
        n_known: So many atoms for training have one.
        sets: All structures.
        key: What they call charges.

    Raises:
        ValueError: There are none, or they add up to another total.
    """
    if w_charges == 0:
        return
    if n_known == 0:
        raise ValueError(f"`w_charges` is {w_charges} but no structure for training has charges")
    for cells in sets.values():
        refuse_unlike_totals(cells, key)


def refuse_unlike_totals(cells: Sequence[Cell], key: str) -> None:
    """Charges that add up to another total cannot be learned by a rule that conserves it.

    Raises:
        ValueError: Such a structure.
    """
    for cell in cells:
        if cell.meta.get("charges") is None:
            continue
        (total,) = compute_images(cell, 0.0).table.total_charge.tolist()
        found = float(_charges(cell).sum())
        if abs(found - total) > UNLIKE:
            raise ValueError(
                f"{cell.meta.get('source', 'a structure')}: `{key}` add up to {found:.3f} but the "
                f"total charge is {total:.3f}: say it as `total_charge` of the structure"
            )


def coulomb_of(
    names: Sequence[str],
    *,
    rule: RuleName,
    a: float | None = None,
    accuracy: float = 1e-6,
    widths: Mapping[str, float] | None = None,
    background: bool = False,
) -> Coulomb:
    """The interaction that is asked for.

    Args:
        names: The species.
        rule: Charges that are equilibrated have a width.
        a: Cutoff of the sum over neighbours (length); as long as ``widths`` need by default.
        accuracy: Of that sum.
        widths: Of each species (length); by default points, or covalent radii where charges are
            equilibrated.
        background: Let crystals be charged.

    Raises:
        ValueError: Widths of species that are not there, or none where one is needed.
    """
    if rule not in get_args(RuleName):
        raise ValueError(unknown_name("rule", rule, get_args(RuleName)))
    own = dict(widths or {})
    for name in own:
        if name not in names:
            raise ValueError(f"`widths`: {unknown_name('species', name, names)}")
    if rule == "equilibrate" or own:
        own = {name: own.get(name, _radius(name)) for name in names}
    if a is not None:
        check_positive("a", a)
    reach = reach_of_clouds(max(own.values()), accuracy) if own else 0.0
    cutoff = max(CUTOFF, reach) if a is None else a
    return Coulomb(cutoff, accuracy, widths=own, background=background)


def _radius(name: str) -> float:
    """The covalent radius, which is a good width: as in Ko et al., Nat. Commun. 12, 398 (2021)."""
    if name not in atomic_numbers:
        raise ValueError(f"`widths` lacks {name}, which is no chemical element with a radius")
    return float(covalent_radii[atomic_numbers[name]])
