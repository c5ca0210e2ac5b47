"""Silicon beside a network with a training set that hot or compressed crystals leave."""

import pytest
from ase import units
from silicon import SILICON
from trained import crystal, trained

from miniff.kernel import Cell

HOT = {"timestep": units.fs, "temperature": 6000.0}


@pytest.fixture(scope="module")
def potentials() -> list:
    return [*SILICON, trained(is_zero=True)]


def far() -> Cell:
    """Compressed, so that all atoms are outside until the cell has relaxed."""
    return crystal(-0.12, rattle=0.05)
