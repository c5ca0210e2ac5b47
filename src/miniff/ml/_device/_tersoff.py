"""Tersoff's bond order in torch; the formula is that of :mod:`miniff.potentials._tersoff`.

zeta_ij is a product of a matrix over places of j and k with fC(r_ik). All is finite where nothing
counts, beyond cutoffs and in places that no neighbour takes, so that no derivative is ``nan``.
"""

from collections.abc import Callable, Sequence
from math import log

import torch
from jaxtyping import Float
from torch import Tensor

from miniff.ml._device._angular import Entry
from miniff.ml._device._cutoffs import cutoff_function
from miniff.ml._device._shell import Shell
from miniff.potentials._symmetry import CutoffFunction
from miniff.potentials._tersoff import Tersoff, TersoffBond, TersoffTriple

__all__ = ["TersoffSum"]

WIDE = 40.0
"""log(1 + exp(y)) is y above it."""


class TersoffSum:
    """1/2 sum_j fC(r_ij) [A exp(-lambda1 r_ij) - b_ij B exp(-lambda2 r_ij)] of one species."""

    n_sums = 1

    def __init__(self, column: int, form: Tersoff) -> None:
        self.entries: Sequence[Entry] = [Entry(0, column, 0.5)]
        self._species = tuple(form.species)
        self._bonds, self._triples = form.bonds, form.triples

    def __call__(self, shell: Shell) -> Float[Tensor, "n_centres 1"]:
        places = range(len(self._species))
        return torch.stack([self._bonds_with(shell, s) for s in places]).sum(0)[:, None]

    def _bonds_with(self, shell: Shell, s: int) -> Float[Tensor, " n_centres"]:
        """The sum over j of one species."""
        bond = self._bonds[s]
        r = shell.r[:, shell.of(self._species[s])]
        places = range(len(self._species))
        zeta = torch.stack([self._zeta(shell, s, u) for u in places]).sum(0)
        attraction = bond.B * torch.exp(-bond.lambda2 * r) * _bond_order(bond, zeta)
        terms = bond.A * torch.exp(-bond.lambda1 * r) - attraction
        return (_cutoff(self._triples[s][s], r) * terms).sum(-1)

    def _zeta(self, shell: Shell, s: int, u: int) -> Float[Tensor, "n_centres n_j"]:
        """The sum over k of one species for each j of one."""
        j, k, triple = self._species[s], self._species[u], self._triples[s][u]
        r_j, r_k = shell.r[:, shell.of(j)], shell.r[:, shell.of(k)]
        g = _angular(triple, shell.cosines(j, k))
        if triple.lambda3 != 0:
            # Beyond the cutoffs it would overflow.
            r_j, near = r_j.clamp(max=self._triples[s][s].cutoff), r_k.clamp(max=triple.cutoff)
            x = triple.lambda3 * (r_j[:, :, None] - near[:, None])
            g = g * torch.exp(x if triple.m == 1 else x**3)
        if s == u:
            g = g * shell.others(j)
        return (g @ _cutoff(triple, r_k)[..., None])[..., 0]

    def n_numbers(self, n_neighbors: Callable[[int], float]) -> float:
        """About how many are in memory for a centre with so many neighbours of each species."""
        n_of = [n_neighbors(species) for species in self._species]
        of_triples = sum(
            n_j * n_k * (10 if triple.lambda3 == 0 else 16)
            for n_j, of_j in zip(n_of, self._triples, strict=True)
            for n_k, triple in zip(n_of, of_j, strict=True)
        )
        return of_triples + (25 + 15 * len(n_of)) * sum(n_of)


def _cutoff(triple: TersoffTriple, r: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """fC(r); (1 - sin(pi (r - R)/(2 D)))/2 is half a cosine from R - D to R + D."""
    alpha = (triple.R - triple.D) / triple.cutoff
    return cutoff_function(
        CutoffFunction("cosine" if triple.D > 0 else "none", triple.cutoff, alpha), r
    )


def _angular(triple: TersoffTriple, cosine: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """g(cos t), without the difference of two large numbers."""
    square = (cosine - triple.cos_theta0).square()
    height = triple.gamma * (triple.c / triple.d) ** 2
    return triple.gamma + height * (square / (triple.d**2 + square))


def _bond_order(bond: TersoffBond, zeta: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """(1 + (beta zeta)^n)^(-1/2n); 1 for a zeta so small that its square has no inverse."""
    if bond.beta == 0:
        return torch.ones_like(zeta)
    counts = zeta > torch.finfo(zeta.dtype).tiny ** 0.4
    y = bond.n * (log(bond.beta) + torch.log(torch.where(counts, zeta, 1.0)))
    order = torch.exp(torch.nn.functional.softplus(y, threshold=WIDE) / (-2 * bond.n))
    return torch.where(counts, order, 1.0)
