"""A potential fitted to the forces of a file alone: what its energies are measured with.

It is linear in the sums over all atoms of Behler's symmetry functions 2 and 5,

    E = sum_f w_f G_f,     F = -sum_f w_f dG_f/dr,     V sigma = sum_f w_f dG_f/d(strain),

so that forces that are c times as large have c times the energies: units and signs of the forces
come out in the energies as they are. A second set of weights, fitted to stresses alone, does the
same for these.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement

import numpy as np
from numpy import ndarray

from miniff._neighbors import join
from miniff.kernel._cell import Cell
from miniff.kernel._images import compute_images
from miniff.potentials import (
    CompiledPotentials,
    LocalPotential,
    behler2_descriptor_family,
    behler5_descriptor_family,
)

__all__ = ["Functions", "Sums", "fitted", "functions_for", "ridge"]

N_SHELLS = {1: 14, 2: 12, 3: 12}
"""Radial functions of two species, by the number of species; FEW of them for more species."""
FEW = 6
WIDTHS: dict[int, tuple[float, ...]] = {1: (0.0, 1.0, 3.0), 2: (0.5, 2.0), 3: (1.0,)}
"""eta of angular functions times the square of the nearest distance, by the number of species."""
ANGLES = ((1.0, 1.0), (-1.0, 1.0), (1.0, 2.0))
"""lambda and zeta: they span 1, cos and cos^2."""
MOST_FUNCTIONS = 400
INNERMOST, OUTERMOST = 0.55, 0.9
"""Shells lie between so many nearest distances and this share of the cutoff."""
SHELLS_WITHIN, SHORTEST_CUTOFF, LONGEST_CUTOFF = 2.0, 4.5, 7.0
"""The cutoff in nearest distances, and its limits (length)."""
WIDTH = 1.2
"""Of a shell, in steps from one to the next."""
SAMPLE = 20
"""Structures whose nearest distances are looked at."""
RIDGE = 1e-8
LARGE = 3.0
"""Atoms with forces beyond so many times the median count less."""
AT_ONCE = 3000
"""Atoms in one table."""
VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])


@dataclass(frozen=True, eq=False)
class Sums:
    """Functions summed over the atoms of structures, and their derivatives.

    Attributes:
        energy: Values, [n_structures, n_functions].
        gradient: Of each structure by its atoms, [n_atoms, 3, n_functions] (1/length).
        strain: By the strain, in Voigt's order, [n_structures, 6, n_functions].
    """

    energy: ndarray
    gradient: Sequence[ndarray]
    strain: ndarray


@dataclass(frozen=True, eq=False)
class Functions:
    """Symmetry functions.

    Attributes:
        each: Potentials that are one function together: a pair of species from both sides.
        names: All species.
        cutoff: How far they look (length).
    """

    each: Sequence[Sequence[LocalPotential]]
    names: tuple[str, ...]
    cutoff: float

    @cached_property
    def _ready(self) -> dict[tuple[str, ...], list[CompiledPotentials]]:
        return {}

    def sums(self, cells: Sequence[Cell]) -> Sums:
        """Of these structures."""
        parts = [self._sums(chunk) for chunk in _chunks(cells)]
        return Sums(
            np.concatenate([part.energy for part in parts]),
            [gradient for part in parts for gradient in part.gradient],
            np.concatenate([part.strain for part in parts]),
        )

    def _sums(self, cells: Sequence[Cell]) -> Sums:
        table = join([compute_images(cell, self.cutoff).table for cell in cells])
        shape = table.n_structures, len(self.each)
        energy, strain = np.empty(shape), np.empty((shape[0], 6, shape[1]))
        gradient = np.empty((table.n_atoms, 3, shape[1]))
        for k, compiled in enumerate(self._compiled(table.names)):
            found = compiled.evaluate(table)
            energy[:, k], gradient[..., k] = found.energy, found.gradient
            strain[..., k] = found.strain_derivative[:, VOIGT[0], VOIGT[1]]
        ends = np.cumsum([cell.size for cell in cells])[:-1]
        return Sums(energy, np.split(gradient, ends), strain)

    def _compiled(self, names: tuple[str, ...]) -> list[CompiledPotentials]:
        if names not in self._ready:
            acting = [[p for p in several if p.acts_in(names)] for several in self.each]
            self._ready[names] = [CompiledPotentials(own, names) for own in acting]
        return self._ready[names]


def _chunks(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """As many as have about AT_ONCE atoms together."""
    chunk: list[Cell] = []
    for cell in cells:
        chunk.append(cell)
        if sum(own.size for own in chunk) >= AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def functions_for(cells: Sequence[Cell]) -> Functions | None:
    """Functions as wide as the bonds of these structures; None where there would be too many."""
    names = tuple(sorted({name for cell in cells for name in cell.values}))
    nearest = _nearest(cells[:: -(-len(cells) // SAMPLE)])
    if not np.isfinite(nearest):
        return None
    cutoff = float(np.clip(SHELLS_WITHIN * nearest, SHORTEST_CUTOFF, LONGEST_CUTOFF))
    each = [*_radial(names, nearest, cutoff), *_angular(names, nearest, cutoff)]
    return Functions(each, names, cutoff) if len(each) <= MOST_FUNCTIONS else None


def _nearest(cells: Sequence[Cell]) -> float:
    """The median of what atoms have to their nearest (length)."""
    found = []
    for cell in cells:
        table = compute_images(cell, LONGEST_CUTOFF).table
        r = np.linalg.norm(table.vectors, axis=1)
        least = np.full(table.n_atoms, np.inf)
        np.minimum.at(least, table.centre, r)
        found.append(least)
    return float(np.median(np.concatenate(found)))


def _radial(
    names: Sequence[str], nearest: float, cutoff: float
) -> Iterator[Sequence[LocalPotential]]:
    """Shells that lie closer where they are narrower: repulsion is steep."""
    n = N_SHELLS.get(len(names), FEW)
    places = np.geomspace(INNERMOST * nearest, OUTERMOST * cutoff, n)
    step = WIDTH * np.log(places[1] / places[0])
    for a, b in combinations_with_replacement(names, 2):
        for r in places.tolist():
            eta = 1 / (2 * (step * r) ** 2)
            one = behler2_descriptor_family(a=cutoff, eta=eta, r_sphere=r, tag=f"{a}-{b}")
            yield [one] if a == b else [one, one.copy(f"{b}-{a}")]


def _angular(
    names: Sequence[str], nearest: float, cutoff: float
) -> Iterator[Sequence[LocalPotential]]:
    """Of each centre with each two species; of all alike where there are many."""
    tags: list[str | None] = [
        f"{centre}-{a}-{b}"
        for centre in names
        for a, b in combinations_with_replacement(names, 2)
        if len(names) in WIDTHS
    ]
    for tag in tags or [None]:
        for width in WIDTHS.get(len(names), WIDTHS[3]):
            for cosine, zeta in ANGLES:
                eta = width / nearest**2
                yield [behler5_descriptor_family(a=cutoff, eta=eta, l=cosine, zeta=zeta, tag=tag)]


def fitted(sums: Sums, gradients: Sequence[ndarray]) -> ndarray:
    """Weights whose gradients are nearest to those given (energy).

    Args:
        sums: Of structures.
        gradients: Minus the forces of each, [n_atoms, 3] (energy/length).
    """
    wanted = np.concatenate(gradients)
    sizes = np.linalg.norm(wanted, axis=1)
    usual = max(float(np.median(sizes)), 1e-12 * float(sizes.max(initial=0.0)), 1e-300)
    weight = 1 / np.sqrt(1 + (sizes / (LARGE * usual)) ** 2)
    columns = np.concatenate(sums.gradient) * weight[:, None, None]
    return ridge(columns.reshape(wanted.size, -1), (wanted * weight[:, None]).ravel(), RIDGE)


def ridge(columns: ndarray, values: ndarray, size: float) -> ndarray:
    """Least squares with small weights, of columns brought to one size."""
    spread = np.sqrt((columns**2).mean(axis=0))
    spread[spread == 0] = 1.0
    scaled = columns / spread
    matrix = scaled.T @ scaled
    matrix += size * max(np.trace(matrix) / len(matrix), 1e-300) * np.eye(len(matrix))
    weights: ndarray = np.linalg.solve(matrix, scaled.T @ values) / spread
    return weights
