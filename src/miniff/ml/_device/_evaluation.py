"""Energies, forces and strain derivatives of potentials on a device, a bounded part at a time.

The list of pairs is made on the device, or on the CPU and moved; as long as it is the same, only
positions and cells are moved again. Sums over atoms and structures are in double precision. Small
structures are one part: see :mod:`miniff.ml._device._fixed_step`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import get_args

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from miniff._checks import unknown_name
from miniff._neighbors import NeighborTable, PairSearch, search_pairs
from miniff.ml._device._choice import is_core, make_ready, numbers_at_a_time, on, with_less
from miniff.ml._device._energies import Network, SpeciesEnergies, Training
from miniff.ml._device._fixed_step import SMALL_NUMBERS, FixedStep
from miniff.ml._device._functions import TensorFunctions
from miniff.ml._device._kernel_check import has_kernels
from miniff.ml._device._replay import Recorder, Run
from miniff.ml._device._search import DeviceSearch, can_search
from miniff.ml._device._sorting import evaluation_device, has_form, with_alike_cutoffs
from miniff.ml._device._table import DeviceTable, Rows, TensorTable, tensor_of
from miniff.ml._potential import NNPotential
from miniff.potentials import (
    CompiledPotentials,
    Evaluator,
    FunctionPotential,
    Potential,
    Precision,
    TableEvaluation,
    refuse_short_table,
    warn_of_one_sided_pairs,
)
from miniff.potentials._devices import set_torch
from miniff.potentials._evaluation import summed

__all__ = ["DevicePotentials", "evaluator_on", "search_on"]

DTYPES: dict[Precision, torch.dtype] = {"double": torch.float64, "single": torch.float32}


@dataclass(frozen=True, eq=False)
class _Sums:
    """What all parts add to.

    Attributes:
        energies: Of the atoms (energy).
        by_image: dE/dx of the images (energy/length).
        grades: How far atoms are outside of the training set.
    """

    energies: Float64[Tensor, " n_atoms"]
    by_image: Float64[Tensor, "1 n_images 3"]
    grades: Float64[Tensor, "n_atoms 2"]

    @staticmethod
    def of(table: TensorTable, device: torch.device) -> "_Sums":
        """Nothing yet, for the atoms of a table."""
        zero = on(device)
        return _Sums(
            zero.new_zeros(table.n_atoms),
            zero.new_zeros(1, table.n_images, 3),
            zero.new_full((table.n_atoms, 2), torch.nan),
        )

    def add(self, part: SpeciesEnergies, row: Rows, images: Float64[Tensor, "n_images 3"]) -> None:
        """Energies of some centres, their derivatives, and their grades."""
        with torch.enable_grad():
            vectors = row.vectors(images, part.functions.far).requires_grad_()
            values = part.values(vectors, row.species_places)
            own = part.of(values)
            self.energies.index_add_(0, row.centres, own.detach())
            if own.requires_grad:
                (by_vector,) = torch.autograd.grad(own.sum(), vectors)
                row.add(by_vector[None], self.by_image)
        if part.training is not None:
            grades = part.training.grades(values.detach())
            self.grades[row.centres] = self.grades[row.centres].fmax(grades)


@dataclass(frozen=True, eq=False)
class _Listed:
    """A list of pairs that is on the device.

    Attributes:
        known_by: The list that it is, or that it is a copy of.
        table: With places that may be those of before.
        atoms: Of each species.
        small: How a step is computed if the structures are small.
    """

    known_by: object
    table: TensorTable
    atoms: dict[str, Int64[Tensor, " n_of_species"]]
    small: "_Small | None" = None


@dataclass(frozen=True, eq=False)
class _Small:
    """A step that is the same as long as a list holds.

    Attributes:
        step: What it is.
        run: What runs it.
    """

    step: FixedStep
    run: Run

    def evaluate(self, table: NeighborTable) -> TableEvaluation:
        """Of a table with the same list."""
        given = np.concatenate([table.positions.ravel(), table.cells.ravel()])
        found = self.run(torch.from_numpy(given)).numpy()
        energies, gradient, strain, grades = self.step.parts_of(found)
        return TableEvaluation(energies, table.totals(energies), gradient, strain, grades)


class DevicePotentials:
    """What :class:`miniff.potentials.CompiledPotentials` is, on a device of torch.

    Attributes:
        potentials: Their energies are summed.
        names: The species of the tables it can evaluate.
        device: Where.
    """

    def __init__(
        self,
        potentials: Sequence[Potential],
        names: tuple[str, ...],
        *,
        precision: Precision = "double",
        device: torch.device,
    ) -> None:
        """Moves the potentials to the device; what has no form in torch stays on the CPU.

        Raises:
            ValueError: An unknown precision.
        """
        if precision not in get_args(Precision):
            raise ValueError(unknown_name("precision", precision, get_args(Precision)))
        self.potentials = tuple(potentials)
        self.names = names
        self.device = device
        self._dtype = DTYPES[precision]
        make_ready(device)
        there = list(map(has_form, potentials))
        here = list(compress(potentials, there))
        warn_of_one_sided_pairs(here, names)
        self._parts = [*self._of_formulas(here), *self._of_networks(here)]
        self._on_cpu: CompiledPotentials | None = None
        if not all(there):
            rest = [p for p, is_there in zip(potentials, there, strict=True) if not is_there]
            self._on_cpu = CompiledPotentials(rest, names, precision=precision)
        self._last: _Listed | None = None
        self._recorder = Recorder(device)

    def evaluate(self, table: NeighborTable) -> TableEvaluation:
        """Energy, gradient and strain derivative of every structure of a table.

        Raises:
            ValueError: A table of other species, or with a cutoff shorter than a potential's.
            TypeError: A table whose pairs lie on another device.
            MemoryError: Too little memory on the device.
        """
        if table.names != self.names:
            raise ValueError(
                f"the table has the species {', '.join(table.names)} but the potentials were made "
                f"ready for {', '.join(self.names)}"
            )
        refuse_short_table(self.potentials, table)
        found = self._as_small(table)
        if found is None:
            most = numbers_at_a_time(self.device, self._dtype)
            what = f"{table.n_atoms} atoms with {table.n_pairs} pairs"
            found = with_less(lambda n: self._evaluate(table, n), self.device, most, what)
        if self._on_cpu is None:
            return found
        listed = table.on_host()
        return summed(found, [self._on_cpu.evaluate(listed)], listed)

    def _as_small(self, table: NeighborTable) -> TableEvaluation | None:
        """By the step that is the same for a list; None if there is too little memory for it."""
        try:
            listed = self._listed(table)
            return None if listed.small is None else listed.small.evaluate(table)
        except torch.cuda.OutOfMemoryError:
            if self._last is not None:
                self._last = replace(self._last, small=None)
            return None

    def _evaluate(self, table: NeighborTable, most: float) -> TableEvaluation:
        listed = self._listed(table)
        place = listed.table.at(table)
        sums = _Sums.of(place, self.device)
        near: dict[float, TensorTable] = {}
        for part in self._parts:
            cutoff = part.functions.cutoff
            if cutoff not in near:
                near[cutoff] = place.within(cutoff)
            centres = listed.atoms[part.name]
            for row in near[cutoff].rows(centres, part.functions.n_numbers, most):
                sums.add(part, row, place.images)
        gradient, strain = (own[0].cpu().numpy() for own in place.gather(sums.by_image))
        energies, grades = (own.cpu().numpy() for own in (sums.energies, sums.grades))
        return TableEvaluation(energies, table.totals(energies), gradient, strain, grades)

    def _listed(self, table: NeighborTable) -> "_Listed":
        """The list on the device; it is moved there if it is not that of the last table."""
        known_by = table.pairs if isinstance(table, DeviceTable) else table.on_host().core
        if self._last is None or self._last.known_by is not known_by:
            self._last = None  # with the memory of its recording
            atoms = {name: tensor_of(table.atoms_of(name), self.device) for name in self.names}
            there = self._pairs(table)
            self._last = _Listed(known_by, there, atoms, self._small(there, atoms))
        return self._last

    def _pairs(self, table: NeighborTable) -> TensorTable:
        if not isinstance(table, DeviceTable):
            return TensorTable.of(table.on_host(), self.device)
        there = table.pairs.images.device
        if there != self.device:
            raise TypeError(
                f"`table` has its pairs on {there} but the potentials are on {self.device}: hand "
                "over `table.on_host()`"
            )
        return table.pairs

    def _small(self, table: TensorTable, atoms: dict[str, Tensor]) -> _Small | None:
        most = min(SMALL_NUMBERS, numbers_at_a_time(self.device, self._dtype))
        step = FixedStep.of(table, atoms, self._parts, most)
        return None if step is None else _Small(step, self._recorder.run(step.flat, step.n_numbers))

    def _functions(self, potentials: Sequence[FunctionPotential], like: Tensor) -> TensorFunctions:
        by_kernels = has_kernels(self.device, like.dtype)
        return TensorFunctions(potentials, self.names, like, by_kernels=by_kernels)

    def _of_formulas(self, potentials: Sequence[Potential]) -> list[SpeciesEnergies]:
        formulas = [p for p in potentials if isinstance(p, FunctionPotential)]
        found = []
        for name in self.names:
            own = [p for p in formulas if not p.species or p.species[0] == name]
            for together in with_alike_cutoffs(own):
                functions = self._functions(together, on(self.device))
                found.append(SpeciesEnergies(name, functions))
        return found

    def _of_networks(self, potentials: Sequence[Potential]) -> list[SpeciesEnergies]:
        found = []
        like = on(self.device, self._dtype)
        for potential in [p for p in potentials if isinstance(p, NNPotential)]:
            if potential.tag in self.names:
                functions = self._functions(potential.descriptors, like)
                network, own = Network(potential.network, like), potential.training
                training = None if own is None else Training(own, like)
                found.append(SpeciesEnergies(str(potential.tag), functions, network, training))
        return found


def evaluator_on(
    potentials: Sequence[Potential],
    names: tuple[str, ...],
    precision: Precision,
    device: str,
) -> Evaluator:
    """Potentials on the device of a name; arguments and errors of ``ready_potentials``."""
    place = evaluation_device(device, potentials)
    if is_core(place):
        return CompiledPotentials(potentials, names, precision=precision)
    return DevicePotentials(potentials, names, precision=precision, device=place)


def search_on(potentials: Sequence[Potential], device: str) -> PairSearch:
    """What finds pairs on the device of a name; arguments and errors of ``ready_search``."""
    place = evaluation_device(device, potentials)
    if is_core(place) or not can_search(place) or not all(map(has_form, potentials)):
        return search_pairs
    return DeviceSearch(place)


set_torch(evaluator_on, search_on)
