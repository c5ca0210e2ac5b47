"""Embedded atoms, from tables.

Daw and Baskes, Phys. Rev. B 29, 6443 (1984), https://doi.org/10.1103/PhysRevB.29.6443

The energy of atom i is ``F(rho_i) + 1/2 sum_j phi(r_ij)`` with ``rho_i = sum_j f(r_ij)``.

=======  ==============  =========================================================
symbol   parameter       table
=======  ==============  =========================================================
F(rho)   ``embedding``   at rho = 0, d_rho, 2 d_rho ...
f(r)     ``density``     at r = 0, dr, 2 dr ...
r phi    ``r_phi``       at r = 0, dr, 2 dr ...
=======  ==============  =========================================================

Between the points run cubic splines with the slopes that LAMMPS takes; beyond the last point F goes
on as a straight line. A list of numbers is good for all species of neighbours. To tell them apart
give ``density`` and ``r_phi`` as lists of such lists, in the order in which the tag names the
species after the centre.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff import _core
from miniff.potentials._functions import CoreBuilder, LocalPotentialFamily
from miniff.potentials._parameters import Numbers, Parameter, Value

__all__ = ["CentreTables", "EmbeddedAtom", "eam_potential_family"]

LEAST = 5
"""Fewest points of a table."""


@dataclass(frozen=True, eq=False)
class CentreTables:
    """What atoms of one species have of their neighbours.

    Attributes:
        cutoff: Up to which neighbours count (length).
        step: Of the tables of r (length).
        embedding_step: Of the table of the density.
        embedding: F(rho) (energy).
        species: Codes of the neighbours that the tables tell apart.
        density: f(r).
        r_phi: r phi(r) (energy length).
    """

    cutoff: float
    step: float
    embedding_step: float
    embedding: Float64[ndarray, " n_rho"]
    species: Sequence[int]
    density: Float64[ndarray, "n_species n_r"]
    r_phi: Float64[ndarray, "n_species n_r"]


class EmbeddedAtom(_core.EmbeddedAtom):
    """The core's form, with its tables to be read."""

    def __init__(self, tables: CentreTables) -> None:
        super().__init__(
            cutoff=tables.cutoff,
            step=tables.step,
            embedding_step=tables.embedding_step,
            embedding=tables.embedding,
            species=tables.species,
            density=tables.density,
            r_phi=tables.r_phi,
        )
        self.tables = tables


def _cutoff(p: Mapping[str, Value]) -> float:
    return float(p["a"])


def _neighbors_of(p: Mapping[str, Value]) -> int | None:
    """How many species of neighbours the tables tell apart; here they are checked together."""
    density, r_phi = np.shape(p["density"]), np.shape(p["r_phi"])
    if density[-1] != r_phi[-1] or (len(density) == len(r_phi) == 2 and density != r_phi):
        raise ValueError(
            f"`density` has shape {density} and `r_phi` {r_phi} but they must have as many points, "
            "for as many species"
        )
    if p["dr"] * density[-1] < p["a"] * (1 - 1e-9):
        raise ValueError(
            f"`density` has {density[-1]} points, `dr` {p['dr']:g} apart, but must reach the "
            f"cutoff, which is {p['a']}"
        )
    lists = [shape[0] for shape in (density, r_phi) if len(shape) == 2]
    return lists[0] if lists else None


def _compile(builder: CoreBuilder, p: Mapping[str, Value], column: int, on: Sequence[int]) -> None:
    shape = (len(on), np.shape(p["density"])[-1])
    density, r_phi = (
        np.ascontiguousarray(np.broadcast_to(np.asarray(p[name]), shape))
        for name in ("density", "r_phi")
    )
    tables = CentreTables(
        cutoff=float(p["a"]),
        step=float(p["dr"]),
        embedding_step=float(p["d_rho"]),
        embedding=np.array(p["embedding"]),
        species=on,
        density=density,
        r_phi=r_phi,
    )
    builder.core.embedded_atom(column, EmbeddedAtom(tables))


eam_potential_family = LocalPotentialFamily(
    name="Embedded atom",
    n_bodies=2,
    parameters={
        "a": Parameter(0.0, above=True, text="cutoff (length)"),
        "dr": Parameter(0.0, above=True, text="step of the tables of r (length)"),
        "d_rho": Parameter(0.0, above=True, text="step of the table of the density"),
        "embedding": Numbers(Parameter(), (1,), LEAST, "F(rho) (energy)"),
        "density": Numbers(Parameter(), (1, 2), LEAST, "f(r), the density from a neighbour"),
        "r_phi": Numbers(Parameter(), (1, 2), LEAST, "r phi(r) (energy length)"),
    },
    cutoff_of=_cutoff,
    compile=_compile,
    formula="F(sum_j f(r_ij)) + 1/2 sum_j phi(r_ij)",
    neighbors_of=_neighbors_of,
)
