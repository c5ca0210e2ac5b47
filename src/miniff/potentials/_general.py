"""Potentials from Python functions of the user: for trying out forms that have no family yet.

A pair term is f(r), a triple term f(r1, r2, cos t) with r1 = r_ij, r2 = r_ik and t the angle
between them at i. Pairs are directed and triples are summed over ordered (j, k), j != k, as in all
families.

Functions are called with whole arrays where they take them, of all pairs or of at most some hundred
thousand triples at a time. Those written for single numbers (with ``math.exp`` or ``if r < 1``) are
recognised when the potential is made and are called number by number, at about a microsecond each.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff._neighbors import PairTable
from miniff._triples import pairs_of, triples_of
from miniff.potentials._local import LocalEnergies, LocalPotential, check_tag, refuse_short_table
from miniff.potentials._parameters import Parameter
from miniff.potentials._python_function import (
    Function,
    NumericalDerivative,
    PythonFunction,
    refuse_wrong_derivative,
)

if TYPE_CHECKING:
    from miniff.potentials._model import ModelBuilder

__all__ = ["GeneralPotential", "general_pair_potential_family", "general_triple_potential_family"]

CUTOFF = Parameter(0.0, above=True, text="cutoff (length)")
PAIR, TRIPLE = ("r",), ("r1", "r2", "cos_t")

Slope = PythonFunction | NumericalDerivative


@dataclass(frozen=True)
class GeneralPotential(LocalPotential):
    """A potential whose terms a Python function gives; made by the two functions of this module.

    Attributes:
        function: The energy of one term.
        slopes: Its derivatives by each of its arguments.
        a: The cutoff (length).
        tag: Species it acts on, the centre first; None for all.
    """

    function: PythonFunction
    slopes: tuple[Slope, ...]
    a: float
    tag: str | None = None

    @property
    def cutoff(self) -> float:
        return self.a

    @property
    def species(self) -> tuple[str, ...]:
        return tuple(self.tag.split("-")) if self.tag else ()

    @property
    def n_bodies(self) -> int:
        """2 for sums over neighbours, 3 for sums over pairs of neighbours."""
        return 2 if self.function.arguments == PAIR else 3

    def copy(self, tag: str | None) -> "GeneralPotential":
        """The same functions for other species; None for all."""
        check_tag(tag, self.n_bodies)
        return replace(self, tag=tag)

    def local_energies(self, table: PairTable, *, gradient: bool) -> LocalEnergies:
        energies, by_pair = self._sum(table, gradient=gradient)
        if not gradient:
            return LocalEnergies(energies, None)
        by_image = _sums(table.neighbor, by_pair, table.n_images)
        by_image[: table.n_atoms] -= _sums(table.centre, by_pair, table.n_atoms)
        return LocalEnergies(energies, by_image)

    def pair_gradient(self, table: PairTable) -> Float64[ndarray, "n_pairs 3"]:
        return self._sum(table, gradient=True)[1]

    def contribute(self, model: "ModelBuilder") -> bool:
        return False

    def state_dict(self) -> NoReturn:
        """Refused: a file holds data, and reading one never runs code from it.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            f"{self} is made of Python functions, which cannot be saved: files hold data and never "
            "code; make it again from its functions instead"
        )

    def _sum(
        self, table: PairTable, *, gradient: bool
    ) -> tuple[Float64[ndarray, " n_atoms"], Float64[ndarray, "n_pairs 3"]]:
        """Energies of the atoms, and the gradient by pair vectors, left zero if not asked for."""
        refuse_short_table([self], table)
        energies, by_pair = np.zeros(table.n_atoms), np.zeros((table.n_pairs, 3))
        add = self._add_pairs if self.n_bodies == 2 else self._add_triples
        add(table, energies, by_pair if gradient else None)
        return energies, by_pair

    def _add_pairs(self, table: PairTable, energies: ndarray, by_pair: ndarray | None) -> None:
        centre, neighbor = self.species or (None, None)
        pairs, r = pairs_of(table, centre, neighbor, self.a)
        energies += np.bincount(table.centre[pairs], self.function(r), minlength=len(energies))
        if by_pair is not None:
            (slope,) = self.slopes
            by_pair[pairs] = (slope(r) / r)[:, None] * table.vectors[pairs]

    def _add_triples(self, table: PairTable, energies: ndarray, by_pair: ndarray | None) -> None:
        tag = None if not self.tag else (self.species[0], self.species[1], self.species[2])
        for t in triples_of(table, tag, self.a):
            values = self.function(t.r1, t.r2, t.cosine)
            energies += np.bincount(table.centre[t.first], values, minlength=len(energies))
            if by_pair is None or len(values) == 0:
                continue
            by_r1, by_r2, by_cosine = (slope(t.r1, t.r2, t.cosine) for slope in self.slopes)
            along = table.vectors[t.first] / t.r1[:, None], table.vectors[t.second] / t.r2[:, None]
            for pair, r, by_r, here, there in (
                (t.first, t.r1, by_r1, *along),
                (t.second, t.r2, by_r2, *along[::-1]),
            ):
                turn = by_cosine / r
                gradient = (by_r - turn * t.cosine)[:, None] * here + turn[:, None] * there
                low = pair.min()
                sums = _sums(pair - low, gradient, int(pair.max() - low) + 1)
                by_pair[low : low + len(sums)] += sums

    def __repr__(self) -> str:
        name = "general pair" if self.n_bodies == 2 else "general triple"
        function = getattr(self.function.function, "__name__", repr(self.function.function))
        return f"<{name} {self.tag or 'all species'}: f={function}, a={self.a}>"


