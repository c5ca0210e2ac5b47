"""Structures that are there twice, in whatever words, are found."""

import numpy as np
import pytest
from sound_data import changed, kinds, own, silicon

from miniff.kernel import Cell, check_data


def copies_of(cell: Cell) -> dict[str, Cell]:
    """The same structure in other words."""
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    order = np.random.default_rng(3).permutation(cell.size)
    names = [cell.values[k] for k in order]
    other_cell = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 1]])
    positions = cell.cartesian()
    return {
        "turned or mirrored": Cell(cell.vectors @ turn, cell.coordinates, cell.values),
        "moved": Cell(cell.vectors, cell.coordinates + np.array([0.3, -0.2, 1.7]), cell.values),
        "in another order": Cell(cell.vectors, cell.coordinates[order], names),
        "in another cell": Cell(
            other_cell @ cell.vectors,
            np.linalg.solve((other_cell @ cell.vectors).T, positions.T).T,
            cell.values,
        ),
    }


@pytest.mark.parametrize("how", copies_of(silicon()[0]))
def test_symmetry_copies_are_found(how: str) -> None:
    """Between sets it is a warning, inside of one a note; all else is no copy of anything."""
    copy = changed(copies_of(silicon()[5])[how], energy=own(silicon()[5], "energy"))
    found = {f.kind: f for f in check_data({"train": silicon(), "test": [copy]}).findings}
    between = found["copies between sets"]
    assert between.severity == "warning"
    assert between.sentence.startswith(
        "1 of 1 structure of the test set is a symmetry copy of structures in the train set "
        "(1 of them with the same energy)"
    )
    assert "train.xyz, structure 5 (counted from 0)" in between.sentence
    assert kinds([*silicon(), copy])["copies"].severity == "note"


def test_almost_the_same_is_no_copy() -> None:
    """An atom that moved by a hundredth of an angstrom makes another structure."""
    cell = silicon()[5]
    coordinates = cell.coordinates + 0.01 / 5.43 * np.eye(8)[:, :1] * [1, 0, 0]
    assert "copies" not in kinds([*silicon(), Cell(cell.vectors, coordinates, cell.values)])


def test_copies_with_other_energies_contradict_each_other() -> None:
    copy = changed(copies_of(silicon()[5])["moved"], energy=own(silicon()[5], "energy") + 0.16)
    found = kinds([*silicon(), copy])["contradicting copies"]
    assert "by up to 20 meV/atom" in found.sentence
