"""Potentials that are one formula each, and how many of them are evaluated in one pass.

A :class:`FunctionPotential` is one environment function F. :class:`Functions` compiles those with a
common centre species into one set of the core, with the three operations of the design: ``values``,
``vjp`` and ``jvp``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from miniff import _core
from miniff._neighbors import PairTable
from miniff.potentials._local import (
    LocalEnergies,
    LocalPotential,
    LongRangePotential,
    Potential,
    check_many_body_tag,
    check_tag,
    refuse_short_table,
)
from miniff.potentials._parameters import Choice, Numbers, Parameter, Value, check_parameters
from miniff.potentials._symmetry import (
    ANY_SPECIES,
    AngularFunction,
    FormulaSet,
    RadialFunction,
    add_symmetry_functions,
)

if TYPE_CHECKING:
    from miniff.potentials._model import ModelBuilder

__all__ = [
    "FunctionPotential",
    "Functions",
    "LocalPotentialFamily",
    "centre_of",
    "compiled_set",
    "compiled_single_set",
    "fill_set",
    "potential_values",
]

Compile = Callable[["CoreBuilder", Mapping[str, Value], int, Sequence[int]], None]


@dataclass(frozen=True)
class LocalPotentialFamily:
    """A factory of potentials of one form: call it with the form's parameters.

    Attributes:
        name: What files call it.
        n_bodies: How many species a tag names: 2 for sums over neighbours, 3 for sums over pairs of
            neighbours, 1 where no neighbour counts, or those of all species, each with a weight.
        parameters: Names and ranges of the numbers the form needs.
        cutoff_of: The cutoff for given parameters (length).
        compile: Adds the form to a set of the core.
        formula: The energy of one term, for people.
        complete: Fills in parameters that follow from those given.
        neighbors_of: Only for many-body energies, which are no sums over terms: how many species of
            neighbours given parameters tell apart, None if none. A tag then names the centre and
            all species of neighbours.
        check: Refuses parameters that do not go together.
        sees_neighbors: Whether the energy depends on neighbours at all.
        scaled_by: What ``scales`` are, where they are not ``epsilon``.
    """

    name: str
    n_bodies: int
    parameters: Mapping[str, Parameter | Choice | Numbers]
    cutoff_of: Callable[[Mapping[str, Value]], float]
    compile: Compile
    formula: str = ""
    complete: Callable[[dict[str, object]], dict[str, object]] = dict
    neighbors_of: Callable[[Mapping[str, Value]], int | None] | None = None
    check: Callable[[Mapping[str, Value]], object] = dict
    sees_neighbors: bool = True
    scaled_by: tuple[str, ...] = ()

    def __call__(self, tag: str | None = None, **parameters: object) -> "FunctionPotential":
        """A potential of this family.

        Args:
            tag: Species it acts on, centre first, e.g. ``"O"``, ``"O-H"`` or ``"O-H-H"``, as many
                as the form has bodies; None for all.
            parameters: The family's ``parameters`` by name.

        Raises:
            TypeError: Unknown, missing or wrongly typed parameters.
            ValueError: Values out of range, or a tag of the wrong length.
        """
        values = check_parameters(self.name, self.parameters, self.complete(parameters))
        self.check(values)
        self._check_tag(tag, values)
        return FunctionPotential(self, values, tag)

    @property
    def scales(self) -> tuple[str, ...]:
        """Parameters to which, together, the energy is proportional; mostly ``epsilon`` alone.

        Empty where there are none.
        """
        return self.scaled_by or tuple(name for name in ("epsilon",) if name in self.parameters)

    @property
    def is_on_site(self) -> bool:
        """Whether it sees no neighbour."""
        return not self.sees_neighbors

    @property
    def is_pair_sum(self) -> bool:
        """Whether it sums a function of the distance over neighbours."""
        return self.n_bodies == 2 and self.neighbors_of is None

    def _check_tag(self, tag: str | None, values: Mapping[str, Value]) -> None:
        if self.neighbors_of is not None:
            check_many_body_tag(tag, self.neighbors_of(values))
        else:
            check_tag(tag, self.n_bodies)

    def __repr__(self) -> str:
        return f"<{self.name}: {', '.join(self.parameters)}>"


@dataclass(frozen=True)
class FunctionPotential(LocalPotential):
    """A potential that is one formula, summed over neighbours or pairs of neighbours.

    Attributes:
        family: The form.
        parameters: Its numbers, which cannot be changed: make another potential instead.
        tag: Species it acts on, separated by dashes, the centre first; None for all.
    """

    family: LocalPotentialFamily
    parameters: Mapping[str, Value]
    tag: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))

    def __reduce__(self) -> tuple[object, ...]:
        """How it is copied and sent to other processes; a mapping proxy cannot be."""
        return FunctionPotential, (self.family, dict(self.parameters), self.tag)

    @cached_property
    def cutoff(self) -> float:
        return self.family.cutoff_of(self.parameters)

    @property
    def species(self) -> tuple[str, ...]:
        return tuple(self.tag.split("-")) if self.tag else ()

    def copy(self, tag: str | None) -> "FunctionPotential":
        """The same parameters for other species; None for all."""
        self.family._check_tag(tag, self.parameters)
        return replace(self, tag=tag)

    def state_dict(self) -> dict[str, object]:
        return {"tag": self.family.name, "parameters": dict(self.parameters), "ptag": self.tag}

    def local_energies(self, table: PairTable, *, gradient: bool) -> LocalEnergies:
        functions = Functions((self,))
        centres = table.atoms_of(functions.centre)
        energies = np.zeros(table.n_atoms)
        energies[centres] = functions.values(table, centres)[:, 0]
        if not gradient:
            return LocalEnergies(energies, None)
        image_gradient = np.zeros((table.n_images, 3))
        functions.vjp(table, centres, np.ones((len(centres), 1)), image_gradient)
        return LocalEnergies(energies, image_gradient)

    def pair_gradient(self, table: PairTable) -> Float64[ndarray, "n_pairs 3"]:
        functions = Functions((self,))
        centres = table.atoms_of(functions.centre)
        return functions.pair_vjp(table, centres, np.ones((len(centres), 1)))

    def contribute(self, model: "ModelBuilder") -> bool:
        model.formulas.append(self)
        return True

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name}={_shown(value)}" for name, value in self.parameters.items())
        return f"<{self.family.name} {self.tag or 'all species'}: {numbers}>"


def _shown(value: Value) -> str:
    """Tables by their size."""
    text = str(value)
    return text if len(text) < 100 else f"<{np.size(value)} numbers>"


class CoreBuilder:
    """Collects functions for one set of the core; symmetry functions go in together at the end.

    Attributes:
        names: The species of the tables to come, in the order of their codes.
    """

    def __init__(self, functions: FormulaSet | _core.FunctionSet32, names: tuple[str, ...]) -> None:
        self.names = names
        self._functions = functions
        self.radial: list[RadialFunction] = []
        self.angular: list[AngularFunction] = []

    @property
    def core(self) -> FormulaSet:
        """For formulas that are in double precision only."""
        if isinstance(self._functions, _core.FunctionSet32):
            raise TypeError(
                "in single precision there are symmetry functions only: Behler types 2, 4 and 5"
            )
        return self._functions

    def finish(self) -> None:
        if self.radial or self.angular:
            add_symmetry_functions(self._functions, self.radial, self.angular)


def centre_of(potential: FunctionPotential) -> str | None:
    """The species whose atoms the potential gives an energy to; None for all."""
    return potential.species[0] if potential.species else None


class Functions:
    """Environment functions with one centre species, evaluated together.

    The gradient operations give derivatives by the positions of images, so that forces, virials and
    the training of networks on top follow without further case analysis.
    """

    def __init__(self, potentials: Sequence[FunctionPotential]) -> None:
        for potential in potentials:
            if not isinstance(potential, FunctionPotential):
                raise TypeError(
                    f"{potential} cannot be a descriptor: only the families of the compiled core "
                    "can be evaluated under a network"
                )
        centres = {centre_of(p) for p in potentials}
        if len(centres - {None}) > 1:
            raise ValueError(f"functions of one set must have one centre species, not {centres}")
        self.potentials = tuple(potentials)
        self.centre = next(iter(centres - {None}), None)
        self.cutoff = max((p.cutoff for p in potentials), default=0.0)
        self._compiled: dict[tuple[str, ...], _core.FunctionSet] = {}

    def __len__(self) -> int:
        return len(self.potentials)

    def values(
        self,
        table: PairTable,
        centres: Int64[ndarray, " n_centres"],
        images: Float64[ndarray, "n_images 3"] | None = None,
    ) -> Float64[ndarray, "n_centres n_functions"]:
        """F of the listed centre atoms; with images elsewhere than the table has them if given."""
        out = np.empty((len(centres), len(self)))
        self._for(table).values(table.core, _images(table, images), centres, out)
        return out

    def vjp(
        self,
        table: PairTable,
        centres: Int64[ndarray, " n_centres"],
        weight: Float64[ndarray, "n_centres n_functions"],
        by_image: Float64[ndarray, "n_images 3"],
        images: Float64[ndarray, "n_images 3"] | None = None,
    ) -> None:
        """by_image[m] += sum_if weight[i, f] dF[i, f]/dx_m for the images m."""
        self._for(table).vjp(table.core, _images(table, images), centres, weight, by_image)

    def pair_vjp(
        self,
        table: PairTable,
        centres: Int64[ndarray, " n_centres"],
        weight: Float64[ndarray, "n_centres n_functions"],
    ) -> Float64[ndarray, "n_pairs 3"]:
        """sum_f weight[i, f] dF[i, f]/dd_p for the pairs p of each centre i."""
        by_pair = np.zeros((table.n_pairs, 3))
        self._for(table).pair_vjp(table.core, table.images, centres, weight, by_pair)
        return by_pair

    def jvp(
        self,
        table: PairTable,
        centres: Int64[ndarray, " n_centres"],
        direction: Float64[ndarray, "n_images 3"],
        images: Float64[ndarray, "n_images 3"] | None = None,
    ) -> Float64[ndarray, "n_centres n_functions"]:
        """The change of F when the images move along `direction`."""
        out = np.empty((len(centres), len(self)))
        self._for(table).jvp(table.core, _images(table, images), centres, direction, out)
        return out

    def _for(self, table: PairTable) -> _core.FunctionSet:
        """The compiled set for the species codes of a table."""
        refuse_short_table(self.potentials, table)
        return self.compiled(table.names)

    def compiled(self, names: tuple[str, ...]) -> _core.FunctionSet:
        """The compiled set for tables with these species."""
        if names not in self._compiled:
            self._compiled[names] = compiled_set(self.potentials, names)
        return self._compiled[names]


def compiled_set(
    potentials: Sequence[FunctionPotential], names: tuple[str, ...]
) -> _core.FunctionSet:
    """Formulas as a set of the core, a column each, for the species codes of a table."""
    functions = _core.FunctionSet(len(potentials))
    fill_set(functions, potentials, names)
    return functions


def compiled_single_set(
    potentials: Sequence[FunctionPotential], names: tuple[str, ...]
) -> _core.FunctionSet32:
    """The same in single precision.

    Raises:
        TypeError: Formulas that are no symmetry functions.
    """
    functions = _core.FunctionSet32(len(potentials))
    fill_set(functions, potentials, names)
    return functions


def fill_set(
    functions: FormulaSet | _core.FunctionSet32,
    potentials: Sequence[FunctionPotential],
    names: tuple[str, ...],
) -> None:
    """Adds formulas to a set, a column each, for the species codes of a table."""
    codes = {name: code for code, name in enumerate(names)}
    absent = len(codes)  # a code no atom has
    builder = CoreBuilder(functions, names)
    for column, p in enumerate(potentials):
        neighbors = (
            tuple(codes.get(name, absent) for name in p.species[1:])
            if p.species
            else (ANY_SPECIES,) * (p.family.n_bodies - 1)
        )
        p.family.compile(builder, p.parameters, column, neighbors)
    builder.finish()


def _images(table: PairTable, images: ndarray | None) -> ndarray:
    return table.images if images is None else images


def potential_values(
    potentials: Sequence[Potential], table: PairTable
) -> Float64[ndarray, "n_potentials n_atoms"]:
    """Energies of every atom from every potential, formulas of a common centre in one pass."""
    out = np.zeros((len(potentials), table.n_atoms))
    for centre, members in by_centre(potentials).items():
        functions = Functions([p for _, p in members])
        atoms = table.atoms_of(centre)
        rows = np.array([row for row, _ in members])
        out[rows[:, None], atoms] = functions.values(table, atoms).T
    for row, potential in enumerate(potentials):
        if isinstance(potential, LongRangePotential):
            out[row] = potential.evaluate(table).energies
        elif isinstance(potential, LocalPotential) and not isinstance(potential, FunctionPotential):
            out[row] = potential.local_energies(table, gradient=False).energies
    return out


def by_centre(
    potentials: Sequence[Potential],
) -> dict[str | None, list[tuple[int, FunctionPotential]]]:
    """The formulas among the potentials with their places, sorted by centre species."""
    groups: dict[str | None, list[tuple[int, FunctionPotential]]] = {}
    for place, potential in enumerate(potentials):
        if isinstance(potential, FunctionPotential):
            groups.setdefault(centre_of(potential), []).append((place, potential))
    return groups
