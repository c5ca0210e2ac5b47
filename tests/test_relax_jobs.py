"""The workflows `relax` and `test-relax`."""

import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import units
from ase_silicon import SILICON, silicon
from silicon_jobs import A0, run
from silicon_jobs import silicon_files as silicon_files  # a fixture

from miniff import dyn, ml
from miniff.kernel import Cell
from miniff.kernel import eval as evaluate
from miniff.ml_util import exec_workflows
from miniff.ml_util._relaxing import cell_parameters
from miniff.potentials import lj_potential_family


def test_relaxed_structures_are_written_with_their_numbers(silicon_files: Path) -> None:
    """The crystal finds its lattice constant; the file holds what the kernel says of it."""
    (end,) = run("relax", {"fn_cells": "rattled.xyz"}, free="cell", tolerance=1e-4)
    assert end.volume ** (1 / 3) == pytest.approx(A0, abs=1e-4)
    (written,) = Cell.load("relax.extxyz")
    found = evaluate(SILICON, written)
    assert written.meta["energy"] == pytest.approx(found.energy, rel=1e-13)
    np.testing.assert_allclose(written.meta["stress"], found.stress, atol=1e-12)
    assert written.meta["converged"]
    report = json.loads(Path("relax.json").read_text())
    (entry,) = report["structures"]
    assert entry["energy"] == pytest.approx(8 * -2 * 2.1683, abs=1e-6)
    assert entry["volume_change"] == pytest.approx((A0 / 5.431) ** 3 - 1, abs=1e-5)
    assert entry["largest_force"] < 1e-4
    assert entry["source"].startswith("rattled.xyz")
    np.testing.assert_allclose(entry["cell_before"], 3 * [5.431] + 3 * [90], rtol=1e-9)
    np.testing.assert_allclose(entry["cell_after"], 3 * [A0] + 3 * [90], atol=1e-3)
    assert report["potentials_sha256"]
    log = Path("relax.log").read_text()
    assert "Relaxed structures" in log
    assert "│ rattled.xyz #0 │ " in log
    assert "Their cells, before and after" in log
    first, second = (line.split("│")[2:-1] for line in log.splitlines()[-3:-1])
    assert [text.strip() for text in first] == 3 * ["5.4310"] + 3 * ["90.00"]
    after = [f"{A0:.4f}"] * 3
    assert [float(t) for t in second[:3]] == pytest.approx([float(t) for t in after], abs=2e-4)


def test_cells_that_stay_are_not_told(silicon_files: Path) -> None:
    """Nor has a slab an angle with the vector along which nothing repeats."""
    run("relax", {"fn_cells": "rattled.xyz"})
    assert "Their cells" not in Path("relax.log").read_text()
    crystal = Cell.from_ase(silicon(1, rattle=0.0))
    slab = Cell(crystal.vectors, crystal.coordinates, crystal.values, pbc=(True, True, False))
    assert cell_parameters(slab) == pytest.approx([5.431, 5.431, None, None, None, 90.0])


@pytest.mark.parametrize("workflow", ["relax", "test-relax"])
def test_tables_fit_a_terminal_of_80_columns(silicon_files: Path, capsys, workflow: str) -> None:
    """Every row is one line, numbers and names are whole."""
    job = {"prepare": {"fn_cells": "reference.xyz"}, "run": {"free": "cell"}}
    exec_workflows({workflow: job})
    lines = [line for line in capsys.readouterr().out.splitlines() if "│" in line]
    assert sum("reference.xyz #1 │" in line for line in lines) == 2 - (workflow == "test-relax")
    assert max(map(len, lines)) <= 80


def test_pressure_is_in_gigapascal(silicon_files: Path) -> None:
    """The stress of the relaxed crystal is minus it."""
    (end,) = run(
        "relax", {"fn_cells": "rattled.xyz"}, free="cell", pressure_gpa=1.5, tolerance=1e-4
    )
    stress = evaluate(SILICON, end).stress[:3] / units.GPa
    np.testing.assert_allclose(stress, -1.5, atol=1e-3)


def test_fixed_atoms_of_a_job_stay(silicon_files: Path) -> None:
    """Counted from 0."""
    (start,) = Cell.load("rattled.xyz")
    (end,) = run("relax", {"fn_cells": "rattled.xyz"}, fixed=[0, 2])
    moved = np.abs(end.cartesian() - start.cartesian()).max(axis=1) > 1e-6
    np.testing.assert_array_equal(np.flatnonzero(~moved), [0, 2])


@pytest.mark.parametrize("workflow", ["relax", "test-relax"])
def test_a_job_that_relaxes_nothing_says_why(silicon_files: Path, workflow: str) -> None:
    """There is nothing to write then."""
    close = Cell(9 * np.eye(3), [[0, 0, 0], [0, 0, 0]], ["Si", "Si"], pbc=False)
    Cell.save([close, close], "close.xyz")
    sentence = r"close\.xyz, structure 0 .* at the same place .* \(2 of 2 structures\)$"
    with pytest.raises(ValueError, match=sentence):
        run(workflow, {"fn_cells": "close.xyz"})
    assert not Path(f"{workflow}.extxyz").exists()


