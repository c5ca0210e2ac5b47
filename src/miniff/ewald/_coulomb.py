"""The Coulomb energy of any structures: crystals, slabs, molecules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff import _core
from miniff._checks import check_positive, unknown_name
from miniff._pair_table import PairTable, TableError
from miniff.ewald._kinds import Kind, kind_of, slab_cell
from miniff.ewald._matrices import CoulombMatrix, coulomb_matrix
from miniff.ewald._mesh import add_mesh, plan_mesh
from miniff.ewald._splitting import (
    COULOMB_CONSTANT,
    Splitting,
    choose_splitting,
    reach_of_clouds,
)
from miniff.ewald._sums import CoulombEnergies, Sums
from miniff.ewald._terms import add_background, add_near, add_self
from miniff.ewald._waves import add_waves, count_waves

__all__ = ["Coulomb", "Method"]

Method = Literal["auto", "waves", "mesh"]

WAVES_TO_POINTS = 0.02
"""A wave of an atom takes this much of the time of a point of the mesh; measured."""

NEUTRAL = 1e-8
"""A total charge smaller than this, relative to the sum of all charges, is rounding."""


@dataclass(frozen=True)
class Coulomb:
    """How charges are summed: with which cutoffs, to which accuracy, in which units.

    Crystals are summed by Ewald's method, exactly or, where that is faster, on a mesh; slabs, which
    repeat along two cell vectors, as crystals of slabs far apart, less the interaction of their
    dipoles; molecules pair by pair. The conductor around a crystal is taken to be perfect (tin
    foil).

    Attributes:
        a: Cutoff of what is summed over neighbours (length): lists must reach so far. A longer one
            makes waves fewer; the result is the same.
        accuracy: Root mean square error of the forces, in units of the force between two unit
            charges one length unit apart.
        scale: Energy of two unit charges one length unit apart; in eV and angstrom by default.
        widths: Standard deviation of the Gaussian charges of each species (length); those of
            species that are not named, and all by default, are points.
        background: Let cells be charged, which a uniform background then neutralises.
        method: ``"waves"`` or ``"mesh"`` for the smooth part; ``"auto"`` takes the faster one.
        splitting: Parameters to take instead of those that the accuracy asks for.
    """

    a: float
    accuracy: float = 1e-6
    scale: float = COULOMB_CONSTANT
    widths: Mapping[str, float] = field(default_factory=dict)
    background: bool = False
    method: Method = "auto"
    splitting: Splitting | None = None

    def __post_init__(self) -> None:
        for name in ("a", "accuracy", "scale"):
            check_positive(name, getattr(self, name))
        if self.method not in get_args(Method):
            raise ValueError(unknown_name("method", self.method, get_args(Method)))
        for species, width in self.widths.items():
            check_positive(f"widths[{species}]", width)
        object.__setattr__(self, "widths", MappingProxyType(dict(self.widths)))
        if self.widths:
            reach = reach_of_clouds(max(self.widths.values()), self.accuracy)
            if reach > self.a:
                raise ValueError(
                    f"`a` is {self.a} but must be at least {reach:.3g} for `widths` up to "
                    f"{max(self.widths.values())}: so far Gaussian charges differ from points"
                )

    def __reduce__(self) -> tuple[object, ...]:
        """How it is copied and sent to other processes; a mapping proxy cannot be."""
        own = (self.a, self.accuracy, self.scale, dict(self.widths))
        return Coulomb, (*own, self.background, self.method, self.splitting)

    def __hash__(self) -> int:
        return hash((self.a, self.accuracy, self.scale, tuple(sorted(self.widths.items()))))

    @property
    def cutoff(self) -> float:
        """Up to which neighbours of crystals and slabs must be listed (length)."""
        return self.a

    def evaluate(self, table: PairTable, charges: Float64[ndarray, " n_atoms"]) -> CoulombEnergies:
        """The energy of charges and its derivatives by them, by positions, and by strain.

        Raises:
            ValueError: A neighbour list that is too short, charges that are no numbers, cells that
                are charged, a structure that repeats along one direction alone.
        """
        charges = self._checked(table, charges)
        kinds = [kind_of(table, s) for s in range(table.n_structures)]
        self._refuse_short_list(table, kinds)
        sums = Sums.zero(table, charges)
        splittings = [
            None if kind == "molecule" else self._splitting_of(sums, s)
            for s, kind in enumerate(kinds)
        ]
        widths = self._widths_of(table)
        squared = None if widths is None else np.square(widths)[table.image_atom]
        for s, (kind, splitting) in enumerate(zip(kinds, splittings, strict=True)):
            if splitting is None:
                _core.all_pairs(
                    *(table.core, table.positions, table.cells, charges, squared, s),
                    *(sums.potential, sums.gradient, sums.strain),
                )
            else:
                self._refuse_charged(sums, s, kind)
                if kind == "slab":
                    self._add_slab(sums, s, splitting)
                else:
                    self._add_smooth(sums, s, table.cells[s], splitting)
                    add_background(sums, s, splitting.eta, widths)
                add_self(sums, s, splitting.eta)
        eta = np.array([-1.0 if one is None else one.eta for one in splittings])
        if (eta > 0).any():
            add_near(sums, self.a, eta, squared)
        if widths is not None:
            clouds = widths > 0
            sums.potential[clouds] += charges[clouds] / (widths[clouds] * sqrt(np.pi))
        return sums.scaled(self.scale)

    def potential(
        self, table: PairTable, charges: Float64[ndarray, " n_atoms"]
    ) -> Float64[ndarray, " n_atoms"]:
        """A q, the derivative of the energy q.A q / 2 by each charge (energy/charge).

        Raises:
            ValueError: As :meth:`evaluate`.
        """
        return self.evaluate(table, charges).potential

    def matrices(self, table: PairTable) -> list[CoulombMatrix]:
        """The same as dense matrices, one for each structure: for learning charges.

        Raises:
            ValueError: As :meth:`evaluate`.
        """
        kinds = [kind_of(table, s) for s in range(table.n_structures)]
        self._refuse_short_list(table, kinds)
        sums = Sums.zero(table, np.ones(table.n_atoms))
        widths = self._widths_of(table)
        return [
            coulomb_matrix(
                table,
                s,
                a=self.a,
                splitting=None if kind == "molecule" else self._splitting_of(sums, s),
                widths=widths,
            ).scaled(self.scale)
            for s, kind in enumerate(kinds)
        ]

    def _checked(self, table: PairTable, charges: ndarray) -> Float64[ndarray, " n_atoms"]:
        own = np.ascontiguousarray(charges, dtype=np.float64)
        if own.shape != (table.n_atoms,):
            raise ValueError(f"`charges` has shape {own.shape} but must be ({table.n_atoms},)")
        if not np.isfinite(own).all():
            atom = int(np.flatnonzero(~np.isfinite(own))[0])
            raise ValueError(f"the charge of atom {atom} (counted from 0) is {own[atom]}")
        return own

    def _refuse_short_list(self, table: PairTable, kinds: Sequence[Kind]) -> None:
        if table.cutoff < self.a and set(kinds) - {"molecule"}:
            raise ValueError(
                f"`cutoff` of the neighbour list is {table.cutoff} but must be at least {self.a}, "
                "the cutoff `a` of the Coulomb sum"
            )

    def _refuse_charged(self, sums: Sums, structure: int, kind: str) -> None:
        own = sums.charges[sums.atoms_of(structure)]
        total = float(own.sum())
        if abs(total) <= NEUTRAL * max(float(np.abs(own).sum()), 1e-300):
            return
        if kind == "slab":
            what = (
                f"a slab has a total charge of {total}: its energy is not finite, and it must be "
                "neutral"
            )
            raise TableError.of(sums.table, structure, what)
        if not self.background:
            what = (
                f"the total charge is {total}: a crystal must be neutral, or say "
                "`background=True` for a uniform background that neutralises it"
            )
            raise TableError.of(sums.table, structure, what)

    def _splitting_of(self, sums: Sums, structure: int) -> Splitting:
        if self.splitting is not None:
            return self.splitting
        own = sums.charges[sums.atoms_of(structure)]
        table = sums.table
        cell = table.cells[structure]
        if not table.periodic[structure].all():
            vectors = cell[table.periodic[structure]]
            volume = float(np.linalg.norm(np.cross(vectors[0], vectors[1]))) * self.a
        else:
            volume = float(abs(np.linalg.det(cell)))
        return choose_splitting(self.a, self.accuracy, len(own), volume, float(own @ own))

    def _widths_of(self, table: PairTable) -> Float64[ndarray, " n_atoms"] | None:
        """Of each atom, 0 for points; None where all are points."""
        own = np.array([self.widths.get(name, 0.0) for name in table.names])
        return own[table.species] if own.any() else None

    def _add_smooth(
        self, sums: Sums, structure: int, vectors: ndarray, splitting: Splitting
    ) -> None:
        own = sums.charges[sums.atoms_of(structure)]
        volume = float(abs(np.linalg.det(vectors)))
        if self.method != "waves":
            unit = float(own @ own) / sqrt(max(len(own), 1) * volume)
            plan = plan_mesh(vectors, splitting, len(own), unit, self.accuracy)
            cost = len(own) * count_waves(volume, splitting) * WAVES_TO_POINTS
            if self.method == "mesh" or cost > plan.cost(len(own)):
                add_mesh(sums, structure, vectors, splitting, plan)
                return
        add_waves(sums, structure, vectors, splitting)

    def _add_slab(self, sums: Sums, structure: int, splitting: Splitting) -> None:
        """Slabs far apart, less what the dipoles of neutral ones do to each other."""
        slab = slab_cell(sums.table, structure, self.a, splitting)
        self._add_smooth(sums, structure, slab.vectors, splitting)
        atoms = sums.atoms_of(structure)
        charges, heights = sums.charges[atoms], sums.table.positions[atoms] @ slab.normal
        heights = heights - heights.mean() if len(heights) else heights
        dipole = float(charges @ heights)
        field = 4 * np.pi / abs(np.linalg.det(slab.vectors)) * dipole
        sums.potential[atoms] += field * heights
        sums.gradient[atoms] += field * charges[:, None] * slab.normal
        along = 2 * np.outer(slab.normal, slab.normal) - np.eye(3)
        sums.strain[structure] += field * dipole / 2 * along
