"""What is measured: structures, potentials and function sets that every peer is given alike."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from benchmarks.structures import Structure, argon, published, silicon, water

__all__ = [
    "ARGON",
    "BOND_ORDER",
    "MD_SKIN",
    "SILICON",
    "SKIN",
    "STEPS",
    "TIMESTEP",
    "WORKLOADS",
    "Angular",
    "Case",
    "LennardJones",
    "Radial",
    "StillingerWeber",
    "Tersoff",
    "Workload",
    "build_case",
]

SKIN = 0.3
"""How much longer than the cutoff a reused neighbour list is (angstrom)."""

N_COPIES, DISPLACEMENT = 4, 0.01
"""Calls alternate between copies of the structure with atoms displaced by so much (angstrom)."""

MD_SKIN, STEPS, TIMESTEP = 1.0, 20, 1.0
"""Dynamics: skin of the list (angstrom), steps in one timed call, length of one (fs)."""

TEMPERATURE = 300.0
BOLTZMANN = 8.314462618e-7  # amu angstrom^2 / fs^2 / K


@dataclass(frozen=True)
class StillingerWeber:
    """Energies in eV, lengths in angstrom; the cutoff is ``a sigma``."""

    epsilon: float = 2.1683
    sigma: float = 2.0951
    a: float = 1.80
    lam: float = 21.0
    gamma: float = 1.20
    cos_theta0: float = -1 / 3
    gauge_a: float = 7.049556277
    gauge_b: float = 0.6022245584
    p: float = 4.0
    q: float = 0.0

    @property
    def cutoff(self) -> float:
        return self.a * self.sigma


@dataclass(frozen=True)
class Tersoff:
    """Silicon of 1989 (Phys. Rev. B 39, 5566), in the order of LAMMPS; eV and angstrom."""

    m: float = 3.0
    gamma: float = 1.0
    lambda3: float = 0.0
    c: float = 100390.0
    d: float = 16.217
    cos_theta0: float = -0.59825
    n: float = 0.78734
    beta: float = 1.1e-6
    lambda2: float = 1.73222
    B: float = 471.18
    R: float = 2.85
    D: float = 0.15
    lambda1: float = 2.4799
    A: float = 1830.8

    @property
    def cutoff(self) -> float:
        return self.R + self.D


@dataclass(frozen=True)
class LennardJones:
    """Cut, not shifted; eV and angstrom."""

    epsilon: float = 0.0104
    sigma: float = 3.40
    cutoff: float = 8.5


@dataclass(frozen=True)
class Radial:
    """exp(-eta (r - r_sphere)^2) fc(r); tag is centre-neighbour."""

    tag: str
    eta: float
    r_sphere: float


@dataclass(frozen=True)
class Angular:
    """Behler 4 (narrow) or 5, each unordered pair of neighbours once; tag is centre-j-k."""

    tag: str
    eta: float
    lam: float
    zeta: float
    narrow: bool


SILICON, ARGON, BOND_ORDER = StillingerWeber(), LennardJones(), Tersoff()
RADIAL = (
    (0.00357, 0.0),
    (0.0357, 0.0),
    (0.107, 0.0),
    (0.214, 0.0),
    (0.536, 2.0),
    (1.071, 2.0),
    (2.143, 2.0),
    (5.357, 2.0),
)
ANGULAR = tuple(product((0.00357, 0.0357, 0.107, 0.25), (1.0, -1.0), (1.0, 4.0, 16.0)))


def eight_and_twenty_four(*, narrow: bool) -> tuple[Radial | Angular, ...]:
    """8 radial and 24 angular functions of silicon."""
    radial = [Radial("Si-Si", eta, r_sphere) for eta, r_sphere in RADIAL]
    angular = [Angular("Si-Si-Si", *numbers, narrow) for numbers in ANGULAR]
    return (*radial, *angular)


def water_functions() -> Iterator[Radial | Angular]:
    """27 functions of H, 30 of O, spaced like those published for water at 6.35 angstrom."""
    places = {"H-H": 1.0, "H-O": 0.5, "O-H": 0.5, "O-O": 2.1}
    for tag, r_sphere in places.items():
        for eta in (0.0036, 0.036, 0.11, 0.21):
            yield Radial(tag, eta, 0.0)
        for eta in (0.54, 1.07, 2.14, 5.36):
            yield Radial(tag, eta, r_sphere)
    yield Angular("H-O-H", 0.71, 1.0, 1.0, True)
    for tag in ("H-O-H", "O-H-H"):
        for (eta, zeta), lam in product(((0.25, 1.0), (0.11, 1.0), (0.036, 4.0)), (1.0, -1.0)):
            yield Angular(tag, eta, lam, zeta, True)
    for tag in ("O-O-H", "H-O-O", "O-O-O"):
        for (eta, zeta), lam in product(((0.11, 1.0), (0.0036, 4.0)), (1.0, -1.0)):
            yield Angular(tag, eta, lam, zeta, True)


@dataclass(frozen=True)
class Workload:
    """One line of work.

    Attributes:
        name: On the command line.
        title: What is done, for people.
        structure: Makes the structure for a size.
        cutoff: Of the potential or the functions (angstrom).
        functions: Symmetry functions, where the work is about them.
        example: Name of n2p2's example potential, where the work is its.
    """

    name: str
    title: str
    structure: Callable[[int], Structure]
    cutoff: float
    functions: tuple[Radial | Angular, ...] = ()
    example: str = ""


BEHLER_CUTOFF = 6.35
WATER_CUTOFFS = {100: 6.35, 220: 8.0}
VALUES, FORCES = "values", "values and forces of their sum"
NETWORK = "energy and forces of a network 32-25-25-1"


def behler_workloads() -> Iterator[Workload]:
    """The set of silicon and the set of water."""
    for number, narrow in ((4, True), (5, False)):
        functions = eight_and_twenty_four(narrow=narrow)
        for name, what in (("values", VALUES), ("forces", FORCES), ("network", NETWORK)):
            title = f"Si, 8 G2 + 24 G{number}, {BEHLER_CUTOFF} angstrom, 46 neighbours: {what}"
            yield Workload(f"g{number}-{name}", title, silicon, BEHLER_CUTOFF, functions)
    for neighbours, cutoff in WATER_CUTOFFS.items():
        title = f"Water, 27 + 30 functions, {cutoff} angstrom, {neighbours} neighbours: {FORCES}"
        yield Workload(f"water-{neighbours}", title, water, cutoff, tuple(water_functions()))


def example_workloads() -> Iterator[Workload]:
    """Potentials that n2p2 publishes, which are read where they are."""
    of = {"H2O": ("27 and 30 functions", 6.3502), "Cu2S": ("72 and 66 functions", 6.0)}
    for name, (what, cutoff) in of.items():
        title = f"{name}, n2p2's example potential, {what}, two layers of 25: energy and forces"
        yield Workload(f"n2p2-{name}", title, partial(published, name), cutoff, example=name)


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("sw", "Si, Stillinger-Weber: energy and forces", silicon, SILICON.cutoff),
        Workload("lj", "Ar, Lennard-Jones: energy and forces", argon, ARGON.cutoff),
        Workload("tersoff", "Si, Tersoff: energy and forces", silicon, BOND_ORDER.cutoff),
        *behler_workloads(),
        *example_workloads(),
        Workload("nve-sw", "Si, Stillinger-Weber: NVE step", silicon, SILICON.cutoff),
        Workload("nve-lj", "Ar, Lennard-Jones: NVE step", argon, ARGON.cutoff),
        Workload("pairs", "Si, neighbour search, 6.35 angstrom", silicon, BEHLER_CUTOFF),
    )
}


@dataclass(frozen=True)
class Case:
    """What a peer is given.

    Attributes:
        workload: The work.
        structure: The structure that neighbour lists are made of.
        copies: Positions that calls alternate between (angstrom).
    """

    workload: Workload
    structure: Structure
    copies: Float64[ndarray, "n_copies n_atoms 3"]

    @property
    def reused_cutoff(self) -> float:
        """Length of a list that stays valid for all copies (angstrom)."""
        return self.workload.cutoff + SKIN

    @cached_property
    def velocities(self) -> Float64[ndarray, "n_atoms 3"]:
        """Of 300 K, without a common motion (angstrom/fs)."""
        mass = self.structure.masses[:, None]
        width = np.sqrt(BOLTZMANN * TEMPERATURE / mass)
        drawn = np.random.default_rng(2).normal(size=self.structure.positions.shape) * width
        velocities: ndarray = drawn - (mass * drawn).sum(axis=0) / mass.sum()
        return velocities


def build_case(name: str, size: int) -> Case:
    """The structure of a size and its displaced copies."""
    workload = WORKLOADS[name]
    structure = workload.structure(size)
    shape = (N_COPIES, structure.n_atoms, 3)
    moves = np.random.default_rng(1).normal(scale=DISPLACEMENT, size=shape)
    return Case(workload, structure, structure.positions + moves)
