"""The structures: rattled crystals, a packed liquid of water molecules, and published ones."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.spatial import cKDTree

__all__ = [
    "EXAMPLES",
    "Example",
    "Structure",
    "Unsuitable",
    "argon",
    "published",
    "silicon",
    "water",
]

RATTLE = 0.1
"""Standard deviation of the displacements from a crystal's sites (angstrom)."""

FCC = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
DIAMOND = np.concatenate([FCC, FCC + 0.25])

MASSES = {"Ar": 39.948, "H": 1.008, "O": 15.999, "Si": 28.085}

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "n2p2" / "predict"
"""Where n2p2's example potentials are, next to the checkout."""

BOND, ANGLE = 0.9572, np.deg2rad(104.52)
WATER_VOLUME = 29.9
"""Of a molecule in the liquid (angstrom^3)."""

SHORTEST_CONTACT = 1.6
"""Between atoms of two molecules (angstrom)."""


class Unsuitable(Exception):
    """A case cannot be done; the message says why."""


@dataclass(frozen=True)
class Example:
    """A potential of n2p2's, with a structure for it.

    Attributes:
        folder: Its name among the examples.
        length_unit: Of its files.
        energy_unit: Of its files.
    """

    folder: str
    length_unit: str
    energy_unit: str

    @property
    def path(self) -> Path:
        """Of the folder, which must be there."""
        if not (DATA / self.folder).is_dir():
            raise Unsuitable(f"n2p2's example {self.folder} is not at {DATA}")
        return DATA / self.folder


EXAMPLES = {
    "H2O": Example("H2O_RPBE-D3", "bohr", "Hartree"),
    "Cu2S": Example("Cu2S_PBE", "angstrom", "eV"),
}


@dataclass(frozen=True)
class Structure:
    """Atoms in a periodic box, orthogonal where it has no vectors.

    Attributes:
        box: Edge lengths (angstrom).
        positions: Cartesian (angstrom).
        symbols: Chemical symbol of each atom.
        vectors: Of a box that is not orthogonal (angstrom).
    """

    box: Float64[ndarray, " 3"]
    positions: Float64[ndarray, "n_atoms 3"]
    symbols: tuple[str, ...]
    vectors: Float64[ndarray, "3 3"] | None = None

    @property
    def cell(self) -> Float64[ndarray, "3 3"]:
        """Vectors of any box (angstrom)."""
        return np.diag(self.box) if self.vectors is None else self.vectors

    @property
    def n_atoms(self) -> int:
        return len(self.symbols)

    @property
    def masses(self) -> Float64[ndarray, " n_atoms"]:
        """In atomic mass units."""
        return np.array([MASSES[symbol] for symbol in self.symbols])


def silicon(size: int) -> Structure:
    """Diamond, a = 5.431 angstrom, rattled; n x n x n cubes of 8 atoms."""
    n = cube_root(size)
    return rattled("Si", 5.431, DIAMOND, np.array([n, n, n]))


def argon(size: int) -> Structure:
    """Face-centred cubic, a = 5.26 angstrom, rattled; n x n x 2n cubes of 4 atoms."""
    n = cube_root(size)
    return rattled("Ar", 5.26, FCC, np.array([n, n, 2 * n]))


def water(size: int) -> Structure:
    """Liquid-like: molecules near the sites of a cubic lattice, turned at random without clashes.

    The number of molecules is the cube that comes nearest to the size.
    """
    n = max(2, round((size / 3) ** (1 / 3)))
    rng = np.random.default_rng(0)
    edge = WATER_VOLUME ** (1 / 3)
    box = np.full(3, n * edge)
    oxygen = edge * lattice_sites(np.array([n, n, n])) + rng.uniform(-0.15, 0.15, (n**3, 3))
    hydrogen = random_hydrogens(rng, n**3)
    for _ in range(200):
        atoms = (oxygen[:, None] + np.insert(hydrogen, 0, 0, axis=1)).reshape(-1, 3)
        atoms %= box
        clashing = clashing_molecules(atoms, box)
        if len(clashing) == 0:
            return Structure(box, atoms, ("O", "H", "H") * n**3)
        hydrogen[clashing] = random_hydrogens(rng, len(clashing))
    raise RuntimeError(f"water molecules closer than {SHORTEST_CONTACT} angstrom are left")


def published(name: str, size: int) -> Structure:
    """The structure of one of n2p2's examples, n x n x n copies nearest to the size."""
    from miniff.kernel import Cell

    example = EXAMPLES[name]
    units = {"length_unit": example.length_unit, "energy_unit": example.energy_unit}
    (cell,) = Cell.load(example.path / "input.data", **units)
    n = max(1, round((size / cell.size) ** (1 / 3)))
    large = cell.repeated(n, n, n)
    box = np.linalg.norm(large.vectors, axis=1)
    return Structure(box, large.cartesian(), large.values, large.vectors)


def cube_root(size: int) -> int:
    """n of size = 8 n^3."""
    n = int(np.cbrt(size / 8).round())
    if n < 1 or 8 * n**3 != size:
        raise ValueError(f"`sizes` has {size} but must be 8 n^3: 64, 512, 4096, 32768, 262144, ...")
    return n


def lattice_sites(counts: ndarray) -> ndarray:
    """Whole numbers [n_cells, 3]."""
    steps: ndarray = np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), -1)
    return steps.reshape(-1, 3)


def rattled(symbol: str, a: float, sites: ndarray, counts: ndarray) -> Structure:
    """A supercell of a cubic crystal with displaced atoms."""
    positions = a * (lattice_sites(counts)[:, None] + sites).reshape(-1, 3)
    positions += np.random.default_rng(0).normal(scale=RATTLE, size=positions.shape)
    box = a * counts
    return Structure(box, positions % box, (symbol,) * len(positions))


def random_hydrogens(rng: np.random.Generator, n_molecules: int) -> ndarray:
    """Vectors from the oxygen of randomly turned molecules (angstrom) [n_molecules, 2, 3]."""
    turn, _ = np.linalg.qr(rng.normal(size=(n_molecules, 3, 3)))
    half = ANGLE / 2
    flat = BOND * np.array([[np.sin(half), np.cos(half), 0], [-np.sin(half), np.cos(half), 0]])
    hydrogens: ndarray = np.einsum("hx,mxy->mhy", flat, turn)  # [hydrogen, xyz, molecule]
    return hydrogens


def clashing_molecules(atoms: ndarray, box: ndarray) -> ndarray:
    """Molecules of three atoms that have an atom too close to one of another molecule."""
    pairs = cKDTree(atoms, boxsize=box).query_pairs(SHORTEST_CONTACT, output_type="ndarray") // 3
    between = pairs[pairs[:, 0] != pairs[:, 1]]
    return np.unique(between[:, 0])
