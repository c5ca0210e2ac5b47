"""Files of silicon for jobs that move atoms, and how one is run."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase_silicon import SILICON, silicon, strained

from miniff import ml
from miniff.kernel import Cell
from miniff.ml_util import exec_workflows

A0 = 5.43095


@pytest.fixture
def silicon_files(folder: Path) -> Path:
    """Potentials, a perfect crystal with its energy, a strained one, and a dimer."""
    ml.save_potentials("potentials.pt", SILICON)
    scale = A0 / 5.431
    crystal = strained(silicon(1, rattle=0.0), (scale - 1) * np.eye(3))
    perfect = Cell.from_ase(crystal)
    known = {"energy": 8 * -2 * 2.1683, "tag": "perfect"}
    perfect = Cell(perfect.vectors, perfect.coordinates, perfect.values, known)
    stretched = Cell(
        1.01 * perfect.vectors, perfect.coordinates, perfect.values, {"energy": 8 * -4.3}
    )
    dimer = Cell.from_ase(Atoms("Si2", [[0, 0, 0], [0, 0, 2.6]]))
    Cell.save([perfect, stretched, dimer], "reference.xyz")
    Cell.save(Cell.from_ase(silicon(1, rattle=0.05)), "rattled.xyz")
    return folder


def run(workflow: str, prepare: dict, **keys) -> object:
    """One workflow, quietly."""
    job = {"init": {"log": "warning"}, "prepare": prepare, "run": keys}
    (result,) = exec_workflows({workflow: job})
    return result


MD = {"fn_cells": "rattled.xyz", "repeat": [2, 1, 1]}
