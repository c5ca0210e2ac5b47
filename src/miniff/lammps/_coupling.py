"""What LAMMPS calls at each step: energy, forces and virial of its atoms where they are."""

from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any, get_args
from warnings import warn

import numpy as np
from jaxtyping import Float, Float64, Int64
from numpy import ndarray

from miniff._charges import GivenCharges
from miniff._checks import check_not_negative, unknown_name, words_for_no_number
from miniff._neighbors import AtomsError, ListedAtoms, NeighborTable, PairSearch, search_pairs
from miniff.kernel import Episodes, ExtrapolationWarning, Placement, SkinList
from miniff.kernel._eval import table_virials
from miniff.lammps._stop import Stop
from miniff.lammps._units import Units
from miniff.potentials import (
    Evaluator,
    Potential,
    Precision,
    TableEvaluation,
    ready_potentials,
    ready_search,
)

__all__ = ["FIX", "Coupling", "Settings"]

FIX = "miniff"
"""The name of our fix."""
REASONS = "atoms came too close, the time step is too long, or the potential fails here"
ORDER = ((0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2))
"""LAMMPS's order of six components: xx yy zz xy xz yz."""


@dataclass(frozen=True)
class Settings:
    """Potentials and how to use them; see :func:`miniff.lammps.attach`.

    Attributes:
        potentials: Their energies are summed.
        species: Of LAMMPS's atom types.
        units: Of LAMMPS.
        skin: Beyond the cutoff (angstrom).
        precision: Of descriptors and networks.
        device: Where forces are computed.
        atomic_virial: Whether to compute the virial of each atom.
        total_charge: Of all atoms (charge).
    """

    potentials: list[Potential]
    species: tuple[str, ...]
    units: Units
    skin: float
    precision: Precision
    device: str
    atomic_virial: bool
    total_charge: float = 0.0

    def __post_init__(self) -> None:
        check_not_negative("skin", self.skin)
        if self.precision not in get_args(Precision):
            raise ValueError(unknown_name("precision", self.precision, get_args(Precision)))

    @property
    def cutoff(self) -> float:
        """The longest of the potentials (angstrom)."""
        return max(potential.cutoff for potential in self.potentials)


class Coupling:
    """Potentials that act on the atoms of a LAMMPS; made by :func:`miniff.lammps.attach`.

    Atoms are taken as LAMMPS has them at each step, in its order and its box. The neighbour list is
    a :class:`miniff.kernel.SkinList`, in coordinates that LAMMPS's image flags unwrap, so that an
    atom that leaves the box on one side and comes in on the other needs no new one. It is made anew
    when atoms are added, removed, sorted or changed in type.

    Attributes:
        n_lists: How many neighbour lists were made.
        n_calls: How often LAMMPS asked for forces.
    """

    def __init__(self, lmp: Any, settings: Settings, stop: Stop) -> None:
        """Defines the fix; nothing is computed yet."""
        self._lmp, self._settings, self._stop = lmp, settings, stop
        self._episodes = Episodes(settings.potentials, _warn)
        self._ready: dict[tuple[str, ...], Evaluator] = {}
        self._atoms: _Atoms | None = None
        self._n_lists_before = self.n_calls = 0
        self._no_virials = np.empty((0, 6))
        lmp.command(f"fix {FIX} all external pf/callback 1 1")
        lmp.command(f"fix_modify {FIX} energy yes virial yes")
        lmp.set_fix_external_callback(FIX, self._called)
        stop.arm()

    @property
    def n_lists(self) -> int:
        return self._n_lists_before + (self._atoms.pairs.n_lists if self._atoms else 0)

    def _called(
        self, _: object, step: int, n_atoms: int, tag: ndarray, x: ndarray, forces: ndarray
    ) -> None:
        """Fills the forces; of an error LAMMPS is told, since nobody else would hear of it."""
        try:
            self.n_calls += 1
            self._stop.check_interrupt()
            if n_atoms:
                self._evaluate(step, tag, x, forces)
            else:
                self._tell(0.0, np.zeros((3, 3)))
        except Exception as error:
            forces[:n_atoms] = 0
            reason = RuntimeError(f"LAMMPS stopped at step {step}: {error}{self._ids(error, tag)}")
            reason.__cause__ = error
            self._stop.now(reason)
        except BaseException as interrupt:
            forces[:n_atoms] = 0
            self._stop.now(interrupt)

    def _evaluate(self, step: int, tag: ndarray, x: ndarray, forces: ndarray) -> None:
        if self._lmp.extract_global("respa_levels"):
            raise ValueError(
                "`run_style respa` leaves the forces of a fix external out: use `run_style verlet`"
            )
        table = self._table(tag, x)
        result = self._compiled(table.names).evaluate(table)
        _refuse_explosion(result)
        self._episodes.see(f"LAMMPS: at step {step}", result.grades, lambda: table, tag)
        units = self._settings.units
        np.multiply(result.gradient, -units.length / units.energy, out=forces)
        self._tell(float(result.energy[0]), result.strain_derivative[0])
        self._tell_of_atoms(result, table)

    def _table(self, tag: ndarray, x: ndarray) -> NeighborTable:
        """The pairs of the atoms where they are (angstrom)."""
        types = self._lmp.numpy.extract_atom("type", nelem=len(tag))
        flags = self._lmp.numpy.extract_atom("image", nelem=len(tag))
        vectors, pbc = _box(self._lmp)
        length = self._settings.units.length
        if self._atoms is None or not self._atoms.are(tag, types, pbc):
            here = Placement(x * length, vectors * length)
            self._atoms = self._listed(here, tag, types, flags, pbc)
        positions = self._atoms.unwrapped(x, flags, vectors)
        return self._atoms.pairs.table(Placement(positions * length, vectors * length))

    def _listed(
        self,
        here: Placement,
        tag: ndarray,
        types: ndarray,
        flags: ndarray,
        pbc: tuple[bool, bool, bool],
    ) -> "_Atoms":
        if tag.min() < 1:
            raise ValueError(
                "atoms have no IDs, by which it is known when LAMMPS sorts them: leave "
                "`atom_modify id no` out"
            )
        names = self._settings.species
        charges = GivenCharges(total=self._settings.total_charge)
        self._n_lists_before = self.n_lists
        pairs = SkinList(
            here,
            ListedAtoms.of([names[t - 1] for t in types.tolist()], charges),
            pbc=pbc,
            cutoff=self._settings.cutoff,
            skin=self._settings.skin,
            search=self._search,
        )
        return _Atoms(tag.copy(), types.copy(), flags.copy(), pairs)

    @cached_property
    def _search(self) -> PairSearch:
        """The core needs the pairs at each step for the virials of atoms."""
        own = self._settings
        if own.atomic_virial:
            return search_pairs
        return ready_search(own.potentials, device=own.device)

    def _compiled(self, names: tuple[str, ...]) -> Evaluator:
        if names not in self._ready:
            own = self._settings
            self._ready[names] = ready_potentials(
                own.potentials, names, precision=own.precision, device=own.device
            )
        return self._ready[names]

    def _tell(self, energy: float, strain_derivative: Float64[ndarray, "3 3"]) -> None:
        """The energy and the virial, of which LAMMPS makes the pressure, both as energies."""
        unit = self._settings.units.energy
        virial = -(strain_derivative + strain_derivative.T)[ORDER] / 2 / unit
        self._lmp.fix_external_set_energy_global(FIX, energy / unit)
        self._lmp.fix_external_set_virial_global(FIX, virial.tolist())

    def _tell_of_atoms(self, result: TableEvaluation, table: NeighborTable) -> None:
        """LAMMPS takes these at the steps that need them; a virial that is not there is nan."""
        unit = self._settings.units.energy
        self._lmp.numpy.fix_external_set_energy_peratom(FIX, result.energies / unit)
        if self._settings.atomic_virial:
            virials = table_virials(self._settings.potentials, table.on_host())
            virials = np.ascontiguousarray(virials[:, *ORDER]) / unit
        else:
            if len(self._no_virials) != table.n_atoms:
                self._no_virials = np.full((table.n_atoms, 6), np.nan)
            virials = self._no_virials
        self._lmp.numpy.fix_external_set_virial_peratom(FIX, virials)

    def _ids(self, error: BaseException, tag: ndarray) -> str:
        """What LAMMPS calls the atoms that an error is about."""
        atoms = error.atoms if isinstance(error, AtomsError) else ()
        if not atoms:
            return ""
        ids = ", ".join(str(tag[atom]) for atom in atoms)
        return f"; in LAMMPS, where atoms have IDs: {ids}"


