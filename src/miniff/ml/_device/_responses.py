"""What the derivatives of a centre by the vectors to its neighbours are for gradient and stress.

With g_p = dE/dd_p of the p-th neighbour of a centre i, in a row of 3 n_places + 9 numbers:

    g_p                                  is added to dE/dr of the neighbour, place by place,
    -sum_p g_p                           to dE/dr of i,
    sum_p (d_p g_p^T + g_p d_p^T) / 2    to dE/d(strain) of the structure, xx yy zz yz xz xy.

The sums of all centres are one sum by index into one list: 3 numbers of each atom, then 6 of each
structure.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from miniff._stress import VOIGT
from miniff.ml._device._table import Rows, TensorTable

__all__ = ["N_OF_CENTRE", "moves_of", "places_of", "responses_of", "voigt"]

N_OF_CENTRE = 9
"""Numbers of a row that are not of a neighbour."""


def places_of(row: Rows, table: TensorTable) -> Int64[Tensor, "n_centres n_numbers"]:
    """Where the numbers of each centre are added; what no neighbour takes to the centre itself."""
    n_centres, device = len(row.centres), row.centres.device
    xyz, components = (torch.arange(n, device=device) for n in (3, 6))
    atoms = table.image_atom[row.images] if row.images.numel() else row.images
    atoms = torch.where(row.taken, atoms, row.centres[:, None])
    atoms = torch.cat([atoms, row.centres[:, None]], 1)
    by_atom = (3 * atoms[..., None] + xyz).reshape(n_centres, 3 * atoms.shape[1])
    first = 3 * table.n_atoms + 6 * table.structure[row.centres]
    return torch.cat([by_atom, first[:, None] + components], 1)


def responses_of(
    by_vector: Float[Tensor, "*models n_centres n_places 3"],
    vectors: Float[Tensor, "n_centres n_places 3"],
    row: Rows,
) -> Float[Tensor, "*models n_centres n_numbers"]:
    """The row of numbers of each centre from derivatives by the vectors."""
    own = by_vector * row.taken[..., None]
    strain = vectors.to(own.dtype).transpose(-1, -2) @ own
    return torch.cat([own.flatten(-2), -own.sum(-2), voigt(strain)], -1)


def moves_of(
    along: Float[Tensor, "*models n_centres n_numbers"],
    vectors: Float[Tensor, "n_centres n_places 3"],
    row: Rows,
) -> Float[Tensor, "*models n_centres n_places 3"]:
    """How the vectors change when what the numbers belong to changes by so much: the transpose."""
    n = along.shape[-1] - N_OF_CENTRE
    of_places, of_centre, components = along.split([n, 3, 6], -1)
    xx, yy, zz, yz, xz, xy = components.unbind(-1)
    yz, xz, xy = yz / 2, xz / 2, xy / 2
    strain = torch.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], -1).unflatten(-1, (3, 3))
    straight = of_places.unflatten(-1, (-1, 3)) - of_centre[..., None, :]
    moved: Tensor = (straight + vectors.to(along.dtype) @ strain) * row.taken[..., None]
    return moved


def voigt(strain: Float[Tensor, "*sizes 3 3"]) -> Float[Tensor, "*sizes 6"]:
    """The symmetric part, in the order of stress."""
    # An index of Python's numbers would be sent to a device, which waits for it.
    parts = ((strain + strain.transpose(-1, -2)) / 2).flatten(-2).unbind(-1)
    return torch.stack([parts[3 * row + column] for row, column in zip(*VOIGT, strict=True)], -1)
