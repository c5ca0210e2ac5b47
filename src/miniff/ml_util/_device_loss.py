"""The loss of several models and its gradient where data sets are on a device.

What is compared with references are sums s, in one list: see :mod:`miniff.ml._device._sums`. With
numbers for each of them that are made once, and a factor for each term of the loss,

    u = scale s + pull p + shift,    L = sum over all sums of factor u^2,

where p is the free pressure; all three are 0 where no reference is known. So an evaluation is a
fixed sequence of operations: parameters go to the device in one piece, loss and gradient come back
in one, and where it is asked for again and again it is recorded and started as one.
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float64, Int64
from numpy import ndarray
from torch import Tensor, nn

from miniff.ml import Dataset, Normalization, Prediction
from miniff.ml._device._replay import Recorder, Replay, Run
from miniff.ml._device._sums import Sums
from miniff.ml_util._loss import DIAGONAL, reference_weights
from miniff.potentials import Precision

__all__ = ["DeviceLoss", "is_on_device"]

MOST_RECORDED = 2.0**29
"""An evaluation with more numbers in memory together is not recorded: to start its operations takes
less time than they do, and a recording keeps its memory."""

Points = Sequence[Float64[ndarray, " n_numbers"]]


def is_on_device(parts: Sequence[Dataset]) -> bool:
    """Whether torch computes what is asked of data sets, and not the compiled core."""
    species = [points for part in parts for points in part.per_point_datasets]
    return any(own.on_device is not None or own.features.device.type != "cpu" for own in species)


@dataclass(frozen=True, eq=False)
class _Compared:
    """The numbers of a term of the loss that are compared.

    Attributes:
        weight: Of the square of each error; 0 where nothing is known.
        reference: 0 where nothing is known.
        pull: What 1 of the free pressure adds to what is predicted.
    """

    weight: Float64[Tensor, " n_numbers"]
    reference: Float64[Tensor, " n_numbers"]
    pull: Float64[Tensor, " n_numbers"]

    @staticmethod
    def of(known: Tensor, weight: Tensor, reference: Tensor) -> "_Compared":
        """Of numbers that may be nan where they are not known."""
        weights = torch.where(known, weight, 0.0).flatten()
        given = torch.where(known, reference, 0.0).flatten()
        return _Compared(weights, given, torch.zeros_like(given))


def _terms(dataset: Dataset, pressure_unit: float) -> list[_Compared]:
    """Energies per atom times atoms, gradients and stress; empty where a data set has none."""
    cells, sizes = dataset.per_cell_dataset, dataset.n_atoms()
    none = cells.energy.new_zeros(0)
    (known, weight), forces, stress = reference_weights(dataset)
    found = [
        _Compared.of(known, weight / sizes.square(), cells.energy),
        _Compared.of(*forces, none if cells.gradient is None else cells.gradient),
        _Compared.of(*stress, none if cells.stress is None else cells.stress),
    ]
    if cells.stress is not None:
        diagonal = cells.energy.new_tensor(DIAGONAL) * pressure_unit
        pull = torch.where(found[2].weight > 0, diagonal.repeat(len(dataset)), 0.0)
        found[2] = replace(found[2], pull=pull)
    return found


@dataclass(frozen=True, eq=False)
class _Part:
    """A data set with what its sums are compared with.

    Attributes:
        sums: As a function of the parameters.
        scale, pull, shift: Of each sum, with the root of its weight in them; the shift is that of
            the reference, below zero.
        term: Which term of the loss each sum belongs to.
        lacks: Terms with references that are not predicted.
    """

    sums: Sums
    scale: Float64[Tensor, "n_sums 1"]
    pull: Float64[Tensor, "n_sums 1"]
    shift: Float64[Tensor, "n_sums 1"]
    term: Int64[Tensor, " n_sums"]
    lacks: tuple[int, ...]

    @staticmethod
    def of(dataset: Dataset, sums: Sums, pressure_unit: float) -> "_Part":
        """Compares with the references of a data set."""
        like, terms = sums.unit, _terms(dataset, pressure_unit)
        scale, pull, shift = (torch.zeros_like(like) for _ in range(3))
        term, lacks = torch.zeros_like(like, dtype=torch.int64), []
        for k, (own, place) in enumerate(zip(terms, sums.places, strict=True)):
            term[place] = k
            if len(own.weight) == 0:
                continue
            if place.start == place.stop:
                lacks += [k] if bool((own.weight > 0).any()) else []
                continue
            root = own.weight.sqrt()
            scale[place] = torch.where(root > 0, root * sums.unit[place], 0.0)
            pull[place] = root * own.pull
            shift[place] = root * (sums.shift[place] - own.reference)
        columns = scale[:, None], pull[:, None], shift[:, None]
        return _Part(sums, *columns, term, tuple(lacks))

    def __call__(
        self, numbers: Float64[Tensor, "n_models n_numbers"], factors: Float64[Tensor, " 3"]
    ) -> Float64[Tensor, "n_models _"]:
        """Of each model twice the loss, and then its gradient.

        Args:
            numbers: The parameters, and at last the free pressure.
            factors: Of the terms, twice as large as those of the loss.
        """
        found = self.sums(numbers[:, :-1])
        off = torch.addcmul(self.shift, found.sums, self.scale)
        off = torch.addcmul(off, self.pull, numbers[:, -1])
        by_off = off * factors.index_select(0, self.term)[:, None]
        parts = self.sums.changes(found, by_off * self.scale)
        losses, by_pressure = (off * by_off).sum(0, keepdim=True), self.pull.T @ by_off
        return torch.cat([losses.T, *parts, by_pressure.T], 1)


@dataclass(eq=False)
class _Evaluation:
    """What runs for certain parts, and as many models as there are at most.

    Attributes:
        parts: Of the data set.
        n_models: Models that are evaluated together.
        recorder: What makes it run.
        n_calls: How often it was asked for.
        run: From the host to the host.
    """

    parts: list[_Part]
    n_models: int
    recorder: Recorder
    n_calls: int = 0
    run: Run | None = None

    def serves(self, parts: Sequence[_Part], n_models: int) -> bool:
        """Whether it does for others."""
        same = len(parts) == len(self.parts) and all(map(operator.is_, parts, self.parts))
        return same and n_models <= self.n_models

    def __call__(self, points: Points, factors: Sequence[float]) -> Float64[ndarray, "n_models _"]:
        """Of each model the loss, and then its gradient; without the price of the pressure."""
        filled = [*points, *[points[0]] * (self.n_models - len(points))]
        given = torch.from_numpy(np.concatenate([*filled, 2 * np.array(factors)]))
        if self.run is None or self.n_calls == 1:
            self.run = self._made(len(given), is_repeated=self.n_calls > 0)
        self.n_calls += 1
        try:
            found = self.run(given)
        except torch.OutOfMemoryError:
            if not isinstance(self.run, Replay):
                raise
            self.run = self._made(len(given), is_repeated=False)
            torch.cuda.empty_cache()
            found = self.run(given)
        values = found.numpy().reshape(self.n_models, -1)[: len(points)]
        values[:, 0] /= 2
        return values

    def _made(self, n_numbers: int, is_repeated: bool) -> Run:
        held = self.n_models * sum(part.sums.n_held for part in self.parts)
        is_fixed = all(part.sums.is_kept for part in self.parts) and held <= MOST_RECORDED
        if is_repeated and is_fixed:
            return self.recorder.run(self.step, n_numbers)
        return lambda given: self.step(given.to(self.recorder.device)).cpu()

    def step(self, given: Float64[Tensor, " _"]) -> Float64[Tensor, " _"]:
        """From numbers of all models and factors to what parts give of them, in a row."""
        numbers, factors = given[:-3].view(self.n_models, -1), given[-3:]
        found = None
        for part in self.parts:
            own = part(numbers, factors)
            found = own if found is None else found + own
        if found is None:
            found = numbers.new_zeros(self.n_models, 1 + numbers.shape[1])
        return found.flatten()


class DeviceLoss:
    """Loss and gradient over data sets on a device, and what models predict for them."""

    def __init__(
        self,
        networks: Sequence[nn.Module],
        normalization: Normalization,
        pressure_unit: float,
        precision: Precision,
    ) -> None:
        """Has looked at no data set yet.

        Args:
            networks: One per species: their forms.
            normalization: On the device.
            pressure_unit: What 1 of the free pressure stands for (energy/length^3).
            precision: Of networks and products where there are gradients.
        """
        self._networks, self._normalization = networks, normalization
        self._pressure_unit, self._precision = pressure_unit, precision
        self._recorder = Recorder(normalization.energy_offsets.device)
        self._parts: dict[tuple[int, bool], tuple[Dataset, _Part]] = {}
        self._last: _Evaluation | None = None

    def evaluate(
        self,
        points: Points,
        parts: Sequence[Dataset],
        weights: Sequence[float],
        counts: Float64[ndarray, " 3"],
    ) -> Float64[ndarray, "n_models _"]:
        """Of each model the loss, and then its gradient; without the price of the pressure.

        Args:
            points: The numbers of each model.
            parts: Which data sets.
            weights: Of energies, forces and stress.
            counts: How many numbers the mean of each is taken over.
        """
        grad = max(weights[1:]) > 0
        own = [self._part(part, grad) for part in parts]
        if self._last is None or not self._last.serves(own, len(points)):
            self._last = _Evaluation(own, len(points), self._recorder)
        pairs = zip(weights, counts, strict=True)
        found = self._last(points, [w / n if w > 0 else 0.0 for w, n in pairs])
        if any(weights[k] > 0 for part in own for k in part.lacks):
            found[:, 0] = np.nan
        return found

    def predict(self, points: Points, dataset: Dataset, *, grad: bool) -> list[Prediction]:
        """What each model says of a data set, on the host."""
        sums = self._part(dataset, grad).sums
        with torch.no_grad():
            numbers = torch.from_numpy(np.stack(points)).to(self._recorder.device)
            found = sums(numbers[:, :-1]).sums
            found = torch.addcmul(sums.shift[:, None], found, sums.unit[:, None]).T.cpu()
        energies, gradients, stresses = (found[:, place] for place in sums.places)
        if not sums.first_output:
            return [Prediction(own[:, None]) for own in energies]
        both = zip(energies, gradients, stresses, strict=True)
        return [Prediction(e[:, None], g.view(-1, 3), s.view(-1, 6)) for e, g, s in both]

    def _part(self, dataset: Dataset, grad: bool) -> _Part:
        """A data set made ready; anew where its derivatives are others now."""
        grad = grad and dataset.derivatives is not None
        known = self._parts.get((id(dataset), grad))
        if known is not None and known[1].sums.is_of(dataset):
            return known[1]
        if known is not None:
            self._last = None
            del self._parts[id(dataset), grad]
        dtype = torch.float32 if grad and self._precision == "single" else torch.float64
        sums = Sums(self._networks, dataset, self._normalization, dtype, grad)
        made = _Part.of(dataset, sums, self._pressure_unit)
        self._parts[id(dataset), grad] = dataset, made
        return made