@dataclass(frozen=True, eq=False)
class _Atoms:
    """The atoms that a neighbour list is of, with the image flags that they had."""

    tag: ndarray
    types: ndarray
    flags: ndarray
    pairs: SkinList

    def are(self, tag: ndarray, types: ndarray, pbc: tuple[bool, bool, bool]) -> bool:
        """Whether LAMMPS has the same atoms in the same order."""
        return (
            self.pairs.pbc == pbc
            and np.array_equal(self.tag, tag)
            and np.array_equal(self.types, types)
        )

    def unwrapped(
        self, x: Float[ndarray, "n_atoms 3"], flags: ndarray, vectors: Float64[ndarray, "3 3"]
    ) -> Float[ndarray, "n_atoms 3"]:
        """Positions as if LAMMPS had put no atom back into the box since the list was made."""
        if np.array_equal(flags, self.flags):
            return x
        moved: ndarray = x + (_images(flags) - _images(self.flags)) @ vectors
        return moved


def _images(flags: ndarray) -> Int64[ndarray, "n_atoms 3"]:
    """How many boxes away each atom is, from LAMMPS's packed numbers of 10 or 21 bits."""
    bits = 10 if flags.itemsize == 4 else 21
    packed = flags.astype(np.int64)
    parts = np.stack([packed >> place for place in (0, bits, 2 * bits)], axis=1)
    images: ndarray = (parts & ((1 << bits) - 1)) - (1 << (bits - 1))
    return images


def _box(lmp: Any) -> tuple[Float64[ndarray, "3 3"], tuple[bool, bool, bool]]:
    """Cell vectors, and along which of them the atoms repeat.

    Where they do not, LAMMPS's box may follow the atoms: a unit vector stands for it, which does
    not make the neighbour list look strained. In two dimensions LAMMPS calls z periodic, without
    images there.
    """
    low, high, xy, yz, xz, (a, b, c), _ = lmp.extract_box()
    lx, ly, lz = (end - begin for begin, end in zip(low, high, strict=True))
    vectors = np.array([[lx, 0.0, 0.0], [xy, ly, 0.0], [xz, yz, lz]])
    pbc = (bool(a), bool(b), bool(c) and lmp.extract_setting("dimension") == 3)
    for k, repeats in enumerate(pbc):
        if not repeats:
            vectors[k] = np.eye(3)[k]
    return vectors, pbc


def _warn(sentence: str) -> None:
    warn(sentence, ExtrapolationWarning, stacklevel=2)


def _refuse_explosion(result: TableEvaluation) -> None:
    if isfinite(result.energy[0]) and isfinite(result.gradient.sum()):
        return  # a sum with nan or infinity in it is not finite
    words, wrong = words_for_no_number(float(result.energy[0]), result.gradient)
    if wrong or not isfinite(result.energy[0]):
        raise AtomsError(f"{words}: {REASONS}", wrong)
