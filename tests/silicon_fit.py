"""A job that fits silicon, and its data."""

from pathlib import Path

import pytest
from silicon import labelled

from miniff.io import write_extxyz


@pytest.fixture
def silicon(folder: Path) -> Path:
    """A folder with 24 structures for training and 6 for the test."""
    write_extxyz("train.xyz", labelled(24, seed=0))
    write_extxyz("test.xyz", labelled(6, seed=1))
    return folder


JOB = {
    "init": {"seed": 3, "threads": 1, "log": "warning"},
    "prepare": {"fn_cells": "train.xyz", "cutoff": 4.5, "validation_set": 0.2, "n_models": 1},
    "run": {"n_epochs": 6},
}
