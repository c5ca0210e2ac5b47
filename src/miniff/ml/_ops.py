"""Descriptors as torch operations: values, and their vector-Jacobian products by image positions.

For functions F[i, f] of the image positions x, ``values`` has the backward ``vjp`` and ``vjp`` has,
in its weights, the backward ``jvp``. No Jacobian is stored. What is not there, the derivative of
``vjp`` by the positions, raises when it is asked for. Products with the Jacobian are those of
several models at once, along the first axis of arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from numpy import ndarray
from torch import Tensor

from miniff._neighbors import PairTable
from miniff.ml._device._environment import TensorEnvironment
from miniff.ml._device._ops import tensor_image_gradient
from miniff.ml._device._table import TensorTable
from miniff.ml._kept import KeptDerivatives
from miniff.potentials import Functions

__all__ = ["Environment", "descriptor_values", "gather", "image_gradient", "image_positions"]


@dataclass(frozen=True, eq=False)
class Environment:
    """Descriptors of the atoms of one species in a table.

    Attributes:
        functions: The descriptors.
        centres: The atoms, in the order of the rows of F.
        kept: Derivatives of the first of them that stay in memory, or None.
    """

    functions: Functions
    centres: Int64[ndarray, " n_centres"]
    kept: KeptDerivatives | None = None

    def _n_kept(self, images: ndarray) -> int:
        return 0 if self.kept is None or not self.kept.serve(images) else self.kept.n_rows

    def add_vjp(
        self,
        table: PairTable,
        images: Float64[ndarray, "n_images 3"],
        weight: Float[ndarray, "n_models n_centres n_functions"],
        by_image: Float64[ndarray, "n_models n_images 3"],
    ) -> None:
        """by_image += sum_if weight[:, i, f] dF[i, f]/dx"""
        n = self._n_kept(images)
        if self.kept is not None and n > 0:
            self.kept.add_vjp(np.ascontiguousarray(weight[:, :n]), by_image)
        if n < len(self.centres):
            for one, out in zip(weight, by_image, strict=True):
                rest = np.ascontiguousarray(one[n:], np.float64)
                self.functions.vjp(table, self.centres[n:], rest, out, images)

    def jvp(
        self,
        table: PairTable,
        images: Float64[ndarray, "n_images 3"],
        direction: Float64[ndarray, "n_models n_images 3"],
        dtype: type = np.float64,
    ) -> Float[ndarray, "n_models n_centres n_functions"]:
        """The changes of F when the images move along the directions."""
        n = self._n_kept(images)
        parts: list[ndarray] = [np.zeros((len(direction), 0, len(self.functions)), dtype)]
        if self.kept is not None and n > 0:
            parts.append(self.kept.jvp(direction, dtype))
        if n < len(self.centres):
            rest = self.centres[n:]
            changes = [self.functions.jvp(table, rest, one, images) for one in direction]
            parts.append(np.stack(changes).astype(dtype, copy=False))
        return parts[-1] if len(parts) == 2 else np.concatenate(parts, axis=1)


def image_positions(
    positions: Float[Tensor, "n_atoms 3"],
    cells: Float[Tensor, "n_structures 3 3"],
    table: PairTable | TensorTable,
) -> Float[Tensor, "n_images 3"]:
    """Positions of the images, differentiable in positions and cells (length)."""
    if isinstance(table, TensorTable):
        return table.image_positions(positions, cells)
    atom = torch.from_numpy(table.image_atom.astype(np.int64))
    shifts = torch.from_numpy(table.image_shift).to(positions.dtype)
    of_image = torch.from_numpy(table.structure)[atom]
    moved = torch.einsum("ma,max->mx", shifts, cells[of_image])  # [image, cell vector, xyz]
    return positions[atom] + moved


def descriptor_values(
    images: Float64[Tensor, "n_images 3"],
    table: PairTable | TensorTable,
    environment: Environment | TensorEnvironment,
) -> Float[Tensor, "n_centres n_functions"]:
    """F of the environment's atoms, differentiable once in the positions of the images.

    In torch as often as wanted: with an environment, and its table, of a data set on a device.
    """
    if isinstance(environment, TensorEnvironment):
        return environment.values(images)
    result: Tensor = _Values.apply(images, table, environment)  # type: ignore[no-untyped-call]
    return result


def image_gradient(
    images: Float64[Tensor, "n_images 3"],
    table: PairTable | TensorTable,
    environments: Sequence[Environment | TensorEnvironment],
    weights: Sequence[Float[Tensor, "n_models _ _"]],
) -> Float64[Tensor, "n_models n_images 3"]:
    """sum_if weights[:, i, f] dF[i, f]/dx over all environments; differentiable in the weights.

    Weights in single precision are multiplied in single precision with derivatives that are kept.

    Args:
        images: Positions (length).
        table: Whose images they are.
        environments: Functions of the centres, for each species.
        weights: For each environment, [n_models, n_centres, n_functions].

    Raises:
        NotImplementedError: On backward, if the gradient by ``images`` is asked for and the
            compiled core computes; torch has it.
    """
    there = [e for e in environments if isinstance(e, TensorEnvironment)]
    if there:
        assert len(there) == len(environments)
        return tensor_image_gradient(images, there, weights)
    result: Tensor = _Vjp.apply(images, table, tuple(environments), *weights)  # type: ignore[no-untyped-call]
    return result


def gather(
    by_image: Float64[Tensor, "n_models n_images 3"], table: PairTable | TensorTable
) -> tuple[Float64[Tensor, "n_models n_atoms 3"], Float64[Tensor, "n_models n_structures 3 3"]]:
    """dE/dr of the atoms and dE/d(strain) of the structures from dE/dx of the images."""
    if isinstance(table, TensorTable):
        return table.gather(by_image)
    gradient, strain = _Gather.apply(by_image, table)  # type: ignore[no-untyped-call]
    return gradient, strain


def _numpy(tensor: Tensor) -> ndarray:
    array: ndarray = tensor.detach().contiguous().numpy()
    return array


def _places(images: Tensor) -> ndarray:
    if images.dtype != torch.float64:
        raise TypeError(f"image positions are {images.dtype} but must be torch.float64")
    return _numpy(images)


class _Values(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, table: PairTable, environment: Environment) -> Tensor:
        ctx.save_for_backward(images)
        ctx.table, ctx.environment = table, environment
        values = environment.functions.values(table, environment.centres, _places(images))
        return torch.from_numpy(values)

    @staticmethod
    def backward(ctx: Any, weight: Tensor) -> tuple[Tensor, None, None]:
        (images,) = ctx.saved_tensors
        by_image = image_gradient(images, ctx.table, (ctx.environment,), (weight[None],))
        return by_image[0], None, None


class _Vjp(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        table: PairTable,
        environments: tuple[Environment, ...],
        *weights: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(images)
        ctx.table, ctx.environments = table, environments
        ctx.dtype = _numpy(weights[0]).dtype.type
        places = _places(images)
        by_image = np.zeros((len(weights[0]), table.n_images, 3))
        for e, weight in zip(environments, weights, strict=True):
            e.add_vjp(table, places, _numpy(weight), by_image)
        return torch.from_numpy(by_image)

    @staticmethod
    def backward(ctx: Any, direction: Tensor) -> tuple[Tensor | None, ...]:
        _refuse_second_derivative(ctx)
        (images,) = ctx.saved_tensors
        by_weight = _Jvp.apply(  # type: ignore[no-untyped-call]
            images, ctx.table, ctx.environments, direction, ctx.dtype
        )
        return None, None, None, *by_weight


class _Jvp(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        table: PairTable,
        environments: tuple[Environment, ...],
        direction: Tensor,
        dtype: type,
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(images)
        ctx.table, ctx.environments = table, environments
        places, along = _places(images), _numpy(direction)
        changes = (e.jvp(table, places, along, dtype) for e in environments)
        return tuple(torch.from_numpy(change) for change in changes)

    @staticmethod
    def backward(ctx: Any, *weights: Tensor) -> tuple[Tensor | None, ...]:
        _refuse_second_derivative(ctx)
        (images,) = ctx.saved_tensors
        by_direction = image_gradient(images, ctx.table, ctx.environments, weights)
        return None, None, None, by_direction, None


def _refuse_second_derivative(ctx: Any) -> None:
    if ctx.needs_input_grad[0]:
        raise NotImplementedError(
            "second derivatives of descriptors by positions are not available: ask for the "
            "gradient in the weights only, or detach the positions"
        )


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, by_image: Tensor, table: PairTable) -> tuple[Tensor, Tensor]:
        ctx.table = table
        parts = [table.gather(one) for one in _numpy(by_image)]
        gradient, strain = (torch.from_numpy(np.stack(part)) for part in zip(*parts, strict=True))
        return gradient, strain

    @staticmethod
    def backward(ctx: Any, by_atom: Tensor, by_strain: Tensor) -> tuple[Tensor, None]:
        along: Tensor = _Scatter.apply(by_atom, by_strain, ctx.table)  # type: ignore[no-untyped-call]
        return along, None


class _Scatter(torch.autograd.Function):
    """The transpose of gather: how images move with atoms and with strained structures."""

    @staticmethod
    def forward(ctx: Any, by_atom: Tensor, by_strain: Tensor, table: PairTable) -> Tensor:
        ctx.table = table
        parts = zip(_numpy(by_atom), _numpy(by_strain), strict=True)
        return torch.from_numpy(np.stack([table.spread(*part) for part in parts]))

    @staticmethod
    def backward(ctx: Any, by_image: Tensor) -> tuple[Tensor, Tensor, None]:
        gradient, strain = gather(by_image, ctx.table)
        return gradient, strain, None
