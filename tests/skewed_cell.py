"""A skewed cell of two species, and a potential that acts on both."""

from miniff.kernel import Cell
from miniff.potentials import lj_potential_family

SKEWED = [[3.0, 0, 0], [1.1, 2.8, 0], [-0.7, 0.9, 3.3]]
SITES = [[0.1, 0.2, 0.3], [0.6, 0.4, 0.9], [2.3, -7.6, 0.45]]
LJ = lj_potential_family(epsilon=1.0, sigma=1.0, a=2.5)


def make_cell(**more):
    return Cell(SKEWED, SITES, ["a", "b", "a"], **more)
