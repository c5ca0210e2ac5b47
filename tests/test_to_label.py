"""Frames that are kept to be labelled: ready for a reference method, and of a run that goes on."""

from pathlib import Path

import numpy as np
import pytest
from ase.io import read
from hot_silicon import HOT
from hot_silicon import potentials as potentials  # a fixture
from silicon import SILICON
from trained import crystal

from miniff import dyn
from miniff.ase import MiniffCalculator
from miniff.dyn._to_label import frame_to_label
from miniff.kernel import Cell, ExtrapolationWarning
from miniff.kernel import eval as evaluate
from miniff.ml_util import exec_workflows


def test_frames_are_ready_for_a_reference_method(potentials, folder: Path) -> None:
    """ASE reads species, cell and pbc, and no label; predictions are those of `eval`. Without new
    labels nothing is learned from it; with them it is data like any other."""
    start = crystal()
    start = Cell(start.vectors, start.coordinates, start.values, {"source": "Si.xyz, the first"})
    with pytest.warns(ExtrapolationWarning):
        dyn.nvt(start, potentials, n_steps=40, to_label="out.xyz", **HOT)
    (atoms,) = read("out.xyz", ":")
    assert atoms.get_chemical_symbols() == ["Si"] * 8
    assert atoms.pbc.all()
    assert atoms.calc is None
    (cell,) = Cell.load("out.xyz")
    assert not {"energy", "forces", "stress"} & set(cell.meta)
    assert cell.meta["run"] == "nvt"
    assert cell.meta["origin"] == "Si.xyz, the first"
    found = evaluate(potentials, cell)
    assert cell.meta["energy_pred"] == pytest.approx(found.energy, rel=1e-12)
    np.testing.assert_allclose(cell.meta["forces_pred"], found.forces, atol=1e-10)
    np.testing.assert_allclose(cell.meta["stress_pred"], found.stress, atol=1e-12)
    np.testing.assert_allclose(cell.meta["extrapolation"], found.extrapolation, rtol=1e-9)
    assert cell.meta["largest_extrapolation"] == pytest.approx(found.extrapolation.max())
    fit = {
        "init": {"log": "warning"},
        "prepare": {"fn_cells": ["out.xyz"], "validation_set": 0.0},
        "run": {"n_epochs": 1},
    }
    with pytest.raises(ValueError, match=r"no structure for training has an energy, forces or"):
        exec_workflows({"fit": fit})
    atoms.calc = MiniffCalculator(SILICON)
    atoms.get_potential_energy()
    atoms.write("labelled.xyz")
    (again,) = Cell.load("labelled.xyz")
    assert again.meta["energy"] == pytest.approx(evaluate(SILICON, cell).energy, rel=1e-12)


class TestToLabel:
    """A bounded number of frames, apart from each other; those of other runs stay."""

    def frame(self, step: int, run: str = "md", source: str = "a") -> Cell:
        cell, grades = crystal(), np.full((8, 2), 2.0)
        cell = Cell(cell.vectors, cell.coordinates, cell.values, {"source": source})
        return frame_to_label(cell, grades, run, step)

    def steps(self, path: str = "out.xyz") -> list[int]:
        return [int(cell.meta["step"]) for cell in Cell.load(path)]

    def test_neighbouring_steps_are_left_out(self, folder: Path) -> None:
        file = dyn.ToLabel("out.xyz", "md", spacing=10)
        assert [file.add(self.frame(s)) for s in (3, 4, 12, 13, 14)] == [1, 0, 0, 1, 0]
        assert file.add(self.frame(15), is_last=True)
        assert self.steps() == [3, 13, 15]
        assert file.n_frames == 3

    def test_when_there_are_too_many_every_second_one_goes(self, folder: Path) -> None:
        """And later ones are twice as far apart: the whole run stays covered."""
        file = dyn.ToLabel("out.xyz", "md", spacing=1, most=8)
        for step in range(100):
            file.add(self.frame(step))
            assert file.n_frames <= 8
        steps = self.steps()
        assert 4 <= len(steps) <= 8
        assert steps[0] == 0
        assert max(np.diff(steps)) <= 16
        assert steps[-1] > 80

    def test_structures_do_not_push_each_other_out(self, folder: Path) -> None:
        file = dyn.ToLabel("out.xyz", "relax", spacing=10)
        file.add_all([self.frame(0), self.frame(0, source="b")])
        file.add_all([self.frame(1)])
        assert self.steps() == [0, 0]

    def test_a_run_begins_anew_and_leaves_others_alone(self, folder: Path) -> None:
        """Frames of another name, and structures that others have put there, stay."""
        dyn.ToLabel("out.xyz", "relax").add(self.frame(1, "relax"))
        with open("out.xyz", "a") as file:
            file.write("1\n\nSi 0 0 0\n")
        dyn.ToLabel("out.xyz", "md").add(self.frame(5))
        dyn.ToLabel("out.xyz", "md").add(self.frame(7))
        runs = [cell.meta.get("run") for cell in Cell.load("out.xyz")]
        assert runs == ["relax", None, "md"]
        assert Cell.load("out.xyz")[-1].meta["step"] == 7

    def test_a_run_that_goes_on_keeps_what_it_had(self, folder: Path) -> None:
        """Up to the step it goes on from."""
        before = dyn.ToLabel("out.xyz", "md")
        for step in (5, 105, 205):
            before.add(self.frame(step))
        after = dyn.ToLabel("out.xyz", "md")
        after.go_on(150)
        assert not after.add(self.frame(160))
        after.add(self.frame(240))
        assert self.steps() == [5, 105, 240]

    def test_other_files_are_refused(self, folder: Path) -> None:
        with pytest.raises(ValueError, match=r"`to_label` is 'x.pt' but must end in .xyz, .extxyz"):
            dyn.ToLabel("x.pt", "md")
        Path("x.xyz").write_text("notes\n")
        with pytest.raises(ValueError, match=r"`to_label` is x.xyz, a file with something else"):
            dyn.ToLabel("x.xyz", "md")
        with pytest.raises(ValueError, match=r"`spacing` is 0 but must be in \[1, inf\)"):
            dyn.ToLabel("y.xyz", "md", spacing=0)


def test_a_run_that_goes_on_has_the_frames_of_one_that_did_not_stop(
    potentials, folder: Path
) -> None:
    """From its checkpoint, to the same file."""

    def run(n_steps: int, name: str) -> None:
        record = dyn.Record(checkpoint=f"{name}.checkpoint", every=50)
        file = dyn.ToLabel(f"{name}.xyz", "nvt", spacing=20)
        with pytest.warns(ExtrapolationWarning):
            dyn.nvt(crystal(), potentials, n_steps=n_steps, record=record, to_label=file, **HOT)

    run(150, "whole")
    run(70, "parts")
    run(150, "parts")
    whole, parts = (Cell.load(f"{name}.xyz") for name in ("whole", "parts"))
    assert len(whole) > 2
    assert [c.meta["step"] for c in whole] == [c.meta["step"] for c in parts]
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one.cartesian(), other.cartesian())
