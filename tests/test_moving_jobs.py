"""What workflows that move atoms share: mistakes, slabs, what cannot be run."""

import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import fcc111
from ase.optimize import BFGS
from silicon_jobs import MD, run
from silicon_jobs import silicon_files as silicon_files  # a fixture

from miniff import ml
from miniff.ase import MiniffCalculator
from miniff.kernel import Cell
from miniff.ml_util import JobError, run_job_file
from miniff.potentials import lj_potential_family

JOB = """\
relax:
  prepare: {fn_cells: rattled.xyz}
  run:
    pressure_gpa: 2.0
    free: %s
md:
  prepare:
    fn_cells: rattled.xyz
    repeat: [1, 1]
  run:
    ensemble: %s
    thermostat: langevin
    n_steps: 10
    every: 0
test-relax:
  prepare: {fn_cells: absent.xyz}
  run: {optimizer: newton}
"""


def test_all_mistakes_of_a_job_are_told_before_it_runs(silicon_files: Path) -> None:
    """With the line and what would do."""
    Path("job.yml").write_text(JOB % ("positions", "npt"))
    with pytest.raises(JobError) as told:
        run_job_file("job.yml")
    for sentence in (
        "line 4: `relax.run.pressure_gpa` is 2.0 but the cell cannot give way: set `free`",
        "line 9: `md.prepare.repeat` is [1, 1] but must be",
        "line 12: `md.run.thermostat` is langevin but npt has none: it belongs to nvt",
        "`md.run.pressure_gpa` is missing but npt needs it",
        "line 14: `md.run.every` is 0 but must be in [1, inf)",
        "line 17: `test-relax.run.optimizer` is 'newton' but must be one of 'lbfgs'",
    ):
        assert sentence in str(told.value)
    assert not Path("relax.json").exists()


@pytest.mark.parametrize(
    ("prepare", "run_keys", "sentence"),
    [
        (
            {"fn_cells": "reference.xyz"},
            {},
            "^reference.xyz: there are 3 structures: say which one by `index`",
        ),
        (
            {"fn_cells": "reference.xyz", "index": 3},
            {},
            r"^reference.xyz: `index` is 3 but must be in \[-3, 3\)",
        ),
        (
            {"fn_cells": "reference.xyz", "index": 2},
            {"ensemble": "npt", "pressure_gpa": 0.0},
            r"^reference.xyz, structure 2 \(counted from 0\): `pbc` is \(False, False, False\) but",
        ),
        (MD, {"ensemble": "nvt", "temperature_k": 0.0}, "is 0 but must be above it for nvt"),
        (
            MD,
            {"ensemble": "nve", "pressure_gpa": 0.0},
            "is 0.0 but nve has none: it belongs to npt",
        ),
    ],
)
def test_wrong_structures_and_ensembles_are_refused(
    silicon_files: Path, prepare, run_keys, sentence
) -> None:
    """Before a step is made."""
    with pytest.raises(ValueError, match=sentence):
        run("md", prepare, n_steps=1, **run_keys)
    assert not Path("md.extxyz").exists()


def test_explosions_and_atoms_at_one_place_name_the_file(silicon_files: Path) -> None:
    """As other workflows do."""
    (_, _, dimer) = Cell.load("reference.xyz")
    apart = np.array(dimer.coordinates)
    apart[1] = apart[0]
    Cell.save(Cell(dimer.vectors, apart, dimer.values, pbc=False), "same.xyz")
    with pytest.raises(ValueError, match=r"^same\.xyz, structure 0 \(.*\): atoms 0 and 1"):
        run("md", {"fn_cells": "same.xyz"}, n_steps=1)
    with pytest.raises(FloatingPointError, match=r"^rattled\.xyz, structure 0 .*: at step"):
        run("md", {"fn_cells": "rattled.xyz"}, n_steps=9, timestep_fs=1e5)
    Path("md.checkpoint").write_text("none")
    with pytest.raises(ValueError, match=r"^md\.checkpoint is damaged"):
        run("md", {"fn_cells": "rattled.xyz"}, n_steps=1)


def test_slabs_without_a_third_vector_relax_and_move(folder: Path) -> None:
    """As the calculator has them; they have no volume, hence no stress and no free cell."""
    slab = fcc111("Al", (2, 2, 2))
    slab.rattle(0.05, seed=0)
    Cell.save(Cell.from_ase(slab), "slab.xyz")
    lj = lj_potential_family("Al-Al", epsilon=0.1, sigma=2.5, a=2.2)
    ml.save_potentials("potentials.pt", [lj])
    (end,) = run("relax", {"fn_cells": "slab.xyz"}, tolerance=1e-5)
    alone = slab.copy()
    alone.calc = MiniffCalculator(lj)
    BFGS(alone, logfile=None).run(fmax=1e-6)
    assert end.meta["energy"] == pytest.approx(alone.get_potential_energy(), abs=1e-8)
    assert "stress" not in end.meta
    assert json.loads(Path("relax.json").read_text())["structures"][0]["volume"] is None
    assert (ase.io.read("relax.extxyz").cell[2] == 0).all()
    state = run("md", {"fn_cells": "slab.xyz"}, n_steps=2)
    assert state.pressure is None
    with pytest.raises(ValueError, match=r"^slab\.xyz, .*, which has no volume, but a free cell"):
        run("relax", {"fn_cells": "slab.xyz"}, free="cell")


def test_names_that_ase_does_not_know_are_refused(folder: Path) -> None:
    """Potentials for species that are no chemical elements can move nothing."""
    ml.save_potentials("potentials.pt", [lj_potential_family("A-A", epsilon=1, sigma=3, a=2)])
    Cell.save(Cell.from_ase(Atoms("Ar2", [[0, 0, 0], [4, 0, 0]])), "dimer.xyz")
    with pytest.raises(ValueError, match="`A` is not a known chemical species"):
        run("relax", {"fn_cells": "dimer.xyz"})


@pytest.mark.parametrize("workflow", ["relax", "test-relax", "md"])
def test_several_processes_are_refused(silicon_files: Path, monkeypatch, workflow: str) -> None:
    """They would all write the same files."""
    monkeypatch.setattr(
        "miniff.ml_util._material.processes_of_torchrun", lambda: ml.Processes(0, 2)
    )
    keys = {"n_steps": 1} if workflow == "md" else {}
    with pytest.raises(ValueError, match="torchrun has started 2 processes but atoms are moved in"):
        run(workflow, {"fn_cells": "rattled.xyz"}, **keys)
