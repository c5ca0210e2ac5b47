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
from miniff.ml._device._table import Rows, TensorTable, tensor_of

__all__ = ["TensorEnvironment"]

KEPT = torch.float32
"""Type of derivatives that are kept, as in the compiled core."""


@dataclass(frozen=True, eq=False)
class _Kept:
    """Derivatives of the first rows.

    Attributes:
        images: Where the images were.
        rows: Of each row dF/d(vectors) [n_centres, 3 n_places, n_functions].
    """

    images: Tensor
    rows: list[Tensor]

    def n_for(self, images: Tensor) -> int:
        """How many rows there are for images at these places: none if they are others."""
        is_there = images.shape == self.images.shape and images.data_ptr() == self.images.data_ptr()
        return len(self.rows) if is_there else 0

    def vjp(self, k: int, weight: Tensor) -> Tensor:
        kept = self.rows[k].to(weight.dtype)
        product: Tensor = kept @ weight.permute(1, 2, 0)  # [centre, 3 place, model]
        n_models, n_centres, n_numbers = len(weight), len(kept), kept.shape[1]
        return product.permute(2, 0, 1).reshape(n_models, n_centres, n_numbers // 3, 3)

    def jvp(self, k: int, along: Tensor, dtype: torch.dtype) -> Tensor:
        kept = self.rows[k].to(dtype)
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
        rows = list(near.rows(atoms, functions.n_numbers, most))
        return TensorEnvironment(functions, rows, len(centres))

    @property
    def bytes_needed(self) -> int:
        """What derivatives of all rows take if they are kept."""
        return sum(map(self._bytes_of, self.rows))

    def _bytes_of(self, row: Rows) -> int:
        size = torch.finfo(KEPT).bits // 8
        return 3 * size * row.images.numel() * self.functions.n_functions

    def keeping(self, images: Float64[Tensor, "n_images 3"], limit: float) -> "TensorEnvironment":
        """With derivatives of as many rows as fit into so many bytes, where the images are now."""
        ends = np.cumsum([self._bytes_of(row) for row in self.rows])
        n = int(np.searchsorted(ends, limit, side="right"))
        rows = [self._jacobian(row, images) for row in self.rows[:n]]
        return replace(self, kept=_Kept(images.detach(), rows) if rows else None)

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

    def _jacobian(self, row: Rows, images: Tensor) -> Tensor:
        """dF/d(vectors) [n_centres, 3 n_places, n_functions]."""
        with torch.enable_grad():
            vectors = self._vectors(row, images.detach()).requires_grad_()
            values = self._values(row, vectors)
            shape = (len(values), vectors[0].numel() if len(vectors) else 0, values.shape[1])
            out = torch.zeros(shape, dtype=KEPT, device=images.device)
            for f in range(values.shape[1] if values.requires_grad else 0):
                total = values[:, f].sum()
                (slope,) = torch.autograd.grad(total, vectors, retain_graph=True)
                out[:, :, f] = slope.flatten(1)
        return out


@cache
def _load_forward_mode() -> None:
    """The first use of it loads parts of torch that warn of others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        one = torch.ones(1)
        torch.func.jvp(torch.sin, (one,), (one,))
