"""Small silicon data for tests of the training, labelled by Stillinger and Weber's formula."""

import numpy as np

from miniff.io import Structure
from miniff.kernel import Cell
from miniff.kernel import eval as evaluate
from miniff.potentials import sw2_potential_family, sw3_potential_family

EV = {"epsilon": 2.1683 / 2, "sigma": 2.0951, "a": 1.8}
SILICON = (
    sw2_potential_family(gauge_a=7.049556277, gauge_b=0.6022245584, p=4, q=0, **EV),
    sw3_potential_family(l=21, gamma=1.2, cos_theta0=-1 / 3, **EV),
)
FCC = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
DIAMOND = np.vstack([FCC, FCC + 0.25])


def labelled(n: int, seed: int, pressure: float = 0.0, strain: float = 0.03) -> list[Structure]:
    """Rattled, strained diamond cells with energy, forces and stress.

    Args:
        n: Structures.
        seed: Of what is drawn.
        pressure: Added to the diagonal of the stress, which then contradicts the energies.
        strain: Standard deviation of the strains.
    """
    rng = np.random.default_rng(seed)
    structures = []
    for _ in range(n):
        vectors = 5.43 * (np.eye(3) + rng.normal(scale=strain, size=(3, 3)))
        coordinates = DIAMOND + rng.normal(scale=0.02, size=(8, 3))
        result = evaluate(SILICON, Cell(vectors, coordinates, ["Si"] * 8))
        structures.append(
            Structure(
                vectors=vectors,
                positions=coordinates @ vectors,
                species=("Si",) * 8,
                periodic=(True, True, True),
                energy=result.energy,
                forces=result.forces,
                stress=result.stress + pressure * np.array([1, 1, 1, 0, 0, 0]),
            )
        )
    return structures
