"""Weighted symmetry functions: neighbours of all species in one sum, heavy ones counting more.

Gastegger, Schwiedrzik, Bittermann, Berzsenyi and Marquetand, J. Chem. Phys. 148, 241709 (2018),
https://doi.org/10.1063/1.5019667

================  =============================================================================
family            one term, with p(r) = exp(-eta (r - r_sphere)^2) fc(r)
================  =============================================================================
weighted radial   Z_j p(r_ij)                                               (type 12 in n2p2)
weighted angular  epsilon 2^(1-zeta) Z_j Z_k (1 + l cos t)^zeta p(r_ij) p(r_ik) p(r_jk)
                                                                            (type 13 in n2p2)
================  =============================================================================

Z are atomic numbers. A tag names the centre alone, and each sum runs over neighbours of all
species, which have to be chemical elements. The angular sum is over ordered (j, k), as in the paper
and for all our angular functions; n2p2 counts j < k once, which is epsilon = 1/2.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations_with_replacement

from ase.data import atomic_numbers

from miniff.potentials._behler import ANGULAR, RADIAL, add_angular, add_radial, cutoff_of
from miniff.potentials._functions import CoreBuilder, LocalPotentialFamily
from miniff.potentials._parameters import Value

__all__ = [
    "sum_weighted_pairs",
    "sum_weighted_triples",
    "weighted_angular_descriptor_family",
    "weighted_radial_descriptor_family",
]


Add = Callable[[CoreBuilder, Mapping[str, Value], int, Sequence[int], float], None]
"""Adds a function of certain neighbour species, times a weight, to a column."""


def _atomic_numbers(names: Sequence[str]) -> list[int]:
    """Z of every species.

    Raises:
        ValueError: Species that are no chemical elements.
    """
    strangers = [name for name in names if atomic_numbers.get(name, 0) == 0]
    if strangers:
        raise ValueError(
            "weighted symmetry functions need atomic numbers, but there are species that are no "
            f"chemical elements: {', '.join(strangers)}"
        )
    return [int(atomic_numbers[name]) for name in names]


def sum_weighted_pairs(
    add: Add, builder: CoreBuilder, p: Mapping[str, Value], column: int, on: Sequence[int]
) -> None:
    """Adds a function for each species, times Z."""
    assert not on, "a tag names the centre alone"
    for code, number in enumerate(_atomic_numbers(builder.names)):
        add(builder, p, column, (code,), number)


def sum_weighted_triples(
    add: Add, builder: CoreBuilder, p: Mapping[str, Value], column: int, on: Sequence[int]
) -> None:
    """Adds a function for each unordered pair of species, times Z Z; both orders of each count."""
    assert not on, "a tag names the centre alone"
    species = enumerate(_atomic_numbers(builder.names))
    for (j, z_j), (k, z_k) in combinations_with_replacement(species, 2):
        orders = 1 if j == k else 2  # of equal species, the core itself sums both
        add(builder, p, column, (j, k), orders * z_j * z_k)


weighted_radial_descriptor_family = LocalPotentialFamily(
    name="weighted radial",
    n_bodies=1,
    parameters=RADIAL,
    cutoff_of=cutoff_of,
    compile=partial(sum_weighted_pairs, add_radial),
    formula="Z_j exp(-eta (r - r_sphere)^2) fc(r)",
)

weighted_angular_descriptor_family = LocalPotentialFamily(
    name="weighted angular",
    n_bodies=1,
    parameters=ANGULAR,
    cutoff_of=cutoff_of,
    compile=partial(sum_weighted_triples, partial(add_angular, narrow=True)),
    formula="epsilon 2^(1-zeta) Z_j Z_k (1 + l cos t)^zeta p(r_ij) p(r_ik) p(r_jk)",
)
