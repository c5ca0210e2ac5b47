"""Energy, forces and stress of one structure, and the virial atom by atom."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from miniff._neighbors import PairTable
from miniff._stress import stress_from_strain_derivative
from miniff.kernel._cell import Cell, how_to_make_one
from miniff.kernel._images import CellImages, compute_images
from miniff.potentials import (
    Potential,
    Precision,
    larger_grade,
    listed_potentials,
    ready_potentials,
    refuse_long_range,
    refuse_short_table,
    refuse_uncovered_species,
    refuse_unknown_species,
)

__all__ = ["Evaluation", "atomic_virials", "eval"]


@dataclass(frozen=True)
class Evaluation:
    """What a list of potentials says about a structure.

    Attributes:
        energy: Total (energy).
        energies: Of each atom (energy).
        gradient: dE/dr (energy/length).
        strain_derivative: dE/d(strain), symmetric (energy).
        volume: Of the cell (length^3); None where nothing repeats, or the cell has none.
        grades: How far each atom is outside of the training set of its network, by the range of
            each descriptor, and by the distance of all together; 1 is the border, nan where it is
            not known. See :class:`miniff.potentials.TrainingSet`.
        charges: Of each atom (charge); None if no energy depends on charges.
    """

    energy: float
    energies: Float64[ndarray, " n_atoms"]
    gradient: Float64[ndarray, "n_atoms 3"]
    strain_derivative: Float64[ndarray, "3 3"]
    volume: float | None
    grades: Float64[ndarray, "n_atoms 2"]
    charges: Float64[ndarray, " n_atoms"] | None = None

    @property
    def extrapolation(self) -> Float64[ndarray, " n_atoms"]:
        """The larger grade of each atom: 1 at the border of the training set, above it further out;
        nan where it is not known."""
        return larger_grade(self.grades)

    @property
    def forces(self) -> Float64[ndarray, "n_atoms 3"]:
        """Minus the gradient (energy/length)."""
        return -self.gradient

    @property
    def virial(self) -> Float64[ndarray, "3 3"]:
        """Minus the strain derivative (energy), as LAMMPS and n2p2 have it."""
        return -self.strain_derivative

    @property
    def stress(self) -> Float64[ndarray, " 6"]:
        """Strain derivative per volume, positive under tension, in ASE's order xx yy zz yz xz xy
        (energy/length^3).

        Raises:
            ValueError: The structure repeats in no direction, or its cell has no volume.
        """
        if self.volume is None:
            raise ValueError(
                "a structure that repeats in no direction has no stress, nor has one without volume"
            )
        return stress_from_strain_derivative(self.strain_derivative, self.volume)


def eval(
    potentials: Potential | Sequence[Potential],
    structure: Cell | CellImages,
    *,
    ignore_missing_species: bool = False,
    precision: Precision = "double",
    device: str = "cpu",
) -> Evaluation:
    """Total energy, gradient and stress of a structure for a list of potentials.

    Args:
        potentials: Their energies are summed.
        structure: A cell, whose neighbours are then found, or images that have them already.
        ignore_missing_species: Let a potential name species that are not in the structure, and let
            atoms that are the centre of no potential have no energy.
        precision: Of descriptors and networks: ``"single"`` is about twice as fast, and forces
            agree to about 1e-5 of the largest. Formulas and all sums are in double precision.
        device: Where: ``"cpu"`` is the compiled core; ``"cuda"`` or another device of torch;
            ``"auto"`` is a graphics processor if torch finds one, else the CPU. Python functions
            and charges are evaluated on the CPU in any case.

    Raises:
        ValueError: A neighbour list shorter than a cutoff, an unknown species or precision, atoms
            of a species to which no potential gives an energy, or a device that is not there.
        TypeError: In single precision, descriptors that are no symmetry functions.
        MemoryError: The device has too little memory.
    """
    several, images = _ready(potentials, structure, ignore_missing_species)
    ready = ready_potentials(several, images.table.names, precision=precision, device=device)
    result = ready.evaluate(images.table)
    return Evaluation(
        energy=float(result.energy[0]),
        energies=result.energies,
        gradient=result.gradient,
        strain_derivative=result.strain_derivative[0],
        volume=images.cell.volume if images.cell.has_volume else None,
        charges=result.charges,
        grades=result.grades,
    )


def atomic_virials(
    potentials: Potential | Sequence[Potential],
    structure: Cell | CellImages,
    *,
    ignore_missing_species: bool = False,
) -> Float64[ndarray, "n_atoms 3 3"]:
    """The virial of each atom's own energy: v_i = -sum_j d_ij (x) de_i/dd_ij (energy).

    d_ij = r_j - r_i runs over the neighbours of atom i. With the sign of :attr:`Evaluation.virial`,
    v_i = -de_i/d(strain), and their sum is that virial. Since energies belong to centres, a bond is
    shared as its energy is, and all of an angle is with its centre: other programs, LAMMPS among
    them, share three-body terms differently, with the same sum.

    Args:
        potentials: Their energies are summed.
        structure: A cell, whose neighbours are then found, or images that have them already.
        ignore_missing_species: As in :func:`eval`.

    Raises:
        ValueError: A neighbour list shorter than a cutoff, an unknown species, or atoms of a
            species to which no potential gives an energy.
    """
    several, images = _ready(potentials, structure, ignore_missing_species)
    return table_virials(several, images.table)


def table_virials(
    potentials: Sequence[Potential], table: PairTable
) -> Float64[ndarray, "n_atoms 3 3"]:
    """What :func:`atomic_virials` gives, for the atoms of a table (energy)."""
    refuse_short_table(potentials, table)
    virials = np.zeros((table.n_atoms, 3, 3))
    for potential in refuse_long_range(potentials, "a virial of each atom"):
        gradient = potential.pair_gradient(table)
        for x, y in product(range(3), repeat=2):
            along = table.vectors[:, x] * gradient[:, y]
            virials[:, x, y] -= np.bincount(table.centre, along, minlength=table.n_atoms)
    return virials


def _ready(
    potentials: Potential | Sequence[Potential],
    structure: Cell | CellImages,
    ignore_missing_species: bool,
) -> tuple[list[Potential], CellImages]:
    """A list of potentials and neighbours, with species that fit each other."""
    if isinstance(potentials, Cell | CellImages):
        raise TypeError(
            f"`potentials` is {type(potentials).__name__} but must be potentials; the structure "
            "comes after them"
        )
    several = listed_potentials(potentials)
    if not isinstance(structure, Cell | CellImages):
        is_list = isinstance(structure, list | tuple)
        advice = "; `eval_many` takes several" if is_list else how_to_make_one(structure)
        raise TypeError(
            f"`structure` is {type(structure).__name__} but must be one Cell, or its CellImages"
            f"{advice}"
        )
    images = (
        structure
        if isinstance(structure, CellImages)
        else compute_images(structure, max((p.cutoff for p in several), default=0.0))
    )
    if not ignore_missing_species:
        refuse_unknown_species(several, images.table.names)
        refuse_uncovered_species(several, images.table.names)
    return several, images
