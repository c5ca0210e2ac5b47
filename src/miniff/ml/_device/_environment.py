"""Descriptors of the atoms of a species on a device: values and products with their derivatives.

What :class:`miniff.ml.Environment` is for the compiled core. Rows of neighbours are made once;
derivatives by the vectors to neighbours are computed anew in each product, row by row, or kept.
"""

import warnings
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from numpy import ndarray
from torch import Tensor

from miniff.ml._device._functions import TensorFunctions
from miniff.ml._device._responses import N_OF_CENTRE, moves_of, responses_of
from miniff.ml._device._table import Rows, TensorTable, tensor_of

__all__ = ["KEPT", "TensorEnvironment"]

KEPT = torch.float32
"""Type of derivatives that are kept, as in the compiled core, where nothing else is said."""
EMPTY_NUMBERS = 2.0**24
"""So many numbers of derivatives may be zeros because rows are as long as the longest: to read as
many takes a device about as long as it takes to start what another row would need."""


@dataclass(frozen=True, eq=False)
class _Kept:
    """Derivatives of the first rows.

    Attributes:
        images: Where the images were.
        rows: Of each row what :mod:`miniff.ml._device._responses` says of a centre, of each
            function, [n_centres, 3 n_places + 9, n_functions].
    """

    images: Tensor
    rows: list[Tensor]

    def n_for(self, images: Tensor) -> int:
        """How many rows there are for images at these places: none if they are others."""
        is_there = images.shape == self.images.shape and images.data_ptr() == self.images.data_ptr()
        return len(self.rows) if is_there else 0

    def vjp(self, k: int, weight: Tensor) -> Tensor:
        kept = self.rows[k][:, :-N_OF_CENTRE].to(weight.dtype)
        product: Tensor = kept @ weight.permute(1, 2, 0)  # [centre, 3 place, model]
        n_models, n_centres, n_numbers = len(weight), len(kept), kept.shape[1]
        return product.permute(2, 0, 1).reshape(n_models, n_centres, n_numbers // 3, 3)

    def jvp(self, k: int, along: Tensor, dtype: torch.dtype) -> Tensor:
        kept = self.rows[k][:, :-N_OF_CENTRE].to(dtype)
        moves = along.to(dtype).flatten(2).permute(1, 2, 0)  # [centre, 3 place, model]
        product: Tensor = kept.transpose(1, 2) @ moves
        return product.permute(2, 0, 1)


@dataclass(frozen=True, eq=False)
class TensorEnvironment:
    """Environment functions of certain centres where a table has them.

    Attributes:
        functions: The descriptors, in the type in which products are computed.
        rows: The centres with their neighbours.
        n_centres: How many there are.
        kept: Derivatives of the first rows that stay in memory, or None.
    """

    functions: TensorFunctions
    rows: list[Rows]
    n_centres: int
    kept: _Kept | None = None

    @staticmethod
    def of(
        functions: TensorFunctions,
        table: TensorTable,
        centres: Int64[ndarray, " n_centres"],
        most: float,
    ) -> "TensorEnvironment":
        """Rows for the centres, each of about so many numbers at most."""
        _load_forward_mode()
        near = table.within(functions.cutoff)
        atoms = tensor_of(centres, table.images.device)
        most_empty = EMPTY_NUMBERS / (3 * max(len(functions), 1))
        rows = list(near.rows(atoms, functions.n_numbers, most, most_empty))
        return TensorEnvironment(functions, rows, len(centres))

    def bytes_needed(self, dtype: torch.dtype = KEPT) -> int:
        """What derivatives of all rows take if they are kept."""
        return sum(self._bytes_of(row, dtype) for row in self.rows)

    def _bytes_of(self, row: Rows, dtype: torch.dtype) -> int:
        n_numbers = 3 * row.images.numel() + N_OF_CENTRE * len(row.centres)
        return torch.finfo(dtype).bits // 8 * n_numbers * self.functions.n_functions

    def keeping(
        self, images: Float64[Tensor, "n_images 3"], limit: float, dtype: torch.dtype = KEPT
    ) -> "TensorEnvironment":
        """With derivatives of as many rows as fit into so many bytes, where the images are now."""
        ends = np.cumsum([self._bytes_of(row, dtype) for row in self.rows])
        n = int(np.searchsorted(ends, limit, side="right"))
        rows = [self._jacobian(row, images, dtype) for row in self.rows[:n]]
        return replace(self, kept=_Kept(images.detach(), rows) if rows else None)

    @property
    def is_kept(self) -> bool:
        """Whether the derivatives of all rows are."""
        return len(self.rows) == (0 if self.kept is None else len(self.kept.rows))

    def responses(
        self,
        k: int,
        images: Float64[Tensor, "n_images 3"],
        weight: Float[Tensor, "n_models n_centres n_functions"],
    ) -> Float[Tensor, "n_centres n_numbers n_models"]:
        """What the centres of the k-th row give; see :mod:`miniff.ml._device._responses`.

        Args:
            k: Which row.
            images: Positions (length).
            weight: By the functions of the centres, in the order of the row.
        """
        if k < self._n_kept(images):
            assert self.kept is not None
            return self.kept.rows[k].to(weight.dtype) @ weight.permute(1, 2, 0)
        row = self.rows[k]
        found = responses_of(self._vjp(row, images, weight), self._vectors(row, images), row)
        return found.to(weight.dtype).permute(1, 2, 0)

    def changes(
        self,
        k: int,
        images: Float64[Tensor, "n_images 3"],
        along: Float[Tensor, "n_centres n_numbers n_models"],
    ) -> Float[Tensor, "n_models n_centres n_functions"]:
        """The transpose: how functions change when what the numbers belong to does."""
        if k < self._n_kept(images):
            assert self.kept is not None
            product = self.kept.rows[k].to(along.dtype).transpose(1, 2) @ along
            return product.permute(2, 0, 1)
        row = self.rows[k]
        vectors = self._vectors(row, images)
        moves = moves_of(along.permute(2, 0, 1).to(vectors.dtype), vectors, row)
        return self._jvp(row, images, moves).to(along.dtype)

    def _n_kept(self, images: Tensor) -> int:
        return 0 if self.kept is None else self.kept.n_for(images)

    def values(self, images: Float64[Tensor, "n_images 3"]) -> Float[Tensor, "n_centres _"]:
        """F of the centres; differentiable by the images as often as wanted."""
        parts = [self._values(row, self._vectors(row, images)) for row in self.rows]
        places = [row.places for row in self.rows]
        if not parts:
            return images.new_zeros(0, self.functions.n_functions)
        return torch.cat(parts)[torch.cat(places).argsort()]

    def add_vjp(
        self,
        images: Float64[Tensor, "n_images 3"],
        weight: Float[Tensor, "n_models n_centres n_functions"],
        by_image: Float64[Tensor, "n_models n_images 3"],
    ) -> None:
        """by_image += sum_if weight[:, i, f] dF[i, f]/dx"""
        n = self._n_kept(images)
        for k, row in enumerate(self.rows):
            own = weight[:, row.places]
            if self.kept is not None and k < n:
                row.add(self.kept.vjp(k, own), by_image)
            else:
                row.add(self._vjp(row, images, own), by_image)

    def jvp(
        self,
        images: Float64[Tensor, "n_images 3"],
        direction: Float64[Tensor, "n_models n_images 3"],
        dtype: torch.dtype,
    ) -> Float[Tensor, "n_models n_centres n_functions"]:
        """The changes of F when the images move along the directions."""
        shape = (len(direction), self.n_centres, self.functions.n_functions)
        out = torch.empty(shape, dtype=dtype, device=images.device)
        n = self._n_kept(images)
        for k, row in enumerate(self.rows):
            along = row.differences(direction)
            if self.kept is not None and k < n:
                own = self.kept.jvp(k, along, dtype)
            else:
                own = self._jvp(row, images, along)
            out[:, row.places] = own.to(dtype)
        return out

    def _vectors(self, row: Rows, images: Tensor) -> Tensor:
        return row.vectors(images, self.functions.far)

    def _values(self, row: Rows, vectors: Tensor) -> Tensor:
        return self.functions.values(vectors.to(self.functions.dtype), row.species_places)

    def _vjp(self, row: Rows, images: Tensor, weight: Tensor) -> Tensor:
        with torch.enable_grad():
            vectors = self._vectors(row, images.detach()).requires_grad_()
            values = self._values(row, vectors)
            if not values.requires_grad:  # no function sees a neighbour
                return vectors.new_zeros(len(weight), *vectors.shape)
            found = [
                torch.autograd.grad(values, vectors, one.to(values.dtype), retain_graph=True)[0]
                for one in weight
            ]
        return torch.stack(found)

    def _jvp(self, row: Rows, images: Tensor, along: Tensor) -> Tensor:
        vectors = self._vectors(row, images.detach())

        def values(at: Tensor) -> Tensor:
            return self._values(row, at)

        found = [torch.func.jvp(values, (vectors,), (one,))[1] for one in along]
        return torch.stack(found)

    def _jacobian(self, row: Rows, images: Tensor, dtype: torch.dtype) -> Tensor:
        """What :meth:`responses` gives for each function."""
        with torch.enable_grad():
            vectors = self._vectors(row, images.detach()).requires_grad_()
            values = self._values(row, vectors)
            n_numbers = 3 * vectors.shape[1] + N_OF_CENTRE
            out = torch.zeros(
                (len(values), n_numbers, values.shape[1]), dtype=dtype, device=images.device
            )
            for f in range(values.shape[1] if values.requires_grad else 0):
                total = values[:, f].sum()
                (slope,) = torch.autograd.grad(total, vectors, retain_graph=True)
                out[:, :, f] = responses_of(slope, vectors.detach(), row)
        return out


@cache
def _load_forward_mode() -> None:
    """The first use of it loads parts of torch that warn of others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        one = torch.ones(1)
        torch.func.jvp(torch.sin, (one,), (one,))
