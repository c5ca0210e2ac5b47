"""Environment functions in torch: what the compiled core computes, on any device.

The same families add themselves to the same kind of set; see :class:`Formulas`. Values are an
ordinary torch function of the vectors to neighbours, so that derivatives of any order, batching and
``torch.compile`` come from torch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from miniff.ml._device import _pair_forms as forms
from miniff.ml._device._angular import Entry, LegSums, Part
from miniff.ml._device._embedded_atom import EmbeddedAtomSum
from miniff.ml._device._pair_forms import PairForm
from miniff.ml._device._shell import Places, Shell
from miniff.ml._device._symmetry_sums import symmetry_sums
from miniff.ml._device._tersoff import TersoffSum
from miniff.potentials import FunctionPotential
from miniff.potentials._classical import StillingerWeberLeg
from miniff.potentials._embedded_atom import EmbeddedAtom
from miniff.potentials._functions import fill_set
from miniff.potentials._symmetry import (
    ANY_SPECIES,
    AngularFunction,
    FormulaSet,
    RadialFunction,
)
from miniff.potentials._tersoff import Tersoff

__all__ = ["NoFormError", "TensorFunctions"]


class TensorFunctions:
    """Environment functions of certain potentials, a column each.

    Attributes:
        n_functions: How many.
        cutoff: The longest of them (length).
        far: Vectors of places that no neighbour takes are so long (length).
        dtype: In which values are computed.
    """

    def __init__(
        self,
        potentials: Sequence[FunctionPotential],
        names: tuple[str, ...],
        like: Float[Tensor, "*shape"],
        *,
        by_kernels: bool = False,
    ) -> None:
        """Sorts the functions and puts their numbers on the device.

        Args:
            potentials: With one centre species.
            names: The species of the tables to come, in the order of their codes.
            like: Of the device and type in which values are computed.
            by_kernels: Whether kernels are used where there are some, so that values can be
                differentiated once.

        Raises:
            TypeError: A family that has no form in torch; the message names it.
        """
        formulas = Formulas(like, by_kernels=by_kernels)
        for column, potential in enumerate(potentials):
            formulas.add(column, potential, names)
        self.n_functions = len(potentials)
        self.cutoff = max((p.cutoff for p in potentials), default=0.0)
        self.far = 2 * self.cutoff + 1
        self.dtype = like.dtype
        self._parts = formulas.parts()
        self._constant = like.new_zeros(self.n_functions)
        for column, v0 in formulas.constants:
            self._constant[column] += v0
        self._assembly = self._assembled(like)

    def __len__(self) -> int:
        return self.n_functions

    def _assembled(self, like: Tensor) -> Float[Tensor, "n_sums n_functions"]:
        """How much of each sum is in each column."""
        matrix = torch.zeros(sum(p.n_sums for p in self._parts), self.n_functions)
        matrix, first = matrix.double(), 0
        for part in self._parts:
            for entry in part.entries:
                matrix[first + entry.place, entry.column] += entry.scale
            first += part.n_sums
        return matrix.to(like)

    def values(
        self, vectors: Float[Tensor, "n_centres n_places 3"], places: Places | Sequence[int]
    ) -> Float[Tensor, "n_centres n_functions"]:
        """F of centres from the vectors to their neighbours.

        Args:
            vectors: r_j - r_i (length), padded with vectors as long as ``far``.
            places: Of each species among the neighbours, or their bounds.
        """
        if not self._parts:
            return self._constant.expand(len(vectors), -1)
        shell = Shell(vectors, places)
        sums = [part(shell) for part in self._parts]
        together = sums[0] if len(sums) == 1 else torch.cat(sums, dim=1)
        return torch.addmm(self._constant, together, self._assembly)

    def n_numbers(self, n_neighbors: Callable[[int], float]) -> float:
        """About how many are in memory for a centre with so many neighbours of each species.

        Args:
            n_neighbors: Of a species code, ``ANY_SPECIES`` among them.
        """
        least = 50.0 + 20 * n_neighbors(ANY_SPECIES)
        return sum((part.n_numbers(n_neighbors) for part in self._parts), least)


class NoFormError(TypeError):
    """A potential that torch lacks."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} has no form in torch, so it runs on the CPU only: choose the device `cpu`"
        )


class MissingFormError(AttributeError):
    """A formula of the core that torch lacks."""


@dataclass(frozen=True)
class _PairSum:
    """The sum over neighbours of one species of a formula."""

    column: int
    species: int
    form: PairForm

    n_sums = 1

    @property
    def entries(self) -> Sequence[Entry]:
        return [Entry(0, self.column, 1.0)]

    def __call__(self, shell: Shell) -> Float[Tensor, "n_centres 1"]:
        return self.form(shell.r[:, shell.of(self.species)]).sum(-1, keepdim=True)

    def n_numbers(self, n_neighbors: Callable[[int], float]) -> float:
        return 25 * n_neighbors(self.species)


