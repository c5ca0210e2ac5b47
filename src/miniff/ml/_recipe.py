"""The default descriptors: symmetry functions chosen from the distances that occur in the data.

For each species and each of its neighbours, ten shells (Behler 2) of equal width from just inside
the shortest distance to the cutoff. For each pair of neighbours, angular functions (Behler 5) with
three radial widths, both signs of lambda and five sharpnesses. All numbers scale with the shortest
distance of the pair, so that the recipe is the same for soft and hard materials in any unit.
"""

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np

from miniff._neighbors import PairTable
from miniff.potentials import (
    FunctionPotential,
    behler2_descriptor_family,
    behler5_descriptor_family,
)

__all__ = ["default_behler_descriptors", "shells", "shortest_distances"]

N_SHELLS = 10
ANGULAR_WIDTHS = (0.0, 0.3, 1.2)
"""eta of the angular functions times the square of the shortest distance."""
SHARPNESSES = (1.0, 2.0, 4.0, 8.0, 16.0)


def shortest_distances(
    tables: Sequence[PairTable], cutoff: float = np.inf
) -> dict[tuple[str, str], float]:
    """The shortest distance (length) between each two species that meet within the cutoff."""
    shortest: dict[tuple[str, str], float] = {}
    for table in tables:
        r = np.linalg.norm(table.vectors, axis=1)
        code = table.species[table.centre] * len(table.names) + table.species[table.other]
        for pair in np.unique(code):
            a, b = table.names[pair // len(table.names)], table.names[pair % len(table.names)]
            nearest = float(r[code == pair].min())
            if nearest < cutoff:
                shortest[a, b] = min(shortest.get((a, b), np.inf), nearest)
    return shortest


def default_behler_descriptors(
    tables: Sequence[PairTable], cutoff: float
) -> dict[str, list[FunctionPotential]]:
    """Descriptors for every species that occurs.

    Args:
        tables: Neighbours within the cutoff or farther in the training set, and nothing but the
            training set.
        cutoff: Of all functions (length).

    Raises:
        ValueError: No two atoms closer than the cutoff, for some species.
    """
    shortest = shortest_distances(tables, cutoff)
    names = sorted({name for table in tables for name in table.names})
    descriptors = {}
    for centre in names:
        neighbors = [name for name in names if (centre, name) in shortest]
        if not neighbors:
            raise ValueError(
                f"no atom of {centre} has a neighbour within {cutoff}: enlarge `cutoff`"
            )
        radial = [f for other in neighbors for f in shells(centre, other, shortest, cutoff)]
        angular = [
            f
            for pair in combinations_with_replacement(neighbors, 2)
            for f in _angles(centre, pair, shortest, cutoff)
        ]
        descriptors[centre] = radial + angular
    return descriptors


def shells(
    centre: str,
    other: str,
    shortest: dict[tuple[str, str], float],
    cutoff: float,
    n_shells: int = N_SHELLS,
) -> list[FunctionPotential]:
    """Behler 2 of equal width, one beside the other from the shortest distance to the cutoff."""
    nearest = shortest[centre, other]
    places = np.linspace(0.95 * nearest, 0.95 * cutoff, n_shells)
    width = places[1] - places[0]
    return [
        behler2_descriptor_family(
            f"{centre}-{other}", a=cutoff, eta=1 / (2 * width**2), r_sphere=place
        )
        for place in places.tolist()
    ]


def _angles(
    centre: str,
    pair: tuple[str, str],
    shortest: dict[tuple[str, str], float],
    cutoff: float,
) -> list[FunctionPotential]:
    length = min(shortest[centre, pair[0]], shortest[centre, pair[1]])
    return [
        behler5_descriptor_family(
            f"{centre}-{pair[0]}-{pair[1]}",
            a=cutoff,
            eta=width / length**2,
            l=sign,
            zeta=sharpness,
        )
        for width in ANGULAR_WIDTHS
        for sharpness in SHARPNESSES
        for sign in (1.0, -1.0)
    ]
