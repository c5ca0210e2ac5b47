"""Tersoff's bond-order potential, as LAMMPS has it.

Tersoff, Phys. Rev. B 37, 6991 (1988), https://doi.org/10.1103/PhysRevB.37.6991
Tersoff, Phys. Rev. B 39, 5566 (1989), https://doi.org/10.1103/PhysRevB.39.5566

The energy of atom i is ``1/2 sum_j fC(r_ij) [A exp(-lambda1 r_ij) - b_ij B exp(-lambda2 r_ij)]``.

==========  =======================================================================================
``b_ij``    (1 + (beta zeta_ij)^n)^(-1/2n)
``zeta``    sum over k != j of fC(r_ik) g(cos t_jik) exp((lambda3 (r_ij - r_ik))^m)
``g(x)``    gamma (1 + c^2/d^2 - c^2/(d^2 + (x - cos_theta0)^2))
``fC(r)``   1 below R - D, 0 above R + D, (1 - sin(pi (r - R)/(2 D)))/2 between
==========  =======================================================================================

A number is good for all species of neighbours. To tell them apart give a list [j] of A, B, lambda1,
lambda2, n, beta and a list of lists [j][k] of the others, in the order in which the tag names them
after the centre; fC(r_ij) takes R[j][j] and D[j][j].
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy import ndarray

from miniff import _core
from miniff.potentials._functions import CoreBuilder, LocalPotentialFamily
from miniff.potentials._parameters import Numbers, Parameter, Value

__all__ = ["BOND", "TRIPLE", "Tersoff", "TersoffBond", "TersoffTriple", "tersoff_potential_family"]

LARGEST_EXPONENT = 500.0
"""Of exp((lambda3 (r_ij - r_ik))^m); numbers overflow at 709."""


def _of_j(low: float, text: str, *, above: bool = False) -> Numbers:
    return Numbers(Parameter(low, above=above), (0, 1), text=text)


def _of_jk(low: float, text: str, *, above: bool = False) -> Numbers:
    return Numbers(Parameter(low, above=above), (0, 2), text=text)


BOND = {
    "A": _of_j(0.0, "strength of the repulsion (energy)"),
    "B": _of_j(0.0, "strength of the attraction (energy)"),
    "lambda1": _of_j(0.0, "decay of the repulsion (1/length)"),
    "lambda2": _of_j(0.0, "decay of the attraction (1/length)"),
    "n": _of_j(0.0, "exponent of zeta in the bond order", above=True),
    "beta": _of_j(0.0, "weight of zeta in the bond order"),
}
"""Parameters by the species of j."""

TRIPLE = {
    "m": _of_jk(1.0, "1 or 3: power in the exponential of zeta"),
    "gamma": _of_jk(0.0, "factor of the angular function"),
    "lambda3": _of_jk(-np.inf, "decay in r_ij - r_ik (1/length)"),
    "c": _of_jk(0.0, "height of the angular function"),
    "d": _of_jk(0.0, "width of the angular function", above=True),
    "cos_theta0": _of_jk(-np.inf, "where the angular function is least"),
    "R": _of_jk(0.0, "middle of the cutoff (length)", above=True),
    "D": _of_jk(0.0, "half the width of the cutoff (length)"),
}
"""Parameters by the species of j and k."""


def _neighbors_of(p: Mapping[str, Value]) -> int | None:
    """How many species of neighbours the parameters tell apart; here they are checked together."""
    lengths = {name: np.shape(p[name]) for name in (*BOND, *TRIPLE) if np.ndim(p[name])}
    n = max((max(shape) for shape in lengths.values()), default=None)
    for name, shape in lengths.items():
        demanded = (n,) if name in BOND else (n, n)
        if shape != demanded:
            raise ValueError(f"`{name}` has shape {shape} but must be a number or {demanded}")
    table = {name: _matrix(p[name], n or 1) for name in TRIPLE}
    for j, k in product(range(n or 1), repeat=2):
        _check_triple({name: float(values[j, k]) for name, values in table.items()})
    return n


def _check_triple(p: Mapping[str, float]) -> None:
    if p["m"] not in (1, 3):
        raise ValueError(f"`m` is {p['m']} but must be 1 or 3")
    if p["D"] > p["R"]:
        raise ValueError(f"`D` is {p['D']} but must be at most `R`, which is {p['R']}")
    exponent = abs(p["lambda3"] * (p["R"] + p["D"])) ** p["m"]
    if exponent > LARGEST_EXPONENT:
        raise ValueError(
            f"`lambda3` is {p['lambda3']} but must keep (lambda3 (R + D))^m below "
            f"{LARGEST_EXPONENT:g}; it is {exponent:g}"
        )


def _matrix(value: Value, n: int) -> ndarray:
    matrix: ndarray = np.broadcast_to(np.asarray(value), (n, n))
    return matrix


def _cutoff(p: Mapping[str, Value]) -> float:
    return float(np.max(np.asarray(p["R"]) + np.asarray(p["D"])))


@dataclass(frozen=True)
class TersoffBond:
    """Parameters of one species of j."""

    A: float
    B: float
    lambda1: float
    lambda2: float
    n: float
    beta: float

    @property
    def core(self) -> _core.TersoffBond:
        """As the core has it."""
        return _core.TersoffBond(self.A, self.B, self.lambda1, self.lambda2, self.n, self.beta)


@dataclass(frozen=True)
class TersoffTriple:
    """Parameters of one species of j and one of k."""

    m: float
    gamma: float
    lambda3: float
    c: float
    d: float
    cos_theta0: float
    R: float
    D: float

    @property
    def cutoff(self) -> float:
        """Of fC(r_ik), and of fC(r_ij) where j and k are of one species (length)."""
        return self.R + self.D

    @property
    def core(self) -> _core.TersoffTriple:
        """As the core has it."""
        return _core.TersoffTriple(
            gamma=self.gamma,
            lambda3=self.lambda3,
            c=self.c,
            d=self.d,
            cos_theta0=self.cos_theta0,
            r=self.R,
            width=self.D,
            power=int(self.m),
        )


class Tersoff(_core.Tersoff):
    """The core's form of one centre species, with its numbers to be read.

    Attributes:
        species: Codes of the neighbours that the parameters tell apart.
        bonds: By the species of j.
        triples: By the species of j, then k.
    """

    def __init__(
        self,
        species: Sequence[int],
        bonds: Sequence[TersoffBond],
        triples: Sequence[Sequence[TersoffTriple]],
    ) -> None:
        in_a_row = [triple.core for of_j in triples for triple in of_j]
        super().__init__(species, [bond.core for bond in bonds], in_a_row)
        self.species, self.bonds, self.triples = species, bonds, triples


def _compile(builder: CoreBuilder, p: Mapping[str, Value], column: int, on: Sequence[int]) -> None:
    n = len(on)
    of_j = {name: np.broadcast_to(np.asarray(p[name]), n) for name in BOND}
    of_jk = {name: _matrix(p[name], n) for name in TRIPLE}
    bonds = [
        TersoffBond(**{name: float(values[j]) for name, values in of_j.items()}) for j in range(n)
    ]
    triples = [
        [
            TersoffTriple(**{name: float(values[j, k]) for name, values in of_jk.items()})
            for k in range(n)
        ]
        for j in range(n)
    ]
    builder.core.tersoff(column, Tersoff(on, bonds, triples))


tersoff_potential_family = LocalPotentialFamily(
    name="Tersoff",
    n_bodies=2,
    parameters=BOND | TRIPLE,
    cutoff_of=_cutoff,
    compile=_compile,
    formula="1/2 sum_j fC(r_ij) [A exp(-lambda1 r_ij) - b_ij B exp(-lambda2 r_ij)]",
    neighbors_of=_neighbors_of,
)