class Formulas:
    """What families add themselves to: it takes the calls of the core's ``FunctionSet``.

    A formula that is not here is an attribute that is missing.
    """

    def __init__(self, like: Tensor, *, by_kernels: bool = False) -> None:
        self.radial: list[RadialFunction] = []
        self.angular: list[AngularFunction] = []
        self.constants: list[tuple[int, float]] = []
        self._sums: list[Part] = []
        self._like, self._by_kernels = like, by_kernels
        self._first = 0

    def add(self, column: int, potential: FunctionPotential, names: tuple[str, ...]) -> None:
        """Adds a potential for the species codes of a table."""
        self._first = column
        try:
            fill_set(cast(FormulaSet, self), [potential], names)
        except MissingFormError as error:
            raise NoFormError(
                f"{potential.family.name} ({potential.tag or 'all species'})"
            ) from error

    def parts(self) -> list[Part]:
        """All sums."""
        own = symmetry_sums(self.radial, self.angular, self._like, by_kernels=self._by_kernels)
        return [*self._sums, *own]

    def symmetry_functions(
        self, radial: Sequence[RadialFunction], angular: Sequence[AngularFunction]
    ) -> None:
        self.radial += [replace(f, column=self._first + f.column) for f in radial]
        self.angular += [replace(f, column=self._first + f.column) for f in angular]

    def on_site(self, column: int, v0: float) -> None:
        self.constants.append((self._first + column, v0))

    def harmonic_repulsion(self, column: int, neighbor: int, cutoff: float, epsilon: float) -> None:
        self._pairs(column, neighbor, cutoff, forms.harmonic_repulsion(cutoff, epsilon))

    def lennard_jones(
        self, column: int, neighbor: int, cutoff: float, epsilon: float, sigma: float
    ) -> None:
        self._pairs(column, neighbor, cutoff, forms.lennard_jones(epsilon, sigma))

    def morse(
        self, column: int, neighbor: int, cutoff: float, d0: float, alpha: float, r0: float
    ) -> None:
        self._pairs(column, neighbor, cutoff, forms.morse(d0, alpha, r0))

    def buckingham(
        self, column: int, neighbor: int, cutoff: float, amplitude: float, rho: float, c: float
    ) -> None:
        self._pairs(column, neighbor, cutoff, forms.buckingham(amplitude, rho, c))

    def sigmoid(self, column: int, neighbor: int, cutoff: float, dr: float, r0: float) -> None:
        self._pairs(column, neighbor, cutoff, forms.sigmoid(cutoff, dr, r0))

    def zbl(
        self,
        column: int,
        neighbor: int,
        cutoff: float,
        z1: float,
        z2: float,
        a_inner: float,
        coulomb_constant: float,
        screening_length: float,
    ) -> None:
        length = screening_length / (z1**0.23 + z2**0.23)
        form = forms.zbl(cutoff, a_inner, coulomb_constant * z1 * z2, length)
        self._pairs(column, neighbor, cutoff, form)

    def stillinger_weber_2(
        self,
        column: int,
        neighbor: int,
        cutoff: float,
        epsilon: float,
        sigma: float,
        gauge_a: float,
        gauge_b: float,
        p: float,
        q: float,
    ) -> None:
        strength = epsilon * gauge_a
        form = forms.stillinger_weber_2(cutoff, sigma, (strength * gauge_b, strength), (p, q))
        self._pairs(column, neighbor, cutoff, form)

    def stillinger_weber_3(
        self,
        column: int,
        first: int,
        second: int,
        epsilon: float,
        l: float,  # noqa: E741 - as the core has it
        cos_theta0: float,
        first_leg: StillingerWeberLeg,
        second_leg: StillingerWeberLeg,
    ) -> None:
        legs = tuple(
            PairForm(leg.cutoff, forms.stillinger_weber_leg(leg.cutoff, leg.sigma, leg.gamma))
            for leg in (first_leg, second_leg)
        )
        self._triples(column, (first, second), legs, epsilon * l, cos_theta0)

    def behler_5x(
        self,
        column: int,
        first: int,
        second: int,
        cutoff: float,
        epsilon: float,
        eta1: float,
        eta2: float,
        cos_theta0: float,
    ) -> None:
        one, other = (PairForm(cutoff, forms.gaussian_leg(cutoff, eta)) for eta in (eta1, eta2))
        for legs in ((one, other), (other, one)):
            self._triples(column, (first, second), legs, epsilon / 4, cos_theta0)

    def embedded_atom(self, column: int, form: EmbeddedAtom) -> None:
        self._sums.append(EmbeddedAtomSum(self._first + column, form.tables, self._like))

    def tersoff(self, column: int, form: Tersoff) -> None:
        self._sums.append(TersoffSum(self._first + column, form))

    def _pairs(self, column: int, neighbor: int, cutoff: float, form: forms.Form) -> None:
        self._sums.append(_PairSum(self._first + column, neighbor, PairForm(cutoff, form)))

    def _triples(
        self,
        column: int,
        species: tuple[int, int],
        legs: tuple[PairForm, ...],
        scale: float,
        cos_theta0: float,
    ) -> None:
        assert len(legs) == 2
        self._sums.append(
            LegSums(self._first + column, species, (legs[0], legs[1]), scale, cos_theta0)
        )

    def __getattr__(self, name: str) -> Any:
        raise MissingFormError(name)