def general_pair_potential_family(
    tag: str | None = None,
    *,
    f: Callable[..., object],
    df_dr: Callable[..., object] | None = None,
    a: float,
) -> GeneralPotential:
    """A pair potential from a Python function: e_i = sum_j f(r_ij) over directed pairs, r_ij < a.

    Args:
        tag: Species it acts on, e.g. ``"O-H"``, the centre first; None for all.
        f: f(r), the energy of one term (energy) at distances in (0, a). It is called with an array
            of distances; one that raises there, or gives no array of the same shape, is called with
            one ``float`` after the other.
        df_dr: Its derivative (energy/length), called likewise; one that is clearly not f's is
            refused. If left out, it is the derivative of
            the polynomial through f at seven distances around r, below a and at most 0.002 r apart:
            good to about ten digits where f is smooth on this scale, less at kinks.
        a: The cutoff (length). Nothing is shifted or smoothed: let f end at zero.

    Raises:
        TypeError: Something that is no function or gives no real number.
        ValueError: A cutoff that is not positive, a tag of the wrong length, a function that
            mixes up the elements of an array, or a derivative of something else. On evaluation:
            results that are not finite or of the wrong shape; the sentence names the function and
            the distance.
    """
    return _make(tag, PAIR, {"f": f, "df_dr": df_dr}, a)


def general_triple_potential_family(
    tag: str | None = None,
    *,
    f: Callable[..., object],
    df_dr1: Callable[..., object] | None = None,
    df_dr2: Callable[..., object] | None = None,
    df_dt: Callable[..., object] | None = None,
    a: float,
) -> GeneralPotential:
    """A triple potential from a Python function: e_i = sum_jk f(r_ij, r_ik, cos t), r_ij, r_ik < a.

    The sum goes over ordered (j, k), j != k: twice over each pair of neighbours if they are of one
    species or the tag is None, once if the tag names two. f need not be symmetric in r1 and r2.

    Args:
        tag: Species it acts on, e.g. ``"O-H-H"``, the centre first; None for all.
        f: f(r1, r2, cos t), the energy of one term (energy) at distances in (0, a) and cosines in
            [-1, 1]; arrays or numbers as for :func:`general_pair_potential_family`.
        df_dr1: Its derivative by r1 (energy/length).
        df_dr2: Its derivative by r2 (energy/length).
        df_dt: Its derivative by cos t, not by the angle (energy). Any of the three may be left out:
            it is then taken from f numerically, as for pairs, with cosines 0.002 apart.
        a: The cutoff (length).

    Raises:
        TypeError: As for pairs.
        ValueError: As for pairs.
    """
    return _make(tag, TRIPLE, {"f": f, "df_dr1": df_dr1, "df_dr2": df_dr2, "df_dt": df_dt}, a)


def _make(
    tag: str | None, arguments: tuple[str, ...], given: dict[str, Function | None], a: float
) -> GeneralPotential:
    check_tag(tag, 2 if arguments == PAIR else 3)
    a = CUTOFF.check("a", a)
    f, *derivatives = given
    function = PythonFunction.of(f, given[f], arguments, a)
    slopes: list[Slope] = []
    for place, name in enumerate(derivatives):
        numerical = NumericalDerivative(function, place, a)
        if given[name] is None:
            slopes.append(numerical)
            continue
        slope = PythonFunction.of(name, given[name], arguments, a)
        refuse_wrong_derivative(slope, numerical)
        slopes.append(slope)
    return GeneralPotential(function, tuple(slopes), a, tag)


def _sums(places: ndarray, vectors: ndarray, n: int) -> Float64[ndarray, "n 3"]:
    """The sum of the vectors at each place."""
    columns = [np.bincount(places, vectors[:, x], minlength=n) for x in range(3)]
    return np.stack(columns, axis=1).astype(np.float64)