def test_minima_are_compared_with_references(silicon_files: Path) -> None:
    """A perfect reference stays; a stretched one comes back; a dimer has no volume or reference."""
    pairs = run("test-relax", {"fn_cells": "reference.xyz"}, tolerance=1e-5)
    perfect, stretched, dimer = (pair.errors for pair in pairs)
    assert perfect["energy"] == pytest.approx(0, abs=1e-6)
    assert perfect["volume"] == pytest.approx(0, abs=1e-5)
    assert perfect["positions"] == pytest.approx(0, abs=1e-6)
    assert stretched["energy"] == pytest.approx(-2 * 2.1683 + 4.3, abs=1e-6)
    assert stretched["volume"] == pytest.approx(1.01**-3 - 1, abs=2e-5)
    assert dimer["energy"] is None
    assert dimer["volume"] is None
    # The pair energy of Stillinger and Weber has its minimum at 2^(1/6) sigma.
    assert dimer["positions"] == pytest.approx(abs(2.6 - 2 ** (1 / 6) * 2.0951) / 2, abs=1e-4)
    report = json.loads(Path("test-relax.json").read_text())
    assert report["errors"]["energy"]["n"] == 2
    assert report["errors"]["energy"]["mae"] == pytest.approx(stretched["energy"] / -2, abs=1e-6)
    assert report["errors"]["positions"]["largest"] == dimer["positions"]
    assert [entry["errors"]["volume"] for entry in report["structures"]][2] is None
    frames = ase.io.read("test-relax.extxyz", ":")
    assert frames[1].info["volume_error"] == stretched["volume"]
    assert "energy_error" not in frames[2].info
    assert frames[2].arrays["displacement"] == pytest.approx(dimer["positions"])
    log = Path("test-relax.log").read_text()
    assert "Relaxed less reference" in log
    assert "RMSE" in log


def test_displacements_leave_out_strain_and_common_motion(silicon_files: Path) -> None:
    """A crystal that is sheared and shifted has moved nowhere; one atom pushed aside has."""
    start = Cell.from_ase(silicon(1, rattle=0.0))
    from miniff.ml_util._relaxing import Relaxed

    vectors = start.vectors @ (np.eye(3) + 0.1 * np.random.default_rng(0).normal(size=(3, 3)))
    shifted = Cell(vectors, start.coordinates + 0.2, start.values, {"energy": 0.0})
    np.testing.assert_allclose(Relaxed(start, shifted, 0.0).displacements, 0, atol=1e-12)
    pushed = np.array(start.coordinates)
    pushed[0] += np.array([0.8, 0, 0]) / 5.431
    moved = Relaxed(start, Cell(start.vectors, pushed, start.values, {"energy": 0.0}), 0.0)
    np.testing.assert_allclose(moved.displacements, [0.7, *[0.1] * 7], atol=1e-12)


def test_what_does_not_relax_is_named(silicon_files: Path, capsys) -> None:
    """In a warning, and in the report."""
    run("relax", {"fn_cells": "rattled.xyz"}, max_steps=1)
    assert (
        "1 of 1 structures were not relaxed after 1 steps: rattled.xyz" in capsys.readouterr().out
    )
    (entry,) = json.loads(Path("relax.json").read_text())["structures"]
    assert entry["converged"] is False


def test_an_explosion_names_the_structure(silicon_files: Path) -> None:
    """With the file it is from; what became of the others is written."""
    close = silicon(1)
    close.positions[1] = close.positions[0] + 1e-3
    far = Cell(20 * np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], ["Si", "Si"])
    Cell.save([Cell.from_ase(close), far], "close.xyz")
    lj = lj_potential_family("Si-Si", epsilon=1e280, sigma=2.0, a=2.0)
    ml.save_potentials("wild.pt", [lj])
    with pytest.raises((ValueError, FloatingPointError), match=r"^close\.xyz, structure 0"):
        run("relax", {"fn_cells": "close.xyz", "potentials": "wild.pt"})
    (written,) = Cell.load("relax.extxyz")
    np.testing.assert_allclose(written.cartesian(), far.cartesian())
    report = json.loads(Path("relax.json").read_text())
    (failure,) = report["failures"]
    assert failure["index"] == 0
    assert failure["source"].startswith("close.xyz, structure 0")
    (entry,) = report["structures"]
    assert entry["source"].startswith("close.xyz, structure 1")


@pytest.mark.parametrize("keys", [{}, {"optimizer": "bfgs"}, {"fixed": [3]}])
def test_structures_together_end_as_alone(silicon_files: Path, keys: dict[str, object]) -> None:
    """Crystals, a slab and a molecule in one job, in their order."""
    crystals = [Cell.from_ase(silicon(n)) for n in (1, 2)]
    thick = crystals[0]
    slab = Cell(
        thick.vectors * [[1], [1], [2]],
        thick.coordinates / [1, 1, 2],
        thick.values,
        pbc=(True, True, False),
    )
    molecule = Cell(np.eye(3), [[0, 0, 0], [0, 0, 2.3]], ["Si", "Si"], pbc=False)
    if "fixed" in keys:
        molecule = crystals[1]
    cells = [crystals[0], molecule, slab, crystals[1]]
    Cell.save(cells, "mixed.xyz")
    ends = run("relax", {"fn_cells": "mixed.xyz"}, free="cell", tolerance=1e-3, **keys)
    for cell, end in zip(cells, ends, strict=True):
        free = "cell" if any(cell.pbc) else "positions"
        fixed = keys.get("fixed", ())
        alone = dyn.relax(cell, SILICON, free=free, fixed=fixed, tolerance=1e-3)
        np.testing.assert_allclose(end.meta["energy"], alone.meta["energy"], atol=1e-4)
        assert end.pbc == cell.pbc
