"""The examples are what they say they are."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
from numpy.testing import assert_allclose

from miniff import kernel
from miniff.kernel import Cell
from miniff.ml_util import WORKFLOWS
from miniff.ml_util._jobfile import read_job_file
from miniff.ml_util._validation import check_job

SALT = Path(__file__).parents[1] / "examples" / "salt"


def test_labels_of_the_salt_are_those_of_its_model() -> None:
    """Energy, forces and charges of crystals, melts, pairs, clusters and slabs."""
    spec = importlib.util.spec_from_file_location("make_salt", SALT / "make" / "make.py")
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    cells = [*Cell.load(SALT / "train.xyz"), *Cell.load(SALT / "test.xyz")]
    groups = {cell.meta["config_type"]: cell for cell in cells}
    assert set(groups) == {"crystal", "melt", "pair", "cluster", "slab"}
    for cell in groups.values():
        found = kernel.eval(make.MODEL, cell)
        assert_allclose(found.energy, cell.meta["energy"], rtol=1e-9)
        assert_allclose(found.forces, cell.meta["forces"], atol=1e-8)
        np.testing.assert_array_equal(found.charges, cell.meta["charges"])


def test_the_job_of_the_salt_is_valid(folder: Path) -> None:
    """The example has all the files it names."""
    for path in SALT.glob("*.*"):
        shutil.copy(path, folder)
    assert len(check_job(read_job_file("jobs.yml"), WORKFLOWS)) == 2
