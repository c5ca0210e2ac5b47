"""Descriptors as torch operations: values, and their vector-Jacobian products by pair vectors.

For functions F[i, f] of the pair vectors d, ``values`` has the backward ``vjp`` and ``vjp`` has, in
its weights, the backward ``jvp``. No Jacobian is stored. What is not there, the derivative of
``vjp`` by the pair vectors, raises when it is asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from numpy import ndarray
from torch import Tensor

from miniff._neighbors import PairTable
from miniff.potentials import Functions

__all__ = ["Environment", "descriptor_values", "gather", "pair_gradient", "pair_vectors"]


@dataclass(frozen=True, eq=False)
class Environment:
    """Descriptors of the atoms of one species in a table.

    Attributes:
        functions: The descriptors.
        centres: The atoms, in the order of the rows of F.
    """

    functions: Functions
    centres: Int64[ndarray, " n_centres"]


def pair_vectors(
    positions: Float[Tensor, "n_atoms 3"],
    cells: Float[Tensor, "n_structures 3 3"],
    table: PairTable,
) -> Float[Tensor, "n_pairs 3"]:
    """r_j - r_i with the image shift, differentiable in positions and cells (length)."""
    centre, other = torch.from_numpy(table.centre), torch.from_numpy(table.other.astype(np.int64))
    shifts = torch.from_numpy(table.shifts).to(positions.dtype)
    of_pair = torch.from_numpy(table.structure)[centre]
    moved = torch.einsum("pa,pax->px", shifts, cells[of_pair])  # [pair, cell vector, xyz]
    return positions[other] - positions[centre] + moved


def descriptor_values(
    vectors: Float64[Tensor, "n_pairs 3"], table: PairTable, environment: Environment
) -> Float64[Tensor, "n_centres n_functions"]:
    """F of the environment's atoms, differentiable once in the pair vectors."""
    result: Tensor = _Values.apply(vectors, table, environment)  # type: ignore[no-untyped-call]
    return result


def pair_gradient(
    vectors: Float64[Tensor, "n_pairs 3"],
    table: PairTable,
    environments: Sequence[Environment],
    weights: Sequence[Float64[Tensor, "_ _"]],
) -> Float64[Tensor, "n_pairs 3"]:
    """sum_if weights[i, f] dF[i, f]/dd over all environments; differentiable in the weights.

    Raises:
        NotImplementedError: On backward, if the gradient by ``vectors`` is asked for.
    """
    result: Tensor = _Vjp.apply(vectors, table, tuple(environments), *weights)  # type: ignore[no-untyped-call]
    return result


def gather(
    by_pair: Float64[Tensor, "n_pairs 3"], table: PairTable
) -> tuple[Float64[Tensor, "n_atoms 3"], Float64[Tensor, "n_structures 3 3"]]:
    """dE/dr of the atoms and dE/d(strain) of the structures from dE/dd of the pairs."""
    gradient, strain = _Gather.apply(by_pair, table)  # type: ignore[no-untyped-call]
    return gradient, strain


def _with_vectors(table: PairTable, vectors: Tensor) -> PairTable:
    """The table at other pair vectors; shares their memory."""
    if vectors.dtype != torch.float64:
        raise TypeError(f"pair vectors are {vectors.dtype} but must be torch.float64")
    return replace(table, vectors=_numpy(vectors))


def _numpy(tensor: Tensor) -> ndarray:
    array: ndarray = tensor.detach().contiguous().numpy()
    return array


class _Values(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor, table: PairTable, environment: Environment) -> Tensor:
        ctx.save_for_backward(vectors)
        ctx.table, ctx.environment = table, environment
        at = _with_vectors(table, vectors)
        return torch.from_numpy(environment.functions.values(at, environment.centres))

    @staticmethod
    def backward(ctx: Any, weight: Tensor) -> tuple[Tensor, None, None]:
        (vectors,) = ctx.saved_tensors
        return pair_gradient(vectors, ctx.table, (ctx.environment,), (weight,)), None, None


class _Vjp(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        vectors: Tensor,
        table: PairTable,
        environments: tuple[Environment, ...],
        *weights: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(vectors)
        ctx.table, ctx.environments = table, environments
        at = _with_vectors(table, vectors)
        gradient = np.zeros((table.n_pairs, 3))
        for e, weight in zip(environments, weights, strict=True):
            e.functions.vjp(at, e.centres, _numpy(weight), gradient)
        return torch.from_numpy(gradient)

    @staticmethod
    def backward(ctx: Any, direction: Tensor) -> tuple[Tensor | None, ...]:
        _refuse_second_derivative(ctx)
        (vectors,) = ctx.saved_tensors
        by_weight = _Jvp.apply(vectors, ctx.table, ctx.environments, direction)  # type: ignore[no-untyped-call]
        return None, None, None, *by_weight


class _Jvp(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        vectors: Tensor,
        table: PairTable,
        environments: tuple[Environment, ...],
        direction: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(vectors)
        ctx.table, ctx.environments = table, environments
        at = _with_vectors(table, vectors)
        along = _numpy(direction)
        changes = (e.functions.jvp(at, e.centres, along) for e in environments)
        return tuple(torch.from_numpy(change) for change in changes)

    @staticmethod
    def backward(ctx: Any, *weights: Tensor) -> tuple[Tensor | None, ...]:
        _refuse_second_derivative(ctx)
        (vectors,) = ctx.saved_tensors
        return None, None, None, pair_gradient(vectors, ctx.table, ctx.environments, weights)


def _refuse_second_derivative(ctx: Any) -> None:
    if ctx.needs_input_grad[0]:
        raise NotImplementedError(
            "second derivatives of descriptors by positions are not available: ask for the "
            "gradient in the weights only, or detach the positions"
        )


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, by_pair: Tensor, table: PairTable) -> tuple[Tensor, Tensor]:
        ctx.table = table
        array = _numpy(by_pair)
        return torch.from_numpy(table.gather(array)), torch.from_numpy(table.gather_strain(array))

    @staticmethod
    def backward(ctx: Any, by_atom: Tensor, by_strain: Tensor) -> tuple[Tensor, None]:
        along: Tensor = _Scatter.apply(by_atom, by_strain, ctx.table)  # type: ignore[no-untyped-call]
        return along, None


class _Scatter(torch.autograd.Function):
    """The transpose of gather: how pair vectors move with atoms and with strained structures."""

    @staticmethod
    def forward(ctx: Any, by_atom: Tensor, by_strain: Tensor, table: PairTable) -> Tensor:
        ctx.table = table
        moves, strain = _numpy(by_atom), _numpy(by_strain)
        along = moves[table.other] - moves[table.centre]
        strained = strain[table.structure[table.centre]]
        along += np.einsum("px,pxy->py", table.vectors, strained)  # [pair, xyz, xyz]
        return torch.from_numpy(along)

    @staticmethod
    def backward(ctx: Any, by_pair: Tensor) -> tuple[Tensor, Tensor, None]:
        gradient, strain = gather(by_pair, ctx.table)
        return gradient, strain, None
